"""Files that come from a browser in pieces."""

from __future__ import annotations

import errno
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from filelock import FileLock

from catalog.errors import TransientError, UploadError
from catalog.files.scan import Kind, scan
from catalog.ingest import uploads
from catalog.ingest.uploads import (
    FORGOTTEN_SECONDS,
    REMEMBERED_SECONDS,
    SWEEP_SECONDS,
    name_clean,
    upload_abort,
    upload_piece,
)

if TYPE_CHECKING:
    from pytest_django.fixtures import SettingsWrapper

DATA = bytes(range(256)) * 40


@pytest.fixture
def folder(settings: SettingsWrapper) -> Path:
    settings.AFFETTI_DISK_FREE_BYTES = 0
    return Path(settings.AFFETTI_UPLOAD_DIR)


@pytest.fixture
def memories(settings: SettingsWrapper) -> Path:
    return Path(settings.AFFETTI_UPLOAD_MEMORY_DIR)


def send(
    name: str, upload: UUID | None = None, data: bytes = DATA, step: int = 4000
) -> Path | None:
    upload = upload or uuid4()
    path = None
    for at in range(0, len(data), step):
        path = upload_piece(
            upload=upload, name=name, size=len(data), offset=at, data=data[at : at + step]
        )
    return path


def seen(folder: Path) -> list[str]:
    """The files that a scan would see."""
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def age(path: Path, seconds: float) -> None:
    old = time.time() - seconds - 1
    os.utime(path, (old, old))


