from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from catalog.stores import copies, objects

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_django.fixtures import SettingsWrapper

BUCKET = "music"


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test sees the objects, listings or sums of another."""
    monkeypatch.setattr(copies, "_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(copies, "_room", copies._Room())
    monkeypatch.setattr(objects, "AWAY_SECONDS", 0.0)
    objects.listings_forget()
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]
    yield
    objects._system.cache_clear()


@pytest.fixture
def memory(settings: SettingsWrapper) -> MemoryFileSystem:
    """Return a store in memory, whose address is memory://music."""
    settings.AFFETTI_STORES = [f"memory://{BUCKET}"]
    return fsspec.filesystem("memory")


@pytest.fixture
def s3(s3_server: str, settings: SettingsWrapper, tmp_path: Path) -> Any:
    """Return a client of an S3 with an empty bucket; the settings name it as a store."""
    bucket = f"music-{os.getpid()}-{abs(hash(str(tmp_path)))}"
    options = {"key": "somebody", "secret": "something", "endpoint_url": s3_server}
    settings.AFFETTI_STORES = [f"s3://{bucket}"]
    settings.AFFETTI_STORE_OPTIONS = {f"s3://{bucket}": options}
    client = fsspec.filesystem("s3", use_listings_cache=False, skip_instance_cache=True, **options)
    client.mkdir(bucket)
    client.bucket = bucket
    return client
