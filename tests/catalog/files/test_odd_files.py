"""Files that are odd but good go through scan, tags and analysis like any other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import mutagen
import numpy as np
import pytest
import soundfile
from mutagen.apev2 import APEv2

from catalog.analysis import songs_analyse
from catalog.models import Song
from mer.audio.patches import song_patches
from tests.made_audio import RATE, id3, musepack, needs_ffmpeg, needs_mpcenc, tones, write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from catalog.models import BackgroundJob
    from tests.fakes import FakePipeline

    Ingest = Callable[..., BackgroundJob]

pytestmark = pytest.mark.django_db


@pytest.fixture
def analysed(ingest: Ingest, fake_pipeline: FakePipeline) -> Callable[[Path], Song]:
    """Return a function that scans and analyses the only file, which is decoded for real."""
    fake_pipeline.is_listening = True

    def run(path: Path) -> Song:
        ingest()
        song = Song.objects.get()
        assert song.relative_path == path.name
        report = songs_analyse(song_ids=[song.pk], worker="w")
        song.refresh_from_db()
        assert (report.analysed, report.failed, song.failure_code) == (1, 0, "")
        return song

    return run


def level(path: Path) -> float:
    return float(np.abs(song_patches(path).segments).max())


@needs_ffmpeg
class TestTags:
    def test_an_mp3_with_two_id3_tags_has_those_of_the_first(
        self, music_dir: Path, analysed: Callable[[Path], Song]
    ) -> None:
        path = write(
            music_dir / "a.mp3", tones(5), options="-metadata title=Second -metadata artist=Other"
        )
        path.write_bytes(id3(b"\x00First", frame=b"TIT2") + path.read_bytes())
        song = analysed(path)
        assert song.title == "First"
        assert song.duration_seconds == pytest.approx(5, abs=0.1)

    def test_apev2_before_id3v1(self, music_dir: Path, analysed: Callable[[Path], Song]) -> None:
        path = write(music_dir / "a.mp3", tones(5), options="-id3v2_version 0 -write_id3v1 0")
        tags = APEv2()
        tags["Title"], tags["Artist"] = "A title longer than thirty letters", "Ada"
        tags.save(path)
        block = b"TAG" + b"A title longer than thirty let".ljust(124, b"\x00") + b"\x11"
        path.write_bytes(path.read_bytes() + block)
        song = analysed(path)
        assert (song.title, song.artist) == ("A title longer than thirty letters", "Ada")
        assert song.genre == "Rock"
        assert song.duration_seconds == pytest.approx(5, abs=0.1)


class TestChannels:
    def test_one_silent_channel(self, music_dir: Path, analysed: Callable[[Path], Song]) -> None:
        samples = tones(5)
        samples[:, 1] = 0
        soundfile.write(music_dir / "a.flac", samples, RATE)
        analysed(music_dir / "a.flac")
        # The mean of a tone and silence has half its level.
        assert level(music_dir / "a.flac") == pytest.approx(np.abs(samples).max() / 2, rel=0.1)

    @pytest.mark.parametrize("suffix", ["flac", "ogg"])
    def test_a_channel_that_is_the_inverse_of_the_other(
        self, music_dir: Path, analysed: Callable[[Path], Song], suffix: str
    ) -> None:
        left = tones(5)[:, 0]
        path = music_dir / f"a.{suffix}"
        soundfile.write(path, np.stack([left, -left], axis=1), RATE)
        analysed(path)
        assert level(path) == pytest.approx(np.abs(left).max(), rel=0.1)


class TestLengths:
    def test_four_seconds(self, music_dir: Path, analysed: Callable[[Path], Song]) -> None:
        soundfile.write(music_dir / "a.flac", tones(4), RATE)
        assert analysed(music_dir / "a.flac").duration_seconds == pytest.approx(4)
        assert level(music_dir / "a.flac") > 0.1

    def test_music_after_ten_minutes_of_silence_is_what_is_heard(
        self, music_dir: Path, analysed: Callable[[Path], Song]
    ) -> None:
        path, rate = music_dir / "a.flac", 8000
        silence = np.zeros((600 * rate, 2), np.float32)
        soundfile.write(path, np.concatenate([silence, tones(30, rate)]), rate)
        assert analysed(path).duration_seconds == pytest.approx(630)
        patches = song_patches(path)
        assert patches.start_seconds.min() > 595
        assert patches.start_seconds.max() > 620
        assert (np.abs(patches.segments).max(axis=1) > 0.1).all()


@needs_mpcenc
@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_musepack_is_tagged_and_analysed(
    music_dir: Path, tmp_path: Path, analysed: Callable[[Path], Song], rate: int
) -> None:
    path = music_dir / "a.mpc"
    musepack(tmp_path / "a.mpc", tones(6, rate), rate).rename(path)
    file = mutagen.File(path)
    file["Title"], file["Artist"], file["Year"] = "Packed", "Ada feat. Bob", "1999"
    file.save()
    song = analysed(path)
    assert (song.title, song.artist, song.year) == ("Packed", "Ada feat. Bob", 1999)
    assert song.duration_seconds == pytest.approx(6, abs=0.1)
    assert level(path) == pytest.approx(np.abs(tones(6, rate).mean(axis=1)).max(), rel=0.15)
