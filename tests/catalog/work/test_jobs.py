from __future__ import annotations

import contextlib
import os
import socket
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from django.utils import timezone
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from catalog.errors import JobStateError
from catalog.models import BackgroundJob
from catalog.work import jobs
from catalog.work.jobs import (
    MAX_ATTEMPTS,
    job_advance,
    job_create,
    job_fail,
    job_pause,
    job_requeue,
    job_resume,
    job_revoke,
    job_start,
    job_succeed,
    jobs_reconcile,
)
from catalog.work.workers import worker_name, workers_gone

if TYPE_CHECKING:
    from pytest_django.fixtures import DjangoCaptureOnCommitCallbacks

    from tests.catalog.conftest import Sent

Status = BackgroundJob.Status
ENDED = {Status.SUCCEEDED, Status.FAILED, Status.REVOKED}


def new_job() -> BackgroundJob:
    return job_create(kind=BackgroundJob.Kind.INGEST, arguments={"path": "/music"})


class JobMachine(RuleBasedStateMachine):
    """Two workers and an admin act on one job in any order; a plain model says what may happen."""

    def __init__(self) -> None:
        super().__init__()
        self.job_id = new_job().pk
        self.status: str = Status.PENDING
        self.owner = ""
        self.starts = 0
        self.held: dict[str, BackgroundJob] = {}

    def act(self, worker: str, change: str) -> None:
        """Let a worker change the job that it believes to hold."""
        job = self.held[worker]
        may = self.status == Status.STARTED and self.owner == worker
        with contextlib.nullcontext() if may else pytest.raises(JobStateError):
            if change == "advance":
                job_advance(job=job, done=1, total=2)
            elif change == "requeue":
                job_requeue(job=job)
            elif change == "succeed":
                job_succeed(job=job)
            else:
                job_fail(job=job, code="X", message="x")
        if may and change == "advance":
            self.starts = 0
        elif may:
            ended = {"requeue": self.given_back(), "succeed": Status.SUCCEEDED}
            self.status, self.owner = ended.get(change, Status.FAILED), ""
        if change != "advance" or not may:
            del self.held[worker]

    def given_back(self) -> str:
        return Status.PENDING if self.starts < MAX_ATTEMPTS else Status.FAILED

    @rule(worker=st.sampled_from("ab"))
    def start(self, worker: str) -> None:
        may = self.status == Status.PENDING
        with contextlib.nullcontext() if may else pytest.raises(JobStateError):
            self.held[worker] = job_start(job_id=self.job_id, worker=worker)
        if may:
            self.status, self.owner = Status.STARTED, worker
            self.starts += 1

    @precondition(lambda self: self.held)
    @rule(data=st.data(), change=st.sampled_from(["advance", "requeue", "succeed", "fail"]))
    def change(self, data: st.DataObject, change: str) -> None:
        self.act(data.draw(st.sampled_from(sorted(self.held))), change)

    @rule()
    def lose(self) -> None:
        """The reconciler finds the worker gone."""
        BackgroundJob.objects.filter(pk=self.job_id).update(
            heartbeat_at=timezone.now() - timedelta(days=1)
        )
        jobs_reconcile()
        # A job without a worker waits for other work.
        if self.status == Status.STARTED and self.owner:
            self.status, self.owner = self.given_back(), ""

    @rule()
    def revoke(self) -> None:
        may = self.status not in ENDED
        with contextlib.nullcontext() if may else pytest.raises(JobStateError):
            job_revoke(job=BackgroundJob.objects.get(pk=self.job_id))
        if may:
            self.status, self.owner = Status.REVOKED, ""

    @rule()
    def pause(self) -> None:
        may = self.status in {Status.PENDING, Status.STARTED}
        with contextlib.nullcontext() if may else pytest.raises(JobStateError):
            job_pause(job=BackgroundJob.objects.get(pk=self.job_id))
        if may:
            self.status, self.owner = Status.PAUSED, ""

    @rule(is_waiting=st.booleans())
    def resume(self, is_waiting: bool) -> None:
        may = self.status == Status.PAUSED
        with contextlib.nullcontext() if may else pytest.raises(JobStateError):
            job_resume(job=BackgroundJob.objects.get(pk=self.job_id), is_waiting=is_waiting)
        if may:
            self.status, self.owner = Status.STARTED if is_waiting else Status.PENDING, ""

    @invariant()
    def row_is_as_the_model_says(self) -> None:
        job = BackgroundJob.objects.get(pk=self.job_id)
        assert (job.status, job.worker) == (self.status, self.owner)
        assert (job.finished_at is not None) == (job.status in ENDED)
        assert job.attempts == self.starts <= MAX_ATTEMPTS


