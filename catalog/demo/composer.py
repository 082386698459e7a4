"""The demo composer: a short piece of music for an intended point of the plane.

Reviews [1]_ [2]_ [3]_ and classic experiments [4]_ [5]_ report which musical trait changes with
which axis. The effects of traits are almost linear and add up [6]_, so most traits here are linear
functions of the intended valence and arousal:

====================  ===========================================  =====================
trait                 direction                                    source
====================  ===========================================  =====================
tempo, note density   rise with arousal; a little with valence     [1]_ [3]_ [5]_ [6]_
mode                  major side with valence, minor side without  [3]_ [4]_ [6]_
sound level           rises with arousal                           [1]_ [3]_ [6]_
articulation          staccato with arousal, legato without        [1]_ [2]_ [6]_
timbre (brightness)   more high partials with arousal and valence  [1]_ [2]_ [6]_
tone attacks          fast with arousal, slow without              [1]_ [2]_
register              higher with valence; a little with arousal   [3]_ [5]_ [6]_
dissonance            with low valence, most when arousal is high  [2]_ [3]_ [4]_
melodic contour       rising with valence, falling without         [2]_ [3]_
====================  ===========================================  =====================

The slopes and the ensembles are our own choice. An ensemble imitates a genre.

References
----------
.. [1] Juslin & Laukka (2003), "Communication of emotions in vocal expression and music
   performance: different channels, same code?", Psychological Bulletin 129(5), 770-814.
.. [2] Juslin & Laukka (2004), "Expression, perception, and induction of musical emotions: a
   review and a questionnaire study of everyday listening", J. New Music Research 33(3), 217-238.
.. [3] Gabrielsson & Lindstrom (2010), "The role of structure in the musical expression of
   emotions", in Juslin & Sloboda (eds.), Handbook of Music and Emotion, 367-400.
.. [4] Hevner (1936), "Experimental studies of the elements of expression in music",
   American Journal of Psychology 48(2), 246-268.
.. [5] Hevner (1937), "The affective value of pitch and tempo in music",
   American Journal of Psychology 49(4), 621-630.
.. [6] Eerola, Friberg & Bresin (2013), "Emotional expression in music: contribution, linearity,
   and additivity of primary musical cues", Frontiers in Psychology 4:487.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from catalog.demo import score, synth
from catalog.demo.ensembles import ENSEMBLES
from catalog.demo.score import Traits

if TYPE_CHECKING:
    from collections.abc import Iterable

    from catalog.demo.ensembles import Ensemble
    from catalog.demo.score import Frame, Note, Stroke
    from catalog.demo.synth import Sound, Voice
    from mer.affect import AffectPoint

_MUSIC_SECONDS: Final = 22.0
_TAIL_SECONDS: Final = 1.8


def traits(intended: AffectPoint) -> Traits:
    """Return the traits of a piece for the intended point."""
    valence, arousal = intended.valence, intended.arousal
    return Traits(
        tempo_bpm=54.0 + 104.0 * arousal + 14.0 * valence,
        mode=_mode(valence, arousal),
        centre_midi=62.0 + 12.0 * (valence - 0.5) + 4.0 * (arousal - 0.5),
        legato=1.1 - 0.6 * arousal,
        brightness=0.02 + 0.78 * arousal + 0.16 * valence,
        loudness_db=-26.0 + 14.0 * arousal,
        attack_scale=2.2 - 2.0 * arousal,
        density=0.1 + 0.85 * arousal,
        dissonance=(1.0 - valence) * (0.05 + 0.7 * arousal),
        rise=0.8 * (valence - 0.5),
    )


def _mode(valence: float, arousal: float) -> str:
    """Return the mode; higher valence gives a brighter one."""
    if valence < 0.32 and arousal >= 0.5:
        return "phrygian"
    if valence < 0.43:
        return "minor"
    if valence < 0.5:
        return "dorian"
    if valence < 0.58 and arousal >= 0.5:
        return "mixolydian"
    return "lydian" if valence >= 0.85 and arousal < 0.4 else "major"


def compose(intended: AffectPoint, *, ensemble: str, seed: int) -> Sound:
    """Return `(samples, 2)` at `synth.SAMPLE_RATE`; the same arguments give the same samples.

    Raises KeyError for an ensemble that is not in `ENSEMBLES`.
    """
    rng = np.random.default_rng(seed)
    band = ENSEMBLES[ensemble]
    wanted = traits(intended)
    frame = score.frame_make(
        replace(wanted, tempo_bpm=wanted.tempo_bpm * band.tempo_scale),
        band,
        seconds=_MUSIC_SECONDS,
        rng=rng,
    )
    desk = _Desk(frame, rng, looseness=band.looseness)
    for part in band.parts:
        notes = score.accompaniment(frame, part, has_sevenths=band.has_sevenths, rng=rng)
        sound = desk.play(part.voice, notes)
        desk.add(sound, gain=part.gain, pan=part.pan, drive=part.drive)
    if band.lead is not None:
        sound = desk.play(band.lead, score.melody(frame, octave=band.lead_octave, rng=rng))
        desk.add(sound, gain=band.lead_gain, pan=0.0, drive=band.lead_drive)
    strokes = score.drumming(frame, band, rng=rng)
    return _mixed(desk, band, strokes, loudness_db=wanted.loudness_db, rng=rng)


def _mixed(
    desk: _Desk,
    band: Ensemble,
    strokes: list[Stroke],
    *,
    loudness_db: float,
    rng: np.random.Generator,
) -> Sound:
    """Return the finished mix: ducked by the kick if the style asks for it, with room and level."""
    music = desk.stereo
    if band.pumping:
        music = music * desk.ducking(strokes, depth=band.pumping)[:, None]
    drums = np.float32(band.drum_gain) * desk.drums(strokes)[:, None]
    mix = synth.reverberate(music + drums, seconds=band.room_seconds, wet=band.room_wet, rng=rng)
    return synth.master(mix, loudness_db=loudness_db)


class _Desk:
    """The mixing desk of one piece: renders notes and strokes, and mixes them in stereo."""

    def __init__(self, frame: Frame, rng: np.random.Generator, *, looseness: float) -> None:
        self._looseness = looseness
        self._traits = frame.traits
        self._beat_seconds = 60.0 / frame.traits.tempo_bpm
        self._samples = int((frame.bars * frame.bar_seconds + _TAIL_SECONDS) * synth.SAMPLE_RATE)
        self._rng = rng
        self.stereo: Sound = np.zeros((self._samples, 2), dtype=np.float32)

    def play(self, voice: Voice, notes: Iterable[Note]) -> Sound:
        """Return the track of one instrument; equal notes are rendered once."""
        made: dict[tuple[float, float], Sound] = {}
        track = np.zeros(self._samples, dtype=np.float32)
        for note in notes:
            key = (note.midi, note.beats)
            if key not in made:
                made[key] = synth.tone(
                    voice,
                    note.midi,
                    note.beats * self._beat_seconds,
                    brightness=self._traits.brightness,
                    attack_scale=self._traits.attack_scale,
                    rng=self._rng,
                )
            self._put(track, made[key], note.start_beats, note.velocity)
        return track

    def drums(self, strokes: Iterable[Stroke]) -> Sound:
        """Return the track of the drums."""
        made: dict[str, Sound] = {}
        track = np.zeros(self._samples, dtype=np.float32)
        for stroke in strokes:
            if stroke.drum not in made:
                made[stroke.drum] = synth.drum(
                    stroke.drum, brightness=self._traits.brightness, rng=self._rng
                )
            self._put(track, made[stroke.drum], stroke.start_beats, 0.55 * stroke.velocity)
        return track

    def ducking(self, strokes: Iterable[Stroke], *, depth: float) -> Sound:
        """Return a gain that dips at every kick."""
        dip = np.exp(-np.arange(int(0.3 * synth.SAMPLE_RATE)) / (0.1 * synth.SAMPLE_RATE))
        track = np.zeros(self._samples, dtype=np.float32)
        for stroke in strokes:
            if stroke.drum == "kick":
                self._put(track, dip.astype(np.float32), stroke.start_beats, 1.0)
        return np.subtract(1.0, depth * np.minimum(track, 1.0), dtype=np.float32)

    def add(self, sound: Sound, *, gain: float, pan: float, drive: float) -> None:
        """Add a track to the mix with equal-power panning, overdriven if `drive`."""
        if drive:
            sound = synth.overdrive(sound, drive=drive, rng=self._rng)
        angle = (pan + 1.0) * np.pi / 4
        self.stereo[:, 0] += np.float32(gain * np.cos(angle)) * sound
        self.stereo[:, 1] += np.float32(gain * np.sin(angle)) * sound

    def _put(self, track: Sound, sound: Sound, start_beats: float, velocity: float) -> None:
        late = self._looseness * float(self._rng.standard_normal())
        seconds = max(0.0, start_beats * self._beat_seconds + late)
        start = int(seconds * synth.SAMPLE_RATE)
        part = track[start : start + len(sound)]
        part += np.float32(velocity) * sound[: len(part)]
