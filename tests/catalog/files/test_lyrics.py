from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from catalog.files.lyrics import Lyrics, lyrics_find
from mer.lyrics import MAX_LYRICS_BYTES

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def song(tmp_path: Path) -> Path:
    path = tmp_path / "root" / "song.mp3"
    path.parent.mkdir()
    path.write_bytes(b"")
    return path


def find(song: Path, tag_lyrics: str = "") -> Lyrics:
    return lyrics_find(path=song, root=song.parent, tag_lyrics=tag_lyrics)


def test_tags_come_before_lrc_and_lrc_before_txt(song: Path) -> None:
    assert find(song) == Lyrics()
    song.with_suffix(".txt").write_text("from txt")
    assert find(song) == Lyrics("from txt", "txt")
    song.with_suffix(".lrc").write_text("[00:01.00]from lrc")
    assert find(song) == Lyrics("[00:01.00]from lrc", "lrc")
    assert find(song, "from tags") == Lyrics("from tags", "tag")


@pytest.mark.parametrize(
    "content", [b"\x00\x01\x02binary", b"x" * (MAX_LYRICS_BYTES + 1)], ids=["binary", "huge"]
)
def test_a_sidecar_that_is_no_lyrics_is_passed_over_with_a_note(song: Path, content: bytes) -> None:
    song.with_suffix(".txt").write_bytes(content)

    found = find(song)

    assert found.text == ""
    assert found.note.startswith("song.txt ignored: ")


def test_a_sidecar_that_leads_out_of_the_library_is_not_read(song: Path, tmp_path: Path) -> None:
    (tmp_path / "passwords.txt").write_text("secret")
    song.with_suffix(".txt").symlink_to(tmp_path / "passwords.txt")

    found = find(song)

    assert "secret" not in found.text
    assert "leads out of its library" in found.note


def test_a_blank_or_foreign_sidecar_is_read_as_what_it_is(song: Path) -> None:
    song.with_suffix(".txt").write_text(" \n ")
    assert find(song) == Lyrics()
    song.with_suffix(".txt").write_bytes("café".encode("cp1252"))
    assert find(song).text == "café"
