from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from django.db import connection

from catalog.ingest import upsert
from catalog.ingest.run import ingests_settle
from catalog.models import BackgroundJob, Library, Song
from tests.catalog.conftest import write_tone

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Ingest = Callable[..., BackgroundJob]

pytestmark = pytest.mark.django_db


def test_one_file_or_a_folder_inside_belongs_to_the_library_round_it(
    music_dir: Path, ingest: Ingest
) -> None:
    write_tone(music_dir / "a.wav", hz=200)
    write_tone(music_dir / "sub" / "b.wav", hz=300)
    ingest()
    write_tone(music_dir / "sub" / "c.wav", hz=400)
    (music_dir / "a.wav").unlink()

    assert ingest(music_dir / "sub" / "c.wav").result["added"] == 1
    assert ingest(music_dir / "sub").result["unchanged"] == 2
    assert Library.objects.count() == 1
    assert Song.objects.get(relative_path="a.wav").is_available  # outside what was looked at


def test_a_wider_folder_takes_in_the_libraries_inside_it(music_dir: Path, ingest: Ingest) -> None:
    for name in ("x/a.wav", "y/b.wav", "X/c.wav"):
        write_tone(music_dir / name, hz=200 + ord(name[0]))
    (music_dir / "y" / "bad.mp3").write_text("no audio")
    ingest(music_dir / "x")
    job = ingest(music_dir / "y")
    Song.objects.update(status=Song.Status.ANALYSED)

    found = ingest().result
    assert [found[name] for name in ("unchanged", "added", "failed")] == [2, 1, 1]
    assert Library.objects.count() == 1
    assert Song.objects.count() == 3
    ingests_settle()
    job.refresh_from_db()
    assert job.status == BackgroundJob.Status.SUCCEEDED


@pytest.mark.skipif(
    connection.vendor == "sqlite", reason="threads cannot wait for each other in memory"
)
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("round_number", range(10))
def test_libraries_made_at_one_moment_are_never_nested(music_dir: Path, round_number: int) -> None:
    folders = [music_dir, music_dir / "a", music_dir / "a" / "b", music_dir / "c"]
    folders[2].mkdir(parents=True)
    start = threading.Barrier(len(folders))

    def make(folder: Path) -> None:
        try:
            start.wait(10)
            upsert.library_ensure(folder=folder)
        finally:
            connection.close()

    threads = [threading.Thread(target=make, args=(folder,)) for folder in folders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [library.path for library in Library.objects.all()] == [music_dir]
