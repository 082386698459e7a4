"""Ingest: start a job and follow it; for staff."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from catalog.errors import FilesVanishedError, PathError
from catalog.ingest.run import ingest_start
from catalog.models import BackgroundJob
from recommender import selectors
from recommender.access import INGEST_PERMISSION, JOBS_PERMISSION, is_staff_who_may
from recommender.web.forms import IngestForm
from recommender.web.views.base import account, staff_who_may

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest, HttpResponse


@staff_who_may(JOBS_PERMISSION)
@require_http_methods(["GET", "HEAD", "POST"])
def ingest(request: HttpRequest) -> HttpResponse:
    form = IngestForm(request.POST or None)
    may_start = is_staff_who_may(request.user, INGEST_PERMISSION)
    if request.method == "POST" and not may_start:
        raise PermissionDenied
    if request.method == "POST" and form.is_valid():
        try:
            job = ingest_start(
                path=Path(form.cleaned_data["path"]),
                user=account(request),
                accept_empty=form.cleaned_data["accept_empty"],
            )
        except PathError as error:
            form.add_error("path", str(error))
        else:
            return redirect("ingest-job", job.pk)
    context = {
        "form": form,
        "may_start": may_start,
        "roots": settings.AFFETTI_CATALOG_ROOTS,
        "jobs": selectors.job_list().filter(kind=BackgroundJob.Kind.INGEST)[:20],
    }
    return render(request, "ingest.html", context)


@staff_who_may(JOBS_PERMISSION)
@require_safe
def ingest_job(request: HttpRequest, pk: UUID) -> HttpResponse:
    job = get_object_or_404(selectors.job_list(), pk=pk, kind=BackgroundJob.Kind.INGEST)
    detail = selectors.job_detail(job)
    context = {
        "job": job,
        "detail": detail,
        "may_accept": job.error_code == FilesVanishedError.code
        and is_staff_who_may(request.user, INGEST_PERMISSION),
    }
    return render(request, "job.html", context)
