"""What is analysed first: new songs before old ones, and by the priority of the ingest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from catalog.errors import JobStateError
from catalog.ingest.control import ingest_cancel, ingest_prioritise
from catalog.ingest.run import ingest_run, ingest_start
from catalog.models import BackgroundJob, Song
from catalog.tasks import analyse_songs
from catalog.work.jobs import job_start
from catalog.work.queue import (
    batch_first,
    batches_next,
    songs_analyse_again,
    songs_dispatch,
    songs_requeue_for_model,
    songs_waiting,
)
from tests.catalog.conftest import write_tone
from tests.factories import LibraryFactory, SongFactory

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django.fixtures import SettingsWrapper

    from tests.catalog.conftest import Sent
    from tests.fakes import FakePipeline

pytestmark = pytest.mark.django_db
Priority = BackgroundJob.Priority


def order() -> list[str]:
    waiting = songs_waiting().order_by("queue_rank", "pk")
    return [path.removesuffix(".wav") for path in waiting.values_list("relative_path", flat=True)]


def waiting_again(count: int) -> list[Song]:
    """Songs that an older model has analysed, queued for a new one."""
    library = LibraryFactory()
    songs = [
        SongFactory.build(library=library, relative_path=f"{number}.mp3", status="analysed")
        for number in range(count)
    ]
    for song in songs:
        song.texts_fold()
    created = Song.objects.bulk_create(songs)
    assert songs_requeue_for_model(model_version="of today") == count
    return created


def scanned(path: Path, priority: str = Priority.NORMAL) -> BackgroundJob:
    job = job_start(job_id=ingest_start(path=path, priority=priority).pk, worker="test")
    ingest_run(job=job)
    job.refresh_from_db()
    return job


def test_a_new_song_is_in_the_next_batch_before_a_thousand_that_are_analysed_again(
    music_dir: Path, sent: Sent, fake_pipeline: FakePipeline
) -> None:
    waiting_again(1000)
    songs_dispatch()  # the window is full of messages for old songs
    write_tone(music_dir / "new.wav")
    scanned(music_dir)
    new = Song.objects.get(relative_path="new.wav")

    assert new.pk in batches_next(songs=songs_waiting(), limit=1)[0]
    # A worker gets an old message: it takes the new song first.
    first = Song.objects.order_by("pk").values_list("pk", flat=True)[:8]
    analyse_songs(list(first))
    new.refresh_from_db()
    assert new.status == Song.Status.ANALYSED
    assert [song.path.name for song in fake_pipeline.seen if song.path] == ["new.wav"]


def test_songs_that_gave_way_get_another_message(sent: Sent, settings: SettingsWrapper) -> None:
    settings.AFFETTI_ANALYSIS_BATCH_SIZE = 2
    old = [song.pk for song in waiting_again(4)]
    songs_dispatch()
    urgent = SongFactory(status="pending")
    assert batch_first(old[:2]) == [urgent.pk]
    assert set(Song.objects.filter(queued_at=None).values_list("pk", flat=True)) == {
        *old[:2],
        urgent.pk,
    }
    Song.objects.filter(pk=urgent.pk).update(leased_by="other", leased_at=None, status="failed")
    assert batch_first(old[:2]) == old[:2]
    assert batch_first([]) == []


def test_a_song_that_failed_before_is_not_put_in_front_of_others() -> None:
    old = [song.pk for song in waiting_again(2)]
    SongFactory(status="pending", deaths=1)
    SongFactory(status="pending", errors=1)
    assert batch_first(old) == old


def test_the_priority_of_a_job_orders_its_songs(tmp_path: Path, settings: SettingsWrapper) -> None:
    settings.AFFETTI_CATALOG_ROOTS = [tmp_path]
    for n, name in enumerate(("low", "normal", "high", "next")):
        write_tone(tmp_path / name / f"{name}.wav", hz=300 + 50 * n)
        scanned(tmp_path / name, name)
    assert order() == ["next", "high", "normal", "low"]


def test_a_job_is_moved_while_it_waits(
    tmp_path: Path, music_dir: Path, settings: SettingsWrapper
) -> None:
    settings.AFFETTI_CATALOG_ROOTS = [tmp_path, music_dir]
    write_tone(music_dir / "first.wav")
    scanned(music_dir)
    write_tone(tmp_path / "b/second.wav", hz=300)
    job = scanned(tmp_path / "b")
    assert order() == ["first", "second"]
    assert ingest_prioritise(job=job, priority=Priority.NEXT) == 1
    assert order() == ["second", "first"]
    ingest_prioritise(job=job, priority=Priority.LOW)
    assert order() == ["first", "second"]
    ingest_cancel(job=job)
    with pytest.raises(JobStateError, match="ended"):
        ingest_prioritise(job=job, priority=Priority.HIGH)


def test_songs_found_after_a_change_of_priority_follow_it(music_dir: Path) -> None:
    for number in range(20):  # more than are written at once
        write_tone(music_dir / f"{number:02d}.wav", hz=200.0 + number)
    job = job_start(job_id=ingest_start(path=music_dir).pk, worker="test")

    def prefer(now: BackgroundJob) -> None:
        ingest_prioritise(job=BackgroundJob.objects.get(pk=now.pk), priority=Priority.HIGH)

    ingest_run(job=job, on_progress=prefer)
    assert set(Song.objects.values_list("queue_rank", flat=True)) == {10}


def test_new_songs_come_before_those_asked_for_again(music_dir: Path) -> None:
    analysed, failed = SongFactory(status="analysed"), SongFactory(status="failed")
    songs_analyse_again(song_ids=[analysed.pk, failed.pk])
    new = SongFactory(status="pending")
    waiting = songs_waiting().order_by("queue_rank", "pk")
    assert list(waiting) == [failed, new, analysed]


def test_a_job_asked_for_again_takes_the_new_priority(music_dir: Path) -> None:
    write_tone(music_dir / "a.wav")
    job = ingest_start(path=music_dir)
    assert ingest_start(path=music_dir, priority=Priority.HIGH) == job
    job.refresh_from_db()
    assert job.priority == Priority.HIGH


def test_the_command_moves_a_job(music_dir: Path) -> None:
    write_tone(music_dir / "a.wav")
    job = scanned(music_dir)
    call_command("jobs", "priority", str(job.pk), "next")
    job.refresh_from_db()
    assert (job.priority, Song.objects.get().queue_rank) == ("next", 0)
    with pytest.raises(CommandError, match="next, high, normal, low"):
        call_command("jobs", "priority", str(job.pk))


def test_the_next_songs_are_found_by_the_index() -> None:
    SongFactory.create_batch(3, status="pending")
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_sort = off")
        plan = songs_waiting().order_by("queue_rank", "pk")[:512].explain()
    assert "song_queue_order" in plan
    assert "USE TEMP B-TREE" not in plan
    assert "Sort" not in plan
