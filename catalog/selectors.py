"""Reads of the catalogue: a song's file, a job's scope, its progress and its failures."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING, BinaryIO, Final

from django.db.models import Q
from django.utils import timezone

from catalog.models import BackgroundJob, IngestFailure, Library, Song, SongEmotion
from catalog.paths import from_stored, open_inside, resolve_inside, to_stored

if TYPE_CHECKING:
    from pathlib import Path

    from django.db.models import QuerySet

RATE_SECONDS: Final = 60
"""The rate of analysis is measured over this time."""


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
        return IngestFailure.objects.filter(self.inside())


@dataclass(frozen=True, slots=True)
class JobProgress:
    """Progress of an ingest.

    `done` counts the files that need no more work, failed files included. `songs_per_minute` and
    `eta_seconds` are about the analysis; `eta_seconds` is None while the rate is zero.
    """

    phase: str
    done: int
    total: int
    failed: int
    songs_per_minute: float
    eta_seconds: float | None


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that could not be analysed: its path, a stable code, and the reason."""

    path: str
    code: str
    message: str


def song_path(song: Song) -> Path:
    """Return the file to open for `song`; PathError if it is absent or outside its library."""
    return resolve_inside(song.library.path, song.path)


def song_open(song: Song) -> BinaryIO:
    """Open the file of `song`; PathError if it is absent, outside its library or no file."""
    return open_inside(song.library.path, song.path)


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


def job_progress(job: BackgroundJob) -> JobProgress:
    """Return the progress of an ingest; cheap enough for one call a second."""
    scope = job_scope(job)
    if scope is None or job.finished_at:
        seconds, analysed, failed = 1.0, 0, job.result.get("failed", 0)
    else:
        now = timezone.now()
        since = max(now - timedelta(seconds=RATE_SECONDS), job.created_at)
        seconds = max(1.0, (now - since).total_seconds())
        analysed = SongEmotion.objects.filter(
            song__in=Song.objects.filter(scope.inside()), updated_at__gte=since
        ).count()
        failed = scope.failed_songs().count() + scope.failed_files().count()
    rate = analysed / seconds
    return JobProgress(
        phase=job.result.get("phase", "waiting"),
        done=job.progress_done,
        total=job.progress_total,
        failed=failed,
        songs_per_minute=60 * rate,
        eta_seconds=(job.progress_total - job.progress_done) / rate if rate else None,
    )


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
        key=lambda failure: failure.path,
    )[:most]


def job_failure_count(*, job: BackgroundJob) -> int:
    """Return the number of files that `job_failures` returns without `most`."""
    scope = _ingest_scope(job)
    return scope.failed_files().count() + scope.failed_songs().count() if scope else 0


def unread_lines(job: BackgroundJob) -> list[str]:
    """Return what an ingest did not read: the count of each suffix, then the first files."""
    suffixes = job.result.get("unread_suffixes", {})
    files = job.result.get("unread_files", [])
    if not suffixes:
        return []
    counts = ", ".join(f"{count} {suffix}" for suffix, count in sorted(suffixes.items()))
    more = job.result["unread"] - len(files)
    return [counts, *files, *([f"and {more} more"] if more else [])]


def _ingest_scope(job: BackgroundJob) -> Scope | None:
    return job_scope(job) if job.kind == BackgroundJob.Kind.INGEST else None
