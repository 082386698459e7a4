"""The libraries: where songs come from, how they are watched and scanned; for staff."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST

from catalog.errors import PathError, StoreAwayError, TagWritingError
from catalog.ingest.catalogue import catalogue_take
from catalog.ingest.libraries import (
    library_change,
    library_remove,
    library_rescan,
)
from catalog.ingest.tables import MAX_SENT_BYTES
from catalog.ingest.tablesongs import table_library, table_take
from catalog.models import Library
from catalog.paths import shown
from recommender import selectors
from recommender.access import (
    INGEST_PERMISSION,
    JOBS_PERMISSION,
    REMOVE_PERMISSION,
    is_staff_who_may,
)
from recommender.operations import watcher_away
from recommender.web.staff_forms import CatalogueForm, LibraryForm, TableForm
from recommender.web.views.base import account, staff_who_may

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse


@staff_who_may(JOBS_PERMISSION)
@require_http_methods(["GET", "HEAD"])
def libraries(request: HttpRequest) -> HttpResponse:
    return _page(request)


def _root_shown(library: Library) -> str:
    if not library.has_audio:
        return library.get_kind_display()
    return shown(library.path)


def _page(request: HttpRequest, form: LibraryForm | None = None, **more: object) -> HttpResponse:
    is_watcher_away = watcher_away() is not None
    rows = [
        {
            "library": library,
            "root": _root_shown(library),
            "form": form if form and form.library == library else LibraryForm(library),
            "is_open": bool(form and form.library == library),
            "is_unseen": is_watcher_away and library.watch != Library.Watch.OFF,
        }
        for library in selectors.library_list(with_all=True)
    ]
    context = {
        "rows": rows,
        "may_change": is_staff_who_may(request.user, INGEST_PERMISSION),
        **more,
        "may_remove": is_staff_who_may(request.user, REMOVE_PERMISSION),
    }
    return render(request, "manage/libraries.html", context)


@staff_who_may(INGEST_PERMISSION)
@require_http_methods(["GET", "HEAD", "POST"])
def library_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Change a library; a form with mistakes has this address, so a reload of it is answered."""
    if request.method != "POST":
        return redirect("libraries")
    library = _staying(pk)
    form = LibraryForm(library, request.POST)
    if not form.is_valid():
        return _page(request, form)
    try:
        library_change(library=library, chosen=form.chosen())
    except (PathError, TagWritingError) as error:
        form.add_error("watch" if isinstance(error, PathError) else "is_writable", str(error))
        return _page(request, form)
    messages.success(request, gettext("Saved. The watcher follows within seconds."))
    return redirect("libraries")


@staff_who_may(INGEST_PERMISSION)
@require_POST
def library_scan(request: HttpRequest, pk: int) -> HttpResponse:
    try:
        job = library_rescan(library=_staying(pk), user=account(request))
    except (PathError, StoreAwayError) as error:
        messages.error(request, str(error))
        return redirect("libraries")
    return redirect("job", job.pk)


@staff_who_may(INGEST_PERMISSION)
@require_http_methods(["GET", "HEAD", "POST"])
def library_catalogue(request: HttpRequest, pk: int) -> HttpResponse:
    """Correct and complete songs from a catalogue file; the page then says what came of it."""
    if request.method != "POST":
        return redirect("libraries")
    library = _staying(pk)
    form = CatalogueForm(request.POST, request.FILES)
    if not form.is_valid():
        problems = [problem for listed in form.errors.values() for problem in listed]
        return _page(request, of=library, wrong=problems[0])
    try:
        report = catalogue_take(library=library, **form.cleaned_data)
    except PathError as error:
        return _page(request, of=library, wrong=str(error))
    return _page(request, of=library, report=report)


library_catalogue.body_limit = MAX_SENT_BYTES  # type: ignore[attr-defined]


@staff_who_may(INGEST_PERMISSION)
@require_http_methods(["GET", "HEAD", "POST"])
def library_table(request: HttpRequest) -> HttpResponse:
    """Make songs without audio from a table; the page then says what came of it."""
    if request.method != "POST":
        return redirect("libraries")
    form = TableForm(request.POST, request.FILES)
    if not form.is_valid():
        problems = [problem for listed in form.errors.values() for problem in listed]
        return _page(request, of={"name": gettext("Songs without audio")}, wrong=problems[0])
    table = dict(form.cleaned_data)
    name = table.pop("name")
    try:
        library = table_library(name=name)
        report = table_take(library=library, **table)
    except PathError as error:
        return _page(request, of={"name": name}, wrong=str(error))
    return _page(request, of=library, table=report, report=report)


library_table.body_limit = MAX_SENT_BYTES  # type: ignore[attr-defined]


@staff_who_may(REMOVE_PERMISSION)
@require_POST
def library_leave(request: HttpRequest, pk: int) -> HttpResponse:
    library = get_object_or_404(Library, pk=pk)
    library_remove(library=library)
    done = gettext("%(name)s is being removed. Its files stay where they are.")
    messages.success(request, done % {"name": library.name})
    return redirect("libraries")


def _staying(pk: int) -> Library:
    return get_object_or_404(Library, pk=pk, is_going=False)
