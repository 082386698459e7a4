"""Descriptors of harmony, roughness and spectral contrast, computed from spectral peaks.

They complement MusiCNN, which was trained to tag genres and instruments. Its mel bands are too
wide to separate neighbouring semitones, and the errors of the model are larger in valence. Mode,
key clarity and dissonance correlate with valence.

References
----------
.. [1] Krumhansl (1990), Cognitive Foundations of Musical Pitch, ch. 2 (key profiles).
.. [2] Harte, Sandler & Gasser (2006), "Detecting harmonic change in musical audio", AMCMM
   (tonal centroid).
.. [3] Sethares (1993), "Local consonance and the relationship between timbre and scale", JASA 94(3)
   (roughness of two partials).
.. [4] Jiang et al. (2002), "Music type classification by spectral contrast feature", ICME.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from mer.audio.patches import MUSICNN

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

DESCRIPTORS: Final = 69
"""Length of the rows of `describe`."""

_WINDOW: Final = 4096
_HOP: Final = 1024
_FREQUENCIES: Final = np.fft.rfftfreq(_WINDOW, 1 / MUSICNN.sample_rate)
_PITCHED: Final = (_FREQUENCIES > 65) & (_FREQUENCIES < 2100)
_CONTRAST_EDGES: Final = (0, 100, 200, 400, 800, 1600, 3200, 8000)  # hertz
_PARTIALS: Final = 16
_TINY: Final = 1e-9

_MAJOR: Final = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
_MINOR: Final = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)
_CHORDS: Final = (
    (0, 4, 7),
    (0, 3, 7),
    (0, 3, 6),
    (0, 7),
    (0, 4, 7, 10),
    (0, 3, 7, 10),
    (0, 4, 7, 11),
    (0, 1, 2),  # a cluster of semitones
)


def describe(segments: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute the descriptors of each patch of one song.

    Parameters
    ----------
    segments : (patches, samples) float32 ndarray
        Mono, 16 kHz, all patches of one song: tuning and tonic are estimated from all of them.

    Returns
    -------
    (patches, 69) float32 ndarray
        In this order, with the number of columns: key clarity and mode (5), chroma relative to the
        tonic of the song (12), mode relative to it (3), motion of the tonal centroid (3), entropy
        of the chroma (3), chord qualities (17), roughness (2), register (2), tuning strength (1),
        spectral contrast by octave (21).
    """
    hann = np.hanning(_WINDOW).astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(segments, _WINDOW, axis=1)[:, ::_HOP]
    spectra = np.abs(np.fft.rfft(windows * hann)).astype(np.float32)  # (patches, frames, bins)
    peaks = _Peaks.of(spectra[..., _PITCHED])
    chroma = peaks.chroma()
    rows = [
        *_key(chroma),
        _centroid_motion(chroma),
        _entropy(chroma),
        _chords(chroma),
        peaks.roughness(),
        peaks.register(),
        _contrast(spectra**2),
    ]
    return np.nan_to_num(np.concatenate(rows, axis=1)).astype(np.float32)


@dataclass(frozen=True, slots=True)
class _Peaks:
    """Spectral peaks, arrays of (patches, frames, bins).

    Parameters
    ----------
    hertz, midi : refined pitch; `midi` is corrected for the tuning of the song
    amplitude : 0 where there is no peak
    tuning : (patches,) agreement of the peaks on one tuning, 0 to 1
    """

    hertz: Floats
    midi: Floats
    amplitude: Floats
    tuning: Floats

    @classmethod
    def of(cls, spectra: NDArray[np.float32]) -> _Peaks:
        left, middle, right = spectra[..., :-2], spectra[..., 1:-1], spectra[..., 2:]
        is_peak = (middle > left) & (middle >= right)
        # Vertex of the parabola through three bins.
        offset = 0.5 * (left - right) / (left - 2 * middle + right - _TINY)
        hertz = _FREQUENCIES[_PITCHED][1:-1] + np.clip(offset, -0.5, 0.5) * _FREQUENCIES[1]
        midi = 69 + 12 * np.log2(hertz / 440)
        amplitude = np.where(is_peak, middle, 0).astype(np.float64)
        votes = np.sqrt(amplitude) * np.exp(2j * np.pi * midi)
        mistuning = np.angle(votes.sum()) / (2 * np.pi)
        tuning = np.abs(votes.sum(axis=(1, 2))) / (np.sqrt(amplitude).sum(axis=(1, 2)) + _TINY)
        return cls(hertz, midi - mistuning, amplitude, tuning)

    def chroma(self) -> Floats:
        """Shares of the pitch classes, (patches, frames, 12)."""
        nearest = np.round(self.midi)
        weights = np.sqrt(self.amplitude) * np.maximum(0, 1 - 2 * np.abs(self.midi - nearest))
        classes = np.mod(nearest, 12)
        chroma = np.stack([(weights * (classes == c)).sum(axis=-1) for c in range(12)], axis=-1)
        shares: Floats = chroma / (chroma.sum(axis=-1, keepdims=True) + _TINY)
        return shares

    def roughness(self) -> Floats:
        """Mean and deviation over every fourth frame, (patches, 2) [3]_."""
        strongest = np.argpartition(self.amplitude[:, ::4], -_PARTIALS, axis=-1)[..., -_PARTIALS:]
        hertz = np.take_along_axis(self.hertz[:, ::4], strongest, axis=-1)
        shares = np.take_along_axis(self.amplitude[:, ::4], strongest, axis=-1)
        shares = shares / (shares.sum(axis=-1, keepdims=True) + _TINY)
        lower = np.minimum(hertz[..., :, None], hertz[..., None, :])
        apart = np.abs(hertz[..., :, None] - hertz[..., None, :])
        apart *= 0.24 / (0.0207 * lower + 18.96)
        weaker = np.minimum(shares[..., :, None], shares[..., None, :])
        rough = (weaker * (np.exp(-3.5 * apart) - np.exp(-5.75 * apart))).sum(axis=(-2, -1))
        return np.stack([rough.mean(axis=1), rough.std(axis=1)], axis=1)

    def register(self) -> Floats:
        """Mean pitch and its deviation in semitones, and tuning strength, (patches, 3)."""
        weights = np.sqrt(self.amplitude)
        total = weights.sum(axis=(1, 2)) + _TINY
        mean = (weights * self.midi).sum(axis=(1, 2)) / total
        spread = (weights * (self.midi - mean[:, None, None]) ** 2).sum(axis=(1, 2)) / total
        return np.stack([mean, np.sqrt(spread), self.tuning], axis=1)


