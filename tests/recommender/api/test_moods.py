"""Moods with their places and numbers of songs, and the moods of what was heard."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

from recommender.models import Listen
from recommender.moods import MOODS
from tests.factories import SongEmotionFactory, UserFactory

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from pytest_django import DjangoAssertNumQueries
    from rest_framework.test import APIClient

    from catalog.models import Song

pytestmark = pytest.mark.django_db
HEARD = "/api/v1/profile/moods/"


def test_every_song_counts_for_its_nearest_mood(
    api: APIClient, songs: list[Song], django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    peaceful = MOODS["peaceful"]
    for shift in (0.0, 0.01, -0.01):
        SongEmotionFactory(valence=peaceful.valence + shift, arousal=peaceful.arousal)
    SongEmotionFactory(valence=0.5, arousal=0.5, song__is_available=False)
    moods = {mood["name"]: mood for mood in api.get("/api/v1/moods/").json()}
    assert [*moods] == [*MOODS]
    assert moods["peaceful"]["songs"] >= 3
    assert sum(mood["songs"] for mood in moods.values()) == 15
    assert moods["anger"]["quadrant"] == "Q2"
    assert "furious" in moods["anger"]["aliases"]
    with django_assert_max_num_queries(4):  # they say whether the snapshot is of now
        api.get("/api/v1/moods/")


def test_no_songs(api: APIClient) -> None:
    assert {mood["songs"] for mood in api.get("/api/v1/moods/").json()} == {0}


def test_moods_of_what_was_heard(
    api: APIClient,
    user: User,
    songs: list[Song],
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    now = timezone.now()
    for n, song in enumerate(songs):
        Listen.objects.create(user=user, song=song, listened_at=now - timedelta(hours=n))
    Listen.objects.create(user=UserFactory(), song=songs[0], listened_at=now)
    api.force_authenticate(user)
    with django_assert_max_num_queries(4):
        body = api.get(HEARD, {"time_zone": "Asia/Tokyo"}).json()
    assert body["songs"] == sum(day["songs"] for day in body["days"]) == 12
    assert body["songs"] == sum(sum(hour.values()) for hour in body["hours"])
    assert len(body["hours"]) == 24
    assert sum(mood["share"] for mood in body["moods"]) == pytest.approx(1)


def test_nothing_heard(api: APIClient, user: User) -> None:
    api.force_authenticate(user)
    body = api.get(HEARD).json()
    assert (body["songs"], body["days"], body["moods"]) == (0, [], [])


@pytest.mark.parametrize(
    "query", ["time_zone=", "time_zone=Mars", "time_zone=..%2Fetc", "zone=UTC"]
)
def test_no_time_zone(api: APIClient, user: User, query: str) -> None:
    api.force_authenticate(user)
    assert api.get(f"{HEARD}?{query}").status_code == 400
