"""A snapshot uses of its engine what `VectorIndex` promises, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from recommender.index import index_build, index_snapshot
from recommender.index.rows import COLUMNS
from tests.factories import SongEmotionFactory, random_embedding

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from numpy.typing import NDArray

    from recommender.index import VectorIndex

pytestmark = pytest.mark.django_db


class PlainIndex:
    """The smallest engine: it copies another one's rows, and compares every row."""

    def __init__(self, other: VectorIndex) -> None:
        every = np.arange(len(other))
        self.statistics, self.genre_names = other.statistics, other.genre_names
        self._columns = {name: other.take(name, every) for name in (*COLUMNS, "shares")}
        self._fused = other.fused(every)

    def __len__(self) -> int:
        return len(self._fused)

    def take(
        self, column: str, rows: NDArray[np.int64] | slice, dimension: int | None = None
    ) -> NDArray[Any]:
        values = self._columns[column][rows]
        return values if dimension is None else values[:, dimension]

    def fused(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return self._fused[rows]

    def rows_of(self, song_ids: NDArray[np.int64]) -> NDArray[np.int64]:
        known = {number: row for row, number in enumerate(self._columns["song_ids"].tolist())}
        return np.array([known.get(one, -1) for one in song_ids.tolist()], np.int64)

    def rows_of_recordings(self, recordings: NDArray[np.int64]) -> NDArray[np.int64]:
        held = self._columns["recordings"]
        return np.flatnonzero(np.isin(held, recordings) & (held >= 0))

    def where(
        self,
        column: str,
        *,
        low: float | None = None,
        high: float | None = None,
        any_of: Collection[int] | None = None,
    ) -> NDArray[np.bool_]:
        return np.array(
            [
                (low is None or value >= low)
                and (high is None or value <= high)
                and (any_of is None or value in any_of)
                for value in self._columns[column].tolist()
            ]
        )

    def search_fused(
        self, query: NDArray[np.float32], k: int, allowed: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        found = self._allowed(allowed)
        scores = self._fused[found] @ query
        best = np.argsort(-scores, kind="stable")[:k]
        return scores[best], found[best]

    def search_affect(
        self,
        target: NDArray[np.float32],
        weights: NDArray[np.float32],
        k: int,
        allowed: NDArray[np.bool_] | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        found = self._allowed(allowed)
        distances = np.sqrt((self._columns["affect"][found] - target) ** 2 @ weights)
        best = np.argsort(distances, kind="stable")[:k]
        return distances[best], found[best]

    def damage_check(self) -> Iterator[None]:
        return iter(())

    def _allowed(self, allowed: NDArray[np.bool_] | None) -> NDArray[np.int64]:
        return np.arange(len(self)) if allowed is None else np.flatnonzero(allowed)


def test_another_engine_gives_the_same_answers() -> None:
    emotions = SongEmotionFactory.create_batch(12)
    index_build()
    emotions[3].valence = 0.111
    emotions[3].save()  # of the tail from now on
    SongEmotionFactory()
    held = index_snapshot()
    assert held.build is not None
    assert held.tail_count == 2
    engine: VectorIndex = PlainIndex(held.build)
    other = replace(held, build=engine)
    rows = np.arange(len(held))
    assert_array_equal(other.fused(rows), held.fused(rows))
    for name in COLUMNS:
        assert_array_equal(getattr(other, name)[rows], getattr(held, name)[rows])
        values = np.asarray(getattr(held, name))
        for row in (rows[0], rows[-1], 0, len(held) - 1):
            assert_array_equal(getattr(held, name)[row], values[row])
    assert_array_equal(held.affect[:, :2], np.asarray(held.affect)[:, :2])
    assert_array_equal(held.affect[rows, 1], np.asarray(held.affect)[:, 1])
    for part in (
        slice(None),
        slice(2, 9),
        slice(11, 14),
        slice(13, 14),
        slice(5, 5),
        slice(3, 40, 4),
    ):
        assert_array_equal(held.years[part], np.asarray(held.years)[part])
        assert_array_equal(held.affect[part], np.asarray(held.affect)[part])
        assert_array_equal(held.shares(1)[part], np.asarray(held.shares(1))[part])
    assert_array_equal(np.concatenate([rows[part] for part in held.blocks()]), rows)
    some = [emotion.song_id for emotion in emotions[2:5]]
    assert_array_equal(other.rows_of(some), held.rows_of(some))
    assert_array_equal(other.same_recordings(some), held.same_recordings(some))
    assert_array_equal(
        other.where("years", low=1995, high=2010), held.where("years", low=1995, high=2010)
    )
    target, weights = held.affect[5], np.ones(10, np.float32)
    for allowed in (held.alive, held.alive & (rows % 2 == 0), np.zeros(len(held), bool)):
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
