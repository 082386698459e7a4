"""What the ways in count, in files that all processes of a host share."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.cache.backends.filebased import FileBasedCache

if TYPE_CHECKING:
    from collections.abc import Iterator


class LockedFileCache(FileBasedCache):
    """Adds a key once: of two requests with one code, the first alone is let in."""

    def add(self, *args: Any, **kwargs: Any) -> bool:
        """Keep a value under a new key; False if the key is there."""
        with self._locked():
            return super().add(*args, **kwargs)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        folder = Path(self._dir)  # type: ignore[attr-defined]  # the stubs lack it
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
