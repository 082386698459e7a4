"""Stars, ratings, what is played, and the queue."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

from recommender.models import Listen, PlayerState, Skip, Star
from tests.factories import UserFactory
from tests.recommender.subsonic.schemas import problems_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.contrib.auth.models import User

    from catalog.models import Song
    from tests.recommender.subsonic.conftest import Player

pytestmark = pytest.mark.django_db


def test_stars_of_songs_albums_and_artists(player: Player, collection: list[Song]) -> None:
    album = collection[0].album_entry
    assert album is not None
    keys = {"id": str(collection[0].pk), "albumId": f"al-{album.pk}"}
    player.ok("star", **keys, artistId=f"ar-{album.artist_id}")
    player.ok("star", **keys)  # a second time changes nothing
    starred = player.ok("getStarred2")["starred2"]
    assert [len(starred[kind]) for kind in ("artist", "album", "song")] == [1, 1, 1]
    assert starred["song"][0]["starred"]
    assert player.ok("getAlbum", id=keys["albumId"])["album"]["starred"]
    assert player.ok("getStarred")["starred"]["artist"][0]["name"] == "The Alpha"
    player.ok("unstar", **keys)
    starred = player.ok("getStarred2")["starred2"]
    assert [len(starred[kind]) for kind in ("artist", "album", "song")] == [1, 0, 0]


def test_nothing_is_starred_if_one_is_not_there(player: Player, collection: list[Song]) -> None:
    assert player.code("star", id=[str(collection[0].pk), "al-999"]) == 70
    assert player.code("star") == 10
    assert player.ok("getStarred2")["starred2"]["song"] == []


def test_ratings(player: Player, collection: list[Song]) -> None:
    pk = collection[0].pk
    player.ok("setRating", id=pk, rating=4)
    assert player.ok("getSong", id=pk)["song"]["userRating"] == 4
    player.ok("setRating", id=pk, rating=0)
    assert "userRating" not in player.ok("getSong", id=pk)["song"]
    for rating in ("6", "-1", "x", "1e9", "nan"):
        assert player.code("setRating", id=pk, rating=rating) == 0
    assert player.code("setRating", id=pk) == 10
    assert player.code("setRating", id="999999", rating=3) == 70


def test_what_was_played(player: Player, user: User, collection: list[Song]) -> None:
    first, second = collection[:2]
    moment = int(time.time() * 1000) - 60_000
    sent = {"id": [first.pk, second.pk], "time": [moment, moment + 1000]}
    player.ok("scrobble", **sent)
    player.ok("scrobble", **sent)
    assert Listen.objects.filter(user=user).count() == 2
    player.ok("scrobble", id=first.pk)
    assert Listen.objects.filter(user=user, song=first).count() == 2
    for bad in ("-1", "9" * 19, "soon", "nan", str(moment + 10**9)):
        assert player.code("scrobble", id=first.pk, time=bad) == 0
    assert player.code("scrobble", id=999_999) == 70


def test_all_songs_are_noted_or_none(player: Player, collection: list[Song]) -> None:
    first, second = (song.pk for song in collection[:2])
    assert player.code("scrobble", id=[first, 999_999]) == 70
    soon = int(time.time() * 1000) + 10**9
    assert player.code("scrobble", id=[first, second], time=[1_600_000_000_000, soon]) == 0
    assert not Listen.objects.exists()
    player.ok("scrobble", id=[first, first], time=[1_600_000_000_000, 1_600_000_500_000])
    assert Listen.objects.count() == 2


def test_a_time_that_no_player_can_mean(player: Player, collection: list[Song]) -> None:
    error = player.answer("scrobble", id=collection[0].pk, time=86_400_000)["error"]
    assert "from 2002-10-01 on" in error["message"]
    assert not Listen.objects.exists()
    player.ok("scrobble", id=collection[0].pk, time=0)
    assert timezone.now() - Listen.objects.get().listened_at < timedelta(minutes=1)


def test_what_plays_now_is_the_listeners_own(
    player: Player, player_of: Callable[[User], Player], collection: list[Song]
) -> None:
    assert player.ok("getNowPlaying")["nowPlaying"]["entry"] == []
    player.ok("scrobble", id=collection[0].pk, submission="false")
    (entry,) = player.ok("getNowPlaying")["nowPlaying"]["entry"]
    assert (entry["title"], entry["username"], entry["playerName"]) == ("Song 000", "ada", "test")
    assert not Listen.objects.exists()
    other = player_of(UserFactory(username="bob"))
    assert other.ok("getNowPlaying")["nowPlaying"]["entry"] == []


@pytest.mark.parametrize(
    ("seconds", "length", "listens", "skips"),
    [
        *((30, 180, 1, 0), (29, 180, 0, 1), (0, 180, 0, 1)),
        *((10, 20, 1, 0), (9, 20, 0, 1)),
        *((30, None, 1, 0), (29, None, 0, 1), (0, None, 0, 0)),
    ],
)
def test_a_stopped_song_is_heard_or_skipped(
    player: Player,
    collection: list[Song],
    seconds: int,
    length: float | None,
    listens: int,
    skips: int,
) -> None:
    collection[0].duration_seconds = length
    collection[0].save()
    report = {"mediaId": collection[0].pk, "mediaType": "song"}
    player.ok("reportPlayback", **report, positionMs=0, state="starting")
    assert player.ok("getNowPlaying")["nowPlaying"]["entry"][0]["state"] == "playing"
    end = {**report, "positionMs": 1000 * seconds, "state": "stopped"}
    player.ok("reportPlayback", **end, ignoreScrobble="true")
    assert (Listen.objects.count(), Skip.objects.count()) == (0, 0)
    player.ok("reportPlayback", **end)
    assert (Listen.objects.count(), Skip.objects.count()) == (listens, skips)
    assert player.ok("getNowPlaying")["nowPlaying"]["entry"] == []
    assert player.code("reportPlayback", **{**end, "state": "flying"}) == 0


def test_the_queue_goes_from_player_to_player(player: Player, collection: list[Song]) -> None:
    songs = [song.pk for song in collection[:3]]
    assert "playQueue" not in player.ok("getPlayQueue")
    player.ok("savePlayQueue", id=[*songs, songs[0]], current=songs[1], position=1500)
    queue = player.ok("getPlayQueue")["playQueue"]
    assert [one["id"] for one in queue["entry"]] == [*map(str, songs), str(songs[0])]
    assert (queue["current"], queue["position"], queue["changedBy"]) == (
        str(songs[1]),
        1500,
        "test",
    )
    assert player.code("savePlayQueue", id=songs, current=999) == 0
    assert player.code("savePlayQueue", id=songs) == 10
    player.ok("savePlayQueue")
    assert "playQueue" not in player.ok("getPlayQueue")
    assert PlayerState.objects.count() == 1


@pytest.mark.data
def test_answers_fit_the_schemas(player: Player, user: User, collection: list[Song]) -> None:
    Star.objects.create(user=user, album=collection[0].album_entry)
    player.ok("star", id=collection[0].pk)
    player.ok("scrobble", id=collection[0].pk, submission="false")
    player.ok("savePlayQueue", id=collection[0].pk, current=collection[0].pk)
    for name in ("getStarred", "getStarred2", "getNowPlaying", "getPlayQueue"):
        assert problems_of(name, player.ok(name)) == []
