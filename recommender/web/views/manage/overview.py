"""The first page of Manage: what is going on, and what needs somebody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.shortcuts import render
from django.views.decorators.http import require_safe

from catalog.models import IngestFailure
from catalog.versions import version_serving
from recommender import selectors
from recommender.access import INGEST_PERMISSION, JOBS_PERMISSION, is_staff_who_may
from recommender.index import index_status
from recommender.library import LibraryQuery, library_states
from recommender.web.managing import jobs_shown
from recommender.web.views.base import staff_who_may
from recommender.web.views.manage.jobs import ingests

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

_NEWEST_JOBS = 5


@staff_who_may(JOBS_PERMISSION)
@require_safe
def manage(request: HttpRequest) -> HttpResponse:
    states = {one.value: one.count for one in library_states(LibraryQuery())}
    context = {
        **jobs_shown(ingests()[:_NEWEST_JOBS]),
        "states": states,
        "song_count": selectors.song_list().count(),
        "unread_files": IngestFailure.objects.exclude(code=IngestFailure.REMOVED).count(),
        "index": index_status(),
        "serving": version_serving(),
        "may_act": is_staff_who_may(request.user, INGEST_PERMISSION),
    }
    template = "manage/_overview_live.html" if "live" in request.GET else "manage/overview.html"
    return render(request, template, context)
