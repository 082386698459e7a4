"""Listens are deleted one by one, or those of a time; never another's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from rest_framework.test import APIClient

from recommender.feedback import feedback_of, song_like
from recommender.models import Listen
from tests.factories import UserFactory, token_secret

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from pytest_django import DjangoAssertNumQueries

    from catalog.models import Song

pytestmark = pytest.mark.django_db
LISTENS = "/api/v1/listens/"
FIRST = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def ada(user: User, songs: list[Song]) -> APIClient:
    """Ada heard a song on each of ten days, and so did another."""
    for person in (user, UserFactory()):
        for day in range(10):
            moment = FIRST + timedelta(days=day)
            Listen.objects.create(user=person, song=songs[day], listened_at=moment)
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {token_secret(user, 'listen')}")
    return client


def test_one(ada: APIClient, user: User, songs: list[Song]) -> None:
    song_like(user=user, song_id=songs[0].pk)
    before = feedback_of(user).revision
    own = Listen.objects.filter(user=user)
    one, other = own[0], Listen.objects.exclude(user=user)[0]
    assert ada.delete(f"{LISTENS}{one.pk}/").status_code == 204
    assert ada.delete(f"{LISTENS}{one.pk}/").status_code == 404
    assert ada.delete(f"{LISTENS}{other.pk}/").status_code == 404
    assert own.count() == 9
    assert Listen.objects.count() == 19
    assert feedback_of(user).revision != before, "what is learned of a listener is learned anew"


@pytest.mark.parametrize(
    ("query", "left"),
    [
        ("?since=2026-01-04T00:00:00Z&until=2026-01-06T00:00:00Z", [1, 2, 3, 6, 7, 8, 9, 10]),
        ("?since=2026-01-04T00:00:00Z", [1, 2, 3]),
        ("?until=2026-01-04T01:00:00%2B01:00", [4, 5, 6, 7, 8, 9, 10]),
        ("?since=2027-01-01T00:00:00Z", [*range(1, 11)]),
        ("?since=2026-01-06T00:00:00Z&until=2026-01-04T00:00:00Z", [*range(1, 11)]),
    ],
)
def test_of_a_time(query: str, left: list[int], ada: APIClient, user: User) -> None:
    answer = ada.delete(f"{LISTENS}{query}")
    assert answer.json() == {"deleted": 10 - len(left)}
    own = Listen.objects.filter(user=user).order_by("listened_at")
    assert [one.listened_at.day for one in own] == left
    assert Listen.objects.exclude(user=user).count() == 10


@pytest.mark.parametrize(
    "query", ["", "?since=", "?since=soon", "?before=2026-01-01", "?since=NaN"]
)
def test_a_range_without_a_bound_deletes_nothing(query: str, ada: APIClient) -> None:
    answer: Any = ada.delete(f"{LISTENS}{query}")
    assert answer.status_code == 400, answer.content
    assert answer.json()["code"] == "REQUEST_INVALID"
    assert Listen.objects.count() == 20


BULK = f"{LISTENS}bulk/"


def test_several_are_recorded_once(
    ada: APIClient,
    user: User,
    songs: list[Song],
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    before = feedback_of(user).revision
    moments = [f"2026-02-01T00:{minute:02}:00Z" for minute in range(40)]
    sent = [
        {"song_id": songs[n % 12].pk, "listened_at": moment, "seconds_played": 60.0}
        for n, moment in enumerate(moments)
    ]
    body = {"listens": [*sent, sent[0], {"song_id": 10**9, "listened_at": moments[0]}]}
    with django_assert_max_num_queries(15):
        answer = ada.post(BULK, body, format="json")
    assert answer.status_code == 201
    assert answer.json() == {"recorded": 40, "known": 0, "unknown_song_ids": [10**9]}
    assert Listen.objects.filter(user=user, seconds_played=60.0).count() == 40
    assert feedback_of(user).revision != before
    again = ada.post(BULK, body, format="json").json()
    assert (again["recorded"], again["known"]) == (0, 40)
    assert Listen.objects.filter(user=user).count() == 50


@pytest.mark.parametrize(
    "listens",
    [
        [],
        None,
        {},
        [1],
        [{}],
        [{"song_id": "1"}],
        [{"song_id": 1, "title": "x"}],
        [{"song_id": 1, "listened_at": "2200-01-01T00:00:00Z"}],
        [{"song_id": 1, "seconds_played": -1}],
        [{"song_id": 10**30}],
        [{"song_id": 1}] * 1001,
    ],
)
def test_what_is_no_list_of_listens(ada: APIClient, user: User, listens: Any) -> None:
    answer = ada.post(BULK, {"listens": listens}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (400, "REQUEST_INVALID")
    assert Listen.objects.filter(user=user).count() == 10


def test_one_that_is_refused_refuses_all(ada: APIClient, user: User, songs: list[Song]) -> None:
    listens = [{"song_id": songs[0].pk}, {"song_id": songs[1].pk, "seconds_played": -1}]
    assert ada.post(BULK, {"listens": listens}, format="json").status_code == 400
    assert Listen.objects.filter(user=user).count() == 10
