"""Tags of files: previewed, written and undone by workers; for staff."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from catalog.errors import JobStateError, TagWritingError
from catalog.tagwriting.jobs import (
    tag_preview_write,
    tag_run_cancel,
    tag_run_start,
    tag_run_undo,
)
from recommender import selectors
from recommender.access import INGEST_PERMISSION, JOBS_PERMISSION, is_staff_who_may
from recommender.web.managing import tag_choice_words, tag_heads, tag_rows, tag_state
from recommender.web.staff_forms import TagsForm
from recommender.web.views.base import account, page_of, staff_who_may

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.contrib.auth.models import User
    from django.http import HttpRequest, HttpResponse
    from django.utils.functional import _StrPromise

    from catalog.models import TagRun

_FILES_OF_A_PAGE: Final = 25


@staff_who_may(JOBS_PERMISSION)
@require_http_methods(["GET", "HEAD", "POST"])
def tags(request: HttpRequest) -> HttpResponse:
    """List the runs; take what to preview."""
    may_act = is_staff_who_may(request.user, INGEST_PERMISSION)
    form = TagsForm(request.POST or None)
    if request.method == "POST":
        if not may_act:
            raise PermissionDenied
        if form.is_valid():
            try:
                run = tag_run_start(choice=form.chosen(), is_preview=True, user=account(request))
            except TagWritingError as error:
                form.add_error(None, str(error))
            else:
                return redirect("tag-run", run.pk)
    page = page_of(request, selectors.tag_run_list())
    rows = [(run, tag_state(run)) for run in page]
    context = {"form": form, "page_obj": page, "rows": rows, "may_act": may_act}
    return render(request, "manage/tags.html", context)


@staff_who_may(JOBS_PERMISSION)
@require_safe
def tag_run(request: HttpRequest, pk: int) -> HttpResponse:
    run = get_object_or_404(selectors.tag_run_list(), pk=pk)
    context = {
        "run": run,
        "state": tag_state(run),
        "may_act": is_staff_who_may(request.user, INGEST_PERMISSION),
    }
    if "live" in request.GET:
        return render(request, "manage/_tag_run_live.html", context)
    page = page_of(request, selectors.tag_run_files(run), size=_FILES_OF_A_PAGE)
    heads = tag_heads(run)
    context |= {"page_obj": page, "heads": heads, "rows": tag_rows(page, heads)}
    context["choice"] = tag_choice_words(run)
    return render(request, "manage/tag_run.html", context)


@staff_who_may(INGEST_PERMISSION)
@require_POST
def tag_run_act(request: HttpRequest, pk: int, act: str) -> HttpResponse:
    """Write what a preview shows, undo a run, or cancel its job; `act` is from the address."""
    run = get_object_or_404(selectors.tag_run_list(), pk=pk)
    service, done = _ACTS[act]
    try:
        run = service(run, account(request))
    except TagWritingError as error:
        messages.error(request, str(error))
    except JobStateError:
        messages.error(request, gettext("Nothing goes on with this run any more."))
    else:
        messages.success(request, done)
    return redirect("tag-run", run.pk)


def _write(run: TagRun, user: User) -> TagRun:
    return tag_preview_write(preview=run, user=user)


def _undo(run: TagRun, user: User) -> TagRun:
    return tag_run_undo(run=run, user=user)


def _cancel(run: TagRun, user: User) -> TagRun:
    tag_run_cancel(run=run)
    return run


_ACTS: Final[dict[str, tuple[Callable[[TagRun, User], TagRun], _StrPromise]]] = {
    "write": (_write, _("The tags are being written. You may leave this page.")),
    "undo": (_undo, _("The files are being restored. You may leave this page.")),
    "cancel": (_cancel, _("Cancelled. It ends after the file at hand.")),
}
