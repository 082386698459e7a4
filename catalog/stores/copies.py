"""Local copies of objects, kept on disk up to a size; the least recently used go first.

A copy lies at the path that stands for its object, and has the object's mark as its time. Whoever
reads it by its path holds a shared lock of the file, which the system takes back when the process
ends, however it ends. Held copies are not deleted. What a killed process left of a download has no
lock, and is deleted by the next one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Final

from django.conf import settings
from django.utils.translation import gettext

from catalog.errors import (
    FileUnusableError,
    StoreAwayError,
    StoreRefusedError,
    machine_errors_raise,
)
from catalog.stores.addresses import PROTOCOLS, address_of
from catalog.stores.objects import Entry, download, entry_now, listing

if TYPE_CHECKING:
    from collections.abc import Iterator

TRIES: Final = 3
_PAUSE_SECONDS: Final = 0.3
_PARTS: Final = ".affetti-parts"
"""The folder of downloads under way. It also says that the folder of copies is ours to clean."""
_JUST_BORN_SECONDS: Final = 60.0
"""A download is not looked at for so long, because it gets its lock after its name."""
_SMALL_BYTES: Final = 256 * 1024
_KEPT_SHARE: Final = 0.9
"""A full cache is emptied to this share, so that not every download empties it again."""
_SCAN_SHARE: Final = 0.05
"""The cache is measured again after a process has written this share of its size."""


@contextlib.contextmanager
def copy_held(path: Path, *, known: Entry | None = None) -> Iterator[Path]:
    """Keep a whole copy of an object at `path` until the block ends, and yield `path`.

    A copy that is `known` is used without asking the store. FileNotFoundError if the object is
    gone, FileUnusableError if it does not come whole while the store answers otherwise,
    StoreAwayError or StoreRefusedError if the store cannot be used.
    """
    descriptor = _held(path, known) if known else None
    if descriptor is None:
        descriptor = _fetched(path)
    try:
        yield path
    finally:
        os.close(descriptor)


def copy_open(path: Path, known: Entry) -> int | None:
    """Return a descriptor of the copy of an object if it is there already, else None."""
    return _held(path, known)


def _held(path: Path, entry: Entry) -> int | None:
    """Return a descriptor that holds the copy; None if there is none of that size and mark."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    with contextlib.suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        status, now = os.fstat(descriptor), path.lstat()
        is_it = (status.st_size, status.st_mtime_ns) == (entry.size_bytes, entry.mark)
        if is_it and now.st_ino == status.st_ino:  # it was not deleted before the lock
            os.utime(descriptor, ns=(time.time_ns(), entry.mark))
            return descriptor
    os.close(descriptor)
    return None


def _fetched(path: Path) -> int:
    """Return a descriptor that holds a copy of the object as it is now."""
    reason = ""
    for tried in range(TRIES):
        if tried:
            time.sleep(_PAUSE_SECONDS * 2**tried)
        entry = entry_now(path)
        if entry.is_folder:
            raise FileNotFoundError(f"{address_of(path)} is a folder")
        if (descriptor := _held(path, entry)) is not None:
            return descriptor
        try:
            reason = _fetch(path, entry)
        except StoreAwayError as error:
            reason = str(error)
        if not reason and (descriptor := _held(path, entry)) is not None:
            return descriptor
    listing(path.parent, max_age=0.0)  # raises if the whole store is away
    raise FileUnusableError(
        "FILE_UNREADABLE",
        f"the store did not send it whole in {TRIES} tries ({reason or 'it changes'}); it is tried "
        "again at the next ingest",
    )


