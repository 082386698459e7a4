"""What a list aims at: parts that are wanted, and parts that are refused.

The score of a song for several wanted parts is their weighted geometric mean: a song has to fit all
of them. Each refused part r of weight w multiplies the score by ``1 - min(1, w) r``, so a refusal
never raises a score. A song that is a good match of what is refused with a weight of 1 or more is
left out altogether.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from recommender.playlists.contrasts import Contrast
from recommender.playlists.scoring import MATCH_FLOOR, Target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from recommender.index import IndexSnapshot


class Part(Protocol):
    """One part of an aim."""

    @property
    def place(self) -> NDArray[np.float64]:
        """(valence, arousal) of the part."""
        ...

    def match(self, snapshot: IndexSnapshot, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return how well each row fits, in [0, 1]."""
        ...

    def refusal(self, snapshot: IndexSnapshot, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return how much of it each row is, in [0, 1], where it is refused."""
        ...


@dataclass(frozen=True, slots=True)
class Aim:
    """Parts with weights above 0; at least one of them, wanted or refused."""

    wanted: tuple[tuple[float, Part], ...]
    refused: tuple[tuple[float, Part], ...] = ()

    @property
    def target(self) -> Target | None:
        """The wanted target, the blend of all moods, points, words, songs and history."""
        return next((part for _, part in self.wanted if isinstance(part, Target)), None)

    @property
    def contrasts(self) -> tuple[tuple[float, Contrast], ...]:
        """The wanted contrasts of sound and words, each with its share of the weights."""
        total = sum(weight for weight, _ in self.wanted)
        return tuple(
            (weight / total, part) for weight, part in self.wanted if isinstance(part, Contrast)
        )

    @property
    def place(self) -> NDArray[np.float64]:
        """(valence, arousal) near which the songs are; opposite the refused, if nothing else."""
        if self.target is not None:
            return self.target.place
        wanted, refused = (
            [(weight, part) for weight, part in parts if not isinstance(part, Contrast)]
            for parts in (self.wanted, self.refused)
        )
        if wanted:
            return mean_place(wanted)
        if refused and not self.contrasts:
            return np.clip(1.0 - mean_place(refused), 0.0, 1.0)
        return np.array([0.5, 0.5])

    @property
    def emotions(self) -> NDArray[np.float64]:
        """Weights of the eight emotions that are wanted; all 0 if none is."""
        return self.target.emotions if self.target is not None else np.zeros(8)

    def scores(
        self, snapshot: IndexSnapshot, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return the score of each row, exact and in [0, 1], and which rows are refused."""
        scores = self._wanted_scores(snapshot, rows)
        is_refused = np.zeros(len(rows), bool)
        for weight, part in self.refused:
            refusal = part.refusal(snapshot, rows)
            scores = scores * (1.0 - min(1.0, weight) * refusal)
            if weight >= 1:
                is_refused |= refusal >= MATCH_FLOOR
        return scores, is_refused

    def _wanted_scores(
        self, snapshot: IndexSnapshot, rows: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        if len(self.wanted) == 1:
            return self.wanted[0][1].match(snapshot, rows)
        total = sum(weight for weight, _ in self.wanted)
        scores = np.ones(len(rows))
        for weight, part in self.wanted:
            scores *= part.match(snapshot, rows) ** (weight / total)
        return scores


def mean_place(parts: Sequence[tuple[float, Part]]) -> NDArray[np.float64]:
    """Return the weighted mean of the places of parts."""
    total = sum(weight for weight, _ in parts)
    return np.asarray(np.sum([weight * part.place for weight, part in parts], 0) / total)
