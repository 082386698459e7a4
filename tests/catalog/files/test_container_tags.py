"""Tags of the formats that only FFmpeg knows."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from catalog.files.tags import read_tags
from tests.made_audio import needs_ffmpeg, tones, write

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = needs_ffmpeg
FIELDS = {
    "title": "Tïtel",
    "artist": "Artïst",
    "album": "Albüm",
    "album_artist": "Various",
    "date": "1999-05-01",
    "genre": "Rock",
    "track": "3/9",
    "disc": "2/2",
    "lyrics": "la la land\nmy love",
}


def tagged(path: Path, fields: dict[str, str], options: str = "") -> Path:
    untagged = write(path.with_name(f"untagged{path.suffix}"), tones(4), options=options)
    command = ["ffmpeg", "-v", "error", "-i", untagged, "-c", "copy"]
    for name, value in fields.items():
        command += ["-metadata", f"{name}={value}"]
    subprocess.run([*command, path], check=True)
    return path


@pytest.mark.parametrize(
    ("suffix", "options"), [("mka", ""), ("webm", "-c:a libopus"), ("caf", ""), ("tta", "")]
)
def test_all_fields_are_read(tmp_path, suffix, options):
    tags = read_tags(tagged(tmp_path / f"x.{suffix}", FIELDS, options))
    assert (tags.title, tags.artist, tags.album) == ("Tïtel", "Artïst", "Albüm")
    assert (tags.album_artist, tags.year, tags.genre) == ("Various", 1999, "Rock")
    assert (tags.track_number, tags.disc_number) == (3, 2)
    assert tags.lyrics == "la la land\nmy love"
    assert not tags.is_title_from_name


def test_au_has_few_fields(tmp_path):
    tags = read_tags(tagged(tmp_path / "x.au", FIELDS))
    assert (tags.title, tags.artist, tags.album, tags.genre) == ("Tïtel", "Artïst", "Albüm", "Rock")


def test_latin_1_in_matroska_is_mended(tmp_path):
    path = tagged(tmp_path / "x.mka", {"title": "Cafee del mar"})
    data = path.read_bytes()
    assert data.count(b"Cafee") == 1
    path.write_bytes(data.replace(b"Cafee", b"Caf\xe9 "))
    assert read_tags(path).title == "Café del mar"


@pytest.mark.parametrize("suffix", ["ac3", "w64", "dts"])
def test_formats_without_tags_take_the_name(tmp_path, suffix):
    options = "-strict -2 -c:a dca" if suffix == "dts" else ""
    path = write(tmp_path / f"Nena - 99 Luftballons.{suffix}", tones(4), options=options)
    tags = read_tags(path)
    assert (tags.artist, tags.title) == ("Nena", "99 Luftballons")


def test_ffmpeg_adds_nothing_to_tags_of_another_kind(tmp_path):
    path = tagged(tmp_path / "x.m4a", {"title": "Song", "comment": "no artist"})
    tags = read_tags(path)
    assert (tags.title, tags.artist) == ("Song", "")
