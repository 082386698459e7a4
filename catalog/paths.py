"""Paths that stay inside their library, and the form of paths in the database.

A file name is bytes, a database column is text. `to_stored` writes a byte that is not UTF-8 as
``\\xff`` and a backslash as two, so `from_stored` restores every name exactly.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from catalog.errors import PathError

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_STORED_BYTES: Final = 2000
"""Longest stored path that every database can index."""

_SURROGATE: Final = re.compile("[\udc80-\udcff]")
_ESCAPE: Final = re.compile(rb"\\(\\|x[0-9a-f]{2})")


def to_stored(path: Path) -> str:
    """Return `path` as text for the database; PathError if it is longer than `MAX_STORED_BYTES`."""
    text = os.fsencode(path).decode("utf-8", "surrogateescape").replace("\\", "\\\\")
    stored = _SURROGATE.sub(lambda match: f"\\x{ord(match[0]) - 0xDC00:02x}", text)
    if len(stored.encode()) > MAX_STORED_BYTES:
        raise PathError(
            f"{stored[:100]}…: the path is longer than {MAX_STORED_BYTES} bytes; shorten its names"
        )
    return stored


def from_stored(stored: str) -> Path:
    """Return the path that `to_stored` wrote as `stored`."""
    raw = _ESCAPE.sub(
        lambda match: b"\\" if match[1] == b"\\" else bytes([int(match[1][1:], 16)]),
        stored.encode(),
    )
    return Path(os.fsdecode(raw))


def resolve_inside(root: Path, path: Path) -> Path:
    """Return `path` with symlinks followed; PathError if it is absent or outside `root`."""
    try:
        resolved = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise PathError(
            f"{_shown(path)}: there is no such file ({type(error).__name__})"
        ) from error
    if not resolved.is_relative_to(root.resolve()):
        raise PathError(f"{_shown(path)}: leads out of its library; copy the file into the library")
    return resolved


def open_inside(root: Path, path: Path) -> BinaryIO:
    """Open the file at `path`; PathError if it is absent, outside `root` or no regular file.

    Nothing is followed after the check, and a pipe or device put in the file's place neither
    blocks nor is read.
    """
    inside = resolve_inside(root, path)
    folder = os.open(root.resolve(), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        *parents, name = inside.relative_to(root.resolve()).parts or (".",)
        for parent in parents:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            below = os.open(parent, flags, dir_fd=folder)
            os.close(folder)
            folder = below
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC
        handle = os.open(name, flags, dir_fd=folder)
    except OSError as error:
        raise PathError(f"{_shown(path)}: cannot be opened ({error.strerror})") from error
    finally:
        os.close(folder)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise PathError(f"{_shown(path)}: is no regular file")
    return os.fdopen(handle, "rb")


def ingest_root_check(path: Path, roots: Iterable[Path], *, may_be_gone: bool = False) -> Path:
    """Return `path` with symlinks followed; PathError unless it is inside one of `roots`.

    It must exist unless `may_be_gone`.
    """
    allowed = [root.resolve() for root in roots]
    try:
        resolved = path.resolve()
    except (OSError, RuntimeError):  # links that lead in a circle
        resolved = None
    # The same answer whether or not the path exists: nobody may probe the file system outside.
    if resolved is None or not any(resolved.is_relative_to(root) for root in allowed):
        names = ", ".join(str(root) for root in allowed) or "none is set"
        raise PathError(
            f"{_shown(path)}: not inside a catalogue root ({names}); name a folder inside one, or "
            "add a root to AFFETTI_CATALOG_ROOTS"
        )
    try:
        resolved.stat()
    except OSError as error:
        if may_be_gone and is_gone(resolved):
            return resolved
        raise PathError(
            f"{_shown(path)}: there is no such file or folder here ({error.strerror}); check the "
            "name, and the rights of the folders above it"
        ) from error
    return resolved


def is_gone(path: Path) -> bool:
    """Return whether nothing is at `path`; False if that cannot be known."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def can_be_seen(path: Path) -> bool:
    """Return whether something is at `path`; False if that cannot be known."""
    try:
        path.lstat()
    except OSError:
        return False
    return True


def holds_anything(folder: Path) -> bool:
    """Return whether a folder holds anything; without its mount it is empty or gone."""
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is not None
    except OSError:
        return False


def _shown(path: Path) -> str:
    return os.fsencode(path).decode("utf-8", "backslashreplace")
