from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

from catalog.errors import PathError
from catalog.ingest.run import ingests_settle
from catalog.models import BackgroundJob, Song
from catalog.paths import to_stored
from catalog.selectors import job_failure_count, job_failures, job_progress, song_path
from tests.catalog.conftest import write_tone
from tests.factories import LibraryFactory, SongEmotionFactory, SongFactory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_django import DjangoAssertNumQueries

pytestmark = pytest.mark.django_db


def test_progress_counts_speed_and_what_is_left(
    music_dir: Path,
    ingest: Callable[..., BackgroundJob],
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in range(4):
        write_tone(music_dir / f"{number}.wav", hz=200 + number)
    (music_dir / "bad.mp3").write_text("no audio")
    job = ingest()
    first = Song.objects.order_by("pk")[0]
    SongEmotionFactory(song=first)
    Song.objects.filter(pk=first.pk).update(status=Song.Status.ANALYSED)
    BackgroundJob.objects.update(created_at=timezone.now() - timedelta(seconds=30))
    ingests_settle()
    job.refresh_from_db()

    with django_assert_max_num_queries(5):
        progress = job_progress(job)

    assert (progress.phase, progress.done, progress.total, progress.failed) == (
        "analysing",
        2,
        5,
        1,
    )
    assert progress.songs_per_minute == pytest.approx(2.0, rel=0.1)
    assert progress.eta_seconds == pytest.approx(90, rel=0.1)


def test_progress_of_an_ended_job_is_what_it_was(
    music_dir: Path, ingest: Callable[..., BackgroundJob]
) -> None:
    (music_dir / "bad.mp3").write_text("no audio")

    progress = job_progress(ingest())

    assert (progress.phase, progress.done, progress.total, progress.failed) == ("done", 1, 1, 1)
    assert progress.eta_seconds is None


def test_failures_are_those_of_the_files_a_job_covers(
    music_dir: Path, ingest: Callable[..., BackgroundJob]
) -> None:
    write_tone(music_dir / "a" / "x.wav", hz=200)
    (music_dir / "a" / "bad.mp3").write_text("no audio")
    (music_dir / "ab").mkdir()
    (music_dir / "ab" / "other.mp3").write_text("no audio")
    ingest()
    Song.objects.update(status=Song.Status.FAILED, failure_code="AUDIO_SILENT")

    found = job_failures(job=ingest(music_dir / "a"))

    root = music_dir.resolve()
    assert [(f.path, f.code) for f in found] == [
        (f"{root}/a/bad.mp3", "AUDIO_CORRUPT"),
        (f"{root}/a/x.wav", "AUDIO_SILENT"),
    ]


def test_the_first_failures_by_path_and_how_many_there_are(
    music_dir: Path, ingest: Callable[..., BackgroundJob]
) -> None:
    for name in ("a", "c", "d"):
        (music_dir / f"{name}.mp3").write_text(f"no audio {name}")
    write_tone(music_dir / "b.wav")
    job = ingest()
    Song.objects.update(status=Song.Status.FAILED, failure_code="AUDIO_SILENT")

    found = job_failures(job=job, most=2)

    assert [failure.path.rsplit("/", 1)[1] for failure in found] == ["a.mp3", "b.wav"]
    assert job_failure_count(job=job) == 4


def test_other_jobs_and_lost_libraries_have_no_failures() -> None:
    index = BackgroundJob.objects.create(kind="of_later")
    lost = BackgroundJob.objects.create(
        kind=BackgroundJob.Kind.INGEST, arguments={"path": "/nowhere"}
    )

    assert job_failures(job=index) == []
    assert job_failures(job=lost) == []
    assert job_failure_count(job=lost) == 0
    assert job_progress(lost).done == 0


def test_song_path_stays_inside_its_library(tmp_path: Path) -> None:
    library = LibraryFactory(root=to_stored(tmp_path / "root"))
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "a.mp3").write_text("x")
    (tmp_path / "b.mp3").write_text("x")

    assert song_path(SongFactory(library=library, relative_path="a.mp3")).name == "a.mp3"
    with pytest.raises(PathError):
        song_path(SongFactory(library=library, relative_path="../b.mp3"))
