"""Files that can be made again, kept on disk up to a size; the least recently used go first."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from typing import TYPE_CHECKING, Final

from mer.files import parts_delete, written_aside

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_KEPT_SHARE: Final = 0.9
"""A full cache is emptied to this share, so that not every new file empties it again."""
_SCAN_SHARE: Final = 0.05
"""The cache is measured again after a process has written this share of its size."""
_USED_SECONDS: Final = 3600
"""The time of last use is exact to this."""


class DiskCache:
    """Files in one folder by name; several processes may share it.

    It may exceed `most_bytes` by a twentieth for each process that writes.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self.folder = folder
        self.most_bytes = most_bytes
        self._lock = threading.Lock()
        self._unmeasured = float("inf")

    def find(self, name: str) -> Path | None:
        """Return the file of that name, and note that it was used; None if it is not there."""
        path = self._path(name)
        try:
            status = path.stat()
            if abs(status.st_mtime - time.time()) > _USED_SECONDS:
                os.utime(path)
        except OSError:
            return None
        return path

    @contextlib.contextmanager
    def written(self, name: str) -> Iterator[Path]:
        """Yield a path to write; when the block ends, the file has its name."""
        path = self._path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_aside(path, is_synced=False) as part:
            yield part
            size = part.stat().st_size
        self._written(size)

    def _path(self, name: str) -> Path:
        return self.folder / name[:2] / name

    def _written(self, size: int) -> None:
        with self._lock:
            self._unmeasured += size
            if self._unmeasured <= _SCAN_SHARE * self.most_bytes:
                return
            self._unmeasured = 0
        self._trim()

    def _trim(self) -> None:
        """Delete the files that were used longest ago, if all together are too large."""
        files = []
        for folder in self.folder.glob("*"):
            parts_delete(folder)
            for path in folder.glob("*"):
                with contextlib.suppress(OSError):
                    status = path.stat()
                    files.append((status.st_mtime, status.st_size, path))
        total = sum(size for _, size, _ in files)
        if total <= self.most_bytes:
            return
        for _, size, path in sorted(files):
            if total <= _KEPT_SHARE * self.most_bytes:
                return
            path.unlink(missing_ok=True)
            total -= size
