"""What the pages share."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.contrib.auth.decorators import user_passes_test
from django.core.exceptions import PermissionDenied
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme

from recommender import selectors
from recommender.access import is_staff_who_may
from recommender.paging import LatePaginator
from recommender.stations import current_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import tzinfo
    from typing import TypeVar

    from django.contrib.auth.models import AnonymousUser, User
    from django.db.models import Model, QuerySet
    from django.http import HttpRequest, HttpResponse

    _View = TypeVar("_View", bound=Callable[..., Any])

_PAGE_SIZE: Final = 50
_ZONE_COOKIE: Final = "time_zone"
"""The browser's time zone, which zone.js writes."""


def account(request: HttpRequest) -> User:
    """Return the user of a request whose view requires a login."""
    return cast("User", request.user)


def page_of(
    request: HttpRequest, rows: QuerySet[Model] | Sequence[object], *, size: int = _PAGE_SIZE
) -> Any:
    """Return the page of `rows` that the query asks for; the nearest one if it does not exist."""
    return LatePaginator(rows, size).get_page(request.GET.get("page"))


def covers_set(stations: Iterable[Any]) -> list[Any]:
    """Return stations with their lists in use as `playlist`, and the songs on their covers."""
    held = list(stations)
    for station in held:
        station.playlist = current_version(station)
    lists = [station.playlist.pk for station in held if station.playlist]
    covers = selectors.playlist_covers(lists)
    for station in held:
        station.cover_ids = covers.get(station.playlist.pk, []) if station.playlist else []
    return held


def way_back(request: HttpRequest) -> str:
    """Return the page of this site to which a login or sign-up leads; empty if none is known.

    It is what the form or the address names, else the page whose link was followed.
    """
    named = request.POST.get("next") or request.GET.get("next") or ""
    came = urlsplit(request.headers.get("referer", ""))
    if not named and came.netloc == request.get_host():
        named = parse_qs(came.query).get("next", [""])[0]
        named = named or came._replace(scheme="", netloc="", fragment="").geturl()
    is_ours = url_has_allowed_host_and_scheme(
        named, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return named if is_ours and urlsplit(named).path not in _doors() else ""


def _doors() -> set[str]:
    """Return the pages that lead nowhere once somebody is logged in."""
    return {reverse(name) for name in ("login", "signup", "logout", "setup")}


def staff_who_may(permission: str) -> Callable[[_View], _View]:
    """Allow a page only to staff with a model permission; others who are logged in get 403."""

    def may(user: User | AnonymousUser) -> bool:
        if user.is_authenticated and not is_staff_who_may(user, permission):
            raise PermissionDenied  # to log in once more would not help
        return user.is_authenticated

    return user_passes_test(may)


def tells_secrets(view: _View) -> _View:
    """Mark a view whose pages have links that open something; they are not compressed."""
    view.tells_secrets = True  # type: ignore[attr-defined]
    return view


def in_listener_zone(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Let a page write times in the time zone of the browser, or of the server if unknown."""

    @functools.wraps(view)
    def zoned(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        with timezone.override(_listener_zone(request)):
            return view(request, *args, **kwargs)

    return zoned


def _listener_zone(request: HttpRequest) -> tzinfo:
    try:
        return ZoneInfo(request.COOKIES.get(_ZONE_COOKIE, ""))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return timezone.get_default_timezone()
