"""The names in a folder, in order, and the facts of each audio file."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext

from catalog.errors import FileUnusableError, PathError
from catalog.files.left_out import HIDDEN, LeftOut
from catalog.files.lyrics import Lyrics, lyrics_find
from catalog.files.tags import Tags, read_tags
from catalog.paths import (
    FileStamp,
    StoreEntry,
    disk_stamp,
    entries_in,
    file_held,
    folder_stamp,
    is_folder_at,
    resolve_inside,
    shown,
    stamp_of,
)
from catalog.stores.addresses import in_store
from catalog.stores.objects import listings_fill
from mer.audio.child import run_in_child
from mer.audio.decoding import encoded_audio_sha256
from mer.audio.patches import SUPPORTED_SUFFIXES, probe
from mer.errors import AudioError

if TYPE_CHECKING:
    from collections.abc import Iterator

_HASH_BLOCK_BYTES: Final = 1024 * 1024


# Suffixes of audio, read or not.
_AUDIO_SUFFIXES: Final = frozenset(
    f".{suffix}"
    for line in (
        "3ga aa aac aax aaxc ac3 act adts aif aifc aiff alac amr ape au awb caf dff dsd dsf dts",
        "dtshd eac3 flac gsm it kar m4a m4b m4p m4r mid midi mka mlp mod mogg mp+ mp1 mp2 mp3 mp4",
        "mpa mpc mpga mpp oga ofr ofs ogg opus ra rf64 rmi s3m shn snd spx tak thd tta voc vqf w64",
        "wav weba webm wma wv xm",
    )
    for suffix in line.split()
)
_UNREAD_SUFFIXES: Final = _AUDIO_SUFFIXES - SUPPORTED_SUFFIXES


class Kind(Enum):
    """What an ingest does with a name."""

    AUDIO = "audio"
    IGNORED = "ignored"
    """No audio by its suffix."""
    UNREAD = "unread"
    """Audio by its suffix, of a format that is not read."""
    LEFT_OUT = "left out"
    """A folder or file that the rules of `LeftOut` name."""
    VANISHED = "vanished"
    """A folder that was there a moment ago."""
    LINKED = "linked"
    """A link to a folder outside the library."""
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Found:
    """A name below a library's root; `reason` is why it is refused or left out."""

    relative: Path
    kind: Kind
    reason: str = ""


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What an ingest reads from one audio file."""

    stamp: FileStamp
    content_sha256: str
    audio_sha256: str
    duration_seconds: float
    media_type: str
    tags: Tags
    lyrics: Lyrics


def scan(root: Path, start: Path, *, after: Path | None = None) -> Iterator[Found]:
    """Yield the names at or below `start`, inside `root`, ordered by path parts.

    With `after`, a path relative to `root`, only the names after it. Folders that `LeftOut` names
    and folders behind a symlink are not entered. A library's own folders are reached without the
    link; a link to a folder outside is named as `Kind.LINKED`. A folder that cannot be read is
    refused, and the scan goes on. Memory holds the names of one branch of folders only.

    Of a store each folder directly in `start` is listed at once, with all below it.

    Raises PathError if `start` itself cannot be read.
    """
    rules = LeftOut(root)
    is_folder = is_folder_at(start)
    if reason := rules.reason_with_parents(start.relative_to(root), is_folder=is_folder):
        if after is None:
            yield Found(start.relative_to(root), Kind.LEFT_OUT, reason)
        return
    if not is_folder:
        if after is None:
            yield _found(root, start)
        return
    stack = [_first(start)]
    while stack:
        entry = next(stack[-1], None)
        if entry is None:
            stack.pop()
            continue
        relative = Path(entry.path).relative_to(root)
        if after and relative.parts <= after.parts and relative not in after.parents:
            continue
        try:
            is_folder = entry.is_dir(follow_symlinks=False)
            if is_folder and len(stack) == 1 and in_store(root):
                listings_fill(Path(entry.path))
            if reason := rules.reason(relative, is_folder=is_folder):
                yield Found(relative, Kind.IGNORED if reason == HIDDEN else Kind.LEFT_OUT, reason)
            elif is_folder:
                stack.append(_entries(Path(entry.path)))
            else:
                yield _found(root, Path(entry.path), entry)
        except FileNotFoundError:
            yield Found(relative, Kind.VANISHED)
        except OSError as error:
            yield Found(relative, Kind.REFUSED, f"cannot be read ({error.strerror})")


def _first(start: Path) -> Iterator[os.DirEntry[str] | StoreEntry]:
    """Return the entries of the folder that a scan begins in; PathError if it cannot be read."""
    try:
        return _entries(start)
    except OSError as error:
        raise PathError(
            gettext("%(start)s: cannot be read (%(strerror)s); check its rights")
            % {"start": shown(start), "strerror": error.strerror}
        ) from error


def cue_note(path: Path) -> str:
    """Return a note if `path` is a cue sheet of one audio file beside it, else ``""``."""
    if path.suffix.lower() != ".cue":
        return ""
    try:
        beside = _audio_names(path.parent, folder_stamp(path.parent))
    except OSError:
        return ""
    only = next(iter(beside.values())) if len(beside) == 1 else None
    names = beside.get(path.stem) or only
    if not names or (names is only and len(names) > 1 and path.stem not in beside):
        return ""
    return f"{path.name}: cue sheets are not read; {names[0]} is one song, not its tracks"


@lru_cache(maxsize=4)
def _audio_names(folder: Path, _stamp: int) -> dict[str, list[str]]:
    """Return the names of the audio files in a folder by their stem; OSError if it cannot be."""
    names: dict[str, list[str]] = {}
    for entry in _entries(folder):
        path = Path(entry.name)
        if path.suffix.lower() in SUPPORTED_SUFFIXES:
            names.setdefault(path.stem, []).append(entry.name)
    return names


def read_file(root: Path, relative: Path, *, max_bytes: int) -> FileFacts:
    """Read an audio file: hash, then length, then tags and lyrics.

    Raises FileUnusableError or AudioError, both with a code.
    """
    try:
        size = stamp_of(resolve_inside(root, root / relative)).size_bytes
        if size > max_bytes:
            raise FileUnusableError(
                "FILE_TOO_LARGE",
                f"{size} bytes is more than AFFETTI_MAX_FILE_BYTES ({max_bytes})",
            )
        with file_held(root, root / relative) as path:
            return _facts(root, relative, path)
    except OSError as error:
        raise FileUnusableError(
            "FILE_UNREADABLE", f"it cannot be read ({error.strerror}); check its rights"
        ) from error


def _facts(root: Path, relative: Path, path: Path) -> FileFacts:
    """Read the file at `path`, which is on the disk."""
    before = disk_stamp(path)
    sha256 = _sha256(path)
    info = probe(path)
    audio_sha256 = audio_hash(path)
    tags = read_tags(path, relative)
    lyrics = lyrics_find(path=root / relative, root=root, tag_lyrics=tags.lyrics)
    if disk_stamp(path) != before:
        raise FileUnusableError(
            "FILE_CHANGING", "it changed while it was read; ingest again when it is written"
        )
    return FileFacts(
        before, sha256, audio_sha256, info.duration_seconds, info.media_type, tags, lyrics
    )


def audio_hash(path: Path) -> str:
    """Return the hash of a file's encoded audio without tags; empty if it cannot be told apart."""
    try:
        return run_in_child(encoded_audio_sha256, path)
    except AudioError:
        return ""  # the file is then known by all of its bytes


