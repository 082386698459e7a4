"""The questions that a vector engine answers.

`recommender.index.files.EmbeddingIndex` is the engine in use. Another engine, such as a vector
database, implements `VectorIndex`; `IndexSnapshot` uses nothing else of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from recommender.index.rows import IndexRows


class VectorIndex(Protocol):
    """A fixed set of songs that can be searched; safe to share between threads."""

    @property
    def rows(self) -> IndexRows:
        """The songs of the index, as aligned arrays."""
        ...

    def __len__(self) -> int:
        """Return the number of songs."""
        ...

    def search_fused(
        self,
        queries: NDArray[np.float32],
        k: int,
        allowed: NDArray[np.bool_] | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Find the songs whose fused embeddings are most similar to each query.

        Parameters
        ----------
        queries : (queries, 256) float32
            Unit norm.
        k : int
            The number of songs wanted.
        allowed : (songs,) bool, optional
            Rows that may be found; all by default.

        Returns
        -------
        similarities : (queries, m) float32
            Cosine, highest first; m is the smaller of `k` and the number of allowed rows.
        song_ids : (queries, m) int64
            Equal similarities are in order of song id.
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
        song_ids : (m,) int64
            Equal distances are in order of song id.
        """
        ...
