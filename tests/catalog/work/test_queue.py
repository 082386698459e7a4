from __future__ import annotations

import random
import socket
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog.models import Song, SongEmotion
from catalog.work import queue
from catalog.work.queue import (
    APART_FROM,
    MAX_ERRORS,
    STALE_SECONDS,
    batches_next,
    leases_release,
    song_err,
    songs_abandon,
    songs_analyse_again,
    songs_blame,
    songs_claim,
    songs_dispatch,
    songs_held,
    songs_release,
    songs_requeue_for_model,
    songs_suspect,
    songs_waiting,
)
from tests.factories import MODEL_VERSION, SongEmotionFactory, SongFactory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_django.fixtures import DjangoCaptureOnCommitCallbacks, SettingsWrapper

    from tests.catalog.conftest import Sent

pytestmark = pytest.mark.django_db

DEAD = f"{socket.gethostname()}|{2**22 + 1}|celery@x"


def pending(count: int) -> list[int]:
    return [song.pk for song in SongFactory.create_batch(count, status=Song.Status.PENDING)]


def test_a_song_is_claimed_by_one_worker_for_the_time_of_the_lease(
    settings: SettingsWrapper,
) -> None:
    ids = pending(3)

    assert [song.pk for song in songs_claim(song_ids=ids[:2], worker="a")] == ids[:2]
    assert [song.pk for song in songs_claim(song_ids=ids, worker="b")] == ids[2:]
    assert songs_claim(song_ids=ids, worker="a") == []

    lease = timedelta(seconds=settings.AFFETTI_ANALYSIS_LEASE_SECONDS + 1)
    Song.objects.filter(leased_by="a").update(leased_at=timezone.now() - lease)
    # An expired lease makes a song suspect, and it is claimed alone.
    assert [song.pk for song in songs_claim(song_ids=ids, worker="c")] == ids[:1]
    assert [song.pk for song in songs_claim(song_ids=ids, worker="d")] == ids[1:2]


def test_only_pending_songs_whose_file_is_there_wait() -> None:
    (wanted,) = pending(1)
    SongFactory(status=Song.Status.PENDING, is_available=False)
    SongFactory(status=Song.Status.FAILED)
    SongFactory(status=Song.Status.ANALYSED)

    assert [song.pk for song in songs_waiting()] == [wanted]


def test_released_songs_wait_again_and_are_not_blamed() -> None:
    ids = pending(2)
    songs_claim(song_ids=ids, worker="a")

    assert songs_release(song_ids=ids, worker="b") == 0
    assert songs_release(song_ids=ids, worker="a") == 2

    assert songs_waiting().filter(deaths=0, errors=0, queued_at=None).count() == 2


def test_songs_of_a_dead_process_wait_again_at_once_and_remember_it() -> None:
    dead, alive = pending(2)
    songs_claim(song_ids=[dead], worker=DEAD)
    songs_claim(song_ids=[alive], worker="another-host|1|celery@y")

    assert leases_release() == 1

    assert songs_waiting().get().pk == dead
    assert Song.objects.get(pk=dead).deaths == 1


