"""Audio files that staff send from a browser, in pieces, into AFFETTI_UPLOAD_DIR.

A server takes small bodies alone, so a large file comes as many pieces. They are written to a
hidden file, which a scan ignores. The last piece gives it its name; no file is ever overwritten.
A file in AFFETTI_UPLOAD_MEMORY_DIR, the memory, keeps that name for a day. A last piece that comes
again, because its answer was lost, gets the same answer and makes no second file.
"""

from __future__ import annotations

import os
import re
import shutil
import time
import unicodedata
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Final, NamedTuple

from django.conf import settings
from django.utils.translation import gettext
from filelock import FileLock, Timeout

from catalog.errors import TransientError, UploadError
from mer.audio.patches import SUPPORTED_SUFFIXES
from mer.files import written_aside

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

FORGOTTEN_SECONDS: Final = 3600
"""A part that got no piece for this long is forgotten."""
REMEMBERED_SECONDS: Final = 24 * 3600
"""For so long the name that a whole file got is remembered."""
SWEEP_SECONDS: Final = 3600
"""What is forgotten is deleted when an upload begins, at most once in this time."""
BUSY_SECONDS: Final = 2.0
"""A piece waits this long for another piece of the same file."""
MAX_NAME_BYTES: Final = 200
_MOST_NAMESAKES: Final = 1000
_PARTS: Final = f".{'[0-9a-f]' * 32}.part"
_UNCLEAN: Final = re.compile(r"[\x00-\x1f\x7f\\/:*?\"<>|]+")


def upload_piece(*, upload: UUID, name: str, size: int, offset: int, data: bytes) -> Path | None:
    """Write a piece of a file of `size` bytes; return the file's path once it is whole.

    `upload` is the browser's own id of this file. A piece that was written already may come again,
    also after the file is whole: the path is returned again.
    Raises `UploadError`: UPLOAD_TYPE, UPLOAD_TOO_LARGE, UPLOAD_DISK_FULL, UPLOAD_BROKEN,
    UPLOAD_NAME; `TransientError` if another piece of this file is being written for too long.
    """
    clean = name_clean(name)
    folder = Path(settings.AFFETTI_UPLOAD_DIR)
    part = _part(upload)
    if not 0 < size <= settings.AFFETTI_UPLOAD_MAX_BYTES:
        raise UploadError(
            "UPLOAD_TOO_LARGE",
            gettext(
                "%(name)s: is empty or larger than %(most)s. Copy it into a music "
                "folder, or raise AFFETTI_UPLOAD_MAX_BYTES."
            )
            % {"name": clean, "most": _mebibytes(settings.AFFETTI_UPLOAD_MAX_BYTES)},
        )
    try:
        with _held(upload) as memory:
            known = _recall(memory, clean, size)
            if known and _is_of(folder / known.name, size, offset, data):
                return folder / known.name
            if offset == 0:
                _begin(folder, part, clean, size)
            with part.open("r+b") as file:
                is_whole = _append(file, offset, data, size)
            return _finish(part, folder / clean, memory) if is_whole else None
    except FileNotFoundError:
        raise UploadError(
            "UPLOAD_BROKEN",
            gettext("%(name)s: its first pieces are gone. Send the file again.") % {"name": clean},
            offset=0,
        ) from None
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise UploadError(
            "UPLOAD_DISK_FULL",
            gettext(
                "%(name)s: could not be written to %(folder)s (%(strerror)s). Free some "
                "space there, or name another folder by AFFETTI_UPLOAD_DIR."
            )
            % {"name": clean, "folder": folder, "strerror": error.strerror},
        ) from error


def upload_abort(*, upload: UUID) -> None:
    """Delete what has come of a file; one that is whole stays."""
    _part(upload).unlink(missing_ok=True)


def name_clean(name: str) -> str:
    """Return a file name that any disk can hold, without folders; UploadError if it is no audio."""
    last = PurePosixPath(name.replace("\\", "/")).name
    text = unicodedata.normalize("NFC", " ".join(_UNCLEAN.sub(" ", last).split())).strip(" .")
    stem, suffix = os.path.splitext(text)  # noqa: PTH122  # of a name, not of a path
    if suffix.lower() not in SUPPORTED_SUFFIXES:
        raise UploadError(
            "UPLOAD_TYPE",
            gettext(
                "%(name)s: is no audio file that Affetti reads, such as flac, mp3, m4a, "
                "ogg, opus or wav."
            )
            % {"name": last[:100] or gettext("The file")},
        )
    most = MAX_NAME_BYTES - len(suffix.encode("utf-8", "replace"))
    short = stem.encode("utf-8", "replace")[:most].decode("utf-8", "ignore")
    return f"{short.strip(' .') or 'song'}{suffix.lower()}"


def _part(upload: UUID) -> Path:
    return Path(settings.AFFETTI_UPLOAD_DIR) / f".{upload.hex}.part"


class _Memory(NamedTuple):
    """What is remembered of a whole file: the name it got, and which empty file kept it free."""

    name: str
    reserved: str


