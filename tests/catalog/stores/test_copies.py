"""Local copies: whole ones only, held while they are read, and never more than there is room."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from catalog.errors import FileUnusableError, StoreAwayError, StoreRefusedError
from catalog.stores import copies
from catalog.stores.addresses import path_of
from catalog.stores.copies import copy_held
from catalog.stores.objects import entry_now

if TYPE_CHECKING:
    from pathlib import Path

    from fsspec.implementations.memory import MemoryFileSystem
    from pytest_django.fixtures import SettingsWrapper

TOP = "memory://music"


def held(address: str) -> bytes:
    with copy_held(path_of(address)) as path:
        return path.read_bytes()


def sizes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in folder.rglob("*") if path.is_file()}


def test_a_copy_is_made_once_and_made_again_when_the_object_changes(
    memory: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[Path] = []
    original = copies.download
    monkeypatch.setattr(copies, "download", lambda p, to: (fetched.append(p), original(p, to))[1])
    memory.pipe("/music/a/1.mp3", b"one")
    known = entry_now(path_of(f"{TOP}/a/1.mp3"))

    assert [held(f"{TOP}/a/1.mp3") for _ in range(3)] == [b"one"] * 3
    assert len(fetched) == 1
    memory.pipe("/music/a/1.mp3", b"two")
    with copy_held(path_of(f"{TOP}/a/1.mp3"), known=known) as path:  # no question to the store
        assert path.read_bytes() == b"one"
        assert path.stat().st_mtime_ns == known.mark
    assert held(f"{TOP}/a/1.mp3") == b"two"
    assert len(fetched) == 2


@pytest.mark.parametrize("cut", [0, 2])
def test_half_an_object_is_never_a_copy(
    memory: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch, settings: SettingsWrapper, cut: int
) -> None:
    memory.pipe("/music/1.mp3", b"whole")
    tries = []

    def short(path: Path, target: Path) -> None:
        tries.append(path)
        target.write_bytes(b"whole"[:cut])

    with monkeypatch.context() as patch:
        patch.setattr(copies, "download", short)
        with pytest.raises(FileUnusableError, match=f"{cut} of 5 bytes came.*next ingest"):
            held(f"{TOP}/1.mp3")
    assert len(tries) == copies.TRIES
    assert sizes(settings.AFFETTI_STORE_DIR) == {}
    assert held(f"{TOP}/1.mp3") == b"whole"


def test_a_short_outage_is_outlived_and_a_long_one_is_the_store_s(
    memory: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.pipe("/music/1.mp3", b"whole")
    original, left = type(memory).get_file, [2]

    def fail(self: Any, *args: Any, **options: Any) -> None:
        left[0] -= 1
        if left[0] >= 0:
            raise TimeoutError
        original(self, *args, **options)

    monkeypatch.setattr(type(memory), "get_file", fail)
    assert held(f"{TOP}/1.mp3") == b"whole"

    def away(*_: object, **__: object) -> None:
        raise TimeoutError

    memory.pipe("/music/2.mp3", b"other")
    monkeypatch.setattr(type(memory), "get_file", away)
    with pytest.raises(FileUnusableError, match="does not answer"):  # of this object alone
        held(f"{TOP}/2.mp3")
    monkeypatch.setattr(type(memory), "ls", away)
    with pytest.raises(StoreAwayError):
        held(f"{TOP}/2.mp3")


def test_an_object_that_changes_while_it_comes_is_taken_when_it_rests(
    memory: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.pipe("/music/1.mp3", b"old")
    original, tries = copies.download, []

    def download(path: Path, target: Path) -> None:
        original(path, target)
        tries.append(path)
        if len(tries) == 1:
            memory.pipe("/music/1.mp3", b"new")

    monkeypatch.setattr(copies, "download", download)
    assert held(f"{TOP}/1.mp3") == b"new"
    assert len(tries) == 2


def test_the_copies_used_longest_ago_go_first_and_held_or_small_ones_stay(
    memory: MemoryFileSystem, settings: SettingsWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.AFFETTI_STORE_CACHE_BYTES = 1000
    monkeypatch.setattr(copies, "_SMALL_BYTES", 10)
    memory.pipe("/music/small.lrc", b"words")
    held(f"{TOP}/small.lrc")
    memory.pipe({f"/music/{n}/{n}.mp3": bytes([n]) * 300 for n in range(6)})
    with copy_held(path_of(f"{TOP}/0/0.mp3")) as first:
        for n in (1, 2):
            held(f"{TOP}/{n}/{n}.mp3")
        held(f"{TOP}/1/1.mp3")  # used again
        held(f"{TOP}/3/3.mp3")
        assert set(sizes(settings.AFFETTI_STORE_DIR)) == {"0.mp3", "1.mp3", "3.mp3", "small.lrc"}
        assert not path_of(f"{TOP}/2").exists()
        for n in (4, 5):
            held(f"{TOP}/{n}/{n}.mp3")
        assert first.stat().st_size == 300  # to read it would be another use
        assert sum(sizes(settings.AFFETTI_STORE_DIR).values()) <= 1000
    held(f"{TOP}/2/2.mp3")
    assert "small.lrc" in sizes(settings.AFFETTI_STORE_DIR)
    assert "0.mp3" not in sizes(settings.AFFETTI_STORE_DIR)


def test_many_threads_read_what_many_others_delete(
    memory: MemoryFileSystem, settings: SettingsWrapper
) -> None:
    settings.AFFETTI_STORE_CACHE_BYTES = 500
    memory.pipe({f"/music/{n}.mp3": bytes([n]) * 200 for n in range(6)})
    wrong: list[object] = []

    def read(start: int) -> None:
        for n in range(40):
            at = (start + n) % 6
            try:
                if held(f"{TOP}/{at}.mp3") != bytes([at]) * 200:
                    wrong.append(at)
            except Exception as error:
                wrong.append(error)

    threads = [threading.Thread(target=read, args=[n]) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_name_that_is_a_folder_too_is_said(memory: MemoryFileSystem) -> None:
    memory.pipe("/music/x.mp3", b"file")
    path_of(f"{TOP}/x.mp3/below").mkdir(parents=True)  # as of x.mp3/below/y.mp3

    with pytest.raises(FileUnusableError, match="give it another one"):
        held(f"{TOP}/x.mp3")


KILLED = """
import sys, time, django
django.setup()
import fsspec
from catalog.stores import copies
from catalog.stores.addresses import path_of
fsspec.filesystem("memory").pipe("/music/1.mp3", b"whole")
if sys.argv[1] == "download":
    def stuck(path, target):
        target.write_bytes(b"who")
        print("now", flush=True)
        time.sleep(60)
    copies.download = stuck
