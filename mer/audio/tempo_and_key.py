"""Tempo and key of a song, estimated from what the model computes of it anyway.

The tempo comes from the log-mel patches, the key from the chroma of the descriptors. Both are
right less often than a person is; docs/results/tempo-and-key.md has the figures.

References
----------
.. [1] Ellis (2007), "Beat tracking by dynamic programming", J. New Music Research 36(1)
   (onset strength, its autocorrelation, and a log-normal preference for 120 beats a minute).
.. [2] Klapuri, Eronen & Astola (2006), "Analysis of the meter of acoustic musical signals", IEEE
   TASLP 14(1) (onsets by band; multiples of a period support it).
.. [3] Krumhansl (1990), Cognitive Foundations of Musical Pitch, ch. 4 (correlation with profiles).
.. [4] Albrecht & Shanahan (2013), "The use of large corpora to train a new type of key-finding
   algorithm", Music Perception 31(1) (the profiles).
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

import numpy as np

from mer.audio.descriptors import described
from mer.audio.patches import MUSICNN, song_patches
from mer.prediction import MODES, TempoAndKey

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from mer.audio.patches import AudioPatches

    Floats = NDArray[np.float64]

_BANDS: Final = 8
_FRAMES_A_SECOND: Final = MUSICNN.sample_rate / MUSICNN.hop_length
_LOCAL_FRAMES: Final = 31  # half a second
_LAGS: Final = 150  # 2.4 s of the 3 s of a patch
_MULTIPLES: Final = 4
_TEMPI: Final = np.geomspace(40, 240, 500)  # 0.36 % apart
_PREFERRED_BPM: Final = 120.0
_PREFERENCE_OCTAVES: Final = 0.9
_SAME_TEMPO: Final = 0.04
_HALVES: Final = 32
_TINY: Final = 1e-9

_PROFILES: Final = (
    (0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081),
    (0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052),
)
"""Shares of the pitch classes above the tonic, in the order of `MODES` [4]_."""


def tempo_and_key(log_mel: NDArray[np.float32], chroma: Floats) -> TempoAndKey:
    """Estimate the tempo and the key of a song.

    Parameters
    ----------
    log_mel : (patches, frames, 96) float32 ndarray
        Of `mer.audio.patches.AudioPatches`.
    chroma : (patches, 12) ndarray
        Shares of the pitch classes from C to B.

    Returns
    -------
    TempoAndKey
        A confidence is the share of 32 random halves of the patches that give the same answer as
        all of them, times 1 - 1 / patches: one passage alone confirms nothing.
    """
    halves = _halves(len(log_mel))
    tempo = _tempo(_tempo_scores(log_mel), halves)
    tonic, mode, key_confidence = _key(np.asarray(chroma, np.float64), halves)
    return TempoAndKey(*tempo, tonic, mode, key_confidence)


def tempo_and_key_of(path: Path | str) -> TempoAndKey:
    """Decode the patches of a file and estimate its tempo and key.

    Parameters
    ----------
    path : Path or str

    Returns
    -------
    TempoAndKey

    Raises
    ------
    AudioError
        If the file cannot be used.
    """
    return descriptors_and_estimate(song_patches(path))[1]


def descriptors_and_estimate(patches: AudioPatches) -> tuple[NDArray[np.float32], TempoAndKey]:
    """Compute the descriptors of a song, and from their chroma its key; and its tempo.

    Parameters
    ----------
    patches : AudioPatches

    Returns
    -------
    (patches, 69) float32 ndarray
        Of `mer.audio.descriptors.describe`.
    TempoAndKey
    """
    found = described(patches.segments)
    return found.rows, tempo_and_key(patches.log_mel, found.chroma)


def _halves(patches: int) -> Floats:
    """Weights (1 + halves, patches) of means: first over all patches, then over random halves."""
    rng = np.random.default_rng(0)
    ranks = rng.random((_HALVES, patches)).argsort(axis=1)
    chosen = np.concatenate([np.ones((1, patches)), ranks < (patches + 1) // 2])
    weights: Floats = chosen / chosen.sum(axis=1, keepdims=True)
    return weights


def _tempo(scores: Floats, halves: Floats) -> tuple[float | None, float]:
    """Tempo and confidence from the scores (patches, tempi); no tempo if nothing repeats."""
    found = halves @ scores
    if found[0].max() <= _TINY:
        return None, 0.0
    tempi = _TEMPI[found.argmax(axis=1)]
    agreed = np.abs(tempi[1:] / tempi[0] - 1) <= _SAME_TEMPO
    return round(float(tempi[0]), 1), _confidence(agreed, scores)


def _confidence(agreed: NDArray[np.bool_], of_patches: Floats) -> float:
    return round(float(agreed.mean()) * (1 - 1 / len(of_patches)), 3)


def _tempo_scores(log_mel: NDArray[np.float32]) -> Floats:
    """Score each tempo of `_TEMPI` for each patch, (patches, tempi) [1]_ [2]_."""
    onsets = _onsets(log_mel)
    frames = onsets.shape[1]
    onsets -= onsets.mean(axis=1, keepdims=True)
    spectra = np.fft.rfft(onsets, 2 * frames, axis=1)
    power = (spectra.real**2 + spectra.imag**2).sum(axis=2)
    repeats = np.fft.irfft(power, 2 * frames, axis=1)[:, :_LAGS] / (frames - np.arange(_LAGS))
    strength = repeats[:, 0].mean()
    scores: Floats = repeats @ _combs() / (strength + _TINY)
    return scores


def _onsets(log_mel: NDArray[np.float32]) -> Floats:
    """Onset strength by band above its local mean, (patches, frames - 1, bands)."""
    rises = np.maximum(np.diff(log_mel, axis=1), 0)
    patches, frames, mels = rises.shape
    onsets = rises.reshape(patches, frames, _BANDS, mels // _BANDS).mean(axis=3, dtype=np.float64)
    side = _LOCAL_FRAMES // 2
    sums = np.pad(onsets, ((0, 0), (side + 1, side), (0, 0))).cumsum(axis=1)
    local = (sums[:, _LOCAL_FRAMES:] - sums[:, :-_LOCAL_FRAMES]) / _LOCAL_FRAMES
    onsets = np.maximum(onsets - local, 0)
    even: Floats = onsets / (onsets.std(axis=(0, 1)) + _TINY)
    return even


@functools.cache
def _combs() -> Floats:
    """Weights (lags, tempi): the mean over multiples of each beat, preferred near 120 a minute."""
    combs = np.zeros((_LAGS, len(_TEMPI)))
    for multiple in range(1, _MULTIPLES + 1):
        lags = multiple * 60 * _FRAMES_A_SECOND / _TEMPI
        inside = np.flatnonzero(lags < _LAGS - 1)
        low = lags[inside].astype(int)
        combs[low, inside] += 1 - (lags[inside] - low)
        combs[low + 1, inside] += lags[inside] - low
    octaves = np.log2(_TEMPI / _PREFERRED_BPM)
    preference = np.exp(-0.5 * (octaves / _PREFERENCE_OCTAVES) ** 2)
    weights: Floats = combs / combs.sum(axis=0) * preference
    return weights


def _key(chroma: Floats, halves: Floats) -> tuple[int | None, str, float]:
    """Tonic (0 is C), mode and confidence of the best correlated profile [3]_ [4]_."""
    centred = halves @ chroma
    centred = centred - centred.mean(axis=1, keepdims=True)
    if np.abs(centred[0]).max() <= _TINY:
        return None, "", 0.0
    places = (centred @ _keys().T).argmax(axis=1)
    mode, tonic = divmod(int(places[0]), 12)
    return tonic, MODES[mode], _confidence(places[1:] == places[0], chroma)


@functools.cache
def _keys() -> Floats:
    """Return unit profiles (24, 12): twelve major keys from C to B, then twelve minor ones."""
    profiles = np.array(_PROFILES)
    centred = profiles - profiles.mean(axis=1, keepdims=True)
    units = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    return np.stack([np.roll(unit, tonic) for unit in units for tonic in range(12)])
