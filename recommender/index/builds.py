"""Builds of the index: written, verified, then made active in one transaction."""

from __future__ import annotations

import contextlib
import logging
import shutil
import uuid
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone
from filelock import FileLock, Timeout

from catalog import analysis
from catalog.changes import changes_since, changes_trim, position_now
from catalog.models import ModelVersion
from catalog.versions import emotions_visible, version_serving
from catalog.work.messages import message_send
from catalog.work.timings import Stage, timed
from recommender.errors import (
    DiskShortError,
    IndexBusyError,
    IndexCorruptError,
    IndexMissingError,
    IndexUnreadableError,
    IndexVersionError,
)
from recommender.index.directories import PART_SUFFIX, manifest_read
from recommender.index.files import EmbeddingIndex
from recommender.index.loading import (
    collection_load,
    loading_forget,
    loading_now,
    statistics_of_folder,
)
from recommender.index.remote import QDRANT, RemoteIndex, collections, is_remote
from recommender.index.rows import Genres, rows_in, rows_of_songs, rows_updated
from recommender.index.space import space_check
from recommender.models import IndexBuild
from recommender.operations import OperationWarning, operation_check

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from recommender.index.directories import IndexManifest
    from recommender.index.rows import Rows

logger = logging.getLogger(__name__)

KEPT_BUILDS: Final = 2
"""Of the version that serves: the active build, and the former one, which a reader may still be
opening. Of a version that staff may switch to: one."""
STALE_SONGS: Final = 100
STALE_SHARE: Final = 0.05
"""A new build is due when more songs than both of these changed since the active one, or more than
AFFETTI_INDEX_MAX_CHANGES."""
COPIED_SHARE: Final = 0.1
"""A build copies from the former one if at most this share of its songs changed."""
_ADVISORY_LOCK: Final = 0x0AFF_E771
_CHANGES_LOCK: Final = 0x0AFF_E772


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
    """Songs that changed since the build, or are gone; they are read from the database."""
    is_stale: bool
    """Whether a new build is due."""


def index_build(*, model_version: str | None = None, is_full: bool = False) -> IndexBuild:
    """Build the index of every song that may be recommended, and make the build active.

    It is that of the version that serves, if no other is named. Songs that have not changed since
    the active build are copied from it, unless `is_full`.

    Readers use it within a second. If anything fails, the former build stays active and nothing of
    the new one stays on the disk.
    Raises `IndexBusyError` if another process is building, `DiskShortError` if there is no room.
    """
    version = model_version or analysis.serving_version()
    if is_remote():
        return _remote_build(version, is_full=is_full)
    with index_build_lock():
        _unfinished_delete()
        position, made_at = position_now(), timezone.now()
        former, changed = (None, ()) if is_full else _former(version)
        visible = emotions_visible(model_version=version)
        songs = visible.count() if former is None else len(former) + len(changed)
        space_check(songs)
        build_id = uuid.uuid4()
        name = f"{made_at:%Y%m%d-%H%M%S}-{build_id.hex[:8]}"
        directory = Path(settings.AFFETTI_INDEX_DIR) / name
        genres = Genres(former.genre_names if former else ())
        try:
            if former is None:
                chunks = rows_in(visible, genres)
            else:
                fresh = rows_of_songs(visible, changed, genres)
                chunks = rows_updated(former.blocks(), fresh, changed)
            with timed(Stage.INDEX, songs):
                manifest = EmbeddingIndex.build(
                    directory,
                    _streamed(chunks),
                    genres,
                    model_version=version,
                    position=position,
                    former=former,
                )
                EmbeddingIndex.open(directory)
            build = _activate(build_id, name, manifest)
        except BaseException:
            shutil.rmtree(directory, ignore_errors=True)
            raise
        _old_builds_delete(just_built=build)
        log_trim()
    _log(name, manifest)
    return build


def index_build_request() -> None:
    """Ask a worker to build the index of the version that serves, whether or not it is stale."""
    message_send("recommender.build_index")


def _remote_build(version: str, *, is_full: bool) -> IndexBuild:
    """Load a new collection and make it active; with `is_full`, one that was begun is dropped."""
    held = collections()
    with index_build_lock():
        _unfinished_delete()
        if is_full:
            loading_forget(held)
        name, manifest = collection_load(held, version)
        build = _activate(uuid.uuid4(), name, manifest)
        loading_forget()
        held.point_alias(f"affetti-{version}", name)
        _old_builds_delete(just_built=build)
        log_trim()
    _log(name, manifest)
    return build


def log_trim() -> None:
    """Delete the lines of the change log that no build and no load needs any more."""
    # A reader may still be opening a former build.
    positions = [*IndexBuild.objects.values_list("position", flat=True)]
    if (loading := loading_now()) is not None:
        positions.append(loading.position)
    changes_trim(positions)


