"""What tells of changes below a folder: the events of the operating system, or looks at it.

Neither enters links, nor folders that a scan leaves out. watchfiles could poll, too; it does
not here, because it enters both, and holds the interpreter while it lists folders, which a slow or
dead network mount would make the end of all watching (docs/decisions/036-watching.md).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from watchfiles import Change, watch

from catalog.files.left_out import IGNORE_NAME, MARK_NAME, LeftOut
from catalog.files.lyrics import LYRICS_SUFFIXES
from catalog.paths import is_folder
from mer.audio.patches import SUPPORTED_SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from threading import Event

    from watchfiles.main import FileChange

WAIT_MS: Final = 1000
"""The longest that `changes` waits."""
_TELLING_SUFFIXES: Final = SUPPORTED_SUFFIXES | {f".{suffix}" for suffix in LYRICS_SUFFIXES}
_Stamp = tuple[str, int, int]
_LEAST_REST: Final = 4.0
"""A poller rests for at least this many times as long as a look takes."""


class EventsError(Exception):
    """The operating system does not tell of changes; the message says why."""


class Events:
    """Changes as the operating system tells them: at once, and on local disks alone.

    Each folder is watched by itself. Raises EventsError, also later, where that is not possible.
    """

    def __init__(self, root: Path, stopped: Event) -> None:
        self._root, self._stopped = root, stopped
        self._folders: set[str] = set()
        self._found: set[FileChange] = set()
        self._changes = self._opened()

    def changes(self) -> set[Path]:
        """Wait up to a second; return the paths that changed, relative to the root."""
        found, self._found = self._found | self._next(self._changes), set()
        added = {path for change, path in found if change is Change.added and is_folder(path)}
        changed = {
            Path(path).relative_to(self._root)
            for change, path in found
            if path.startswith(f"{self._root}/")
            and not (change is Change.modified and is_folder(path))
        }
        if added - self._folders or any(path in self._folders for _, path in found):
            # The new folders are watched before anybody looks into them, so nothing is missed.
            before, self._changes = self._changes, self._opened()
            self._found |= self._next(before)
            before.close()
        return changed

    def close(self) -> None:
        """Stop watching."""
        self._changes.close()

    def _opened(self) -> Generator[set[FileChange], None, None]:
        """Watch the folders that are there now; what happens meanwhile is returned next."""
        for is_last in (False, False, True):
            self._folders = {str(path) for path, _ in folders(self._root)}
            changes = watch(
                *self._folders,
                watch_filter=None,
                recursive=False,
                force_polling=False,
                debounce=WAIT_MS,
                step=100,
                rust_timeout=WAIT_MS,
                yield_on_timeout=True,
                raise_interrupt=False,
                stop_event=self._stopped,
                ignore_permission_denied=True,
            )
            try:
                self._found |= next(changes, set())
            except FileNotFoundError as error:  # a folder has just gone
                if is_last:
                    raise EventsError(str(error)) from error
            except (OSError, RuntimeError, ValueError) as error:
                raise EventsError(str(error)) from error
            else:
                break
        return changes

    def _next(self, changes: Iterator[set[FileChange]]) -> set[FileChange]:
        try:
            return next(changes, set())
        except (OSError, RuntimeError, ValueError) as error:
            raise EventsError(str(error)) from error


class Polling:
    """Changes seen by looking at size and time of every file, again and again."""

    def __init__(
        self, root: Path, stopped: Event, *, seconds: float, clock: Callable[[], float]
    ) -> None:
        self._root, self._stopped, self._seconds, self._clock = root, stopped, seconds, clock
        self._seen = self._look()

    def changes(self) -> set[Path]:
        """Wait up to a second; return the files that changed, relative to the root."""
        if self._clock() < self._due_at:
            self._stopped.wait(WAIT_MS / 1000)
            return set()
        before, self._seen = self._seen, self._look()
        nothing: frozenset[_Stamp] = frozenset()
        return {
            folder / name
            for folder in before.keys() | self._seen.keys()
            for name, *_ in before.get(folder, nothing) ^ self._seen.get(folder, nothing)
        }

    def close(self) -> None:
        """Do nothing."""

    def _look(self) -> dict[Path, frozenset[_Stamp]]:
        """Return what is seen of the files of each folder."""
        began, seen = self._clock(), {}
        for path, entries in folders(self._root):
            if self._stopped.is_set():
                break
            stamps = frozenset(_stamp(entry) for entry in entries if is_telling(Path(entry.name)))
            if stamps:
                seen[path.relative_to(self._root)] = stamps
        took = self._clock() - began
        self._due_at = self._clock() + max(self._seconds, _LEAST_REST * took)
        return seen


def folders(root: Path) -> Iterator[tuple[Path, list[os.DirEntry[str]]]]:
    """Yield the folders that a scan of `root` enters, each with its entries.

    A folder that its owner marked as left out is yielded, too, because the mark may go.
    """
    rules, waiting = LeftOut(root), [root]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(folder) as entries:
                listed = list(entries)
        except OSError:
            continue  # it vanished, or must not be read; the ingest says so
        yield folder, listed
        if any(entry.name == MARK_NAME for entry in listed):
            continue
        for entry in listed:
            path = folder / entry.name
            is_folder = entry.is_dir(follow_symlinks=False)
            if is_folder and rules.reason(path.relative_to(root), is_folder=True) in {
                "",
                MARK_NAME,
            }:
                waiting.append(path)


def is_telling(path: Path) -> bool:
    """Return whether the name is of a file whose change an ingest must see."""
    return path.suffix.lower() in _TELLING_SUFFIXES or path.name in {IGNORE_NAME, MARK_NAME}


def _stamp(entry: os.DirEntry[str]) -> _Stamp:
    try:
        status = entry.stat()
    except OSError:
        return entry.name, -1, -1
    return entry.name, status.st_size, status.st_mtime_ns
