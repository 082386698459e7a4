"""The composer of labelled pieces: an intended point, an instrumentation and a seed to sound."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from catalog.composed import score, sound
from catalog.composed.bands import BANDS
from catalog.composed.cues import cues_of

if TYPE_CHECKING:
    from catalog.composed.bands import Band, Part
    from catalog.composed.cues import Cues
    from catalog.composed.score import Frame, Note
    from catalog.composed.sound import Room, Sound, Timbre
    from mer.affect import AffectPoint


def compose(intended: AffectPoint, *, instrumentation: str, seconds: float, seed: int) -> Sound:
    """Return mono samples at `sound.SAMPLE_RATE`, of about `seconds`.

    The same arguments give the same samples on one machine. Raises KeyError for an
    instrumentation that is not in `BANDS`.
    """
    band = BANDS[instrumentation]
    rng = np.random.default_rng(seed)
    cues = cues_of(intended, rng)
    frame = score.frame_make(cues, seconds=seconds, rng=rng)
    samples = sound.samples_of(frame.seconds)
    mix = np.zeros(samples, dtype=np.float32)
    timbres: dict[str, Timbre] = {}
    for part in band.parts:
        if rng.random() > part.chance:
            continue
        # A solo instrument is one: all its parts share the timbre that the first one drew.
        key = "solo" if band.is_solo else repr(part)
        if key not in timbres:
            timbres[key] = sound.varied(sound.TIMBRES[str(rng.choice(part.timbres))], rng)
        player = sound.Player(timbres[key], cues.brightness, rng)
        track = player.play(_notes(frame, part, rng), samples)
        if part.amplifier:
            strength = part.amplifier * cues.attack * float(rng.random())
            track = sound.overdriven(track, strength)
        mix += np.float32(_gain(part, track, rng)) * track
    mix += _drums(frame, band, mix, rng)
    return sound.recorded(mix, _room(band, cues, rng), rng)


def _notes(frame: Frame, part: Part, rng: np.random.Generator) -> list[Note]:
    make = score.melody if part.role == "lead" else score.accompaniment
    return make(frame, part, rng)


def _gain(part: Part, track: Sound, rng: np.random.Generator) -> float:
    """Return the gain that gives a track its share of the mix, whatever its instrument's level."""
    level = float(np.sqrt(np.mean(track**2))) + 1e-6
    return float(part.gain * 2.0 ** rng.uniform(-0.4, 0.4) * (0.05 / level) ** 0.7)


def _drums(frame: Frame, band: Band, music: Sound, rng: np.random.Generator) -> Sound:
    """Return the drums, scaled to the music; none below the arousal where the band has them."""
    kit = str(rng.choice(band.kits))
    if frame.cues.attack < band.kit_from:
        return np.zeros_like(music)
    strokes = score.drumming(frame, kit, rng)
    track = sound.drumming(strokes, len(music), brightness=frame.cues.brightness, rng=rng)
    if not strokes:
        return track
    ratio = float(np.sqrt(np.mean(music**2)) / (np.sqrt(np.mean(track**2)) + 1e-6))
    return np.multiply(track, band.drum_gain * ratio * rng.uniform(0.4, 1.0), dtype=np.float32)


def _room(band: Band, cues: Cues, rng: np.random.Generator) -> Room:
    return sound.Room(
        seconds=float(rng.uniform(*band.room_seconds)),
        wet=float(rng.uniform(*band.wet)),
        treble_db=float(rng.uniform(-6.0, 6.0)),
        loudness_db=cues.loudness_db,
        hiss_db=float(rng.uniform(-75.0, -45.0)),
        drive=band.drive * float(rng.random()) * cues.attack,
    )
