"""One file replaced by what a delta makes of it: whole or not at all, with its rights and time.

The new version is written beside the file, under a hidden name that scans pass over. A lock on it
tells that its process lives, so whoever comes later can delete what killed processes left.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import secrets
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext_noop

from catalog.errors import FileUnusableError
from catalog.files.deltas import delta_apply
from catalog.files.scan import audio_hash
from catalog.retold import kept

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import BinaryIO

_PART: Final = re.compile(r"\.affetti-tags-[0-9a-f]{12}\.[0-9a-z+]{2,4}")
_MOST_FREE: Final = 16 * 1024**2
"""So many bytes of the disk stay free."""
_LINK: Final = kept(gettext_noop("it is a link; write the file that it leads to"))
_HARD_LINKS: Final = kept(
    gettext_noop("it has %(count)s names on the disk (hard links), which a new file would part")
)
_NO_FILE: Final = kept(gettext_noop("it is no regular file"))
_READ_ONLY: Final = kept(gettext_noop("it is read-only; change its rights, or leave it as it is"))
_OWNER: Final = kept(gettext_noop("it belongs to another user; run the command as that user"))
_REFUSED: Final = kept(gettext_noop("it cannot be replaced (%(strerror)s)"))
_FULL: Final = kept(gettext_noop("the disk is full; free %(megabytes)s MB and try again"))
_CHANGED: Final = kept(gettext_noop("it was changed meanwhile; scan the library, then try again"))
_DIFFERENT: Final = kept(
    gettext_noop("what would be written is not what was planned, so nothing was; check the disk")
)
_AUDIO: Final = kept(
    gettext_noop("its sound cannot be told apart from its tags, so none are written")
)


@dataclass(frozen=True, slots=True)
class Replacement:
    """What a file becomes; with `back`, that must lead from it to `before_sha256` again.

    `mtime_ns` is the new time of the file; None for the time of the writing.
    """

    delta: bytes
    before_sha256: str
    after_sha256: str
    mtime_ns: int | None
    back: bytes = b""


def file_state(path: Path) -> os.stat_result:
    """Return the state of a file that may be replaced; FileUnusableError says why it may not."""
    try:
        state = path.lstat()
    except OSError as error:
        raise _refused(error) from error
    if stat.S_ISLNK(state.st_mode):
        raise FileUnusableError("TAGS_LINK", _LINK)
    if not stat.S_ISREG(state.st_mode):
        raise FileUnusableError("TAGS_NO_FILE", _NO_FILE)
    if state.st_nlink > 1:
        raise FileUnusableError("TAGS_HARD_LINKS", _HARD_LINKS % {"count": state.st_nlink})
    is_closed = not state.st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH)
    if is_closed or not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):
        raise FileUnusableError("TAGS_READ_ONLY", _READ_ONLY)
    return state


def part_name(path: Path) -> str:
    """Return a new name for the copy that replaces `path`."""
    return f".affetti-tags-{secrets.token_hex(6)}{path.suffix.lower()}"


def file_replace(
    path: Path, change: Replacement, *, name: str, prepare: Callable[[], None]
) -> os.stat_result:
    """Replace a file, by way of the copy `name` beside it; return its new state.

    `prepare` is called when the copy is whole and on the disk, just before it takes the file's
    place. Raises FileUnusableError; then the file is as it was, and there is no copy.
    """
    state = file_state(path)
    part = path.with_name(name)
    try:
        _room_check(path, state.st_size)
        with _new_file(part) as file:
            with path.open("rb") as source:
                made = delta_apply(change.delta, source, file)
            _finish(file, path, state, change.mtime_ns)
            if made != change.after_sha256:
                raise FileUnusableError("TAGS_DIFFERENT", _DIFFERENT)
            if change.back:
                _way_back_check(part, path, change)
            prepare()
            if _identity(path.lstat()) != _identity(state):
                raise FileUnusableError("TAGS_FILE_CHANGED", _CHANGED)
            part.replace(path)
            with contextlib.suppress(OSError):  # it has taken the place, whatever comes now
                _folder_sync(path.parent)
            return os.fstat(file.fileno())
    except OSError as error:
        raise _refused(error, state.st_size) from error


def parts_sweep(folder: Path) -> int:
    """Delete the copies in a folder that killed processes left; return how many."""
    swept = 0
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        names = [entry.name for entry in entries if _PART.fullmatch(entry.name)]
        for name in names:
            with contextlib.suppress(OSError):
                swept += _sweep(folder / name)
    return swept


def is_being_written(part: Path) -> bool:
    """Return whether a live process holds a copy."""
    with _held(part) as is_free:
        return not is_free


def _sweep(part: Path) -> bool:
    with _held(part) as is_free:
        if is_free:
            part.unlink()
    return is_free


@contextlib.contextmanager
def _held(part: Path) -> Iterator[bool]:
    """Hold the lock on a copy while the block runs, if it exists; False if another holds it."""
    try:
        # NFS locks only what is open for writing.
        descriptor = os.open(part, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        yield True
        return
    try:
        yield _lock(descriptor)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Lock a copy; return whether no other process has."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks, on which nothing is written
        return True
    return True


@contextlib.contextmanager
def _new_file(part: Path) -> Iterator[BinaryIO]:
    """Create a file that is locked while the block runs, and is gone after it unless renamed."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(part, flags, 0o600), "w+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if part.lstat().st_ino != os.fstat(file.fileno()).st_ino:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            yield file
        finally:
            with contextlib.suppress(OSError):
                if part.lstat().st_ino == os.fstat(file.fileno()).st_ino:
                    part.unlink()


