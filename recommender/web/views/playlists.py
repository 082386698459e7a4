"""Playlists: make, show, keep, rename, delete, export."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from recommender import selectors
from recommender.exports.m3u8 import playlist_m3u8
from recommender.playlists import generate as playlists
from recommender.playlists.request import MAX_SEED, PlaylistRequest
from recommender.web import charts, queries
from recommender.web.forms import PlaylistNameForm, PlaylistQueryForm, SavePlaylistForm
from recommender.web.presentation import Entry
from recommender.web.views.base import account, page_of

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest


def _generate(request: HttpRequest, query: QueryDict) -> playlists.GeneratedPlaylist:
    """Return the list that a query of /playlist asks for; PlaylistRequestError if it cannot be."""
    form = PlaylistQueryForm(query)
    if not form.is_valid():
        raise queries.form_error(form)
    return playlists.playlist_generate(
        request=PlaylistRequest.from_json(form.request_json(query)),
        user=request.user,
    )


@require_safe
def playlist(request: HttpRequest) -> HttpResponse:
    """Show the list that the query asks for; the address carries the seed, so it can be shared."""
    if not request.GET.get("seed"):
        query = QueryDict(mutable=True)
        for name, values in request.GET.lists():
            query.setlist(name, [value for value in values if value])
        query["seed"] = str(secrets.randbelow(MAX_SEED))
        return HttpResponseRedirect(f"{reverse('playlist')}?{query.urlencode()}")
    generated = _generate(request, request.GET)
    again = request.GET.copy()
    del again["seed"]
    by_id = selectors.songs_by_id(entry.song_id for entry in generated.entries)
    entries = [
        Entry(by_id[entry.song_id], entry.score, entry.reason["sentence"])
        for entry in generated.entries
        if entry.song_id in by_id
    ]
    context = {
        "name": playlists.playlist_name(generated.request),
        "notes": generated.notes,
        "query": request.GET.urlencode(),
        "again_query": again.urlencode(),
        "export_url": f"{reverse('playlist-m3u8')}?{request.GET.urlencode()}",
    }
    return _render_playlist(request, entries, request.GET, context)


@login_required
@require_safe
def saved_playlist(request: HttpRequest, pk: UUID) -> HttpResponse:
    kept = get_object_or_404(selectors.playlist_list(request.user), pk=pk)
    rows = list(playlists.playlist_entries(playlist=kept))
    by_id = selectors.songs_by_id(row.song_id for row in rows)
    entries = [
        Entry(by_id[row.song_id], row.score, row.reason["sentence"])
        for row in rows
        if row.song_id in by_id
    ]
    query = queries.request_query(PlaylistRequest.from_json(kept.request))
    context = {
        "name": kept.name,
        "playlist": kept,
        "notes": kept.notes,
        "again_query": query.urlencode(),
        "export_url": reverse("api:playlist-export", args=[kept.pk]),
    }
    return _render_playlist(request, entries, query, context)


def _render_playlist(
    request: HttpRequest,
    entries: list[Entry],
    query: QueryDict,
    context: dict[str, Any],
) -> HttpResponse:
    tuning = PlaylistQueryForm(initial=query.dict())
    context |= {
        "entries": entries,
        "total_seconds": sum(entry.song.duration_seconds or 0 for entry in entries),
        "path": charts.path_dots(entries),
        "kept_fields": queries.kept_fields(query),
        "tune_fields": [tuning[name] for name in PlaylistQueryForm.TUNING],
    }
    return render(request, "playlist.html", context)


@require_safe
def playlist_download(request: HttpRequest) -> HttpResponse:
    """Answer with the list of /playlist under the same query, as an M3U8 file."""
    generated = _generate(request, request.GET)
    by_id = selectors.songs_by_id(entry.song_id for entry in generated.entries)
    text = playlist_m3u8(
        songs=[by_id[entry.song_id] for entry in generated.entries if entry.song_id in by_id],
        location=lambda song: request.build_absolute_uri(reverse("song-audio", args=[song.pk])),
        name=playlists.playlist_name(generated.request),
    )
    headers = {"Content-Disposition": 'attachment; filename="playlist.m3u8"'}
    return HttpResponse(text, content_type="audio/x-mpegurl; charset=utf-8", headers=headers)


@login_required
@require_safe
def playlist_index(request: HttpRequest) -> HttpResponse:
    page = page_of(request, selectors.playlist_list(request.user))
    return render(request, "playlists.html", {"page_obj": page})


@login_required
@require_POST
def playlist_save(request: HttpRequest) -> HttpResponse:
    form = SavePlaylistForm(request.POST)
    if not form.is_valid():
        raise queries.form_error(form)
    generated = _generate(request, QueryDict(form.cleaned_data["query"]))
    kept = playlists.playlist_save(
        user=account(request), generated=generated, name=form.cleaned_data["name"]
    )
    messages.success(request, "Saved.")
    return redirect("saved-playlist", kept.pk)


@login_required
@require_POST
def playlist_rename(request: HttpRequest, pk: UUID) -> HttpResponse:
    kept = get_object_or_404(selectors.playlist_list(request.user), pk=pk)
    form = PlaylistNameForm(request.POST, instance=kept)
    if form.is_valid():
        form.save()
        messages.success(request, "Renamed.")
    else:
        messages.error(request, str(queries.form_error(form)))
    return redirect("saved-playlist", kept.pk)


@login_required
@require_POST
def playlist_delete(request: HttpRequest, pk: UUID) -> HttpResponse:
    kept = get_object_or_404(selectors.playlist_list(request.user), pk=pk)
    kept.delete()
    messages.success(request, f"{kept.name} is deleted.")
    return redirect("playlists")
