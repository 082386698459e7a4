"""What staff do with an ingest: priority, pause, resume, cancel, try failures again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext, gettext_noop

from catalog.errors import JobStateError, PathError
from catalog.ingest.run import ingest_start
from catalog.models import BackgroundJob, Song
from catalog.paths import from_stored
from catalog.retold import kept
from catalog.selectors import job_failure_count, job_scope, scopes_open
from catalog.work.jobs import job_pause, job_resume, job_revoke
from catalog.work.queue import (
    songs_analyse_again,
    songs_dispatch,
    songs_rank,
    songs_waiting,
)

if TYPE_CHECKING:
    from django.contrib.auth.models import User

CANCELLED: Final = "CANCELLED"
"""The code of songs that were found and not analysed, because staff cancelled the ingest."""
_CANCELLED: Final = kept(
    gettext_noop("its analysis was cancelled; try it again to have it analysed")
)
_LIBRARY_GONE: Final = kept(gettext_noop("%(path)s: its library is gone; add the folder again"))
_NOTHING_FAILED: Final = kept(gettext_noop("%(path)s: nothing failed there any more"))


def ingest_pause(*, job: BackgroundJob) -> None:
    """Stop the scan and the analysis of an ingest until `ingest_resume`.

    Songs that a worker has begun are analysed to their end. JobStateError if it has ended.
    """
    job_pause(job=job)


def ingest_resume(*, job: BackgroundJob) -> None:
    """Let a paused ingest go on where it stopped; JobStateError if it is not paused."""
    job_resume(job=job, is_waiting=job.result.get("phase") == "analysing")
    songs_dispatch()


@transaction.atomic
def ingest_prioritise(*, job: BackgroundJob, priority: str) -> int:
    """Move the waiting songs of an ingest in the queue; return their number.

    `priority` is one of `BackgroundJob.Priority`. Songs that are found later follow. JobStateError
    if the job has ended.
    """
    mine = BackgroundJob.objects.filter(pk=job.pk, status__in=BackgroundJob.Status.open())
    if not mine.update(priority=priority):
        raise JobStateError(gettext("The job has ended, so no song of it waits any more"))
    job.priority = priority
    scope = job_scope(job)
    return songs_rank(songs=scope.songs(), priority=priority) if scope else 0


@transaction.atomic
def ingest_cancel(*, job: BackgroundJob) -> int:
    """End an ingest; return the number of songs that stay in the library without an analysis.

    They have the code `CANCELLED` until somebody tries them again. Songs that were analysed before,
    or that another open ingest covers, go on. JobStateError if the job has ended already.
    """
    job_revoke(job=job)
    scope = job_scope(job)
    if scope is None:
        return 0
    waiting = songs_waiting().filter(scope.inside(), keeps_emotion=False)
    for other in scopes_open():
        waiting = waiting.exclude(other.inside())
    cancelled = waiting.update(
        status=Song.Status.FAILED,
        failure_code=CANCELLED,
        failure_message=_CANCELLED,
        leased_by="",
        leased_at=None,
        updated_at=timezone.now(),
    )
    job.result["failed"] = job_failure_count(job=job)
    job.save(update_fields=["result"])
    return cancelled


@transaction.atomic
def failures_retry(
    *, job: BackgroundJob, path: str = "", user: User | None = None
) -> BackgroundJob:
    """Try the failed files of an ingest again, or the one at `path`; return the job to follow.

    `path` is that of a `catalog.selectors.Failure`. Raises PathError if nothing failed there or the
    files are gone, and JobStateError while the ingest still goes on.
    """
    if job.finished_at is None:
        raise JobStateError(
            gettext("The job still goes on. Wait until it has ended, or cancel it; then try again")
        )
    scope = job_scope(job)
    if scope is None:
        raise PathError(gettext(_LIBRARY_GONE) % {"path": job.arguments["path"]})
    songs, files, wanted = scope.failed_songs(), scope.failed_files(), job.arguments["path"]
    if path:
        root = scope.library.root.rstrip("/") + "/"
        below = path.removeprefix(root).replace("\0", "")  # PostgreSQL takes no NUL
        songs, files = songs.filter(relative_path=below), files.filter(relative_path=below)
        wanted = root + below
    if not songs.exists() and not files.exists():
        raise PathError(gettext(_NOTHING_FAILED) % {"path": path or wanted})
    files.delete()  # an unchanged file with a failure is not read again
    songs_analyse_again(song_ids=songs.values_list("pk", flat=True))
    return ingest_start(
        path=from_stored(wanted),
        user=user,
        is_anywhere_allowed=job.arguments.get("is_anywhere_allowed", False),
        priority=job.priority,
    )
