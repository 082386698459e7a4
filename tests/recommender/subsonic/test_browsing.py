"""Artists, albums, songs and genres, and lists of them."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog.models import Album, Artist, Song
from recommender.feedback import artist_ban, song_ban, song_like, song_rate
from recommender.history import listen_record
from recommender.models import Star
from recommender.subsonic import listed, shelves
from tests.recommender.subsonic.schemas import problems_of

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from tests.recommender.subsonic.conftest import Player

MOST_QUERIES = 20
"""Of any call, however many songs, albums and artists it shows."""


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["id"] for row in rows]


def names(rows: list[dict[str, Any]]) -> list[str]:
    return [row.get("name") or row["title"] for row in rows]


class TestArtists:
    def test_by_letters(self, player: Player, collection: list[Song]) -> None:
        artists = player.ok("getArtists")["artists"]
        assert {one["name"]: names(one["artist"]) for one in artists["index"]} == {
            "#": ["4 Winds"],
            "A": ["The Alpha"],
            "B": ["Beta"],
            "O": ["Ørsted"],
        }
        assert artists["index"][1]["artist"][0]["albumCount"] == 2
        assert player.ok("getIndexes")["indexes"]["index"][1]["name"] == "A"

    def test_nothing_is_sent_again_if_nothing_changed(
        self, player: Player, collection: list[Song]
    ) -> None:
        last = player.ok("getIndexes")["indexes"]["lastModified"]
        assert "index" not in player.ok("getIndexes", ifModifiedSince=last)["indexes"]
        assert player.ok("getIndexes", ifModifiedSince=last - 1)["indexes"]["index"]

    def test_one_with_albums(self, player: Player, collection: list[Song]) -> None:
        artist = Artist.objects.get(name="Beta")
        shown = player.ok("getArtist", id=f"ar-{artist.pk}")["artist"]
        assert (shown["name"], shown["albumCount"]) == ("Beta", 2)
        assert names(shown["album"]) == ["Album 10", "Album 11"]

    def test_a_guest_on_another_album(self, player: Player, collection: list[Song]) -> None:
        guest = Artist.objects.create(name="Guest", key="guest")
        collection[0].credits.create(artist=guest, position=1, role="featured", name="Guest")
        shelves.forget()
        shown = player.ok("getArtist", id=f"ar-{guest.pk}")["artist"]
        assert names(shown["album"]) == ["Album 00"]
        song = player.ok("getSong", id=collection[0].pk)["song"]
        assert names(song["artists"]) == ["The Alpha", "Guest"]

    def test_who_has_no_song_left_is_not_listed(
        self, player: Player, collection: list[Song]
    ) -> None:
        Song.objects.filter(artist="Beta").update(is_available=False, updated_at=timezone.now())
        shelves.forget()
        index = player.ok("getArtists")["artists"]["index"]
        assert [one["name"] for one in index] == ["#", "A", "O"]


class TestAlbums:
    def test_one_in_the_order_of_its_tracks(self, player: Player, collection: list[Song]) -> None:
        album = Album.objects.get(title="Album 00")
        shown = player.ok("getAlbum", id=f"al-{album.pk}")["album"]
        assert names(shown["song"]) == ["Song 000", "Song 001", "Song 002"]
        assert (shown["songCount"], shown["duration"], shown["year"]) == (3, 540, 2000)
        assert shown["artistId"] == f"ar-{album.artist_id}"
        assert [song["albumId"] for song in shown["song"]] == [shown["id"]] * 3

    def test_directories(self, player: Player, collection: list[Song]) -> None:
        artist = Artist.objects.get(name="Beta")
        loose = collection[6]
        Song.objects.filter(pk=loose.pk).update(album_entry=None)
        shown = player.ok("getMusicDirectory", id=f"ar-{artist.pk}")["directory"]
        assert [(one["title"], one["isDir"]) for one in shown["child"]] == [
            ("Album 10", True),
            ("Album 11", True),
            ("Song 100", False),
        ]
        inner = player.ok("getMusicDirectory", id=shown["child"][0]["id"])["directory"]
        assert inner["parent"] == f"ar-{artist.pk}"
        assert names(inner["child"]) == ["Song 101", "Song 102"]
        root = player.ok("getMusicDirectory", id=shown["parent"])["directory"]
        assert [(one["title"], one["isDir"]) for one in root["child"]] == [
            *(("4 Winds", True), ("The Alpha", True), ("Beta", True), ("Ørsted", True)),
        ]

    @pytest.mark.parametrize(
        ("kind", "more", "first"),
        [
            ("alphabeticalByName", {}, ["Album 00", "Album 01"]),
            ("alphabeticalByArtist", {}, ["Album 30", "Album 31"]),
            ("newest", {}, ["Album 31", "Album 30"]),
            ("byYear", {"fromYear": 2002, "toYear": 2003}, ["Album 10", "Album 11"]),
            ("byYear", {"fromYear": 2003, "toYear": 2002}, ["Album 11", "Album 10"]),
            ("byGenre", {"genre": "JAZZ"}, ["Album 01", "Album 11"]),
            ("starred", {}, ["Album 20"]),
            ("frequent", {}, ["Album 10", "Album 21"]),
            ("recent", {}, ["Album 21", "Album 10"]),
            ("highest", {}, []),
        ],
    )
    def test_lists(
        self,
        player: Player,
        user: User,
        collection: list[Song],
        kind: str,
        more: dict[str, Any],
        first: list[str],
    ) -> None:
        Star.objects.create(user=user, album=Album.objects.get(title="Album 20"))
        now = timezone.now()
        for song, minutes in ((collection[6], 9), (collection[7], 8), (collection[15], 1)):
            moment = now - timedelta(minutes=minutes)
            listen_record(user=user, song_id=song.pk, listened_at=moment)
        albums = player.ok("getAlbumList2", type=kind, size=2, **more)["albumList2"]["album"]
        assert names(albums) == first
        old = player.ok("getAlbumList", type=kind, size=2, **more)["albumList"]["album"]
        assert ids(old) == ids(albums)

    def test_the_newest_listens_count(
        self, player: Player, user: User, collection: list[Song], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(listed, "_MOST_LISTENS", 1)
        for song, minutes in ((collection[0], 9), (collection[3], 1)):
            moment = timezone.now() - timedelta(minutes=minutes)
            listen_record(user=user, song_id=song.pk, listened_at=moment)
        for kind in ("frequent", "recent"):
            albums = player.ok("getAlbumList2", type=kind)["albumList2"]["album"]
            assert names(albums) == ["Album 01"]

    def test_pages_hold_every_album_once(self, player: Player, collection: list[Song]) -> None:
        found = []
        for offset in (0, 3, 6, 9):
            page = player.ok("getAlbumList2", type="newest", size=3, offset=offset)
            found += ids(page["albumList2"]["album"])
        assert len(found) == len(set(found)) == 8
        chance = player.ok("getAlbumList2", type="random", size=500)["albumList2"]["album"]
        assert sorted(ids(chance)) == sorted(found)


class TestSongs:
    def test_all_that_is_known_of_one(
        self, player: Player, user: User, collection: list[Song]
    ) -> None:
        song = collection[1]
        song_like(user=user, song_id=song.pk)
        song_rate(user=user, song_id=song.pk, stars=4)
        listen_record(user=user, song_id=song.pk)
        shown = player.ok("getSong", id=song.pk)["song"]
        assert shown["id"] == str(song.pk)
        assert (shown["title"], shown["artist"], shown["album"]) == (
            "Song 001",
            "The Alpha",
            "Album 00",
        )
        assert (shown["track"], shown["year"], shown["duration"]) == (2, 2000, 180)
        assert (shown["contentType"], shown["suffix"], shown["bpm"]) == ("audio/flac", "flac", 101)
        assert shown["moods"] == ["happy", "rainy"]
        assert (shown["userRating"], shown["playCount"]) == (4, 1)
        assert shown["starred"].endswith("Z")
        assert shown["path"] == "The Alpha/Album 00/Song 001.flac"
        assert song.relative_path not in str(shown)

    @pytest.mark.parametrize("name", ["getSong", "getAlbum", "getArtist", "getMusicDirectory"])
    @pytest.mark.parametrize("of", ["", "al-", "ar-", "x-"])
    def test_what_is_not_there(
        self, player: Player, collection: list[Song], name: str, of: str
    ) -> None:
        for number in ("0", str(2**63 - 1), str(2**64), "9" * 40, "1.5", "-1", "٣"):
            assert player.code(name, id=f"{of}{number}") == 70

    def test_genres(self, player: Player, collection: list[Song]) -> None:
        genres = player.ok("getGenres")["genres"]["genre"]
        assert genres == [
            {"value": "Jazz", "songCount": 12, "albumCount": 4},
            {"value": "Rock", "songCount": 12, "albumCount": 4},
        ]
        songs = player.ok("getSongsByGenre", genre="jazz", count=5, offset=10)["songsByGenre"]
        assert len(songs["song"]) == 2

    def test_by_chance_without_banned_ones(
        self, player: Player, user: User, collection: list[Song]
    ) -> None:
        for song in collection[:6]:
            song_ban(user=user, song_id=song.pk)
        artist_ban(user=user, artist=Artist.objects.get(name="Beta"))
        songs = player.ok("getRandomSongs", size=500)["randomSongs"]["song"]
        assert sorted(ids(songs)) == sorted(str(song.pk) for song in collection[12:])
        years = player.ok("getRandomSongs", size=500, fromYear=2004, toYear=2004, genre="Rock")
        assert {song["year"] for song in years["randomSongs"]["song"]} == {2004}

    def test_of_many_years_a_part_is_drawn(
        self, player: Player, collection: list[Song], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(listed, "_MOST_DRAWN", 3)
        seen: set[str] = set()
        for _ in range(200):
            songs = player.ok("getRandomSongs", size=500, fromYear=0)["randomSongs"]["song"]
            assert len(set(ids(songs))) == 3
            seen.update(ids(songs))
            if len(seen) == len(collection):
                break
        assert len(seen) == len(collection)
        monkeypatch.setattr(listed, "_MOST_DRAWN", 100)
        every = player.ok("getRandomSongs", size=500, fromYear=0)["randomSongs"]["song"]
        assert len(set(ids(every))) == len(collection)
        assert player.ok("getRandomSongs", fromYear=2999)["randomSongs"]["song"] == []

    def test_top_songs_are_those_heard_most(
        self, player: Player, user: User, collection: list[Song]
    ) -> None:
        listen_record(user=user, song_id=collection[8].pk)
        artist = Artist.objects.get(name="Beta")
        for asked in ({"artist": "beta"}, {"id": f"ar-{artist.pk}"}):
            songs = player.ok("getTopSongs", count=3, **asked)["topSongs"]["song"]
            assert songs[0]["title"] == "Song 102"
            assert len(ids(songs)) == len(set(ids(songs))) == 3
        assert player.ok("getTopSongs", artist="Nobody")["topSongs"]["song"] == []
        assert player.code("getTopSongs") == 10


class TestSearch:
    def test_nothing_is_everything(self, player: Player, collection: list[Song]) -> None:
        for query in ("", '""'):
            found = player.ok("search3", query=query, songCount=500)["searchResult3"]
            assert len(found["song"]) == 24
            assert len(found["album"]) == 8
            assert len(found["artist"]) == 4

    def test_pages_hold_every_song_once(self, player: Player, collection: list[Song]) -> None:
        found: list[str] = []
        for offset in range(0, 30, 5):
            answer = player.ok(
                "search3", query="", songCount=5, songOffset=offset, albumCount=0, artistCount=0
            )
            found += ids(answer["searchResult3"]["song"])
            assert answer["searchResult3"]["album"] == []
        assert len(found) == len(set(found)) == 24

    def test_words(self, player: Player, collection: list[Song]) -> None:
        for name, part in (("search3", "searchResult3"), ("search2", "searchResult2")):
            found = player.ok(name, query="album 10")[part]
            assert [one.get("name") or one["title"] for one in found["album"]] == ["Album 10"]
            assert {"Song 100", "Song 101", "Song 102"} <= set(names(found["song"]))
            assert names(player.ok(name, query="orsted")[part]["artist"]) == ["Ørsted"]
        found = player.ok("search", any="song 102")["searchResult"]
        assert (found["totalHits"], names(found["match"])) == (1, ["Song 102"])

    def test_a_new_song_is_found_soon(
        self, player: Player, collection: list[Song], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = player.ok("search3", query="", songCount=500)["searchResult3"]["song"]
        Song.objects.filter(pk=before[0]["id"]).update(
            is_available=False, updated_at=timezone.now()
        )
        monkeypatch.setattr(shelves, "FRESH_SECONDS", 0.0)
        after = player.ok("search3", query="", songCount=500)["searchResult3"]["song"]
        assert ids(after) == ids(before)[1:]


CALLS: list[tuple[str, dict[str, Any]]] = [
    ("ping", {}),
    ("getLicense", {}),
    ("getUser", {}),
    ("tokenInfo", {}),
    ("getMusicFolders", {}),
    ("getScanStatus", {}),
    ("getOpenSubsonicExtensions", {}),
    ("getIndexes", {}),
    ("getArtists", {}),
    ("getArtist", {"id": "artist"}),
    ("getAlbum", {"id": "album"}),
    ("getAlbumInfo", {"id": "album"}),
    ("getAlbumInfo2", {"id": "song"}),
    ("getAlbumList", {"type": "newest"}),
    ("getAlbumList2", {"type": "alphabeticalByName"}),
    ("getSong", {"id": "song"}),
    ("getMusicDirectory", {"id": "1"}),
    ("getMusicDirectory", {"id": "artist"}),
    ("getMusicDirectory", {"id": "album"}),
    ("getGenres", {}),
    ("getSongsByGenre", {"genre": "Rock"}),
    ("getRandomSongs", {}),
    ("getTopSongs", {"artist": "Beta"}),
    ("search", {"any": "song"}),
    ("search2", {"query": ""}),
    ("search3", {"query": "song"}),
    ("getLyrics", {"artist": "The Alpha", "title": "Song 000"}),
    ("getLyricsBySongId", {"id": "song"}),
    ("getBookmarks", {}),
    ("getInternetRadioStations", {}),
    ("getNewestPodcasts", {}),
    ("getPodcasts", {}),
    ("getShares", {}),
    ("getVideos", {}),
]


def sent_of(collection: list[Song], parameters: dict[str, Any]) -> dict[str, Any]:
    """Return parameters with ids in the place of what they stand for."""
    album = collection[0].album_entry
    assert album is not None
    keys = {
        "song": str(collection[0].pk),
        "album": f"al-{album.pk}",
        "artist": f"ar-{album.artist_id}",
    }
    return {name: keys.get(value, value) for name, value in parameters.items()}


@pytest.mark.parametrize(("name", "parameters"), CALLS)
def test_a_call_costs_few_queries_whatever_it_shows(
    player: Player, collection: list[Song], name: str, parameters: dict[str, Any]
) -> None:
    sent = sent_of(collection, parameters)
    player.ok(name, **sent)  # the orders of all songs, albums and artists are kept
    with CaptureQueriesContext(connection) as queries:
        body = player.ok(name, **sent)
    assert len(queries) <= MOST_QUERIES, [one["sql"][:120] for one in queries]
    assert len(json.dumps(body)) > 100


@pytest.mark.data
@pytest.mark.parametrize(("name", "parameters"), CALLS)
def test_answers_fit_the_schemas_of_opensubsonic(
    player: Player, collection: list[Song], name: str, parameters: dict[str, Any]
) -> None:
    body = player.ok(name, **sent_of(collection, parameters))
    assert problems_of(name, body) == []
    assert problems_of(name, player.answer(name, apiKey="x")) == []