with copies.copy_held(path_of("memory://music/1.mp3")):
    print("now", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("moment", ["download", "reading"])
def test_a_killed_process_leaves_no_half_copy_and_no_lock(
    memory: MemoryFileSystem, settings: SettingsWrapper, tmp_path: Path, moment: str
) -> None:
    env = os.environ | {
        "DJANGO_SETTINGS_MODULE": "recommender.settings",
        "AFFETTI_VAR_DIR": str(tmp_path / "var"),
        "AFFETTI_STORES": TOP,
        "AFFETTI_STORE_DIR": str(settings.AFFETTI_STORE_DIR),
    }
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, moment], env=env, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"now\n"
    before = sizes(settings.AFFETTI_STORE_DIR)
    copies._trim(0.0)
    assert sizes(settings.AFFETTI_STORE_DIR) == before  # both are in use
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()

    if moment == "download":
        assert not path_of(f"{TOP}/1.mp3").exists()
        (part,) = settings.AFFETTI_STORE_DIR.rglob(".affetti-parts/*")
        os.utime(part, (0, time.time() - 3600))
    copies._trim(0.0)
    assert sizes(settings.AFFETTI_STORE_DIR) == {}
    memory.pipe("/music/1.mp3", b"whole")
    assert held(f"{TOP}/1.mp3") == b"whole"


@pytest.mark.parametrize("name", ["entry_now", "download"])
def test_one_object_that_is_refused_is_told_from_a_store_that_refuses_all(
    memory: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    memory.pipe("/music/1.mp3", b"whole")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("InvalidObjectState")

    monkeypatch.setattr(type(memory), {"entry_now": "info", "download": "get_file"}[name], refuse)
    with pytest.raises(FileUnusableError, match=r"refuses this object alone .*the archive") as told:
        held(f"{TOP}/1.mp3")
    assert told.value.code == "FILE_UNREADABLE"
    monkeypatch.setattr(type(memory), "ls", refuse)
    with pytest.raises(StoreRefusedError, match="credentials"):
        held(f"{TOP}/1.mp3")


def test_a_folder_with_other_files_gets_no_copies_and_is_not_cleaned(
    memory: MemoryFileSystem, settings: SettingsWrapper, tmp_path: Path
) -> None:
    settings.AFFETTI_STORE_DIR = tmp_path / "mine"
    thesis = tmp_path / "mine" / "thesis.odt"
    thesis.parent.mkdir()
    thesis.write_bytes(b"x" * 1000)
    memory.pipe("/music/1.mp3", b"whole")

    with pytest.raises(StoreRefusedError, match=r"holds other files than copies .thesis.odt."):
        held(f"{TOP}/1.mp3")
    with pytest.raises(StoreRefusedError):
        copies._trim(0.0)
    assert thesis.exists()
    thesis.rename(tmp_path / "elsewhere")
    assert held(f"{TOP}/1.mp3") == b"whole"
    # What comes later is not ours either.
    thesis.write_bytes(b"x" * 1000)
    copies._trim(0.0)
    assert sizes(settings.AFFETTI_STORE_DIR) == {"thesis.odt": 1000}


def test_a_copy_that_came_in_the_place_of_another_is_not_deleted(
    memory: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.pipe("/music/1.mp3", b"whole")
    held(f"{TOP}/1.mp3")
    path = path_of(f"{TOP}/1.mp3")
    original = copies.fcntl.flock

    def slow(descriptor: int, operation: int) -> None:
        new = path.with_suffix(".new")
        new.write_bytes(b"other")
        new.replace(path)
        original(descriptor, operation)

    monkeypatch.setattr(copies.fcntl, "flock", slow)
    assert not copies._delete(path)
    assert path.read_bytes() == b"other"
