"""What a reader holds of one model version: a build, and the overlay over it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from mer.prediction import EMBEDDING_DIM
from recommender.index.overlay import Overlay
from recommender.index.rows import COLUMNS, Genres
from recommender.index.snapshot import IndexSnapshot
from recommender.index.statistics import SAMPLED, sample_of, statistics_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from numpy.typing import NDArray

    from recommender.index.protocol import VectorIndex
    from recommender.index.rows import Columns, Rows
    from recommender.index.statistics import Statistics

RESTATED_ROWS: Final = 5_000
"""Up to this many songs the statistics are always those of the present songs."""
_DRIFT: Final = 1.25
"""Above it they are those of the build, while it has nearly as many songs: at most so many times
more or fewer."""


class State:
    """The songs of one model version, which can be changed; one thread uses it."""

    def __init__(self, model_version: str, build: VectorIndex | None) -> None:
        self.genres = Genres(() if build is None else build.genre_names)
        self.build = build
        self._model_version = model_version
        self._base = 0 if build is None else len(build)
        self._overlay = Overlay()
        self._alive = np.ones(self._base, bool)
        self._behind: dict[int, int] = {}
        """The row of each living song of the overlay."""

    def remove(self, song_ids: Collection[int]) -> None:
        """Let the rows of songs die, where there are any."""
        for song_id in song_ids:
            row = self._behind.pop(song_id, None)
            if row is not None:
                self._alive[row] = False
        if self.build is not None:
            found = self.build.rows_of(np.fromiter(song_ids, np.int64, len(song_ids)))
            self._alive[found[found >= 0]] = False

    def add(self, chunks: Iterable[Rows]) -> None:
        """Add songs of which no row lives."""
        for chunk in chunks:
            self._append({**chunk.columns, "fused": chunk.fused})

    def copy(self, snapshot: IndexSnapshot, song_ids: Collection[int]) -> None:
        """Put songs of a snapshot in the place of their former rows; those it lacks are removed."""
        self.remove(song_ids)
        rows = snapshot.rows_of(song_ids)
        columns: Columns = {name: getattr(snapshot, name)[rows] for name in COLUMNS}
        codes = columns["genres"].tolist()
        columns["genres"] = np.array(
            [self.genres.code(snapshot.genre_names[code]) for code in codes], np.int32
        )
        self._append({**columns, "fused": snapshot.fused(rows)})

    def snapshot(self) -> IndexSnapshot:
        """Return the songs as they are now."""
        overlay, alive = self._overlay.columns(), self._alive.copy()
        statistics, shares = self._statistics(overlay, alive)
        return IndexSnapshot(
            model_version=self._model_version,
            build=self.build,
            overlay=overlay,
            alive=alive,
            statistics=statistics,
            restated_shares=shares,
            genre_names=self.genres.names,
        )

    def _append(self, columns: Columns) -> None:
        affect = columns["affect"]
        # Without a build they are computed for all rows, with every snapshot.
        shares = np.zeros_like(affect)
        if self.build is not None:
            shares = self.build.statistics.shares(affect)
        rows = self._base + self._overlay.append({**columns, "shares": shares})
        self._behind.update(zip(columns["song_ids"].tolist(), rows.tolist(), strict=True))
        self._alive = np.append(self._alive, np.ones(len(rows), bool))

    def _statistics(
        self, overlay: Columns, alive: NDArray[np.bool_]
    ) -> tuple[Statistics, NDArray[np.float32] | None]:
        """Return the statistics, and the shares of all rows if those of the build do not apply."""
        songs = int(np.count_nonzero(alive))
        if self.build is not None:
            is_as_built = songs == self._base == len(alive)
            is_much_the_same = self._base / _DRIFT <= songs <= self._base * _DRIFT
            if is_as_built or (songs > RESTATED_ROWS and is_much_the_same):
                return self.build.statistics, None
        held = {name: overlay[name] for name in ("song_ids", *SAMPLED)}
        if self.build is not None:
            base = np.arange(self._base)
            held = {
                name: np.concatenate([self.build.take(name, base), column])
                for name, column in held.items()
            }
        rows = np.flatnonzero(alive)
        # In order of the ids, so that the way to the present songs does not matter.
        sample = sample_of(rows[np.argsort(held["song_ids"][rows])])
        statistics = statistics_of(
            {name: column[sample] for name, column in held.items()}, self._fused(sample, overlay)
        )
        return statistics, statistics.shares(held["affect"])

    def _fused(self, rows: NDArray[np.int64], overlay: Columns) -> NDArray[np.float32]:
        vectors = np.empty((len(rows), EMBEDDING_DIM), np.float32)
        behind = rows >= self._base
        vectors[behind] = overlay["fused"][rows[behind] - self._base]
        if self.build is not None:
            vectors[~behind] = self.build.fused(rows[~behind])
        return vectors
