from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from recommender.media.cache import DiskCache

if TYPE_CHECKING:
    from pathlib import Path


def put(cache: DiskCache, name: str, size: int, *, used: float = 0.0) -> None:
    with cache.written(name) as part:
        part.write_bytes(b"x" * size)
    if used:
        path = cache.find(name)
        assert path is not None
        os.utime(path, (used, used))


def names(cache: DiskCache) -> set[str]:
    return {path.name for path in cache.folder.glob("*/*")}


def test_what_was_written_is_found(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, 1000)
    assert cache.find("one.jpg") is None
    put(cache, "one.jpg", 10)
    path = cache.find("one.jpg")
    assert path is not None
    assert path.read_bytes() == b"x" * 10
    assert path.stat().st_mode & 0o077 == 0


def test_nothing_is_left_of_what_failed(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, 1000)

    def fail() -> None:
        with cache.written("one.jpg") as part:
            part.write_bytes(b"x")
            raise KeyError("x")

    with pytest.raises(KeyError):
        fail()
    assert cache.find("one.jpg") is None
    assert names(cache) == set()


def test_it_stays_below_its_size_and_the_least_used_go_first(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, 1000)
    now = time.time()
    for number in range(40):
        put(cache, f"{number:02d}", 100, used=now - 100_000 + number)
        assert sum(path.stat().st_size for path in tmp_path.glob("*/*")) <= 1000
    kept = names(cache)
    assert "39" in kept
    assert kept == {f"{number:02d}" for number in range(40 - len(kept), 40)}


def test_what_is_used_again_stays(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, 1000)
    long_ago = time.time() - 100_000
    for number in range(9):
        put(cache, f"{number:02d}", 100, used=long_ago + number)
    cache.find("00")
    for number in range(9, 12):
        put(cache, f"{number:02d}", 100)
    assert "00" in names(cache)
    assert "01" not in names(cache)


def test_other_processes_see_its_files(tmp_path: Path) -> None:
    put(DiskCache(tmp_path, 1000), "one", 100)
    assert DiskCache(tmp_path, 1000).find("one") is not None
