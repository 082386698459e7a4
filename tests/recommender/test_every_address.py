"""No address answers 500, whatever the method and however large the numbers."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from django.core.signals import request_started
from django.db import connection
from django.test import Client
from django.urls import get_resolver

from recommender import throttles

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.contrib.auth.models import User

    from catalog.models import Song

HUGE = "9" * 40
METHODS = ("options", "get", "head", "post", "put", "patch", "delete", "trace")
NAMES = (
    *("page", "page_size", "count", "year_from", "seed", "like", "exclude_song_ids"),
    *("max_per_artist", "valence", "limit", "offset", "song_id"),
)
QUERIES = (
    "",
    *("&".join(f"{name}={value}" for name in NAMES) for value in (HUGE, f"-{HUGE}", "1e999")),
)


def routes(patterns: list[Any], prefix: str = "") -> Iterator[str]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern).replace("^", "").replace("\\Z", "").replace("$", "")
        if hasattr(pattern, "url_patterns"):
            yield from routes(pattern.url_patterns, route)
        else:
            yield route


ROUTES = sorted(
    {
        route
        for route in routes(get_resolver().url_patterns)
        if not route.startswith("admin/") and "(?P<format>" not in route and route != "readyz"
    }
)


@pytest.mark.django_db
@pytest.mark.parametrize("who", ["anonymous", "user", "staff"])
@pytest.mark.parametrize("route", ROUTES)
def test_no_address_fails(
    route: str,
    who: str,
    songs: list[Song],
    user: User,
    staff: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(throttles, "limit", lambda *_: None)
    client = Client(raise_request_exception=False)
    if who != "anonymous":
        client.force_login(user if who == "user" else staff)
    keys = (str(songs[0].pk), HUGE, str(2**63), str(uuid.uuid4()))
    has_key = "<" in route or "(?P" in route
    for key in keys if has_key else keys[:1]:
        path = "/" + re.sub(r"\(\?P<\w+>[^)]*\)|<[^>]*>", key, route).replace("\\.", ".")
        for method in METHODS:
            for query in QUERIES if method in ("get", "options") else QUERIES[:1]:
                response = getattr(client, method)(f"{path}?{query}")
                if response.streaming:  # read to its end, which closes its file
                    b"".join(response.streaming_content)
                assert response.status_code < 500, (method, path, query)


@pytest.mark.django_db
def test_requests_leave_the_connection_of_their_test(
    client: Client, wav_song: Song, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[bool] = []
    monkeypatch.setattr(connection, "close", lambda: closed.append(True))
    for _ in range(2):
        assert client.get("/healthz").status_code == 200
        client.get(f"/songs/{wav_song.pk}/audio").close()
        request_started.send(sender=None)
    assert not closed
