from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

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


def test_a_library_that_another_process_makes_at_the_same_moment_is_used(
    music_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = upsert.library_ensure(folder=music_dir)
    monkeypatch.setattr(upsert, "library_find", lambda folder: None)  # as asked a moment earlier

    assert upsert.library_ensure(folder=music_dir) == made
    assert Library.objects.count() == 1
