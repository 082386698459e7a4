"""Feedback over HTTP: each kind said, seen, repeated and taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from catalog.models import Artist, Song, SongCredit
from recommender.feedback import feedback_of
from recommender.models import Skip
from tests.factories import SongEmotionFactory, UserFactory

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from rest_framework.test import APIClient

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(api: APIClient, user: User) -> APIClient:
    api.force_authenticate(user)
    return api


def seen(api: APIClient, song: Song) -> dict[str, Any]:
    body = api.get(f"/api/v1/songs/{song.pk}/").json()
    return {name: body[name] for name in ("liked", "banned", "rating")}


@pytest.mark.parametrize(
    ("what", "body", "said"),
    [
        ("like", None, {"liked": True}),
        ("ban", None, {"banned": True}),
        ("rating", {"stars": 4}, {"rating": 4}),
    ],
)
def test_a_mark_is_put_and_deleted(
    ada: APIClient, songs: list[Song], what: str, body: object, said: dict[str, object]
) -> None:
    nothing = {"liked": False, "banned": False, "rating": None}
    address = f"/api/v1/songs/{songs[0].pk}/{what}/"
    for _ in range(2):
        assert ada.put(address, body, format="json").status_code == 204
        assert seen(ada, songs[0]) == nothing | said
    assert seen(ada, songs[1]) == nothing
    listed = {row["id"]: row for row in ada.get("/api/v1/songs/").json()["results"]}
    assert nothing | said == {name: listed[songs[0].pk][name] for name in nothing}
    for _ in range(2):
        assert ada.delete(address).status_code == 204
        assert seen(ada, songs[0]) == nothing


def test_what_was_said_of_a_song_that_is_gone_is_taken_back(
    ada: APIClient, user: User, songs: list[Song]
) -> None:
    ada.put(f"/api/v1/songs/{songs[0].pk}/like/")
    Song.objects.update(is_available=False)
    assert ada.put(f"/api/v1/songs/{songs[0].pk}/like/").status_code == 404
    assert ada.delete(f"/api/v1/songs/{songs[0].pk}/like/").status_code == 204
    assert feedback_of(user).likes == ()


def test_entries_and_similar_songs_have_marks(ada: APIClient, songs: list[Song]) -> None:
    ada.put(f"/api/v1/songs/{songs[1].pk}/like/")
    body = {"moods": ["calm"], "min_match": 0, "seed": 1, "save": False}
    made = ada.post("/api/v1/playlists/", body, format="json").json()
    liked = [entry["song"]["id"] for entry in made["entries"] if entry["song"]["liked"]]
    assert liked == [songs[1].pk]
    similar = ada.get(f"/api/v1/songs/{songs[0].pk}/similar/").json()
    assert [row["song"]["id"] for row in similar if row["song"]["liked"]] == [songs[1].pk]


def test_a_mood_is_corrected_by_numbers_or_by_name(
    ada: APIClient, user: User, songs: list[Song]
) -> None:
    address = f"/api/v1/songs/{songs[0].pk}/mood/"
    assert ada.put(address, {"valence": 0.9, "arousal": 0.1}, format="json").status_code == 204
    (correction,) = feedback_of(user).corrections
    assert (correction.valence, correction.arousal) == (0.9, 0.1)
    said = songs[0].emotions.get()
    assert (correction.said_valence, correction.said_arousal) == (said.valence, said.arousal)
    assert ada.put(address, {"mood": "angry"}, format="json").status_code == 204
    (correction,) = feedback_of(user).corrections
    assert (correction.valence, correction.arousal) == (0.15, 0.85)
    assert ada.delete(address).status_code == 204
    assert feedback_of(user).corrections == ()


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"valence", "arousal"}),
        ({"valence": 0.5}, {"arousal"}),
        ({"valence": 2, "arousal": 0.5}, {"valence"}),
        ({"mood": "polka"}, {"mood"}),
        ({"mood": "calm", "valence": 0.5, "arousal": 0.5}, {"mood"}),
        ({"mod": "calm"}, {"mod"}),
    ],
)
def test_a_wrong_correction_is_refused(
    ada: APIClient, user: User, songs: list[Song], body: dict[str, object], fields: set[str]
) -> None:
    response = ada.put(f"/api/v1/songs/{songs[0].pk}/mood/", body, format="json")
    assert response.status_code == 400
    assert set(response.json()["details"]) == fields
    assert feedback_of(user).corrections == ()


def test_skips(ada: APIClient, songs: list[Song]) -> None:
    address = f"/api/v1/songs/{songs[0].pk}/skips/"
    body = {"skipped_at": "2026-11-01T12:00:00Z", "seconds_played": 18.0}
    for _ in range(2):
        response = ada.post(address, body, format="json")
        assert response.status_code == 201
        assert response.json()["share_played"] == pytest.approx(0.1)
    assert Skip.objects.count() == 1
    assert ada.post(address, {"share_played": 2}, format="json").status_code == 400


def test_an_artist_is_banned_where_it_is_featured(ada: APIClient, songs: list[Song]) -> None:
    artist = Artist.objects.create(name="X", key="x")
    SongCredit.objects.create(song=songs[3], artist=artist, position=4, role="featured", name="X")
    address = f"/api/v1/artists/{artist.pk}/ban/"
    assert ada.put(address).status_code == 204
    assert seen(ada, songs[3])["banned"] is True
    assert ada.delete(address).status_code == 204
    assert seen(ada, songs[3])["banned"] is False
    assert ada.put("/api/v1/artists/999999/ban/").status_code == 404


def test_the_list_of_what_one_said(
    ada: APIClient, songs: list[Song], django_assert_max_num_queries: Any
) -> None:
    artist = Artist.objects.create(name="X", key="x")
    for song in songs[:3]:
        ada.put(f"/api/v1/songs/{song.pk}/like/")
    ada.put(f"/api/v1/songs/{songs[4].pk}/mood/", {"mood": "calm"}, format="json")
    ada.put(f"/api/v1/artists/{artist.pk}/ban/")
    # When each thing was said, by table; then the items of the page, by table.
    with django_assert_max_num_queries(6):
        body = ada.get("/api/v1/feedback/?page_size=2").json()
    assert body["count"] == 5
    assert [row["kind"] for row in body["results"]] == ["artist_ban", "mood"]
    assert body["results"][0]["artist"] == {"id": artist.pk, "name": "X"}
    assert body["results"][0]["song"] is None
    mood = body["results"][1]
    assert (mood["valence"], mood["song"]["title"]) == (0.7, songs[4].title)
    assert mood["said_valence"] == songs[4].emotions.get().valence
    likes = ada.get("/api/v1/feedback/?kind=like").json()["results"]
    assert [row["song"]["id"] for row in likes] == [song.pk for song in reversed(songs[:3])]
    ada.force_authenticate(UserFactory())
    assert ada.get("/api/v1/feedback/").json()["count"] == 0


def test_everything_or_one_kind_is_forgotten(ada: APIClient, songs: list[Song]) -> None:
    ada.put(f"/api/v1/songs/{songs[0].pk}/like/")
    ada.put(f"/api/v1/songs/{songs[1].pk}/ban/")
    assert ada.delete("/api/v1/feedback/?kind=likes").status_code == 400
    assert ada.delete("/api/v1/feedback/?kind=like").status_code == 204
    assert [row["kind"] for row in ada.get("/api/v1/feedback/").json()["results"]] == ["ban"]
    assert ada.delete("/api/v1/feedback/").status_code == 204
    assert ada.get("/api/v1/feedback/").json()["count"] == 0


def test_songs_that_are_not_there(ada: APIClient, songs: list[Song]) -> None:
    Song.objects.filter(pk=songs[0].pk).update(is_available=False)
    waiting = SongEmotionFactory(model_version="another").song
    for pk in (songs[0].pk, 999_999, 10**25):
        for what in ("like", "ban", "rating", "mood"):
            address = f"/api/v1/songs/{pk}/{what}/"
            assert ada.put(address, {}, format="json").status_code == 404
            # What was said of it before its file was gone can be taken back.
            assert ada.delete(address).status_code == (204 if pk == songs[0].pk else 404)
    response = ada.put(f"/api/v1/songs/{waiting.pk}/mood/", {"mood": "calm"}, format="json")
    assert (response.status_code, response.json()["code"]) == (409, "SONG_NOT_ANALYSED")


def test_marks_of_a_page_cost_no_query_a_song(
    ada: APIClient, songs: list[Song], django_assert_num_queries: Any
) -> None:
    ada.put(f"/api/v1/songs/{songs[0].pk}/like/")
    ada.get("/api/v1/songs/")
    for size in (2, 12):
        with django_assert_num_queries(4):  # the number of songs, the songs, revision, recordings
            ada.get(f"/api/v1/songs/?page_size={size}")
