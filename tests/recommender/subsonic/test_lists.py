"""Playlists of the listener, of stations and of moods."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog.models import Song
from recommender.errors import IndexBusyError
from recommender.models import Playlist, PlaylistEntry, Station
from recommender.playlists import last_target
from recommender.subsonic import lists
from tests.factories import LibraryFactory, SongFactory, UserFactory
from tests.recommender.subsonic.schemas import problems_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.contrib.auth.models import User

    from tests.recommender.subsonic.conftest import Player

pytestmark = pytest.mark.django_db


def ids(playlist: dict[str, object]) -> list[int]:
    entries = playlist["entry"]
    assert isinstance(entries, list)
    return [int(entry["id"]) for entry in entries]


def test_one_is_made_changed_and_deleted(
    player: Player, user: User, collection: list[Song]
) -> None:
    a, b, c, d = (song.pk for song in collection[:4])
    made = player.ok("createPlaylist", name="Mine", songId=[a, b, a])["playlist"]
    assert (made["name"], made["songCount"], made["owner"]) == ("Mine", 2, "ada")
    key = made["id"]
    player.ok("updatePlaylist", playlistId=key, name="Ours", songIdToAdd=[c, d, c])
    player.ok("updatePlaylist", playlistId=key, songIndexToRemove=[0, 2, 99])
    changed = player.ok("getPlaylist", id=key)["playlist"]
    assert (changed["name"], ids(changed)) == ("Ours", [b, d])
    replaced = player.ok("createPlaylist", playlistId=key, songId=[d, a, b, c])["playlist"]
    assert ids(replaced) == [d, a, b, c]
    player.ok("updatePlaylist", playlistId=key, public="true")
    assert Playlist.objects.get().share_token
    player.ok("updatePlaylist", playlistId=key, public="false")
    assert Playlist.objects.get().share_token is None
    assert last_target(user) is None
    player.client.force_login(user)
    assert player.client.get(f"/playlists/{key.removeprefix('pl-')}").status_code == 200
    player.ok("deletePlaylist", id=key)
    assert not Playlist.objects.exists()


def test_a_change_that_is_refused_changes_nothing(
    player: Player, collection: list[Song], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "MAX_ENTRIES", 3)
    a, b, c, d = (song.pk for song in collection[:4])
    key = player.ok("createPlaylist", name="Mine", songId=[a, b])["playlist"]["id"]
    sent = {"playlistId": key, "name": "New", "songIdToAdd": [c, d]}
    error = player.answer("updatePlaylist", **sent)["error"]
    assert "songIdToAdd would give the list more than 3 songs" in error["message"]
    monkeypatch.setattr(lists, "playlist_share", lambda **_: 1 / 0)
    assert (
        player.raw("updatePlaylist", **sent, songIndexToRemove=0, public="true").status_code == 500
    )
    kept = player.ok("getPlaylist", id=key)["playlist"]
    assert (kept["name"], ids(kept)) == ("Mine", [a, b])
    player.ok("updatePlaylist", **sent, songIndexToRemove=0)
    assert ids(player.ok("getPlaylist", id=key)["playlist"]) == [b, c, d]
    Song.objects.filter(pk=b).update(is_available=False)  # it stays in the list, and is not shown
    error = player.answer("createPlaylist", playlistId=key, name="x", songId=[a, c, d])["error"]
    assert "songId would give" in error["message"]
    assert Playlist.objects.get().name == "New"


def test_anothers_is_not_there(
    player: Player, player_of: Callable[[User], Player], collection: list[Song]
) -> None:
    key = player.ok("createPlaylist", name="Mine", songId=collection[0].pk)["playlist"]["id"]
    other = player_of(UserFactory(username="bob"))
    assert other.code("getPlaylist", id=key) == 70
    assert other.code("updatePlaylist", playlistId=key, name="x") == 70
    assert other.code("createPlaylist", playlistId=key, songId=collection[0].pk) == 70
    assert other.code("deletePlaylist", id=key) == 70
    assert other.code("getCoverArt", id=key) == 70
    assert other.code("getPlaylists", username="ada") == 50
    names = [one["name"] for one in other.ok("getPlaylists")["playlists"]["playlist"]]
    assert "Mine" not in names


def test_moods_are_lists_that_cannot_be_changed(player: Player, collection: list[Song]) -> None:
    listed = player.ok("getPlaylists")["playlists"]["playlist"]
    moods = {one["name"]: one for one in listed if one["readonly"]}
    assert {"Happy", "Calm", "Sad"} <= set(moods)
    assert moods["Happy"]["songCount"] > 0
    happy = player.ok("getPlaylist", id=moods["Happy"]["id"])["playlist"]
    assert len(ids(happy)) == moods["Happy"]["songCount"]
    assert ids(player.ok("getPlaylist", id="mood-joy")["playlist"]) == ids(happy)
    assert player.code("updatePlaylist", playlistId="mood-joy", name="x") == 50
    assert player.code("deletePlaylist", id="mood-joy") == 50
    assert player.code("getPlaylist", id="mood-nothing") == 70


def test_without_an_index_the_kept_lists_are_there(
    player: Player, collection: list[Song], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(**_: object) -> None:
        raise IndexBusyError("away")

    monkeypatch.setattr(lists, "playlist_generate", away)
    player.ok("createPlaylist", name="Mine", songId=collection[0].pk)
    listed = player.ok("getPlaylists")["playlists"]["playlist"]
    assert listed[0]["name"] == "Mine"
    assert "index" in listed[1]["comment"]
    assert player.code("getPlaylist", id="mood-joy") == 0


def test_a_station_is_its_present_list(player: Player, user: User, collection: list[Song]) -> None:
    station = Station.objects.create(user=user, name="Mornings", request={}, version=1, current=1)
    version = Playlist.objects.create(
        user=user, name="x", request={}, seed=1, station=station, station_version=1
    )
    PlaylistEntry.objects.create(playlist=version, position=0, song=collection[5])
    listed = player.ok("getPlaylists")["playlists"]["playlist"]
    key = next(one["id"] for one in listed if one["name"] == "Mornings")
    assert ids(player.ok("getPlaylist", id=key)["playlist"]) == [collection[5].pk]
    assert player.code("deletePlaylist", id=key) == 50


def test_a_mood_stays_the_same_while_songs_are_analysed(
    player: Player, user: User, collection: list[Song], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = ids(player.ok("getPlaylist", id="mood-joy")["playlist"])
    made: list[object] = []
    generate = lists.playlist_generate
    monkeypatch.setattr(lists, "playlist_generate", lambda **of: made.append(of) or generate(**of))
    Song.objects.filter(pk=before[0]).update(is_available=False, updated_at=timezone.now())
    assert ids(player.ok("getPlaylist", id="mood-joy")["playlist"]) == before[1:]
    assert made == []
    monkeypatch.setattr(lists, "_SHORT_SECONDS", 0.0)
    player.ok("getPlaylist", id="mood-joy")
    assert len(made) == 1


def test_stations_cost_the_same_however_many(
    player: Player, user: User, collection: list[Song]
) -> None:
    costs = []
    for number in range(3):
        station = Station.objects.create(
            user=user, name=f"Station {number}", request={}, version=1, current=1
        )
        version = Playlist.objects.create(
            user=user, name="x", request={}, seed=1, station=station, station_version=1
        )
        PlaylistEntry.objects.create(playlist=version, position=0, song=collection[number])
        player.ok("getPlaylists")  # the lists of the moods are kept
        with CaptureQueriesContext(connection) as queries:
            listed = player.ok("getPlaylists")["playlists"]["playlist"]
        assert sum(one["id"].startswith("st-") for one in listed) == number + 1
        costs.append(len(queries))
    assert costs[0] == costs[1] == costs[2]


@pytest.mark.data
def test_answers_fit_the_schemas(player: Player, collection: list[Song]) -> None:
    made = player.ok("createPlaylist", name="Mine", songId=collection[0].pk)
    assert problems_of("createPlaylist", made) == []
    assert problems_of("getPlaylists", player.ok("getPlaylists")) == []
    for key in (made["playlist"]["id"], "mood-joy"):
        assert problems_of("getPlaylist", player.ok("getPlaylist", id=key)) == []


def test_a_list_counts_the_songs_that_it_shows(
    player: Player, user: User, collection: list[Song]
) -> None:
    playlist = Playlist.objects.create(user=user, name="Mixed", request={}, seed=1)
    table = LibraryFactory(kind="table", root="table:x")
    gone = SongFactory(is_available=False, duration_seconds=100.0)
    songs = [collection[0], SongFactory(library=table, duration_seconds=100.0), gone]
    for place, song in enumerate(songs):
        PlaylistEntry.objects.create(playlist=playlist, position=place, song=song)

    (told,) = [
        one for one in player.ok("getPlaylists")["playlists"]["playlist"] if one["name"] == "Mixed"
    ]
    whole = player.ok("getPlaylist", id=told["id"])["playlist"]

    assert (told["songCount"], len(whole["entry"])) == (1, 1)
    assert told["duration"] == whole["duration"] == round(collection[0].duration_seconds)
