"""Lists load what they show, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from recommender import history, selectors
from recommender.models import Playlist
from tests.factories import SongEmotionFactory, SongFactory

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.test import Client
    from pytest_django import DjangoAssertNumQueries

    from catalog.models import Song

pytestmark = pytest.mark.django_db

BIG = ("lyrics", "timeline", "lyric_lines", "fused_embedding")
LISTS = (
    "/songs",
    "/songs?q=title&quadrant=Q1",
    "/api/v1/songs/",
    "/api/v1/songs/?ordering=-valence",
    "/api/v1/songs/{song}/similar/",
    "/playlist?mood=calm&seed=1",
    "/playlists/{playlist}",
    "/playlist.m3u8?mood=calm&seed=1",
    "/api/v1/playlists/{playlist}/",
    "/api/v1/playlists/{playlist}/export.m3u8",
    "/history",
    "/api/v1/listens/",
)


@pytest.fixture
def listener(client: Client, user: User, songs: list[Song]) -> Client:
    """Somebody logged in with a kept list and a history, when the snapshot is read already."""
    client.force_login(user)
    client.post("/playlists/save", {"query": "mood=joy&seed=1&count=12", "name": "Joy"})
    for song in songs:
        history.listen_record(user=user, song_id=song.pk)
    return client


def fill(path: str, songs: list[Song]) -> str:
    return path.format(song=songs[0].pk, playlist=Playlist.objects.get().pk)


@pytest.mark.parametrize("path", LISTS)
def test_a_list_loads_no_big_column(listener: Client, songs: list[Song], path: str) -> None:
    with CaptureQueriesContext(connection) as queries:
        assert listener.get(fill(path, songs)).status_code == 200
    for query in queries:
        selected = query["sql"].partition(" FROM ")[0]
        # The reasons of the listed songs name what their lyrics do.
        allowed = {"lyric_lines"} if '"gates", ' in selected else set()
        big = [name for name in BIG if f'"{name}"' in selected and name not in allowed]
        assert not big, query["sql"]


@pytest.mark.parametrize("path", LISTS)
def test_more_songs_take_no_more_queries(listener: Client, songs: list[Song], path: str) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            listener.get(fill(path, songs))
        return len(queries)

    few = count()
    user = Playlist.objects.get().user
    for number in range(6):
        song = SongEmotionFactory(valence=0.7, arousal=0.2, song__artist=f"New {number}").song
        SongFactory(status="pending")
        history.listen_record(user=user, song_id=song.pk)
    listener.get("/playlist?mood=calm&seed=1")  # the snapshot is read anew
    assert count() == few


@pytest.mark.parametrize(
    ("path", "queries"),
    [
        ("/songs", 3),  # ids, songs and count
        ("/api/v1/songs/", 2),
        ("/api/v1/songs/{song}/", 3),  # song, credits and genres
        ("/songs/{song}/audio", 1),
        ("/history", 6),  # session, user, count, page, songs and feedback
        ("/api/v1/listens/", 4),
    ],
)
def test_how_many_queries(
    client: Client,
    user: User,
    songs: list[Song],
    wav_song: Song,
    django_assert_num_queries: DjangoAssertNumQueries,
    path: str,
    queries: int,
) -> None:
    if path in {"/history", "/api/v1/listens/"}:
        client.force_login(user)
        history.listen_record(user=user, song_id=songs[0].pk)
    with django_assert_num_queries(queries):
        response = client.get(path.format(song=wav_song.pk))
        assert response.status_code == 200
        response.close()


def test_what_lists_and_exports_show_is_loaded(
    songs: list[Song], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1):
        song = selectors.songs_by_id([songs[0].pk])[songs[0].pk]
        emotion = selectors.current_emotion(song)
        assert emotion is not None
        assert emotion.song == song
        assert (song.title, song.path) == (songs[0].title, songs[0].path)
    assert song.get_deferred_fields().isdisjoint({"artist", "album", "genre", "year", "status"})


def test_details_come_in_three_queries(
    songs: list[Song], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(3):  # song, credits and genres
        song = selectors.song_details().get(pk=songs[0].pk)
        emotion = selectors.current_emotion(song)
        assert emotion is not None
        assert emotion.get_deferred_fields() == {"fused_embedding"}
        assert song.get_deferred_fields() == set()
