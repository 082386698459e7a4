"""Celery tasks of the catalogue. Each takes ids only, and may run twice or never."""

from __future__ import annotations

import logging
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded
from celery.signals import task_postrun, worker_ready
from django.conf import settings
from django.db import IntegrityError, InterfaceError, OperationalError, connections

from catalog.analysis import model_version, songs_analyse
from catalog.errors import JobStateError, PermanentError, TransientError
from catalog.ingest.libraries import KEEP_TASK, removed_delete, rescans_start
from catalog.ingest.run import ingest_run, ingests_settle
from catalog.online_lyrics import lyrics_portion
from catalog.recordings import recordings_link
from catalog.storable import storable_text
from catalog.versions import version_register
from catalog.work.jobs import job_fail, job_requeue, job_start, jobs_reconcile
from catalog.work.messages import message_send
from catalog.work.queue import (
    batch_first,
    leases_release,
    messages_forget,
    messages_lost,
    songs_dispatch,
    songs_requeue_for_model,
)
from catalog.work.threads import until_done
from catalog.work.timings import timings_write
from catalog.work.workers import worker_name
from mer.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from celery import Task

logger = logging.getLogger(__name__)

_RETRY: Final[dict[str, Any]] = {
    "autoretry_for": (TransientError,),
    "retry_backoff": 2,
    "retry_jitter": True,
    "max_retries": 5,
}


@contextmanager
def transient_errors() -> Iterator[None]:
    """Turn the errors of an unavailable, locked or contended database into TransientError."""
    try:
        yield
    except (OperationalError, InterfaceError, IntegrityError) as error:
        raise TransientError(f"the database could not do it now: {error}") from error


@shared_task(name="catalog.ingest", bind=True, **_RETRY)
def ingest(self: Task[..., Any], job_id: str) -> dict[str, str]:
    """Work on an ingest for at most half the soft time limit, then requeue it."""
    try:
        with transient_errors():
            job = job_start(job_id=job_id, worker=worker_name(self.request.hostname or ""))
    except JobStateError as error:
        logger.info("Nothing to do: %s", error)
        return {"job": job_id, "status": "not pending"}
    try:
        with transient_errors():
            ingest_run(job=job, seconds=settings.CELERY_TASK_SOFT_TIME_LIMIT / 2)
    except JobStateError as error:
        logger.info("Stopped: %s", error)
    except PermanentError as error:
        _end(partial(job_fail, job=job, code=error.code, message=storable_text(str(error))))
    except (TransientError, SoftTimeLimitExceeded):
        _end(partial(job_requeue, job=job))
        raise
    except Exception as error:
        message = storable_text(f"{type(error).__name__}: {error}")
        _end(partial(job_fail, job=job, code="INTERNAL_ERROR", message=message))
        raise
    return {"job": job_id, "status": job.status}


def _end(change: Callable[[], object]) -> None:
    """Change the job of this worker, after an outage of the database if need be."""

    def act() -> None:
        with suppress(JobStateError):  # it was revoked, or given to another worker
            change()

    until_done(act, what="the end of a job")


@shared_task(name="catalog.analyse_songs", bind=True, **_RETRY)
def analyse_songs(self: Task[..., Any], song_ids: Sequence[int]) -> dict[str, int]:
    """Analyse the waiting ones of the songs, or more urgent ones; then release the next batch."""
    try:
        with transient_errors():
            worker = worker_name(self.request.hostname or "")
            report = songs_analyse(song_ids=batch_first(song_ids), worker=worker)
            recordings_link(model_version=model_version())
            songs_dispatch()
            ingests_settle()
    except TransientError:
        messages_lost(song_ids=song_ids)
        raise
    return {
        "analysed": report.analysed,
        "failed": report.failed,
        "skipped": report.skipped,
    }


@shared_task(name="catalog.reconcile", **_RETRY)
def reconcile() -> dict[str, int]:
    """Restart work that stopped: dead workers, lost messages, a new model version."""
    with transient_errors():
        released = leases_release()
        requeued = 0
        try:
            version_register(model_version(), checkpoint=settings.AFFETTI_CHECKPOINT)
            requeued = songs_requeue_for_model(model_version=model_version())
        except CheckpointError as error:
            logger.error("No model to analyse songs with: %s", error)
        else:
            recordings_link(model_version=model_version())
        dispatched = songs_dispatch()
        jobs = jobs_reconcile()
        ingests_settle()
    return {"released": released, "requeued": requeued, "dispatched": dispatched, "jobs": jobs}


@shared_task(name="catalog.online_lyrics")
def online_lyrics() -> dict[str, int]:
    """Ask the lyrics server for some songs; it is a periodic task, so nothing is tried again."""
    try:
        with transient_errors():
            return asdict(lyrics_portion())
    except TransientError as error:
        logger.warning("No lyrics: %s", error)
        return {}


@task_postrun.connect
def _timings_write(**_: Any) -> None:
    timings_write()


@shared_task(name=KEEP_TASK, **_RETRY)
def keep_libraries() -> dict[str, int]:
    """Start the scheduled scans that are due, and go on with the removal of libraries."""
    with transient_errors():
        started = rescans_start()
        deleted = removed_delete(seconds=settings.CELERY_TASK_SOFT_TIME_LIMIT / 10)
    return {"started": started, "deleted": deleted}


@worker_ready.connect
def _restart(sender: Any, **_: Any) -> None:
    """Free at once the work that this worker held before its restart."""

    def free() -> None:
        leases_release(restarted_node=sender.hostname)
        messages_forget()
        jobs_reconcile(restarted_node=sender.hostname)
        message_send("catalog.reconcile")

    until_done(free, what="the work from before the restart")
    connections.close_all()  # a pool's children must not share the parent's connections
