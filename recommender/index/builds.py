"""Builds of the index: written, verified, then made active in one transaction."""

from __future__ import annotations

import contextlib
import itertools
import logging
import shutil
import uuid
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone
from filelock import FileLock, Timeout

from catalog import analysis
from catalog.models import ModelVersion
from catalog.results import embedding_from_bytes
from catalog.versions import emotions_visible, version_serving
from mer.prediction import EMBEDDING_DIM
from recommender.errors import DiskShortError, IndexBusyError, IndexCorruptError
from recommender.index.files import PART_SUFFIX, EmbeddingIndex
from recommender.index.rows import (
    AFFECT_DIM,
    QUADRANT_DIM,
    IndexRows,
    affect_of,
    quadrants_of,
    revision_of,
)
from recommender.index.space import space_check
from recommender.models import IndexBuild
from recommender.operations import OperationWarning, operation_check

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from catalog.models import SongEmotion
    from recommender.index.files import IndexManifest
    from recommender.index.protocol import VectorIndex

logger = logging.getLogger(__name__)

KEPT_BUILDS: Final = 2
"""Of the version that serves: the active build, and the former one, which a reader may still be
opening. Of a version that staff may switch to: one."""
STALE_SONGS: Final = 100
STALE_SHARE: Final = 0.05
"""A new build is due when more songs than both of these changed since the active one."""
_CHUNK_ROWS: Final = 2_000
_ADVISORY_LOCK: Final = 0x0AFF_E771


@dataclass(frozen=True, slots=True)
class IndexStatus:
    """The active build compared with the catalogue, for people and health checks."""

    model_version: str
    build: str | None
    """Directory name of the active build; None when every song is read from the database."""
    built_at: datetime | None
    built_songs: int
    """Rows in the active build."""
    songs: int
    """Songs that can be recommended now."""
    tail: int
    """The number of `songs` that changed since the build and are read from the database."""
    is_stale: bool
    """Whether a new build is due."""


def index_build(*, model_version: str | None = None) -> IndexBuild:
    """Build the index of every song that may be recommended, and make the build active.

    It is that of the version that serves, if no other is named.

    Readers use it within a second. If anything fails, the former build stays active and nothing of
    the new one stays on the disk.
    Raises `IndexBusyError` if another process is building, `DiskShortError` if there is no room.
    """
    version = model_version or analysis.serving_version()
    with index_build_lock():
        _unfinished_delete()
        space_check(emotions_visible(model_version=version).count())
        build_id, watermark = uuid.uuid4(), timezone.now()
        name = f"{watermark:%Y%m%d-%H%M%S}-{build_id.hex[:8]}"
        directory = Path(settings.AFFETTI_INDEX_DIR) / name
        try:
            manifest = EmbeddingIndex.build(
                directory,
                _rows_from_database(version),
                model_version=version,
                watermark=watermark.isoformat(),
            )
            EmbeddingIndex.open(directory)
            build = _activate(build_id, name, manifest, watermark)
        except BaseException:
            shutil.rmtree(directory, ignore_errors=True)
            raise
        _old_builds_delete(just_built=build)
    logger.info(
        "Built index %s: %d songs, %s, recall@20 %.3f",
        name,
        manifest.row_count,
        manifest.index_type,
        manifest.recall_at_20,
    )
    return build


def _activate(
    build_id: uuid.UUID, name: str, manifest: IndexManifest, watermark: datetime
) -> IndexBuild:
    version = manifest.model_version
    with transaction.atomic():
        IndexBuild.objects.filter(model_version=version, is_active=True).update(is_active=False)
        return IndexBuild.objects.create(
            id=build_id,
            model_version=version,
            directory=name,
            row_count=manifest.row_count,
            manifest_sha256=manifest.sha256,
            watermark=watermark,
            is_active=True,
        )


@operation_check
def index_disk_short() -> OperationWarning | None:
    """Say that the next build would be too large for the disk; counts no songs, so it is quick."""
    newest = IndexBuild.objects.order_by("-created_at").first()
    try:
        space_check(newest.row_count if newest else 0)
    except DiskShortError as error:
        return OperationWarning("INDEX_DISK_SHORT", f"No index is built. {error}.")
    except OSError as error:
        return OperationWarning("INDEX_UNWRITABLE", f"No index can be built: {error}.")
    return None


def builds_forget() -> None:
    """Delete every build; until the next one songs are read from the database."""
    IndexBuild.objects.all().delete()
    with contextlib.suppress(IndexBusyError), index_build_lock():
        _unfinished_delete()
        _old_builds_delete()


