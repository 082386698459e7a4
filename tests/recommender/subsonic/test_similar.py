"""Songs that sound alike: the values of the index, or an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from catalog.models import Artist, SongEmotion
from recommender.errors import IndexBusyError
from recommender.feedback import song_ban
from recommender.playlists import similar as similar_songs
from tests.factories import SongFactory
from tests.recommender.subsonic.schemas import problems_of

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from pytest_django.fixtures import SettingsWrapper

    from catalog.models import Song
    from tests.recommender.subsonic.conftest import Player

pytestmark = pytest.mark.django_db


def cosine(one: int, other: int) -> float:
    a, b = (
        np.frombuffer(SongEmotion.objects.get(song=pk).fused_embedding, "<f4")
        for pk in (one, other)
    )
    return float(a @ b)


def test_the_similarities_are_those_of_the_index(player: Player, collection: list[Song]) -> None:
    seed = collection[0].pk
    matches = player.ok("getSonicSimilarTracks", id=seed, count=5)["sonicMatch"]
    assert len(matches) == 5
    values = [one["similarity"] for one in matches]
    assert values == sorted(values, reverse=True)
    for one in matches:
        wanted = max(0.0, cosine(seed, int(one["entry"]["id"])))
        assert one["similarity"] == pytest.approx(wanted, abs=1e-3)
    assert player.ok("getSonicSimilarTracks", id=seed, count=0)["sonicMatch"] == []


def test_a_path_leads_from_one_to_another(
    player: Player, user: User, collection: list[Song]
) -> None:
    start, end = collection[0].pk, collection[-1].pk
    path = player.ok("findSonicPath", startSongId=start, endSongId=end, count=8)["sonicMatch"]
    ids = [int(one["entry"]["id"]) for one in path]
    assert (ids[0], ids[-1]) == (start, end)
    assert 2 <= len(set(ids)) == len(ids) <= 8
    values = [one["similarity"] for one in path]
    assert values[0] == 1.0
    assert values == sorted(values, reverse=True)
    for one in path:
        wanted = max(0.0, cosine(start, int(one["entry"]["id"])))
        assert one["similarity"] == pytest.approx(wanted, abs=1e-3)
    for pk in ids[1:-1]:
        song_ban(user=user, song_id=pk)
    again = player.ok("findSonicPath", startSongId=start, endSongId=end, count=8)["sonicMatch"]
    assert set(ids[1:-1]).isdisjoint(int(one["entry"]["id"]) for one in again)


def test_a_long_path_costs_a_bounded_number_of_searches(
    player: Player, collection: list[Song], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(similar_songs, "_MOST_PLACES", 4)
    searches: list[int] = []
    nearest = similar_songs._nearest
    monkeypatch.setattr(
        similar_songs, "_nearest", lambda *of: searches.append(of[2]) or nearest(*of)
    )
    ends = {"startSongId": collection[0].pk, "endSongId": collection[-1].pk}
    path = player.ok("findSonicPath", **ends, count=13)["sonicMatch"]
    assert searches == [12] * 4
    ids = [int(one["entry"]["id"]) for one in path]
    assert 6 < len(set(ids)) == len(ids) <= 13  # some places have several songs
    values = [one["similarity"] for one in path]
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize(("songs", "most"), [(0, 30), (1, 30), (30, 30), (31, 30), (98, 30)])
def test_the_places_of_a_path_share_its_songs(songs: int, most: int) -> None:
    shares = similar_songs._shares(songs)
    assert sum(shares) == songs
    assert len(shares) <= most
    assert not shares or max(shares) - min(shares) <= 1


def test_paths_have_their_own_rate(
    player: Player, collection: list[Song], settings: SettingsWrapper
) -> None:
    settings.AFFETTI_THROTTLE_RATES = {**settings.AFFETTI_THROTTLE_RATES, "paths": "1/min"}
    ends = {"startSongId": collection[0].pk, "endSongId": collection[-1].pk}
    player.ok("findSonicPath", **ends)
    assert "Too many" in player.answer("findSonicPath", **ends)["error"]["message"]
    player.ok("ping")


def test_short_paths(player: Player, collection: list[Song]) -> None:
    start, end = collection[0].pk, collection[1].pk
    for count, length in ((1, 1), (2, 2)):
        sent = {"startSongId": start, "endSongId": end, "count": count}
        assert len(player.ok("findSonicPath", **sent)["sonicMatch"]) == length
    same = player.ok("findSonicPath", startSongId=start, endSongId=start)["sonicMatch"]
    assert [one["similarity"] for one in same] == [1.0]
    assert player.code("findSonicPath", startSongId=start, endSongId=end, count=0) == 0


def test_radio_of_a_song_an_album_and_an_artist(player: Player, collection: list[Song]) -> None:
    album = collection[0].album_entry
    assert album is not None
    for of in (str(collection[0].pk), f"al-{album.pk}", f"ar-{album.artist_id}"):
        for name, part in (
            ("getSimilarSongs", "similarSongs"),
            ("getSimilarSongs2", "similarSongs2"),
        ):
            songs = player.ok(name, id=of, count=7)[part]["song"]
            assert len({song["id"] for song in songs}) == 7, of


def test_similar_artists(player: Player, collection: list[Song]) -> None:
    artist = Artist.objects.get(name="Beta")
    info = player.ok("getArtistInfo2", id=f"ar-{artist.pk}", count=2)["artistInfo2"]
    names = [one["name"] for one in info["similarArtist"]]
    assert len(names) == 2
    assert "Beta" not in names


def test_what_cannot_be_answered_is_an_error(
    player: Player, collection: list[Song], monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = SongFactory()
    for name in ("getSonicSimilarTracks", "getSimilarSongs", "getSimilarSongs2"):
        error = player.answer(name, id=waiting.pk)["error"]
        assert (error["code"], "Not analysed" in error["message"]) == (0, True)
        assert player.code(name, id=999_999) == 70

    def away() -> None:
        raise IndexBusyError("away")

    monkeypatch.setattr(similar_songs, "index_snapshot", away)
    pk = collection[0].pk
    for name, sent in (
        ("getSonicSimilarTracks", {"id": pk}),
        ("findSonicPath", {"startSongId": pk, "endSongId": collection[1].pk}),
        ("getSimilarSongs2", {"id": pk}),
        ("getArtistInfo2", {"id": pk}),
    ):
        assert "index" in player.answer(name, **sent)["error"]["message"]


@pytest.mark.data
def test_answers_fit_the_schemas(player: Player, collection: list[Song]) -> None:
    pk = collection[0].pk
    path = {"startSongId": pk, "endSongId": collection[-1].pk}
    assert problems_of("findSonicPath", player.ok("findSonicPath", **path)) == []
    calls = (
        *("getSonicSimilarTracks", "getSimilarSongs", "getSimilarSongs2"),
        *("getArtistInfo", "getArtistInfo2"),
    )
    for name in calls:
        assert problems_of(name, player.ok(name, id=pk)) == []
