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


@dataclass(frozen=True, slots=True)
class Described:
    """Descriptors of a song, and the chroma that they were computed from.

    Parameters
    ----------
    rows : (patches, 69) float32 ndarray
        Of `describe`.
    chroma : (patches, 12) float64 ndarray
        Mean share of each pitch class, from C to B, corrected for the tuning of the song.
    """

    rows: NDArray[np.float32]
    chroma: Floats


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
    return described(segments).rows


def described(segments: NDArray[np.float32]) -> Described:
    """Compute the descriptors of each patch of one song, and keep its chroma.

    Parameters
    ----------
    segments : (patches, samples) float32 ndarray
        As for `describe`.

    Returns
    -------
    Described
    """
    power = _power(segments)
    peaks = _Peaks.of(np.sqrt(power[..., _PITCHED]))
    chroma = peaks.chroma()
    rows = [
        *_key(chroma),
        _centroid_motion(chroma),
        _entropy(chroma),
        _chords(chroma),
        peaks.roughness(),
        peaks.register(),
        _contrast(power),
    ]
    finite = np.nan_to_num(np.concatenate(rows, axis=1)).astype(np.float32)
    return Described(finite, np.nan_to_num(chroma.mean(axis=1)))


def _power(segments: NDArray[np.float32]) -> NDArray[np.float32]:
    """Power spectra (patches, frames, bins); one patch at a time stays in the cache."""
    import torch  # noqa: PLC0415  # the web process imports this module without torch

    window = torch.from_numpy(np.hanning(_WINDOW).astype(np.float32))
    frames = torch.from_numpy(segments).unfold(1, _WINDOW, _HOP)
    power = torch.empty(*frames.shape[:2], len(_FREQUENCIES))
    for patch, out in zip(frames, power, strict=True):
        spectrum = torch.fft.rfft(patch * window)
        torch.add(spectrum.real.square(), spectrum.imag.square(), out=out)
    found: NDArray[np.float32] = power.numpy()
    return found


@dataclass(frozen=True, slots=True)
class _Peaks:
    """Spectral peaks of a song; arrays of (peaks,) but for `spectra` and `tuning`.

    Parameters
    ----------
    spectra : (patches, frames, bins) amplitudes
    frame : index of the frame in the song, counted over patches
    midi : refined pitch, corrected for the tuning of the song
    weight : square root of the amplitude
    tuning : (patches,) agreement of the peaks on one tuning, 0 to 1
    """

    spectra: NDArray[np.float32]
    frame: NDArray[np.intp]
    midi: Floats
    weight: Floats
    tuning: Floats

    @classmethod
    def of(cls, spectra: NDArray[np.float32]) -> _Peaks:
        patches, frames, _ = spectra.shape
        rows = spectra.reshape(patches * frames, -1)
        frame, place = np.nonzero(_is_peak(rows))
        left, middle, right = (rows[frame, place + step] for step in range(3))
        midi = 69 + 12 * np.log2(_refined(place, left, middle, right) / 440)
        weight = np.sqrt(middle.astype(np.float64))
        patch, turn = frame // frames, 2 * np.pi * midi
        votes = np.bincount(patch, weight * np.cos(turn), patches) + 1j * np.bincount(
            patch, weight * np.sin(turn), patches
        )
        tuning = np.abs(votes) / (np.bincount(patch, weight, patches) + _TINY)
        mistuning = np.angle(votes.sum()) / (2 * np.pi)
        return cls(spectra, frame, midi - mistuning, weight, tuning)

    def chroma(self) -> Floats:
        """Shares of the pitch classes, (patches, frames, 12)."""
        nearest = np.round(self.midi)
        weights = self.weight * np.maximum(0, 1 - 2 * np.abs(self.midi - nearest))
        classes = self.frame * 12 + np.mod(nearest, 12).astype(np.intp)
        patches, frames, _ = self.spectra.shape
        chroma = np.bincount(classes, weights, patches * frames * 12).reshape(patches, frames, 12)
        shares: Floats = chroma / (chroma.sum(axis=-1, keepdims=True) + _TINY)
        return shares

    def roughness(self) -> Floats:
        """Mean and deviation over every fourth frame, (patches, 2) [3]_."""
        spectra = self.spectra[:, ::4]
        amplitude = np.where(_is_peak(spectra), spectra[..., 1:-1], 0)
        places = np.argpartition(amplitude, -_PARTIALS, axis=-1)[..., -_PARTIALS:]
        sides = (np.take_along_axis(spectra, places + step, axis=-1) for step in range(3))
        hertz = _refined(places, *sides)
        shares = np.take_along_axis(amplitude, places, axis=-1).astype(np.float64)
        shares = shares / (shares.sum(axis=-1, keepdims=True) + _TINY)
        one, other = np.triu_indices(_PARTIALS, 1)  # a partial is not rough with itself
        lower = np.minimum(hertz[..., one], hertz[..., other])
        apart = np.abs(hertz[..., one] - hertz[..., other]) * 0.24 / (0.0207 * lower + 18.96)
        weaker = np.minimum(shares[..., one], shares[..., other])
        rough = 2 * (weaker * (np.exp(-3.5 * apart) - np.exp(-5.75 * apart))).sum(axis=-1)
        return np.stack([rough.mean(axis=1), rough.std(axis=1)], axis=1)

    def register(self) -> Floats:
        """Mean pitch and its deviation in semitones, and tuning strength, (patches, 3)."""
        patches, frames, _ = self.spectra.shape
        patch = self.frame // frames
        total = np.bincount(patch, self.weight, patches) + _TINY
        mean = np.bincount(patch, self.weight * self.midi, patches) / total
        deviations = self.weight * (self.midi - mean[patch]) ** 2
        spread = np.bincount(patch, deviations, patches) / total
        return np.stack([mean, np.sqrt(spread), self.tuning], axis=1)


def _is_peak(spectra: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Whether each inner bin is a peak, (…, bins - 2)."""
    middle = spectra[..., 1:-1]
    peaks: NDArray[np.bool_] = (middle > spectra[..., :-2]) & (middle >= spectra[..., 2:])
    return peaks


def _refined(place: NDArray[np.intp], *sides: NDArray[np.float32]) -> Floats:
    """Frequencies of peaks: the vertex of the parabola through three bins, in hertz.

    `place` counts the inner bins; `sides` are the amplitudes left of the peak, at it and right.
    """
    left, middle, right = sides
    offset = 0.5 * (left - right) / (left - 2 * middle + right - _TINY)
    hertz: Floats = _FREQUENCIES[_PITCHED][1 + place] + np.clip(offset, -0.5, 0.5) * _FREQUENCIES[1]
    return hertz


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
