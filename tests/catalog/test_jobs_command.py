from __future__ import annotations

import json
import re
from datetime import timedelta
from io import StringIO
from typing import TYPE_CHECKING

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from catalog.analysis import songs_analyse
from catalog.ingest.run import ingest_run, ingest_start, ingests_settle
from catalog.management.commands import jobs as command
from catalog.models import BackgroundJob, Song
from catalog.selectors import job_progress
from catalog.work.jobs import job_fail, job_start
from catalog.work.queue import songs_waiting
from mer.errors import AudioError
from tests.catalog.conftest import write_tone

if TYPE_CHECKING:
    from pathlib import Path

    from mer.prediction import SongInput
    from tests.fakes import FakePipeline

pytestmark = pytest.mark.django_db
Status = BackgroundJob.Status


def jobs(*arguments: str) -> str:
    out = StringIO()
    call_command("jobs", *arguments, stdout=out)
    return out.getvalue()


def analyse(count: int | None = None) -> None:
    ids = list(songs_waiting().order_by("pk").values_list("pk", flat=True)[:count])
    songs_analyse(song_ids=ids, worker="test")
    ingests_settle()


@pytest.fixture
def job(music_dir: Path, fake_pipeline: FakePipeline) -> BackgroundJob:
    """An ingest of three songs and a damaged file; the songs wait."""
    for number in range(3):
        write_tone(music_dir / f"{number}.wav", hz=200.0 + number)
    (music_dir / "bad.mp3").write_text("no audio")
    job = job_start(job_id=ingest_start(path=music_dir).pk, worker="test")
    ingest_run(job=job)
    BackgroundJob.objects.update(created_at=timezone.now() - timedelta(seconds=30))
    return job


def test_the_list_names_state_stage_counts_speed_and_the_basis_of_the_time(
    job: BackgroundJob, music_dir: Path
) -> None:
    analyse(2)
    head, row = jobs().splitlines()
    assert head.split() == ["ID", "STATE", "STAGE", "FILES", "FAILED", "SPEED", "LEFT", "PATH"]
    assert row.split()[:5] == [str(job.pk)[:8], "started", "analyse", "3/4", "1"]
    assert "4.0/min" in row
    assert re.search(r"1[5-7] s \(by 2 songs in the last 3\d s\)", row)
    assert row.endswith(str(music_dir))


def test_an_empty_list_says_what_to_do() -> None:
    assert "manage.py ingest PATH" in jobs()
    assert json.loads(jobs("--json")) == {"jobs": []}


def test_one_job_is_shown_with_its_failures(job: BackgroundJob, music_dir: Path) -> None:
    shown = jobs("show", str(job.pk)[:8])
    assert "state    started; find > read > [analyse] > done" in shown
    assert f"failed   {music_dir}/bad.mp3: AUDIO_CORRUPT: " in shown
    assert "retry" not in shown  # the job goes on
    analyse()
    assert "manage.py jobs retry" in jobs("show", str(job.pk))


def test_it_pauses_resumes_cancels_and_retries(job: BackgroundJob, music_dir: Path) -> None:
    pk = str(job.pk)
    assert "state    paused" in jobs("pause", pk)
    with pytest.raises(CommandError, match="paused"):
        jobs("pause", pk)
    assert "state    started" in jobs("resume", pk)
    with pytest.raises(CommandError, match="still goes on"):
        jobs("retry", pk)
    cancelled = json.loads(jobs("cancel", pk, "--json"))
    assert (cancelled["state"], cancelled["counts"]["failed"]) == ("revoked", 4)
    assert cancelled["failure_count"] == 4

    one = json.loads(jobs("retry", pk, "--file", str(music_dir / "1.wav"), "--json"))
    assert one["path"] == str(music_dir / "1.wav")
    assert songs_waiting().count() == 1
    with pytest.raises(CommandError, match="jobs show"):
        jobs("retry", pk, "--file", "absent.wav")
    assert json.loads(jobs("retry", pk, "--json"))["path"] == str(music_dir)
    assert songs_waiting().count() == 3


def test_a_song_that_fails_in_analysis_counts_as_failed_everywhere(
    job: BackgroundJob, fake_pipeline: FakePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(song: SongInput) -> SongInput:
        raise AudioError(str(song.path), "is silent")

    monkeypatch.setattr(fake_pipeline, "prepare", refuse)
    analyse()
    job.refresh_from_db()
    assert (job.status, job.result["failed"]) == (Status.SUCCEEDED, 4)
    assert job_progress(job).failed == 4
    told = json.loads(jobs("show", str(job.pk), "--json"))
    assert told["progress"]["failed"] == told["counts"]["failed"] == told["failure_count"] == 4
    assert jobs().splitlines()[1].split()[4] == "4"


def test_songs_that_fail_after_the_job_did_are_counted_too(job: BackgroundJob) -> None:
    job_fail(job=job, code="INTERNAL_ERROR", message="Look at the log")
    Song.objects.update(status=Song.Status.FAILED, failure_code="AUDIO_SILENT")
    assert job_progress(job).failed == 4
    assert "error    INTERNAL_ERROR: Look at the log" in jobs("show", str(job.pk))


def test_watch_prints_each_change_until_the_end(
    job: BackgroundJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command.time, "sleep", lambda _: analyse(1))
    lines = [
        json.loads(line)
        for line in jobs("show", str(job.pk), "--watch", "--json").split("\n")
        if line
    ]
    assert [line["progress"]["done"] for line in lines] == [1, 2, 3, 4]
    assert lines[-1]["stages"]["done"] == "done"
    assert lines[-1]["state"] == "succeeded"


def test_a_watched_job_that_fails_ends_with_its_error(job: BackgroundJob) -> None:
    job_fail(job=job, code="INTERNAL_ERROR", message="Look at the log")
    with pytest.raises(CommandError, match="INTERNAL_ERROR"):
        jobs("show", str(job.pk), "--watch")


def test_wrong_names_say_what_to_do(job: BackgroundJob) -> None:
    for wrong in ((), ("ffff" if not job.pk.hex.startswith("ffff") else "0000",)):
        with pytest.raises(CommandError, match="jobs lists"):
            jobs("show", *wrong)
    with pytest.raises(CommandError, match="retry ID --file"):
        jobs("show", str(job.pk), "--file", "x")
