"""A file that is being written when a scheduled scan comes is taken a few minutes later."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

from catalog.ingest import settled
from catalog.ingest.libraries import rescans_start
from catalog.ingest.run import ingest_run
from catalog.models import BackgroundJob, Library, Song
from catalog.work.jobs import job_start
from tests.catalog.conftest import write_tone
from tests.factories import LibraryFactory

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django.fixtures import SettingsWrapper

pytestmark = pytest.mark.django_db


@pytest.fixture
def library(music_dir: Path, settings: SettingsWrapper) -> Library:
    settings.AFFETTI_WATCH_SETTLE_SECONDS = 0.2
    write_tone(music_dir / "old.wav", hz=300)
    return LibraryFactory(root=str(music_dir), rescan_hours=24, rescan_at=None)


def scan() -> BackgroundJob:
    assert rescans_start() == 1
    job = BackgroundJob.objects.get(status="pending")
    ingest_run(job=job_start(job_id=job.pk, worker="test"))
    BackgroundJob.objects.update(status="succeeded")
    job.refresh_from_db()
    return job


def written_during_a_scan(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def sleep(_: float) -> None:
        with file.open("ab") as part:
            part.write(b"more")

    monkeypatch.setattr(settled.time, "sleep", sleep)


@pytest.mark.parametrize(("watch", "is_soon"), [("off", True), ("polling", False)])
def test_the_next_scan_comes_soon(
    library: Library,
    music_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    watch: str,
    is_soon: bool,
) -> None:
    Library.objects.update(watch=watch)
    file = write_tone(music_dir / "new.wav", hz=400)
    with monkeypatch.context() as patch:
        written_during_a_scan(file, patch)
        job = scan()
    assert "new.wav: is still being written" in job.result["notes"][0]
    assert not Song.objects.filter(relative_path="new.wav").exists()
    library.refresh_from_db()
    assert library.rescan_at is not None
    wait = library.rescan_at - timezone.now()
    assert (wait <= settled.RESCAN_SOON) == is_soon

    if is_soon:
        Library.objects.update(rescan_at=timezone.now() - timedelta(seconds=1))
        time.sleep(0.3)
        write_tone(file, hz=400)
        scan()
        assert Song.objects.filter(relative_path="new.wav").exists()
        library.refresh_from_db()
        assert library.rescan_at - timezone.now() > timedelta(hours=23)


def test_a_scan_without_such_a_file_comes_when_it_was_to(library: Library) -> None:
    scan()

    library.refresh_from_db()
    assert library.rescan_at is not None
    assert library.rescan_at - timezone.now() > timedelta(hours=23)
