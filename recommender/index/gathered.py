"""A few thousand songs that an engine gathered for one request: rows in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from recommender.index.arrays import matches, most_similar, nearest_in_affect, places_in

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from numpy.typing import NDArray

    from recommender.index.rows import Columns
    from recommender.index.statistics import Statistics


class Gathered:
    """A `VectorIndex` of some songs; what it answers is exact for these.

    Parameters
    ----------
    columns : dict of str to array
        Those of `rows.COLUMNS`, in order of the song ids.
    embeddings : callable
        Returns the (songs, 256) fused embeddings of songs by their ids. Each is asked for once.
    statistics : Statistics
        Of the whole catalogue.
    """

    def __init__(
        self,
        columns: Columns,
        embeddings: Callable[[NDArray[np.int64]], NDArray[np.float32]],
        statistics: Statistics,
        genre_names: tuple[str, ...],
    ) -> None:
        self.statistics, self.genre_names = statistics, genre_names
        self._columns = {**columns, "shares": statistics.shares(columns["affect"])}
        self._embeddings = embeddings
        self._fused = np.empty((len(self), len(statistics.mean_fused)), np.float32)
        self._is_here = np.zeros(len(self), bool)

    def __len__(self) -> int:
        return len(self._columns["song_ids"])

    def take(
        self, column: str, rows: NDArray[np.int64] | slice, dimension: int | None = None
    ) -> NDArray[Any]:
        """Return the values of rows in a column; see `VectorIndex.take`."""
        values = self._columns[column]
        return values[rows] if dimension is None else values[:, dimension][rows]

    def fused(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the fused embeddings of rows; see `VectorIndex.fused`."""
        missing = np.unique(rows[~self._is_here[rows]])
        if len(missing):
            self._fused[missing] = self._embeddings(self._columns["song_ids"][missing])
            self._is_here[missing] = True
        return self._fused[rows]

    def rows_of(self, song_ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the row of each song, or -1; see `VectorIndex.rows_of`."""
        return places_in(self._columns["song_ids"], song_ids)

    def rows_of_recordings(self, recordings: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows of all songs of recordings; see `VectorIndex.rows_of_recordings`."""
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
        """Return which rows have a value in a column; see `VectorIndex.where`."""
        return matches(self._columns[column], low=low, high=high, any_of=any_of)

    def search_fused(
        self, query: NDArray[np.float32], k: int, allowed: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Find the songs most similar to a query; see `VectorIndex.search_fused`."""
        return most_similar(self.fused(np.arange(len(self))), query, k, allowed)

    def search_affect(
        self,
        target: NDArray[np.float32],
        weights: NDArray[np.float32],
        k: int,
        allowed: NDArray[np.bool_] | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Find the songs nearest in affect; see `VectorIndex.search_affect`."""
        return nearest_in_affect(self._columns["affect"], target, weights, k, allowed)

    def damage_check(self) -> Iterator[None]:
        """Do nothing: no file is read; see `VectorIndex.damage_check`."""
        return iter(())
