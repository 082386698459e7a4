"""What an engine does for a build of the index.

`recommender.index.files.EmbeddingIndex` is the engine in use. Another engine, such as a vector
database, implements `VectorIndex`; `IndexSnapshot` uses nothing else of it. The engine filters
(`where`), and finds candidates by a first-phase score (`search_fused`, `search_affect`). The exact
score is computed here, from the columns (`take`) and embeddings (`fused`) of what it found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from recommender.index.statistics import Statistics


class VectorIndex(Protocol):
    """A fixed set of songs that can be searched; safe to share between threads.

    A song is known by its row, from 0 to the length of the index.
    """

    statistics: Statistics
    """Of the songs of the index."""
    genre_names: tuple[str, ...]
    """The genre tags, by their codes."""

    def __len__(self) -> int:
        """Return the number of songs."""
        ...

    def take(
        self, column: str, rows: NDArray[np.int64] | slice, dimension: int | None = None
    ) -> NDArray[Any]:
        """Return the values of rows in one of `rows.COLUMNS`, or in "shares".

        "shares" are those of `Statistics.shares`. With `dimension`, only that one of the values of
        each row is returned.
        """
        ...

    def fused(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the (rows, 256) fused embeddings of rows, of unit norm."""
        ...

    def rows_of(self, song_ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the row of each song; -1 where it is not here."""
        ...

    def rows_of_recordings(self, recordings: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows of all songs of some recordings; those of single files have none."""
        ...

    def where(
        self,
        column: str,
        *,
        low: float | None = None,
        high: float | None = None,
        any_of: Collection[int] | None = None,
    ) -> NDArray[np.bool_]:
        """Return which rows have a value in a column of one value a row.

        The value is at least `low`, at most `high` and one of `any_of`, as far as they are given.
        An unknown number (NaN) is never in a range.
        """
        ...

    def search_fused(
        self, query: NDArray[np.float32], k: int, allowed: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Find the songs whose fused embeddings are most similar to a query.

        Parameters
        ----------
        query : (256,) float32
            Unit norm.
        k : int
            The number of songs wanted.
        allowed : (songs,) bool, optional
            Rows that may be found; all by default.

        Returns
        -------
        similarities : (m,) float32
            Cosine, highest first; m is the smaller of `k` and the number of allowed rows.
        rows : (m,) int64
            Equal similarities are in order of row.
        """
        ...

    def search_affect(
        self,
        target: NDArray[np.float32],
        weights: NDArray[np.float32],
        k: int,
        allowed: NDArray[np.bool_] | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Find the songs whose affect is nearest to `target`.

        Parameters
        ----------
        target, weights : (10,) float32
            Point in the affect space, and the weight of each dimension (not negative).
        k : int
            The number of songs wanted.
        allowed : (songs,) bool, optional
            Rows that may be found; all by default.

        Returns
        -------
        distances : (m,) float32
            Weighted Euclidean, nearest first; m is the smaller of `k` and the number of allowed
            rows.
        rows : (m,) int64
            Equal distances are in order of row.
        """
        ...

    def damage_check(self) -> Iterator[None]:
        """Look for damage in small steps, so that requests hardly notice.

        Raises `IndexCorruptError`.
        """
        ...
