"""Ingests that nobody asked for: by the watcher of a library, or by its schedule.

The arguments of such a job have ``unasked``: ``settle_seconds``, the time for which a file must
have been left unchanged, and ``leave``, stored paths below the library's root that the ingest
leaves alone. Such an ingest follows no links and resumes no job that staff paused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.conf import settings
from django.db import transaction

from catalog.ingest.run import ingest_start
from catalog.models import BackgroundJob
from catalog.paths import to_stored
from catalog.selectors import library_jobs

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from catalog.models import Library

MOST_OPEN: Final = 8
"""Ingests of one library that nobody asked for and that still scan."""


def unasked_room(library: Library) -> int:
    """Return how many more ingests nobody asked for may be started in a library now."""
    jobs = library_jobs(library)
    return max(0, MOST_OPEN - sum("unasked" in job.arguments and _scans(job) for job in jobs))


@transaction.atomic
def unasked_start(
    *, library: Library, relative: Path, leave: Iterable[Path] = ()
) -> BackgroundJob | None:
    """Start an ingest of a folder or file of a library, which may be gone; None if it must wait.

    It waits for another ingest of the same path, which may be past the files that changed, and for
    one that staff paused. PathError if the path leads out of the library.
    """
    path = library.path / relative
    stored = to_stored(path)
    same = BackgroundJob.objects.filter(
        kind=BackgroundJob.Kind.INGEST,
        arguments__path=stored,
        status__in=BackgroundJob.Status.open(),
    )
    for job in same:
        if _scans(job) or job.status == BackgroundJob.Status.PAUSED:
            return None
    unasked = {
        "settle_seconds": settings.AFFETTI_WATCH_SETTLE_SECONDS,
        "leave": [to_stored(one) for one in leave],
    }
    return ingest_start(path=path, unasked=unasked)


def _scans(job: BackgroundJob) -> bool:
    """Return whether the scan of an open job has not ended; paused ones wait for staff."""
    is_paused = job.status == BackgroundJob.Status.PAUSED
    return not is_paused and job.result.get("phase", "scanning") == "scanning"
