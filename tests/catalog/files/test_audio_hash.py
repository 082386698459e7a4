"""The hash of the encoded audio: the same with any tags, other for any other audio."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import mutagen
import pytest
from mutagen.apev2 import APEv2
from mutagen.flac import FLAC, Picture
from mutagen.id3 import APIC, ID3, TIT2

from catalog.files.scan import audio_hash
from tests.catalog.conftest import write_tone

if TYPE_CHECKING:
    from pathlib import Path

FFMPEG = shutil.which("ffmpeg")
needs_ffmpeg = pytest.mark.skipif(FFMPEG is None, reason="no ffmpeg on this machine")


@pytest.fixture
def mp3(tmp_path: Path) -> Path:
    return write_tone(tmp_path / "song.mp3")


def other_tags(path: Path) -> None:
    """Give a file a long title and, where the format has them, a cover."""
    file: Any = mutagen.File(path)
    if file.tags is None:
        file.add_tags()
    if isinstance(file.tags, ID3):
        file.tags.add(TIT2(encoding=3, text="x" * 5_000))
        file.tags.add(APIC(mime="image/png", type=3, data=os.urandom(70_000)))
    elif path.suffix == ".m4a":
        file["\xa9nam"], file["covr"] = "x" * 5_000, [os.urandom(70_000)]
    else:
        file["title"] = "x" * 70_000
    if isinstance(file, FLAC):
        cover = Picture()
        cover.data, cover.mime = os.urandom(70_000), "image/png"
        file.add_picture(cover)
    file.save()


@pytest.mark.parametrize(
    "name", ["a.mp3", "a.flac", "a.ogg", "a.opus", "a.wav", "a.m4a", "b.m4a", "a.aiff", "a.wma"]
)
def test_other_tags_leave_the_hash(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if path.suffix in {".m4a", ".wma"}:
        if FFMPEG is None:
            pytest.skip("no ffmpeg on this machine")
        flags = ["-movflags", "faststart"] if name == "b.m4a" else []
        source = write_tone(tmp_path / "source.wav")
        subprocess.run([FFMPEG, "-v", "error", "-i", source, *flags, path], check=True)
    else:
        write_tone(path, rate=48_000 if path.suffix == ".opus" else 8_000)
    before = audio_hash(path)
    size = path.stat().st_size
    other_tags(path)
    assert path.stat().st_size != size
    assert len(before) == 64
    assert audio_hash(path) == before


@pytest.mark.parametrize("name", ["a.mp3", "a.flac", "a.ogg", "a.wav"])
def test_other_audio_has_another_hash(tmp_path: Path, name: str) -> None:
    first = audio_hash(write_tone(tmp_path / name, hz=440))
    second = audio_hash(write_tone(tmp_path / f"2{name}", hz=441))
    shorter = audio_hash(write_tone(tmp_path / f"3{name}", hz=440, seconds=3.5))
    assert len({first, second, shorter}) == 3


def test_the_same_samples_at_another_rate_are_other_audio(tmp_path: Path) -> None:
    slow = write_tone(tmp_path / "a.wav", rate=8_000)
    fast = bytearray(slow.read_bytes())
    fast[24:28] = (16_000).to_bytes(4, "little")
    (tmp_path / "b.wav").write_bytes(fast)
    assert audio_hash(slow) != audio_hash(tmp_path / "b.wav")


ID3V1 = b"TAG" + b"y" * 125
LYRICS3 = b"LYRICSBEGIN" + b"IND0000200" + b"q" * 500 + b"000521LYRICS200" + ID3V1


@pytest.mark.parametrize("tail", [ID3V1, LYRICS3, bytes(5_000)])
def test_what_follows_the_frames_of_an_mp3_does_not_count(mp3: Path, tail: bytes) -> None:
    before = audio_hash(mp3)
    mp3.write_bytes(mp3.read_bytes() + tail)
    assert audio_hash(mp3) == before


def test_apev2_on_mp3_does_not_count(mp3: Path) -> None:
    before = audio_hash(mp3)
    tags = APEv2()
    tags["title"] = "y" * 6_000
    tags.save(mp3)
    assert audio_hash(mp3) == before
    mp3.write_bytes(mp3.read_bytes() + ID3V1)
    assert audio_hash(mp3) == before


def test_tags_around_a_flac_do_not_count(tmp_path: Path) -> None:
    path = write_tone(tmp_path / "a.flac")
    before = audio_hash(path)
    id3v2 = b"ID3\x03\0\0\0\0\x10\0" + bytes(2_048)
    path.write_bytes(id3v2 + path.read_bytes() + ID3V1)
    assert audio_hash(path) == before


@needs_ffmpeg
@pytest.mark.parametrize("name", ["a.mp3", "a.flac", "a.ogg"])
def test_a_copy_by_ffmpeg_has_the_same_audio(tmp_path: Path, name: str) -> None:
    path, copy = write_tone(tmp_path / name), tmp_path / f"copy-{name}"
    command = ["ffmpeg", "-v", "error", "-i", path, "-c", "copy", "-metadata", "title=t", copy]
    subprocess.run(command, check=True)
    assert copy.read_bytes() != path.read_bytes()
    assert audio_hash(copy) == audio_hash(path)


def test_what_is_no_audio_has_no_hash(tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_text("no audio")
    assert audio_hash(tmp_path / "a.mp3") == ""
