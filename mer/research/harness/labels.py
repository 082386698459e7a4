"""Targets of the comparison, and the labels of tracks for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch

from mer.affect import EMOTIONS, QUADRANTS, Quadrant
from mer.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from mer.research.datasets.base import Track

POLARITIES: Final = ("negative", "neutral", "positive")
CLASS_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "quadrant": tuple(QUADRANTS),
    "cluster": ("C1", "C2", "C3", "C4", "C5"),
    "emotion8": tuple(EMOTIONS),
    "polarity": POLARITIES,
    "va": tuple(QUADRANTS),
}
"""Classes of every target; ``va`` is scored on valence and arousal alone."""


@dataclass(frozen=True, slots=True)
class Labels:
    """Labels of some tracks.

    Parameters
    ----------
    classes : (songs, classes) float Tensor
        Distributions; zeros if unknown.
    affect : (songs, 2) float Tensor in [0, 1]
        Valence, arousal; NaN if unknown.
    """

    classes: Tensor
    affect: Tensor

    @property
    def known(self) -> Tensor:
        """Songs with a class, (songs,) bool."""
        return self.classes.sum(dim=1) > 0

    @property
    def hard(self) -> Tensor:
        """Most likely class, (songs,) int64."""
        return self.classes.argmax(dim=1)


@dataclass(frozen=True, slots=True)
class Labeller:
    """Labels tracks for one target, by statistics of the training tracks alone.

    Parameters
    ----------
    target : str
        Of `CLASS_NAMES`.
    terciles : (low, high)
        Valences between which polarity is neutral.
    centre : (valence, arousal)
        Boundary of the quadrants, for tracks with valence and arousal but no quadrant.
    """

    target: str
    terciles: tuple[float, float]
    centre: tuple[float, float]

    @classmethod
    def fit(cls, target: str, tracks: Sequence[Track]) -> Labeller:
        """Take terciles and centre from the training `tracks`.

        Raises
        ------
        InputError
            If the target is unknown.
        """
        if target not in CLASS_NAMES:
            raise InputError(f"no target is called {target!r}; there are {', '.join(CLASS_NAMES)}")
        points = [
            (track.labels.valence, track.labels.arousal)
            for track in tracks
            if track.labels.valence is not None and track.labels.arousal is not None
        ]
        if not points:
            return cls(target, (1 / 3, 2 / 3), (0.5, 0.5))
        table = torch.tensor(points, dtype=torch.float64)
        low, high = torch.quantile(table[:, 0], torch.tensor([1 / 3, 2 / 3]).double()).tolist()
        valence, arousal = table.mean(dim=0).tolist()
        return cls(target, (low, high), (valence, arousal))

    def labels(self, tracks: Sequence[Track]) -> Labels:
        """Label `tracks`."""
        names = CLASS_NAMES[self.target]
        rows = [self._row(track) or [0.0] * len(names) for track in tracks]
        nan = float("nan")
        affect = [
            [nan if value is None else value for value in (t.labels.valence, t.labels.arousal)]
            for t in tracks
        ]
        return Labels(
            torch.tensor(rows).reshape(-1, len(names)), torch.tensor(affect).reshape(-1, 2)
        )

    def _row(self, track: Track) -> list[float] | None:
        labels = track.labels
        if self.target == "emotion8":
            return None if labels.emotions is None else list(labels.emotions)
        if self.target == "cluster":
            index = labels.cluster
        elif self.target == "polarity":
            index = None if labels.valence is None else self._polarity(labels.valence)
        else:
            quadrant = labels.quadrant or self._quadrant(labels.valence, labels.arousal)
            index = None if quadrant is None else QUADRANTS.index(quadrant)
        if index is None:
            return None
        return [float(index == each) for each in range(len(CLASS_NAMES[self.target]))]

    def _polarity(self, valence: float) -> int:
        low, high = self.terciles
        return int(valence >= low) + int(valence >= high)

    def _quadrant(self, valence: float | None, arousal: float | None) -> Quadrant | None:
        if valence is None or arousal is None:
            return None
        pleasant, active = valence >= self.centre[0], arousal >= self.centre[1]
        if active:
            return Quadrant.Q1 if pleasant else Quadrant.Q2
        return Quadrant.Q4 if pleasant else Quadrant.Q3
