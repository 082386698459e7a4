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

from recommender import playlists, selectors
from recommender.auth import takes_token
from recommender.exports import FORMATS
from recommender.feedback import marks_of_songs
from recommender.models import Scope
from recommender.playlists.request import MAX_SEED
from recommender.throttles import words_limit
from recommender.web import charts, last_target, queries
from recommender.web.forms import PlaylistNameForm, PlaylistTuningForm, SavePlaylistForm
from recommender.web.presentation import Entry, reason_numbers
from recommender.web.views.base import account, page_of

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest

    from recommender.models import Playlist


def _generate(request: HttpRequest, query: QueryDict) -> playlists.GeneratedPlaylist:
    """Return the list that a query of /playlist asks for; PlaylistRequestError if it cannot be."""
    wanted = queries.query_request(query)
    words = playlists.worded(wanted)
    if words.needs_network:
        words_limit(request)
    return playlists.playlist_generate(request=wanted, user=request.user, words=words)


@require_safe
def playlist(request: HttpRequest) -> HttpResponse:
    """Show the list that the query asks for; the address carries the seed, so it can be shared."""
    if not request.GET.get("seed"):
        query = QueryDict(mutable=True)
        for name, values in request.GET.lists():
            query.setlist(name, [value for value in values if value])
        query["seed"] = str(secrets.randbelow(MAX_SEED))
        last_target.add_to(query, request)
        return HttpResponseRedirect(f"{reverse('playlist')}?{query.urlencode()}")
    generated = _generate(request, request.GET)
    again = request.GET.copy()
    del again["seed"]
    context = {
        "name": playlists.playlist_name(generated.request),
        "notes": generated.notes,
        "understood": [part.to_json() for part in generated.understood],
        "query": request.GET.urlencode(),
        "again_query": again.urlencode(),
        "weaker_query": queries.weaker_query(request.GET) if generated.weaker_left_out else "",
        "exports": [
            (form.name, f"{reverse(f'playlist-{suffix}')}?{request.GET.urlencode()}")
            for suffix, form in FORMATS.items()
        ],
    }
    response = _render_playlist(request, generated, request.GET, context)
    last_target.keep(response, generated)
    return response


@login_required
@require_safe
def saved_playlist(request: HttpRequest, pk: UUID) -> HttpResponse:
    kept = get_object_or_404(selectors.playlist_list(request.user), pk=pk)
    query = queries.kept_query(kept)
    context = {
        "name": kept.name,
        "playlist": kept,
        "notes": [*kept.notes, *playlists.gone_notes(kept)],
        "understood": kept.understood,
        "again_query": query.urlencode(),
        "exports": [
            (form.name, reverse("api:playlist-export", kwargs={"pk": kept.pk, "suffix": suffix}))
            for suffix, form in FORMATS.items()
        ],
    }
    return _render_playlist(request, kept, query, context)


def _render_playlist(
    request: HttpRequest,
    listed: playlists.GeneratedPlaylist | Playlist,
    query: QueryDict,
    context: dict[str, Any],
) -> HttpResponse:
    rows = playlists.playlist_listed(listed)
    marks = marks_of_songs(user=request.user, song_ids=[row.song.pk for row in rows])
    entries = [
        Entry(
            row.song,
            row.score,
            row.reason["sentence"],
            reason_numbers(row.score, row.reason),
            marks[row.song.pk],
        )
        for row in rows
    ]
    context |= {
        "entries": entries,
        "total_seconds": sum(entry.song.duration_seconds or 0 for entry in entries),
        "path": charts.path_dots(entries),
        "kept_fields": queries.kept_fields(query),
        "tune_fields": list(PlaylistTuningForm(initial=query.dict())),
    }
    return render(request, "playlist.html", context)


@takes_token(Scope.PLAYLISTS)
@require_safe
def playlist_download(request: HttpRequest, suffix: str) -> HttpResponse:
    """Answer with the list of /playlist under the same query, as a file."""
    generated = _generate(request, request.GET)
    text = FORMATS[suffix].write(
        playlists.playlist_listed(generated),
        location=lambda song: request.build_absolute_uri(reverse("song-audio", args=[song.pk])),
        name=playlists.playlist_name(generated.request),
    )
    headers = {"Content-Disposition": f'attachment; filename="playlist.{suffix}"'}
    content_type = f"{FORMATS[suffix].media_type}; charset=utf-8"
    return HttpResponse(text, content_type=content_type, headers=headers)


@login_required
@require_safe
def playlist_index(request: HttpRequest) -> HttpResponse:
    page = page_of(request, selectors.playlists_saved(request.user))
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
