"""The songs of a snapshot as one request places them on the plane.

A view lies over a snapshot, or over another view. It changes where songs lie, and leaves everything
else as it is below.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from recommender.index import IndexSnapshot
from recommender.index.arrays import smallest
from recommender.index.protocol import Nearest, NearestByParts
from recommender.playlists.scoring import quadrant_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from typing import Self

    from numpy.typing import NDArray

    from recommender.index.protocol import Condition, FirstPhase, Query
    from recommender.index.statistics import Statistics

    Rows = slice | NDArray[np.int64]
    _Read = Callable[[Rows, int | None], NDArray[Any]]

_SHARE_STEPS: Final = 1024


class Computed:
    """Values of rows that are computed when they are read, with the interface of `Column`.

    `read` gets rows, and the number of a value or None for all values of each row.
    """

    def __init__(self, count: int, read: _Read, dimension: int | None = None) -> None:
        self._count = count
        self._read = read
        self._dimension = dimension

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, rows: Any) -> NDArray[Any]:
        if isinstance(rows, tuple):
            rows, which = rows
            if isinstance(which, int):
                return self.dimension(which)[rows]
            return np.asarray(self[rows][..., which])
        if isinstance(rows, int | np.integer):
            return np.asarray(self._read(np.array([rows]), self._dimension)[0])
        return self._read(rows, self._dimension)

    def __array__(
        self,
        dtype: np.dtype[np.generic] | None = None,
        copy: bool | None = None,  # noqa: FBT001  NumPy's
    ) -> NDArray[Any]:
        values = self[slice(None)]
        return values if dtype is None else values.astype(dtype)

    def dimension(self, number: int) -> Computed:
        """Return the column of one of the values of each row."""
        return Computed(self._count, self._read, number)


@dataclass(frozen=True)
class View(IndexSnapshot):
    """The songs of a snapshot at other places of the plane.

    A class of views overrides `columns_of` what it changes, and `asked`, by which a search below
    finds the songs that the view has at a place.
    """

    under: IndexSnapshot = field(repr=False, kw_only=True)

    @classmethod
    def over(cls, under: IndexSnapshot, **own: Any) -> Self:
        """Return the view of `under`; `own` are the fields of the class, or changed ones."""
        held = {one.name: getattr(under, one.name) for one in fields(IndexSnapshot)}
        return cls(**{**held, "under": under, **own})

    @property
    def affect(self) -> Computed:
        """Valence, arousal and the eight emotions."""
        return Computed(len(self), self._affect)

    @property
    def quadrants(self) -> Computed:
        """Probabilities of Q1 to Q4."""
        return Computed(len(self), self._quadrants)

    def shares(self, dimension: int) -> Computed:  # type: ignore[override]  # same interface
        """Return the column of the share of the catalogue below the values of a dimension."""
        return Computed(len(self), self._shares, dimension)

    def narrowed(
        self,
        song_ids: Collection[int],
        nearest: Sequence[Query] = (),
        conditions: Sequence[Condition] = (),
        first_phase: FirstPhase | None = None,
    ) -> IndexSnapshot:
        """Return a view of the rows that a search needs, those that the view has where it asks."""
        if self.source is None:
            return self
        asked = [self._asked(one) for one in nearest]
        under = self.under.narrowed(song_ids, asked, conditions, first_phase)
        return self._again(under)

    def _again(self, under: IndexSnapshot) -> IndexSnapshot:
        """Return the same view of other rows."""
        raise NotImplementedError

    def _asked(self, query: Query) -> Query:
        """Return the query that finds below what `query` asks for here."""
        raise NotImplementedError

    def _affect(self, rows: Rows, dimension: int | None) -> NDArray[np.float32]:
        if dimension is not None and dimension > 1:
            return np.asarray(self.under.affect.dimension(dimension)[rows])
        if dimension is not None:
            return self._axis(rows, dimension)
        values = np.array(self.under.affect[rows])
        values[:, :2] = self._places(rows)
        return values

    def _places(self, rows: Rows) -> NDArray[np.floating]:
        """Return where the view has rows, (rows, 2)."""
        return np.stack([self._axis(rows, axis) for axis in (0, 1)], axis=1)

    def _axis(self, rows: Rows, axis: int) -> NDArray[np.float32]:
        """Return valence or arousal of rows."""
        return np.asarray(self._places(rows)[:, axis], np.float32)

    def _quadrants(self, rows: Rows, dimension: int | None) -> NDArray[np.float32]:
        raise NotImplementedError

    def _shares(self, rows: Rows, dimension: int | None) -> NDArray[np.float32]:
        raise NotImplementedError

    @cached_property
    def _share_tables(self) -> list[NDArray[np.float64]]:
        """The shares of valence and arousal at `_SHARE_STEPS` steps from 0 to 1."""
        steps = np.linspace(0.0, 1.0, _SHARE_STEPS + 1, dtype=np.float32)
        return [self.statistics.share_below(steps, axis) for axis in (0, 1)]

    def _share_at(self, values: NDArray[np.floating], dimension: int) -> NDArray[np.float64]:
        """Return the share of the catalogue below values of valence or arousal."""
        steps = np.linspace(0.0, 1.0, _SHARE_STEPS + 1)
        return np.asarray(np.interp(values, steps, self._share_tables[dimension]))


@dataclass(frozen=True)
class WeighedSnapshot(View):
    """The songs of a snapshot, with their places by sound and words in shares of choice.

    A song lies at ``(1 - words) s + words w``: s by the sound alone, w by the words alone. Where
    one is unknown the other stands for it; without both the song lies where it did. Its quadrants
    are those of its place. Shares and statistics are those of the songs at their new places.
    """

    words: float = field(kw_only=True)

    @classmethod
    def of(cls, snapshot: IndexSnapshot, words: float | None) -> IndexSnapshot:
        """Return the songs of `snapshot` with such a share of the words; None: as they are."""
        if words is None:
            return snapshot
        statistics = _statistics_weighed(snapshot.statistics, words)
        return cls.over(snapshot, words=words, statistics=statistics)

    def search_affect(
        self,
        target: NDArray[np.float32],
        weights: NDArray[np.float32],
        k: int,
        allowed: NDArray[np.bool_],
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return weighted distances and rows of the `k` allowed songs nearest in affect; exact."""
        squares = np.zeros(len(self), np.float32)
        dimensions = np.flatnonzero(weights).tolist()
        for part in self.blocks():
            for dimension in dimensions:
                values = (
                    self._scanned(part, dimension)
                    if dimension < 2
                    else self.under.affect.dimension(dimension)[part]
                )
                off = values - target[dimension]
                np.multiply(off, off, out=off)
                squares[part] += np.multiply(off, weights[dimension], out=off)
        np.putmask(squares, ~allowed, np.inf)
        missing = np.flatnonzero(np.isnan(squares))
        if len(missing):
            off = self.affect[missing] - target
            squares[missing] = (off**2 * weights).sum(axis=1)
        rows = smallest(squares, k, self.song_ids)
        return np.sqrt(squares[rows]), rows

    def _scanned(self, part: slice, axis: int) -> NDArray[np.float32]:
        """Return valence or arousal of a stretch as `_axis`, NaN for some rows; much faster.

        NaN are songs without sound, and by the words alone also those without words. A request
        allows neither.
        """
        sound: NDArray[np.float32] = self.by_sound.dimension(axis)[part]
        words: NDArray[np.float32] = self.by_words.dimension(axis)[part]
        if self.words in {0, 1}:
            return words if self.words else sound
        found = np.asarray(np.float32(1.0 - self.words) * sound + np.float32(self.words) * words)
        np.putmask(found, np.isnan(words), sound)
        return found

    def _again(self, under: IndexSnapshot) -> IndexSnapshot:
        return type(self).over(under, words=self.words, statistics=self.statistics)

    def _asked(self, query: Query) -> Query:
        if isinstance(query, Nearest) and query.weights is not None:
            return NearestByParts(query.target[:2], query.k, self.words)
        return query

    def _axis(self, rows: Rows, axis: int) -> NDArray[np.float32]:
        columns = (self.by_sound, self.by_words, self.under.affect)
        sound, words, whole = (column.dimension(axis)[rows] for column in columns)
        return _weighed(sound, words, whole, self.words)

    def _quadrants(self, rows: Rows, dimension: int | None) -> NDArray[np.float32]:
        found = quadrant_weights(self._places(rows)).astype(np.float32)
        return found if dimension is None else found[:, dimension]

    def _shares(self, rows: Rows, dimension: int | None) -> NDArray[np.float32]:
        if dimension is None:
            raise ValueError("shares are read one dimension at a time")
        if dimension > 1:
            return np.asarray(self.under.shares(dimension)[rows])
        return self._share_at(self._axis(rows, dimension), dimension).astype(np.float32)


