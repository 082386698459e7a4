"""Saved stations: make one of a list, see its versions, change, refresh, restore, delete."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_POST, require_safe

from recommender import playlists, selectors
from recommender import stations as service
from recommender.terms import told
from recommender.throttles import words_limit
from recommender.web import queries
from recommender.web.forms import SavePlaylistForm, StationForm, VersionForm
from recommender.web.views.base import account, covers_set, in_listener_zone, page_of
from recommender.web.views.listed import drawn, marked_entries

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest

    from recommender.models import Station


@login_required
@require_safe
@in_listener_zone
def station_index(request: HttpRequest) -> HttpResponse:
    page = page_of(request, selectors.station_list(request.user))
    covers_set(page)
    return render(request, "stations.html", {"page_obj": page})


@login_required
@require_safe
@in_listener_zone
def station(request: HttpRequest, pk: UUID) -> HttpResponse:
    held = _own(request, pk)
    versions = list(selectors.station_versions(held))
    in_use = service.current_version(held)
    current = next((one for one in versions if one == in_use), None)
    rows = playlists.playlist_listed(current) if current else []
    context = {
        **drawn(marked_entries(request, rows)),
        "station": held,
        "current": current,
        "versions": versions,
        "form": StationForm(instance=held),
    }
    return render(request, "station.html", context)


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
        made = service.station_create(
            user=account(request),
            request=wanted,
            name=form.cleaned_data["name"] or playlists.playlist_name(wanted),
            time_zone=timezone.get_current_timezone_name(),
        )
    except ValueError as error:
        messages.error(request, str(error))
        return redirect("stations")
    _refresh(request, made)
    return redirect("station", made.pk)


@login_required
@require_POST
def station_change(request: HttpRequest, pk: UUID) -> HttpResponse:
    held = _own(request, pk)
    form = StationForm(request.POST, instance=held)
    if form.is_valid():
        try:
            service.station_change(station=held, fields=form.cleaned_data)
            messages.success(request, gettext("Changed."))
        except ValueError as error:
            messages.error(request, str(error))
    else:
        messages.error(request, str(queries.form_error(form)))
    return redirect("station", pk)


@login_required
@require_POST
def station_refresh(request: HttpRequest, pk: UUID) -> HttpResponse:
    _refresh(request, _own(request, pk))
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