class TestJobMachine(TestCase, JobMachine.TestCase):
    settings = settings(max_examples=40, stateful_step_count=20, deadline=None)


@pytest.mark.django_db
def test_a_worker_is_called_once_the_job_is_committed(
    sent: Sent, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        job = new_job()
        assert sent == []
    assert sent == [("catalog.ingest", (str(job.pk),))]


@pytest.mark.django_db
def test_a_broker_that_is_away_loses_no_job(
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ConnectionError("broker is away")

    monkeypatch.setattr("celery.app.base.Celery.send_task", refuse)
    with django_capture_on_commit_callbacks(execute=True):
        job = new_job()

    assert BackgroundJob.objects.get(pk=job.pk).status == Status.PENDING


@pytest.mark.django_db
def test_a_job_nobody_took_gets_another_message_but_no_flood(
    sent: Sent, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    job = new_job()
    old = timezone.now() - timedelta(seconds=jobs.UNSTARTED_SECONDS + 1)
    BackgroundJob.objects.update(created_at=old)

    with django_capture_on_commit_callbacks(execute=True):
        assert jobs_reconcile() == 1
        assert jobs_reconcile() == 0

    assert sent == [("catalog.ingest", (str(job.pk),))]


@pytest.mark.django_db
def test_the_job_of_a_dead_process_goes_to_another_at_once() -> None:
    dead = f"{socket.gethostname()}|{2**22 + 1}|celery@x"
    elsewhere = "another-host|1|celery@y"
    lost, kept = new_job(), new_job()
    job_start(job_id=lost.pk, worker=dead)
    job_start(job_id=kept.pk, worker=elsewhere)

    assert jobs_reconcile() == 1

    lost.refresh_from_db()
    kept.refresh_from_db()
    assert (lost.status, kept.status) == (Status.PENDING, Status.STARTED)


@pytest.mark.django_db
def test_a_job_that_kills_its_workers_without_progress_is_given_up() -> None:
    job = new_job()
    for _ in range(MAX_ATTEMPTS):
        job_start(job_id=job.pk, worker="w")
        BackgroundJob.objects.update(heartbeat_at=timezone.now() - timedelta(days=1))
        assert jobs_reconcile() == 1

    job.refresh_from_db()
    assert (job.status, job.error_code) == (Status.FAILED, "JOB_ABANDONED")


@pytest.mark.django_db
def test_a_job_that_makes_progress_is_not_given_up() -> None:
    job = new_job()
    for _ in range(MAX_ATTEMPTS + 2):
        job_advance(job=job_start(job_id=job.pk, worker="w"), done=1, total=2)
        BackgroundJob.objects.update(heartbeat_at=timezone.now() - timedelta(days=1))
        jobs_reconcile()

    job.refresh_from_db()
    assert job.status == Status.PENDING


@pytest.mark.django_db
def test_a_job_that_was_deleted_cannot_start() -> None:
    with pytest.raises(JobStateError, match="There is no job"):
        job_start(job_id=uuid4(), worker="w")


def test_a_restarted_node_held_nothing_even_under_the_same_process_id() -> None:
    mine = worker_name("celery@a")
    other = worker_name("celery@b")

    assert mine.split("|")[1] == str(os.getpid())
    assert workers_gone([mine, other]) == []
    assert workers_gone([mine, other], restarted_node="celery@a") == [mine]
    assert workers_gone(["elsewhere|1|celery@a"], restarted_node="celery@a") == []


@pytest.mark.django_db
def test_a_job_that_is_only_ever_given_back_fails() -> None:
    job = new_job()
    for _ in range(MAX_ATTEMPTS):
        assert job.status == Status.PENDING
        job = job_start(job_id=job.pk, worker="w")
        job_requeue(job=job)

    assert (job.status, job.error_code) == (Status.FAILED, "JOB_ABANDONED")
