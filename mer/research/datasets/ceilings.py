r"""How well a perfect model could score, given how much the raters of a set disagree.

A song's label is the mean of k ratings, so it is off the mean of all possible raters by an error
of variance s²/k. Of the variance of the labels, that part cannot be predicted from the song: the
best that a model can expect is

.. math:: R^2 = 1 - \frac{\overline{s^2 / k}}{\sigma_y^2}, \qquad
          \rho_c = \frac{2 R^2}{1 + R^2}

the second because a perfect prediction has R² times the variance of the labels, as much covariance
with them, and the same mean. A score far above the ceiling means that test songs were trained on.
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
    """Scores of a model that knows every song's true mean.

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
    """Ceiling of R² and of the concordance correlation from songs' mean ratings and their spread.

    Parameters
    ----------
    means, deviations : (songs,) float
        Mean and standard deviation of each song's ratings, on one scale.
    raters : int or (songs,) int
        Ratings behind each mean, at least one.
    divided_by_n : bool
        The deviations were divided by the number of ratings (as DEAM's are), not by one less; they
        are made larger accordingly, for which at least two raters are needed.

    Returns
    -------
    Ceiling
        Zeros when the raters disagree more than the songs differ.

    Raises
    ------
    InputError
        If there are fewer than two songs, the lengths differ, a value is not finite, or there are
        too few raters.
    """
    labels, spread = np.asarray(means, float), np.asarray(deviations, float)
    if labels.ndim != 1 or labels.shape != spread.shape or len(labels) < 2:
        raise InputError(
            f"means and deviations must be of two songs or more, one each, not of shapes "
            f"{labels.shape} and {spread.shape}"
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
    """Ceilings of valence and of arousal, in this order, over the tracks that state their spread.

    Parameters
    ----------
    tracks : sequence of Track
    raters : int or None
        Ratings behind each label; None takes what the tracks say.
    divided_by_n : bool
        As for `noise_ceiling`.

    Raises
    ------
    InputError
        If fewer than two tracks state their spread, or the number of raters is unknown.
    """
    labels = [track.labels for track in tracks]
    rated = [
        (a.valence, a.valence_sd, a.arousal, a.arousal_sd, raters or a.raters)
        for a in labels
        if None not in (a.valence, a.valence_sd, a.arousal, a.arousal_sd)
    ]
    if len(rated) < 2:
        raise InputError("fewer than two tracks state how much their raters disagreed")
    if any(row[-1] is None for row in rated):
        raise InputError("the tracks do not say how many raters they had; give raters")
    valence, valence_sd, arousal, arousal_sd, counts = np.array(rated, float).T
    return (
        noise_ceiling(valence, valence_sd, counts, divided_by_n=divided_by_n),
        noise_ceiling(arousal, arousal_sd, counts, divided_by_n=divided_by_n),
    )
