from __future__ import annotations

import os
from pathlib import Path

import pytest

from catalog.files.left_out import IGNORE_NAME, MARK_NAME, LeftOut
from catalog.files.scan import Kind, scan

SYSTEM = [
    "@eaDir",
    "#recycle",
    "$RECYCLE.BIN",
    "lost+found",
    "__MACOSX",
    ".Trash-1000",
    "System Volume Information",
]


def audio(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


def read(root: Path, start: Path | None = None) -> list[str]:
    """Return the names that a scan would read."""
    found = scan(root, start or root)
    return [str(item.relative) for item in found if item.kind is Kind.AUDIO]


@pytest.mark.parametrize("name", [*SYSTEM, "@EADIR"])
def test_folders_that_systems_make_are_not_entered(tmp_path: Path, name: str) -> None:
    audio(tmp_path, f"{name}/a.mp3", f"x/{name}/deep/b.mp3", "x/c.mp3")

    assert read(tmp_path) == ["x/c.mp3"]
    assert LeftOut(tmp_path).reason_with_parents(Path(f"x/{name}/deep/b.mp3"), is_folder=False)


def test_a_file_of_that_name_is_a_song(tmp_path: Path) -> None:
    audio(tmp_path, "lost+found.mp3", "x/#recycle.mp3")
    assert read(tmp_path) == ["lost+found.mp3", "x/#recycle.mp3"]


def test_a_marked_folder_is_left_out_whole(tmp_path: Path) -> None:
    audio(tmp_path, "a.mp3", "b/c.mp3", "b/d/e.mp3", f"b/{MARK_NAME}")

    assert read(tmp_path) == ["a.mp3"]
    assert read(tmp_path, tmp_path / "b" / "d") == []
    audio(tmp_path, MARK_NAME)
    assert read(tmp_path) == []


def test_patterns_are_those_of_git(tmp_path: Path) -> None:
    audio(
        tmp_path,
        "a.mp3",
        "keep/loop 1.wav",
        "keep/song.wav",
        "loop 2.wav",
        "samples/kick.wav",
        "x/samples/snare.wav",
        "x/demo.wav",
        "x/y/demo.wav",
        "z/demo.wav",
    )
    (tmp_path / IGNORE_NAME).write_text(
        "# loops and samples\nloop *.wav\nsamples/\n/x/demo.wav\n[\n"
    )
    (tmp_path / "keep" / IGNORE_NAME).write_text("!loop 1.wav\n")
    (tmp_path / "z" / IGNORE_NAME).write_bytes(b"\xef\xbb\xbfdemo.*\r\n\xff\xfe\n")

    assert read(tmp_path) == ["a.mp3", "keep/loop 1.wav", "keep/song.wav", "x/y/demo.wav"]
    assert read(tmp_path, tmp_path / "x") == ["x/y/demo.wav"]


def test_an_ignore_file_that_is_a_folder_or_a_pipe_is_passed_over(tmp_path: Path) -> None:
    audio(tmp_path, "a.mp3", "b/c.mp3")
    (tmp_path / IGNORE_NAME).mkdir()
    os.mkfifo(tmp_path / "b" / IGNORE_NAME)

    assert read(tmp_path) == ["a.mp3", "b/c.mp3"]


def test_a_name_below_a_thousand_folders_is_judged(tmp_path: Path) -> None:
    deep = Path(*["d"] * 1500)
    rules = LeftOut(tmp_path)
    assert rules.reason_with_parents(deep / "a.mp3", is_folder=False) == ""
    assert rules.reason(deep / ".hidden.mp3", is_folder=False) != ""
    (tmp_path / ".affettiignore").write_text("*.ogg\n")
    assert LeftOut(tmp_path).reason(deep / "a.ogg", is_folder=False) == ".affettiignore"
