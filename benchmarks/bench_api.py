"""Time of pages of the API in a large catalogue: songs by cursors, and players that read them all.

    python -m benchmarks.bench_api [--songs 100000] [--requests 200]

It fills a temporary database with synthetic songs and starts the web server. Then it asks for the
first, the middle and the last page of 50 songs, in each order that an index has, over one
connection that stays open. A player asks for pages of `search3` at the same places. The database is
chosen as in `benchmarks.bench_playlist`.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import statistics
import time
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

import django
from django.core.management import call_command
from django.db import connection

from benchmarks.bench_playlist import database, note, timed_build, web_server
from benchmarks.catalogues import Songs

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE: Final = 50
ORDERS: Final = (
    *("", "title", "album", "year", "-duration_seconds", "-created_at"),
    *("valence", "-arousal"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--songs", type=int, default=100_000)
    parser.add_argument("--requests", type=int, default=200, help="of each page")
    options = parser.parse_args()
    os.environ["DJANGO_SETTINGS_MODULE"] = "recommender.settings"
    os.environ["AFFETTI_THROTTLE_USER"] = "1000000/second"
    with database(None):
        django.setup()
        call_command("migrate", verbosity=0)
        call_command("collectstatic", verbosity=0, interactive=False)
        fill(options.songs)
        key = player_key()
        with web_server(1) as (port, _, _):
            client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            found = songs_timed(client, options.songs, options.requests)
            found |= player_timed(client, key, options.songs, options.requests)
            client.close()
        connection.close()
    print(as_table(found, options.songs))


def fill(count: int) -> None:
    songs = Songs()
    songs.add(count, artists=max(1, count // 10))
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
    timed_build("--full")
    note(f"{count} songs")


def player_key() -> str:
    """Return a token of a new account, as players send it."""
    from django.contrib.auth import get_user_model  # noqa: PLC0415  # after the setup of Django

    from recommender.accounts import token_create  # noqa: PLC0415
    from recommender.models import Scope  # noqa: PLC0415

    user = get_user_model().objects.create_user("player")
    return token_create(user=user, name="benchmark", scopes=[Scope.READ, Scope.LISTEN])[1]


Times = dict[str, list[float]]


def songs_timed(client: http.client.HTTPConnection, songs: int, requests: int) -> Times:
    """Return the milliseconds of the first, the middle and the last page, by the order."""
    found: Times = {}
    for order in ORDERS:
        for name, before in (("first", 0), ("middle", songs // 2), ("last", max(0, songs - PAGE))):
            address = page_of(order, before, songs)
            shown = len(json.loads(asked(client, address))["results"])
            if shown != min(PAGE, songs):
                raise SystemExit(f"{address} has {shown} songs")
            found[f"songs {order or 'by artist'}, {name} page"] = timed(
                lambda page=address: asked(client, page), requests
            )
    note(f"{len(found)} pages of {songs} songs")
    return found


def page_of(order: str, before: int, songs: int) -> str:
    """Return the address of the page that begins behind so many songs, as its list names it."""
    from django.contrib.auth.models import AnonymousUser  # noqa: PLC0415  # after Django's setup
    from django.test import RequestFactory  # noqa: PLC0415
    from rest_framework.request import Request  # noqa: PLC0415

    from recommender.api.cursors import Cursor  # noqa: PLC0415
    from recommender.library import SONG_KEYSETS  # noqa: PLC0415
    from recommender.selectors import song_list  # noqa: PLC0415

    query = {"ordering": order} if order else {}
    if before:
        keyset = SONG_KEYSETS[order.removeprefix("-")]
        if order.startswith("-"):
            keyset = keyset.reversed()
        place = keyset.ordered(song_list()).values_list(*keyset.fields)[before - 1]
        request = Request(RequestFactory().get("/api/v1/songs/", query))
        request.user = AnonymousUser()
        query["cursor"] = Cursor(songs, place, keyset.fields).written(request)
    return f"/api/v1/songs/?{urlencode(query)}"


def player_timed(client: http.client.HTTPConnection, key: str, songs: int, requests: int) -> Times:
    """Return the milliseconds of pages of an empty search, by which some players read all songs."""
    found: Times = {}
    for name, start in (("first", 0), ("middle", songs // 2), ("last", max(0, songs - PAGE))):
        query = {"query": "", "songCount": PAGE, "songOffset": start, "artistCount": 0}
        query |= {"albumCount": 0, "apiKey": key, "v": "1.16.1", "c": "bench", "f": "json"}
        address = f"/rest/search3?{urlencode(query)}"
        answer = json.loads(asked(client, address))["subsonic-response"]
        shown = len(answer["searchResult3"]["song"])
        if shown != min(PAGE, songs):
            raise SystemExit(f"{address} has {shown} songs")
        found[f"search3, {name} page"] = timed(lambda page=address: asked(client, page), requests)
    return found


def timed(ask: Callable[[], object], times: int) -> list[float]:
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        ask()
        taken.append((time.perf_counter() - started) * 1_000)
    return taken


def asked(client: http.client.HTTPConnection, address: str) -> bytes:
    client.request("GET", address)
    response = client.getresponse()
    body = response.read()
    if response.status != 200:
        raise SystemExit(f"{address} answered with status {response.status}: {body[:200]!r}")
    return body


def as_table(found: Times, songs: int) -> str:
    load = f"load {os.getloadavg()[0]:.1f}"
    lines = [f"| {songs:,} songs, {connection.vendor}, {load} | p50, ms | p99, ms |"]
    lines.append("|---|---|---|")
    for name, taken in found.items():
        p99 = statistics.quantiles(taken, n=100)[98] if len(taken) > 1 else taken[0]
        lines.append(f"| {name} | {statistics.median(taken):.1f} | {p99:.1f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
