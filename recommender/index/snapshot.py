"""The songs that can be recommended, as aligned arrays that all requests of a process share.

Each song's embedding is either in the active build or, for the tail, in memory. The tail is the
songs that changed since the build, or all songs if there is no readable build.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np

from mer.prediction import EMBEDDING_DIM

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from recommender.index.protocol import VectorIndex

SAMPLE_ROWS: Final = 20_000
"""Statistics of the catalogue use at most this many songs, evenly spread over the rows."""


@dataclass(frozen=True)
class IndexSnapshot:
    """Aligned arrays of the songs that can be recommended, ascending in `song_ids`.

    A snapshot never changes, so threads may share it.

    Parameters
    ----------
    build : VectorIndex or None
        The active build; None if there is none that can be read.
    affect : (songs, 10) float32
        Valence, arousal and the eight emotions.
    quadrants : (songs, 4) float32
        Probabilities of Q1 to Q4.
    artists : (songs,) int64
        Codes. A song without an artist has a code of its own, below 0.
    genres : (songs,) int64
        Positions in `genre_names`.
    years : (songs,) int64
        0 where unknown.
    recordings : (songs,) int64
        Equal for the files of one recording. A song that is its only file has its own, below 0.
    recording_ranks : (songs,) int64
        Place among the files of the recording; the lowest is shown.
    base_rows : (songs,) int64
        Row in the build; -1 for the tail.
    tail_fused : (tail, 256) float32
        Fused embeddings of the tail, in row order.
    """

    model_version: str
    build: VectorIndex | None
    song_ids: NDArray[np.int64]
    affect: NDArray[np.float32]
    quadrants: NDArray[np.float32]
    artists: NDArray[np.int64]
    genres: NDArray[np.int64]
    genre_names: tuple[str, ...]
    years: NDArray[np.int64]
    recordings: NDArray[np.int64]
    recording_ranks: NDArray[np.int64]
    base_rows: NDArray[np.int64] = field(repr=False)
    tail_fused: NDArray[np.float32] = field(repr=False)
    _shares: dict[int, NDArray[np.float64]] = field(default_factory=dict, init=False, repr=False)

    def __len__(self) -> int:
        return len(self.song_ids)

    @property
    def tail_count(self) -> int:
        """The number of songs whose embeddings are not read from the build."""
        return len(self.tail_fused)

    def rows_of(self, song_ids: Iterable[int]) -> NDArray[np.int64]:
        """Return the rows of the songs in the order given, without songs that are not here."""
        wanted = np.fromiter(song_ids, np.int64)
        at = np.searchsorted(self.song_ids, wanted)
        is_here: NDArray[np.bool_] = np.append(self.song_ids, -1)[at] == wanted
        rows: NDArray[np.int64] = at[is_here]
        return rows

    def same_recordings(self, song_ids: Iterable[int]) -> NDArray[np.bool_]:
        """Return which rows are a file of the recording of one of the songs."""
        return np.isin(self.recordings, self.recordings[self.rows_of(song_ids)])

    def one_per_recording(self, allowed: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return the allowed rows, of each recording only the one that is shown first."""
        rows = np.flatnonzero(allowed & (self.recordings >= 0))
        rows = rows[np.lexsort((rows, self.recording_ranks[rows], self.recordings[rows]))]
        recordings = self.recordings[rows]
        kept = allowed.copy()
        kept[rows[1:][recordings[1:] == recordings[:-1]]] = False
        return kept

    def fused(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the (rows, 256) fused embeddings of `rows`, of unit norm."""
        base_rows = self.base_rows[rows]
        is_tail = base_rows < 0
        vectors = np.empty((len(rows), EMBEDDING_DIM), np.float32)
        vectors[is_tail] = self.tail_fused[self._tail_rows[rows[is_tail]]]
        if self.build is not None:
            vectors[~is_tail] = self.build.rows.fused[base_rows[~is_tail]]
        return vectors

    def search_fused(
        self, query: NDArray[np.float32], k: int, allowed: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return cosine similarities and ids of the `k` most similar allowed songs, best first."""
        tail, in_base = self._split(allowed)
        similarities, song_ids = self.fused(tail) @ query, self.song_ids[tail]
        if self.build is not None:
            found = self.build.search_fused(query[np.newaxis], k, in_base)
            similarities = np.concatenate([similarities, found[0][0]])
            song_ids = np.concatenate([song_ids, found[1][0]])
        best = np.lexsort((song_ids, -similarities))[:k]
        return similarities[best], song_ids[best]

    def search_affect(
        self,
        target: NDArray[np.float32],
        weights: NDArray[np.float32],
        k: int,
        allowed: NDArray[np.bool_],
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return weighted distances and ids of the `k` allowed songs nearest in affect."""
        tail, in_base = self._split(allowed)
        distances = np.sqrt((self.affect[tail] - target) ** 2 @ weights)
        song_ids = self.song_ids[tail]
        if self.build is not None:
            found = self.build.search_affect(target, weights, k, in_base)
            distances = np.concatenate([distances, found[0]])
            song_ids = np.concatenate([song_ids, found[1]])
        best = np.lexsort((song_ids, distances))[:k]
        return distances[best], song_ids[best]

    def shares(self, dimension: int) -> NDArray[np.float64]:
        """Return `share_below` of every row's value in an affect dimension, computed once."""
        if dimension not in self._shares:
            # `searchsorted` is much faster on ascending values.
            order = np.argsort(self.affect[:, dimension])
            shares = np.empty(len(self))
            shares[order] = self.share_below(self.affect[order, dimension], dimension)
            self._shares[dimension] = shares
        return self._shares[dimension]

    def share_below(self, values: NDArray[np.float32], dimension: int) -> NDArray[np.float64]:
        """Return the share of songs that lie below each value of an affect dimension.

        Equal values count half, so the median of the catalogue has the share 0.5.
        """
        column = self._sorted_affect[:, dimension]
        low = np.searchsorted(column, values, side="left")
        high = np.searchsorted(column, values, side="right")
        return (low + high) / (2 * len(column))

    @cached_property
    def typical_quadrants(self) -> NDArray[np.float32]:
        """(m, 4) quadrant probabilities of the sample."""
        return self.quadrants[self._sample]

    @cached_property
    def mean_affect(self) -> NDArray[np.float64]:
        """(10,) mean affect of the sample."""
        return np.asarray(self.affect[self._sample].mean(axis=0, dtype=np.float64))

    @cached_property
    def mean_fused(self) -> NDArray[np.float32]:
        """(256,) mean fused embedding of the sample; not of unit norm."""
        return np.asarray(self.fused(self._sample).mean(axis=0))

    def _split(
        self, allowed: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_] | None]:
        """Return the allowed rows of the tail, and the build's mask (None: all are allowed)."""
        in_base = np.zeros(0 if self.build is None else len(self.build), bool)
        in_base[self.base_rows[allowed & (self.base_rows >= 0)]] = True
        tail = np.flatnonzero(allowed & (self.base_rows < 0))
        return tail, None if in_base.all() else in_base

    @cached_property
    def _sample(self) -> NDArray[np.int64]:
        """Rows that the statistics of the catalogue are computed on."""
        return np.arange(0, len(self), max(1, len(self) // SAMPLE_ROWS))

    @cached_property
    def _sorted_affect(self) -> NDArray[np.float32]:
        return np.sort(self.affect[self._sample], axis=0)

    @cached_property
    def _tail_rows(self) -> NDArray[np.int64]:
        """Row in `tail_fused` of each row that is tail."""
        return np.cumsum(self.base_rows < 0) - 1
