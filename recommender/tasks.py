"""Background work of the recommender."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings

from catalog.errors import JobStateError, PermanentError, TransientError
from catalog.storable import storable_text
from catalog.tagwriting.jobs import tag_job_run
from catalog.tasks import transient_errors
from catalog.work.jobs import job_fail, job_requeue, job_start
from catalog.work.workers import worker_name
from mer.errors import CheckpointError
from recommender import heartbeat as _  # noqa: F401  # connects the signs of life
from recommender.errors import DiskShortError, IndexBusyError
from recommender.index import index_build, index_status
from recommender.index.transition import transition_settle
from recommender.listening import import_run, imports_sweep
from recommender.mood_tags import moods_of_songs
from recommender.replays import keyed_sweep
from recommender.stations import stations_refresh_due

if TYPE_CHECKING:
    from collections.abc import Callable

    from celery import Task

    from catalog.models import BackgroundJob

logger = logging.getLogger(__name__)


@shared_task(name="recommender.build_index")
def build_index() -> dict[str, str]:
    """Build the index; does nothing if another process is building it or the disk is short."""
    try:
        build = index_build()
    except IndexBusyError:
        logger.info("The index is being built already")
        return {"build": ""}
    except (DiskShortError, OSError) as error:
        logger.warning("%s; the former build stays in use", error)
        return {"build": ""}
    return {"build": build.directory}


@shared_task(name="recommender.build_index_if_stale")
def build_index_if_stale() -> dict[str, str]:
    """Build the index if `IndexStatus.is_stale`, after a switch to a new model that is due."""
    try:
        transition_settle()
    except (CheckpointError, IndexBusyError, DiskShortError, OSError) as error:
        logger.warning("No new model begins to serve: %s", error)
    if not index_status().is_stale:
        return {"build": ""}
    return build_index()


@shared_task(name="recommender.refresh_stations")
def refresh_stations() -> dict[str, int]:
    """Make new versions of the stations that are due, some at a time."""
    return {"versions": stations_refresh_due()}


@shared_task(name="recommender.sweep_imports")
def sweep_imports() -> dict[str, int]:
    """Delete files of listening history that nobody goes on with, or whose owner is gone."""
    return {"deleted": imports_sweep()}


@shared_task(name="recommender.sweep_keyed_requests")
def sweep_keyed_requests() -> dict[str, int]:
    """Delete answers to requests with a key that are older than a day."""
    return {"deleted": keyed_sweep()}


_RETRY: Final[dict[str, Any]] = {"autoretry_for": (TransientError,), "max_retries": 5}


@shared_task(name="recommender.import_history", bind=True, **_RETRY)
def import_history(self: Task[..., Any], job_id: str) -> dict[str, str]:
    """Read a file of listening history; what goes wrong is in the job."""

    def work(job: BackgroundJob) -> None:
        try:
            import_run(job=job)
        except SoftTimeLimitExceeded:
            job_fail(job=job, code="HISTORY_TOO_LONG", message="Import its files one by one")

    return _worked(job_id, self, work)


@shared_task(name="recommender.write_tags", bind=True, **_RETRY)
def write_tags(self: Task[..., Any], job_id: str) -> dict[str, str]:
    """Go on with a run of tags for at most half the soft time limit, then requeue it."""
    seconds = settings.CELERY_TASK_SOFT_TIME_LIMIT / 2

    def work(job: BackgroundJob) -> None:
        tag_job_run(job=job, moods=moods_of_songs, seconds=seconds)

    return _worked(job_id, self, work)


def _worked(
    job_id: str, task: Task[..., Any], work: Callable[[BackgroundJob], None]
) -> dict[str, str]:
    """Do the work of a pending job; what goes wrong is in the job."""
    try:
        with transient_errors():
            job = job_start(job_id=job_id, worker=worker_name(task.request.hostname or ""))
    except JobStateError as error:
        logger.info("Nothing to do: %s", error)
        return {"job": job_id, "status": "not pending"}
    with suppress(JobStateError):  # it was taken back or cancelled, or given to another worker
        try:
            with transient_errors():
                work(job)
        except PermanentError as error:
            if isinstance(error, JobStateError):
                raise
            job_fail(job=job, code=error.code, message=storable_text(str(error)))
        except (TransientError, SoftTimeLimitExceeded):
            job_requeue(job=job)
            raise
        except Exception as error:
            message = storable_text(f"{type(error).__name__}: {error}")
            job_fail(job=job, code="INTERNAL_ERROR", message=message)
            raise
    return {"job": job_id, "status": job.status}