def kill_renames(patch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Every rename of a part to a song raises this."""
    replace = Path.replace

    def broken(path: Path, target: Path) -> Path:
        if Path(target).suffix == ".wav":
            raise error
        return replace(path, target)

    patch.setattr(Path, "replace", broken)


def code_of(**piece: Any) -> str:
    with pytest.raises(UploadError) as raised:
        upload_piece(
            **{"upload": uuid4(), "name": "a.wav", "size": 9, "offset": 0, "data": b"x"} | piece
        )
    return raised.value.code


def test_pieces_become_a_file_and_no_file_is_overwritten(folder: Path) -> None:
    assert send("a b.flac") == folder / "a b.flac"
    assert send("a b.flac", data=b"other") == folder / "a b (2).flac"
    assert (folder / "a b.flac").read_bytes() == DATA
    assert (folder / "a b (2).flac").read_bytes() == b"other"
    assert seen(folder) == ["a b (2).flac", "a b.flac"]


def test_a_piece_may_come_twice_but_not_too_early(folder: Path) -> None:
    upload = uuid4()
    piece: dict[str, Any] = {"upload": upload, "name": "a.wav", "size": 6}
    for _ in range(2):
        assert upload_piece(**piece, offset=0, data=b"abc") is None
    with pytest.raises(UploadError) as raised:
        upload_piece(**piece, offset=4, data=b"ef")
    assert (raised.value.code, raised.value.offset) == ("UPLOAD_BROKEN", 3)
    path = upload_piece(**piece, offset=3, data=b"def")
    assert path is not None
    assert path.read_bytes() == b"abcdef"


@pytest.mark.parametrize("step", [4000, len(DATA)])
def test_a_last_piece_whose_answer_was_lost_makes_no_second_file(folder: Path, step: int) -> None:
    upload = uuid4()
    assert send("a.wav", upload, step=step) == folder / "a.wav"
    last = (len(DATA) - 1) // step * step
    again = upload_piece(upload=upload, name="a.wav", size=len(DATA), offset=last, data=DATA[last:])
    assert again == folder / "a.wav"
    # A browser that begins anew with the same id learns it from the first piece.
    assert send("a.wav", upload, step=step) == folder / "a.wav"
    assert seen(folder) == ["a.wav"]
    assert [found.kind for found in scan(folder, folder)] == [Kind.AUDIO]

    (folder / "a.wav").unlink()
    assert send("a.wav", upload, step=step) == folder / "a.wav"
    assert (folder / "a.wav").read_bytes() == DATA


def test_a_finish_that_was_killed_gets_the_same_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = uuid4()
    with monkeypatch.context() as patch:
        kill_renames(patch, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            send("a.wav", upload)
    assert send("a.wav", upload) == folder / "a.wav"
    assert seen(folder) == ["a.wav"]


def test_an_empty_file_of_another_upload_is_not_taken(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = uuid4(), uuid4()
    assert send("a.wav", one) == folder / "a.wav"
    (folder / "a.wav").unlink()
    with monkeypatch.context() as patch:
        kill_renames(patch, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):  # it keeps the name free, and is not whole yet
            send("a.wav", two, b"two")
    assert send("a.wav", one) == folder / "a (2).wav"
    assert send("a.wav", two, b"two") == folder / "a.wav"
    assert (folder / "a (2).wav").read_bytes() == DATA
    assert (folder / "a.wav").read_bytes() == b"two"


def test_one_id_with_another_name_or_other_bytes_is_another_file(folder: Path) -> None:
    upload = uuid4()
    other = DATA[::-1]
    assert send("a.wav", upload) == folder / "a.wav"
    assert send("b.wav", upload) == folder / "b.wav"
    assert send("b.wav", upload, other) == folder / "b (2).wav"
    assert send("b.wav", upload, b"short") == folder / "b (3).wav"
    assert [(folder / name).read_bytes() for name in seen(folder)] == [DATA, other, b"short", DATA]


def test_a_part_of_a_longer_file_is_not_left_in_a_shorter_one(folder: Path) -> None:
    upload = uuid4()
    upload_piece(upload=upload, name="a.wav", size=9, offset=0, data=b"longer")
    piece: dict[str, Any] = {"upload": upload, "name": "b.wav", "size": 4}
    assert upload_piece(**piece, offset=0, data=b"ab") is None
    assert upload_piece(**piece, offset=2, data=b"cd") == folder / "b.wav"
    assert (folder / "b.wav").read_bytes() == b"abcd"


@pytest.mark.parametrize("spoilt", [b"", b"a.wav", b"\xff\n\n\n", b"a.wav\n10240\n\n", b"\n\n\n\n"])
def test_a_spoilt_memory_is_none(folder: Path, memories: Path, spoilt: bytes) -> None:
    upload = uuid4()
    assert send("a.wav", upload) == folder / "a.wav"
    (memories / upload.hex).write_bytes(spoilt)
    assert send("a.wav", upload) == folder / "a (2).wav"
    assert send("a.wav", upload) == folder / "a (2).wav"
    assert seen(folder) == ["a (2).wav", "a.wav"]


@pytest.mark.parametrize("broken", ["memory", "rename", "rename after a kill"])
def test_a_full_disk_at_the_end_leaves_nothing(
    folder: Path, memories: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    upload = uuid4()
    full = OSError(errno.ENOSPC, "No space left on device")

    def write_text(path: Path, *_: object) -> int:
        path.touch()
        raise full

    with monkeypatch.context() as patch:
        if broken == "rename after a kill":
            kill_renames(patch, KeyboardInterrupt())
            with pytest.raises(KeyboardInterrupt):
                send("a.wav", upload, b"x")
            patch.undo()
        if broken == "memory":
            patch.setattr(Path, "write_text", write_text)
        else:
            kill_renames(patch, full)
        assert code_of(upload=upload, size=1) == "UPLOAD_DISK_FULL"
    assert list(folder.iterdir()) == []
    assert not list(memories.glob("*.part"))
    assert send("a.wav", upload) == folder / "a.wav"


def test_a_piece_does_not_wait_for_long(
    folder: Path, memories: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "BUSY_SECONDS", 0.05)
    upload = uuid4()
    piece: dict[str, Any] = {"upload": upload, "name": "a.wav", "size": 6}
    upload_piece(**piece, offset=0, data=b"abc")
    with FileLock(memories / f"{upload.hex}.lock"), pytest.raises(TransientError):
        upload_piece(**piece, offset=3, data=b"def")
    assert upload_piece(**piece, offset=3, data=b"def") == folder / "a.wav"


def test_last_pieces_that_come_at_once_make_one_file(folder: Path) -> None:
    piece: dict[str, Any] = {"upload": uuid4(), "name": "a.wav", "size": 6}
    upload_piece(**piece, offset=0, data=b"abc")
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda _: upload_piece(**piece, offset=3, data=b"def"), range(40)))
    assert set(paths) == {folder / "a.wav"}
    assert seen(folder) == ["a.wav"]


def test_what_an_upload_became_is_forgotten_in_time(folder: Path, memories: Path) -> None:
    one, two, three = uuid4(), uuid4(), uuid4()
    send("a.wav", one)
    for path in (memories / one.hex, memories / f"{one.hex}.lock"):
        age(path, REMEMBERED_SECONDS)
    send("b.wav", two)
    assert (memories / one.hex).exists(), "not looked for at every upload"
    age(memories / "swept", SWEEP_SECONDS)
    send("c.wav", three)
    kept = {name for upload in (two, three) for name in (upload.hex, f"{upload.hex}.lock")}
    assert {path.name for path in memories.iterdir()} == kept | {"swept"}
    assert seen(folder) == ["a.wav", "b.wav", "c.wav"]

    for path in (memories / f"{two.hex}.lock", memories / "swept"):
        age(path, REMEMBERED_SECONDS)
    send("d.wav", two, b"one piece")
    assert (memories / f"{two.hex}.lock").exists(), "it was held"


def test_a_part_is_no_music_and_goes_when_it_is_aborted_or_forgotten(
    folder: Path, memories: Path
) -> None:
    upload, forgotten = uuid4(), uuid4()
    for one in (upload, forgotten):
        upload_piece(upload=one, name="a.wav", size=9, offset=0, data=b"abc")
    assert {found.kind for found in scan(folder, folder)} == {Kind.IGNORED}
    upload_abort(upload=upload)
    upload_abort(upload=upload)
    (part,) = folder.iterdir()
    foreign = folder / ".a.flac.part"
    foreign.touch()
    for path in (part, foreign):
        age(path, FORGOTTEN_SECONDS)
    age(memories / "swept", SWEEP_SECONDS)
    send("b.wav")
    assert not part.exists()
    assert foreign.exists(), "another program's"
    assert seen(folder) == ["b.wav"]


def test_what_is_refused(folder: Path, settings: SettingsWrapper) -> None:
    assert code_of(name="a.exe") == "UPLOAD_TYPE"
    assert code_of(name="") == "UPLOAD_TYPE"
    assert code_of(size=0) == "UPLOAD_TOO_LARGE"
    settings.AFFETTI_UPLOAD_MAX_BYTES = 8
    assert code_of(size=9) == "UPLOAD_TOO_LARGE"
    assert code_of(size=2, data=b"more") == "UPLOAD_BROKEN"
    assert code_of(size=2, offset=1) == "UPLOAD_BROKEN"
    settings.AFFETTI_DISK_FREE_BYTES = 2**62
    assert code_of(size=2) == "UPLOAD_DISK_FULL"
    assert (
        len(list(folder.iterdir())) == 1
    )  # the part of the piece that was too long, which is forgotten in time


def test_a_disk_that_cannot_be_written_leaves_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert code_of(size=1) == "UPLOAD_DISK_FULL"
    assert list(folder.iterdir()) == []
    shutil.rmtree(folder)
    folder.write_text("a file in its place")
    assert code_of() == "UPLOAD_DISK_FULL"


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("../../etc/passwd.mp3", "passwd.mp3"),
        (r"C:\music\a.MP3", "a.mp3"),
        ("a\x00b\n.wav", "a b.wav"),
        ('so "what"?.flac', "so what.flac"),
        ("...hidden.ogg", "hidden.ogg"),
        ("ラ" * 300 + ".opus", "ラ" * 65 + ".opus"),
        ("/.mp3.mp3", "mp3.mp3"),
    ],
)
def test_names_are_cleaned(name: str, clean: str) -> None:
    assert name_clean(name) == clean
