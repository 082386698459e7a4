"""The query of /playlist, from a request and in parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.http import QueryDict

from recommender.errors import PlaylistErrorCode, PlaylistRequestError
from recommender.playlists.request import mood_to_text

if TYPE_CHECKING:
    from django.forms import BaseForm

    from recommender.playlists.request import PlaylistRequest

_KEPT_FIELDS: Final = (
    *("mood", "valence", "arousal", "text", "like", "history"),
    *("max_per_artist", "exclude_heard_days"),
)


def request_query(request: PlaylistRequest) -> QueryDict:
    """Return the query of /playlist that asks for the same again, with another seed.

    Only `exclude_song_ids`, of which there may be thousands, have no place in an address.
    """
    query = QueryDict(mutable=True)
    plain: dict[str, Any] = request.to_json()
    plain.pop("seed", None)
    plain.pop("exclude_song_ids", None)
    plain.pop("moods", None)
    query.setlist("mood", [mood_to_text(name, weight) for name, weight in request.moods])
    query.setlist("like", [str(song_id) for song_id in plain.pop("song_ids", [])])
    for axis, value in plain.pop("point", {}).items():
        query[axis] = str(value)
    for name, value in plain.items():
        query[name] = str(value)
    return query


def kept_fields(query: QueryDict) -> list[tuple[str, str]]:
    """Return the part of a query that stays while the rest is tuned."""
    return [(name, value) for name in _KEPT_FIELDS for value in query.getlist(name)]


def form_error(form: BaseForm) -> PlaylistRequestError:
    """Return what is wrong with the first bad field of an invalid form."""
    field, problems = next(iter(form.errors.items()))
    message = str(problems[0]) if field == "__all__" else f"{field}: {problems[0]}"
    return PlaylistRequestError(PlaylistErrorCode.REQUEST_INVALID, message, {"field": field})
