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

from django.utils.translation import gettext

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
            gettext("%(path)s…: the path is longer than %(most)s bytes; shorten its names")
            % {"path": stored[:100], "most": MAX_STORED_BYTES}
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
    except (OSError, RuntimeError, ValueError) as error:  # ValueError: a name with NUL
        raise PathError(
            gettext("%(path)s: there is no such file (%(name)s)")
            % {"path": _shown(path), "name": type(error).__name__}
        ) from error
    if not resolved.is_relative_to(root.resolve()):
        raise PathError(
            gettext("%(path)s: leads out of its library; copy the file into the library")
            % {"path": _shown(path)}
        )
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
        raise PathError(
            gettext("%(path)s: cannot be opened (%(strerror)s)")
            % {"path": _shown(path), "strerror": error.strerror}
        ) from error
    finally:
        os.close(folder)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise PathError(gettext("%(path)s: is no regular file") % {"path": _shown(path)})
    return os.fdopen(handle, "rb")


def ingest_root_check(path: Path, roots: Iterable[Path], *, may_be_gone: bool = False) -> Path:
    """Return `path` with symlinks followed; PathError unless it is inside one of `roots`.

    It must exist unless `may_be_gone`.
    """
    allowed = [root.resolve() for root in roots]
    try:
        resolved = path.resolve()
    except (OSError, RuntimeError, ValueError):  # links that lead in a circle; a name with NUL
        resolved = None
    # The same answer whether or not the path exists: nobody may probe the file system outside.
    if resolved is None or not any(resolved.is_relative_to(root) for root in allowed):
        names = ", ".join(str(root) for root in allowed) or "none is set"
        raise PathError(
            gettext(
                "%(path)s: not inside a catalogue root (%(names)s); name a folder inside "
                "one, or add a root to AFFETTI_CATALOG_ROOTS"
            )
            % {"path": _shown(path), "names": names}
        )
    try:
        resolved.stat()
    except OSError as error:
        if may_be_gone and is_gone(resolved):
            return resolved
        raise PathError(
            gettext(
                "%(path)s: there is no such file or folder here (%(strerror)s); check the "
                "name, and the rights of the folders above it"
            )
            % {"path": _shown(path), "strerror": error.strerror}
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


def is_folder(path: Path | str) -> bool:
    """Whether a path is a folder and no link to one; False where the disk has an error."""
    return stat.S_ISDIR(_mode(path))


def is_link(path: Path | str) -> bool:
    """Whether a path is a symbolic link; False where the disk has an error."""
    return stat.S_ISLNK(_mode(path))


def _mode(path: Path | str) -> int:
    # The methods of `Path` raise some errors of a disk, such as a stale handle.
    try:
        return os.lstat(path).st_mode
    except (OSError, ValueError):
        return 0
