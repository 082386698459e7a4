"""A thread keeps the snapshot up to date, and requests wait for nothing."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

import pytest
from django.db import OperationalError, connection

from catalog.changes import everything_changed
from catalog.models import Song, SongChange
from recommender.index import index_build, index_snapshot, reader
from recommender.index.reader import Reader
from recommender.models import IndexBuild
from tests.factories import MODEL_VERSION, SongEmotionFactory
from tests.recommender.index.test_builds import assert_equals_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_django import DjangoAssertNumQueries

    from recommender.index import IndexSnapshot

SECONDS = 10.0


def wait_until(is_so: Callable[[IndexSnapshot], bool]) -> IndexSnapshot:
    end = time.monotonic() + SECONDS
    while not is_so(index_snapshot()):
        assert time.monotonic() < end, "the thread does not follow"
        time.sleep(0.02)
    return index_snapshot()


@pytest.mark.django_db(transaction=True)
class TestThread:
    @pytest.fixture(autouse=True)
    def followed(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        if connection.vendor == "sqlite" and connection.is_in_memory_db():
            pytest.skip("another thread cannot see SQLite's database in memory")
        monkeypatch.setattr(reader, "IS_FOLLOWED", True)
        yield
        thread = reader._process._thread
        reader.index_snapshot_forget()
        if thread is not None:
            thread.join(SECONDS)

    def test_follows_changes_and_builds(
        self, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        songs = [emotion.song for emotion in SongEmotionFactory.create_batch(5)]
        assert index_snapshot().song_count == 5
        songs[0].delete()
        SongEmotionFactory.create_batch(2)
        held = wait_until(lambda held: held.song_count == 6)
        assert_equals_database(held)
        with django_assert_num_queries(0):
            assert index_snapshot() is held
        index_build()
        assert_equals_database(wait_until(lambda held: held.tail_count == 0))

    def test_goes_on_after_the_database_was_away(self, monkeypatch: pytest.MonkeyPatch) -> None:
        SongEmotionFactory()
        index_snapshot()
        is_asked = threading.Event()

        def fail(*_: object, **__: object) -> None:
            is_asked.set()
            raise OperationalError("away")

        with monkeypatch.context() as patch:
            patch.setattr(reader, "changes_since", fail)
            SongEmotionFactory()
            assert is_asked.wait(SECONDS)
            assert index_snapshot().song_count == 1
        assert_equals_database(wait_until(lambda held: held.song_count == 2))

    def test_a_forked_process_begins_anew(self) -> None:
        SongEmotionFactory()
        index_snapshot()
        connection.close()
        child = os.fork()
        if not child:
            is_fresh = reader._process._thread is None and reader._process._reader.snapshot is None
            os._exit(0 if is_fresh else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert reader._process._thread is not None


class TestReader:
    @pytest.mark.django_db(transaction=True)
    def test_a_new_build_reads_no_song_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        SongEmotionFactory.create_batch(4)
        index_build()
        follower = Reader(lambda: MODEL_VERSION)
        follower.poll()
        changed = SongEmotionFactory.create_batch(2)
        follower.poll()
        index_build()
        changed[0].song.genre = "of no build"
        changed[0].song.save()
        follower.poll()
        changed[1].song.delete()
        follower.poll()
        index_build()
        with monkeypatch.context() as patch:
            patch.setattr(reader, "rows_in", None)
            patch.setattr(reader, "rows_of_songs", lambda *_: pytest.fail("read again"))
            held = follower.poll()
        assert held.tail_count <= 1
        assert_equals_database(held)

    @pytest.mark.django_db
    def test_everything_changed_means_the_database(self) -> None:
        SongEmotionFactory.create_batch(3)
        index_build()
        follower = Reader(lambda: MODEL_VERSION)
        assert follower.poll().tail_count == 0
        # A change that no trigger saw.
        SongChange.objects.all().delete()
        song = Song.objects.order_by("pk").first()
        assert song is not None
        Song.objects.filter(pk=song.pk).update(genre="unseen")
        SongChange.objects.all().delete()
        everything_changed()
        held = follower.poll()
        assert held.tail_count == 3
        assert_equals_database(held)
        assert not IndexBuild.objects.filter(is_active=True).exists()
        assert_equals_database(Reader(lambda: MODEL_VERSION).poll())
        index_build()
        assert follower.poll().tail_count == 0

    @pytest.mark.django_db
    def test_a_build_that_nobody_names_any_more_is_kept_while_it_is_whole(self) -> None:
        SongEmotionFactory.create_batch(3)
        index_build()
        follower = Reader(lambda: MODEL_VERSION)
        follower.poll()
        IndexBuild.objects.update(is_active=False)
        SongEmotionFactory()
        held = follower.poll()
        assert (held.song_count, held.tail_count) == (4, 1)
        assert_equals_database(held)
