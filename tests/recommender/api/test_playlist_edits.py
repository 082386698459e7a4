"""Changing, restoring and sharing a kept list by the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from recommender.feedback import song_ban
from recommender.models import Playlist, PlaylistVersion
from recommender.playlists import (
    playlist_by_hand,
    playlist_generate,
    playlist_regenerate,
    request_again,
    saved,
)
from tests.factories import UserFactory

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from pytest_django import DjangoAssertNumQueries
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


class TestRegenerate:
    def test_pinned_songs_keep_their_places(
        self,
        api: APIClient,
        user: User,
        made: dict[str, Any],
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:
        address = f"/api/v1/playlists/{made['id']}/"
        before = ids(made)
        song_ban(user=user, song_id=before[0])  # so that the new list is another one
        pinned = [before[3], before[1]]
        with django_assert_max_num_queries(60):
            answer = api.post(
                f"{address}regenerate/", {"pinned_song_ids": pinned, "seed": 7}, format="json"
            )
        assert answer.status_code == 200, answer.content
        after = ids(answer.json())
        assert (after[1], after[3]) == (before[1], before[3])
        assert len(after) == len(set(after)) == 4
        assert before[0] not in after
        assert answer.json()["version"] == 2
        assert answer.json()["seed"] == api.get(address).json()["seed"] == 7
        assert answer.json()["notes"] == Playlist.objects.get().notes
        versions = api.get(f"{address}versions/").json()
        assert versions[0]["change"] == "Made again, with the seed 7"
        restored = api.post(f"{address}restore/", {"version": 1}, format="json").json()
        assert ids(restored) == before

    def test_pins_are_kept(self, api: APIClient, made: dict[str, Any]) -> None:
        address = f"/api/v1/playlists/{made['id']}/"
        before = ids(made)
        assert {entry["is_pinned"] for entry in made["entries"]} == {False}
        edits = [{"kind": "pin", "song_id": pk} for pk in (before[0], before[2], 10**9)]
        edits.append({"kind": "unpin", "song_id": before[0]})
        edits.append({"kind": "move", "song_id": before[2], "position": 1})
        pinned = api.post(f"{address}edit/", {"edits": edits}, format="json").json()
        assert [entry["is_pinned"] for entry in pinned["entries"]] == [False, True, False, False]
        for body in ({"seed": 7}, {"seed": 8, "pinned_song_ids": []}):
            answer = api.post(f"{address}regenerate/", body, format="json").json()
            stays = ids(answer)[1] == before[2]
            assert stays == ("pinned_song_ids" not in body), "an empty list pins none this time"
            assert answer["entries"][1]["is_pinned"] == stays

    def test_restoring_brings_back_how_it_was_made(
        self, api: APIClient, user: User, made: dict[str, Any]
    ) -> None:
        address = f"/api/v1/playlists/{made['id']}/"
        song_ban(user=user, song_id=ids(made)[0])  # so that the new list is another one
        Playlist.objects.update(notes=["old"], target={"valence": 0.1, "arousal": 0.2})
        names = ("seed", "request", "notes", "target", "understood", "model_version")
        before = Playlist.objects.values(*names).get()
        api.post(f"{address}regenerate/", {"seed": 9}, format="json")
        after = Playlist.objects.values(*names).get()
        assert after != before
        api.post(f"{address}restore/", {"version": 1}, format="json")
        assert Playlist.objects.values(*names).get() == before
        api.post(f"{address}restore/", {"version": 2}, format="json")
        assert Playlist.objects.values(*names).get() == after

    def test_a_new_seed_is_a_version_though_the_songs_are_the_same(
        self, api: APIClient, made: dict[str, Any]
    ) -> None:
        address = f"/api/v1/playlists/{made['id']}/"
        body = {"seed": 9, "pinned_song_ids": ids(made)}
        again = api.post(f"{address}regenerate/", body, format="json").json()
        assert (ids(again), again["seed"], again["version"]) == (ids(made), 9, 2)
        restored = api.post(f"{address}restore/", {"version": 1}, format="json").json()
        assert (restored["seed"], restored["request"]["seed"]) == (1, 1)

    def test_a_pin_that_comes_while_the_list_is_made_holds(
        self, api: APIClient, made: dict[str, Any]
    ) -> None:
        playlist = Playlist.objects.get()
        wanted = request_again(playlist, seed=9)
        generated = playlist_generate(request=wanted, user=playlist.user)
        edits = [{"kind": "pin", "song_id": ids(made)[3]}]
        api.post(f"/api/v1/playlists/{made['id']}/edit/", {"edits": edits}, format="json")
        playlist_regenerate(playlist=playlist, generated=generated)
        after = api.get(f"/api/v1/playlists/{made['id']}/").json()
        assert ids(after)[3] == ids(made)[3]
        assert len(set(ids(after))) == len(after["entries"]) == 4

    def test_a_version_of_before_gets_what_the_list_tells(
        self, api: APIClient, made: dict[str, Any]
    ) -> None:
        address = f"/api/v1/playlists/{made['id']}/"
        remove = {"edits": [{"kind": "remove", "song_id": ids(made)[0]}]}
        api.post(f"{address}edit/", remove, format="json")
        PlaylistVersion.objects.update(told={})
        api.post(f"{address}regenerate/", {"seed": 9}, format="json")
        restored = api.post(f"{address}restore/", {"version": 2}, format="json").json()
        assert restored["seed"] == made["seed"]

    def test_pinned_songs_do_not_shorten_it(
        self, api: APIClient, user: User, songs: list[Song]
    ) -> None:
        api.force_authenticate(user)
        wanted = {"moods": ["calm"], "count": len(songs), "min_match": 0, "seed": 3}
        made = api.post("/api/v1/playlists/", wanted, format="json").json()
        address = f"/api/v1/playlists/{made['id']}/"
        for seed in (5, 6):  # the pinned songs are half of all there are
            body = {"pinned_song_ids": ids(made)[::2], "seed": seed}
            again = api.post(f"{address}regenerate/", body, format="json").json()
            assert sorted(ids(again)) == sorted(ids(made))
            assert ids(again)[::2] == ids(made)[::2]
            assert (again["seed"], again["request"]["seed"]) == (seed, seed)

    def test_it_tells_how_it_was_made(self, api: APIClient, made: dict[str, Any]) -> None:
        row = Playlist.objects.get()
        Playlist.objects.update(
            notes=["old"], understood=[{"kind": "x"}], target={}, model_version="old"
        )
        api.post(f"/api/v1/playlists/{made['id']}/regenerate/", {"seed": 9}, format="json")
        after = Playlist.objects.get()
        for name in ("notes", "understood", "target", "model_version"):
            assert getattr(after, name) == getattr(row, name), name
        assert after.seed == 9

    def test_the_seed_decides(self, api: APIClient, made: dict[str, Any]) -> None:
        address = f"/api/v1/playlists/{made['id']}/regenerate/"
        once = ids(api.post(address, {"seed": 5}, format="json").json())
        api.post(address, {}, format="json")
        assert ids(api.post(address, {"seed": 5}, format="json").json()) == once

    def test_what_cannot_be_made_again(
        self, api: APIClient, made: dict[str, Any], user: User, songs: list[Song]
    ) -> None:
        address = f"/api/v1/playlists/{made['id']}/regenerate/"
        bodies: list[Any] = [
            {"seed": -1},
            {"seed": 2**60},
            {"seed": "1"},
            {"pinned_song_ids": ["x"]},
            {"pinned_song_ids": [0]},
            {"pinned_song_ids": [1] * 501},
            {"pin": []},
            [],
        ]
        for body in bodies:
            assert api.post(address, body, format="json").status_code == 400, body
        by_hand = playlist_by_hand(user=user, name="Mine", song_ids=[songs[0].pk])
        answer = api.post(f"/api/v1/playlists/{by_hand.pk}/regenerate/", {}, format="json")
        assert answer.status_code == 400
        assert "by hand" in answer.json()["message"]
        api.force_authenticate(UserFactory())
        assert api.post(address, {}, format="json").status_code == 404


def test_pinned_songs_beyond_the_end() -> None:
    def entries(*song_ids: int) -> list[Any]:
        return [saved._Kept(pk) for pk in song_ids]

    def around(count: int, stays: dict[int, int], *fresh: int) -> list[int]:
        kept = {at: saved._Kept(pk) for at, pk in stays.items()}
        return [one.song_id for one in saved._around(kept, entries(*fresh), count)]

    assert around(2, {}, 1, 2) == [1, 2]
    assert around(4, {0: 9, 3: 8}, 1, 2, 3, 4) == [9, 1, 2, 8]
    assert around(4, {0: 9, 3: 8}, 1, 2) == [9, 1, 2, 8]
    assert around(1, {2: 9, 7: 8}, 1) == [9, 8]
    assert around(3, {1: 9}) == [9]
    assert around(3, {5: 9}, 1, 2, 3) == [1, 2, 9]
