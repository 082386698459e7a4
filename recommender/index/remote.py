"""The songs in a collection of a vector database: searches, and what keeps it up to date.

The database of Affetti is the truth. A collection is loaded from it (`recommender.index.loading`),
and `changes_apply` brings it up to date by the change log.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Final

import numpy as np
from django.conf import settings

from catalog.changes import changes_since
from catalog.versions import emotions_visible
from recommender.index.gathered import Gathered
from recommender.index.points import (
    columns_of,
    filter_of,
    formula_of,
    payloads_of,
    query_of,
    vectors_of,
)
from recommender.index.protocol import SAME_RECORDING
from recommender.index.rows import Genres, rows_of_songs

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from recommender.index.points import Collections, Found
    from recommender.index.protocol import Condition, FirstPhase, Query
    from recommender.index.rows import Rows
    from recommender.index.statistics import Statistics

QDRANT: Final = "qdrant"
"""`IndexManifest.index_type` of a build in a collection, and the value of the setting."""
FIRST_PHASE_SONGS: Final = 3_000
"""So many songs with the best first-phase score are scored exactly."""
_IDS: Final = 2_000
"""Points are written and read so many at a time."""
_MOST_FILES: Final = 50_000


def is_remote() -> bool:
    """Whether the index lies in a vector database."""
    return bool(settings.AFFETTI_INDEX_ENGINE == QDRANT)


def collections() -> Collections:
    """Return the collections of the server that the settings name."""
    return _connected(
        settings.AFFETTI_QDRANT_URL,
        settings.AFFETTI_QDRANT_API_KEY,
        settings.AFFETTI_QDRANT_SHARDS,
    )


@cache
def _connected(url: str, api_key: str, shards: int) -> Collections:
    # Its library is needed by this engine alone.
    server = import_module("recommender.index.qdrant")
    found: Collections = server.ServerCollections(server.client_of(url, api_key), shards)
    return found


class RemoteIndex:
    """The songs of one collection as they were counted last, a `SongSource`."""

    def __init__(self, held: Collections, name: str, statistics: Statistics) -> None:
        self.name, self.statistics = name, statistics
        self._held = held
        self._count = held.count(name)
        self.genre_names = tuple(sorted(held.counts(name, "genre")))

    def __len__(self) -> int:
        return self._count

    def counts(self, column: str) -> Mapping[int, int]:
        """Return how many songs have each value; see `SongSource.counts`."""
        if column != "genres":
            return self._held.counts(self.name, column)
        songs = self._held.counts(self.name, "genre")
        return {code: songs.get(tag, 0) for code, tag in enumerate(self.genre_names)}

    def gathered(
        self,
        song_ids: Collection[int],
        nearest: Sequence[Query] = (),
        conditions: Sequence[Condition] = (),
        first_phase: FirstPhase | None = None,
    ) -> Gathered:
        """Return some songs; see `SongSource.gathered`."""
        points = self._points(song_ids)
        if nearest:
            points += self._nearest(nearest, conditions, first_phase)
        found = {point.song_id: point.payload for point in points}
        found |= {point.song_id: point.payload for point in self._files(points)}
        genres = Genres(self.genre_names)
        columns = columns_of([found[song_id] for song_id in sorted(found)], genres)
        return Gathered(columns, self._embeddings, self.statistics, genres.names)

    def search(
        self, nearest: Query, conditions: Sequence[Condition] = (), *, is_exact: bool = False
    ) -> list[int]:
        """Return the ids of the songs that one search finds, the nearest first."""
        query_filter = self._filter(conditions)
        queries = [(*query_of(nearest), nearest.k)]
        found = self._held.search(self.name, queries, query_filter, is_exact=is_exact)[0]
        return [point.song_id for point in found]

    def _nearest(
        self,
        nearest: Sequence[Query],
        conditions: Sequence[Condition],
        first_phase: FirstPhase | None,
    ) -> list[Found]:
        queries = [(*query_of(one), one.k) for one in nearest]
        query_filter = self._filter(conditions)
        if first_phase is None:
            answers = self._held.search(self.name, queries, query_filter)
            return [point for answer in answers for point in answer]
        in_fused = [place for place, (vector, _, _) in enumerate(queries) if vector == "fused"]
        formula = formula_of(first_phase, in_fused[0] if in_fused else None)
        return self._held.search_ranked(
            self.name, queries, query_filter, formula, FIRST_PHASE_SONGS
        )

    def _filter(self, conditions: Sequence[Condition]) -> dict[str, object] | None:
        recordings = {
            condition: _recordings(self._points(condition.any_of or ()))
            for condition in conditions
            if condition.column == SAME_RECORDING
        }
        return filter_of(conditions, self.genre_names, recordings)

    def _points(self, song_ids: Iterable[int]) -> list[Found]:
        wanted = [song_id for song_id in song_ids if 0 <= song_id < 2**63]
        return [
            point
            for start in range(0, len(wanted), _IDS)
            for point in self._held.points(self.name, wanted[start : start + _IDS])
        ]

    def _files(self, points: Sequence[Found]) -> list[Found]:
        """Return the other files of the recordings of some points, and these."""
        recordings = _recordings(points)
        if not recordings:
            return []
        wanted = {"must": [{"key": "recordings", "match": {"any": recordings}}]}
        return self._held.matching(self.name, wanted, _MOST_FILES)

    def _embeddings(self, song_ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the embeddings of songs; 0 for one that was deleted meanwhile."""
        vectors = np.zeros((len(song_ids), len(self.statistics.mean_fused)), np.float32)
        for start in range(0, len(song_ids), _IDS):
            ids = song_ids[start : start + _IDS].tolist()
            found = self._held.fused(self.name, ids)
            for place, song_id in enumerate(ids, start=start):
                if song_id in found:
                    vectors[place] = found[song_id]
        return vectors


def _recordings(points: Sequence[Found]) -> list[int]:
    """Return the recordings of points, each once, without those of single files."""
    recordings = columns_of([point.payload for point in points], Genres())["recordings"]
    found: list[int] = np.unique(recordings[recordings >= 0]).tolist()
    return found


def points_write(
    held: Collections, name: str, rows: Rows, genres: Genres, statistics: Statistics
) -> None:
    """Write songs into a collection, in place of their former points."""
    if len(rows):
        ids = rows.columns["song_ids"].tolist()
        held.upsert(name, ids, vectors_of(rows), payloads_of(rows, genres.names, statistics))


def changes_apply(
    held: Collections, name: str, statistics: Statistics, *, position: str, model_version: str
) -> str:
    """Bring a collection up to date with the database; return the new position in the log.

    It may be repeated after it was killed. Returns an empty text if the log does not say what
    changed since `position`.
    """
    changes = changes_since(position, model_version=model_version)
    if changes.is_everything:
        return ""
    genres = Genres()
    for start in range(0, len(changes.song_ids), _IDS):
        wanted = changes.song_ids[start : start + _IDS]
        gone = set(wanted)
        for rows in rows_of_songs(emotions_visible(model_version=model_version), wanted, genres):
            points_write(held, name, rows, genres, statistics)
            gone -= set(rows.columns["song_ids"].tolist())
        if gone:
            held.remove(name, sorted(gone))
    return changes.position
