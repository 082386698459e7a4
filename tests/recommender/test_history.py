from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from recommender.errors import PlaylistRequestError
from recommender.history import HALF_LIFE, history_weights, listen_record, songs_heard
from recommender.models import Listen
from tests.factories import SongFactory, UserFactory

pytestmark = pytest.mark.django_db


def test_same_listen_twice_is_one_row_with_the_longer_time() -> None:
    user, song, moment = UserFactory(), SongFactory(), timezone.now()
    for seconds in (30.0, 90.0, 60.0, None):
        listen_record(user=user, song_id=song.pk, listened_at=moment, seconds_played=seconds)
    assert Listen.objects.get().seconds_played == 90.0
    listen_record(user=UserFactory(), song_id=song.pk, listened_at=moment)
    listen_record(user=user, song_id=song.pk)
    assert Listen.objects.count() == 3


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"song_id": 999_999}, "SONG_NOT_FOUND"),
        ({"listened_at": timezone.now() + timedelta(days=2)}, "REQUEST_INVALID"),
        ({"seconds_played": -1.0}, "REQUEST_INVALID"),
        ({"seconds_played": float("nan")}, "REQUEST_INVALID"),
    ],
)
def test_impossible_listens_are_refused(change: dict[str, object], code: str) -> None:
    with pytest.raises(PlaylistRequestError) as caught:
        listen_record(**{"user": UserFactory(), "song_id": SongFactory().pk, **change})
    assert caught.value.code == code
    assert not Listen.objects.exists()


def test_older_listens_count_less_and_skips_little() -> None:
    user = UserFactory()
    new, old, skipped, unplayed = SongFactory.create_batch(4, duration_seconds=200.0)
    now = timezone.now()
    listen_record(user=user, song_id=new.pk, listened_at=now)
    listen_record(user=user, song_id=old.pk, listened_at=now - HALF_LIFE)
    listen_record(user=user, song_id=old.pk, listened_at=now - 2 * HALF_LIFE)
    listen_record(user=user, song_id=skipped.pk, listened_at=now, seconds_played=20.0)
    listen_record(user=user, song_id=unplayed.pk, listened_at=now, seconds_played=0.0)
    listen_record(user=UserFactory(), song_id=unplayed.pk, listened_at=now)
    assert history_weights(user=user) == pytest.approx({new.pk: 1.0, old.pk: 0.75, skipped.pk: 0.1})


def test_songs_heard_lately() -> None:
    user = UserFactory()
    lately, before = SongFactory.create_batch(2)
    listen_record(user=user, song_id=lately.pk)
    listen_record(user=user, song_id=before.pk, listened_at=timezone.now() - timedelta(days=8))
    assert songs_heard(user=user, days=7) == {lately.pk}
