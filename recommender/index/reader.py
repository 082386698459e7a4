"""Keeps the `IndexSnapshot` of a process up to date with the database.

At most every `CHECK_SECONDS` the reader compares a change marker: counts and latest `updated_at`
of songs and emotions. If it differs, the reader reads the rows that changed. Code that changes
rows by ``QuerySet.update`` must therefore set `updated_at`. Deletions are found by counting rows.

Songs that are unchanged since the active build are read from its arrays. All others (the
tail) are read from the database. Without a readable build every song is tail, so a lost index
costs memory and changes no result.

A build that is damaged is given up, and the scheduler makes another. One that cannot be read for a
reason of this process, such as too many open files, is tried again after `RETRY_SECONDS`. Until
then the reader goes on with the former build, if it holds one.
"""

from __future__ import annotations

import logging
import threading
import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from django.db.models import Count, Max
from django.utils import timezone

from catalog import analysis
from catalog.models import Song, SongEmotion
from catalog.results import embedding_from_bytes
from catalog.versions import emotions_visible
from mer.prediction import EMBEDDING_DIM
from recommender.errors import (
    IndexCorruptError,
    IndexMissingError,
    IndexUnreadableError,
    IndexVersionError,
)
from recommender.index.builds import index_open
from recommender.index.rows import (
    AFFECT_DIM,
    EPOCH,
    QUADRANT_DIM,
    SONG_DTYPE,
    affect_of,
    quadrants_of,
    revision_of,
)
from recommender.index.snapshot import IndexSnapshot
from recommender.models import IndexBuild

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from uuid import UUID

    from django.db.models import QuerySet
    from numpy.typing import NDArray

    from recommender.index.protocol import VectorIndex

logger = logging.getLogger(__name__)

CHECK_SECONDS: Final = 1.0
RETRY_SECONDS: Final = 30.0
MARGIN: Final = timedelta(minutes=2)
"""Changes are looked for this far back, because `updated_at` is set before the commit, and the
clocks of hosts differ."""
_QUERY_IDS: Final = 900
"""SQLite takes at most 999 parameters a query."""
_Marker = tuple[object, ...]


class _Tail(NamedTuple):
    """The arrays' values of a song that is read from the database."""

    revision: int
    affect: tuple[float, ...]
    quadrants: tuple[float, ...]
    fused: NDArray[np.float32]


