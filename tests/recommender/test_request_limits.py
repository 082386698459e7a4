"""Requests and answers are bounded, whatever a stranger sends."""

from __future__ import annotations

import json
import time
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from django.core.exceptions import ValidationError as FormError
from rest_framework import exceptions

from recommender.api import reading
from recommender.error_answers import ErrorCode, error_answer
from recommender.errors import PlaylistErrorCode, PlaylistRequestError
from recommender.middleware import MAX_BODY_BYTES, MAX_QUERY_BYTES
from recommender.playlists.constraints import MAX_EXCLUDED
from recommender.shortening import MAX_ANSWER_BYTES

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.test import Client
    from rest_framework.test import APIClient

    from catalog.models import Song

pytestmark = pytest.mark.django_db

URL = "/api/v1/playlists/"
BODIES: dict[str, str] = {
    "moods": json.dumps({"moods": ["calm"] * 100_000}),
    "mood objects": json.dumps({"moods": [{"name": "calm", "weight": 1}] * 100_000}),
    "some moods": json.dumps({"moods": ["calm"] * 19_000}),
    "keys": json.dumps({f"key{n}": 1 for n in range(100_000)}),
    "some keys": json.dumps({f"key{n}": 1 for n in range(10_000)}),
    "few keys": json.dumps({f"{'k' * 90}{n}": "x" for n in range(100)}),
    "keys inside": json.dumps({"moods": [{f"key{n}": 1 for n in range(10_000)}]}),
    "keys of a point": json.dumps({"point": {f"key{n}": 1 for n in range(10_000)}}),
    "a long key": json.dumps({"k" * 200_000: 1}),
    "an astral key": json.dumps({"\U0001f600" * 100: "\U0001f600" * 10_000}),
    "ids": json.dumps({"song_ids": list(range(1, 30_000))}),
    "excluded ids": json.dumps({"moods": ["calm"], "exclude_song_ids": [1] * 10_001}),
    "long words": json.dumps({"text": "x" * 200_000}),
    "a long mood": json.dumps({"moods": ["\U0001f600" * 20_000]}),
    "a long number": '{"count": ' + "9" * 200_000 + "}",
    "a number of 4,000 digits": '{"count": ' + "9" * 4_000 + "}",
    "lists": '{"moods":' + "[" * 900 + "]" * 900 + "}",
    "objects": '{"point":' + '{"a":' * 900 + "1" + "}" * 901,
    "wide lists": '{"moods": [' + ",".join(["[[[[]]]]"] * 15_000) + "]}",
    "an endless list": "[" * 200_000,
    "a long name": json.dumps({"moods": ["calm"], "name": "n" * 100_000}),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_large_body_is_refused_at_once(name: str, api: APIClient) -> None:
    tracemalloc.start()
    start = time.process_time()
    response = api.post(URL, BODIES[name], content_type="application/json")
    seconds = time.process_time() - start
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert response.status_code in (400, 413)
    assert response.json()["code"] in {"REQUEST_INVALID", "PARSE_FAILED", "REQUEST_TOO_LARGE"}
    assert len(response.content) <= MAX_ANSWER_BYTES
    assert seconds < 1  # some of it is the tracing
    assert peak < 16e6


@pytest.mark.parametrize(
    ("url", "limit"),
    [
        (URL, 256 * 1024),
        ("/api/v1/auth/login/", 32 * 1024),
        ("/api/v1/listens/", 4 * 1024),
        ("/api/v1/ingest-jobs/", 16 * 1024),
        ("/login", MAX_BODY_BYTES),
        ("/signup", MAX_BODY_BYTES),
        ("/playlists/save", MAX_BODY_BYTES),
        ("/admin/login/", MAX_BODY_BYTES),
    ],
)
def test_each_address_has_its_limit(url: str, limit: int, client: Client, staff: User) -> None:
    client.force_login(staff)
    kind = "application/json" if "/api/" in url else "application/x-www-form-urlencoded"
    at_most = client.post(url, b" " * limit, content_type=kind)
    assert at_most.status_code != 413
    assert client.post(url, b" " * (limit + 1), content_type=kind).status_code == 413


def test_lyrics_can_be_corrected(admin_client: Client, songs: list[Song]) -> None:
    body = {"title": "a", "artist": "b", "album": "", "genre": "", "year": ""}
    inlines = ("emotions", "credits", "corrections")
    inline = {f"{n}-{k}_FORMS": 0 for n in inlines for k in ("TOTAL", "INITIAL")}
    lyrics = "la la\r\n" * 15_000
    response = admin_client.post(
        f"/admin/catalog/song/{songs[0].pk}/change/", body | inline | {"lyrics": lyrics}
    )
    assert response.status_code == 302


def test_a_playlist_request_can_exclude_as_many_songs_as_it_says(
    api: APIClient, songs: list[Song]
) -> None:
    ids = list(range(10**9, 10**9 + MAX_EXCLUDED))
    body = {"moods": ["calm"], "exclude_song_ids": ids}
    assert api.post(URL, body, format="json").status_code == 200


@pytest.mark.parametrize("path", ["/", "/songs", "/playlist", "/login", "/api/v1/songs/", "/x"])
@pytest.mark.parametrize(
    ("query", "statuses"),
    [
        ("q=" + "x" * MAX_QUERY_BYTES, {414}),
        ("&".join(f"k{n}=1" for n in range(2_000)), {200, 302, 400, 404}),
        ("q=" + "%F0%9F%98%80" * 2_000, {200, 302, 400, 404}),
        ("mood=" + "&mood=".join(["x" * 90] * 200), {200, 302, 400, 404}),
    ],
)
def test_a_long_query(path: str, query: str, statuses: set[int], client: Client) -> None:
    response = client.get(f"{path}?{query}")
    assert response.status_code in statuses
    if response.status_code >= 400 and path.startswith("/api/"):
        assert len(response.content) <= MAX_ANSWER_BYTES


NESTED: dict[str, Any] = {"a": {"b": [{"c" * 5_000: "\U0001f600" * 9_000}] * 500}}


@pytest.mark.parametrize(
    "error",
    [
        exceptions.ValidationError({f"k{n}": ["x" * 500] * 50 for n in range(1000)}),
        exceptions.ValidationError(["x" * 100_000] * 20),
        exceptions.ValidationError({"\U0001f600" * 50_000: ["\udc80" * 50_000]}),
        exceptions.ValidationError(NESTED),
        exceptions.ParseError("\U0001f600" * 9_000),
        exceptions.NotFound("/" * 30_000),
        PlaylistRequestError(PlaylistErrorCode.SONG_NOT_FOUND, "m" * 9_000, NESTED),
        PlaylistRequestError(
            PlaylistErrorCode.SONG_NOT_FOUND, "m", {"song_ids": list(range(10**12, 10**12 + 9_000))}
        ),
        FormError("x"),
    ],
)
def test_no_error_answer_is_large(error: Exception) -> None:
    answer = error_answer(error)
    body = answer.json().content
    assert len(body) <= MAX_ANSWER_BYTES
    assert set(json.loads(body)) == {"code", "message", "details"}


def test_a_small_answer_is_whole() -> None:
    details = {f"field{n}": ["This is not a field."] for n in range(50)}
    answer = error_answer(exceptions.ValidationError(details))
    assert answer.code == ErrorCode.REQUEST_INVALID
    assert answer.details == details


@pytest.mark.parametrize(
    ("body", "is_read"),
    [
        ({"moods": [{"name": "calm", "weight": 1}]}, True),
        ({f"k{n}": 1 for n in range(reading.MAX_KEYS)}, True),
        ({f"k{n}": 1 for n in range(reading.MAX_KEYS + 1)}, False),
        ({"k" * reading.MAX_KEY_LENGTH: 1}, True),
        ({"k" * (reading.MAX_KEY_LENGTH + 1): 1}, False),
        ({"a": {"b": {"c": {"d": {"e": {"f": {"g": 1}}}}}}}, True),
        ({"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": []}}}}}}}}, False),
    ],
)
def test_shape_of_a_body(body: dict[str, object], is_read: bool, api: APIClient) -> None:
    answer = api.post(URL, body, format="json").json()
    assert (answer.get("code") != "PARSE_FAILED") is is_read
