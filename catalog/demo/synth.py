"""Instruments, drums and effects of the demo composer; numpy only.

Sounds are float32 arrays: `(samples,)` for mono, `(samples, 2)` for a stereo mix.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE: Final = 32_000
Sound = NDArray[np.float32]

_TABLE_SIZE: Final = 4096


@dataclass(frozen=True, slots=True)
class Voice:
    """An instrument. Its numbers hold for a brightness of 0.5.

    Harmonic n has the amplitude n ** -rolloff, which falls by 12 dB an octave above `cutoff_hz`. A
    voice with `decay_seconds` fades and darkens with that time constant. A voice without it sounds
    until the note is released.
    """

    rolloff: float = 1.0
    cutoff_hz: float = 2500.0
    formants_hz: tuple[float, ...] = ()
    is_odd: bool = False
    is_plucked: bool = False
    fm_ratio: float = 0.0
    fm_index: float = 0.0
    attack_seconds: float = 0.005
    decay_seconds: float = 0.0
    release_seconds: float = 0.08
    vibrato_cents: float = 0.0
    detune_cents: float = 0.0
    breath: float = 0.0


PIANO = Voice(rolloff=1.1, cutoff_hz=1600, decay_seconds=0.9, release_seconds=0.25, detune_cents=2)
ELECTRIC_PIANO = Voice(fm_ratio=1.0, fm_index=1.2, decay_seconds=0.9, release_seconds=0.2)
MUSIC_BOX = Voice(fm_ratio=4.07, fm_index=0.7, decay_seconds=0.6, release_seconds=1.0)
VIBRAPHONE = Voice(fm_ratio=4.0, fm_index=0.25, decay_seconds=1.0, release_seconds=0.6)
GUITAR = Voice(is_plucked=True, decay_seconds=1.6, release_seconds=0.25)
UPRIGHT_BASS = Voice(is_plucked=True, decay_seconds=0.5, release_seconds=0.1)
BASS_GUITAR = Voice(rolloff=1.2, cutoff_hz=700, decay_seconds=0.8, release_seconds=0.05)
SUB_BASS = Voice(rolloff=2.5, cutoff_hz=300, attack_seconds=0.02)
SYNTH_BASS = Voice(rolloff=1.0, cutoff_hz=900, decay_seconds=0.25, detune_cents=6)
STRINGS = Voice(
    rolloff=1.1,
    cutoff_hz=2200,
    attack_seconds=0.12,
    release_seconds=0.3,
    vibrato_cents=9,
    detune_cents=9,
)
TREMOLO_STRINGS = Voice(
    rolloff=1.0, cutoff_hz=3000, attack_seconds=0.01, decay_seconds=0.12, detune_cents=14
)
BRASS = Voice(rolloff=0.8, cutoff_hz=1800, attack_seconds=0.04, vibrato_cents=5, detune_cents=5)
FLUTE = Voice(rolloff=2.2, cutoff_hz=2500, attack_seconds=0.06, vibrato_cents=12, breath=0.05)
SINGER = Voice(
    rolloff=0.9,
    cutoff_hz=3000,
    formants_hz=(700, 1150, 2800),
    attack_seconds=0.07,
    release_seconds=0.12,
    vibrato_cents=22,
    breath=0.02,
)
CHOIR = Voice(
    rolloff=0.9,
    cutoff_hz=2500,
    formants_hz=(600, 1000, 2600),
    attack_seconds=0.18,
    release_seconds=0.4,
    vibrato_cents=14,
    detune_cents=16,
    breath=0.03,
)
ORGAN = Voice(rolloff=1.3, cutoff_hz=2500, attack_seconds=0.02, detune_cents=4)
PAD = Voice(rolloff=1.3, cutoff_hz=1000, attack_seconds=0.6, release_seconds=1.2, detune_cents=11)
SYNTH_LEAD = Voice(rolloff=1.0, cutoff_hz=3500, vibrato_cents=8, detune_cents=9)
SYNTH_PLUCK = Voice(rolloff=1.0, cutoff_hz=3200, decay_seconds=0.18, detune_cents=8)
PULSE = Voice(rolloff=0.7, is_odd=True, cutoff_hz=3000, release_seconds=0.02, vibrato_cents=6)
DRIVEN_GUITAR = Voice(rolloff=0.9, cutoff_hz=5000, decay_seconds=2.5, detune_cents=13)
SHOUTER = Voice(
    rolloff=0.6,
    cutoff_hz=4000,
    formants_hz=(800, 1300, 2700),
    attack_seconds=0.02,
    release_seconds=0.06,
    vibrato_cents=30,
    detune_cents=25,
    breath=0.5,
)


def tone(
    voice: Voice,
    midi: float,
    seconds: float,
    *,
    brightness: float,
    attack_scale: float,
    rng: np.random.Generator,
) -> Sound:
    """Return one note, released after `seconds`; `brightness` is from 0 to 1."""
    samples = int((seconds + voice.release_seconds) * SAMPLE_RATE)
    frequency = 440.0 * 2.0 ** ((midi - 69) / 12)
    if voice.is_plucked:
        sound = _pluck(frequency, samples, brightness, rng)
    elif voice.fm_ratio:
        sound = _modulated(voice, frequency, samples, brightness)
    else:
        sound = _waves(voice, frequency, samples, brightness, rng)
    if voice.breath:
        noise = rng.standard_normal(samples).astype(np.float32)
        sound = sound + voice.breath * band(noise, low_hz=frequency, high_hz=voice.cutoff_hz)
    return np.multiply(sound, _envelope(voice, samples, seconds, attack_scale), dtype=np.float32)


def _envelope(voice: Voice, samples: int, seconds: float, attack_scale: float) -> Sound:
    time = np.arange(samples, dtype=np.float32) / SAMPLE_RATE
    attack = max(voice.attack_seconds * attack_scale, 0.002)
    level = np.minimum(time / attack, 1.0)
    if voice.decay_seconds:
        level = level * np.exp(-time / voice.decay_seconds)
    release = np.clip(1.0 - (time - seconds) / voice.release_seconds, 0.0, 1.0)
    return (level * release**2).astype(np.float32)


def _table(voice: Voice, frequency: float, cutoff_hz: float) -> Sound:
    """Return one cycle, without harmonics above the Nyquist frequency."""
    count = max(1, min(int(0.45 * SAMPLE_RATE / frequency), _TABLE_SIZE // 8))
    numbers = np.arange(1, count + 1)
    hertz = numbers * frequency
    amplitudes = numbers**-voice.rolloff / (1.0 + (hertz / cutoff_hz) ** 2)
    if voice.is_odd:
        amplitudes = np.where(numbers % 2 == 1, amplitudes, 0.03 * amplitudes)
    if voice.formants_hz:
        resonance = sum(np.exp(-(((hertz - f) / (0.16 * f + 40)) ** 2)) for f in voice.formants_hz)
        amplitudes = amplitudes * (0.12 + resonance)
    spectrum = np.zeros(_TABLE_SIZE // 2 + 1, dtype=np.complex128)
    spectrum[1 : count + 1] = -0.5j * amplitudes
    table = np.fft.irfft(spectrum)
    cycle: Sound = (table / (np.sqrt(np.mean(table**2)) * 3.0)).astype(np.float32)
    return cycle


def _waves(
    voice: Voice, frequency: float, samples: int, brightness: float, rng: np.random.Generator
) -> Sound:
    """Return band-limited waves: three if detuned, darkening if the voice decays."""
    time = np.arange(samples) / SAMPLE_RATE
    cutoff_hz = max(voice.cutoff_hz * 16.0 ** (brightness - 0.5), 0.7 * frequency)
    bright = _table(voice, frequency, cutoff_hz)
    sway = np.zeros(samples)
    if voice.vibrato_cents:
        # The rate of a real vibrato varies.
        hertz = 5.3 + 0.8 * np.sin(2 * np.pi * (0.7 * time + rng.random()))
        depth = frequency * (2.0 ** (voice.vibrato_cents / 1200) - 1.0)
        swing = np.sin(2 * np.pi * np.cumsum(hertz) / SAMPLE_RATE)
        sway = depth * np.minimum(time / 0.5, 1.0) * swing / (2 * np.pi * 5.3)
    sound: Sound = np.zeros(samples, dtype=np.float32)
    cents = (-voice.detune_cents, 0.0, voice.detune_cents) if voice.detune_cents else (0.0,)
    fade = (
        np.exp(-time / (0.4 * voice.decay_seconds)).astype(np.float32) if voice.decay_seconds else 1
    )
    dark = _table(voice, frequency, 0.3 * cutoff_hz) if voice.decay_seconds else bright
    for cent in cents:
        cycles = time * (frequency * 2.0 ** (cent / 1200)) + sway + rng.random()
        index = ((cycles % 1.0) * _TABLE_SIZE).astype(np.int32) % _TABLE_SIZE
        sound += dark[index] + fade * (bright[index] - dark[index])
    sound /= np.float32(len(cents) ** 0.5)
    return sound


def _modulated(voice: Voice, frequency: float, samples: int, brightness: float) -> Sound:
    """Return a frequency-modulated tone, for struck metal and electric piano [1]_.

    .. [1] Chowning (1973), "The synthesis of complex audio spectra by means of frequency
       modulation", J. Audio Eng. Soc. 21(7).
    """
    time = np.arange(samples) / SAMPLE_RATE
    index = voice.fm_index * (0.4 + 1.2 * brightness) * np.exp(-time / (0.4 * voice.decay_seconds))
    modulator = np.sin(2 * np.pi * frequency * voice.fm_ratio * time)
    return (0.45 * np.sin(2 * np.pi * frequency * time + index * modulator)).astype(np.float32)


def _pluck(frequency: float, samples: int, brightness: float, rng: np.random.Generator) -> Sound:
    """Return a plucked string [1]_, computed one period at a time.

    .. [1] Karplus & Strong (1983), "Digital synthesis of plucked-string and drum timbres",
       Computer Music Journal 7(2).
    """
    period = max(8, round(SAMPLE_RATE / frequency))
    cycle = rng.uniform(-1.0, 1.0, period)
    for _ in range(round(3 * (1.0 - brightness))):
        cycle = 0.5 * (cycle + np.roll(cycle, 1))
    cycle -= cycle.mean()
    cycle *= 0.4 / (np.sqrt(np.mean(cycle**2)) + 1e-9)
    rows = np.empty((samples // period + 3, period))
    for row in rows:
        row[:] = cycle
        cycle = 0.4985 * (cycle + np.roll(cycle, 1))
    # Each averaging delays the wave by half a sample, so a period is half a sample longer.
    position = np.arange(samples) * (frequency * (period + 0.5) / SAMPLE_RATE)
    sound: Sound = np.interp(position, np.arange(rows.size), rows.ravel()).astype(np.float32)
    return sound


@dataclass(frozen=True, slots=True)
class Drum:
    """A falling sine and a band of noise, each with its own decay."""

    seconds: float
    pitch_hz: float = 0.0
    sweep: float = 0.0
    tone_decay: float = 0.1
    noise: float = 0.0
    noise_decay: float = 0.05
    low_hz: float = 20.0
    high_hz: float = 15_000.0


DRUMS: Final = {
    "kick": Drum(0.4, 46, 4.0, 0.11, 0.12, 0.006, 500, 6000),
    "snare": Drum(0.3, 185, 0.6, 0.05, 0.8, 0.075, 700, 11_000),
    "clap": Drum(0.25, 0, 0, 0.1, 0.9, 0.055, 900, 7000),
    "rim": Drum(0.08, 820, 0.0, 0.014, 0.25, 0.01, 2000, 9000),
    "hat": Drum(0.09, 0, 0, 0.1, 0.45, 0.022, 6500, 16_000),
    "open": Drum(0.4, 0, 0, 0.1, 0.42, 0.13, 6000, 16_000),
    "ride": Drum(0.7, 3100, 0.0, 0.2, 0.22, 0.22, 5000, 14_000),
    "crash": Drum(1.6, 0, 0, 0.1, 0.65, 0.5, 3000, 16_000),
    "brush": Drum(0.3, 0, 0, 0.1, 0.22, 0.1, 1500, 8000),
    "shaker": Drum(0.12, 0, 0, 0.1, 0.22, 0.035, 5000, 14_000),
    "tom": Drum(0.5, 95, 0.7, 0.16, 0.15, 0.03, 200, 3000),
    "timpani": Drum(1.2, 65, 0.15, 0.45, 0.2, 0.05, 60, 900),
    "metal": Drum(0.35, 430, 0.0, 0.09, 0.6, 0.08, 1800, 9000),
}
"""The drums that a pattern can name."""


def drum(name: str, *, brightness: float, rng: np.random.Generator) -> Sound:
    """Return one stroke of a drum of `DRUMS`; `brightness` is from 0 to 1."""
    kind = DRUMS[name]
    samples = int(kind.seconds * SAMPLE_RATE)
    time = np.arange(samples) / SAMPLE_RATE
    sound = np.zeros(samples)
    if kind.pitch_hz:
        hertz = kind.pitch_hz * (1.0 + kind.sweep * np.exp(-time / 0.03))
        sound += np.sin(2 * np.pi * np.cumsum(hertz) / SAMPLE_RATE) * np.exp(
            -time / kind.tone_decay
        )
    if kind.noise:
        noise = rng.standard_normal(samples).astype(np.float32)
        noise = band(noise, low_hz=kind.low_hz, high_hz=kind.high_hz * (0.55 + 0.45 * brightness))
        sound += kind.noise * noise * np.exp(-time / kind.noise_decay)
    fade_out = np.minimum(1.0, (samples - np.arange(samples)) / 200)
    return (sound * fade_out).astype(np.float32)


def band(sound: Sound, *, low_hz: float, high_hz: float) -> Sound:
    """Filter `sound`, time first, with slopes of 24 dB an octave outside the band."""
    size = 1 << (len(sound) - 1).bit_length()
    hertz = np.fft.rfftfreq(size, 1 / SAMPLE_RATE)
    gain = 1.0 / (1.0 + (hertz / high_hz) ** 4)
    gain *= (hertz / low_hz) ** 4 / (1.0 + (hertz / low_hz) ** 4)
    shape = (len(gain),) + (1,) * (sound.ndim - 1)
    spectrum = np.fft.rfft(sound, size, axis=0) * gain.reshape(shape).astype(np.float32)
    return np.fft.irfft(spectrum, size, axis=0)[: len(sound)].astype(np.float32)


def overdrive(sound: Sound, *, drive: float, rng: np.random.Generator) -> Sound:
    """Return `sound` as from an overdriven guitar amplifier and its speaker."""
    tight = band(sound, low_hz=120, high_hz=6000)
    level = np.sqrt(np.mean(tight**2)) + 1e-6
    driven = np.tanh(tight / level * drive).astype(np.float32)
    driven += np.float32(0.003 * drive) * rng.standard_normal(len(sound)).astype(np.float32)
    presence = band(driven, low_hz=2200, high_hz=6500)
    speaker = band(driven + np.float32(0.35 * drive) * presence, low_hz=80, high_hz=7500)
    return np.multiply(speaker, 0.3, dtype=np.float32)


def reverberate(stereo: Sound, *, seconds: float, wet: float, rng: np.random.Generator) -> Sound:
    """Add a room to `stereo`: it decays by 60 dB in `seconds`; `wet` is its share of the mix."""
    samples = int(seconds * SAMPLE_RATE)
    time = np.arange(samples) / SAMPLE_RATE
    noise = rng.standard_normal((samples, 2)) * np.exp(-6.9 * time / seconds)[:, None]
    room = band(noise.astype(np.float32), low_hz=180, high_hz=4500)
    room /= np.sqrt(np.sum(room**2, axis=0))
    size = 1 << (len(stereo) + samples - 1).bit_length()
    spectrum = np.fft.rfft(stereo, size, axis=0) * np.fft.rfft(room, size, axis=0)
    echo = np.fft.irfft(spectrum, size, axis=0)[: len(stereo)]
    return ((1.0 - 0.5 * wet) * stereo + wet * echo).astype(np.float32)


def master(stereo: Sound, *, loudness_db: float) -> Sound:
    """Return `stereo` at an RMS level of `loudness_db`, with limited peaks and faded ends."""
    level = np.sqrt(np.mean(stereo**2)) + 1e-9
    louder = stereo * (10.0 ** (loudness_db / 20) / level)
    # Linear up to half scale, then bent by tanh: the result stays below 0.9.
    over = np.maximum(np.abs(louder) - 0.5, 0.0)
    limited = np.sign(louder) * (np.minimum(np.abs(louder), 0.5) + 0.4 * np.tanh(over / 0.4))
    fade = np.minimum(1.0, np.arange(len(stereo)) / (0.02 * SAMPLE_RATE))
    fade *= np.minimum(1.0, np.arange(len(stereo))[::-1] / (0.6 * SAMPLE_RATE))
    mastered: Sound = (limited * fade[:, None]).astype(np.float32)
    return mastered
