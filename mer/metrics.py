"""Measures of agreement and error, and bootstrap intervals; needs only NumPy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from mer.errors import ShapeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.floating]
    Labels = NDArray[np.integer]
    Statistic = Callable[..., float]

RESAMPLES: Final = 2000
"""Default number of bootstrap samples."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with the bounds of its interval."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Difference of two predictors on the same songs.

    Parameters
    ----------
    difference : Interval
        Statistic of the first predictor minus that of the second.
    p_value : float in [0, 1]
        Two-sided, for no difference.
    """

    difference: Interval
    p_value: float


def accuracy(target: Labels, predicted: Labels) -> float:
    """Share of equal labels.

    Parameters
    ----------
    target, predicted : (songs,) int ndarray

    Returns
    -------
    float in [0, 1]

    Raises
    ------
    ShapeError
        If the shapes differ or there is no song.
    """
    _check_pair(target, predicted)
    return float(np.mean(target == predicted))


def confusion(target: Labels, predicted: Labels, classes: int) -> NDArray[np.int64]:
    """Count songs by target (row) and prediction (column).

    Parameters
    ----------
    target, predicted : (songs,) int ndarray in [0, classes)
    classes : int

    Returns
    -------
    (classes, classes) int64 ndarray

    Raises
    ------
    ShapeError
        If the shapes differ, there is no song, or a label is outside [0, classes).
    """
    _check_pair(target, predicted)
    both = np.concatenate([target, predicted])
    if both.min() < 0 or both.max() >= classes:
        raise ShapeError(
            f"labels must be in 0..{classes - 1}, not in {both.min()}..{both.max()}; "
            "give the right number of classes"
        )
    counts = np.bincount(target * classes + predicted, minlength=classes * classes)
    return counts.reshape(classes, classes).astype(np.int64)


def precision_recall_f1(target: Labels, predicted: Labels, classes: int) -> NDArray[np.float64]:
    """Precision, recall and their harmonic mean of each class.

    Parameters
    ----------
    target, predicted : (songs,) int ndarray in [0, classes)
    classes : int

    Returns
    -------
    (classes, 3) float64 ndarray in [0, 1]
        0 for a class that is never predicted or never a target.

    Raises
    ------
    ShapeError
        As `confusion`.
    """
    counts = confusion(target, predicted, classes)
    right, found, true = np.diag(counts), counts.sum(axis=0), counts.sum(axis=1)
    parts = (right / np.maximum(found, 1), right / np.maximum(true, 1))
    return np.stack([*parts, 2 * right / np.maximum(found + true, 1)], axis=1)


def macro_f1(target: Labels, predicted: Labels, classes: int) -> float:
    """Mean over classes of the harmonic mean of precision and recall.

    Parameters
    ----------
    target, predicted : (songs,) int ndarray in [0, classes)
    classes : int

    Returns
    -------
    float in [0, 1]
        A class that is neither target nor predicted counts as 0.

    Raises
    ------
    ShapeError
        As `confusion`.
    """
    return float(precision_recall_f1(target, predicted, classes)[:, 2].mean())


def ccc(target: Floats, predicted: Floats) -> float:
    r"""Concordance correlation coefficient: 1 only if all values are equal.

    .. math:: \rho_c = \frac{2\,\sigma_{xy}}{\sigma_x^2 + \sigma_y^2 + (\mu_x - \mu_y)^2}

    Parameters
    ----------
    target, predicted : (songs,) float ndarray
        Same scale.

    Returns
    -------
    float in [-1, 1]
        NaN if both are the same constant.

    Raises
    ------
    ShapeError
        If the shapes differ or there are fewer than two songs.

    References
    ----------
    .. [1] Lin (1989), "A concordance correlation coefficient to evaluate reproducibility",
       Biometrics 45(1). Population variances.
    """
    _check_pair(target, predicted, at_least=2)
    covariance = np.mean((target - target.mean()) * (predicted - predicted.mean()))
    spread = target.var() + predicted.var() + (target.mean() - predicted.mean()) ** 2
    return float(2 * covariance / spread) if spread > 0 else float("nan")


def r2(target: Floats, predicted: Floats) -> float:
    """Coefficient of determination: 1 minus the unexplained share of the variance of the target.

    Parameters
    ----------
    target, predicted : (songs,) float ndarray

    Returns
    -------
    float at most 1
        0 if every prediction is the mean of the target. NaN if the target is constant.

    Raises
    ------
    ShapeError
        If the shapes differ or there are fewer than two songs.
    """
    _check_pair(target, predicted, at_least=2)
    spread = np.sum((target - target.mean()) ** 2)
    error = np.sum((target - predicted) ** 2)
    return float(1 - error / spread) if spread > 0 else float("nan")


def rmse(target: Floats, predicted: Floats) -> float:
    """Root mean squared error, in the unit of the values.

    Parameters
    ----------
    target, predicted : (songs,) float ndarray

    Returns
    -------
    float at least 0

    Raises
    ------
    ShapeError
        If the shapes differ or there is no song.
    """
    _check_pair(target, predicted)
    return float(np.sqrt(np.mean((target - predicted) ** 2)))


def pearson(target: Floats, predicted: Floats) -> float:
    """Pearson correlation.

    Parameters
    ----------
    target, predicted : (songs,) float ndarray

    Returns
    -------
    float in [-1, 1]
        NaN when either is constant.

    Raises
    ------
    ShapeError
        If the shapes differ or there are fewer than two songs.
    """
    _check_pair(target, predicted, at_least=2)
    target, predicted = target - target.mean(), predicted - predicted.mean()
    norm = np.linalg.norm(target) * np.linalg.norm(predicted)
    return float(np.clip(target @ predicted / norm, -1, 1)) if norm > 0 else float("nan")


def spearman(target: Floats, predicted: Floats) -> float:
    """Spearman rank correlation; equal values share their mean rank.

    Parameters
    ----------
    target, predicted : (songs,) float ndarray

    Returns
    -------
    float in [-1, 1]
        NaN when either is constant.

    Raises
    ------
    ShapeError
        If the shapes differ or there are fewer than two songs.
    """
    return pearson(_ranks(target), _ranks(predicted))


def auc(positive: NDArray[np.bool_], scores: Floats) -> float:
    """Area under the ROC curve: the chance that a positive song scores above a negative one.

    Parameters
    ----------
    positive : (songs,) bool ndarray
    scores : (songs,) float ndarray
        Equal scores count one half.

    Returns
    -------
    float in [0, 1]
        NaN unless there are songs of both kinds.

    Raises
    ------
    ShapeError
        If the shapes differ or there is no song.
    """
    _check_pair(positive, scores)
    count = int(positive.sum())
    pairs = count * (len(positive) - count)
    if not pairs:
        return float("nan")
    return float((_ranks(scores)[positive].sum() - count * (count + 1) / 2) / pairs)


def ece(target: Labels, probabilities: Floats, bins: int = 10) -> float:
    """Compute the expected calibration error: mean distance of confidence from accuracy.

    Parameters
    ----------
    target : (songs,) int ndarray
    probabilities : (songs, classes) float ndarray
        Rows sum to 1.
    bins : int
        Number of equal bins of confidence in (0, 1].

    Returns
    -------
    float in [0, 1]

    Raises
    ------
    ShapeError
        If the numbers of songs differ, or there is no song.

    References
    ----------
    .. [1] Guo, Pleiss, Sun & Weinberger (2017), "On calibration of modern neural networks", ICML,
       eq. (3).
    """
    if probabilities.ndim != 2:
        raise ShapeError(f"probabilities must be (songs, classes), not {probabilities.shape}")
    predicted = probabilities.argmax(axis=1)
    _check_pair(target, predicted)
    confidence = probabilities.max(axis=1)
    index = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.bincount(index, weights=(predicted == target) - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(target))


def bootstrap_ci(
    statistic: Statistic,
    *arrays: NDArray[np.generic],
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap interval of a statistic; draws songs with replacement.

    Parameters
    ----------
    statistic : callable
        Takes `arrays` and returns a float. Draws with NaN are ignored; if all are NaN, so are the
        bounds.
    *arrays : (songs, ...) ndarray
        Aligned by song.
    level : float in (0, 1)
    resamples, seed : int

    Returns
    -------
    Interval

    Raises
    ------
    ShapeError
        If the arrays have different numbers of songs, or none.

    References
    ----------
    .. [1] Efron & Tibshirani (1993), "An introduction to the bootstrap", ch. 13.
    """
    draws = _bootstrap(statistic, arrays, resamples, seed)
    low, high = _bounds(draws, level)
    return Interval(float(statistic(*arrays)), low, high)