def _recall(memory: Path, wanted: str, size: int) -> _Memory | None:
    """Return what is remembered, if it is of a file of this name and size."""
    try:
        known, length, name, reserved = memory.read_text("utf-8").split("\n")
    except (FileNotFoundError, ValueError):  # none, or one that a power cut spoilt
        return None
    return _Memory(name, reserved) if (known, length) == (wanted, str(size)) and name else None


def _reserved(path: Path) -> str | None:
    """Return what tells an empty file from one that another upload makes there later."""
    with suppress(FileNotFoundError):
        state = path.stat()
        return None if state.st_size else f"{state.st_ino} {state.st_mtime_ns}"
    return None


def _is_of(path: Path, size: int, offset: int, data: bytes) -> bool:
    """Return whether a file has this size and this piece."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return os.fstat(file.fileno()).st_size == size and file.read(len(data)) == data
    except OSError:  # deleted, or not to be read any more
        return False


@contextmanager
def _held(upload: UUID) -> Iterator[Path]:
    """Let one request at a time write a file; yield the path of its memory."""
    memories = Path(settings.AFFETTI_UPLOAD_MEMORY_DIR)
    memories.mkdir(parents=True, exist_ok=True)
    memory = memories / upload.hex
    lock = memory.with_suffix(".lock")
    try:
        with FileLock(lock, timeout=BUSY_SECONDS, poll_interval=0.02):
            lock.touch()  # so that no sweep deletes it meanwhile
            yield memory
    except Timeout as error:
        raise TransientError("another piece of this file is being written") from error


def _begin(folder: Path, part: Path, name: str, size: int) -> None:
    """Make the file of the pieces."""
    folder.mkdir(parents=True, exist_ok=True)
    _sweep(folder, Path(settings.AFFETTI_UPLOAD_MEMORY_DIR))
    if shutil.disk_usage(folder).free - size < settings.AFFETTI_DISK_FREE_BYTES:
        raise UploadError(
            "UPLOAD_DISK_FULL",
            gettext(
                "%(name)s: too little space is left below %(folder)s. Free some, or lower "
                "AFFETTI_DISK_FREE_BYTES."
            )
            % {"name": name, "folder": folder},
        )
    part.touch()


def _sweep(folder: Path, memories: Path) -> None:
    """Delete what is forgotten, unless that was done within SWEEP_SECONDS."""
    now, last = time.time(), memories / "swept"
    with suppress(FileNotFoundError):
        if abs(now - last.stat().st_mtime) < SWEEP_SECONDS:
            return
    last.touch()
    kinds = ((folder, _PARTS, FORGOTTEN_SECONDS), (memories, "*", REMEMBERED_SECONDS))
    for place, pattern, seconds in kinds:
        for old in place.glob(pattern):
            with suppress(OSError):  # deleted by another process, or another account's
                if now - old.stat().st_mtime > seconds:
                    old.unlink()


def _append(file: IO[bytes], offset: int, data: bytes, size: int) -> bool:
    """Write a piece at its place; return whether it was the last."""
    here = os.fstat(file.fileno()).st_size
    if offset > here or offset + len(data) > size:
        raise UploadError(
            "UPLOAD_BROKEN",
            gettext("%(here)s bytes are here; send the piece from there.") % {"here": here},
            offset=here,
        )
    file.seek(offset)
    file.write(data)
    if offset + len(data) < size:
        return False
    file.truncate()  # more is here if another file was sent by the same id, and not wholly
    file.flush()
    os.fsync(file.fileno())
    return True


def _finish(part: Path, wanted: Path, memory: Path) -> Path:
    """Give the file its name, or one like it that is free."""
    size = part.stat().st_size
    known = _recall(memory, wanted.name, size)
    # After a finish that was killed, the empty file is still there. An empty file that another
    # upload has made under this name since is not taken.
    is_kept = known is not None and known.reserved == _reserved(wanted.with_name(known.name))
    target = wanted.with_name(known.name) if known and is_kept else _free(part, wanted)
    try:
        # Remembered first: after a kill in between, the part comes again and gets the same name.
        with written_aside(memory, is_synced=False) as aside:
            aside.write_text(f"{wanted.name}\n{size}\n{target.name}\n{_reserved(target)}", "utf-8")
        return part.replace(target)
    except OSError:
        with suppress(OSError):
            if _reserved(target):
                target.unlink()
        raise


def _free(part: Path, wanted: Path) -> Path:
    """Return the wanted name, or one like it; an empty file keeps it free of others."""
    for number in range(1, _MOST_NAMESAKES):
        name = wanted.name if number == 1 else f"{wanted.stem} ({number}){wanted.suffix}"
        with suppress(FileExistsError):
            wanted.with_name(name).touch(exist_ok=False)
            return wanted.with_name(name)
    part.unlink(missing_ok=True)
    raise UploadError(
        "UPLOAD_NAME",
        gettext("%(name)s: %(most)s files have this name. Rename the file.")
        % {"name": wanted.name, "most": _MOST_NAMESAKES},
    )


def _mebibytes(size: int) -> str:
    return f"{size / 1024**2:,.0f} MiB"
