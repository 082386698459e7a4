"""Spotify's recommendations and audio features, by plain requests and by its own library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from catalog.models import Artist, Genre, Song, SongCredit
from tests.factories import SongFactory, token_secret

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from pytest_django import DjangoAssertNumQueries
    from pytest_django.fixtures import SettingsWrapper
    from pytest_django.live_server_helper import LiveServer
    from rest_framework.test import APIClient

pytestmark = pytest.mark.django_db
ASKED = "/api/v1/recommendations/"
FEATURES = "/api/v1/audio-features/"


def ask(api: APIClient, **query: object) -> dict[str, Any]:
    answer = api.get(ASKED, query)
    assert answer.status_code == 200, answer.content
    found: dict[str, Any] = answer.json()
    return found


def ids(answer: dict[str, Any]) -> list[int]:
    return [int(track["id"]) for track in answer["tracks"]]


def test_the_shape(api: APIClient, songs: list[Song]) -> None:
    artist = Artist.objects.create(name="Artist 5", key="artist 5")
    SongCredit.objects.create(song=songs[5], artist=artist, name="Artist 5", position=0)
    Song.objects.filter(pk=songs[5].pk).update(
        is_explicit=True, year=1999, track_number=3, musicbrainz_recording_id="a" * 36
    )
    body = ask(api, seed_tracks=songs[0].pk, limit=11)
    assert body["seeds"] == [
        {
            "id": str(songs[0].pk),
            "type": "TRACK",
            "href": f"http://testserver/api/v1/songs/{songs[0].pk}/",
            "initialPoolSize": 12,
            "afterFilteringSize": 11,
            "afterRelinkingSize": 11,
        }
    ]
    assert songs[0].pk not in ids(body)
    track = next(track for track in body["tracks"] if track["id"] == str(songs[5].pk))
    assert track["artists"][0]["name"] == "Artist 5"
    assert track["uri"] == f"spotify:track:{songs[5].pk}"
    assert (track["explicit"], track["track_number"]) == (True, 3)
    assert track["album"]["release_date"] == "1999"
    assert track["duration_ms"] == round(1000 * (songs[5].duration_seconds or 0))
    assert track["external_ids"] == {"musicbrainz": "a" * 36}
    for link in (track["href"], track["external_urls"]["affetti"]):
        assert api.get(link).status_code == 200


def test_without_the_slash(api: APIClient, songs: list[Song]) -> None:
    for path in (ASKED, FEATURES):
        query = {"seed_tracks": songs[0].pk} if path == ASKED else {"ids": songs[0].pk}
        assert api.get(path[:-1], query).json().keys() == api.get(path, query).json().keys()
    one = f"{FEATURES}{songs[0].pk}"
    assert api.get(one).json() == api.get(f"{one}/").json()


@pytest.mark.parametrize(
    ("bounds", "axis", "low", "high"),
    [
        ({"min_valence": 0.5}, "valence", 0.5, 1),
        ({"max_valence": 0.4}, "valence", 0, 0.4),
        ({"min_energy": 0.6}, "energy", 0.6, 1),
        ({"min_arousal": 0.4, "max_arousal": 0.6}, "energy", 0.4, 0.6),
    ],
)
def test_bounds_are_kept(
    api: APIClient, songs: list[Song], bounds: dict[str, float], axis: str, low: float, high: float
) -> None:
    found = ids(ask(api, seed_tracks=songs[0].pk, limit=100, **bounds))
    features = api.get(FEATURES, {"ids": ",".join(map(str, found))}).json()["audio_features"]
    assert found
    assert all(low <= one[axis] <= high for one in features)


def test_targets_come_first(api: APIClient, songs: list[Song]) -> None:
    body = ask(api, target_valence=0.9, target_energy=0.9, limit=1)
    assert ids(body) == [songs[11].pk]
    assert body["seeds"] == []
    for n, song in enumerate(songs):
        Song.objects.filter(pk=song.pk).update(bpm=60 + 10 * n)
    found = ids(ask(api, seed_tracks=songs[0].pk, target_tempo=120, limit=3))
    assert found[0] == songs[6].pk
    assert set(found[1:]) == {songs[5].pk, songs[7].pk}
    found = ids(ask(api, seed_tracks=songs[0].pk, min_tempo=140, limit=20))
    assert set(found) == {song.pk for song in songs[8:]}


def test_keys_and_modes(api: APIClient, songs: list[Song]) -> None:
    Song.objects.filter(pk=songs[3].pk).update(estimated_key=9 + 12, key_confidence=1.0)  # A minor
    Song.objects.filter(pk=songs[4].pk).update(estimated_key=9, key_confidence=1.0)
    assert set(ids(ask(api, target_valence=0.5, min_key=9, max_key=9))) == {
        songs[3].pk,
        songs[4].pk,
    }
    assert ids(ask(api, target_valence=0.5, max_mode=0)) == [songs[3].pk]
    assert ids(ask(api, target_key=9, target_mode=1))[0] == songs[4].pk
    features = api.get(f"{FEATURES}{songs[3].pk}/").json()
    assert (features["key"], features["mode"]) == (9, 0)


def test_a_key_that_few_songs_have(api: APIClient, songs: list[Song]) -> None:
    far = songs[0]  # the least like what is wanted, so beyond any pool of three songs
    Song.objects.filter(pk=far.pk).update(estimated_key=9 + 12, key_confidence=1.0)
    wanted = {"target_valence": 0.9, "target_energy": 0.9, "limit": 1}
    assert ids(ask(api, **wanted, min_key=8, max_key=10)) == [far.pk]
    assert ids(ask(api, **wanted, max_mode=0)) == [far.pk]
    assert ids(ask(api, **wanted, min_key=9, max_key=9, min_mode=1)) == []
    assert ids(ask(api, **wanted, min_key=10, max_key=9)) == []


def test_a_tempo_that_few_songs_have(api: APIClient, songs: list[Song]) -> None:
    Song.objects.update(bpm=90)
    Song.objects.filter(pk=songs[0].pk).update(bpm=171)
    wanted = {"target_valence": 0.9, "target_energy": 0.9, "target_tempo": 170}
    assert ids(ask(api, **wanted, limit=1)) == [songs[0].pk]
    found = ids(ask(api, **wanted, limit=3))
    assert (found[0], len(found)) == (songs[0].pk, 3)
    assert songs[0].pk not in ids(ask(api, **wanted, max_tempo=100, limit=3))


def test_each_list_counts(api: APIClient, songs: list[Song]) -> None:
    def left(**query: object) -> int:
        return int(api.get(ASKED, query)["RateLimit-Remaining"])

    before = left(seed_genres="a")
    assert before - left(seed_genres="a,b,c") == 3
    assert before - left(seed_genres="a,b", target_tempo=100) == 3 + 4


def test_genres_share_the_list(api: APIClient, songs: list[Song]) -> None:
    for n, song in enumerate(songs):
        name = ("Rock", "Jazz", "Folk")[n % 3]
        Song.objects.filter(pk=song.pk).update(genre=name)
        genre, _ = Genre.objects.get_or_create(name=name, key=name.lower())
        song.genres.set([genre])
    body = ask(api, seed_genres="rock,jazz", limit=6)
    kinds = list(Song.objects.filter(pk__in=ids(body)).values_list("genre", flat=True))
    assert sorted(kinds) == ["Jazz"] * 3 + ["Rock"] * 3
    assert [seed["initialPoolSize"] for seed in body["seeds"]] == [4, 4]


def test_artists(api: APIClient, songs: list[Song]) -> None:
    artist = Artist.objects.create(name="Artist 5", key="artist 5")
    SongCredit.objects.create(song=songs[5], artist=artist, name="Artist 5", position=0)
    body = ask(api, seed_artists=artist.pk, limit=3)
    assert body["seeds"][0] | {"href": None} == body["seeds"][0]
    assert body["seeds"][0]["initialPoolSize"] == 1
    assert len(body["tracks"]) == 3


def test_what_is_unknown(api: APIClient, songs: list[Song]) -> None:
    body = ask(api, seed_tracks=f"{songs[0].pk},{10**9}", target_danceability=0.8)
    assert [seed["initialPoolSize"] for seed in body["seeds"]] == [12, 0]
    assert body["ignored"] == ["target_danceability"]
    assert api.get(ASKED, {"seed_tracks": 10**9}).status_code == 404
    assert ask(api, target_valence=0.5, min_tempo=999)["tracks"] == []


@pytest.mark.parametrize(
    "query",
    [
        "",
        "limit=20",
        "seed_tracks=",
        "seed_tracks=1,2,3,4,5,6",
        "seed_tracks=1,2,3&seed_genres=a,b,c",
        "seed_tracks=abc",
        "seed_tracks=%00",
        "seed_tracks=" + "9" * 40,
        "seed_tracks=1&limit=0",
        "seed_tracks=1&limit=101",
        "target_valence=1.1",
        "target_valence=nan",
        "target_energy=-1",
        "target_key=12",
        "target_mode=major",
        "target_valence=0.5&min_valence=0.9&max_valence=0.1",
        "target_valence=0.5&mood=sad",
    ],
)
def test_what_is_refused(api: APIClient, songs: list[Song], query: str) -> None:
    answer = api.get(f"{ASKED}?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "REQUEST_INVALID"), query


def test_audio_features(
    api: APIClient, songs: list[Song], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    waiting = SongFactory()
    wanted = [songs[2].pk, 10**9, songs[0].pk, waiting.pk]
    with django_assert_num_queries(1):
        body = api.get(FEATURES, {"ids": ",".join(map(str, wanted))}).json()["audio_features"]
    assert [one and int(one["id"]) for one in body] == [songs[2].pk, None, songs[0].pk, None]
    emotion = api.get(f"/api/v1/songs/{songs[2].pk}/emotion/").json()
    assert (body[0]["valence"], body[0]["energy"]) == (emotion["valence"], emotion["arousal"])
    assert body[0]["danceability"] is None
    assert body[0]["key"] == -1
    assert api.get(f"{FEATURES}{songs[2].pk}/").json() == body[0]
    assert api.get(f"{FEATURES}{waiting.pk}/").json()["code"] == "SONG_NOT_ANALYSED"
    for absent in (10**9, 2**63, "9" * 40):
        assert api.get(f"{FEATURES}{absent}/").json()["code"] == "SONG_NOT_FOUND"
    for query in ("", "ids=", "ids=,", "ids=a", f"ids={','.join(['1'] * 101)}", "id=1"):
        assert api.get(f"{FEATURES}?{query}").status_code == 400, query


def test_queries_do_not_grow(
    api: APIClient, songs: list[Song], django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    query = {"seed_tracks": songs[0].pk, "limit": 11}
    api.get(ASKED, query)
    with django_assert_max_num_queries(20):
        assert len(ask(api, **query)["tracks"]) == 11


def test_its_tokens(
    api: APIClient, user: User, songs: list[Song], settings: SettingsWrapper
) -> None:
    settings.AFFETTI_PUBLIC = False
    secret = token_secret(user, "read")
    one = f"{FEATURES}{songs[0].pk}"
    for path in (f"{ASKED}?seed_tracks={songs[0].pk}", one):
        assert api.get(path).status_code == 401
        for word in ("Bearer", "Token", "bearer"):
            assert api.get(path, headers={"Authorization": f"{word} {secret}"}).status_code == 200
        assert api.get(path, headers={"Authorization": "Bearer no"}).status_code == 401
    songs_there = api.get("/api/v1/songs/", headers={"Authorization": f"Bearer {secret}"})
    assert songs_there.status_code == 401, "other addresses take our own word alone"
    other = {"Authorization": f"Bearer {token_secret(user, 'listen')}"}
    assert api.get(one, headers=other).status_code == 403


@pytest.mark.filterwarnings("ignore:.*deprecated by Spotify:DeprecationWarning")
@pytest.mark.django_db(transaction=True)
def test_spotipy(
    live_server: LiveServer, user: User, songs: list[Song], settings: SettingsWrapper
) -> None:
    spotipy = pytest.importorskip("spotipy")
    client = spotipy.Spotify(auth=token_secret(user, "read"), retries=0)
    client.prefix = f"{live_server.url}/api/v1/"
    found = client.recommendations(seed_tracks=[str(songs[0].pk)], limit=5, target_valence=0.8)
    assert len(found["tracks"]) == 5
    wanted = [track["id"] for track in found["tracks"]]
    features = client.audio_features(wanted)
    assert [one["id"] for one in features] == wanted
    uris = [track["uri"] for track in found["tracks"]]
    assert [one["uri"] for one in client.audio_features(uris)] == uris
    again = client.recommendations(seed_tracks=uris[:2], limit=5)
    assert [seed["id"] for seed in again["seeds"]] == wanted[:2]
    artist = Artist.objects.create(name="Artist 5", key="artist 5")
    SongCredit.objects.create(song=songs[5], artist=artist, name="Artist 5", position=0)
    named = client.recommendations(seed_artists=[f"spotify:artist:{artist.pk}"], limit=11)
    assert named["seeds"][0]["id"] == str(artist.pk)
    with pytest.raises(spotipy.SpotifyException) as refused:
        client.recommendations(limit=5)
    assert refused.value.http_status == 400
    assert "seed" in refused.value.msg
    settings.AFFETTI_PUBLIC = False
    client = spotipy.Spotify(auth="aff_wrong", retries=0)
    client.prefix = f"{live_server.url}/api/v1/"
    with pytest.raises(spotipy.SpotifyException) as stranger:
        client.audio_features(wanted)
    assert stranger.value.http_status == 401
    assert "token" in stranger.value.msg
