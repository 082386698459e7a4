"""Distortions of waveforms by name: noise, narrow bands, codecs, pitch, levels and excerpts.

`DISTORTIONS` are the conditions of the robustness table. `augmentation` makes training copies.
All functions take mono waveforms at 16 kHz, and a seed determines the result. Only an excerpt
shifts the music in time, so the patches of a distorted song have the positions of the clean ones.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from mer.audio.patches import MUSICNN

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Waveform = NDArray[np.float32]

Colour = Literal["white", "pink"]

_RATE: Final = MUSICNN.sample_rate
_SILENT_SHARE: Final = 1e-3  # of the peak: -60 dB
_LOWEST_HZ: Final = 62.5  # seven octaves below half the sample rate; below it responses are flat
_FILTER_ORDER: Final = 8
_MP3_RATES: Final = (8, 160)  # lowest and highest kbit/s of MPEG-2 layer III at 16 kHz
_MP3_DELAY: Final = 1105  # samples that LAME and the decoder prepend if there is no header
_AUGMENT_MP3_RATES: Final = (32, 40, 48, 56, 64)


@dataclass(frozen=True, slots=True)
class Distortion:
    """A named function of waveforms.

    Parameters
    ----------
    name : str
        Part of the keys of cached features. A different function needs a different name.
    apply : callable
        Maps a (samples,) float32 ndarray at 16 kHz and a seed to another such array.
    """

    name: str
    apply: Callable[[Waveform, int], Waveform]


def add_noise(waveform: Waveform, snr_db: float, seed: int, colour: Colour = "white") -> Waveform:
    """Add Gaussian noise at a signal-to-noise ratio [Li, section 4].

    Li's noise is white. The paper does not define the power of the signal; here it is the mean over
    the samples above -60 dB of the peak. The sum is rescaled only if it would clip.

    Parameters
    ----------
    waveform : (samples,) float32 ndarray
    snr_db : float
        In decibels.
    seed : int
    colour : {'white', 'pink'}
        Pink noise has the same power in every octave from 62.5 Hz up.

    Returns
    -------
    (samples,) float32 ndarray
    """
    loud = np.abs(waveform) > _SILENT_SHARE * np.abs(waveform).max()
    power = float(np.mean(waveform[loud] ** 2)) if loud.any() else 0.0
    scale = np.sqrt(power / 10 ** (snr_db / 10))
    noise = np.random.default_rng(seed).standard_normal(len(waveform), dtype=np.float32)
    if colour == "pink":
        noise = _equalized(noise, lambda hertz: hertz**-0.5)
        noise /= noise.std()
    noisy = waveform + np.float32(scale) * noise
    peak = np.abs(noisy).max()
    return (noisy / peak if peak > 1 else noisy).astype(np.float32)


def low_pass(waveform: Waveform, cutoff_hz: float) -> Waveform:
    """Butterworth low-pass of order 8, similar to a telephone or a small loudspeaker.

    Parameters
    ----------
    waveform : (samples,) float32 ndarray
    cutoff_hz : float
        Frequency with a loss of 3 dB; below 8000.

    Returns
    -------
    (samples,) float32 ndarray
    """
    from scipy import signal  # noqa: PLC0415 - training from cached features needs no scipy

    sections = signal.butter(_FILTER_ORDER, cutoff_hz, fs=_RATE, output="sos")
    filtered: Waveform = signal.sosfilt(sections, waveform).astype(np.float32)
    return filtered


def tilt(waveform: Waveform, decibels: float) -> Waveform:
    """Turn treble up and bass down, or the reverse, by the same decibels in every octave.

    Parameters
    ----------
    waveform : (samples,) float32 ndarray
    decibels : float
        Gain of 8 kHz relative to 62.5 Hz. Their geometric mean, 707 Hz, keeps its level.

    Returns
    -------
    (samples,) float32 ndarray
    """
    octaves = np.log2(_RATE / 2 / _LOWEST_HZ)
    middle = np.sqrt(_LOWEST_HZ * _RATE / 2)
    return _equalized(
        waveform, lambda hertz: 10 ** (decibels * np.log2(hertz / middle) / octaves / 20)
    )


def mp3(waveform: Waveform, kilobits: int) -> Waveform:
    """Encode as MP3 and decode, with the LAME and mpg123 of libsndfile.

    Parameters
    ----------
    waveform : (samples,) float32 ndarray
    kilobits : int
        Constant bit rate in kbit/s: 32, 40, 48, 56 or 64. It is for mono at 16 kHz: at the same
        rate a stereo file at 44.1 kHz has a lower quality.

    Returns
    -------
    (samples,) float32 ndarray
        Without the codec's delay.
    """
    import soundfile  # noqa: PLC0415 - training from cached features decodes nothing

    decoded: Waveform
    decoded, _ = soundfile.read(io.BytesIO(_mp3_bytes(waveform, kilobits)), dtype="float32")
    # At 32 kbit/s a frame is too short for the header with the delay, so the decoder keeps it.
    delay = _MP3_DELAY if len(decoded) > len(waveform) else 0
    return decoded[delay : delay + len(waveform)]


def _mp3_bytes(waveform: Waveform, kilobits: int) -> bytes:
    import soundfile  # noqa: PLC0415 - training from cached features decodes nothing

    low, high = _MP3_RATES
    file = io.BytesIO()
    soundfile.write(
        file,
        waveform,
        _RATE,
        format="MP3",
        subtype="MPEG_LAYER_III",
        bitrate_mode="CONSTANT",
        compression_level=(high - kilobits) / (high - low),
    )
    return file.getvalue()


def gain(waveform: Waveform, decibels: float) -> Waveform:
    """Change the level; clip at full scale, as a file of integers does.

    Parameters
    ----------
    waveform : (samples,) float32 ndarray
    decibels : float

    Returns
    -------
    (samples,) float32 ndarray in [-1, 1]
    """
    return (waveform * np.float32(10 ** (decibels / 20))).clip(-1, 1)


def excerpt(waveform: Waveform, seconds: float) -> Waveform:
    """Take the middle `seconds` of a waveform (samples,); return a shorter one whole."""
    samples = round(seconds * _RATE)
    first = max(0, (len(waveform) - samples) // 2)
    return waveform[first : first + samples]


def pitch_shift(waveform: Waveform, semitones: float) -> Waveform:
    """Change the pitch at the same tempo, with librosa's phase vocoder.

    Parameters
    ----------
    waveform : (samples,) float32 ndarray
    semitones : float
        Positive is up.

    Returns
    -------
    (samples,) float32 ndarray
    """
    import librosa  # noqa: PLC0415 - slow to load; pitch shifts alone need it

    shifted: Waveform = librosa.effects.pitch_shift(waveform, sr=_RATE, n_steps=semitones)
    return shifted


def augment(waveform: Waveform, seed: int) -> Waveform:
    """Distort a song for training: pitch, then band, noise and level.

    ===== ========================================================= ==================
    step  change                                                    share of copies
    ===== ========================================================= ==================
    pitch shift by up to 2 semitones                                1/2
    band  low-pass at 2.5 to 7 kHz, MP3 at 32 to 64 kbit/s, a tilt  1/4 each, 1/4 none
          by up to 6 dB
    noise white or pink, 0 to 30 dB                                 1/2
    level -9 to +3 dB                                               all
    ===== ========================================================= ==================

    Parameters
    ----------
    waveform : (samples,) float32 ndarray
    seed : int

    Returns
    -------
    (samples,) float32 ndarray in [-1, 1]
    """
    rng = np.random.default_rng(seed)
    if rng.random() < 0.5:
        waveform = pitch_shift(waveform, rng.uniform(-2, 2))
    match rng.integers(4):
        case 0:
            waveform = low_pass(waveform, np.exp(rng.uniform(np.log(2500), np.log(7000))))
        case 1:
            waveform = mp3(waveform, int(rng.choice(_AUGMENT_MP3_RATES)))
        case 2:
            waveform = tilt(waveform, rng.uniform(-6, 6))
    if rng.random() < 0.5:
        colour: Colour = "white" if rng.random() < 0.5 else "pink"
        waveform = add_noise(waveform, rng.uniform(0, 30), int(rng.integers(2**32)), colour)
    return gain(waveform, rng.uniform(-9, 3))


def augmentation(copy: int) -> Distortion:
    """Return the distortion of training copy number `copy`, from 1; each song has its own seed."""
    return Distortion(f"augmented-{copy}", augment)


def _equalized(waveform: Waveform, response: Callable[[Waveform], Waveform]) -> Waveform:
    """Multiply each frequency by `response` of its hertz; phases stay the same."""
    hertz = np.fft.rfftfreq(len(waveform), 1 / _RATE).clip(_LOWEST_HZ).astype(np.float32)
    spectrum = np.fft.rfft(waveform) * response(hertz)
    return np.fft.irfft(spectrum, len(waveform)).astype(np.float32)


def _white_noise(snr_db: int) -> Distortion:
    return Distortion(
        f"white-noise-{snr_db}db", lambda waveform, seed: add_noise(waveform, snr_db, seed)
    )


DISTORTIONS: Final = {
    distortion.name: distortion
    for distortion in (
        *(_white_noise(snr_db) for snr_db in (20, 15, 10, 5, 0)),
        Distortion("low-pass-4khz", lambda waveform, _: low_pass(waveform, 4000)),
        Distortion("mp3-32k", lambda waveform, _: mp3(waveform, 32)),
        Distortion("gain-up-6db", lambda waveform, _: gain(waveform, 6)),
        Distortion("gain-down-6db", lambda waveform, _: gain(waveform, -6)),
        Distortion("excerpt-5s", lambda waveform, _: excerpt(waveform, 5)),
        Distortion("excerpt-10s", lambda waveform, _: excerpt(waveform, 10)),
        Distortion("pitch-up-2", lambda waveform, _: pitch_shift(waveform, 2)),
        Distortion("pitch-down-2", lambda waveform, _: pitch_shift(waveform, -2)),
    )
}
"""Conditions of the robustness table, by name; the clean condition is the whole clip of 30 s."""
