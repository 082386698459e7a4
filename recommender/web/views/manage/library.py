"""The songs of the library: find, correct and remove many at once; for staff."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.contrib import messages
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext, ngettext_lazy
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe

from catalog.ingest.editing import songs_correct, songs_remove, songs_restore
from catalog.work.queue import songs_analyse_again
from recommender.access import is_staff_who_may
from recommender.library import (
    LibraryQuery,
    library_count,
    library_facets,
    library_page,
    library_songs,
)
from recommender.web.presentation import grouped
from recommender.web.staff_forms import CorrectSongsForm, SelectedSongsForm
from recommender.web.views.base import staff_who_may

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse
    from django.utils.functional import _StrPromise

    from recommender.library import FacetValue

VIEW_PERMISSION: Final = "catalog.view_song"
CHANGE_PERMISSION: Final = "catalog.change_song"
DELETE_PERMISSION: Final = "catalog.delete_song"
MOST_AT_ONCE: Final = 1000
"""Songs that one request changes."""


@staff_who_may(VIEW_PERMISSION)
@require_safe
def library(request: HttpRequest) -> HttpResponse:
    query = LibraryQuery.of(request.GET.dict())
    page = library_page(query, after=request.GET.get("after", ""))
    context = {
        "songs": page.songs,
        "query": query,
        "words": urlencode(query.words()),
        "after": page.after,
        "may_change": is_staff_who_may(request.user, CHANGE_PERMISSION),
        "may_delete": is_staff_who_may(request.user, DELETE_PERMISSION),
    }
    if "rows" in request.GET:
        return render(request, "manage/_song_rows.html", context)
    facets = library_facets(query)
    context |= {
        "count": library_count(query),
        "facets": _facets_shown(query, facets),
        "has_years": any(one.value.isdigit() for one in facets["decade"]),
        "correction": CorrectSongsForm(),
        "most_at_once": MOST_AT_ONCE,
    }
    return render(request, "manage/songs.html", context)


_FACET_NAMES: Final = {
    "state": _("State"),
    "genre": _("Genre"),
    "decade": _("Decade"),
    "folder": _("Folder"),
}


def _facets_shown(
    query: LibraryQuery, found: dict[str, list[FacetValue]]
) -> list[tuple[str, str, list[dict[str, object]]]]:
    """Return each facet, its name and values; each value has the query that turns it on or off."""
    words = query.words()
    facets = []
    for name, values in found.items():
        shown = []
        for one in values:
            is_on = words.get(name) == one.value
            others = {key: word for key, word in words.items() if key != name}
            address = urlencode(others if is_on else others | {name: one.value})
            shown.append(
                {"label": one.label, "count": one.count, "is_on": is_on, "address": address}
            )
        facets.append((name, str(_FACET_NAMES[name]), shown))
    return facets


@staff_who_may(CHANGE_PERMISSION)
@require_POST
def songs_edit(request: HttpRequest) -> HttpResponse:
    form = CorrectSongsForm(request.POST)
    if not form.is_valid():
        field = next(iter(form.errors))
        problem = gettext("Nothing was changed. %(field)s: %(problem)s")
        values = {"field": form[field].label, "problem": form.errors[field][0]}
        messages.error(request, problem % values)
        return _back(request)
    changes = form.changes()
    return _change(
        request,
        lambda ids: songs_correct(song_ids=ids, changes=changes),
        ngettext_lazy("%(count)s song corrected.", "%(count)s songs corrected.", "number"),
    )


@staff_who_may(CHANGE_PERMISSION)
@require_POST
def songs_reanalyse(request: HttpRequest) -> HttpResponse:
    return _change(
        request,
        lambda ids: songs_analyse_again(song_ids=ids),
        ngettext_lazy(
            "%(count)s song analysed again soon.", "%(count)s songs analysed again soon.", "number"
        ),
    )


@staff_who_may(DELETE_PERMISSION)
@require_POST
def songs_delete(request: HttpRequest) -> HttpResponse:
    return _change(
        request,
        lambda ids: songs_remove(song_ids=ids),
        ngettext_lazy(
            "%(count)s song removed from the library. "
            "It stays away, wherever an ingest finds its file. "
            "The file is where it was; put the song back under Removed.",
            "%(count)s songs removed from the library. "
            "They stay away, wherever an ingest finds their files. "
            "The files are where they were; put the songs back under Removed.",
            "number",
        ),
    )


@staff_who_may(DELETE_PERMISSION)
@require_POST
def songs_undelete(request: HttpRequest) -> HttpResponse:
    return _change(
        request,
        lambda ids: songs_restore(song_ids=ids),
        ngettext_lazy(
            "%(count)s song back in the library.", "%(count)s songs back in the library.", "number"
        ),
    )


def _change(
    request: HttpRequest, service: Callable[[list[int]], int], done: _StrPromise
) -> HttpResponse:
    """Do something with the selected songs, or with all that the query finds."""
    form = SelectedSongsForm(request.POST)
    if not form.is_valid():
        messages.error(request, gettext("Nothing was changed. Select songs first."))
        return _back(request)
    ids = form.cleaned_data["song"]
    if form.cleaned_data["all"]:
        found = library_songs(LibraryQuery.of(request.POST.dict()))
        ids = list(found.values_list("pk", flat=True)[: MOST_AT_ONCE + 1])
    if len(ids) > MOST_AT_ONCE:
        narrow = gettext("Nothing was changed. Narrow the list to %(most)d songs first.")
        messages.error(request, narrow % {"most": MOST_AT_ONCE})
        return _back(request)
    count = service(ids)
    messages.success(request, done % {"number": count, "count": grouped(count)})
    return _back(request)


def _back(request: HttpRequest) -> HttpResponse:
    """Return to the list with the same query."""
    words = LibraryQuery.of(request.POST.dict()).words()
    return redirect(f"{reverse('manage-songs')}?{urlencode(words)}")
