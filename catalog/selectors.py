"""Reads of the catalogue: a song's file, a job's scope, its progress and its failures."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING, BinaryIO, Final

from django.conf import settings
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext

from catalog.errors import PathError
from catalog.models import (
    BackgroundJob,
    IngestFailure,
    Library,
    Song,
    SongEmotion,
    StageTiming,
)
from catalog.paths import (
    FileStamp,
    file_absent,
    file_held,
    from_stored,
    open_inside,
    resolve_inside,
    to_stored,
)
from catalog.stores.addresses import in_store, store_roots
from catalog.stores.copies import copy_open
from catalog.stores.objects import Entry, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from django.db.models import QuerySet

RATE_SECONDS: Final = 60
"""The rate of analysis is measured over this time."""
STAGES: Final = ("find", "read", "analyse", "done")
"""The stages of an ingest, in order."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The part of a library that an ingest covers: all of it, a folder, or one file."""

    library: Library
    prefix: str

    def inside(self) -> Q:
        """Return the condition that holds for the songs and failures inside."""
        inside = Q(library=self.library)
        if self.prefix:
            below = Q(relative_path__startswith=f"{self.prefix}/")
            inside &= Q(relative_path=self.prefix) | below
        return inside

    def songs(self) -> QuerySet[Song]:
        """Return the songs inside whose files exist."""
        return Song.objects.filter(self.inside(), is_available=True).order_by("pk")

    def failed_songs(self) -> QuerySet[Song]:
        """Return the songs inside that could not be analysed."""
        return self.songs().filter(status=Song.Status.FAILED)

    def failed_files(self) -> QuerySet[IngestFailure]:
        """Return the files inside that could not become songs."""
        failures = IngestFailure.objects.filter(self.inside())
        return failures.exclude(code=IngestFailure.REMOVED)


