from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import PathError
from catalog.paths import (
    MAX_STORED_BYTES,
    from_stored,
    ingest_root_check,
    resolve_inside,
    to_stored,
)

names = st.binary(min_size=1, max_size=40).filter(
    lambda raw: b"\0" not in raw and b"/" not in raw and raw not in {b".", b".."}
)


@given(st.lists(names, min_size=1, max_size=4))
def test_every_file_name_survives_the_database(parts: list[bytes]) -> None:
    path = Path(os.fsdecode(b"/".join(parts)))

    stored = to_stored(path)

    stored.encode("utf-8")
    assert from_stored(stored) == path


@given(st.lists(names, min_size=2, max_size=4, unique=True))
def test_different_names_are_stored_differently(parts: list[bytes]) -> None:
    stored = {to_stored(Path(os.fsdecode(part))) for part in parts}

    assert len(stored) == len(parts)


def test_plain_names_are_stored_as_they_are() -> None:
    assert to_stored(Path("Björk/01 Jóga.flac")) == "Björk/01 Jóga.flac"


def test_a_path_too_long_for_the_database_is_refused() -> None:
    with pytest.raises(PathError, match="longer than"):
        to_stored(Path("/".join(["é" * 100] * (MAX_STORED_BYTES // 200 + 1))))


def test_jail_follows_links_inside_and_refuses_those_that_lead_out(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (outside / "secret.mp3").write_text("x")
    (root / "song.mp3").write_text("x")
    (root / "inner.mp3").symlink_to(root / "song.mp3")
    (root / "outer.mp3").symlink_to(outside / "secret.mp3")
    (root / "folder").symlink_to(outside, target_is_directory=True)
    (root / "loop").symlink_to(root / "loop")

    assert resolve_inside(root, root / "inner.mp3") == (root / "song.mp3").resolve()
    wrong = ("outer.mp3", "folder/secret.mp3", "../outside/secret.mp3", "loop", "absent", "a\0")
    for name in wrong:
        with pytest.raises(PathError):
            resolve_inside(root, root / name)


def test_a_root_that_only_shares_a_prefix_is_outside(tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    (tmp_path / "music-private").mkdir()

    with pytest.raises(PathError):
        ingest_root_check(tmp_path / "music-private", [tmp_path / "music"])


def test_roots_say_nothing_of_what_exists_outside(tmp_path: Path) -> None:
    root = tmp_path / "music"
    (root / "sub").mkdir(parents=True)
    (tmp_path / "there").mkdir()

    assert ingest_root_check(root / "sub", [root]) == (root / "sub").resolve()
    answers = []
    for name in ("there", "absent"):
        with pytest.raises(PathError) as caught:
            ingest_root_check(tmp_path / name, [root])
        answers.append(str(caught.value).replace(name, ""))
    assert answers[0] == answers[1]
    with pytest.raises(PathError, match="no such"):
        ingest_root_check(root / "absent", [root])
    with pytest.raises(PathError):
        ingest_root_check(root / "a\0", [root])
