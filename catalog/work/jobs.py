"""The only module that changes the state of a BackgroundJob.

A started job belongs to the worker that it names. A change is made only if status and worker are
still as the caller read them; otherwise it raises JobStateError. So a slow worker whose job was
given to another, paused or revoked stops at its next step. A started job without a worker waits for
other work, such as the analysis of its songs. While a job is paused, its songs are not analysed:
`catalog.work.queue.songs_waiting` leaves them out.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext
from structlog.contextvars import bound_contextvars

from catalog.errors import JobStateError
from catalog.models import BackgroundJob
from catalog.work.messages import message_send
from catalog.work.threads import repeated
from catalog.work.workers import workers_gone

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime
    from uuid import UUID

    from django.contrib.auth.models import User

logger = logging.getLogger(__name__)

Status = BackgroundJob.Status

TASK_OF_KIND: Final[dict[str, str]] = {
    BackgroundJob.Kind.INGEST: "catalog.ingest",
    BackgroundJob.Kind.HISTORY: "recommender.import_history",
    BackgroundJob.Kind.TAGS: "recommender.write_tags",
}
"""The task for each kind of job; its only argument is the job's id."""

BEAT_SECONDS: Final = 15.0
"""Time between two heartbeats of a job that is worked on."""
QUIET_SECONDS: Final = 90
"""A started job without a heartbeat for this long counts as having lost its worker."""
UNSTARTED_SECONDS: Final = 60
"""A pending job that no worker started for this long gets another message."""
MAX_ATTEMPTS: Final = 5
"""A job fails after this many starts without progress."""

_ALLOWED_FROM: Final[dict[str, tuple[str, ...]]] = {
    Status.PENDING: (Status.STARTED,),
    Status.STARTED: (Status.PENDING,),
    Status.SUCCEEDED: (Status.STARTED,),
    Status.PAUSED: (Status.PENDING, Status.STARTED),
    Status.FAILED: (Status.PENDING, Status.STARTED),
    Status.REVOKED: (Status.PENDING, Status.STARTED, Status.PAUSED),
}


def job_create(
    *,
    kind: BackgroundJob.Kind,
    arguments: Mapping[str, Any],
    user: User | None = None,
    priority: str = BackgroundJob.Priority.NORMAL,
) -> BackgroundJob:
    """Create a pending job; the message to a worker is sent after the commit."""
    job = BackgroundJob.objects.create(
        kind=kind, arguments=dict(arguments), created_by=user, priority=priority
    )
    with bound_contextvars(job_id=str(job.pk)):
        logger.info("Job asked for: %s", kind)
    message_send(TASK_OF_KIND[kind], str(job.pk))
    return job


def job_start(*, job_id: UUID | str, worker: str) -> BackgroundJob:
    """Give a pending job to `worker`, and to no other; JobStateError if it is not pending."""
    now = timezone.now()
    job = BackgroundJob.objects.filter(pk=job_id).first()
    if job is None:
        raise JobStateError(
            gettext("There is no job %(job_id)s; it may have been deleted") % {"job_id": job_id}
        )
    _move(
        job,
        Status.STARTED,
        worker=worker,
        attempts=F("attempts") + 1,
        started_at=Coalesce("started_at", now),
        heartbeat_at=now,
    )
    return job


def job_advance(
    *, job: BackgroundJob, done: int, total: int, result: Mapping[str, Any] | None = None
) -> None:
    """Save progress; JobStateError if the job was revoked or given to another worker."""
    _move(
        job,
        Status.STARTED,
        allowed=(Status.STARTED,),
        progress_done=done,
        progress_total=total,
        heartbeat_at=timezone.now(),
        attempts=0,
        result=job.result if result is None else dict(result),
    )


@contextmanager
def job_held(*, job: BackgroundJob) -> Iterator[None]:
    """Record that the job's worker is alive while the block runs; the log names the job."""
    worker = job.worker
    mine = BackgroundJob.objects.filter(pk=job.pk, status=Status.STARTED, worker=worker)

    def beat() -> None:
        mine.update(heartbeat_at=timezone.now())

    with repeated(beat, every_seconds=BEAT_SECONDS), bound_contextvars(job_id=str(job.pk)):
        yield


def job_wait(*, job: BackgroundJob) -> None:
    """Leave a started job without a worker, to wait for other work."""
    _move(job, Status.STARTED, allowed=(Status.STARTED,), worker="")


def job_requeue(*, job: BackgroundJob) -> None:
    """Give a started job back to the queue; after `MAX_ATTEMPTS` without progress it fails."""
    if job.attempts < MAX_ATTEMPTS:
        _move(job, Status.PENDING, worker="", heartbeat_at=timezone.now())
        message_send(TASK_OF_KIND[job.kind], str(job.pk))
    else:
        job_fail(
            job=job,
            code="JOB_ABANDONED",
            message=f"It was started {job.attempts} times without progress. Look for the cause in "
            "the worker's log (memory, disk, database), then ask for it again",
        )


