from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from catalog.files.lyrics import Lyrics, lyrics_find
from mer.lyrics import MAX_LYRICS_BYTES, lrc_from_subtitles

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


@pytest.mark.parametrize("name", ["song.LRC", "song.Lrc", "song.mp3.lrc", "SONG.MP3.LRC"])
def test_a_file_of_lyrics_has_any_case_and_may_keep_the_suffix(song: Path, name: str) -> None:
    (song.parent / name).write_text("[00:01.00]words of ours")
    assert find(song) == Lyrics("[00:01.00]words of ours", "lrc")


@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        ("srt", "1\n00:00:01,500 --> 00:00:03,000\n<i>first</i>\n\n2\n00:01:02,000 --> 9\nlast"),
        ("vtt", "WEBVTT\n\n00:01.500 --> 00:03.000\nfirst\n\n00:01:02.000 --> 01:04\nlast\n"),
        ("ttml", '<tt><p begin="00:00:01.500" end="3s">first</p><p begin="62s">last</p></tt>'),
    ],
)
def test_subtitles_become_timed_lyrics(song: Path, suffix: str, text: str) -> None:
    song.with_suffix(f".{suffix}").write_text(text)
    assert find(song) == Lyrics("[00:01.50]first\n[01:02.00]last", suffix)


@pytest.mark.parametrize("words", ["[Instrumental]", "No lyrics found", "[Music]"])
def test_a_real_file_beats_a_placeholder_in_the_tags(song: Path, words: str) -> None:
    song.with_suffix(".lrc").write_text("[00:01.00]words of ours")
    found = find(song, words)
    assert (found.text, found.source) == ("[00:01.00]words of ours", "lrc")
    assert found.note.startswith("the lyrics in the tags ignored: ")


@pytest.mark.parametrize(
    ("encoding", "words"),
    [
        ("cp1251", "я слышу просто ветер за окном"),
        ("gbk", "我很快乐 阳光里"),
        ("cp932", "君の声が聞こえる"),
        ("mac_roman", "un été à la mer, le café noir"),
        ("utf-16", "für élise"),
        ("utf-16-le", "words and words"),
    ],
)
@pytest.mark.parametrize("suffix", ["lrc", "txt"])
def test_files_in_any_code_page(song: Path, encoding: str, words: str, suffix: str) -> None:
    song.with_suffix(f".{suffix}").write_bytes(f"[00:01.00]{words}".encode(encoding))
    assert find(song).text == f"[00:01.00]{words}"


def test_a_refused_file_is_noted_with_the_reason(song: Path) -> None:
    song.with_suffix(".txt").write_text("[Music]\n*music playing*\n[Applause]")
    assert find(song) == Lyrics(note="song.txt ignored: descriptions of sounds, no words")


def test_hostile_subtitles_are_read_in_time() -> None:
    start = time.monotonic()
    for text in (
        "<tt" + "<p begin=" * 100_000,
        "<tt" + '<p begin="1">' * 70_000,
        "<tt" + "<p " * 10**5,
    ):
        assert lrc_from_subtitles(text) == ""
    assert time.monotonic() - start < 10


def test_a_note_names_no_folder_of_the_server(song: Path) -> None:
    song.with_suffix(".lrc").write_bytes(bytes(range(20)) * 50)
    song.with_suffix(".txt").symlink_to("/etc/hostname")
    note = find(song).note
    assert "song.lrc ignored: not a text file" in note
    assert "song.txt ignored: " in note
    assert "/" not in note
