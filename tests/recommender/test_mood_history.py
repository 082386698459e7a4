"""The moods of what was heard: days of the listener's time zone, means, places, queries."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from time import perf_counter
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from catalog.analysis import serving_version
from catalog.models import Recording
from recommender import mood_history as module
from recommender.feedback import song_place
from recommender.models import Listen
from recommender.mood_history import WEEKS, MoodHistory, mood_history
from tests.factories import SongEmotionFactory, SongFactory, UserFactory

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from pytest_django import DjangoAssertNumQueries

    from catalog.models import Song

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 12, 12, tzinfo=UTC)  # a Thursday


@pytest.fixture
def listener() -> User:
    user: User = UserFactory()
    return user


def song_at(valence: float, arousal: float, **fields: Any) -> Song:
    emotion = SongEmotionFactory(
        model_version=serving_version(), valence=valence, arousal=arousal, **fields
    )
    return emotion.song


def heard(user: User, song: Song, when: datetime, seconds: float | None = None) -> None:
    Listen.objects.create(user=user, song=song, listened_at=when, seconds_played=seconds)


def history_of(user: User, zone: str = "UTC", now: datetime = NOW) -> MoodHistory:
    return mood_history(user=user, zone=ZoneInfo(zone), now=now)


def test_without_listening_it_is_empty(listener: User) -> None:
    history = history_of(listener)
    assert (history.count, history.days, history.moods, len(history.hours)) == (0, [], [], 24)
    assert (history.first, history.today) == (date(2025, 3, 10), date(2026, 3, 12))
    assert history.first.weekday() == 0
    assert (history.today - history.first).days // 7 == WEEKS - 1


@pytest.mark.parametrize(
    ("zone", "day", "hour"),
    [("UTC", 10, 23), ("Asia/Tokyo", 11, 8), ("America/Los_Angeles", 10, 16),
     ("Asia/Kathmandu", 11, 5)],
)  # fmt: skip
def test_days_and_hours_are_those_of_the_time_zone(
    listener: User, zone: str, day: int, hour: int
) -> None:
    heard(listener, song_at(0.8, 0.2), datetime(2026, 3, 10, 23, 30, tzinfo=UTC))
    history = history_of(listener, zone)
    assert [span.start for span in history.days] == [date(2026, 3, day)]
    assert [number for number, of_hour in enumerate(history.hours) if of_hour] == [hour]
    assert history.hours[hour] == {"Q4": 1}


def test_the_clock_goes_forward_and_back(listener: User) -> None:
    song = song_at(0.8, 0.8)
    for when in (
        datetime(2026, 3, 29, 0, 59, tzinfo=UTC),  # 1:59 in Rome, then it is 3:00
        datetime(2026, 3, 29, 1, 0, tzinfo=UTC),
        datetime(2025, 10, 26, 0, 30, tzinfo=UTC),  # 2:30 in Rome, twice
        datetime(2025, 10, 26, 1, 30, tzinfo=UTC),
    ):
        heard(listener, song, when)
    history = history_of(listener, "Europe/Rome", datetime(2026, 3, 29, 12, tzinfo=UTC))
    assert [len(of_hour) for of_hour in history.hours[:4]] == [0, 1, 1, 1]
    assert history.hours[2] == {"Q1": 2}


def test_means_by_day_week_and_month(listener: User) -> None:
    happy, sad = song_at(0.9, 0.8), song_at(0.1, 0.2)
    heard(listener, happy, datetime(2026, 3, 1, 9, tzinfo=UTC))  # a Sunday
    heard(listener, sad, datetime(2026, 3, 2, 9, tzinfo=UTC))
    heard(listener, sad, datetime(2026, 3, 2, 10, tzinfo=UTC))
    heard(listener, happy, datetime(2026, 3, 4, 10, tzinfo=UTC))
    history = history_of(listener)
    assert [(span.start.day, span.count, span.quadrant) for span in history.days] == [
        (1, 1, "Q1"), (2, 2, "Q3"), (4, 1, "Q1"),
    ]  # fmt: skip
    assert [(span.start, span.count) for span in history.weeks] == [
        (date(2026, 2, 23), 1),
        (date(2026, 3, 2), 3),
    ]
    (month,) = history.months
    assert (month.start, month.count) == (date(2026, 3, 1), 4)
    assert (month.valence, month.arousal) == pytest.approx((0.5, 0.5))


def test_what_was_played_longer_counts_more(listener: User) -> None:
    when = datetime(2026, 3, 2, tzinfo=UTC)
    heard(listener, song_at(1.0, 1.0, song__duration_seconds=200.0), when, 200.0)
    heard(listener, song_at(0.0, 0.0, song__duration_seconds=200.0), when, 50.0)
    heard(listener, song_at(0.0, 0.0), when, 0.0)  # left at once
    (day,) = history_of(listener).days
    assert (day.count, day.valence) == (2, pytest.approx(0.8))


def test_what_is_older_or_anothers_does_not_count(listener: User) -> None:
    song = song_at(0.9, 0.9)
    first = datetime(2025, 3, 10, tzinfo=UTC)
    heard(listener, song, first - timedelta(seconds=1))
    heard(UserFactory(), song, NOW)
    assert history_of(listener).count == 0
    heard(listener, song, first)
    assert history_of(listener).count == 1


def test_songs_without_a_place_are_counted_apart(listener: User) -> None:
    heard(listener, SongFactory(), NOW)
    heard(listener, SongEmotionFactory(model_version="another").song, NOW)
    history = history_of(listener)
    assert (history.count, history.unplaced_count, history.days) == (0, 2, [])


def test_moods_are_the_strongest_emotions(listener: User) -> None:
    joy, anger = (song_at(0.5, 0.5, emotions={name: 0.9, "fear": 0.1}) for name in ("joy", "anger"))
    for minute, song in enumerate((joy, anger, joy)):
        heard(listener, song, NOW - timedelta(minutes=minute))
    moods = history_of(listener).moods
    assert [(mood.name, mood.quadrant, mood.count) for mood in moods] == [
        ("joy", "Q1", 2), ("anger", "Q2", 1),
    ]  # fmt: skip
    assert moods[0].share == pytest.approx(2 / 3)


def test_the_listeners_own_place_counts_for_every_file_of_the_recording(listener: User) -> None:
    recording = Recording.objects.create()
    song, copy = (song_at(0.9, 0.9, song__recording=recording) for _ in range(2))
    song_place(user=listener, song_id=song.pk, valence=0.2, arousal=0.25)
    song_place(user=UserFactory(), song_id=song.pk, valence=0.7, arousal=0.2)
    heard(listener, song, NOW)
    heard(listener, copy, NOW)
    history = history_of(listener)
    assert [(day.valence, day.arousal) for day in history.days] == [pytest.approx((0.2, 0.25))]
    assert [(mood.name, mood.count) for mood in history.moods] == [("sadness", 2)]


def listens(user: User, songs: list[Song], count: int) -> None:
    Listen.objects.bulk_create(
        Listen(user=user, song=songs[n % len(songs)], listened_at=NOW - timedelta(minutes=7 * n))
        for n in range(count)
    )


def test_queries_do_not_grow_with_the_history(
    listener: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    songs = [song_at(n / 40, 0.5) for n in range(40)]
    for song in songs[:5]:
        song_place(user=listener, song_id=song.pk, valence=0.2, arousal=0.2)
    for count in (1, 6000):
        Listen.objects.all().delete()
        listens(listener, songs, count)
        begun = perf_counter()
        with django_assert_max_num_queries(8) as queries:
            assert history_of(listener).count == count
        assert len(queries) >= 2
    assert perf_counter() - begun < 5  # 0.1 s alone on a machine


def test_the_newest_listens_are_read(listener: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_LISTENS", 3)
    listens(listener, [song_at(0.5, 0.5)], 3)
    assert not history_of(listener).is_cut
    heard(listener, song_at(0.9, 0.9), NOW - timedelta(days=30))
    history = history_of(listener)
    assert (history.count, history.is_cut, len(history.months)) == (3, True, 1)
