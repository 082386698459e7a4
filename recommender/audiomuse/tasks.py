"""Calls about work in the background: its progress, and its start and end by staff."""

from __future__ import annotations

from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from django.utils.translation import gettext
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.response import Response

from catalog.errors import JobStateError, PathError, StoreAwayError
from catalog.ingest.control import ingest_cancel
from catalog.ingest.libraries import library_rescan
from catalog.models import BackgroundJob, Library
from catalog.selectors import job_progress
from recommender.access import INGEST_PERMISSION, is_staff_who_may
from recommender.audiomuse.calls import Ask, call
from recommender.models import Scope

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.db.models import QuerySet

ANALYSIS: Final = "main_analysis"
_STATES: Final = {
    BackgroundJob.Status.PENDING: "PENDING",
    BackgroundJob.Status.STARTED: "STARTED",
    BackgroundJob.Status.PAUSED: "PENDING",
    BackgroundJob.Status.SUCCEEDED: "SUCCESS",
    BackgroundJob.Status.FAILED: "FAILURE",
    BackgroundJob.Status.REVOKED: "REVOKED",
}


@call("GET", "api/active_tasks")
def active_tasks(_ask: Ask) -> dict[str, Any]:
    """Return the scan that goes on; empty without one. Where it scans is for staff."""
    job = _jobs().filter(status__in=BackgroundJob.Status.open()).first()
    return _told(job) if job else {}


@call("GET", "api/last_task")
def last_task(_ask: Ask) -> dict[str, Any]:
    job = _jobs().first()
    if job is not None:
        return _told(job)
    nothing = {"log": [gettext("Nothing was scanned yet.")]}
    return {
        "task_id": None,
        "task_type": None,
        "status": "NO_PREVIOUS_MAIN_TASK",
        "details": nothing,
    }


@call("GET", "api/status/<str:task_id>")
def status(ask: Ask) -> dict[str, Any]:
    return _told(_job(ask))


@call("POST", "api/analysis/start", scope=Scope.INGEST)
def analysis_start(ask: Ask) -> Response:
    """Scan every library that is there; new and changed songs are analysed."""
    user = _staff(ask)
    folders = Library.objects.filter(is_going=False, kind=Library.Kind.FOLDER).order_by("pk")
    jobs, refusals = [], []
    for library in folders:
        try:
            jobs.append(library_rescan(library=library, user=user))
        except (PathError, StoreAwayError) as error:  # the others are scanned all the same
            refusals.append(error)
    if not jobs and refusals:
        raise refusals[0]
    if not jobs:
        raise NotFound(gettext("There is no library yet. Add one on the pages of staff."))
    body = {"task_id": str(jobs[0].pk), "task_type": ANALYSIS, "status": "PENDING"}
    return Response(body, HTTPStatus.ACCEPTED)


@call("POST", "api/cancel/<str:task_id>", scope=Scope.INGEST)
def cancel(ask: Ask) -> dict[str, Any]:
    _staff(ask)
    job = _job(ask)
    ingest_cancel(job=job)
    return {
        "message": gettext("The scan is cancelled."),
        "task_id": str(job.pk),
        "cancelled_jobs_count": 1,
    }


@call("POST", "api/cancel_all/<str:prefix>", scope=Scope.INGEST)
def cancel_all(ask: Ask) -> dict[str, Any]:
    _staff(ask)
    if not ANALYSIS.startswith(ask.keys["prefix"]):
        raise NotFound(gettext("Affetti has no such tasks."))
    cancelled = []
    for job in _jobs().filter(status__in=BackgroundJob.Status.open()):
        with suppress(JobStateError):  # it has just ended
            ingest_cancel(job=job)
            cancelled.append(str(job.pk))
    return {
        "message": gettext("The scans are cancelled."),
        "cancelled_main_tasks": cancelled,
    }


def _jobs() -> QuerySet[BackgroundJob]:
    ingests = BackgroundJob.objects.filter(kind=BackgroundJob.Kind.INGEST)
    return ingests.order_by("-created_at", "pk")


def _job(ask: Ask) -> BackgroundJob:
    try:
        wanted = UUID(ask.keys["task_id"])
    except ValueError:
        wanted = None
    job = _jobs().filter(pk=wanted).first() if wanted else None
    if job is None:
        raise NotFound(gettext("There is no such task."))
    return job


def _staff(ask: Ask) -> User:
    if not is_staff_who_may(ask.account, INGEST_PERMISSION):
        raise PermissionDenied
    return ask.account


def _told(job: BackgroundJob) -> dict[str, Any]:
    progress = job_progress(job)
    share = progress.done / progress.total if progress.total else 0.0
    is_done = job.status == BackgroundJob.Status.SUCCEEDED
    log = gettext("%(done)s of %(total)s songs are done.")
    return {
        "task_id": str(job.pk),
        "parent_task_id": None,
        "task_type": ANALYSIS,
        "status": _STATES[BackgroundJob.Status(job.status)],
        "progress": 100 if is_done else min(100, int(100 * share)),
        "details": {"log": [log % {"done": progress.done, "total": progress.total}]},
    }
