"""Paths that stay inside their library, what is at them, and their form in the database.

What is asked of a path here is asked of its disk or of its object store (`catalog.stores`).

A file name is bytes, a database column is text. `to_stored` writes a byte that is not UTF-8 as
``\\xff`` and a backslash as two, so `from_stored` restores every name exactly.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from django.utils.translation import gettext

from catalog.errors import STORE_ERRORS, PathError
from catalog.stores.addresses import address_of, in_store, is_address, path_of
from catalog.stores.copies import copy_held
from catalog.stores.objects import Entry, entry_of, listing, listing_stamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_STORED_BYTES: Final = 2000
"""Longest stored path that every database can index."""

_SURROGATE: Final = re.compile("[\udc80-\udcff]")
_ESCAPE: Final = re.compile(rb"\\(\\|x[0-9a-f]{2})")


@dataclass(frozen=True, slots=True)
class FileStamp:
    """Size and modification time; if both are unchanged, the bytes count as unchanged."""

    size_bytes: int
    mtime_ns: int


def to_stored(path: Path) -> str:
    """Return `path` as text for the database; PathError if it is longer than `MAX_STORED_BYTES`."""
    named = address_of(path) if in_store(path) else path
    text = os.fsencode(named).decode("utf-8", "surrogateescape").replace("\\", "\\\\")
    stored = _SURROGATE.sub(lambda match: f"\\x{ord(match[0]) - 0xDC00:02x}", text)
    if len(stored.encode()) > MAX_STORED_BYTES:
        raise PathError(
            gettext("%(path)s…: the path is longer than %(most)s bytes; shorten its names")
            % {"path": stored[:100], "most": MAX_STORED_BYTES}
        )
    return stored


def from_stored(stored: str) -> Path:
    """Return the path that `to_stored` wrote as `stored`; PathError if it wrote no such address."""
    raw = _ESCAPE.sub(
        lambda match: b"\\" if match[1] == b"\\" else bytes([int(match[1][1:], 16)]),
        stored.encode(),
    )
    text = os.fsdecode(raw)
    return path_of(text) if is_address(text) else Path(text)


def resolve_inside(root: Path, path: Path) -> Path:
    """Return `path` with symlinks followed; PathError if it is absent or outside `root`.

    In a store there are no links.
    """
    if not in_store(path):
        return _resolve_inside(root, path)
    if not path.is_relative_to(root) or entry_of(path) is None:
        raise file_absent(path)
    return path


def file_absent(path: Path) -> PathError:
    """Return the error that says that nothing is at `path`."""
    words = gettext("%(path)s: there is no such file (%(name)s)")
    return PathError(words % {"path": shown(path), "name": FileNotFoundError.__name__})


@contextlib.contextmanager
def file_held(root: Path, path: Path, *, known: FileStamp | None = None) -> Iterator[Path]:
    """Yield a path at which the bytes of the file at `path` can be read until the block ends.

    PathError if it is absent or outside `root`. Of a file in a store it is a local copy, which
    costs no request if it has the stamp that is `known`; raises what `copy_held` does.
    """
    if not in_store(path):
        yield resolve_inside(root, path)
        return
    if not path.is_relative_to(root):
        raise file_absent(path)
    with contextlib.ExitStack() as stack:
        try:
            here = stack.enter_context(at_hand(path, known=known))
        except FileNotFoundError as error:
            raise file_absent(path) from error
        yield here


@contextlib.contextmanager
def at_hand(path: Path, *, known: FileStamp | None = None) -> Iterator[Path]:
    """Yield a path of the disk with the bytes of the file at `path`, wherever that leads.

    Raises what `copy_held` does, if it is in a store.
    """
    if not in_store(path):
        yield path
        return
    entry = Entry(False, known.size_bytes, known.mtime_ns) if known else None  # noqa: FBT003
    with copy_held(path, known=entry) as copy:
        yield copy


def _resolve_inside(root: Path, path: Path) -> Path:
    try:
        resolved = path.resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:  # ValueError: a name with NUL
        raise PathError(
            gettext("%(path)s: there is no such file (%(name)s)")
            % {"path": shown(path), "name": type(error).__name__}
        ) from error
    if not resolved.is_relative_to(root.resolve()):
        raise PathError(
            gettext("%(path)s: leads out of its library; copy the file into the library")
            % {"path": shown(path)}
        )
    return resolved


def open_inside(root: Path, path: Path) -> BinaryIO:
    """Open the file at `path`; PathError if it is absent, outside `root` or no regular file.

    Nothing is followed after the check, and a pipe or device put in the file's place neither
    blocks nor is read. It looks at the disk alone: `file_held` makes copies of what is in a store.
    """
    inside = _resolve_inside(root, path)
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
            % {"path": shown(path), "strerror": error.strerror}
        ) from error
    finally:
        os.close(folder)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise PathError(gettext("%(path)s: is no regular file") % {"path": shown(path)})
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
        names = ", ".join(shown(root) for root in allowed) or "none is set"
        raise PathError(
            gettext(
                "%(path)s: not inside a catalogue root (%(names)s); name a folder inside "
                "one, or add a root to AFFETTI_CATALOG_ROOTS"
            )
            % {"path": shown(path), "names": names}
        )
    try:
        path_check(resolved)
    except OSError as error:
        if may_be_gone and is_gone(resolved):
            return resolved
        raise PathError(
            gettext(
                "%(path)s: there is no such file or folder here (%(strerror)s); check the "
                "name, and the rights of the folders above it"
            )
            % {"path": shown(path), "strerror": error.strerror}
        ) from error
    return resolved


def path_check(path: Path) -> None:
    """Raise OSError if nothing is at `path`, or it cannot be looked at."""
    if not in_store(path):
        path.stat()
    elif entry_of(path) is None:
        raise FileNotFoundError(2, os.strerror(2), shown(path))


def stamp_of(path: Path) -> FileStamp:
    """Return the stamp of the file at `path`; OSError if it is absent."""
    if not in_store(path):
        return disk_stamp(path)
    entry = entry_of(path)
    if entry is None or entry.is_folder:
        raise FileNotFoundError(2, os.strerror(2), shown(path))
    return FileStamp(entry.size_bytes, entry.mark)


def seen_stamp(path: Path) -> FileStamp | None:
    """Return the stamp of a file in a store by a recent listing, else None: a disk is asked anew.

    Small files beside songs are read by it, so that an unchanged one costs a scan no request.
    """
    entry = entry_of(path, is_sure=False) if in_store(path) else None
    return FileStamp(entry.size_bytes, entry.mark) if entry else None


def disk_stamp(path: Path) -> FileStamp:
    """Return the stamp of a file on the disk, such as a copy that is held; OSError if absent."""
    status = path.stat()
    return FileStamp(status.st_size, status.st_mtime_ns)


def folder_stamp(folder: Path) -> int:
    """Return a number that is another one when names in a folder change; OSError if it is absent.

    It costs little.
    """
    if not in_store(folder):
        return folder.stat().st_mtime_ns
    return listing_stamp(folder)


class StoreEntry:
    """A name in a folder of a store, with what scans ask of an `os.DirEntry`."""

    __slots__ = ("_is_folder", "name", "path")

    def __init__(self, folder: Path, name: str, *, is_folder: bool) -> None:
        self.name, self.path = name, f"{folder}{os.sep}{name}"
        self._is_folder = is_folder

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        return self._is_folder

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        return not self._is_folder


@contextlib.contextmanager
def entries_in(folder: Path) -> Iterator[Iterator[os.DirEntry[str] | StoreEntry]]:
    """Yield what is directly in a folder, in any order; OSError if it is absent."""
    if not in_store(folder):
        with os.scandir(folder) as entries:
            yield entries
        return
    names = listing(folder)
    if not names:  # a store has no empty folders
        raise FileNotFoundError(2, os.strerror(2), shown(folder))
    yield (StoreEntry(folder, name, is_folder=one.is_folder) for name, one in names.items())


def is_folder_at(path: Path) -> bool:
    """Whether a folder is at `path`, or a link to one."""
    if not in_store(path):
        return path.is_dir()
    entry = entry_of(path)
    return entry is not None and entry.is_folder


def is_file_at(path: Path) -> bool:
    """Whether a file is at `path`, or a link to one."""
    if not in_store(path):
        return path.is_file()
    entry = entry_of(path)
    return entry is not None and not entry.is_folder


def is_there(path: Path) -> bool:
    """Whether anything is at `path`, in a store by a recent listing.

    Raises the errors of a store that cannot say it.
    """
    return entry_of(path, is_sure=False) is not None if in_store(path) else os.path.lexists(path)


def is_gone(path: Path) -> bool:
    """Return whether nothing is at `path`; False if that cannot be known."""
    if in_store(path):
        with contextlib.suppress(*STORE_ERRORS):
            return entry_of(path) is None
        return False
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def can_be_seen(path: Path) -> bool:
    """Return whether something is at `path`; False if that cannot be known."""
    if in_store(path):
        with contextlib.suppress(*STORE_ERRORS):
            return entry_of(path) is not None
        return False
    try:
        path.lstat()
    except OSError:
        return False
    return True


def holds_anything(folder: Path) -> bool:
    """Return whether a folder holds anything; without its mount it is empty or gone."""
    try:
        with entries_in(folder) as entries:
            return next(entries, None) is not None
    except (OSError, *STORE_ERRORS):
        return False


def shown(path: Path) -> str:
    """Return a path, or the address that it stands for, as people read it."""
    named = address_of(path) if in_store(path) else path
    return os.fsencode(named).decode("utf-8", "backslashreplace")


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
