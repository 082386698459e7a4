"""Changing, restoring and sharing a kept list by the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from recommender.models import Playlist
from tests.factories import UserFactory

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from rest_framework.test import APIClient

    from catalog.models import Song

pytestmark = pytest.mark.django_db


@pytest.fixture
def made(api: APIClient, user: User, songs: list[Song]) -> dict[str, Any]:
    api.force_authenticate(user)
    body = {"moods": ["calm"], "count": 4, "seed": 1, "min_match": 0}
    return api.post("/api/v1/playlists/", body, format="json").json()


def ids(answer: dict[str, Any]) -> list[int]:
    return [entry["song"]["id"] for entry in answer["entries"]]


def test_change_and_restore(api: APIClient, made: dict[str, Any], songs: list[Song]) -> None:
    address = f"/api/v1/playlists/{made['id']}/"
    first, second, third, fourth = before = ids(made)
    new = next(song.pk for song in songs if song.pk not in before)
    assert (made["version"], made["share_url"]) == (1, None)
    assert api.get(f"{address}versions/").json() == []
    edits = [
        {"kind": "move", "song_id": fourth, "position": 0},
        {"kind": "remove", "song_id": second},
        {"kind": "add", "song_id": new, "position": None},
    ]
    changed = api.post(f"{address}edit/", {"edits": edits}, format="json").json()
    assert ids(changed) == [fourth, first, third, new]
    assert changed["version"] == 2
    assert changed["entries"][3]["score"] is None
    assert changed["entries"][3]["reason"] is None
    assert [entry["position"] for entry in changed["entries"]] == [0, 1, 2, 3]
    versions = api.get(f"{address}versions/").json()
    assert [(one["version"], one["is_current"]) for one in versions] == [(2, True), (1, False)]
    restored = api.post(f"{address}restore/", {"version": 1}, format="json").json()
    assert ids(restored) == before
    assert api.post(f"{address}restore/", {"version": 7}, format="json").status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"edits": []},
        {"edits": [{"kind": "shuffle", "song_id": 1}]},
        {"edits": [{"kind": "move"}]},
        {"edits": [{"kind": "move", "song_id": 1, "position": -1}]},
        {"edits": [{"kind": "remove", "song_id": 1}] * 201},
    ],
)
def test_what_is_no_change(api: APIClient, made: dict[str, Any], body: dict[str, Any]) -> None:
    response = api.post(f"/api/v1/playlists/{made['id']}/edit/", body, format="json")
    assert response.status_code == 400
    assert response.json()["code"] == "REQUEST_INVALID"


def test_share_and_end(api: APIClient, made: dict[str, Any]) -> None:
    address = f"/api/v1/playlists/{made['id']}/"
    url = api.put(f"{address}share/").json()["share_url"]
    assert url.startswith("http://testserver/shared/")
    assert api.put(f"{address}share/").json()["share_url"] == url
    assert api.get(address).json()["share_url"] == url
    assert api.delete(f"{address}share/").status_code == 204
    assert api.get(address).json()["share_url"] is None


def test_nobody_else_changes_it(api: APIClient, made: dict[str, Any]) -> None:
    api.force_authenticate(UserFactory())
    address = f"/api/v1/playlists/{made['id']}/"
    edits = {"edits": [{"kind": "remove", "song_id": 1}]}
    assert api.post(f"{address}edit/", edits, format="json").status_code == 404
    assert api.post(f"{address}restore/", {"version": 1}, format="json").status_code == 404
    assert api.put(f"{address}share/").status_code == 404
    assert api.delete(f"{address}share/").status_code == 404
    assert api.get(f"{address}versions/").status_code == 404
    assert Playlist.objects.get().share_token is None


def test_a_station_makes_its_versions_by_itself(
    api: APIClient, user: User, songs: list[Song]
) -> None:
    api.force_authenticate(user)
    body = {"name": "Daily", "request": {"moods": ["calm"], "min_match": 0}}
    made = api.post("/api/v1/stations/", body, format="json").json()
    api.post(f"/api/v1/stations/{made['id']}/refresh/")
    address = f"/api/v1/playlists/{Playlist.objects.first().pk}/edit/"
    edits = {"edits": [{"kind": "remove", "song_id": songs[0].pk}]}
    response = api.post(address, edits, format="json")
    assert response.status_code == 400
    assert "station" in response.json()["message"] + str(response.json()["details"])


def test_rename(api: APIClient, made: dict[str, Any], user: User) -> None:
    address = f"/api/v1/playlists/{made['id']}/"
    answer = api.patch(address, {"name": " Evening \U0001f319 "}, format="json")
    assert answer.json()["name"] == "Evening \U0001f319"
    assert ids(answer.json()) == ids(made)
    for body in ({}, {"name": ""}, {"name": "x" * 201}, {"name": "a\0"}, {"title": "x"}, []):
        assert api.patch(address, body, format="json").status_code == 400, body
    assert Playlist.objects.get().name == "Evening \U0001f319"
    api.force_authenticate(UserFactory())
    assert api.patch(address, {"name": "Mine"}, format="json").status_code == 404
