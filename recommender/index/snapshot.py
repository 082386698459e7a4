"""What can be recommended at this moment, as aligned arrays that every request of a process shares.

A snapshot is what the database held at most `CHECK_SECONDS` ago. Songs that stand unchanged in the
active build are read from its mapped files; all others (the tail) from the database. Without a
readable build everything is tail, so a lost index costs memory, never answers.

The reader sees a change by `updated_at` of the song or its emotion; whoever changes rows by
``QuerySet.update`` sets it. Deletions are found by counting.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from django.conf import settings
from django.db.models import Count, Max
from django.utils import timezone

from catalog import analysis
from catalog.models import Song, SongEmotion
from mer.affect import EMOTIONS, QUADRANTS
from mer.prediction import EMBEDDING_DIM
from recommender.errors import (
    IndexCorruptError,
    IndexMissingError,
    IndexVersionError,
)
from recommender.index.files import AFFECT_DIM, QUADRANT_DIM, EmbeddingIndex
from recommender.models import IndexBuild

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from uuid import UUID

    from django.db.models import QuerySet
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

CHECK_SECONDS: Final = 1.0
MARGIN: Final = timedelta(minutes=2)
"""Rows are stamped before they are committed, and clocks of hosts differ: look back so far."""
SAMPLE_ROWS: Final = 20_000
"""What is typical of the catalogue is measured on at most so many songs, evenly spread."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_QUERY_IDS: Final = 900
"""SQLite takes at most 999 parameters a query."""
_Pulse = tuple[object, ...]
_ROW: Final = np.dtype(
    [
        ("song_id", np.int64),
        ("revision", np.int64),
        ("song_revision", np.int64),
        ("artist", np.int64),
        ("genre", np.int64),
        ("year", np.int64),
        ("duration", np.float32),
    ]
)