def _entries(folder: Path) -> Iterator[os.DirEntry[str] | StoreEntry]:
    """Return the entries of a folder in order; OSError if it cannot be listed or entered."""
    with entries_in(folder) as entries:
        listed = sorted(entries, key=lambda entry: entry.name)
    if not in_store(folder):
        (folder / "..").stat()  # names alone can be listed without the right to enter
    return iter(listed)


def _found(root: Path, path: Path, entry: os.DirEntry[str] | StoreEntry | None = None) -> Found:
    """Return what a name is; the `entry` of its folder spares questions about a plain file."""
    relative = path.relative_to(root)
    suffix = path.suffix.lower()
    is_audio = suffix in SUPPORTED_SUFFIXES
    if in_store(path):  # where there are no links, and nothing but files
        is_unread = suffix in _UNREAD_SUFFIXES
        return Found(
            relative, Kind.AUDIO if is_audio else Kind.UNREAD if is_unread else Kind.IGNORED
        )
    if is_audio and entry and entry.is_file(follow_symlinks=False):
        return Found(relative, Kind.AUDIO)
    if path.is_symlink() and path.is_dir():
        is_inside = path.resolve().is_relative_to(root.resolve())
        return Found(relative, Kind.IGNORED if is_inside else Kind.LINKED)
    if path.is_symlink() and is_audio:
        try:
            resolve_inside(root, path)
        except PathError as error:
            return Found(relative, Kind.REFUSED, str(error))
    if not is_audio or path.is_dir():
        is_unread = suffix in _UNREAD_SUFFIXES and path.is_file()
        return Found(relative, Kind.UNREAD if is_unread else Kind.IGNORED)
    if not path.is_file():
        return Found(relative, Kind.REFUSED, "it is no regular file")
    return Found(relative, Kind.AUDIO)


def _sha256(path: Path) -> str:
    """Return the hash of all bytes; a pipe or device in the file's place is refused at once."""
    digest = hashlib.sha256()
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise FileUnusableError("FILE_UNREADABLE", "it is no regular file any more")
        while block := file.read(_HASH_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
