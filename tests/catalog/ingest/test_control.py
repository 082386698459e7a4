"""Staff pause, resume and cancel ingests, and try failures again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from catalog.analysis import songs_analyse
from catalog.errors import JobStateError, PathError
from catalog.ingest.control import (
    CANCELLED,
    failures_retry,
    ingest_cancel,
    ingest_pause,
    ingest_resume,
)
from catalog.ingest.run import ingest_run, ingest_start, ingests_settle
from catalog.models import BackgroundJob, IngestFailure, Song
from catalog.selectors import job_failures
from catalog.work.jobs import job_start
from catalog.work.queue import songs_claim, songs_dispatch, songs_waiting
from tests.catalog.conftest import write_tone

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.catalog.conftest import Sent
    from tests.fakes import FakePipeline

pytestmark = pytest.mark.django_db
Status = BackgroundJob.Status


@pytest.fixture
def scanned(music_dir: Path, fake_pipeline: FakePipeline) -> BackgroundJob:
    """An ingest whose three songs wait for their analysis."""
    for number in range(3):
        write_tone(music_dir / f"{number}.wav", hz=200.0 + number)
    job = job_start(job_id=ingest_start(path=music_dir).pk, worker="test")
    ingest_run(job=job)
    assert (job.status, job.result["phase"]) == (Status.STARTED, "analysing")
    return job


def analyse() -> None:
    songs_analyse(song_ids=list(songs_waiting().values_list("pk", flat=True)), worker="test")
    ingests_settle()


def test_songs_of_a_paused_ingest_wait_until_it_goes_on(scanned: BackgroundJob) -> None:
    ids = list(songs_waiting().values_list("pk", flat=True))
    ingest_pause(job=scanned)
    assert not songs_waiting().exists()
    assert songs_claim(song_ids=ids, worker="late message") == []
    Song.objects.update(queued_at=None)
    assert songs_dispatch() == 0
    ingests_settle()
    scanned.refresh_from_db()
    assert scanned.status == Status.PAUSED

    ingest_resume(job=scanned)
    assert sorted(songs_waiting().values_list("pk", flat=True)) == ids
    analyse()
    scanned.refresh_from_db()
    assert (scanned.status, scanned.result["analysed"]) == (Status.SUCCEEDED, 3)


def test_a_pause_holds_the_songs_of_its_folder_alone(
    scanned: BackgroundJob, music_dir: Path
) -> None:
    write_tone(music_dir / "sub" / "x.wav", hz=900.0)
    inner = job_start(job_id=ingest_start(path=music_dir / "sub").pk, worker="test")
    ingest_run(job=inner)
    ingest_pause(job=inner)
    names = set(songs_waiting().values_list("relative_path", flat=True))
    assert names == {"0.wav", "1.wav", "2.wav"}


def test_a_song_that_was_begun_before_the_pause_is_analysed_to_its_end(
    scanned: BackgroundJob, fake_pipeline: FakePipeline
) -> None:
    fake_pipeline.before_predict = lambda _: ingest_pause(job=scanned)
    songs_analyse(song_ids=[songs_waiting().values_list("pk", flat=True)[0]], worker="test")
    assert Song.objects.filter(status=Song.Status.ANALYSED).count() == 1
    assert not songs_waiting().exists()


def test_a_scan_stops_at_its_next_step_and_goes_on_where_it_was(
    music_dir: Path, sent: Sent
) -> None:
    for number in range(20):  # more than are written at once
        write_tone(music_dir / f"{number:02d}.wav", hz=200.0 + number)
    job = job_start(job_id=ingest_start(path=music_dir).pk, worker="slow")

    def pause(now: BackgroundJob) -> None:
        ingest_pause(job=BackgroundJob.objects.get(pk=now.pk))

    with pytest.raises(JobStateError):
        ingest_run(job=job, on_progress=pause)
    assert 0 < Song.objects.count() < 20  # a slow machine writes fewer at once
    job.refresh_from_db()
    assert (job.status, job.worker) == (Status.PAUSED, "")
    with pytest.raises(JobStateError):
        job_start(job_id=job.pk, worker="of an old message")

    ingest_resume(job=job)
    assert job.status == Status.PENDING
    ingest_run(job=job_start(job_id=job.pk, worker="next"))
    job.refresh_from_db()
    assert (job.result["added"], Song.objects.count()) == (20, 20)


def test_to_add_a_folder_again_resumes_its_paused_ingest(
    scanned: BackgroundJob, music_dir: Path
) -> None:
    ingest_pause(job=scanned)
    ingest_start(path=music_dir)
    scanned.refresh_from_db()
    assert scanned.status == Status.STARTED


@pytest.mark.parametrize("is_paused", [False, True])
def test_what_is_cancelled_is_not_analysed_until_it_is_tried_again(
    scanned: BackgroundJob, is_paused: bool
) -> None:
    if is_paused:
        ingest_pause(job=scanned)
    assert ingest_cancel(job=scanned) == 3
    assert scanned.status == Status.REVOKED
    assert scanned.finished_at
    assert not songs_waiting().exists()
    assert {failure.code for failure in job_failures(job=scanned)} == {CANCELLED}
    with pytest.raises(JobStateError):
        ingest_cancel(job=scanned)

    again = failures_retry(job=scanned)
    ingest_run(job=job_start(job_id=again.pk, worker="test"))
    analyse()
    again.refresh_from_db()
    assert (again.status, again.result["analysed"]) == (Status.SUCCEEDED, 3)


def test_a_cancel_leaves_what_another_ingest_or_a_new_model_analyses(
    scanned: BackgroundJob, music_dir: Path
) -> None:
    Song.objects.filter(relative_path="0.wav").update(keeps_emotion=True)
    ingest_start(path=music_dir / "1.wav")
    assert ingest_cancel(job=scanned) == 1
    names = set(songs_waiting().values_list("relative_path", flat=True))
    assert names == {"0.wav", "1.wav"}


def test_failures_are_tried_again_all_or_one(
    music_dir: Path, ingest: Callable[..., BackgroundJob], fake_pipeline: FakePipeline
) -> None:
    for name in ("bad.mp3", "worse.mp3"):
        (music_dir / name).write_bytes(b"no sound" * 100)
    song = write_tone(music_dir / "tone.wav")
    job = ingest()
    with pytest.raises(JobStateError):
        failures_retry(job=job)
    Song.objects.update(status=Song.Status.FAILED, failure_code="X")
    ingests_settle()
    job.refresh_from_db()
    assert len(job_failures(job=job)) == 3

    for wrong in ("other.wav", f"{music_dir}/a\0", "/tone.wav"):
        with pytest.raises(PathError, match="nothing failed there"):
            failures_retry(job=job, path=wrong)
    again = failures_retry(job=job, path=song.name)  # an address below the library
    assert again.arguments["path"] == str(song)
    assert songs_waiting().count() == 1
    assert IngestFailure.objects.count() == 2
    with pytest.raises(PathError, match="nothing failed there"):
        failures_retry(job=job, path=str(song))

    job_of_one = failures_retry(job=job, path=str(music_dir / "bad.mp3"))
    ingest_run(job=job_start(job_id=job_of_one.pk, worker="test"))
    assert IngestFailure.objects.count() == 2  # still bad
    assert failures_retry(job=job).arguments["path"] == str(music_dir)
    assert IngestFailure.objects.count() == 0
