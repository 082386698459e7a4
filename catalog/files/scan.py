"""What lies in a folder, in order, and what each file says of itself; no database here."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from catalog.errors import FileUnusableError, PathError
from catalog.files.lyrics import Lyrics, lyrics_find
from catalog.files.tags import Tags, read_tags
from catalog.paths import resolve_inside
from mer.audio.patches import SUPPORTED_SUFFIXES, probe

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HASH_BLOCK_BYTES: Final = 1024 * 1024


class Kind(Enum):
    """What to do with a name that was found."""

    AUDIO = "audio"
    IGNORED = "ignored"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Found:
    """A name found below a library's root; `reason` says why it is refused."""

    relative: Path
    kind: Kind
    reason: str = ""


@dataclass(frozen=True, slots=True)
class FileStamp:
    """Size and time of a file; while both stay, its bytes are taken to stay."""

    size_bytes: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class FileFacts:
    """All that a file says of itself."""

    stamp: FileStamp
    content_sha256: str
    duration_seconds: float
    tags: Tags
    lyrics: Lyrics


def scan(root: Path, start: Path, *, after: Path | None = None) -> Iterator[Found]:
    """Yield what lies at or below `start`, inside `root`, in the order of path parts.

    With `after`, a relative path, only what comes after it. Hidden names and folders reached by a
    symlink are not entered: what the library holds is met where it lies. One folder's names are
    all that is held in memory.
    """
    if not start.is_dir():
        if after is None:
            yield _found(root, start)
        return
    stack = [_names(start)]
    while stack:
        path = next(stack[-1], None)
        if path is None:
            stack.pop()
            continue
        relative = path.relative_to(root)
        if after and relative.parts <= after.parts and relative not in after.parents:
            continue
        if path.is_symlink() or path.name.startswith(".") or not path.is_dir():
            yield _found(root, path)
            continue
        try:
            stack.append(_names(path))
        except OSError as error:
            yield Found(relative, Kind.REFUSED, f"cannot be listed ({error.strerror})")


def stamp_of(path: Path) -> FileStamp:
    """Return the stamp of the file at `path`; OSError if it is not there."""
    status = path.stat()
    return FileStamp(status.st_size, status.st_mtime_ns)


def read_file(root: Path, relative: Path, *, max_bytes: int) -> FileFacts:
    """Return all that a file says of itself: hash, then probe, then tags and lyrics.

    Raises FileUnusableError, or mer's AudioError, with the reason's code.
    """
    try:
        path = resolve_inside(root, root / relative)
        before = stamp_of(path)
        if before.size_bytes > max_bytes:
            raise FileUnusableError(
                "FILE_TOO_LARGE",
                f"{before.size_bytes} bytes is more than AFFETTI_MAX_FILE_BYTES ({max_bytes})",
            )
        sha256 = _sha256(path)
        info = probe(path)
        tags = read_tags(path)
        lyrics = lyrics_find(path=root / relative, root=root, tag_lyrics=tags.lyrics)
        if stamp_of(path) != before:
            raise FileUnusableError(
                "FILE_CHANGING", "it changed while it was read; ingest again when it is written"
            )
    except OSError as error:
        raise FileUnusableError(
            "FILE_UNREADABLE", f"it cannot be read ({error.strerror}); check its rights"
        ) from error
    return FileFacts(before, sha256, info.duration_seconds, tags, lyrics)


def _names(folder: Path) -> Iterator[Path]:
    return iter(sorted(folder.iterdir(), key=lambda path: path.name))


def _found(root: Path, path: Path) -> Found:
    relative = path.relative_to(root)
    is_audio = path.suffix.lower() in SUPPORTED_SUFFIXES
    if path.name.startswith("."):
        return Found(relative, Kind.IGNORED)
    if path.is_symlink() and (is_audio or path.is_dir()):
        try:
            resolve_inside(root, path)
        except PathError as error:
            return Found(relative, Kind.REFUSED, str(error))
    if not is_audio or path.is_dir():
        return Found(relative, Kind.IGNORED)
    if not path.is_file():
        return Found(relative, Kind.REFUSED, "it is no regular file")
    return Found(relative, Kind.AUDIO)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_HASH_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