def _fetch(path: Path, entry: Entry) -> str:
    """Put the object into its place; return why not, if it came short or changed meanwhile."""
    _room.make(entry.size_bytes)
    with _part() as part:
        download(path, part)
        size = part.stat().st_size
        if size != entry.size_bytes:
            return f"{size} of {entry.size_bytes} bytes came"
        if entry_now(path) != entry:
            return "it changed while it was read"
        os.utime(part, ns=(time.time_ns(), entry.mark))
        try:
            _put(part, path)
        except OSError as error:
            machine_errors_raise(error)
            raise FileUnusableError(
                "FILE_UNREADABLE",
                f"it cannot be copied to this disk under its name ({error.strerror}); give it "
                "another one",
            ) from error
    return ""


@contextlib.contextmanager
def _part() -> Iterator[Path]:
    """Yield a new file for a download; its lock says that somebody writes it."""
    folder = _parts_folder()
    part = folder / uuid.uuid4().hex
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield part
    finally:
        part.unlink(missing_ok=True)
        os.close(descriptor)


def _parts_folder() -> Path:
    """Return the folder of downloads; StoreRefusedError if the folder of copies holds other files.

    Copies would be written among them, and the cleaning would delete them.
    """
    top = Path(settings.AFFETTI_STORE_DIR)
    folder = top / _PARTS
    if not folder.is_dir():
        if foreign := foreign_names(top):
            words = gettext(
                "%(path)s: holds other files than copies (%(name)s); name a folder of its own by "
                "AFFETTI_STORE_DIR"
            )
            raise StoreRefusedError(words % {"path": _printable(str(top)), "name": foreign[0]})
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def foreign_names(top: Path) -> list[str]:
    """Return what lies in a folder for copies that is not ours; nothing if it is ours."""
    try:
        names = sorted(one.name for one in top.iterdir())
    except FileNotFoundError:
        return []
    return [] if _PARTS in names else [_printable(n) for n in names if n not in PROTOCOLS]


def _printable(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _put(part: Path, path: Path) -> None:
    for is_last in (False, False, True):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.replace(path)
        except FileNotFoundError:  # another process has just deleted the empty folder
            if is_last:
                raise
        else:
            return


class _Room:
    """Keeps the copies below the size of the settings, a twentieth for each process aside."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._unmeasured = float("inf")

    def make(self, size_bytes: int) -> None:
        """Delete copies until another one has room, as far as nobody holds them."""
        most = settings.AFFETTI_STORE_CACHE_BYTES
        with self._lock:
            self._unmeasured += size_bytes
            if self._unmeasured <= _SCAN_SHARE * most:
                return
            self._unmeasured = 0
            _trim(most - size_bytes)


_room = _Room()


def _trim(most_bytes: float) -> None:
    """Delete the copies used longest ago; last the small ones, which every scan reads."""
    files = []
    for path in _files(_parts_folder().parent):
        with contextlib.suppress(OSError):
            status = path.lstat()
            if path.parent.name == _PARTS:
                if time.time() - status.st_mtime > _JUST_BORN_SECONDS:
                    _delete(path)
            else:
                is_small = status.st_size <= _SMALL_BYTES
                files.append((is_small, status.st_atime_ns, status.st_size, path))
    total = sum(size for *_, size, _ in files)
    if total <= most_bytes:
        return
    for *_, size, path in sorted(files):
        if total <= _KEPT_SHARE * most_bytes:
            return
        if _delete(path):
            total -= size


def _files(top: Path) -> Iterator[Path]:
    """Yield the files below the folders that copies and downloads lie in."""
    for own in (_PARTS, *PROTOCOLS):
        for folder, _, names in os.walk(top / own):
            for name in names:
                yield Path(folder, name)


def _delete(path: Path) -> bool:
    """Delete a file that nobody holds, and the folders that are empty then."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.lstat().st_ino != os.fstat(descriptor).st_ino:
            return False  # a new copy has come in its place, which somebody may hold
        path.unlink()
    except OSError:
        return False
    finally:
        os.close(descriptor)
    top = Path(settings.AFFETTI_STORE_DIR)
    with contextlib.suppress(OSError):
        for folder in path.parents:
            if folder == top or folder.name == _PARTS:
                break
            folder.rmdir()
    return True