class _Reader:
    """Holds the newest snapshot, and updates it with the rows that changed since."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.forget()

    def forget(self) -> None:
        with self._lock:
            self._snapshot: IndexSnapshot | None = None
            self._checked_at = 0.0
            self._changes_since = EPOCH
            self._marker: _Marker = ()
            self._build_id: UUID | None = None
            self._build: VectorIndex | None = None
            self._build_version = ""
            self._retry_at = 0.0
            self._rows = np.empty(0, SONG_DTYPE)
            self._tail: dict[int, _Tail] = {}
            self._artists: dict[str, int] = {}
            self._genres: dict[str, int] = {}

    def read(self, model_version: Callable[[], str]) -> IndexSnapshot:
        with self._lock:
            snapshot = self._snapshot
            if snapshot is not None and time.monotonic() - self._checked_at < CHECK_SECONDS:
                return snapshot
            # Set again below; after an error half way, the next call reads everything again.
            self._snapshot = None
            version = model_version()
            if snapshot is None or snapshot.model_version != version:
                self._tail = {}
                self._open_build(version)
                snapshot = self._read_all(version)
            else:
                snapshot = self._refresh(snapshot)
            self._snapshot, self._checked_at = snapshot, time.monotonic()
            return snapshot

    def _refresh(self, snapshot: IndexSnapshot) -> IndexSnapshot:
        version = snapshot.model_version
        if self._open_build(version):
            return self._read_all(version)
        since, now = self._changes_since, timezone.now()
        # Two markers can be compared only if both have the same `since`, so it rarely changes.
        next_since = now - MARGIN if now - since > 2 * MARGIN else since
        if next_since == since and _marker(since) == self._marker:
            return snapshot
        next_marker = _marker(next_since)
        changed = self._changed_ids(version, since)
        if changed:
            kept = self._rows[~np.isin(self._rows["song_id"], changed)]
            self._rows = np.concatenate([kept, *self._rows_of_songs(version, changed)])
        if len(self._rows) != emotions_visible(model_version=version).count():
            return self._read_all(version)
        self._changes_since, self._marker = next_since, next_marker
        return self._assemble(version) if changed else snapshot

    def _open_build(self, model_version: str) -> bool:
        """Open the active build if it is not the open one; return whether the build has changed."""
        active = IndexBuild.objects.filter(model_version=model_version, is_active=True).first()
        build_id = active.pk if active else None
        if build_id == self._build_id and self._build_version == model_version:
            return False
        is_same_model = self._build_version == model_version
        if active is not None and is_same_model and time.monotonic() < self._retry_at:
            return False
        if active is None or not is_same_model:
            self._build = None
        self._build_id, self._build_version, self._retry_at = build_id, model_version, 0.0
        if active is None:
            return True
        try:
            self._build = index_open(active)
        except IndexUnreadableError as error:
            logger.warning("%s; trying again in %.0f seconds", error, RETRY_SECONDS)
            self._build_id, self._retry_at = None, time.monotonic() + RETRY_SECONDS
        except (IndexMissingError, IndexCorruptError, IndexVersionError) as error:
            logger.error("%s; reading songs from the database until it is built again", error)
            # Other processes then do not try this build, and the scheduler makes a new one.
            IndexBuild.objects.filter(pk=active.pk).update(is_active=False)
            self._build_id = self._build = None
        return True

    def _read_all(self, model_version: str) -> IndexSnapshot:
        self._changes_since = timezone.now() - MARGIN
        self._marker = _marker(self._changes_since)
        self._rows = np.concatenate(
            [np.empty(0, SONG_DTYPE), *self._rows_in(emotions_visible(model_version=model_version))]
        )
        return self._assemble(model_version)

    def _changed_ids(self, model_version: str, since: datetime) -> list[int]:
        """Return the songs changed after `since` whose rows differ from the held ones."""
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
            "song__artist_key",
            "song__genre",
            "song__year",
            "song__recording_id",
            "song__recording_rank",
        )
        rows = [
            (
                song_id,
                revision_of(updated_at),
                revision_of(song_updated_at),
                self._artist_code(artist, song_id),
                self._genres.setdefault(genre, len(self._genres)),
                year or 0,
                -song_id if recording is None else recording,
                rank,
            )
            for (
                song_id,
                updated_at,
                song_updated_at,
                artist,
                genre,
                year,
                recording,
                rank,
            ) in values.iterator(chunk_size=2_000)
        ]
        yield np.array(rows, SONG_DTYPE)

    def _artist_code(self, artist: str, song_id: int) -> int:
        return self._artists.setdefault(artist, len(self._artists)) if artist else -song_id

    def _assemble(self, model_version: str) -> IndexSnapshot:
        self._rows = rows = self._rows[np.argsort(self._rows["song_id"])]
        base_rows = self._base_rows()
        is_tail = base_rows < 0
        gone = self._load_tail(model_version, rows[is_tail])
        if gone:
            # Deleted between two queries.
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
            recordings=rows["recording"].copy(),
            recording_ranks=rows["recording_rank"].copy(),
            base_rows=base_rows,
            tail_fused=np.array(
                [held.fused for held in tail] or np.empty((0, EMBEDDING_DIM)), np.float32
            ),
        )

    def _base_rows(self) -> NDArray[np.int64]:
        """Return each song's row in the build; -1 if it is not there or has changed since."""
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
        """Hold the emotions of `rows` and no others; return the songs that have none now."""
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
                    embedding_from_bytes(emotion.fused_embedding),
                )
        return [song_id for song_id in missing if song_id not in self._tail]


def _marker(since: datetime) -> _Marker:
    """Return counts and latest changes, which differ after any change; reads only indexes."""
    recent = [
        model.objects.filter(updated_at__gt=since).aggregate(n=Count("pk"), last=Max("updated_at"))
        for model in (Song, SongEmotion)
    ]
    totals = [Song.objects.count(), SongEmotion.objects.count()]
    return (*totals, *((row["n"], row["last"]) for row in recent))


_reader = _Reader()


def index_snapshot() -> IndexSnapshot:
    """Return the songs that can be recommended, as of at most `CHECK_SECONDS` ago."""
    return _reader.read(analysis.serving_version)


def index_snapshot_of(model_version: str) -> IndexSnapshot:
    """Return the songs as another model version has them; read anew at each call."""
    return _Reader().read(lambda: model_version)


def index_snapshot_forget() -> None:
    """Make the next `index_snapshot` read everything anew."""
    _reader.forget()
