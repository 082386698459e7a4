"""Instruments, a room and the mastering of composed pieces; numpy only.

A tone is a sum of partials that decay exponentially, computed as one matrix product: the phase of a
partial at sample ``k * B + j`` is that at ``k * B`` plus that at ``j``. This is about ten times as
fast as a wavetable. Sounds are mono float32 arrays at `SAMPLE_RATE`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from catalog.demo import synth

if TYPE_CHECKING:
    from collections.abc import Iterable

    from catalog.composed.score import Note, Stroke

SAMPLE_RATE: Final = 16_000
Sound = NDArray[np.float32]

_BLOCK: Final = 256
_TOP_HZ: Final = 7400.0
_MOST_PARTIALS: Final = 48
_LONGEST_SECONDS: Final = 9.0
_MIDDLE_C_HZ: Final = 261.63
_TAIL_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Timbre:
    """An instrument. Numbers hold for middle C at a brightness and velocity of 0.5.

    Partial n has the amplitude n ** -`rolloff`, which falls by 12 dB an octave above `cutoff_hz`.
    `duty` makes a pulse wave of that width. `ratios` (frequency, amplitude and decay relative to
    the first partial) replace the harmonics of struck metal, wood and skin.
    `decay_seconds` of 0 stands for an instrument that sounds until the note is released.
    `octaves_by_velocity` says by how many octaves a full stroke moves `cutoff_hz`.
    """

    rolloff: float = 1.0
    cutoff_hz: float = 2500.0
    even: float = 1.0
    duty: float = 0.0
    ratios: tuple[tuple[float, float, float], ...] = ()
    inharmonicity: float = 0.0
    formants_hz: tuple[float, ...] = ()
    attack_seconds: float = 0.004
    decay_seconds: float = 0.0
    damping: float = 0.15
    release_seconds: float = 0.08
    unison_cents: float = 0.0
    vibrato_cents: float = 0.0
    noise: float = 0.0
    noise_hz: tuple[float, float] = (500.0, 4000.0)
    noise_seconds: float = 0.0
    octaves_by_velocity: float = 1.5


_WOOD: Final = ((1.0, 1.0, 1.0), (3.93, 0.35, 0.3), (9.2, 0.1, 0.12))
_METAL: Final = ((1.0, 1.0, 1.0), (2.76, 0.5, 0.7), (5.4, 0.3, 0.45), (8.93, 0.15, 0.25))
_SKIN: Final = ((1.0, 1.0, 1.0), (1.5, 0.7, 0.7), (1.98, 0.5, 0.5), (2.44, 0.3, 0.4))
_STRINGS: Final = Timbre(
    1.0, 2200, attack_seconds=0.1, release_seconds=0.25, unison_cents=9, vibrato_cents=9,
    noise=0.02, noise_hz=(1500, 5000), octaves_by_velocity=1.2,
)  # fmt: skip
_REED: Final = Timbre(0.8, 1900, attack_seconds=0.04, vibrato_cents=6, noise=0.01)
_BRASS: Final = Timbre(0.7, 1300, attack_seconds=0.04, unison_cents=3, vibrato_cents=4,
                       octaves_by_velocity=2.6)  # fmt: skip
_GUITAR: Final = Timbre(0.9, 2000, decay_seconds=0.9, damping=0.25, inharmonicity=8e-5,
                        release_seconds=0.15, noise=0.15, noise_seconds=0.008)  # fmt: skip

TIMBRES: Final = {
    "grand piano": Timbre(
        0.95, 1500, inharmonicity=3.5e-4, decay_seconds=1.3, damping=0.12, release_seconds=0.18,
        unison_cents=0.7, noise=0.06, noise_hz=(60, 900), noise_seconds=0.03,
        octaves_by_velocity=2.6,
    ),
    "bright piano": Timbre(
        0.75, 2400, inharmonicity=2.5e-4, decay_seconds=1.0, damping=0.1, release_seconds=0.12,
        unison_cents=1.2, noise=0.05, noise_hz=(200, 2500), noise_seconds=0.015,
        octaves_by_velocity=2.2,
    ),
    "upright piano": Timbre(
        0.9, 1300, inharmonicity=9e-4, decay_seconds=0.75, damping=0.2, release_seconds=0.14,
        unison_cents=3.0, noise=0.1, noise_hz=(80, 700), noise_seconds=0.04,
        octaves_by_velocity=2.0,
    ),
    "felt piano": Timbre(
        1.25, 900, inharmonicity=4e-4, attack_seconds=0.012, decay_seconds=0.9, damping=0.25,
        release_seconds=0.3, unison_cents=1.0, noise=0.18, noise_hz=(60, 500),
        noise_seconds=0.06, octaves_by_velocity=1.4,
    ),
    "electric piano": Timbre(
        1.6, 1800, ratios=((1, 1, 1), (2, 0.25, 0.8), (3, 0.1, 0.5), (7.1, 0.12, 0.12)),
        decay_seconds=1.1, release_seconds=0.12,
    ),
    "harp": replace(_GUITAR, decay_seconds=1.4, cutoff_hz=1600, release_seconds=0.8),
    "acoustic guitar": _GUITAR,
    "muted guitar": replace(_GUITAR, decay_seconds=0.2, cutoff_hz=1500),
    "driven guitar": Timbre(
        0.55, 3000, decay_seconds=3.0, damping=0.03, release_seconds=0.06, unison_cents=8,
        noise=0.06, noise_hz=(800, 5000),
    ),
    "upright bass": replace(_GUITAR, cutoff_hz=700, decay_seconds=0.5),
    "electric bass": Timbre(1.1, 800, decay_seconds=1.0, release_seconds=0.05),
    "strings": _STRINGS,
    "solo violin": replace(_STRINGS, unison_cents=0.0, vibrato_cents=22.0, cutoff_hz=3000),
    "solo cello": replace(_STRINGS, unison_cents=0.0, vibrato_cents=16.0, cutoff_hz=1500),
    "spiccato": replace(_STRINGS, attack_seconds=0.015, decay_seconds=0.12, vibrato_cents=0.0),
    "pizzicato": replace(_GUITAR, decay_seconds=0.22, unison_cents=6.0),
    "tremolo strings": replace(_STRINGS, attack_seconds=0.012, decay_seconds=0.25, noise=0.08),
    "trumpets": replace(_BRASS, cutoff_hz=1800),
    "horns": replace(_BRASS, cutoff_hz=800, rolloff=1.0, attack_seconds=0.06),
    "trombones": replace(_BRASS, cutoff_hz=1000, unison_cents=4.0),
    "flute": Timbre(1.9, 2500, attack_seconds=0.05, vibrato_cents=14, noise=0.06),
    "oboe": replace(_REED, formants_hz=(1100.0, 2700.0), rolloff=0.6),
    "clarinet": replace(_REED, even=0.1, rolloff=1.0, vibrato_cents=0.0),
    "bassoon": replace(_REED, formants_hz=(500.0, 1200.0)),
    "choir": Timbre(
        0.9, 2500, formants_hz=(600.0, 1000.0, 2600.0), attack_seconds=0.15, release_seconds=0.4,
        unison_cents=14, vibrato_cents=12, noise=0.03,
    ),
    "marimba": Timbre(ratios=_WOOD, decay_seconds=0.25, release_seconds=0.3),
    "vibraphone": Timbre(ratios=((1, 1, 1), (4, 0.25, 0.5), (10, 0.06, 0.2)), decay_seconds=1.4,
                         release_seconds=0.5),
    "glockenspiel": Timbre(ratios=_METAL, decay_seconds=0.8, release_seconds=1.0),
    "timpani": Timbre(ratios=_SKIN, decay_seconds=0.7, release_seconds=0.9, noise=0.3,
                      noise_hz=(60, 600), noise_seconds=0.03),
    "organ": Timbre(1.2, 2500, attack_seconds=0.02, unison_cents=2, octaves_by_velocity=0.3),
    "pulse 12": Timbre(duty=0.125, cutoff_hz=9000, attack_seconds=0.002, release_seconds=0.02,
                       octaves_by_velocity=0.5),
    "pulse 25": Timbre(duty=0.25, cutoff_hz=9000, attack_seconds=0.002, release_seconds=0.02,
                       octaves_by_velocity=0.5),
    "pulse 50": Timbre(duty=0.5, cutoff_hz=9000, attack_seconds=0.002, release_seconds=0.02,
                       vibrato_cents=12, octaves_by_velocity=0.5),
    "triangle": Timbre(rolloff=2.0, even=0.0, cutoff_hz=9000, release_seconds=0.02,
                       octaves_by_velocity=0.2),
    "fm bell": Timbre(ratios=((1, 1, 1), (3.5, 0.6, 0.5), (6.2, 0.25, 0.3)), decay_seconds=0.7,
                      release_seconds=0.4),
    "saw lead": Timbre(1.0, 3000, unison_cents=9, attack_seconds=0.008, release_seconds=0.1),
    "saw stab": Timbre(0.9, 3000, unison_cents=14, decay_seconds=0.3, damping=0.3),
    "pluck": Timbre(1.0, 2600, unison_cents=6, decay_seconds=0.2, damping=0.4),
    "pad": Timbre(1.3, 1000, attack_seconds=0.4, release_seconds=0.9, unison_cents=11,
                  octaves_by_velocity=0.8),
    "synth bass": Timbre(1.0, 700, decay_seconds=0.35, damping=0.2),
    "sub bass": Timbre(2.2, 300, attack_seconds=0.01),
    "singer": Timbre(
        0.9, 3000, formants_hz=(700.0, 1150.0, 2800.0), attack_seconds=0.06,
        release_seconds=0.12, vibrato_cents=22, noise=0.03,
    ),
}  # fmt: skip
"""Every instrument that a band may name."""


def varied(timbre: Timbre, rng: np.random.Generator) -> Timbre:
    """Return another instrument of the same kind: each number is changed by about a fifth."""
    changes = {
        field.name: getattr(timbre, field.name) * float(np.exp(0.2 * rng.standard_normal()))
        for field in fields(timbre)
        if isinstance(getattr(timbre, field.name), (int, float)) and field.name != "duty"
    }
    return replace(timbre, **changes)


class Player:
    """One instrument of one piece; equal notes are computed once."""

    def __init__(self, timbre: Timbre, brightness: float, rng: np.random.Generator) -> None:
        self._timbre = timbre
        self._brightness = brightness
        self._rng = rng
        self._made: dict[tuple[float, int, int], Sound] = {}
        low, high = timbre.noise_hz
        hiss = rng.standard_normal(4 * SAMPLE_RATE).astype(np.float32)
        self._hiss = band(hiss, low_hz=low, high_hz=high) if timbre.noise else hiss
        self._hiss /= np.float32(np.sqrt(np.mean(self._hiss**2)))

    def play(self, notes: Iterable[Note], samples: int) -> Sound:
        """Return the track of these notes."""
        track = np.zeros(samples, dtype=np.float32)
        for note in notes:
            steps = max(1, round(note.seconds * 25))
            loudness = max(1, round(12 * note.velocity))
            key = (note.midi, steps, loudness)
            if key not in self._made:
                self._made[key] = self._tone(note.midi, steps / 25, loudness / 12)
            start = max(0, int(note.start_seconds * SAMPLE_RATE))
            part = track[start : start + len(self._made[key])]
            part += self._made[key][: len(part)]
        return track

    def _tone(self, midi: float, seconds: float, velocity: float) -> Sound:
        """Return one note; its level spans 24 dB from the softest velocity to the loudest."""
        timbre = self._timbre
        seconds = min(seconds, _LONGEST_SECONDS)
        samples = int((seconds + timbre.release_seconds) * SAMPLE_RATE)
        frequency = 440.0 * 2.0 ** ((midi - 69) / 12)
        hertz, amplitudes, decays = self._partials(frequency, velocity)
        if timbre.decay_seconds:  # nothing is left after seven time constants
            samples = min(samples, int(7 * SAMPLE_RATE / decays.min()) + 1)
        sound = partials_sum(hertz, amplitudes, decays, samples, self._rng)
        if timbre.vibrato_cents:
            sound = self._swaying(sound)
        if timbre.noise:
            sound = sound + self._noise(samples)
        attack = timbre.attack_seconds * 2.0 ** (1.0 - 2.0 * velocity)
        time = np.arange(samples, dtype=np.float32) / SAMPLE_RATE
        level = np.minimum(time / max(attack, 0.001), 1.0)
        level *= np.clip(1.0 - (time - seconds) / timbre.release_seconds, 0.0, 1.0) ** 2
        gain = 10.0 ** (-1.2 * (1.0 - velocity))
        return np.asarray(sound * (gain * level), np.float32)

    def _partials(
        self, frequency: float, velocity: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return frequency, amplitude and decay (per second) of every partial."""
        timbre = self._timbre
        if timbre.ratios:
            ratios, amplitudes, lasting = np.array(timbre.ratios).T
            hertz = frequency * ratios
            amplitudes = amplitudes * np.where(ratios > 1, 2.0 ** (2 * velocity - 1), 1.0)
        else:
            n = np.arange(1, max(2, min(_MOST_PARTIALS, int(_TOP_HZ / frequency))) + 1)
            hertz = frequency * n * np.sqrt(1.0 + timbre.inharmonicity * n**2)
            shape = np.abs(np.sin(np.pi * n * timbre.duty)) if timbre.duty else 1.0
            amplitudes = shape * n**-timbre.rolloff * np.where(n % 2 == 0, timbre.even, 1.0)
            lasting = 1.0 / (1.0 + timbre.damping * (n - 1))
        octaves = timbre.octaves_by_velocity * (velocity - 0.5) + 3.0 * (self._brightness - 0.5)
        cutoff = max(timbre.cutoff_hz * 2.0**octaves, 0.8 * frequency)
        amplitudes = amplitudes / (1.0 + (hertz / cutoff) ** 2)
        if timbre.formants_hz:
            peaks = [np.exp(-(((hertz - f) / (0.16 * f + 40)) ** 2)) for f in timbre.formants_hz]
            amplitudes = amplitudes * (0.12 + sum(peaks))
        decays = np.zeros_like(hertz)
        if timbre.decay_seconds:
            decays += (frequency / _MIDDLE_C_HZ) ** 0.6 / (timbre.decay_seconds * lasting)
        kept = hertz < _TOP_HZ
        hertz, amplitudes, decays = hertz[kept], amplitudes[kept], decays[kept]
        amplitudes = 0.3 * amplitudes / np.sqrt(0.5 * np.sum(amplitudes**2) + 1e-12)
        return self._unison(hertz, amplitudes, decays)

    def _unison(
        self,
        hertz: NDArray[np.float64],
        amplitudes: NDArray[np.float64],
        decays: NDArray[np.float64],
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return two or three detuned copies; those of a string that decays at unequal rates."""
        cents = self._timbre.unison_cents
        if not cents:
            return hertz, amplitudes, decays
        # A piano's strings decay fast together and slowly against each other (Weinreich 1977).
        copies = ((0.0, 0.85, 1.4), (cents, 0.35, 0.35)) if self._timbre.decay_seconds else (
            (-cents, 0.55, 1.0), (0.1 * cents, 0.6, 1.0), (cents, 0.55, 1.0)
        )  # fmt: skip
        return (
            np.concatenate([hertz * 2.0 ** (cent / 1200) for cent, _, _ in copies]),
            np.concatenate([amplitudes * share for _, share, _ in copies]),
            np.concatenate([decays * scale for _, _, scale in copies]),
        )

    def _swaying(self, sound: Sound) -> Sound:
        """Return the tone with vibrato, which sets in slowly."""
        time = np.arange(len(sound)) / SAMPLE_RATE
        hertz = 5.4 + 0.5 * self._rng.standard_normal()
        depth = (2.0 ** (self._timbre.vibrato_cents / 1200) - 1.0) / (2 * np.pi * hertz)
        swing = np.sin(2 * np.pi * (hertz * time + self._rng.random()))
        late = depth * SAMPLE_RATE * np.minimum(time / 0.4, 1.0) * swing
        index = np.arange(len(sound))
        return np.asarray(np.interp(index + late, index, sound), np.float32)

    def _noise(self, samples: int) -> Sound:
        start = int(self._rng.integers(2 * SAMPLE_RATE))
        noise = np.resize(self._hiss[start:], samples) * np.float32(0.3 * self._timbre.noise)
        if self._timbre.noise_seconds:
            time = np.arange(samples, dtype=np.float32) / SAMPLE_RATE
            noise = noise * (4.0 * np.exp(-time / self._timbre.noise_seconds))
        return noise.astype(np.float32)


def partials_sum(
    hertz: NDArray[np.float64],
    amplitudes: NDArray[np.float64],
    decays: NDArray[np.float64],
    samples: int,
    rng: np.random.Generator,
) -> Sound:
    """Return the sum of the partials, whose phases are random; `decays` are rates per second."""
    rows = -(-samples // _BLOCK)
    turns = hertz / SAMPLE_RATE
    coarse = np.arange(rows)[:, None] * _BLOCK
    fine = np.arange(_BLOCK)[:, None]
    outer = 2 * np.pi * ((coarse * turns + rng.random(len(hertz))) % 1.0).astype(np.float32)
    inner = 2 * np.pi * ((fine * turns) % 1.0).astype(np.float32)
    fading = (amplitudes * np.exp(-coarse * decays / SAMPLE_RATE)).astype(np.float32)
    within = np.exp(-fine * decays / SAMPLE_RATE).astype(np.float32)
    left = np.concatenate([fading * np.sin(outer), fading * np.cos(outer)], axis=1)
    right = np.concatenate([within * np.cos(inner), within * np.sin(inner)], axis=1)
    sound: Sound = (left @ right.T).ravel()[:samples]
    return sound


def drumming(
    strokes: Iterable[Stroke], samples: int, *, brightness: float, rng: np.random.Generator
) -> Sound:
    """Return the track of the drums, with the drums of the demo catalogue."""
    made: dict[str, Sound] = {}
    track = np.zeros(samples, dtype=np.float32)
    for stroke in strokes:
        if stroke.drum not in made:
            made[stroke.drum] = _halved(synth.drum(stroke.drum, brightness=brightness, rng=rng))
        start = max(0, int(stroke.start_seconds * SAMPLE_RATE))
        part = track[start : start + len(made[stroke.drum])]
        part += np.float32(stroke.velocity) * made[stroke.drum][: len(part)]
    return track


def _halved(sound: Sound) -> Sound:
    """Return a sound of the demo catalogue at half its sample rate."""
    half = len(sound) // 2
    spectrum = np.fft.rfft(sound[: 2 * half])[: half // 2 + 1]
    return (0.5 * np.fft.irfft(spectrum, half)).astype(np.float32)


def overdriven(track: Sound, strength: float) -> Sound:
    """Return a track as from a guitar amplifier and its speaker; 0 leaves it clean."""
    if strength < 0.3:
        return track
    level = np.float32(np.sqrt(np.mean(track**2)) + 1e-6)
    driven = np.tanh(np.float32(strength) / level * track) * (0.5 * level)
    return band(driven, low_hz=90, high_hz=5500)


def band(sound: Sound, *, low_hz: float, high_hz: float) -> Sound:
    """Filter `sound` with slopes of 24 dB an octave outside the band."""
    size = 1 << (len(sound) - 1).bit_length()
    hertz = np.fft.rfftfreq(size, 1 / SAMPLE_RATE).astype(np.float32)
    low = (hertz / low_hz) ** 4
    gain = low / (1.0 + low) / (1.0 + (hertz / high_hz) ** 4)
    return np.fft.irfft(np.fft.rfft(sound, size) * gain, size)[: len(sound)].astype(np.float32)


@dataclass(frozen=True, slots=True)
class Room:
    """A room (decay by 60 dB in `seconds`) and a recording chain (treble, level, hiss)."""

    seconds: float
    wet: float
    treble_db: float
    loudness_db: float
    hiss_db: float
    drive: float


def recorded(dry: Sound, room: Room, rng: np.random.Generator) -> Sound:
    """Return the finished piece: in its room, at its level, without a clipped sample."""
    tail = int(room.seconds * SAMPLE_RATE)
    faded = rng.standard_normal(tail) * np.exp(-6.9 * np.arange(tail) / tail)
    echo = band(faded.astype(np.float32), low_hz=120, high_hz=3500)
    echo /= np.float32(np.sqrt(np.sum(echo**2)))
    size = _fast_size(len(dry) + tail)
    hertz = np.fft.rfftfreq(size, 1 / SAMPLE_RATE).astype(np.float32)
    treble = 10.0 ** (room.treble_db / 20 * np.clip(np.log2(hertz / 500 + 1e-3), -1, 3) / 3)
    reach = (1.0 - 0.5 * room.wet) + room.wet * np.fft.rfft(echo, size)
    spectrum = np.fft.rfft(dry, size) * reach * treble.astype(np.float32)
    sound = np.fft.irfft(spectrum, size)[: len(dry)]
    sound /= np.sqrt(np.mean(sound**2)) + 1e-9
    if room.drive:
        sound = np.tanh(room.drive * sound) / room.drive
        sound /= np.sqrt(np.mean(sound**2)) + 1e-9
    sound += 10.0 ** (room.hiss_db / 20) * rng.standard_normal(len(sound)).astype(np.float32)
    sound *= 10.0 ** (room.loudness_db / 20)
    # Linear up to half scale, then bent: the result stays below 0.95.
    over = np.maximum(np.abs(sound) - 0.5, 0.0)
    sound = np.sign(sound) * (np.minimum(np.abs(sound), 0.5) + 0.45 * np.tanh(over / 0.45))
    fade = np.minimum(1.0, np.arange(len(sound))[::-1] / (0.4 * SAMPLE_RATE))
    return (sound * fade).astype(np.float32)


def _fast_size(samples: int) -> int:
    """Return a length from `samples` up that has small factors only."""
    step = 1 << max(0, samples.bit_length() - 4)
    return -(-samples // step) * step


def samples_of(seconds: float) -> int:
    """Return the length of a piece whose last note starts before `seconds`."""
    return int((seconds + _TAIL_SECONDS) * SAMPLE_RATE)