def _weighed(
    sound: NDArray[np.float32],
    words: NDArray[np.float32],
    whole: NDArray[np.float32],
    share: float,
) -> NDArray[np.float32]:
    """Return the values of songs with a share of the words, `whole` where nothing is known."""
    found = np.float32(1.0 - share) * sound + np.float32(share) * words
    np.putmask(found, np.isnan(words), sound)
    np.putmask(found, np.isnan(sound), words)
    np.putmask(found, np.isnan(found), whole)
    return found


def _statistics_weighed(statistics: Statistics, words: float) -> Statistics:
    """Return the statistics of the songs at their weighed places, of those that have the parts."""
    parts = statistics.parts
    is_known = ~np.isnan(parts[:, 2 if words == 1 else 0])
    if not is_known.any():
        return statistics
    sound, lyrics = parts[is_known, :2], parts[is_known, 2:]
    places = _weighed(sound, lyrics, sound, words)
    quantiles = statistics.quantiles.copy()
    known = np.linspace(0, len(places) - 1, quantiles.shape[1])
    for axis in (0, 1):
        # As many values as for the other dimensions.
        quantiles[axis] = np.interp(known, np.arange(len(places)), np.sort(places[:, axis]))
    step = max(1, len(places) // max(1, len(statistics.quadrants)))
    mean = statistics.mean_affect.copy()
    mean[:2] = places.mean(axis=0, dtype=np.float64)
    return replace(
        statistics,
        quantiles=quantiles,
        quadrants=quadrant_weights(places[::step]).astype(np.float32),
        mean_affect=mean,
    )
