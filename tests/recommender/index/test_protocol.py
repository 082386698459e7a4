"""A snapshot uses of its engine what `VectorIndex` promises, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from recommender.index import index_build, index_snapshot
from tests.factories import SongEmotionFactory, random_embedding

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from recommender.index import VectorIndex
    from recommender.index.rows import IndexRows

pytestmark = pytest.mark.django_db


class PlainIndex:
    """The smallest engine: it compares every row."""

    def __init__(self, rows: IndexRows) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows.song_ids)

    def search_fused(
        self, queries: NDArray[np.float32], k: int, allowed: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        found = self._allowed(allowed)
        scores = queries @ self.rows.fused[found].T
        best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(scores, best, axis=1), self.rows.song_ids[found][best]

    def search_affect(
        self,
        target: NDArray[np.float32],
        weights: NDArray[np.float32],
        k: int,
        allowed: NDArray[np.bool_] | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        found = self._allowed(allowed)
        distances = np.sqrt((self.rows.affect[found] - target) ** 2 @ weights)
        best = np.argsort(distances, kind="stable")[:k]
        return distances[best], self.rows.song_ids[found][best]

    def _allowed(self, allowed: NDArray[np.bool_] | None) -> NDArray[np.int64]:
        return np.arange(len(self)) if allowed is None else np.flatnonzero(allowed)


def test_another_engine_gives_the_same_answers() -> None:
    emotions = SongEmotionFactory.create_batch(12)
    index_build()
    emotions[3].save()  # of the tail from now on
    SongEmotionFactory()
    held = index_snapshot()
    assert held.build is not None
    assert held.tail_count == 2
    engine: VectorIndex = PlainIndex(held.build.rows)
    other = replace(held, build=engine)
    rows = np.arange(len(held))
    assert_array_equal(other.fused(rows), held.fused(rows))
    target, weights = held.affect[5], np.ones(held.affect.shape[1], np.float32)
    for allowed in (np.ones(len(held), bool), rows % 2 == 0, np.zeros(len(held), bool)):
        for found, wanted in zip(
            [
                *other.search_fused(random_embedding(7), 4, allowed),
                *other.search_affect(target, weights, 4, allowed),
            ],
            [
                *held.search_fused(random_embedding(7), 4, allowed),
                *held.search_affect(target, weights, 4, allowed),
            ],
            strict=True,
        ):
            assert_allclose(found, wanted, atol=1e-6)
