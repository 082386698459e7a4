"""The jail round every library, and how paths are written in the database.

File names are bytes; a database keeps text. `to_stored` writes bytes that are not UTF-8 as
``\\xff`` and a backslash as two, so that every name fits and comes back the same.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from catalog.errors import PathError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from catalog.models import Song

MAX_STORED_BYTES: Final = 2000
"""Longest stored path; beyond it a database could not keep an index of it."""

_SURROGATE: Final = re.compile("[\udc80-\udcff]")
_ESCAPE: Final = re.compile(rb"\\(\\|x[0-9a-f]{2})")


def to_stored(path: Path) -> str:
    """Write `path` as text that any database keeps; raises PathError if it is too long."""
    text = os.fsencode(path).decode("utf-8", "surrogateescape").replace("\\", "\\\\")
    stored = _SURROGATE.sub(lambda match: f"\\x{ord(match[0]) - 0xDC00:02x}", text)
    if len(stored.encode()) > MAX_STORED_BYTES:
        raise PathError(
            f"{stored[:100]}…: the path is longer than {MAX_STORED_BYTES} bytes; shorten its names"
        )
    return stored


def from_stored(stored: str) -> Path:
    """Read back what `to_stored` wrote."""
    raw = _ESCAPE.sub(
        lambda match: b"\\" if match[1] == b"\\" else bytes([int(match[1][1:], 16)]),
        stored.encode(),
    )
    return Path(os.fsdecode(raw))


def resolve_inside(root: Path, path: Path) -> Path:
    """Return where `path` really lies, symlinks followed; PathError if absent or outside `root`."""
    try:
        resolved = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise PathError(
            f"{_shown(path)}: there is no such file ({type(error).__name__})"
        ) from error
    if not resolved.is_relative_to(root.resolve()):
        raise PathError(f"{_shown(path)}: leads out of its library; copy the file into the library")
    return resolved


def song_path(song: Song) -> Path:
    """Return the file to open for `song`; PathError if it is gone or leads out of its library."""
    return resolve_inside(song.library.path, song.path)


def ingest_root_check(path: Path, roots: Iterable[Path]) -> Path:
    """Return where `path` really lies; PathError unless it exists inside one of `roots`."""
    allowed = [root.resolve() for root in roots]
    try:
        resolved = path.resolve()
    except (OSError, RuntimeError):  # links that lead in a circle
        resolved = None
    # One answer for all that lies outside: whether it exists is nobody's business.
    if resolved is None or not any(resolved.is_relative_to(root) for root in allowed):
        names = ", ".join(str(root) for root in allowed) or "none is set"
        raise PathError(
            f"{_shown(path)}: not inside a catalogue root ({names}); name a folder inside one, or "
            "add a root to AFFETTI_CATALOG_ROOTS"
        )
    try:
        resolved.stat()
    except OSError as error:
        raise PathError(
            f"{_shown(path)}: there is no such file or folder here ({error.strerror}); check the "
            "name, and the rights of the folders above it"
        ) from error
    return resolved


def _shown(path: Path) -> str:
    return os.fsencode(path).decode("utf-8", "backslashreplace")
