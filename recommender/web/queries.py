"""The query of /playlist, from a request and in parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import QueryDict

from recommender.errors import PlaylistErrorCode, PlaylistRequestError
from recommender.playlists import FIELDS, PlaylistRequest

if TYPE_CHECKING:
    from django.forms import BaseForm

    from recommender.models import Playlist


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


def weaker_query(query: QueryDict) -> str:
    """Return the query that asks for the same list, with weaker matches as well."""
    weaker = query.copy()
    weaker[PlaylistRequest.min_match.word] = "0"
    return weaker.urlencode()


def kept_query(playlist: Playlist) -> QueryDict:
    """Return the query that asks for a kept list again; empty if its request cannot be read.

    A later version may have other fields or limits than the one that kept the list.
    """
    try:
        return request_query(PlaylistRequest.from_json(playlist.request))
    except PlaylistRequestError:
        return QueryDict()


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
    message = str(problems[0]) if field == "__all__" else f"{field}: {problems[0]}"
    return PlaylistRequestError(PlaylistErrorCode.REQUEST_INVALID, message, {"field": field})
