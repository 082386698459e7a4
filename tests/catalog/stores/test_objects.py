"""What a store says: listings, marks of changes, and errors that are told apart."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any

import pytest

from catalog.errors import StoreAwayError, StoreRefusedError
from catalog.paths import can_be_seen, holds_anything, is_gone, stamp_of
from catalog.stores import objects
from catalog.stores.addresses import path_of
from catalog.stores.objects import Entry, entry_now, entry_of, listing, listings_fill

if TYPE_CHECKING:
    from fsspec.implementations.memory import MemoryFileSystem

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