def index_status() -> IndexStatus:
    """Compare the active build with the catalogue; cheap enough for a health page."""
    version = analysis.serving_version()
    active = IndexBuild.objects.filter(model_version=version, is_active=True).first()
    visible = emotions_visible(model_version=version)
    songs = visible.count()
    tail = visible.filter(updated_at__gte=active.watermark).count() if active else songs
    built_songs = active.row_count if active else 0
    gone = max(0, built_songs - (songs - tail))
    return IndexStatus(
        model_version=version,
        build=active.directory if active else None,
        built_at=active.created_at if active else None,
        built_songs=built_songs,
        songs=songs,
        tail=tail,
        is_stale=(active is None and songs > 0)
        or tail + gone > max(STALE_SONGS, STALE_SHARE * songs),
    )


def index_open(build: IndexBuild) -> VectorIndex:
    """Open a build and verify every byte of it.

    Raises `IndexMissingError`, `IndexVersionError`, `IndexCorruptError` or `IndexUnreadableError`.
    """
    index = EmbeddingIndex.open(Path(settings.AFFETTI_INDEX_DIR) / build.directory)
    if index.manifest.sha256 != build.manifest_sha256:
        raise IndexCorruptError(f"{build.directory} is not the build that was made active")
    return index


@contextlib.contextmanager
def index_build_lock() -> Iterator[None]:
    """Hold the lock on building, across all processes and, with PostgreSQL, all hosts.

    Raises `IndexBusyError` at once if another process holds it. A killed process releases it.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [_ADVISORY_LOCK])
            if not cursor.fetchone()[0]:
                raise IndexBusyError("The index is being built by another process")
            try:
                yield
            finally:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [_ADVISORY_LOCK])
        return
    folder = Path(settings.AFFETTI_INDEX_DIR)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / "build.lock", timeout=0):
            yield
    except Timeout as error:
        raise IndexBusyError("The index is being built by another process") from error


def _rows_from_database(model_version: str) -> IndexRows:
    emotions = (
        emotions_visible(model_version=model_version)
        .order_by("song_id")
        .only(
            *("song_id", "valence", "arousal", "emotions", "quadrants"),
            *("fused_embedding", "updated_at"),
        )
    )
    song_ids: list[int] = []
    revisions: list[int] = []
    affect = [np.empty((0, AFFECT_DIM), np.float32)]
    quadrants = [np.empty((0, QUADRANT_DIM), np.float32)]
    fused = [np.empty((0, EMBEDDING_DIM), np.float32)]
    for chunk in _chunks(emotions.iterator(chunk_size=_CHUNK_ROWS)):
        song_ids += [emotion.song_id for emotion in chunk]
        revisions += [revision_of(emotion.updated_at) for emotion in chunk]
        affect.append(np.array([affect_of(emotion) for emotion in chunk], np.float32))
        quadrants.append(np.array([quadrants_of(emotion) for emotion in chunk], np.float32))
        fused.append(np.stack([embedding_from_bytes(e.fused_embedding) for e in chunk]))
    return IndexRows(
        np.array(song_ids, np.int64),
        np.array(revisions, np.int64),
        np.concatenate(fused),
        np.concatenate(affect),
        np.concatenate(quadrants),
    )


def _chunks(emotions: Iterator[SongEmotion]) -> Iterator[list[SongEmotion]]:
    while chunk := list(itertools.islice(emotions, _CHUNK_ROWS)):
        yield chunk


def _kept_builds(version: str) -> int:
    if version == analysis.serving_version():
        return KEPT_BUILDS
    known, serving = ModelVersion.objects.filter(name=version).first(), version_serving()
    if known is None or serving is None or serving.served_at is None:
        return 0
    window = timedelta(days=settings.AFFETTI_MODEL_ROLLBACK_DAYS)
    # A version that has not served yet is about to.
    return int(known.served_at is None or timezone.now() - serving.served_at < window)


def _unfinished_delete() -> None:
    """Delete what killed builds left; only the holder of the lock on building may."""
    folder = Path(settings.AFFETTI_INDEX_DIR)
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob(f"*{PART_SUFFIX}"):
        logger.info("%s is left of a build that was killed; it is deleted", path)
        shutil.rmtree(path, ignore_errors=True)


def _old_builds_delete(*, just_built: IndexBuild | None = None) -> None:
    """Delete all builds that are not kept, and all other folders beside them.

    The one just built stays: its version is perhaps about to serve.
    """
    kept = {just_built.pk: just_built.directory} if just_built else {}
    for version in {*IndexBuild.objects.order_by().values_list("model_version", flat=True)}:
        newest = IndexBuild.objects.filter(model_version=version).order_by("-created_at")
        kept |= dict(newest.values_list("pk", "directory")[: _kept_builds(version)])
    IndexBuild.objects.exclude(pk__in=kept).delete()
    for path in Path(settings.AFFETTI_INDEX_DIR).iterdir():
        if path.is_dir() and path.name not in kept.values():
            shutil.rmtree(path, ignore_errors=True)
