"""Playlists that are not kept: make one, show it, change it by hand, export it."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Final

from django.http import HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from recommender import playlists, selectors
from recommender.auth import takes_token
from recommender.error_answers import error_answer
from recommender.errors import PlaylistRequestError
from recommender.exports import FORMATS
from recommender.models import Scope
from recommender.playlists.request import MAX_SEED
from recommender.search import songs_search
from recommender.terms import meant, told
from recommender.throttles import words_limit
from recommender.web import charts, last_target, queries
from recommender.web.forms import EditQueryForm, PlaylistTuningForm
from recommender.web.views.listed import marked_entries, playlist_file, playlist_page

if TYPE_CHECKING:
    from django.http import HttpRequest

_MOODS: Final = frozenset({"mood", "journey"})
"""Inputs in which people type moods in their language; an address has the English names."""
_FOUND: Final = 8
_MAX_FIND: Final = 200


def generate(request: HttpRequest, query: QueryDict) -> playlists.GeneratedPlaylist:
    """Return the list that a query of /playlist asks for; PlaylistRequestError if it cannot be."""
    return generate_wanted(request, queries.query_request(query))


def generate_wanted(
    request: HttpRequest, wanted: playlists.PlaylistRequest
) -> playlists.GeneratedPlaylist:
    """Return the list that somebody wants; words count against the rate of networks."""
    words = playlists.worded(wanted)
    if words.needs_network:
        words_limit(request)
    return playlists.playlist_generate(request=wanted, user=request.user, words=words)


@require_safe
def playlist(request: HttpRequest) -> HttpResponse:
    """Show the list that the query asks for; the address carries the seed, so it can be shared."""
    if not request.GET.get("seed"):
        return HttpResponseRedirect(f"{reverse('playlist')}?{_seeded(request).urlencode()}")
    try:
        edits = queries.query_edits(request.GET)
        generated = generate(request, request.GET)
    except PlaylistRequestError as error:
        return _refused(request, error)
    rows = playlists.playlist_edited(playlists.playlist_listed(generated), edits)
    again = queries.again_query(request.GET)
    context = _generated_context(generated, request.GET) | {
        "sentence": playlists.playlist_sentence(generated.request),
        "weaker_count": generated.weaker_left_out,
        "edit_url": reverse("playlist-edit"),
        "can_undo": bool(edits),
        "exports": [
            (form.name, f"{reverse(f'playlist-{suffix}')}?{request.GET.urlencode()}")
            for suffix, form in FORMATS.items()
        ],
    }
    response = playlist_page(request, rows, again, context)
    last_target.keep(response, generated)
    return response


@require_safe
def playlist_panel(request: HttpRequest) -> HttpResponse:
    """Show the list that the query asks for as a part of a page, beside the map."""
    query = _seeded(request)
    generated = generate(request, query)
    entries = marked_entries(request, playlists.playlist_listed(generated))
    context = _generated_context(generated, query) | {
        "entries": entries,
        "total_seconds": sum(entry.song.duration_seconds or 0 for entry in entries),
        "page_query": query.urlencode(),
        "path": charts.path_dots(entries),
        "is_journey": bool(generated.request.journey),
    }
    response = render(request, "_panel.html", context)
    last_target.keep(response, generated)
    return response


def _seeded(request: HttpRequest) -> QueryDict:
    """Return the query of a request without empty values, with a seed and the last target."""
    query = QueryDict(mutable=True)
    for name, values in request.GET.lists():
        given = [value for value in values if value]
        query.setlist(name, list(map(meant, given)) if name in _MOODS else given)
    if not query.get("seed"):
        query["seed"] = str(secrets.randbelow(MAX_SEED))
        last_target.add_to(query, request)
    return query


def _generated_context(generated: playlists.GeneratedPlaylist, query: QueryDict) -> dict[str, Any]:
    return {
        "name": playlists.playlist_name(generated.request),
        "notes": [told(note) for note in generated.notes],
        "understood": queries.understood_shown(generated, query),
        "query": query.urlencode(),
        "again_query": queries.again_query(query).urlencode(),
        "weaker_query": queries.weaker_query(query) if generated.weaker_left_out else "",
    }


@require_POST
def playlist_edit(request: HttpRequest) -> HttpResponse:
    """Lead to the list of a query after one more change by hand, or one less."""
    form = EditQueryForm(request.POST)
    if not form.is_valid():
        raise queries.form_error(form)
    query = QueryDict(form.cleaned_data["query"], mutable=True)
    words = query.getlist("edit")
    edit = form.cleaned_data["edit"]
    query.setlist("edit", words[:-1] if edit == "undo" else [*words, edit])
    queries.query_edits(query)
    return HttpResponseRedirect(f"{reverse('playlist')}?{query.urlencode()}")


@require_safe
def songs_found(request: HttpRequest) -> HttpResponse:
    """Answer with the part of a list's page that offers songs to add."""
    text = request.GET.get("find", "")[:_MAX_FIND].strip()
    songs, _ = songs_search(selectors.song_list(), text)
    found = songs.order_by("title", "pk")[:_FOUND] if text else []
    return render(request, "_songs_found.html", {"found": found, "text": text})


def _refused(request: HttpRequest, error: PlaylistRequestError) -> HttpResponse:
    """Say why there is no list, keep what was asked for, and offer what to leave out."""
    answer = error_answer(error)
    again = queries.again_query(request.GET)
    context = {
        "heading": answer.heading,
        "message": answer.message,
        "text": request.GET.get("text", ""),
        "kept_fields": [pair for pair in queries.kept_fields(again) if pair[0] != "text"],
        "tune_fields": list(PlaylistTuningForm(initial=again.dict())),
        "ways_out": queries.ways_out_of(error, again, request.user),
    }
    response = render(request, "playlist_refused.html", context, status=answer.status)
    for name, value in answer.headers.items():
        response[name] = value
    return response


@takes_token(Scope.PLAYLISTS)
@require_safe
def playlist_download(request: HttpRequest, suffix: str) -> HttpResponse:
    """Answer with the list of /playlist under the same query, as a file."""
    generated = generate(request, request.GET)
    rows = playlists.playlist_listed(generated)
    return playlist_file(
        request,
        playlists.playlist_edited(rows, queries.query_edits(request.GET)),
        suffix,
        name=playlists.playlist_name(generated.request),
    )