def job_defer(*, job: BackgroundJob) -> None:
    """Give a started job back, to be started again in `UNSTARTED_SECONDS`; no attempt is counted.

    For a job that cannot begin yet through no fault of its own.
    """
    _move(job, Status.PENDING, worker="", attempts=0, heartbeat_at=timezone.now())


def job_succeed(*, job: BackgroundJob, result: Mapping[str, Any] | None = None) -> None:
    """End a started job as succeeded; JobStateError if the caller no longer holds it."""
    _move(
        job,
        Status.SUCCEEDED,
        worker="",
        finished_at=timezone.now(),
        result=job.result if result is None else dict(result),
    )


def job_fail(*, job: BackgroundJob, code: str, message: str) -> None:
    """End a job as failed; `code` is stable, `message` is for an admin."""
    _move(
        job,
        Status.FAILED,
        worker="",
        finished_at=timezone.now(),
        error_code=code,
        error_message=message,
    )


@transaction.atomic
def job_revoke(*, job: BackgroundJob) -> None:
    """End an open job at a user's request; its worker stops at its next step."""
    _lock(job)
    _move(job, Status.REVOKED, worker="", finished_at=timezone.now())


@transaction.atomic
def job_pause(*, job: BackgroundJob) -> None:
    """Stop an open job until `job_resume`; its worker stops at its next step and loses nothing."""
    _lock(job)
    _move(job, Status.PAUSED, worker="", heartbeat_at=None)


@transaction.atomic
def job_resume(*, job: BackgroundJob, is_waiting: bool) -> None:
    """Let a paused job go on; one that `is_waiting` for other work needs no worker of its own."""
    _lock(job)
    if is_waiting:
        _move(job, Status.STARTED, allowed=(Status.PAUSED,), heartbeat_at=timezone.now())
    else:
        _move(job, Status.PENDING, allowed=(Status.PAUSED,), heartbeat_at=timezone.now())
        message_send(TASK_OF_KIND[job.kind], str(job.pk))


def jobs_reconcile(*, restarted_node: str = "") -> int:
    """Send messages for jobs without a live worker; return the number of jobs."""
    now = timezone.now()
    held = BackgroundJob.objects.filter(status=Status.STARTED).exclude(worker="")
    gone = workers_gone(
        held.values_list("worker", flat=True).distinct(), restarted_node=restarted_node
    )
    lost = held.filter(Q(worker__in=gone) | _is_past("heartbeat_at", now, QUIET_SECONDS))
    unstarted = BackgroundJob.objects.filter(status=Status.PENDING).filter(
        _is_past("heartbeat_at", now, UNSTARTED_SECONDS)
        | (Q(heartbeat_at=None) & _is_past("created_at", now, UNSTARTED_SECONDS))
    )
    touched = 0
    for job in [*lost, *unstarted]:
        try:
            _revive(job)
        except JobStateError:
            continue  # its worker, or another reconcile, was first
        touched += 1
    return touched


def _is_past(field: str, now: datetime, seconds: float) -> Q:
    """Return the condition of a time that is `seconds` away, in the future too (a wrong clock)."""
    away = timedelta(seconds=seconds)
    return Q(**{f"{field}__lt": now - away}) | Q(**{f"{field}__gt": now + away})


def _revive(job: BackgroundJob) -> None:
    if job.status == Status.PENDING:
        _move(job, Status.PENDING, allowed=(Status.PENDING,), heartbeat_at=timezone.now())
        message_send(TASK_OF_KIND[job.kind], str(job.pk))
    else:
        job_requeue(job=job)


def _lock(job: BackgroundJob) -> None:
    """Read the worker of a job anew; until the transaction ends, nobody else changes the job."""
    locked = BackgroundJob.objects.select_for_update().filter(pk=job.pk).first()
    if locked is not None:
        job.worker = locked.worker


def _move(
    job: BackgroundJob, status: str, *, allowed: tuple[str, ...] | None = None, **fields: object
) -> None:
    sources = _ALLOWED_FROM[status] if allowed is None else allowed
    same = BackgroundJob.objects.filter(pk=job.pk, status__in=sources, worker=job.worker)
    if not same.update(status=status, **fields):
        # `job` is not refreshed: the caller must not take over the other worker's state.
        found = BackgroundJob.objects.filter(pk=job.pk).first()
        raise JobStateError(
            f"Job {job.pk} ({job.status}, worker {job.worker or 'none'}) cannot become {status}: "
            + (f"it is {found.status}, worker {found.worker or 'none'}" if found else "it is gone")
        )
    job.refresh_from_db()
