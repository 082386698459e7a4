"""Files that once stopped a library are songs or fail alone, with a code."""

from __future__ import annotations

import shutil
from io import StringIO
from typing import TYPE_CHECKING

import pytest
from django.core.management import call_command

from catalog.models import BackgroundJob, IngestFailure, Song
from tests.catalog.conftest import write_tone
from tests.places import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes import FakePipeline

FILES = ROOT.parent / "shared" / "faults" / "files"
pytestmark = [
    pytest.mark.data,
    pytest.mark.django_db,
    pytest.mark.skipif(not FILES.is_dir(), reason=f"{FILES} is absent"),
]

UNEXPECTED = {"FILE_READ_FAILED", "FILE_NOT_STORED", "ANALYSIS_FAILED", "ANALYSIS_ABANDONED"}


def test_a_folder_of_them_with_good_songs_is_read_to_its_end(
    music_dir: Path, fake_pipeline: FakePipeline
) -> None:
    fake_pipeline.is_listening = True
    shutil.copytree(FILES, music_dir, dirs_exist_ok=True)
    write_tone(music_dir / "a first song.wav", hz=200)
    write_tone(music_dir / "zz last song.wav", hz=300)
    call_command("ingest", str(music_dir), "--wait", stdout=StringIO())

    job = BackgroundJob.objects.get()
    assert (job.status, job.error_code) == (BackgroundJob.Status.SUCCEEDED, "")
    assert job.progress_done == job.progress_total
    good = Song.objects.filter(status=Song.Status.ANALYSED).values_list("relative_path", flat=True)
    assert {"a first song.wav", "zz last song.wav", "latin1-title.m4a"} <= set(good)
    failed = dict(IngestFailure.objects.values_list("relative_path", "code"))
    failed |= dict(
        Song.objects.filter(status=Song.Status.FAILED).values_list("relative_path", "failure_code")
    )
    assert not {name: code for name, code in failed.items() if code in UNEXPECTED}
    assert "segv-g0112.m4a" in {*good, *failed}
