"""Saved stations: make one of a list, see its versions, change, refresh, restore, delete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from recommender import playlists, selectors
from recommender import stations as service
from recommender.error_answers import error_answer
from recommender.errors import PlaylistRequestError
from recommender.models import Station
from recommender.moods import mood_find
from recommender.playlists import PlaylistRequest
from recommender.search import song_titled
from recommender.terms import told
from recommender.throttles import words_limit
from recommender.web import charts, queries
from recommender.web.chips import chipped
from recommender.web.forms import NewStationForm, SavePlaylistForm, StationForm, VersionForm
from recommender.web.views.base import account, covers_set, in_listener_zone, page_of
from recommender.web.views.listed import drawn, exports, marked_entries

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from django.http import HttpRequest


@login_required
@require_safe
@in_listener_zone
def station_index(request: HttpRequest) -> HttpResponse:
    page = page_of(request, selectors.station_list(request.user))
    covers_set(page)
    context = {"page_obj": page, "new_station": NewStationForm()}
    return render(request, "stations.html", context)


@login_required
@require_safe
@in_listener_zone
def station(request: HttpRequest, pk: UUID) -> HttpResponse:
    held = _own(request, pk)
    versions = list(selectors.station_versions(held))
    in_use = service.current_version(held)
    current = next((one for one in versions if one == in_use), None)
    rows = playlists.playlist_listed(current) if current else []
    chips, entries = chipped(marked_entries(request, rows))
    takes_weaker = service.takes_weaker(held)
    context = {
        **drawn(entries),
        "chips": chips,
        "path": charts.path_dots(entries),
        "station": held,
        "sentence": queries.kept_sentence(held),
        "again_query": queries.kept_query(held).urlencode(),
        "notes": [told(note) for note in (*held.notes, *(current.notes if current else ()))],
        "takes_weaker": takes_weaker,
        "has_weaker": service.has_weaker(held, current),
        "current": current,
        "exports": exports(current) if current else [],
        "versions": versions,
        "form": StationForm(instance=held, initial={"takes_weaker": takes_weaker}),
    }
    return render(request, "station.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@in_listener_zone
def station_new(request: HttpRequest) -> HttpResponse:
    """Make a station of moods and words; one whose first list cannot be made is not kept."""
    form = NewStationForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = _create_of(request, form.cleaned_data)
        except PlaylistRequestError as error:
            form.add_error(None, error_answer(error).message)
        except ValueError as error:
            form.add_error(None, str(error))
        else:
            if service.station_refresh(station=made):
                return redirect("station", made.pk)
            made.delete()
            form.add_error(None, " ".join(map(told, made.notes[1:] or made.notes)))
    response = render(request, "station_new.html", {"new_station": form})
    response["HX-Push-Url"] = reverse("station-new")  # the form may be on another page
    return response


def _create_of(request: HttpRequest, data: Mapping[str, Any]) -> Station:
    """Make a station of moods and words; words that are the title of a song mean songs like it."""
    query = QueryDict(mutable=True)
    query.setlist("mood", data["mood"])
    song = None if mood_find(data["text"]) else song_titled(data["text"])
    if song:
        query["like"] = str(song.pk)
    elif data["text"]:
        query["text"] = data["text"]
    if data["takes_weaker"]:
        query[PlaylistRequest.min_match.word] = "0"
    wanted = queries.query_request(query)
    if playlists.worded(wanted).needs_network:
        words_limit(request)
    schedule = data["schedule"] or Station.Schedule.BY_HAND
    return _create(request, wanted, name=data["name"], schedule=schedule)


@login_required
@require_POST
@in_listener_zone
def station_save(request: HttpRequest) -> HttpResponse:
    """Make a station of the query of a list, and its first version."""
    form = SavePlaylistForm(request.POST)
    if not form.is_valid():
        raise queries.form_error(form)
    wanted = queries.query_request(QueryDict(form.cleaned_data["query"]))
    try:
        made = _create(request, wanted, name=form.cleaned_data["name"])
    except ValueError as error:
        messages.error(request, str(error))
        return redirect("stations")
    _refresh(request, made)
    return redirect("station", made.pk)


def _create(request: HttpRequest, wanted: PlaylistRequest, *, name: str, **fields: str) -> Station:
    return service.station_create(
        user=account(request),
        request=wanted,
        name=name or playlists.playlist_name(wanted),
        time_zone=timezone.get_current_timezone_name(),
        **fields,
    )


@login_required
@require_POST
def station_change(request: HttpRequest, pk: UUID) -> HttpResponse:
    held = _own(request, pk)
    form = StationForm(request.POST, instance=held)
    if form.is_valid():
        fields = dict(form.cleaned_data)
        fields["request"] = service.with_weaker(held, takes=fields.pop("takes_weaker"))
        try:
            service.station_change(station=held, fields=fields)
            messages.success(request, gettext("Changed."))
        except ValueError as error:
            messages.error(request, str(error))
    else:
        messages.error(request, str(queries.form_error(form)))
    return redirect("station", pk)


@login_required
@require_POST
def station_refresh(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Make a new version; `weaker` says whether this and later ones take weaker matches."""
    held = _own(request, pk)
    if weaker := request.POST.get("weaker"):
        fields = {"request": service.with_weaker(held, takes=weaker == "yes")}
        service.station_change(station=held, fields=fields)
    _refresh(request, held)
    return redirect("station", pk)


@login_required
@require_POST
def station_restore(request: HttpRequest, pk: UUID) -> HttpResponse:
    held = _own(request, pk)
    form = VersionForm(request.POST)
    if not form.is_valid():
        raise queries.form_error(form)
    version = form.cleaned_data["version"]
    if not service.station_restore(station=held, version=version):
        raise Http404(gettext("The station has no such version."))
    messages.success(
        request, gettext("Version %(number)d is the current one.") % {"number": version}
    )
    return redirect("station", pk)


@login_required
@require_POST
def station_delete(request: HttpRequest, pk: UUID) -> HttpResponse:
    held = _own(request, pk)
    held.delete()
    messages.success(request, gettext("%(name)s is deleted.") % {"name": held.name})
    return redirect("stations")


def _own(request: HttpRequest, pk: UUID) -> Station:
    return get_object_or_404(selectors.station_list(request.user), pk=pk)


def _refresh(request: HttpRequest, held: Station) -> None:
    if service.needs_network(held):
        words_limit(request)
    if service.station_refresh(station=held):
        made = gettext("Version %(number)d is made.") % {"number": held.version}
        messages.success(request, made)
    else:
        messages.error(request, " ".join(map(told, held.notes)))
