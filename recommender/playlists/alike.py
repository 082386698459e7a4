"""How alike songs are by parts: as a whole, in mood, by the sound alone, by the words alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from recommender.index.protocol import Nearest, NearestByParts
from recommender.playlists.scoring import closeness_at

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from recommender.index import IndexSnapshot
    from recommender.index.protocol import Query

PARTS: Final = ("whole", "mood", "sound", "words")
_MOST_TYPICAL: Final = 0.999


@dataclass(frozen=True, slots=True)
class Sought:
    """A song that others are compared with; `sound` and `words` are NaN where unknown."""

    fused: NDArray[np.float32]
    affect: NDArray[np.float32]
    sound: NDArray[np.float32]
    words: NDArray[np.float32]

    @classmethod
    def of(cls, snapshot: IndexSnapshot, row: int) -> Sought:
        """Return the song of a row."""
        return cls(
            fused=snapshot.fused(np.array([row]))[0],
            affect=snapshot.affect[row],
            sound=snapshot.by_sound[row],
            words=snapshot.by_words[row],
        )

    def knows(self, part: str) -> bool:
        """Whether the song can be compared by a part."""
        return part in {"whole", "mood"} or not np.isnan(getattr(self, part)).any()

    def queries(self, weights: Mapping[str, float], k: int) -> list[Query]:
        """Return what a vector database is asked for, so that it finds the best by the weights."""
        found: list[Query] = []
        if weights.get("whole"):
            found.append(Nearest(self.fused, k))
        if weights.get("mood"):
            found.append(Nearest(self.affect, k, np.ones_like(self.affect)))
        for part, words in (("sound", 0.0), ("words", 1.0)):
            if weights.get(part):
                found.append(NearestByParts(getattr(self, part), k, words))
        return found

    def parts(
        self, snapshot: IndexSnapshot, rows: NDArray[np.int64], names: tuple[str, ...] = PARTS
    ) -> dict[str, NDArray[np.float64]]:
        """Return how alike rows are by each part, in [0, 1]; NaN where it is not known."""
        measures = {"whole": self._whole, "mood": self._mood}
        found = {name: measures[name](snapshot, rows) for name in names if name in measures}
        for name, column in (("sound", snapshot.by_sound), ("words", snapshot.by_words)):
            if name in names:
                apart = np.asarray(column[rows], np.float64) - getattr(self, name)
                found[name] = closeness_at(np.linalg.norm(apart, axis=1))
        return found

    def scores(
        self, snapshot: IndexSnapshot, rows: NDArray[np.int64], weights: Mapping[str, float]
    ) -> NDArray[np.float64]:
        """Return the weighted mean of the parts; NaN where one that has a weight is not known."""
        names = tuple(name for name, weight in weights.items() if weight)
        parts = self.parts(snapshot, rows, names)
        total = sum((weights[name] * parts[name] for name in names), np.zeros(len(rows)))
        return np.asarray(total / (sum(weights[name] for name in names) or 1.0))

    def best(
        self,
        snapshot: IndexSnapshot,
        weights: Mapping[str, float],
        k: int,
        allowed: NDArray[np.bool_],
    ) -> NDArray[np.int64]:
        """Return the `k` best recordings by the weights, best first.

        Exact, but for `whole` beside other parts: then of the songs that are best by it, and of
        those that are best by the others, `_CANDIDATES` times `k` each.
        """
        near = np.empty(0, np.int64)
        if weights.get("whole"):
            near = snapshot.search_fused(self.fused, _CANDIDATES * k, allowed)[1]
        others = {name: weight for name, weight in weights.items() if name != "whole" and weight}
        if others:
            rows = np.flatnonzero(allowed)
            scores = np.concatenate(
                [
                    self.scores(snapshot, rows[start : start + _BLOCK], others)
                    for start in range(0, len(rows), _BLOCK)
                ]
                or [np.empty(0)]
            )
            known = np.flatnonzero(~np.isnan(scores))
            most = min(_CANDIDATES * k, len(known))
            top = known[np.argpartition(-scores[known], most - 1)[:most]] if most else known
            near = np.union1d(near, rows[top])
        once = snapshot.one_per_recording(near, allowed)
        scores = self.scores(snapshot, once, weights)
        order = np.lexsort((snapshot.song_ids[once], -scores))
        return np.asarray(once[order][~np.isnan(scores[order])][:k])

    def _whole(self, snapshot: IndexSnapshot, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the likeness: 0 is as alike as the average song, 1 the same."""
        typical = min(float(snapshot.mean_fused @ self.fused), _MOST_TYPICAL)
        cosines = (snapshot.fused(rows) @ self.fused).astype(np.float64)
        return np.clip((cosines - typical) / (1 - typical), 0.0, 1.0)

    def _mood(self, snapshot: IndexSnapshot, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the mean of the closeness on the plane and of the emotions that both share."""
        affect = np.asarray(snapshot.affect[rows], np.float64)
        closeness = closeness_at(np.linalg.norm(affect[:, :2] - self.affect[:2], axis=1))
        shared = np.minimum(affect[:, 2:], self.affect[2:]).sum(axis=1)
        either = np.maximum(affect[:, 2:], self.affect[2:]).sum(axis=1)
        return np.asarray((closeness + shared / np.maximum(either, 1e-9)) / 2)


_CANDIDATES: Final = 20
_BLOCK: Final = 50_000
