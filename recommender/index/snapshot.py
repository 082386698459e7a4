"""The songs that can be recommended, as rows that all requests of a process share.

The rows of the active build come first. Behind them lie those of the overlay: the songs that
changed since the build, or all songs if there is no readable build. A row whose song has changed,
or is gone, is *dead*: it stays, and is never found.

If a `SongSource` has the songs, a snapshot is *partial*: it has the rows of the songs that were
gathered for one request (`narrowed`), and at first none.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from recommender.index.arrays import BLOCK_ROWS, matches, most_similar, nearest_in_affect, smallest
from recommender.index.protocol import SAME_RECORDING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from recommender.index.protocol import (
        Condition,
        FirstPhase,
        Query,
        SongSource,
        VectorIndex,
    )
    from recommender.index.rows import Columns
    from recommender.index.statistics import Statistics

    _Rows = int | np.integer[Any] | slice | NDArray[np.int64]


@dataclass(frozen=True)
class Column:
    """One value, or one vector, of every row of a snapshot; ``column[rows]`` reads some of
    them, and ``column[rows, :2]`` the first two values of each.

    `numpy.asarray` copies all of them. To filter, use `IndexSnapshot.where`.
    """

    _name: str
    _build: VectorIndex | None
    _overlay: NDArray[Any]
    _dimension: int | None = None

    def __len__(self) -> int:
        return self._base + len(self._overlay)

    def __getitem__(self, rows: _Rows | tuple[_Rows, int | slice]) -> NDArray[Any]:
        if isinstance(rows, tuple):
            if isinstance(rows[1], int):
                return self.dimension(rows[1])[rows[0]]
            wanted = range(self._overlay.shape[1])[rows[1]]
            return np.stack([self.dimension(number)[rows[0]] for number in wanted], axis=1)
        if isinstance(rows, int | np.integer):
            value: NDArray[Any] = self[np.array([rows])][0]
            return value
        if isinstance(rows, slice):
            return self._part(rows)
        behind = self._overlay
        if self._dimension is not None:
            behind = behind[:, self._dimension]
        if self._build is None:
            return behind[rows]
        if not len(behind):
            return self._build.take(self._name, rows, self._dimension)
        in_overlay = rows >= self._base
        if not in_overlay.any():
            return self._build.take(self._name, rows, self._dimension)
        values = np.empty((len(rows), *behind.shape[1:]), behind.dtype)
        values[in_overlay] = behind[rows[in_overlay] - self._base]
        values[~in_overlay] = self._build.take(self._name, rows[~in_overlay], self._dimension)
        return values

    def _part(self, rows: slice) -> NDArray[Any]:
        """Return a stretch, without a copy where it lies in the build or in the overlay alone."""
        start, stop, step = rows.indices(len(self))
        if step != 1:
            return self[np.arange(start, stop, step)]
        base = self._base
        behind = self._overlay if self._dimension is None else self._overlay[:, self._dimension]
        if self._build is None or start >= base:
            return behind[start - base : max(start, stop) - base]
        found = self._build.take(self._name, slice(start, min(stop, base)), self._dimension)
        return found if stop <= base else np.concatenate([found, behind[: stop - base]])

    def __array__(
        self,
        dtype: np.dtype[np.generic] | None = None,
        copy: bool | None = None,  # noqa: FBT001  NumPy's
    ) -> NDArray[Any]:
        values = self._overlay if self._dimension is None else self._overlay[:, self._dimension]
        if self._build is not None:
            base = self._build.take(self._name, slice(None), self._dimension)
            values = np.concatenate([base, values])
        return values if dtype is None else values.astype(dtype)

    @property
    def _base(self) -> int:
        return 0 if self._build is None else len(self._build)

    def dimension(self, number: int) -> Column:
        """Return the column of one of the values of each row."""
        return Column(self._name, self._build, self._overlay, number)


def _column(name: str, doc: str) -> property:
    def column(self: IndexSnapshot) -> Column:
        return Column(name, self.build, self.overlay[name])

    return property(column, doc=doc)


@dataclass(frozen=True)
class IndexSnapshot:
    """The songs that can be recommended by one model version; threads may share it.

    A snapshot never changes. A mask is a (rows,) bool array, and `alive` is the widest one.

    Parameters
    ----------
    build : VectorIndex or None
        The active build; None if there is none that can be read.
    overlay : dict of str to array
        The columns, shares and fused embeddings of the rows behind those of the build.
    alive : (rows,) bool
        Rows of songs that can be recommended.
    statistics : Statistics
        Of the songs.
    restated_shares : (rows, 10) float32, optional
        The shares of all rows by `statistics`, if those of build and overlay are by others.
    genre_names : tuple of str
        The genre tags, by their codes.
    source : SongSource, optional
        Has the songs, of which only some are rows.
    """

    model_version: str
    build: VectorIndex | None
    overlay: Columns = field(repr=False)
    alive: NDArray[np.bool_] = field(repr=False)
    statistics: Statistics = field(repr=False)
    restated_shares: NDArray[np.float32] | None = field(repr=False)
    genre_names: tuple[str, ...] = field(repr=False)
    source: SongSource | None = field(default=None, repr=False)

    song_ids = _column("song_ids", "Ids of the songs; not in order.")
    affect = _column("affect", "Valence, arousal and the eight emotions.")
    quadrants = _column("quadrants", "Probabilities of Q1 to Q4.")
    spreads = _column("spreads", "Expected errors of valence and arousal; NaN where unknown.")
    by_sound = _column("by_sound", "Valence and arousal by the sound alone; NaN where unknown.")
    by_words = _column("by_words", "Valence and arousal by the lyrics alone; NaN where unknown.")
    felt = _column("felt", "Shares of listeners who feel each of nine emotions; NaN if unknown.")
    confidences = _column("confidences", "Of the likeliest quadrant, from 0 to 1.")
    artists = _column("artists", "Code of the first main artist; below 0 and unique if unknown.")
    credits = _column("credits", "Ids of the first seven credited `Artist` rows, then zeros.")
    albums = _column("albums", "Id of the `Album` row; 0 if there is none.")
    genres = _column("genres", "Positions in `genre_names`.")
    years = _column("years", "0 where unknown.")
    durations = _column("durations", "Seconds; NaN where unknown.")
    tempos = _column("tempos", "Beats a minute, `Song.tempo_bpm`; NaN where unknown.")
    keys = _column("keys", "Position of `Song.key_code` in `KEYS`, from 1; 0 where unknown.")
    libraries = _column("libraries", "Id of the `Library` row; below 0 if its songs have no audio.")
    recordings = _column("recordings", "Equal for the files of one recording; else below 0.")
    recording_ranks = _column("recording_ranks", "The lowest file of a recording is shown.")

    def __len__(self) -> int:
        """Return the number of rows, dead ones among them."""
        return len(self.alive)

    def blocks(self) -> Iterator[slice]:
        """Yield stretches of rows, each so short that the processor keeps them in its cache."""
        for start in range(0, len(self), BLOCK_ROWS):
            yield slice(start, min(start + BLOCK_ROWS, len(self)))

    @cached_property
    def song_count(self) -> int:
        """The number of songs that can be recommended."""
        if self.source is not None:
            return len(self.source)
        return int(np.count_nonzero(self.alive))

    @cached_property
    def tail_count(self) -> int:
        """The number of songs that are not read from the build."""
        return int(np.count_nonzero(self.alive[self._base :]))

    def rows_of(self, song_ids: Iterable[int]) -> NDArray[np.int64]:
        """Return the rows of the songs in the order given, without songs that are not here."""
        # An address may name a song by any number of digits.
        wanted = np.fromiter((pk for pk in song_ids if abs(pk) < 2**63), np.int64)
        rows = np.full(len(wanted), -1)
        if self.build is not None:
            rows = self.build.rows_of(wanted)
            rows[rows >= 0] = np.where(self.alive[rows[rows >= 0]], rows[rows >= 0], -1)
        known, behind = self._overlay_songs
        if len(known):
            at = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
            rows = np.where(known[at] == wanted, behind[at], rows)
        return rows[rows >= 0]

    def where(
        self,
        column: str,
        *,
        low: float | None = None,
        high: float | None = None,
        any_of: Collection[int] | None = None,
    ) -> NDArray[np.bool_]:
        """Return the mask of the rows whose value in a column passes; see `VectorIndex.where`."""
        behind = matches(self.overlay[column], low=low, high=high, any_of=any_of)
        if self.build is None:
            return behind
        base = self.build.where(column, low=low, high=high, any_of=any_of)
        return np.concatenate([base, behind])

    def passing(self, condition: Condition) -> NDArray[np.bool_]:
        """Return the mask of the rows that pass a condition."""
        if condition.column == SAME_RECORDING:
            mask = self.same_recordings(condition.any_of or ())
        else:
            mask = self.where(
                condition.column, low=condition.low, high=condition.high, any_of=condition.any_of
            )
        return ~mask if condition.is_refused else mask

    def narrowed(
        self,
        song_ids: Collection[int],
        nearest: Sequence[Query] = (),
        conditions: Sequence[Condition] = (),
        first_phase: FirstPhase | None = None,
    ) -> IndexSnapshot:
        """Return a snapshot with the rows that a search needs: this one, unless it is partial.

        See `SongSource.gathered`.
        """
        if self.source is None:
            return self
        build = self.source.gathered(song_ids, nearest, conditions, first_phase)
        return replace(
            self, build=build, alive=np.ones(len(build), bool), genre_names=build.genre_names
        )

    def counts(self, column: str) -> Mapping[int, int]:
        """Return how many songs have each value of the column "genres" or "years"."""
        if self.source is not None:
            return self.source.counts(column)
        values = getattr(self, column)[np.flatnonzero(self.alive)]
        known, songs = np.unique(values, return_counts=True)
        return dict(zip(known.tolist(), songs.tolist(), strict=True))

    def same_recordings(self, song_ids: Iterable[int]) -> NDArray[np.bool_]:
        """Return the mask of the rows that are a file of the recording of one of the songs."""
        rows = self.rows_of(song_ids)
        mask = np.zeros(len(self), bool)
        mask[rows] = True
        mask[self._files_of(np.unique(self.recordings[rows]))] = True
        return mask

    def one_per_recording(
        self, rows: NDArray[np.int64], allowed: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """Return the rows, in order; of each recording only the allowed one that is shown first.

        That one may be another one than was given.
        """
        recordings = self.recordings[rows]
        several = np.unique(recordings[recordings >= 0])
        if not len(several):
            return np.sort(rows)
        files = self._files_of(several)
        files = files[allowed[files]]
        files = files[
            np.lexsort((self.song_ids[files], self.recording_ranks[files], self.recordings[files]))
        ]
        found = self.recordings[files]
        is_first = np.append(True, found[1:] != found[:-1])[: len(files)]
        return np.sort(np.concatenate([rows[recordings < 0], files[is_first]]))

    def fused(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the (rows, 256) fused embeddings of `rows`, of unit norm."""
        behind = self.overlay["fused"]
        if self.build is None:
            return behind[rows]
        in_overlay = rows >= self._base
        if not in_overlay.any():
            return self.build.fused(rows)
        vectors = np.empty((len(rows), behind.shape[1]), np.float32)
        vectors[in_overlay] = behind[rows[in_overlay] - self._base]
        vectors[~in_overlay] = self.build.fused(rows[~in_overlay])
        return vectors

    def search_fused(
        self, query: NDArray[np.float32], k: int, allowed: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return cosine similarities and rows of the `k` most similar allowed songs, best first."""
        ids = self.overlay["song_ids"]
        similarities, rows = most_similar(
            self.overlay["fused"], query, k, allowed[self._base :], ids
        )
        rows = rows + self._base
        if self.build is not None:
            found = self.build.search_fused(query, k, self._base_mask(allowed))
            similarities = np.concatenate([found[0], similarities])
            rows = np.concatenate([found[1], rows])
        best = smallest(-similarities, k, self.song_ids[rows])
        return similarities[best], rows[best]

    def search_affect(
        self,
        target: NDArray[np.float32],
        weights: NDArray[np.float32],
        k: int,
        allowed: NDArray[np.bool_],
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return weighted distances and rows of the `k` allowed songs nearest in affect."""
        ids = self.overlay["song_ids"]
        distances, rows = nearest_in_affect(
            self.overlay["affect"], target, weights, k, allowed[self._base :], ids
        )
        rows = rows + self._base
        if self.build is not None:
            found = self.build.search_affect(target, weights, k, self._base_mask(allowed))
            distances = np.concatenate([found[0], distances])
            rows = np.concatenate([found[1], rows])
        best = smallest(distances, k, self.song_ids[rows])
        return distances[best], rows[best]

    def shares(self, dimension: int) -> Column:
        """Return the column of `Statistics.share_below` of the values in an affect dimension."""
        if self.restated_shares is not None:
            return Column("shares", None, self.restated_shares, dimension)
        return Column("shares", self.build, self.overlay["shares"], dimension)

    def share_below(self, values: NDArray[np.float32], dimension: int) -> NDArray[np.float64]:
        """Return the share of songs below each value; see `Statistics.share_below`."""
        return self.statistics.share_below(values, dimension)

    @property
    def typical_quadrants(self) -> NDArray[np.float32]:
        """(m, 4) quadrant probabilities of a sample."""
        return self.statistics.quadrants

    @property
    def mean_affect(self) -> NDArray[np.float64]:
        """(10,) mean affect of a sample."""
        return self.statistics.mean_affect

    @property
    def mean_fused(self) -> NDArray[np.float32]:
        """(256,) mean fused embedding of a sample; not of unit norm."""
        return self.statistics.mean_fused

    @property
    def _base(self) -> int:
        """The number of rows of the build."""
        return 0 if self.build is None else len(self.build)

    def _base_mask(self, allowed: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
        base = allowed[: self._base]
        return None if base.all() else base

    def _files_of(self, recordings: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the living rows of some recordings."""
        known, behind = self._overlay_recordings
        rows = behind[np.isin(known, recordings)]
        if self.build is not None:
            rows = np.concatenate([self.build.rows_of_recordings(recordings), rows])
        return rows[self.alive[rows]]

    @cached_property
    def _overlay_songs(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Ids of the overlay's living songs, ascending, and their rows."""
        rows = np.flatnonzero(self.alive[self._base :])
        song_ids = self.overlay["song_ids"][rows]
        order = np.argsort(song_ids)
        return song_ids[order], rows[order] + self._base

    @cached_property
    def _overlay_recordings(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Recordings of several files of the overlay's living songs, and their rows."""
        rows = np.flatnonzero(self.alive[self._base :] & (self.overlay["recordings"] >= 0))
        return self.overlay["recordings"][rows], rows + self._base