@dataclass(frozen=True)
class IndexSnapshot:
    """Aligned arrays of the songs that can be recommended, ascending in `song_ids`.

    `artists` and `genres` are codes; a song without an artist has one of its own, below 0.
    `years` is 0 and `durations` NaN where unknown. `affect` is valence, arousal and the eight
    emotions, `quadrants` the probabilities of Q1 to Q4. Never changed once made; safe to share
    between threads.
    """

    model_version: str
    build: EmbeddingIndex | None
    song_ids: NDArray[np.int64]
    affect: NDArray[np.float32]
    quadrants: NDArray[np.float32]
    artists: NDArray[np.int64]
    genres: NDArray[np.int64]
    genre_names: tuple[str, ...]
    years: NDArray[np.int64]
    durations: NDArray[np.float32]
    base_rows: NDArray[np.int64] = field(repr=False)
    """Row in the build, or -1 for the tail."""
    tail_fused: NDArray[np.float32] = field(repr=False)
    """Fused embeddings of the tail, in its order."""
    _shares: dict[int, NDArray[np.float64]] = field(default_factory=dict, init=False, repr=False)

    def __len__(self) -> int:
        return len(self.song_ids)

    @property
    def tail_count(self) -> int:
        """How many songs are read from the database rather than the build."""
        return len(self.tail_fused)

    def rows_of(self, song_ids: Iterable[int]) -> NDArray[np.int64]:
        """Return the row of each song, in the order given, without those that are not here."""
        wanted = np.fromiter(song_ids, np.int64)
        at = np.searchsorted(self.song_ids, wanted)
        is_here: NDArray[np.bool_] = np.append(self.song_ids, -1)[at] == wanted
        rows: NDArray[np.int64] = at[is_here]
        return rows

    def fused(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the (rows, 256) unit vectors of some rows."""
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
        """Return cosine similarities and ids of the `k` allowed songs most alike, best first."""
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
        """Return weighted distances and ids of the `k` allowed songs that feel nearest."""
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
        """Return, for every row, `share_below` of its value in an affect dimension."""
        if dimension not in self._shares:
            # Once a snapshot, and in ascending order, which the search goes through much faster.
            order = np.argsort(self.affect[:, dimension])
            shares = np.empty(len(self))
            shares[order] = self.share_below(self.affect[order, dimension], dimension)
            self._shares[dimension] = shares
        return self._shares[dimension]

    def share_below(self, values: NDArray[np.float32], dimension: int) -> NDArray[np.float64]:
        """Return the share of the catalogue that lies below each value of an affect dimension.

        Equal values count half, so that the middle of the catalogue is at 0.5.
        """
        column = self._sorted_affect[:, dimension]
        low = np.searchsorted(column, values, side="left")
        high = np.searchsorted(column, values, side="right")
        return (low + high) / (2 * len(column))

    @cached_property
    def typical_quadrants(self) -> NDArray[np.float32]:
        """(m, 4) quadrant probabilities of songs evenly spread over the catalogue."""
        return self.quadrants[self._sample]

    @cached_property
    def mean_affect(self) -> NDArray[np.float64]:
        """(10,) mean of the catalogue."""
        return np.asarray(self.affect[self._sample].mean(axis=0, dtype=np.float64))

    @cached_property
    def mean_fused(self) -> NDArray[np.float32]:
        """(256,) mean of the catalogue; not of unit norm."""
        return np.asarray(self.fused(self._sample).mean(axis=0))

    def _split(
        self, allowed: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_] | None]:
        """Return the allowed rows of the tail and the mask of the build; None: all of it."""
        in_base = np.zeros(0 if self.build is None else len(self.build), bool)
        in_base[self.base_rows[allowed & (self.base_rows >= 0)]] = True
        tail = np.flatnonzero(allowed & (self.base_rows < 0))
        return tail, None if in_base.all() else in_base

    @cached_property
    def _sample(self) -> NDArray[np.int64]:
        return np.arange(0, len(self), max(1, len(self) // SAMPLE_ROWS))

    @cached_property
    def _sorted_affect(self) -> NDArray[np.float32]:
        return np.sort(self.affect[self._sample], axis=0)

    @cached_property
    def _tail_rows(self) -> NDArray[np.int64]:
        """Row in `tail_fused` of each row that is tail."""
        return np.cumsum(self.base_rows < 0) - 1


def emotions_visible(*, model_version: str) -> QuerySet[SongEmotion]:
    """Return the emotions, by one model, of the songs that may be recommended."""
    return SongEmotion.objects.filter(
        model_version=model_version,
        song__is_available=True,
        song__status=Song.Status.ANALYSED,
    )


def index_snapshot() -> IndexSnapshot:
    """Return what can be recommended, at most `CHECK_SECONDS` old; safe from any thread."""
    return _reader.read(analysis.model_version())


def index_snapshot_forget() -> None:
    """Make the next `index_snapshot` read everything anew."""
    _reader.forget()


def revision_of(moment: datetime) -> int:
    """Return whole microseconds since 1970: the revision of a row that changed at `moment`."""
    return (moment - _EPOCH) // _MICROSECOND


def affect_of(emotion: SongEmotion) -> tuple[float, ...]:
    """Return valence, arousal and the eight emotions, as a row of an affect array."""
    return (
        emotion.valence,
        emotion.arousal,
        *(emotion.emotions.get(name, 0.0) for name in EMOTIONS),
    )


def quadrants_of(emotion: SongEmotion) -> tuple[float, ...]:
    """Return the probabilities of Q1 to Q4, all the same where a row does not hold all four."""
    held = emotion.quadrants
    if any(held.get(name) is None for name in QUADRANTS):
        return (1 / QUADRANT_DIM,) * QUADRANT_DIM
    return tuple(float(held[name]) for name in QUADRANTS)


class _Tail(NamedTuple):
    """A song that is read from the database."""

    revision: int
    affect: tuple[float, ...]
    quadrants: tuple[float, ...]
    fused: NDArray[np.float32]


class _Reader:
    """Keeps the newest snapshot and brings it up to date by what changed since."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.forget()

    def forget(self) -> None:
        with self._lock:
            self._snapshot: IndexSnapshot | None = None
            self._checked_at = 0.0
            self._changes_since = _EPOCH
            self._pulse: _Pulse = ()
            self._build_id: UUID | None = None
            self._build: EmbeddingIndex | None = None
            self._rows = np.empty(0, _ROW)
            self._tail: dict[int, _Tail] = {}
            self._artists: dict[str, int] = {}
            self._genres: dict[str, int] = {}

    def read(self, model_version: str) -> IndexSnapshot:
        with self._lock:
            snapshot = self._snapshot
            # None until the new one stands: after an error half way everything is read anew.
            self._snapshot = None
            if snapshot is None or snapshot.model_version != model_version:
                self._open_build(model_version)
                snapshot, self._checked_at = self._read_all(model_version), time.monotonic()
            elif time.monotonic() - self._checked_at >= CHECK_SECONDS:
                snapshot, self._checked_at = self._refresh(snapshot), time.monotonic()
            self._snapshot = snapshot
            return snapshot

    def _refresh(self, snapshot: IndexSnapshot) -> IndexSnapshot:
        version = snapshot.model_version
        if self._open_build(version):
            return self._read_all(version)
        since, now = self._changes_since, timezone.now()
        # Looking back to a fixed moment keeps the pulse comparable; it moves on now and then.
        next_since = now - MARGIN if now - since > 2 * MARGIN else since
        if next_since == since and _pulse(since) == self._pulse:
            return snapshot
        next_pulse = _pulse(next_since)
        changed = self._changed_ids(version, since)
        if changed:
            kept = self._rows[~np.isin(self._rows["song_id"], changed)]
            self._rows = np.concatenate([kept, *self._rows_of_songs(version, changed)])
        if len(self._rows) != emotions_visible(model_version=version).count():
            return self._read_all(version)
        self._changes_since, self._pulse = next_since, next_pulse
        return self._assemble(version) if changed else snapshot

    def _open_build(self, model_version: str) -> bool:
        """Open the active build if it is another than the open one; return whether it was."""
        active = IndexBuild.objects.filter(model_version=model_version, is_active=True).first()
        build_id = active.pk if active else None
        if build_id == self._build_id:
            return False
        self._build_id, self._build = build_id, None
        if active is None:
            return True
        try:
            build = EmbeddingIndex.open(Path(settings.AFFETTI_INDEX_DIR) / active.directory)
            if build.manifest.sha256 != active.manifest_sha256:
                raise IndexCorruptError(f"{active.directory} is not the build that was made active")
            self._build = build
        except (IndexMissingError, IndexCorruptError, IndexVersionError) as error:
            logger.error("%s; reading songs from the database until it is built again", error)
            # Nobody else need find out, and the scheduler builds one where none is active.
            IndexBuild.objects.filter(pk=active.pk).update(is_active=False)
            self._build_id = None
        return True

    def _read_all(self, model_version: str) -> IndexSnapshot:
        self._changes_since = timezone.now() - MARGIN
        self._pulse = _pulse(self._changes_since)
        self._rows = np.concatenate(
            [np.empty(0, _ROW), *self._rows_in(emotions_visible(model_version=model_version))]
        )
        return self._assemble(model_version)

    def _changed_ids(self, model_version: str, since: datetime) -> list[int]:
        """Return the songs whose rows are not those that are held, of all changed since."""
        held = {
            int(row["song_id"]): (int(row["revision"]), int(row["song_revision"]))
            for row in self._rows[
                (self._rows["revision"] > revision_of(since))
                | (self._rows["song_revision"] > revision_of(since))
            ]
        }
        emotions = SongEmotion.objects.filter(model_version=model_version, updated_at__gt=since)
        changed = {
            song_id
            for song_id, moment in emotions.values_list("song_id", "updated_at")
            if held.get(song_id, (0, 0))[0] != revision_of(moment)
        }
        songs = Song.objects.filter(updated_at__gt=since, emotions__model_version=model_version)
        changed |= {
            song_id
            for song_id, moment in songs.values_list("id", "updated_at")
            if held.get(song_id, (0, 0))[1] != revision_of(moment)
        }
        return sorted(changed)

    def _rows_of_songs(
        self, model_version: str, song_ids: Sequence[int]
    ) -> Iterator[NDArray[np.void]]:
        visible = emotions_visible(model_version=model_version)
        for start in range(0, len(song_ids), _QUERY_IDS):
            yield from self._rows_in(
                visible.filter(song_id__in=song_ids[start : start + _QUERY_IDS])
            )

    def _rows_in(self, emotions: QuerySet[SongEmotion]) -> Iterator[NDArray[np.void]]:
        values = emotions.order_by().values_list(
            "song_id",
            "updated_at",
            "song__updated_at",
            "song__artist",
            "song__genre",
            "song__year",
            "song__duration_seconds",
        )
        rows = [
            (
                song_id,
                revision_of(updated_at),
                revision_of(song_updated_at),
                self._artist_code(artist, song_id),
                self._genres.setdefault(genre, len(self._genres)),
                year or 0,
                np.nan if duration is None else duration,
            )
            for song_id, updated_at, song_updated_at, artist, genre, year, duration in (
                values.iterator(chunk_size=2_000)
            )
        ]
        yield np.array(rows, _ROW)

    def _artist_code(self, artist: str, song_id: int) -> int:
        name = artist.strip().casefold()
        return self._artists.setdefault(name, len(self._artists)) if name else -song_id

    def _assemble(self, model_version: str) -> IndexSnapshot:
        self._rows = rows = self._rows[np.argsort(self._rows["song_id"])]
        base_rows = self._base_rows()
        is_tail = base_rows < 0
        gone = self._load_tail(model_version, rows[is_tail])
        if gone:
            # Deleted between two queries; the next check would find the same.
            keep = ~np.isin(rows["song_id"], gone)
            self._rows = rows = rows[keep]
            base_rows, is_tail = base_rows[keep], is_tail[keep]
        tail = [self._tail[song_id] for song_id in rows["song_id"][is_tail].tolist()]
        affect = np.empty((len(rows), AFFECT_DIM), np.float32)
        quadrants = np.empty((len(rows), QUADRANT_DIM), np.float32)
        if self._build is not None:
            affect[~is_tail] = self._build.rows.affect[base_rows[~is_tail]]
            quadrants[~is_tail] = self._build.rows.quadrants[base_rows[~is_tail]]
        if tail:
            affect[is_tail] = [held.affect for held in tail]
            quadrants[is_tail] = [held.quadrants for held in tail]
        return IndexSnapshot(
            model_version=model_version,
            build=self._build,
            song_ids=rows["song_id"].copy(),
            affect=affect,
            quadrants=quadrants,
            artists=rows["artist"].copy(),
            genres=rows["genre"].copy(),
            genre_names=tuple(self._genres),
            years=rows["year"].copy(),
            durations=rows["duration"].copy(),
            base_rows=base_rows,
            tail_fused=np.array(
                [held.fused for held in tail] or np.empty((0, EMBEDDING_DIM)), np.float32
            ),
        )

    def _base_rows(self) -> NDArray[np.int64]:
        """Return the row in the build of each song that stands there as it is now, else -1."""
        rows = self._rows
        if self._build is None or not len(self._build):
            return np.full(len(rows), -1)
        built = self._build.rows
        at = np.minimum(np.searchsorted(built.song_ids, rows["song_id"]), len(self._build) - 1)
        is_same = (built.song_ids[at] == rows["song_id"]) & (
            built.revisions[at] == rows["revision"]
        )
        return np.where(is_same, at, -1)

    def _load_tail(self, model_version: str, rows: NDArray[np.void]) -> list[int]:
        """Have the emotions of `rows`, and no others, at hand; return songs that have none now."""
        revisions = dict(zip(rows["song_id"].tolist(), rows["revision"].tolist(), strict=True))
        self._tail = {
            song_id: held
            for song_id, held in self._tail.items()
            if revisions.get(song_id) == held.revision
        }
        missing = sorted(revisions.keys() - self._tail.keys())
        for start in range(0, len(missing), _QUERY_IDS):
            emotions = SongEmotion.objects.filter(
                model_version=model_version, song_id__in=missing[start : start + _QUERY_IDS]
            )
            for emotion in emotions.defer("timeline", "gates", "lyric_lines"):
                self._tail[emotion.song_id] = _Tail(
                    revision_of(emotion.updated_at),
                    affect_of(emotion),
                    quadrants_of(emotion),
                    analysis.embedding_from_bytes(emotion.fused_embedding),
                )
        return [song_id for song_id in missing if song_id not in self._tail]


def _pulse(since: datetime) -> _Pulse:
    """Return figures that change whenever rows come, go or change, read from indexes alone."""
    recent = [
        model.objects.filter(updated_at__gt=since).aggregate(n=Count("pk"), last=Max("updated_at"))
        for model in (Song, SongEmotion)
    ]
    totals = [Song.objects.count(), SongEmotion.objects.count()]
    return (*totals, *((row["n"], row["last"]) for row in recent))


_reader = _Reader()
