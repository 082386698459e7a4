"""Folders in which a backup or a restore works, and what killed ones have left."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from django.conf import settings

from recommender.errors import BackupError

if TYPE_CHECKING:
    from collections.abc import Iterator

_PREFIX: Final = ".affetti-work-"
_FORMER: Final = (".restore-",)
"""What a killed restore of an earlier release left, in VAR_DIR alone."""
_UNFINISHED: Final = "restore.unfinished"


@contextlib.contextmanager
def workplace(parent: Path) -> Iterator[Path]:
    """Have a folder in `parent` that only its owner may read, and delete it afterwards.

    Folders that killed processes have left there are deleted first. A living one holds a lock.
    """
    with contextlib.ExitStack() as stack:
        with _locked(parent):
            _leftovers_delete(parent)
            made = tempfile.TemporaryDirectory(
                dir=parent, prefix=_PREFIX, ignore_cleanup_errors=True
            )
            folder = stack.enter_context(made)
            stack.enter_context(_locked(Path(folder)))
        yield Path(folder)


def leftovers_delete(parent: Path) -> None:
    """Delete the folders that killed backups and restores have left in `parent`."""
    with _locked(parent):
        _leftovers_delete(parent)


@contextlib.contextmanager
def restore_noted(path: Path) -> Iterator[None]:
    """Have `restore_unfinished` return `path` until the block has ended without an error."""
    note = settings.VAR_DIR / _UNFINISHED
    note.write_text(str(path.resolve()), encoding="utf-8", errors="surrogateescape")
    try:
        yield
    except BackupError:  # nothing is changed
        note.unlink(missing_ok=True)
        raise
    note.unlink(missing_ok=True)


def restore_unfinished() -> str:
    """Return the backup whose restore was stopped in the middle, or nothing."""
    try:
        note: Path = settings.VAR_DIR / _UNFINISHED
        return note.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""


def _leftovers_delete(parent: Path) -> None:
    for folder in parent.iterdir():
        is_former = parent == settings.VAR_DIR and folder.name.startswith(_FORMER)
        if (is_former or folder.name.startswith(_PREFIX)) and _is_abandoned(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _is_abandoned(folder: Path) -> bool:
    """Whether a folder is ours, and no living process holds its lock."""
    if folder.is_symlink() or not folder.is_dir() or folder.stat().st_uid != os.geteuid():
        return False
    try:
        with _locked(folder, is_patient=False):
            return True
    except BlockingIOError:
        return False


@contextlib.contextmanager
def _locked(folder: Path, *, is_patient: bool = True) -> Iterator[None]:
    """Hold the lock of a folder; BlockingIOError if another holds it and we are not to wait."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if is_patient else fcntl.LOCK_NB))
        yield
    finally:
        os.close(descriptor)