def _unit(profile: Floats) -> Floats:
    """Centre along the last axis and scale to unit norm."""
    centred = profile - profile.mean(axis=-1, keepdims=True)
    unit: Floats = centred / (np.linalg.norm(centred, axis=-1, keepdims=True) + _TINY)
    return unit


def _rotations(profile: Floats) -> Floats:
    return np.stack([np.roll(_unit(profile), shift) for shift in range(12)])


_KEYS: Final = np.concatenate([_rotations(np.array(_MAJOR)), _rotations(np.array(_MINOR))])


def _key(chroma: Floats) -> tuple[Floats, Floats, Floats]:
    """Key clarity and mode; chroma and mode relative to the tonic of the song [1]_."""
    shares = chroma.mean(axis=1)  # (patches, 12)
    match = _unit(shares) @ _KEYS.T  # (patches, 24)
    tonic = int((_unit(chroma.mean(axis=(0, 1))) @ _KEYS.T).argmax()) % 12
    best = np.sort(match, axis=1)[:, ::-1]
    major, minor = match[:, :12].max(axis=1), match[:, 12:].max(axis=1)
    margins = (best[:, 0] - best[:, 1], best[:, 0] - best[:, 2])
    clarity = np.stack([major, minor, major - minor, *margins], axis=1)
    home = match[:, [tonic, 12 + tonic]]
    mode = np.concatenate([home[:, :1] - home[:, 1:], home], axis=1)
    return clarity, np.roll(shares, -tonic, axis=1), mode


def _centroid_motion(chroma: Floats) -> Floats:
    """Speed, deviation and distance from the origin of the tonal centroid, (patches, 3) [2]_."""
    circles = ((1, 7 * np.pi / 6), (1, 3 * np.pi / 2), (0.5, 2 * np.pi / 3))
    angles = np.arange(12)
    basis = np.stack([r * f(angles * a) for r, a in circles for f in (np.sin, np.cos)])
    centroid = chroma @ basis.T  # (patches, frames, 6)
    frames = centroid.shape[1] // 4 * 4
    steady = centroid[:, :frames].reshape(len(chroma), frames // 4, 4, 6).mean(axis=2)
    speed = np.linalg.norm(np.diff(steady, axis=1), axis=2).mean(axis=1)
    spread = np.linalg.norm(steady.std(axis=1), axis=1)
    return np.stack([speed, spread, np.linalg.norm(centroid.mean(axis=1), axis=1)], axis=1)


def _entropy(chroma: Floats) -> Floats:
    """Entropy: mean and deviation over frames, and of the mean chroma, (patches, 3)."""
    frames = -(chroma * np.log(chroma + _TINY)).sum(axis=-1)
    mean = chroma.mean(axis=1)
    whole = -(mean * np.log(mean + _TINY)).sum(axis=-1)
    return np.stack([frames.mean(axis=1), frames.std(axis=1), whole], axis=1)


def _chords(chroma: Floats) -> Floats:
    """Best match of each chord quality: mean, deviation, and major minus minor, (patches, 17)."""
    starts = range(0, chroma.shape[1] - 11, 6)
    passages = _unit(np.stack([chroma[:, s : s + 12].mean(axis=1) for s in starts], axis=1))
    matches = []
    for notes in _CHORDS:
        template = np.zeros(12)
        template[list(notes)] = 1
        matches.append((passages @ _rotations(template).T).max(axis=-1))
    match = np.stack(matches, axis=-1)  # (patches, passages, qualities)
    brightness = (match[..., 0] - match[..., 1]).mean(axis=1)[:, None]
    return np.concatenate([match.mean(axis=1), match.std(axis=1), brightness], axis=1)


def _contrast(power: NDArray[np.float32]) -> Floats:
    """Contrast by octave: mean, deviation, and mean of the valleys, (patches, 21) [4]_."""
    columns = []
    for low, high in pairwise(_CONTRAST_EDGES):
        first, stop = np.searchsorted(_FREQUENCIES, (low, high))
        band = np.sort(power[..., first:stop], axis=-1)
        few = max(1, band.shape[-1] // 10)
        peak = np.log(band[..., -few:].mean(axis=-1) + 1e-8)
        valley = np.log(band[..., :few].mean(axis=-1) + 1e-8)
        contrast = peak - valley
        columns += [contrast.mean(axis=1), contrast.std(axis=1), valley.mean(axis=1)]
    return np.stack(columns, axis=1).astype(np.float64)
