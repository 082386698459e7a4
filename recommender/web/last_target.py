"""The target of the list that a browser showed last, which words such as "calmer" move.

A cookie holds it until the browser is closed. The page writes it into the address of the next list,
so the address alone gives the same list again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.conf import settings

from recommender.errors import PlaylistRequestError
from recommender.playlists import last_target, worded
from recommender.web import queries

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse, QueryDict

    from recommender.playlists import GeneratedPlaylist

COOKIE: Final = "last_target"
_INPUTS: Final = ("last_valence", "last_arousal")


def keep(response: HttpResponse, generated: GeneratedPlaylist) -> None:
    """Remember the target of a list in the browser."""
    response.set_cookie(
        COOKIE,
        f"{generated.valence:.3f}/{generated.arousal:.3f}",
        httponly=True,
        secure=settings.SESSION_COOKIE_SECURE,
        samesite="Lax",
    )


def add_to(query: QueryDict, request: HttpRequest) -> None:
    """Add the last target to a query whose words move it; without one, leave the query as it is."""
    if not query.get("text") or any(query.get(name) for name in _INPUTS):
        return
    try:
        is_relative = worded(queries.query_request(query)).is_relative
    except PlaylistRequestError:
        return  # the page with the seed says what is wrong
    if not is_relative:
        return
    for name, value in zip(_INPUTS, _last(request), strict=False):
        query[name] = f"{value:.3f}"


def _last(request: HttpRequest) -> tuple[float, ...]:
    """Return valence and arousal of the last target; nothing if there is none."""
    valence, _, arousal = request.COOKIES.get(COOKIE, "").partition("/")
    try:
        place = float(valence), float(arousal)
    except ValueError:
        place = (-1.0, -1.0)
    if all(0 <= x <= 1 for x in place):
        return place
    kept = last_target(request.user)
    return () if kept is None else (kept.valence, kept.arousal)
