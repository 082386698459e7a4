"""The names in a folder, in order, and the facts of each audio file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from catalog.errors import FileUnusableError, PathError
from catalog.files.lyrics import Lyrics, lyrics_find
from catalog.files.tags import Tags, read_tags
from catalog.paths import resolve_inside
from mer.audio.child import run_in_child
from mer.audio.decoding import encoded_audio_sha256
from mer.audio.patches import SUPPORTED_SUFFIXES, probe
from mer.errors import AudioError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HASH_BLOCK_BYTES: Final = 1024 * 1024


class Kind(Enum):
    """What an ingest does with a name."""

    AUDIO = "audio"
    IGNORED = "ignored"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Found:
    """A name below a library's root; `reason` is why it is refused."""

    relative: Path
    kind: Kind
    reason: str = ""


@dataclass(frozen=True, slots=True)
class FileStamp:
    """Size and modification time; if both are unchanged, the bytes count as unchanged."""

    size_bytes: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What an ingest reads from one audio file."""

    stamp: FileStamp
    content_sha256: str
    audio_sha256: str
    duration_seconds: float
    tags: Tags
    lyrics: Lyrics


def scan(root: Path, start: Path, *, after: Path | None = None) -> Iterator[Found]:
    """Yield the names at or below `start`, inside `root`, ordered by path parts.

    With `after`, a path relative to `root`, only the names after it. Hidden folders and folders
    behind a symlink are not entered; a library's own folders are reached without the link. Memory
    holds the names of one branch of folders only.
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
    """Return the stamp of the file at `path`; OSError if it is absent."""
    status = path.stat()
    return FileStamp(status.st_size, status.st_mtime_ns)


def read_file(root: Path, relative: Path, *, max_bytes: int) -> FileFacts:
    """Read an audio file: hash, then length, then tags and lyrics.

    Raises FileUnusableError or AudioError, both with a code.
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
        audio_sha256 = audio_hash(path)
        tags = read_tags(path, relative)
        lyrics = lyrics_find(path=root / relative, root=root, tag_lyrics=tags.lyrics)
        if stamp_of(path) != before:
            raise FileUnusableError(
                "FILE_CHANGING", "it changed while it was read; ingest again when it is written"
            )
    except OSError as error:
        raise FileUnusableError(
            "FILE_UNREADABLE", f"it cannot be read ({error.strerror}); check its rights"
        ) from error
    return FileFacts(before, sha256, audio_sha256, info.duration_seconds, tags, lyrics)


def audio_hash(path: Path) -> str:
    """Return the hash of a file's encoded audio without tags; empty if it cannot be told apart."""
    try:
        return run_in_child(encoded_audio_sha256, path)
    except AudioError:
        return ""  # the file is then known by all of its bytes


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
