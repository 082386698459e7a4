"""Eight kinds of bad file among twenty good ones: each fails alone, with its code."""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from catalog.analysis import songs_analyse
from catalog.ingest.run import ingests_settle
from catalog.models import Song, SongEmotion
from catalog.selectors import job_failures
from tests.catalog.conftest import write_tone

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from catalog.models import BackgroundJob
    from tests.fakes import FakePipeline

pytestmark = pytest.mark.django_db

BAD_FILES = {
    "bad/empty.flac": {"AUDIO_EMPTY"},
    "bad/text.mp3": {"AUDIO_CORRUPT"},
    "bad/random.ogg": {"AUDIO_CORRUPT"},
    "bad/truncated.flac": {"AUDIO_CORRUPT"},
    "bad/short.wav": {"AUDIO_TOO_SHORT"},
    "bad/silent.wav": {"AUDIO_SILENT"},
    "bad/no-samples.wav": {"AUDIO_EMPTY"},
    "bad/nan.wav": {"AUDIO_CORRUPT", "AUDIO_SILENT"},
    "bad/outside.wav": {"PATH_INVALID"},
}


def write_good(music_dir: Path) -> None:
    for number in range(20):
        suffix = (".wav", ".flac", ".mp3", ".ogg", ".opus")[number % 5]
        write_tone(music_dir / "good" / f"{number:02d}{suffix}", hz=220 + 20 * number)


def write_bad(music_dir: Path) -> None:
    bad = music_dir / "bad"
    bad.mkdir()
    rng = np.random.default_rng(0)
    (bad / "empty.flac").touch()
    (bad / "text.mp3").write_text("This is a letter, not a song.\n" * 200)
    (bad / "random.ogg").write_bytes(rng.bytes(20_000))
    whole = write_tone(music_dir / "whole.flac").read_bytes()
    (music_dir / "whole.flac").unlink()
    (bad / "truncated.flac").write_bytes(whole[:30])
    write_tone(bad / "short.wav", seconds=0.5)
    soundfile.write(bad / "silent.wav", np.zeros(32_000), 8000)
    soundfile.write(bad / "no-samples.wav", np.zeros(0), 8000)
    soundfile.write(bad / "nan.wav", np.full(32_000, math.nan, np.float32), 8000, subtype="FLOAT")
    (bad / "outside.wav").symlink_to(write_tone(music_dir.parent / "outside.wav", hz=999))
    # A folder that is named like a song is a folder.
    write_tone(bad / "album.mp3" / "inside.wav", hz=777)


def test_bad_files_fail_alone(
    music_dir: Path, ingest: Callable[..., BackgroundJob], fake_pipeline: FakePipeline
) -> None:
    write_good(music_dir)
    write_bad(music_dir)
    fake_pipeline.is_listening = True

    job = ingest()
    ids = list(Song.objects.order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(ids), 8):
        songs_analyse(song_ids=ids[start : start + 8], worker="w")
    ingests_settle()

    job.refresh_from_db()
    assert job.status == "succeeded"
    assert SongEmotion.objects.count() == 21
    assert job.result["analysed"] == 21
    assert job.result["failed"] == len(BAD_FILES)
    root = str(music_dir.resolve())
    found = {f.path.removeprefix(f"{root}/"): f for f in job_failures(job=job)}
    assert set(found) == set(BAD_FILES)
    for name, codes in BAD_FILES.items():
        assert found[name].code in codes, found[name]
        assert found[name].message

    again = ingest()
    assert again.status == "succeeded"
    assert (again.result["added"], again.result["failed"]) == (0, len(BAD_FILES))


def test_a_header_that_lies_about_its_length_fails_alone(
    music_dir: Path, ingest: Callable[..., BackgroundJob], fake_pipeline: FakePipeline
) -> None:
    fake_pipeline.is_listening = True
    data = bytearray(write_tone(music_dir / "a.wav").read_bytes())
    data[40:44] = struct.pack("<I", 0x7FFF_FFF0)
    (music_dir / "a.wav").write_bytes(data[:1000])
    write_tone(music_dir / "b.wav", hz=300)

    job = ingest()
    songs_analyse(song_ids=list(Song.objects.values_list("pk", flat=True)), worker="w")

    assert SongEmotion.objects.get().song.relative_path == "b.wav"
    assert [failure.path.rsplit("/", 1)[1] for failure in job_failures(job=job)] == ["a.wav"]