def _finish(file: BinaryIO, path: Path, state: os.stat_result, mtime_ns: int | None) -> None:
    """Give a written copy the owner, rights, attributes and time of the file, and sync it."""
    file.flush()
    descriptor = file.fileno()
    made = os.fstat(descriptor)
    if (made.st_uid, made.st_gid) != (state.st_uid, state.st_gid):
        try:
            os.fchown(descriptor, state.st_uid, state.st_gid)
        except PermissionError as error:
            raise FileUnusableError("TAGS_OWNER", _OWNER) from error
    os.fchmod(descriptor, stat.S_IMODE(state.st_mode))
    for attribute in os.listxattr(path):
        # Those of the system, such as labels of SELinux, follow from the folder.
        with contextlib.suppress(OSError):
            os.setxattr(descriptor, attribute, os.getxattr(path, attribute))
    if mtime_ns is not None:
        os.utime(descriptor, ns=(state.st_atime_ns, mtime_ns))
    os.fsync(descriptor)


def _way_back_check(part: Path, path: Path, change: Replacement) -> None:
    """Raise FileUnusableError unless the way back leads there, and the encoded audio is equal."""
    with part.open("rb") as source:
        if delta_apply(change.back, source) != change.before_sha256:
            raise FileUnusableError("TAGS_DIFFERENT", _DIFFERENT)
    heard = audio_hash(path)
    if not heard or audio_hash(part) != heard:
        raise FileUnusableError("TAGS_AUDIO", _AUDIO)


def _room_check(path: Path, size: int) -> None:
    free = os.statvfs(path.parent)
    if free.f_bavail * free.f_frsize < size + _MOST_FREE:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _identity(state: os.stat_result) -> tuple[int, ...]:
    return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns


def _folder_sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refused(error: OSError, size: int = 0) -> FileUnusableError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        megabytes = (size + _MOST_FREE) // 1024**2 + 1
        return FileUnusableError("TAGS_DISK_FULL", _FULL % {"megabytes": megabytes})
    reason = error.strerror or type(error).__name__
    return FileUnusableError("TAGS_REFUSED", _REFUSED % {"strerror": reason})
