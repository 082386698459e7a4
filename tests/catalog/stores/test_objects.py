"""What a store says: listings, marks of changes, and errors that are told apart."""

from __future__ import annotations

import builtins
import errno
from typing import TYPE_CHECKING, Any

import pytest
from fsspec.spec import AbstractFileSystem

from catalog.errors import StoreAwayError, StoreRefusedError, TransientError
from catalog.paths import can_be_seen, holds_anything, is_gone, stamp_of
from catalog.stores import objects
from catalog.stores.addresses import path_of
from catalog.stores.objects import Entry, entry_now, entry_of, listing, listings_fill

if TYPE_CHECKING:
    from pathlib import Path

    from fsspec.implementations.memory import MemoryFileSystem
    from pytest_django.fixtures import SettingsWrapper

TOP = "memory://music"


@pytest.fixture
def requests(memory: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list of what the store was asked."""
    asked: list[str] = []
    for name in ("ls", "find", "info"):
        original = getattr(type(memory), name)

        def spy(self: Any, path: str, *args: Any, _of: Any = original, _n: str = name, **k: Any):
            asked.append(f"{_n} {path}")
            return _of(self, path, *args, **k)

        monkeypatch.setattr(type(memory), name, spy)
    return asked


def test_a_listing_is_asked_for_once(memory: MemoryFileSystem, requests: list[str]) -> None:
    memory.pipe({"/music/a/1.mp3": b"1", "/music/a/b/2.mp3": b"22", "/music/3.mp3": b"333"})
    requests.clear()

    for _ in range(3):
        assert set(listing(path_of(f"{TOP}/a"))) == {"1.mp3", "b"}
        assert entry_of(path_of(f"{TOP}/a/b")) == Entry(is_folder=True)
        assert stamp_of(path_of(f"{TOP}/a/1.mp3")).size_bytes == 1
    assert len(requests) == 1


def test_all_below_a_folder_is_listed_at_once(
    memory: MemoryFileSystem, requests: list[str]
) -> None:
    memory.pipe({f"/music/a/{n}/{m}.mp3": b"x" * n for n in range(1, 9) for m in range(9)})
    requests.clear()

    listings_fill(path_of(f"{TOP}/a"))
    sent = len(requests)

    for n in range(1, 9):
        assert stamp_of(path_of(f"{TOP}/a/{n}/{n}.mp3")).size_bytes == n
    assert entry_of(path_of(f"{TOP}/a/8")) == Entry(is_folder=True)
    assert len(requests) == sent


def test_a_listing_too_large_to_keep_is_asked_for_again(
    memory: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "MOST_KEPT", 10)
    memory.pipe({f"/music/{n}/{m}.mp3": b"x" for n in range(9) for m in range(5)})

    listings_fill(path_of(TOP))

    assert objects._listings._names <= 10
    assert all(len(listing(path_of(f"{TOP}/{n}"))) == 5 for n in range(9))
    assert objects._listings._names <= 10


def test_that_something_is_absent_says_only_a_listing_of_this_moment(
    memory: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.pipe("/music/a/1.mp3", b"1")
    assert is_gone(path_of(f"{TOP}/a/2.mp3"))
    monkeypatch.setattr(objects, "SURE_SECONDS", -1.0)
    memory.pipe("/music/a/2.mp3", b"2")

    assert can_be_seen(path_of(f"{TOP}/a/2.mp3"))


def test_other_bytes_have_another_mark(memory: MemoryFileSystem) -> None:
    path = path_of(f"{TOP}/1.mp3")
    memory.pipe("/music/1.mp3", b"one")
    before = entry_now(path)
    assert entry_now(path) == before
    memory.pipe("/music/1.mp3", b"two")

    assert entry_now(path) != before


def test_the_entity_tag_tells_changes_within_a_second() -> None:
    info = {"type": "file", "size": 3, "LastModified": 1_700_000_000.25}
    marks = [objects._entry({**info, "ETag": tag}).mark for tag in ("a", "b", "a")]

    assert marks[0] == marks[2] != marks[1]
    assert {mark // 10**9 for mark in marks} == {1_700_000_000}


@pytest.mark.parametrize("told", ["nonsense", -5.0, 1e30, None, "", "2026-11-28T10:00:00Z"])
def test_any_time_that_a_store_tells_can_be_stored(told: object) -> None:
    mark = objects._entry({"type": "file", "size": None, "mtime": told}).mark

    assert 0 <= mark < 2**63


def test_names_that_no_path_can_have_are_left_out(
    memory: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["good.mp3", "..", "", ".", "a\x00b", "x" * 300, "/music/evil", "../../etc/passwd"]
    found = [{"name": f"/music/{n}", "size": 1, "type": "file"} for n in names]
    found += [{"name": "/other/x.mp3", "size": 1, "type": "file"}]
    monkeypatch.setattr(type(memory), "ls", lambda *_, **__: found)
    monkeypatch.setattr(type(memory), "find", lambda *_, **__: {one["name"]: one for one in found})

    assert set(listing(path_of(TOP))) == {"good.mp3"}
    listings_fill(path_of(TOP))
    assert set(listing(path_of(TOP))) == {"good.mp3"}


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (PermissionError("key SECRET"), StoreRefusedError, "refuses it .PermissionError.*creden"),
        (type("NoCredentialsError", (Exception,), {})("x"), StoreRefusedError, "credentials"),
        (ImportError("Install s3fs"), StoreRefusedError, r"'\.\[store\]'"),
        (ValueError("Protocol not known: x"), StoreRefusedError, r"'\.\[store\]'"),
        (TimeoutError("SECRET"), StoreAwayError, "does not answer .TimeoutError"),
        (OSError(5, "SECRET"), StoreAwayError, "tried again"),
        (KeyError("SECRET"), StoreAwayError, "KeyError"),
    ],
)
def test_what_a_store_cannot_say_is_not_that_nothing_is_there(
    memory: MemoryFileSystem,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    kind: type[Exception],
    words: str,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    for name in ("ls", "info", "find"):
        monkeypatch.setattr(type(memory), name, fail)
    path = path_of(f"{TOP}/a.mp3")

    with pytest.raises(kind, match=words) as raised:
        stamp_of(path)
    assert "SECRET" not in str(raised.value)
    assert not is_gone(path)
    assert not can_be_seen(path)
    assert not holds_anything(path.parent)


def test_a_store_that_the_settings_do_not_name_is_never_asked(
    memory: MemoryFileSystem, requests: list[str]
) -> None:
    memory.pipe("/other/a.mp3", b"x")
    requests.clear()

    for address in ("memory://other/a.mp3", "memory://musical/a.mp3", "http://169.254.169.254/a"):
        with pytest.raises(StoreRefusedError, match="AFFETTI_STORES"):
            stamp_of(path_of(address))
    assert requests == []


def test_without_the_packages_a_sentence_says_so(
    memory: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = builtins.__import__

    def absent(name: str, *args: Any, **options: Any) -> Any:
        if name == "fsspec":
            raise ModuleNotFoundError("No module named 'fsspec'")
        return original(name, *args, **options)

    objects._system.cache_clear()
    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(StoreRefusedError, match=r"pip install .*'\.\[store\]'"):
        listing(path_of(TOP))


@pytest.mark.parametrize("size", [0, 3])
def test_a_folder_hides_what_has_its_name(
    memory: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """Consoles and rclone make such markers; a store may also have an object of the name."""
    keys = {"/music/A/B/1.mp3": 1, "/music/A/B/": 0, "/music/A/B": size, "/music/A/": 0}
    found = {key: {"name": key, "size": n, "type": "file"} for key, n in keys.items()}
    for order in (dict(found), dict(reversed(found.items()))):
        objects.listings_forget()
        monkeypatch.setattr(type(memory), "find", lambda *_, _of=order, **__: _of)
        listings_fill(path_of(TOP))
        assert entry_of(path_of(f"{TOP}/A/B")) == Entry(is_folder=True)
        assert set(listing(path_of(f"{TOP}/A"))) == {"B"}
        assert set(listing(path_of(f"{TOP}/A/B"))) == {"1.mp3"}

    told = [
        {"name": "/music/A/B", "size": 0, "type": "directory"},
        {"name": "/music/A/B", "size": size, "type": "file"},
    ]
    for one in (told, told[::-1]):
        objects.listings_forget()
        monkeypatch.setattr(type(memory), "ls", lambda *_, _of=one, **__: _of)
        assert entry_of(path_of(f"{TOP}/A/B")) == Entry(is_folder=True)


def test_a_folder_that_cannot_be_listed_is_not_empty(
    memory: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.pipe({"/music/a/1.mp3": b"x", "/music/b/c/2.mp3": b"x"})
    original = type(memory).ls

    def fail(self: Any, path: str, *args: Any, **options: Any) -> Any:
        if path.endswith("/c"):
            raise ConnectionResetError
        return original(self, path, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(type(memory), "ls", fail)
        patch.setattr(type(memory), "find", AbstractFileSystem.find)  # as most inherit it
        with pytest.raises(StoreAwayError):
            listings_fill(path_of(TOP))
        assert objects._listings.find(path_of(f"{TOP}/b"), 600.0) is None
    monkeypatch.setattr(type(memory), "find", AbstractFileSystem.find)
    listings_fill(path_of(TOP))
    monkeypatch.setattr(type(memory), "ls", None)
    assert set(listing(path_of(f"{TOP}/b/c"))) == {"2.mp3"}


def test_what_this_machine_lacks_is_no_fault_of_the_store(
    memory: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    memory.pipe("/music/1.mp3", b"x")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(type(memory), "get_file", full)
    with pytest.raises(TransientError, match="the machine lacks something: No space") as raised:
        objects.download(path_of(f"{TOP}/1.mp3"), tmp_path / "x")
    assert not isinstance(raised.value, StoreAwayError)


def test_a_store_that_is_away_is_not_asked_again_at_once(
    memory: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "AWAY_SECONDS", 30.0)
    memory.pipe("/music/1.mp3", b"x")
    asked = []

    def hang(*args: object, **__: object) -> None:
        asked.append(args)
        raise TimeoutError

    with monkeypatch.context() as patch:
        for name in ("ls", "info", "find", "_open"):
            patch.setattr(type(memory), name, hang)
        for ask in (listing, entry_now, listings_fill, objects.opened):
            with pytest.raises(StoreAwayError, match=r"does not answer .TimeoutError"):
                ask(path_of(f"{TOP}/1.mp3"))
    assert len(asked) == 1
    with pytest.raises(StoreAwayError):
        entry_now(path_of(f"{TOP}/1.mp3"))
    objects.listings_forget()  # as a new ingest does
    assert entry_now(path_of(f"{TOP}/1.mp3")).size_bytes == 1


def test_an_object_that_does_not_come_says_nothing_of_the_store(
    memory: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(objects, "AWAY_SECONDS", 30.0)
    memory.pipe("/music/1.mp3", b"x")

    def fail(*_: object, **__: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(type(memory), "get_file", fail)
    with pytest.raises(StoreAwayError):
        objects.download(path_of(f"{TOP}/1.mp3"), tmp_path / "x")
    assert set(listing(path_of(TOP))) == {"1.mp3"}


def test_the_log_holds_no_text_of_others(
    memory: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(5, "https://host/?X-Amz-Signature=SECRET")

    monkeypatch.setattr(type(memory), "ls", fail)
    with pytest.raises(StoreAwayError):
        listing(path_of(TOP))
    assert "OSError" in caplog.text
    assert "SECRET" not in caplog.text


def test_a_store_of_s3_answers_soon_or_not_at_all(settings: SettingsWrapper) -> None:
    pytest.importorskip("s3fs")
    plain = objects._system("s3", objects._Options())
    given = {"config_kwargs": {"read_timeout": 99}, "max_concurrency": 4}
    other = objects._system("s3", objects._Options(given))

    assert (plain.max_concurrency, plain.retries) == (1, 2)
    assert plain.config_kwargs["connect_timeout"] == 5
    assert plain.config_kwargs["retries"]["total_max_attempts"] == 2
    assert other.max_concurrency == 4
    assert (other.config_kwargs["read_timeout"], other.config_kwargs["connect_timeout"]) == (99, 5)
