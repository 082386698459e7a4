from __future__ import annotations

import socket
from datetime import timedelta
from io import StringIO
from typing import TYPE_CHECKING

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from catalog.errors import PathError
from catalog.ingest.run import ingest_run, ingest_start
from catalog.management.commands import ingest as command
from catalog.models import BackgroundJob, Song, SongEmotion
from catalog.work.jobs import MAX_ATTEMPTS, QUIET_SECONDS, job_start
from catalog.work.queue import songs_claim
from tests.catalog.conftest import write_tone

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes import FakePipeline

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "GRACE_SECONDS", 0.0)
    monkeypatch.setattr(command, "POLL_SECONDS", 0.01)


def run(*arguments: object) -> str:
    out = StringIO()
    call_command("ingest", *map(str, arguments), stdout=out)
    return out.getvalue()


def test_without_a_worker_it_does_the_work_and_sums_it_up(
    tmp_path: Path, fake_pipeline: FakePipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    music = tmp_path / "anywhere"  # the command line may name any folder
    for number in range(10):
        write_tone(music / f"{number}.wav", hz=200 + number)
    (music / "bad.mp3").write_text("no audio")

    out = run(music, "--wait")

    assert SongEmotion.objects.count() == 10
    assert [line.split() for line in out.splitlines()[:3]] == [
        ["10", "new", "songs"],
        ["10", "analysed"],
        ["1", "failed"],
    ]
    assert f"  {music}/bad.mp3: AUDIO_CORRUPT: " in out
    assert "analysing them here" in capsys.readouterr().err

    again = run(music, "--wait")
    assert "     10 unchanged" in again
    assert "      0 analysed" in again
    assert "bad.mp3: AUDIO_CORRUPT" in again
    assert len(fake_pipeline.seen) == 10


@pytest.mark.usefixtures("fake_pipeline")
def test_it_waits_for_folders_behind_links_too(tmp_path: Path) -> None:
    music, disk = tmp_path / "music", tmp_path / "disk"
    write_tone(music / "here.wav")
    write_tone(disk / "there.wav", hz=300)
    (music / "disk").symlink_to(disk, target_is_directory=True)
    (disk / "back").symlink_to(music, target_is_directory=True)

    out = run(music, "--wait")

    assert out.count("      1 new songs") == 2
    assert f"note: disk: is a link; {disk} is ingested too" in out
    assert SongEmotion.objects.count() == 2
    assert BackgroundJob.objects.count() == 2


def test_without_wait_it_leaves_the_work_to_a_worker(music_dir: Path) -> None:
    write_tone(music_dir / "a.wav")

    out = run(music_dir)

    assert str(BackgroundJob.objects.get().pk) in out
    assert not Song.objects.exists()


def test_a_bad_path_is_said_with_exit_code_2(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no such file or folder") as caught:
        run(tmp_path / "absent", "--wait")

    assert caught.value.returncode == 2


def test_it_stops_waiting_when_its_time_is_over(
    music_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "GRACE_SECONDS", 60.0)
    write_tone(music_dir / "a.wav")

    out = run(music_dir, "--wait", "--at-most", "0.3")

    assert out.startswith("Still analysing: 0 of 1 files done.")


def test_it_watches_the_scan_of_a_worker(
    music_dir: Path, monkeypatch: pytest.MonkeyPatch, fake_pipeline: FakePipeline
) -> None:
    write_tone(music_dir / "a.wav")
    job = ingest_start(path=music_dir)
    mine = job_start(job_id=job.pk, worker="worker")
    original = command._show

    def scan_meanwhile(*arguments: object) -> None:
        if not Song.objects.exists():
            ingest_run(job=mine)
        original(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(command, "_show", scan_meanwhile)

    assert "      1 analysed" in run(music_dir, "--wait")
    assert BackgroundJob.objects.count() == 1


def test_a_stopped_scan_is_left_to_a_worker(
    music_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "ingest_run", stop)
    with pytest.raises(KeyboardInterrupt):
        run(music_dir, "--wait")

    assert BackgroundJob.objects.get().status == BackgroundJob.Status.PENDING


def test_a_folder_that_goes_away_during_the_scan_is_a_bad_path(
    music_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(**_: object) -> None:
        raise PathError("gone")

    monkeypatch.setattr(command, "ingest_run", gone)
    with pytest.raises(CommandError) as caught:
        run(music_dir, "--wait")

    assert caught.value.returncode == 2
    assert BackgroundJob.objects.get().status == BackgroundJob.Status.FAILED


def test_it_does_not_help_while_a_worker_has_a_song_in_hand(
    music_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_tone(music_dir / "a.wav", hz=200)
    write_tone(music_dir / "b.wav", hz=300)
    original = command._show

    def claim_meanwhile(*arguments: object) -> None:
        song_ids = Song.objects.order_by("pk").values_list("pk", flat=True)[:1]
        songs_claim(song_ids=list(song_ids), worker="another-host|1|celery@x")
        original(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(command, "_show", claim_meanwhile)

    out = run(music_dir, "--wait", "--at-most", "0.5")

    assert out.startswith("Still analysing")
    assert "analysing them here" not in capsys.readouterr().err


DEAD = f"{socket.gethostname()}|{2**22 + 1}|manage.py ingest"


@pytest.mark.parametrize("is_begun", [False, True])
def test_given_again_after_a_kill_it_goes_on_at_once(
    music_dir: Path,
    fake_pipeline: FakePipeline,
    is_begun: bool,
) -> None:
    for number in range(20):
        write_tone(music_dir / f"{number:02d}.wav", hz=200 + 10 * number)
    job = job_start(job_id=ingest_start(path=music_dir).pk, worker=DEAD)

    def die(_: object) -> None:
        raise KeyboardInterrupt  # as good as a SIGKILL: nothing is tidied up

    if is_begun:
        with pytest.raises(KeyboardInterrupt):
            ingest_run(job=job, on_progress=die)
    assert (0 < Song.objects.count() < 20) == is_begun

    out = run(music_dir, "--wait")

    assert "     20 analysed" in out
    assert BackgroundJob.objects.get().status == BackgroundJob.Status.SUCCEEDED


def test_it_takes_over_the_scan_of_a_worker_that_dies_meanwhile(
    music_dir: Path, fake_pipeline: FakePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tone(music_dir / "a.wav")
    job = job_start(job_id=ingest_start(path=music_dir).pk, worker="elsewhere|1|worker")
    sleep = command.time.sleep

    def fall_silent(seconds: float) -> None:
        sleep(seconds)
        BackgroundJob.objects.filter(worker="elsewhere|1|worker").update(
            heartbeat_at=timezone.now() - timedelta(seconds=QUIET_SECONDS + 1)
        )

    monkeypatch.setattr(command.time, "sleep", fall_silent)

    assert "      1 analysed" in run(music_dir, "--wait")
    job.refresh_from_db()
    assert job.status == BackgroundJob.Status.SUCCEEDED


def test_a_job_that_died_too_often_is_followed_by_a_new_one(
    music_dir: Path, fake_pipeline: FakePipeline
) -> None:
    write_tone(music_dir / "a.wav")
    job = job_start(job_id=ingest_start(path=music_dir).pk, worker=DEAD)
    BackgroundJob.objects.update(attempts=MAX_ATTEMPTS)

    assert "      1 analysed" in run(music_dir, "--wait")
    job.refresh_from_db()
    assert job.error_code == "JOB_ABANDONED"