def paired_bootstrap(
    statistic: Statistic,
    target: NDArray[np.generic],
    first: NDArray[np.generic],
    second: NDArray[np.generic],
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> PairedDifference:
    """Compare two predictors by a bootstrap that draws the same songs for both.

    Parameters
    ----------
    statistic : callable
        Takes target and prediction and returns a float. Draws with NaN are ignored.
    target, first, second : (songs, ...) ndarray
        Labels and the two predictions.
    level : float in (0, 1)
    resamples, seed : int

    Returns
    -------
    PairedDifference
        The p-value is twice the smaller of two shares: draws at or below 0, and at or above 0.
        It is at least 2 / (`resamples` + 1), and 1 if no draw has a value.

    Raises
    ------
    ShapeError
        If the arrays have different numbers of songs, or none.

    References
    ----------
    .. [1] Efron & Tibshirani (1993), "An introduction to the bootstrap", ch. 13 and 16.
    """

    def difference(
        target: NDArray[np.generic], first: NDArray[np.generic], second: NDArray[np.generic]
    ) -> float:
        return statistic(target, first) - statistic(target, second)

    arrays = (target, first, second)
    draws = _bootstrap(difference, arrays, resamples, seed)
    low, high = _bounds(draws, level)
    tail = min(int(np.sum(draws <= 0)), int(np.sum(draws >= 0)))
    known = int(np.sum(~np.isnan(draws)))
    return PairedDifference(
        Interval(difference(*arrays), low, high),
        min(1.0, 2 * (tail + 1) / (known + 1)),
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for multiple tests.

    Parameters
    ----------
    p_values : sequence of float in [0, 1]

    Returns
    -------
    list of float in [0, 1]
        In the same order.

    References
    ----------
    .. [1] Holm (1979), "A simple sequentially rejective multiple test procedure", Scandinavian
       Journal of Statistics 6(2).
    """
    adjusted, most = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        most = max(most, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = most
    return adjusted


def _bootstrap(
    statistic: Statistic, arrays: tuple[NDArray[np.generic], ...], resamples: int, seed: int
) -> NDArray[np.float64]:
    songs = len(arrays[0])
    if songs == 0 or any(len(array) != songs for array in arrays):
        raise ShapeError(f"arrays must hold the same songs, not {[len(a) for a in arrays]}")
    generator = np.random.default_rng(seed)
    draws = np.empty(resamples)
    for draw in range(resamples):
        chosen = generator.integers(0, songs, songs)
        draws[draw] = statistic(*(array[chosen] for array in arrays))
    return draws


def _bounds(draws: NDArray[np.float64], level: float) -> tuple[float, float]:
    known = draws[~np.isnan(draws)]
    if len(known) == 0:
        return float("nan"), float("nan")
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _ranks(values: Floats) -> NDArray[np.float64]:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return ((last - (counts - 1) / 2)[inverse]).astype(np.float64)


def _check_pair(
    target: NDArray[np.generic], predicted: NDArray[np.generic], *, at_least: int = 1
) -> None:
    if target.ndim != 1 or target.shape != predicted.shape or len(target) < at_least:
        raise ShapeError(
            f"expected two arrays of the same shape (songs,) with at least {at_least} songs, "
            f"not {target.shape} and {predicted.shape}"
        )
