"""Calls that make a list: from words, from songs to resemble or not, from what was heard."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from django.db.models import Prefetch
from django.utils.translation import gettext
from rest_framework.exceptions import ParseError
from rest_framework.response import Response

from catalog.models import Artist
from recommender import selectors
from recommender.audiomuse.calls import Ask, call
from recommender.audiomuse.parameters import artist_id, song_id
from recommender.audiomuse.tracks import tracks_by_id, tracks_measured, tracks_ranked
from recommender.errors import PlaylistErrorCode, PlaylistRequestError
from recommender.models import PlaylistEntry, Scope
from recommender.moods import mood_find
from recommender.playlists import (
    PlaylistRequest,
    playlist_by_hand,
    playlist_generate,
    worded,
)
from recommender.playlists.edits import MAX_ENTRIES
from recommender.playlists.request import MAX_COUNT
from recommender.throttles import words_limit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from recommender.playlists import GeneratedPlaylist

_SHORTEST: Final = 3
_FOUND: Final = 100
_BLENDED: Final = 50
_FINGERPRINT: Final = 40
_NAME: Final = 200
_LISTS: Final = 100
_NEAREST: Final = {"min_match": 0.0}
"""The nearest songs, however far they are: each is told with its distance."""
_MOST_OF: Final = {"song": 50, "artist": 10, "mood": 10}
"""Items of a blend, as many as a request for a list takes."""
_SIGNS: Final = {"ADD": 1.0, "SUBTRACT": -1.0}


@call("POST", "api/clap/search")
def clap_search(ask: Ask) -> dict[str, Any]:
    """Return the songs that match a description, the best first."""
    query = ask.parameters.text("query")
    if len(query) < _SHORTEST:
        raise ParseError(gettext("The query must have at least 3 characters."))
    # One plugin for Lyrion sends n in place of limit.
    count = ask.parameters.size("limit", ask.parameters.number("n", _FOUND), MAX_COUNT)
    made = _of_words(ask, query, count, diversity=0.0, artist_spacing=0, max_per_artist=count)
    found = {entry.song_id: entry.score for entry in made.entries} if made else {}
    best = dict(sorted(found.items(), key=lambda one: (-one[1], one[0])))
    results = tracks_measured(best, "similarity")
    return {"query": query, "results": results, "count": len(results)}


def _of_words(ask: Ask, text: str, count: int, **choice: float) -> GeneratedPlaylist | None:
    """Return a list of words; None if no song matches them."""
    request = PlaylistRequest(text=text, count=count, **choice)
    words = worded(request)
    if words.needs_network:
        words_limit(ask.request)
    try:
        return playlist_generate(request=request, user=ask.user, words=words)
    except PlaylistRequestError as error:
        if error.code == PlaylistErrorCode.NO_SONG_MATCHES:
            return None
        raise


@call("POST", "chat/api/chatPlaylist")
def chat_playlist(ask: Ask) -> dict[str, Any]:
    """Return a list of words. No language model reads them: Affetti has rules of its own."""
    words = ask.parameters.text("userInput")
    if not words:
        raise ParseError(gettext("The parameter %(name)s is missing.") % {"name": "userInput"})
    made = _of_words(ask, words, ask.parameters.size("n", _BLENDED, MAX_COUNT))
    entries = made.entries if made else ()
    rows = tracks_by_id(entry.song_id for entry in entries)
    answer = {
        "message": "\n".join(made.notes if made else (gettext("No song matches these words."),)),
        "original_request": words,
        "ai_provider_used": "NONE",
        "ai_model_selected": "",
        "executed_query": None,
        "query_results": [
            {**rows[entry.song_id], "artist": rows[entry.song_id]["author"]}
            for entry in entries
            if entry.song_id in rows
        ],
    }
    return {"response": answer}


@call("GET", "chat/api/config_defaults")
def chat_config_defaults(_ask: Ask) -> dict[str, Any]:
    return {"default_ai_provider": "NONE"}


@call("POST", "api/alchemy")
def alchemy(ask: Ask) -> dict[str, Any]:
    """Return songs that resemble some songs, artists and moods, and do not resemble others."""
    wanted: dict[str, list[Any]] = {"song_ids": [], "artists": [], "moods": []}
    items = _items(ask)
    _count_check(items)
    for item in items:
        name, value = _ingredient(item)
        wanted[name].append(value)
    if not any(value[1] > 0 for values in wanted.values() for value in values):
        raise ParseError(gettext("Send at least one item with the op ADD."))
    fields = {name: tuple(values) for name, values in wanted.items() if values}
    count = ask.parameters.size("n", _BLENDED, MAX_COUNT)
    made = playlist_generate(
        request=PlaylistRequest(count=count, **_NEAREST, **fields), user=ask.user
    )
    results = tracks_ranked(made)
    return {"results": results, "filtered_out": [], "centroid_2d": None}


def _items(ask: Ask) -> list[Mapping[str, Any]]:
    """Return the items of a blend; older clients send two lists of songs."""
    songs = [
        {"id": one, "op": op}
        for name, op in (("add", "ADD"), ("sub", "SUBTRACT"))
        for one in ask.parameters.listed(name, most=MAX_ENTRIES)
    ]
    items = [*ask.parameters.listed("items", most=MAX_ENTRIES), *songs]
    if not all(isinstance(item, Mapping) for item in items):
        raise ParseError(gettext("Each item must be an object with id and op."))
    return items


def _count_check(items: list[Mapping[str, Any]]) -> None:
    """Raise ParseError if there is more of a kind than a list is made of: each costs a query."""
    for kind, most in _MOST_OF.items():
        if sum(item.get("type", "song") == kind for item in items) > most:
            raise ParseError(
                gettext("Send at most %(most)s items of the type %(kind)s.")
                % {"most": most, "kind": kind}
            )


def _ingredient(item: Mapping[str, Any]) -> tuple[str, tuple[int | str, float]]:
    """Return the field of a request and the value that an item of a blend stands for."""
    weight = _SIGNS.get(str(item.get("op", "")).upper())
    kind, of = item.get("type", "song"), item.get("id")
    if weight is None or isinstance(of, bool) or not isinstance(of, str | int):
        raise ParseError(gettext("Each item must be an object with id and op."))
    if kind == "song":
        return "song_ids", (song_id(of), weight)
    if kind == "artist":
        return "artists", (_artist_name(str(of)), weight)
    if kind == "mood" and (mood := mood_find(str(of))):
        return "moods", (mood.name, weight)
    raise ParseError(
        gettext("Affetti blends songs, artists and moods, and no %(kind)s “%(id)s”.")
        % {"kind": str(kind)[:20], "id": str(of)[:60]}
    )


def _artist_name(text: str) -> str:
    pk = artist_id(text)
    found = Artist.objects.filter(pk=pk).first() if pk is not None else None
    return found.name if found else text


@call("GET", "api/sonic_fingerprint/generate", scope=Scope.LISTEN)
@call("POST", "api/sonic_fingerprint/generate", scope=Scope.LISTEN)
def sonic_fingerprint(ask: Ask) -> list[dict[str, Any]]:
    """Return songs that resemble what the account of the token has heard."""
    count = ask.parameters.size("n", _FINGERPRINT, MAX_COUNT)
    request = PlaylistRequest(history=True, count=count, **_NEAREST)
    made = playlist_generate(request=request, user=ask.account)
    return tracks_ranked(made)


@call("POST", "api/create_playlist", scope=Scope.PLAYLISTS)
@call("POST", "chat/api/create_playlist", scope=Scope.PLAYLISTS)
def create_playlist(ask: Ask) -> Response:
    """Keep songs as a playlist of the account, which every player then has."""
    name = ask.parameters.text("playlist_name")
    if not name or len(name) > _NAME:
        raise ParseError(gettext("playlist_name must have 1 to 200 characters."))
    there = tracks_by_id(ids := list(_track_ids(ask)))
    chosen = [pk for pk in ids if pk in there]
    if not chosen:
        raise ParseError(gettext("None of the track_ids is a song of the library."))
    playlist = playlist_by_hand(user=ask.account, name=name, song_ids=chosen)
    body = {
        "message": gettext("The playlist “%(name)s” is saved.") % {"name": name},
        "playlist_id": f"pl-{playlist.pk}",
        "mapped": len(chosen),
        "skipped": len(ids) - len(chosen),
    }
    return Response(body, HTTPStatus.CREATED)


def _track_ids(ask: Ask) -> Iterable[int]:
    """Return each song once, in order; a row of an answer also stands for its song."""
    given = ask.parameters.listed("track_ids", most=MAX_ENTRIES)
    texts = (one.get("item_id") if isinstance(one, Mapping) else one for one in given)
    return dict.fromkeys(song_id(text) for text in texts)


@call("GET", "api/playlists", scope=Scope.PLAYLISTS)
def playlists(ask: Ask) -> dict[str, Any]:
    """Return the saved playlists of the account by their names, the newest of each name."""
    rows = Prefetch("entries", PlaylistEntry.objects.order_by("position").only("playlist", "song"))
    saved = selectors.playlists_saved(ask.account).prefetch_related(rows)[:_LISTS]
    lists = {
        one.name: [entry.song_id for entry in one.entries.all()[:MAX_ENTRIES]]
        for one in reversed(list(saved))
    }
    found = tracks_by_id(pk for ids in lists.values() for pk in ids)
    return {name: [found[pk] for pk in ids if pk in found] for name, ids in lists.items()}