def _log(name: str, manifest: IndexManifest) -> None:
    logger.info(
        "Built index %s: %d songs, %s, recall@20 %.3f",
        name,
        manifest.row_count,
        manifest.index_type,
        manifest.recall_at_20,
    )


def _former(version: str) -> tuple[EmbeddingIndex | None, Sequence[int]]:
    """Return the active build if a new one can copy from it, and the songs that changed since."""
    active = IndexBuild.objects.filter(model_version=version, is_active=True).first()
    if active is None:
        return None, ()
    changes = changes_since(active.position, model_version=version)
    if changes.is_everything or len(changes.song_ids) > COPIED_SHARE * active.row_count:
        return None, ()
    try:
        former = index_open(active)
        for _ in former.damage_check():
            pass
    except (IndexMissingError, IndexVersionError, IndexCorruptError, IndexUnreadableError) as error:
        logger.warning("%s; all songs are read from the database", error)
        return None, ()
    return former, changes.song_ids


def _streamed(chunks: Iterable[Rows]) -> Iterator[Rows]:
    """Let PostgreSQL send the rows of a query as they are read, without a copy of them all.

    SQLite does so anyway, and there a transaction would lock out all who write.
    """
    with transaction.atomic() if connection.vendor == "postgresql" else contextlib.nullcontext():
        yield from chunks


def _activate(build_id: uuid.UUID, name: str, manifest: IndexManifest) -> IndexBuild:
    version = manifest.model_version
    with transaction.atomic():
        IndexBuild.objects.filter(model_version=version, is_active=True).update(is_active=False)
        return IndexBuild.objects.create(
            id=build_id,
            model_version=version,
            directory=name,
            row_count=manifest.row_count,
            manifest_sha256=manifest.sha256,
            position=manifest.position,
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
    songs = tail = emotions_visible(model_version=version).count()
    if active is not None:
        changes = changes_since(active.position, model_version=version)
        tail = songs if changes.is_everything else len(changes.song_ids)
    most = min(STALE_SHARE * songs, settings.AFFETTI_INDEX_MAX_CHANGES)
    return IndexStatus(
        model_version=version,
        build=active.directory if active else None,
        built_at=active.created_at if active else None,
        built_songs=active.row_count if active else 0,
        songs=songs,
        tail=tail,
        is_stale=(active is None and songs > 0) or tail > max(STALE_SONGS, most),
    )


def index_open(build: IndexBuild) -> EmbeddingIndex:
    """Open a build.

    Raises `IndexMissingError`, `IndexVersionError`, `IndexCorruptError` or `IndexUnreadableError`.
    """
    directory = Path(settings.AFFETTI_INDEX_DIR) / build.directory
    if manifest_read(directory).index_type == QDRANT:
        raise IndexVersionError(f"{directory} is a build in Qdrant; build the index again")
    index = EmbeddingIndex.open(directory)
    if index.manifest.sha256 != build.manifest_sha256:
        raise IndexCorruptError(f"{build.directory} is not the build that was made active")
    return index


def remote_open(build: IndexBuild) -> RemoteIndex:
    """Open a build in a vector database; raises as `index_open`."""
    directory = Path(settings.AFFETTI_INDEX_DIR) / build.directory
    manifest = manifest_read(directory)
    if manifest.index_type != QDRANT:
        raise IndexVersionError(f"{directory} is a build in files; build the index again")
    if manifest.sha256 != build.manifest_sha256:
        raise IndexCorruptError(f"{build.directory} is not the build that was made active")
    return RemoteIndex(collections(), build.directory, statistics_of_folder(directory))


@contextlib.contextmanager
def index_build_lock() -> Iterator[None]:
    """Hold the lock on building, across all processes and, with PostgreSQL, all hosts.

    Raises `IndexBusyError` at once if another process holds it. A killed process releases it.
    """
    with _lock(_ADVISORY_LOCK, "build.lock"):
        yield


@contextlib.contextmanager
def changes_lock() -> Iterator[None]:
    """Hold the lock on bringing a collection up to date, as `index_build_lock`."""
    with _lock(_CHANGES_LOCK, "changes.lock"):
        yield


@contextlib.contextmanager
def _lock(number: int, name: str) -> Iterator[None]:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [number])
            if not cursor.fetchone()[0]:
                raise IndexBusyError("The index is being built by another process")
            try:
                yield
            finally:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [number])
        return
    folder = Path(settings.AFFETTI_INDEX_DIR)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / name, timeout=0):
            yield
    except Timeout as error:
        raise IndexBusyError("The index is being built by another process") from error


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
    if is_remote():
        held, loading = collections(), loading_now()
        unused = {*held.names()} - {*kept.values()} - {loading.name if loading else ""}
        for name in unused:
            if name.startswith("affetti-"):  # others may use the server, too
                held.drop(name)
    for path in Path(settings.AFFETTI_INDEX_DIR).iterdir():
        if path.is_dir() and path.name not in kept.values():
            shutil.rmtree(path, ignore_errors=True)
