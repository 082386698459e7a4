r"""The best score a model can expect, given the disagreement of a data set's raters.

A song's label is the mean of k ratings. Its error against the mean of all possible raters has
variance s²/k. This part of the variance of the labels cannot be predicted from the song. The best
expected scores are

.. math:: R^2 = 1 - \frac{\overline{s^2 / k}}{\sigma_y^2}, \qquad
          \rho_c = \frac{2 R^2}{1 + R^2}

The second formula holds because the variance of a perfect prediction, and its covariance with the
labels, are R² times the variance of the labels, and the means are equal. A score far above the
ceiling indicates that test songs were in the training set.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mer.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from mer.research.datasets.base import Track


@dataclass(frozen=True, slots=True)
class Ceiling:
    """Scores of a model that predicts every song's true mean.

    Parameters
    ----------
    r2, ccc : float in [0, 1]
    """

    r2: float
    ccc: float


def noise_ceiling(
    means: npt.ArrayLike,
    deviations: npt.ArrayLike,
    raters: npt.ArrayLike,
    *,
    divided_by_n: bool = False,
) -> Ceiling:
    """Compute the ceiling of R² and of the concordance correlation.

    Parameters
    ----------
    means, deviations : (songs,) float
        Mean and standard deviation of each song's ratings, on one scale.
    raters : int or (songs,) int
        Number of ratings of each song, at least one.
    divided_by_n : bool
        True if the deviations were divided by the number of ratings n, as DEAM's are, and not by
        n - 1. They are corrected, which needs at least two raters.

    Returns
    -------
    Ceiling
        Zeros if the raters' variance exceeds that of the songs.

    Raises
    ------
    InputError
        If there are fewer than two songs or too few raters, if the lengths differ, if a value is
        not finite, or if all means are equal.
    """
    labels, spread = np.asarray(means, float), np.asarray(deviations, float)
    if labels.ndim != 1 or labels.shape != spread.shape or len(labels) < 2:
        raise InputError(
            "means and deviations must have one value a song, for two songs or more; "
            f"their shapes are {labels.shape} and {spread.shape}"
        )
    counts = np.asarray(raters, float)
    if counts.shape not in {(), labels.shape} or not counts.min() >= 1 + divided_by_n:
        raise InputError(
            f"raters must be {1 + divided_by_n} or more for every song, not {raters!r}"
        )
    if not np.isfinite([labels, spread]).all() or labels.var() == 0:
        raise InputError("means and deviations must be finite, and the means not all equal")
    # Dividing by n made s² too small by (n - 1) / n, which turns s² / n into s² / (n - 1).
    noise = (spread**2 / (counts - divided_by_n)).mean()
    r2 = max(0.0, float(1 - noise / labels.var()))
    return Ceiling(r2=r2, ccc=2 * r2 / (1 + r2))


def ceilings(
    tracks: Sequence[Track], *, raters: int | None = None, divided_by_n: bool = False
) -> tuple[Ceiling, Ceiling]:
    """Ceilings of valence and of arousal, in this order, over the tracks with standard deviations.

    Parameters
    ----------
    tracks : sequence of Track
    raters : int or None
        Number of ratings of each label. None takes the tracks' own numbers.
    divided_by_n : bool
        As for `noise_ceiling`.

    Raises
    ------
    InputError
        If fewer than two tracks have standard deviations, or a number of raters is unknown.
    """
    labels = [track.labels for track in tracks]
    rated = [
        (a.valence, a.valence_sd, a.arousal, a.arousal_sd, raters or a.raters)
        for a in labels
        if None not in (a.valence, a.valence_sd, a.arousal, a.arousal_sd)
    ]
    if len(rated) < 2:
        raise InputError("fewer than two tracks have standard deviations of their ratings")
    if any(row[-1] is None for row in rated):
        raise InputError("the number of raters of a track is unknown; give raters")
    valence, valence_sd, arousal, arousal_sd, counts = np.array(rated, float).T
    return (
        noise_ceiling(valence, valence_sd, counts, divided_by_n=divided_by_n),
        noise_ceiling(arousal, arousal_sd, counts, divided_by_n=divided_by_n),
    )
