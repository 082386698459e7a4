"""The query of /playlist, from a request and in parts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from django.http import QueryDict
from django.utils.translation import gettext

from mer.affect import AffectPoint
from recommender.errors import PlaylistErrorCode, PlaylistRequestError
from recommender.moods import mood_find, mood_nearest
from recommender.playlists import (
    FIELDS,
    PlaylistRequest,
    edits_of_words,
    playlist_sentence,
    ways_out,
)
from recommender.terms import shown, told

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from django.contrib.auth.models import AnonymousUser, User
    from django.forms import BaseForm

    from recommender.models import Playlist, Station
    from recommender.playlists import Edit, GeneratedPlaylist
    from recommender.words import Part


_MOST_LEADING: Final = 3
_SHORT_WORD: Final = 4
_MAX_WAY: Final = 80


def query_request(query: QueryDict) -> PlaylistRequest:
    """Return the request of a query; PlaylistRequestError if it is not valid."""
    return PlaylistRequest.from_words(dict(query.lists()))


def request_query(request: PlaylistRequest) -> QueryDict:
    """Return the query that asks for the same again, with another seed."""
    query = QueryDict(mutable=True)
    for field in FIELDS.values():
        if field.is_in_address and field is not PlaylistRequest.seed:
            for name, words in field.words(request).items():
                query.setlist(name, words)
    return query


def query_edits(query: QueryDict) -> tuple[Edit, ...]:
    """Return the changes by hand that a query carries; PlaylistRequestError if one is none."""
    return edits_of_words(query.getlist("edit"))


def again_query(query: QueryDict) -> QueryDict:
    """Return the query that asks for other songs of the same kind."""
    again = query.copy()
    for name in (PlaylistRequest.seed.word, "edit"):
        again.pop(name, None)
    return again


def ways_out_of(
    error: PlaylistRequestError, query: QueryDict, user: User | AnonymousUser
) -> list[tuple[str, int | None, str]]:
    """Return what a refused query could do without: its name, the songs then left, the query."""
    if error.code == PlaylistErrorCode.NO_SONG_MATCHES:
        ways = ways_out(request=query_request(query), user=user)
        return [_way_out(query, told(way.noun), way.inputs, way.songs) for way in ways]
    field = FIELDS.get(str(error.details.get("field", "")))
    if field is None or not any(name in query for name in field.inputs):
        return []
    noun = gettext("“%(field)s”") % {"field": field.label} if field.label else field.name
    return [_way_out(query, noun, field.inputs)]


def _way_out(
    query: QueryDict, noun: str, inputs: Iterable[str], songs: int | None = None
) -> tuple[str, int | None, str]:
    rest, given = query.copy(), []
    for name in inputs:
        given += rest.pop(name, [])
    return f"{noun} {', '.join(given)}"[:_MAX_WAY], songs, rest.urlencode()


def weaker_query(query: QueryDict) -> str:
    """Return the query that asks for the same list, with weaker matches as well."""
    weaker = query.copy()
    weaker[PlaylistRequest.min_match.word] = "0"
    return weaker.urlencode()


def understood_shown(generated: GeneratedPlaylist, query: QueryDict) -> list[dict[str, Any]]:
    """Return what was understood of the words, each part with the query without its words.

    The query is empty where the words do not occur as they were read, or where nothing is left.
    """
    text = " ".join(query.get("text", "").split())
    known = [part.text.casefold() for part in generated.understood]
    shown = []
    for part in generated.understood:
        left = _without(text, part, known)
        rest = query.copy()
        rest["text"] = left
        rest.pop("seed", None)
        chip = part.to_json() | {"as": meaning(part.meaning, of=part.text)}
        shown.append(chip | {"without": rest.urlencode() if left else ""})
    return shown


def _without(text: str, part: Part, known: Collection[str]) -> str:
    """Return a text without the words of a part, and without those that only lead up to them.

    These are short ones, as in "but not sad" and "from the 90s", and any one word before what is
    refused. They end at a comma or at another part.
    """
    found = re.search(rf"(?<!\w){re.escape(part.text)}(?!\w)", text, re.IGNORECASE)
    if not part.text or not found:
        return ""
    before = text[: found.start()].split()
    for number in range(_MOST_LEADING):
        if not before or not before[-1].isalpha() or before[-1].casefold() in known:
            break
        if len(before[-1]) > _SHORT_WORD and (part.weight > 0 or number > 0):
            break
        before.pop()
    left = " ".join([*before, *text[found.end() :].split()])
    return re.sub(r"\s*,(\s*,)*", ",", left).strip(" ,;.")


def meaning(words: str, of: str = "") -> str:
    """Return what words were taken for, with a place of the plane said in words.

    Empty if they say no more than the words `of`, as "calmness" of "calm".
    """
    place = re.fullmatch(r"valence ([\d.]+), arousal ([\d.]+)", words)
    if place:
        nearest = shown(mood_nearest(AffectPoint(*map(float, place.groups()))))
        return gettext("near %(mood)s") % {"mood": nearest}
    mood = mood_find(of)
    is_same = mood is not None and mood.name == words
    return "" if is_same or of.casefold() == words.casefold() else told(words)


def kept_query(playlist: Playlist | Station) -> QueryDict:
    """Return the query that asks for a kept list again; empty if its request cannot be read.

    A later version may have other fields or limits than the one that kept the list.
    """
    try:
        return request_query(PlaylistRequest.from_json(playlist.request))
    except PlaylistRequestError:
        return QueryDict()


def kept_sentence(playlist: Playlist | Station) -> str:
    """Return what a kept list is, in words; empty if its request cannot be read."""
    try:
        return playlist_sentence(PlaylistRequest.from_json(playlist.request))
    except PlaylistRequestError:
        return ""


def kept_fields(query: QueryDict) -> list[tuple[str, str]]:
    """Return the part of a query that stays while the rest is tuned."""
    names = [
        name
        for field in FIELDS.values()
        if not field.is_tuning and field is not PlaylistRequest.seed
        for name in field.inputs
    ]
    return [(name, value) for name in names for value in query.getlist(name)]


def form_error(form: BaseForm) -> PlaylistRequestError:
    """Return what is wrong with the first bad field of an invalid form."""
    field, problems = next(iter(form.errors.items()))
    message = str(problems[0]) if field == "__all__" else f"{form[field].label}: {problems[0]}"
    return PlaylistRequestError(PlaylistErrorCode.REQUEST_INVALID, message, {"field": field})
