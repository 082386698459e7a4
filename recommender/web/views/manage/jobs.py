"""Jobs: how they stand, and priority, pause, resume, cancel and retry; for staff."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe

from catalog.errors import FilesVanishedError, JobStateError, PathError
from catalog.ingest.control import (
    failures_retry,
    ingest_cancel,
    ingest_pause,
    ingest_prioritise,
    ingest_resume,
)
from catalog.models import BackgroundJob
from recommender import selectors
from recommender.access import INGEST_PERMISSION, JOBS_PERMISSION, is_staff_who_may
from recommender.web.managing import (
    PRIORITIES,
    STATES,
    failures_counted,
    failures_named,
    job_card,
    jobs_shown,
    stage_speeds,
)
from recommender.web.views.base import account, page_of, staff_who_may

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.utils.functional import _StrPromise


def ingests() -> QuerySet[BackgroundJob]:
    """Return the ingest jobs, the newest first."""
    of_kind = selectors.job_list().filter(kind=BackgroundJob.Kind.INGEST)
    return of_kind.select_related("created_by")


@staff_who_may(JOBS_PERMISSION)
@require_safe
def jobs(request: HttpRequest) -> HttpResponse:
    page = page_of(request, ingests())
    context = {
        "page_obj": page,
        **jobs_shown(page),
        "may_act": is_staff_who_may(request.user, INGEST_PERMISSION),
    }
    template = "manage/_job_rows.html" if "live" in request.GET else "manage/jobs.html"
    return render(request, template, context)


@staff_who_may(JOBS_PERMISSION)
@require_safe
def job(request: HttpRequest, pk: UUID) -> HttpResponse:
    job = get_object_or_404(ingests(), pk=pk)
    detail = selectors.job_detail(job)
    may_act = is_staff_who_may(request.user, INGEST_PERMISSION)
    context = {
        "card": job_card(job),
        "job": job,
        "detail": detail,
        "failures": failures_named(job, detail.failures),
        "failure_kinds": failures_counted(detail.failures),
        "stage_speeds": stage_speeds(detail.stages),
        "may_act": may_act,
        "priorities": PRIORITIES.items(),
        "may_accept": job.error_code == FilesVanishedError.code and may_act,
        "is_welcome": "welcome" in request.GET,
    }
    template = "manage/_job_live.html" if "live" in request.GET else "manage/job.html"
    return render(request, template, context)


@staff_who_may(INGEST_PERMISSION)
@require_POST
def job_act(request: HttpRequest, pk: UUID, act: str) -> HttpResponse:
    """Pause, resume or cancel a job; `act` is from the address."""
    job = get_object_or_404(ingests(), pk=pk)
    service, done = _ACTS[act]
    try:
        service(job=job)
    except JobStateError:
        job.refresh_from_db()
        now = gettext("The job is in another state meanwhile: %(state)s.") % {
            "state": STATES[BackgroundJob.Status(job.status)]
        }
        messages.error(request, now)
    else:
        messages.success(request, done)
    return redirect("job", pk)


_ACTS: dict[str, tuple[Callable[..., object], _StrPromise]] = {
    "pause": (ingest_pause, _("Paused. Songs that a worker has begun are analysed to their end.")),
    "resume": (ingest_resume, _("The job goes on.")),
    "cancel": (
        ingest_cancel,
        _("Cancelled. Songs that were found stay in the library; try them again to analyse them."),
    ),
}


@staff_who_may(INGEST_PERMISSION)
@require_POST
def job_priority(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Move the songs of a job in the queue."""
    job = get_object_or_404(ingests(), pk=pk)
    priority = request.POST.get("priority", "")
    if priority not in PRIORITIES:
        messages.error(request, gettext("Choose a priority from the list."))
        return redirect("job", pk)
    try:
        ingest_prioritise(job=job, priority=priority)
    except JobStateError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, gettext("Its songs have another place in the queue now."))
    return redirect("job", pk)


@staff_who_may(INGEST_PERMISSION)
@require_POST
def job_retry(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Try one failed file of a job again, or all of them."""
    job = get_object_or_404(ingests(), pk=pk)
    try:
        again = failures_retry(job=job, path=request.POST.get("path", ""), user=account(request))
    except (JobStateError, PathError) as error:
        messages.error(request, str(error))
        return redirect("job", pk)
    messages.success(request, gettext("Tried again. Follow it here."))
    return redirect("job", again.pk)