def test_each_waiting_song_is_asked_for_once_until_the_message_seems_lost(
    sent: Sent,
    settings: SettingsWrapper,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    settings.AFFETTI_ANALYSIS_BATCH_SIZE = 2
    ids = pending(3)

    with django_capture_on_commit_callbacks(execute=True):
        assert songs_dispatch() == 3
        assert songs_dispatch() == 0
    assert sent == [("catalog.analyse_songs", (ids[:2],)), ("catalog.analyse_songs", (ids[2:],))]

    Song.objects.update(queued_at=timezone.now() - timedelta(seconds=STALE_SECONDS + 1))
    songs_claim(song_ids=ids[:1], worker="busy")
    assert songs_dispatch() == 2


def test_only_a_window_of_a_large_catalogue_is_on_the_way(
    monkeypatch: pytest.MonkeyPatch, settings: SettingsWrapper
) -> None:
    monkeypatch.setattr(queue, "WINDOW_BATCHES", 3)
    settings.AFFETTI_ANALYSIS_BATCH_SIZE = 2
    ids = pending(10)

    assert songs_dispatch() == 6
    assert songs_dispatch() == 0
    songs_claim(song_ids=ids[:2], worker="w")
    assert songs_dispatch() == 2


def test_no_number_of_kills_of_workers_gives_a_song_up() -> None:
    ids = pending(3)
    for _ in range(3 * APART_FROM):
        songs_claim(song_ids=ids[:1], worker=DEAD)
        leases_release()
        songs_dispatch()
    song = Song.objects.get(pk=ids[0])
    assert (song.deaths, song.errors) == (3 * APART_FROM, 0)
    assert batches_next(songs=songs_waiting(), limit=10) == [ids[1:], ids[:1]]


def test_a_song_that_ends_the_process_made_for_it_is_given_up() -> None:
    (pk,) = pending(1)
    Song.objects.update(deaths=APART_FROM)
    for _ in range(MAX_ERRORS):
        (song,) = songs_claim(song_ids=[pk], worker="w")
        assert song.deaths > APART_FROM
        song_err(song=song, worker="w")
    songs_dispatch()

    song = Song.objects.get()
    assert (song.status, song.failure_code) == (Song.Status.FAILED, "ANALYSIS_ABANDONED")
    assert (song.deaths, song.errors) == (APART_FROM, MAX_ERRORS)


def killed(song_ids: list[int]) -> None:
    """The worker dies, whatever it was doing."""
    songs_claim(song_ids=song_ids, worker=DEAD)
    leases_release()


def released(song_ids: list[int]) -> None:
    """The worker gives the songs back, as in an outage."""
    songs = songs_claim(song_ids=song_ids, worker="w")
    songs_release(song_ids=[song.pk for song in songs], worker="w")


def suspected(song_ids: list[int]) -> None:
    """A batch took too long."""
    songs = songs_claim(song_ids=song_ids, worker="w")
    songs_suspect(song_ids=[song.pk for song in songs], worker="w")


def crashed(pk: int, *, by_error: bool) -> None:
    """The song's own fault ends its analysis: by an error, or by the end of its process."""
    (song,) = songs_claim(song_ids=[pk], worker=DEAD)
    if by_error:
        for _, code, message in songs_blame(errors=[(song, ValueError("bad"))], worker=DEAD):
            failed = {"failure_code": code, "failure_message": message, "leased_by": ""}
            Song.objects.filter(pk=pk).update(status=Song.Status.FAILED, **failed)
    elif song.deaths > APART_FROM:
        song_err(song=song, worker=DEAD)
    else:
        leases_release()
    songs_abandon()


OUTSIDE = (killed, released, suspected)


@pytest.mark.parametrize("seed", range(12))
def test_kills_from_outside_with_one_crash_of_its_own_give_no_song_up(seed: int) -> None:
    chance = random.Random(seed)
    ids = pending(3)
    moment = chance.randrange(30)
    for step in range(30):
        if step == moment:
            crashed(ids[0], by_error=chance.random() < 0.5)
        else:
            # In company or alone, as the message has it.
            chance.choice(OUTSIDE)(chance.choice([ids, ids[:1]]))
        songs_dispatch()
        assert songs_waiting().count() == 3


@pytest.mark.parametrize("seed", range(12))
def test_a_song_that_always_crashes_is_given_up_whatever_else_happens(seed: int) -> None:
    chance = random.Random(seed)
    (pk,) = pending(1)
    ways = [(True,), (False,), (True, False)][seed % 3]
    crashes = 0
    while Song.objects.get().status == Song.Status.PENDING:
        assert crashes < APART_FROM + MAX_ERRORS
        crashed(pk, by_error=chance.choice(ways))
        crashes += 1
        if chance.random() < 0.3 and songs_waiting().exists():
            chance.choice(OUTSIDE)([pk])
    assert crashes >= MAX_ERRORS
    code = Song.objects.get().failure_code
    assert code in {"ANALYSIS_FAILED", "ANALYSIS_ABANDONED"}


def test_a_claim_that_fails_halfway_holds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = pending(2)

    def fail(_: object) -> None:
        raise OperationalError("no such column")

    monkeypatch.setattr(queue, "list", fail, raising=False)
    for _ in range(2):
        with pytest.raises(OperationalError):
            songs_claim(song_ids=ids, worker="w")

    assert songs_waiting().filter(leased_by="", deaths=0).count() == 2


def test_a_death_in_company_counts_against_none_however_often() -> None:
    ids = pending(4)
    for _ in range(2 * APART_FROM):
        Song.objects.update(deaths=0)
        songs_claim(song_ids=ids, worker=DEAD)
        leases_release()
        assert set(Song.objects.values_list("deaths", "errors")) == {(1, 0)}
    songs_dispatch()

    assert songs_waiting().count() == 4
    assert batches_next(songs=songs_waiting(), limit=10) == [[pk] for pk in ids]
    # A message from before names them together; still they are claimed one at a time.
    assert [song.pk for song in songs_claim(song_ids=ids, worker="w")] == ids[:1]


def test_a_suspect_that_succeeds_between_deaths_is_not_given_up() -> None:
    (song,) = pending(1)
    for _ in range(2 * APART_FROM):
        songs_claim(song_ids=[song], worker=DEAD)
        leases_release()
        songs_claim(song_ids=[song], worker="w")
        Song.objects.update(status=Song.Status.ANALYSED, leased_by="", deaths=0)
        Song.objects.update(status=Song.Status.PENDING)
    songs_dispatch()

    assert Song.objects.get().status == Song.Status.PENDING


@pytest.mark.parametrize("hours", [-3, 3])
def test_a_clock_set_back_or_forward_holds_no_song(hours: int, sent: Sent) -> None:
    pending(2)
    Song.objects.update(queued_at=timezone.now() + timedelta(hours=hours))
    assert songs_dispatch() == 2

    Song.objects.update(
        leased_by="other-host|1|n", leased_at=timezone.now() + timedelta(hours=hours)
    )
    assert songs_waiting().count() == 2
    assert leases_release() == 2


def test_leases_are_renewed_while_the_work_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = pending(2)
    songs_claim(song_ids=ids, worker="w")
    renewals: list[Callable[[], object]] = []

    @contextmanager
    def repeated(action: Callable[[], object], *, every_seconds: float) -> Iterator[None]:
        assert every_seconds < 60
        renewals.append(action)
        yield

    monkeypatch.setattr(queue, "repeated", repeated)
    with songs_held(song_ids=ids, worker="w"):
        long_ago = timezone.now() - timedelta(hours=1)
        Song.objects.update(leased_at=long_ago)
        assert songs_waiting().count() == 2
        renewals[0]()
        assert songs_waiting().count() == 0
    assert songs_waiting().filter(leased_by="").count() == 2


def test_many_songs_are_queued_again_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catalog.work.queue._IDS_AT_ONCE", 2)
    songs = SongFactory.create_batch(5, status=Song.Status.FAILED)
    assert songs_analyse_again(song_ids=(song.pk for song in songs)) == 5
    assert Song.objects.filter(status=Song.Status.PENDING).count() == 5


def test_asked_for_again_a_song_waits_and_its_emotion_counts_no_more() -> None:
    emotion = SongEmotionFactory(song__status=Song.Status.FAILED, song__deaths=3, song__errors=1)
    SongEmotion.objects.update(input_sha256=emotion.song.input_sha256)

    assert songs_analyse_again(song_ids=[emotion.song.pk]) == 1

    song = Song.objects.get()
    assert (song.status, song.deaths, song.errors) == (Song.Status.PENDING, 0, 0)
    assert song.failure_code == ""
    assert song.updated_at > emotion.song.updated_at
    assert SongEmotion.objects.get().input_sha256 == ""


def test_a_new_model_has_every_analysed_song_wait_again() -> None:
    SongEmotionFactory.create_batch(2)
    SongFactory(status=Song.Status.FAILED)

    assert songs_requeue_for_model(model_version=MODEL_VERSION) == 0
    assert songs_requeue_for_model(model_version="affetti-11111111") == 2
    assert songs_requeue_for_model(model_version="affetti-11111111") == 0


def test_leases_are_found_by_the_index_and_not_among_all_that_waits() -> None:
    pending(3)
    with CaptureQueriesContext(connection) as captured:
        leases_release()
    (statement,) = [
        q["sql"] for q in captured if "DISTINCT" in q["sql"] and "leased_by" in q["sql"]
    ]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")  # it pays for three songs
        plan = "EXPLAIN" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
        cursor.execute(f"{plan} {statement}")
        told = str(cursor.fetchall())
    assert "leased_at>" in told.replace(" ", ""), told
