from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from celery.signals import worker_ready
from django.db import OperationalError

from catalog import tasks
from catalog.errors import TransientError
from catalog.ingest.run import ingest_start
from catalog.models import BackgroundJob, IngestFailure, Song, SongEmotion
from catalog.work.jobs import job_start
from catalog.work.queue import songs_claim, songs_dispatch
from catalog.work.workers import worker_name
from mer.errors import CheckpointError
from tests.catalog.conftest import write_tone
from tests.factories import SongEmotionFactory, SongFactory

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django.fixtures import DjangoCaptureOnCommitCallbacks

    from tests.catalog.conftest import Sent
    from tests.fakes import FakePipeline

pytestmark = pytest.mark.django_db


class Worker:
    """What Celery passes with its signals, as far as we look at it."""

    def __init__(self, hostname: str) -> None:
        self.hostname = hostname


def deliver(sent: Sent, capture: DjangoCaptureOnCommitCallbacks) -> None:
    """Be the worker: act on every message, each of them twice, until there is none."""
    known = {
        "catalog.ingest": tasks.ingest,
        "catalog.analyse_songs": tasks.analyse_songs,
        "catalog.reconcile": tasks.reconcile,
    }
    while sent:
        name, arguments = sent.pop(0)
        with capture(execute=True):
            known[name](*arguments)
            known[name](*arguments)


def test_from_request_to_emotions_with_every_message_delivered_twice(
    music_dir: Path,
    sent: Sent,
    fake_pipeline: FakePipeline,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    for number in range(20):
        write_tone(music_dir / f"{number:02d}.wav", hz=200 + number, seconds=3.1)
    (music_dir / "bad.mp3").write_text("no audio")

    with django_capture_on_commit_callbacks(execute=True):
        job = ingest_start(path=music_dir)
    deliver(sent, django_capture_on_commit_callbacks)

    job.refresh_from_db()
    assert job.status == BackgroundJob.Status.SUCCEEDED
    assert (job.result["added"], job.result["analysed"], job.result["failed"]) == (20, 20, 1)
    assert SongEmotion.objects.count() == 20
    assert len(fake_pipeline.seen) == 20
    assert IngestFailure.objects.count() == 1


def test_all_messages_lost_the_reconciler_finds_everything(
    music_dir: Path,
    sent: Sent,
    fake_pipeline: FakePipeline,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tasks, "model_version", lambda: fake_pipeline.model_version)
    write_tone(music_dir / "a.wav")
    job = ingest_start(path=music_dir)
    sent.clear()
    with monkeypatch.context() as patch:
        patch.setattr("catalog.work.jobs.UNSTARTED_SECONDS", -1)
        patch.setattr("catalog.work.queue.STALE_SECONDS", -1)

        with django_capture_on_commit_callbacks(execute=True):
            tasks.reconcile()
        (name, arguments) = sent.pop()
        assert name == "catalog.ingest"
        tasks.ingest(*arguments)
        sent.clear()
        with django_capture_on_commit_callbacks(execute=True):
            tasks.reconcile()
    analyse = [arguments for name, arguments in sent if name == "catalog.analyse_songs"]
    tasks.analyse_songs(*analyse[0])

    job.refresh_from_db()
    assert job.status == BackgroundJob.Status.SUCCEEDED
    assert SongEmotion.objects.count() == 1


def test_a_folder_that_is_gone_fails_the_job_with_a_reason(music_dir: Path) -> None:
    job = ingest_start(path=music_dir)
    music_dir.rmdir()

    tasks.ingest(str(job.pk))

    job.refresh_from_db()
    assert (job.status, job.error_code) == (BackgroundJob.Status.FAILED, "PATH_INVALID")


def test_an_error_nobody_thought_of_fails_the_job_and_is_raised(
    music_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = ingest_start(path=music_dir)

    def break_down(**_: object) -> None:
        raise RuntimeError("surprise")

    monkeypatch.setattr(tasks, "ingest_run", break_down)
    with pytest.raises(RuntimeError):
        tasks.ingest(str(job.pk))

    job.refresh_from_db()
    assert (job.status, job.error_code) == (BackgroundJob.Status.FAILED, "INTERNAL_ERROR")
    assert "surprise" in job.error_message


def test_a_database_that_is_away_leaves_the_job_for_later(
    music_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = ingest_start(path=music_dir)

    def lock(**_: object) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr(tasks, "ingest_run", lock)
    with pytest.raises(TransientError, match="locked"):
        tasks.ingest(str(job.pk))

    job.refresh_from_db()
    assert job.status == BackgroundJob.Status.PENDING


def test_without_a_model_the_reconciler_does_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> str:
        raise CheckpointError("no checkpoint")

    monkeypatch.setattr(tasks, "model_version", refuse)
    SongFactory(status=Song.Status.PENDING)

    assert tasks.reconcile()["dispatched"] == 1


def test_a_new_checkpoint_sends_every_song_out_again(
    fake_pipeline: FakePipeline,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    SongEmotionFactory.create_batch(3)
    monkeypatch.setattr(tasks, "model_version", lambda: "affetti-11111111")

    assert tasks.reconcile() == {"released": 0, "requeued": 3, "dispatched": 3, "jobs": 0}


def test_a_worker_started_again_gives_back_what_it_held(
    sent: Sent,
    music_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    monkeypatch.setattr(tasks, "connections", SimpleNamespace(close_all=lambda: None))
    # Another receiver of the signal; its thread would outlive the test.
    monkeypatch.setattr("recommender.heartbeat._start", lambda heart: None)
    song, told = SongFactory.create_batch(2, status=Song.Status.PENDING)
    songs_dispatch()
    songs_claim(song_ids=[song.pk], worker=worker_name("analysis@host"))
    job = ingest_start(path=music_dir)
    job_start(job_id=job.pk, worker=worker_name("analysis@host"))

    with django_capture_on_commit_callbacks(execute=True):
        worker_ready.send(sender=Worker("other@host"))
    song.refresh_from_db()
    assert song.leased_by

    with django_capture_on_commit_callbacks(execute=True):
        worker_ready.send(sender=Worker("analysis@host"))
    song.refresh_from_db()
    job.refresh_from_db()
    told.refresh_from_db()
    assert (song.leased_by, job.status) == ("", BackgroundJob.Status.PENDING)
    assert (song.queued_at, told.queued_at) == (None, None)
    assert ("catalog.ingest", (str(job.pk),)) in sent
    assert sent[-1] == ("catalog.reconcile", ())


def test_tasks_are_imported_without_a_network_library() -> None:
    code = (
        "import django, os, sys\n"
        "os.environ['DJANGO_SETTINGS_MODULE'] = 'recommender.settings'\n"
        "django.setup()\n"
        "import catalog.tasks\n"
        "sys.exit(bool({'torch', 'transformers', 'librosa', 'av'} & set(sys.modules)))"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_songs_get_a_new_message_soon_after_an_outage_that_lost_theirs(
    sent: Sent,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    """Regression: on a full disk the broker took no message of the next try either."""
    song = SongFactory.create(status=Song.Status.PENDING)
    with django_capture_on_commit_callbacks(execute=True):
        songs_dispatch()
    sent.clear()

    def claim(**_: object) -> None:
        raise OperationalError("database or disk is full")

    monkeypatch.setattr(tasks, "songs_analyse", claim)
    with pytest.raises(TransientError, match="disk is full"):
        tasks.analyse_songs([song.pk])
    with django_capture_on_commit_callbacks(execute=True):
        songs_dispatch()

    assert sent == [("catalog.analyse_songs", ([song.pk],))]
