"""How one listener's plane differs from the catalogue's, from the songs that the listener moved.

A listener places a song at ``x + shift + scale (x - 0.5)`` where the catalogue has it at x, both
(valence, arousal). The fit is the mode of a Gaussian posterior [1]_: the listener moves a song by
the shift and the scale, with noise of `NOISE`, and both have normal priors around zero. So few
corrections, or corrections that contradict each other, leave the plane nearly as it is.

References
----------
.. [1] Bishop (2006), "Pattern Recognition and Machine Learning", section 3.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEWEST: Final = 5
"""With fewer corrections the plane stays as it is."""
NOISE: Final = 0.5
"""Standard deviation of one correction on each axis. Listeners differ by 0.19 about one song, but
they move the songs whose prediction is farthest off. Smaller values made lists worse."""
SHIFT_PRIOR: Final = 0.1
"""Standard deviation of the shifts of listeners, on each axis."""
SCALE_PRIOR: Final = 0.1
"""Standard deviation of how much farther, or less far, listeners place songs from the middle."""
TURN_PRIOR: Final = 0.05
"""The same of how much the one axis depends on the other."""
MOST_SHIFT: Final = 0.3
MOST_SCALE: Final = 0.5
MOST_TURN: Final = 0.25
_MIDDLE: Final = 0.5


@dataclass(frozen=True, slots=True)
class Calibration:
    """A listener's plane: (2,) `shift` and (2, 2) `scale`.

    The limits of `scale` keep ``I + scale`` invertible, and `sources` uses its inverse.
    """

    shift: NDArray[np.float64]
    scale: NDArray[np.float64]

    def places(self, places: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return where the listener places songs that the catalogue has at (n, 2) `places`.

        Both are in [0, 1].
        """
        moved = places + self.shift + (places - _MIDDLE) @ self.scale.T
        return np.asarray(np.clip(moved, 0.0, 1.0), np.float64)

    def sources(self, places: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return where the catalogue has the songs that the listener places at `places`."""
        back = np.linalg.inv(np.eye(2) + self.scale)
        return np.asarray(np.clip(_MIDDLE + (places - _MIDDLE - self.shift) @ back.T, 0.0, 1.0))


def calibration_fit(said: NDArray[np.float64], felt: NDArray[np.float64]) -> Calibration | None:
    """Return the listener's plane from songs at (n, 2) `said` that were moved to `felt`.

    None with fewer than `FEWEST` of them.
    """
    if len(said) < FEWEST:
        return None
    design = _design(said)
    shift, scale = _fitted(design.T @ design, design.T @ (felt - said))
    return Calibration(shift, scale)


def _design(said: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.column_stack([np.ones(len(said)), said - _MIDDLE])


def _fitted(
    gram: NDArray[np.float64], pulls: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (..., 2) shifts and (..., 2, 2) scales from (..., 3, 3) and (..., 3, 2) sums."""
    found = np.empty(pulls.shape)
    for axis in (0, 1):
        deviations = np.full(3, TURN_PRIOR)
        deviations[[0, 1 + axis]] = SHIFT_PRIOR, SCALE_PRIOR
        held = gram / NOISE**2 + np.diag(deviations**-2)
        pull = pulls[..., axis, np.newaxis] / NOISE**2
        found[..., axis] = np.linalg.solve(held, pull)[..., 0]
    most = np.where(np.eye(2, dtype=bool), MOST_SCALE, MOST_TURN)
    scale = np.clip(np.swapaxes(found[..., 1:, :], -1, -2), -most, most)
    return np.clip(found[..., 0, :], -MOST_SHIFT, MOST_SHIFT), scale


def distances_after(said: NDArray[np.float64], felt: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far each song is from where it was moved, by the plane that the others give.

    Each song is left out of its own fit, so the distances are those of a song that is not yet
    moved.
    """
    if len(said) <= FEWEST:
        return np.asarray(np.linalg.norm(said - felt, axis=1))
    # Each fit has the sums of all songs less the song's own: thousands take no longer than one.
    design, moves = _design(said), felt - said
    gram = design.T @ design - design[:, :, np.newaxis] * design[:, np.newaxis]
    pulls = design.T @ moves - design[:, :, np.newaxis] * moves[:, np.newaxis]
    shift, scale = _fitted(gram, pulls)
    moved = said + shift + np.einsum("nij,nj->ni", scale, said - _MIDDLE)
    return np.asarray(np.linalg.norm(np.clip(moved, 0.0, 1.0) - felt, axis=1))