@dataclass(frozen=True, slots=True)
class JobProgress:
    """Progress of an ingest.

    `done` counts the files that need no more work, failed files included. `failed` counts files
    that did not become songs and songs whose analysis failed. `songs_per_minute` and `eta_seconds`
    follow from `rate_songs`, which were analysed in the last `rate_seconds`. `eta_seconds` is None
    while the rate is zero. `stage` is one of `STAGES`, the one that the job has reached.
    """

    phase: str
    done: int
    total: int
    failed: int
    songs_per_minute: float
    eta_seconds: float | None
    rate_songs: int
    rate_seconds: float
    stage: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that could not be analysed: its path, a stable code, and the reason."""

    path: str
    code: str
    message: str


def song_path(song: Song) -> Path:
    """Return the file to open for `song`; PathError if it is absent or outside its library."""
    _audio_check(song)
    return resolve_inside(song.library.path, song.path)


@contextmanager
def song_file(song: Song) -> Iterator[Path]:
    """Yield a path of the disk with the file of `song`, until the block ends; as `file_held`."""
    _audio_check(song)
    with file_held(song.library.path, song.path, known=_stamp(song)) as path:
        yield path


def song_open(song: Song) -> BinaryIO:
    """Open the file of `song` on the disk, or a whole copy of it.

    PathError if it is absent, outside its library or no file; what `file_held` raises of a store.
    """
    _audio_check(song)
    if not in_store(song.path):
        return open_inside(song.library.path, song.path)
    with song_file(song) as path:
        return path.open("rb")


def song_stream(song: Song) -> tuple[BinaryIO, FileStamp]:
    """Open the file of `song` to be read in parts, and return also its stamp; as `song_open`.

    Of a file in a store that has no copy here only the parts that are read are fetched.
    """
    _audio_check(song)
    if not in_store(song.path):
        file = open_inside(song.library.path, song.path)
        status = os.fstat(file.fileno())
        return file, FileStamp(status.st_size, status.st_mtime_ns)
    known = _stamp(song)
    copy = copy_open(song.path, Entry(False, known.size_bytes, known.mtime_ns))  # noqa: FBT003
    if copy is not None:
        return os.fdopen(copy, "rb"), known
    try:
        file, entry = opened(song.path)
    except FileNotFoundError as error:
        raise file_absent(song.path) from error
    return file, FileStamp(entry.size_bytes, entry.mark)


def _stamp(song: Song) -> FileStamp:
    return FileStamp(song.file_size_bytes, song.file_mtime_ns)


def _audio_check(song: Song) -> None:
    """Raise PathError for a song of a table: its library has no folder to look in."""
    if not song.has_audio:
        raise PathError(
            gettext("%(title)s: has no audio; it is known from a table alone")
            % {"title": song.shown_title}
        )


def library_find(path: Path) -> Library | None:
    """Return the library that contains `path`, which is resolved; at most one does."""
    roots = [to_stored(folder) for folder in (path, *path.parents)]
    return Library.objects.filter(root__in=roots).first()


def scope_find(path: Path) -> Scope | None:
    """Return the scope of an ingest of `path`; None before its library exists."""
    library = library_find(path)
    if library is None:
        return None
    relative = path.relative_to(library.path)
    return Scope(library, to_stored(relative) if relative.parts else "")


def job_scope(job: BackgroundJob) -> Scope | None:
    """Return the scope of an ingest job; its library may have been merged since it was created."""
    return scope_find(from_stored(job.arguments["path"]))


def library_jobs(library: Library) -> list[BackgroundJob]:
    """Return the ingests of a library, or of a part of it, that have not ended."""
    jobs = BackgroundJob.objects.filter(
        kind=BackgroundJob.Kind.INGEST, status__in=BackgroundJob.Status.open()
    )
    top = library.root.rstrip("/") + "/"
    return [job for job in jobs if f"{job.arguments['path']}/".startswith(top)]


def scopes_paused() -> list[Scope]:
    """Return what the paused ingests cover."""
    return _scopes(BackgroundJob.Status.PAUSED)


def scopes_open() -> list[Scope]:
    """Return what the ingests cover that have not ended."""
    return _scopes(*BackgroundJob.Status.open())


def _scopes(*statuses: str) -> list[Scope]:
    jobs = BackgroundJob.objects.filter(kind=BackgroundJob.Kind.INGEST, status__in=statuses)
    return [scope for job in jobs.only("arguments") if (scope := job_scope(job))]


def roots_allowed() -> list[Path]:
    """Return the folders that staff may add music from: those of the settings, and libraries.

    A library outside the settings was added by somebody with a shell on this machine.
    """
    folders = Library.objects.filter(kind=Library.Kind.FOLDER).order_by("root")
    known = [library.path for library in folders]
    roots = [*settings.AFFETTI_CATALOG_ROOTS, settings.AFFETTI_UPLOAD_DIR, *store_roots(), *known]
    return list(dict.fromkeys(roots))


def job_progress(job: BackgroundJob) -> JobProgress:
    """Return the progress of an ingest; cheap enough for one call a second."""
    scope = job_scope(job)
    seconds, analysed = 0.0, 0
    if scope is not None and not job.finished_at:
        now = timezone.now()
        since = max(now - timedelta(seconds=RATE_SECONDS), job.created_at)
        seconds = max(1.0, (now - since).total_seconds())
        analysed = SongEmotion.objects.filter(
            song__in=Song.objects.filter(scope.inside()), updated_at__gte=since
        ).count()
    is_counted = scope is None or job.status == BackgroundJob.Status.SUCCEEDED
    rate = analysed / seconds if analysed else 0.0
    return JobProgress(
        phase=job.result.get("phase", "waiting"),
        done=job.progress_done,
        total=job.progress_total,
        failed=job.result.get("failed", 0) if is_counted else _failure_count(scope),
        songs_per_minute=60 * rate,
        eta_seconds=(job.progress_total - job.progress_done) / rate if rate else None,
        rate_songs=analysed,
        rate_seconds=seconds,
        stage=_stage(job),
    )


def _stage(job: BackgroundJob) -> str:
    if job.status == BackgroundJob.Status.SUCCEEDED:
        return "done"
    if job.result.get("phase") == "analysing":
        return "analyse"
    return "read" if job.progress_total else "find"


def _failure_count(scope: Scope | None) -> int:
    return scope.failed_files().count() + scope.failed_songs().count() if scope else 0


def job_failures(*, job: BackgroundJob, most: int | None = None) -> list[Failure]:
    """Return the failed files in the scope of an ingest, ordered by path.

    Files that failed in an earlier ingest are included. With `most`, only the first `most`.
    """
    scope = _ingest_scope(job)
    if scope is None:
        return []
    root = scope.library.root
    files = scope.failed_files().order_by("relative_path")
    songs = scope.failed_songs().order_by("relative_path")
    found = chain(
        files.values_list("relative_path", "code", "message")[:most],
        songs.values_list("relative_path", "failure_code", "failure_message")[:most],
    )
    return sorted(
        (Failure(f"{root}/{path}", code, message) for path, code, message in found),
        key=lambda failure: (failure.path, failure.code),
    )[:most]


def job_failure_count(*, job: BackgroundJob) -> int:
    """Return the number of files that `job_failures` returns without `most`."""
    return _failure_count(_ingest_scope(job))


def unread_lines(job: BackgroundJob) -> list[str]:
    """Return what an ingest did not read: the count of each suffix, then the first files."""
    suffixes = job.result.get("unread_suffixes", {})
    files = job.result.get("unread_files", [])
    if not suffixes:
        return []
    counts = ", ".join(f"{count} {suffix}" for suffix, count in sorted(suffixes.items()))
    more = job.result["unread"] - len(files)
    return [counts, *files, *([f"and {more} more"] if more else [])]


def stage_timings() -> list[StageTiming]:
    """Return the sums of the stages of the work that have begun, in their order."""
    order = StageTiming.Stage.values
    begun = StageTiming.objects.filter(stage__in=order, items__gt=0, seconds__gt=0)
    return sorted(begun, key=lambda timing: order.index(timing.stage))


def _ingest_scope(job: BackgroundJob) -> Scope | None:
    return job_scope(job) if job.kind == BackgroundJob.Kind.INGEST else None
