"""One library that is watched, by a thread of its own: a disk that hangs holds up no other."""

from __future__ import annotations

import logging
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from django.conf import settings
from django.db import Error, close_old_connections, connections

from catalog.errors import CatalogError
from catalog.files.left_out import IGNORE_NAME, MARK_NAME, LeftOut
from catalog.ingest.unasked import MOST_OPEN, unasked_room, unasked_start
from catalog.models import Library
from catalog.paths import holds_anything, is_folder, is_gone, is_link, to_stored
from catalog.selectors import Scope
from catalog.storable import storable_text
from catalog.watching.settling import Gathering, Settling, merged
from catalog.watching.sources import Events, EventsError, Polling, is_telling
from mer.audio.patches import SUPPORTED_SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

RETRY_SECONDS: Final = 5.0
"""Time between two tries to find a root that is away, or to reach a database that is."""
MOST_FILES: Final = 8
"""So many changed files directly in the root are ingested one by one, and not with all below."""
MOST_LEFT: Final = 1000
"""With more files pending in a scope, its ingest waits."""
State = Library.WatchState
_MARKS: Final = frozenset({IGNORE_NAME, MARK_NAME})


class LibraryWatch(threading.Thread):
    """Watches one library until it is stopped, and starts the ingests of what has settled.

    `clock` counts seconds. The state is written to the row of the library.
    """

    def __init__(self, library: Library, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(name=f"watch {library.pk}", daemon=True)
        self.library, self.mode = library, library.watch
        self._root, self._clock = library.path, clock
        self._stopped = threading.Event()
        self._settling = Settling(
            self._look, seconds=settings.AFFETTI_WATCH_SETTLE_SECONDS, clock=clock
        )
        self._gathering = Gathering(clock=clock)
        self._rules = LeftOut(self._root)
        self._state: tuple[str, str] | None = None
        self._try_at = 0.0

    def stop(self) -> None:
        """End the thread soon."""
        self._stopped.set()

    def run(self) -> None:
        try:
            while not self._stopped.is_set():
                try:
                    self._watch()
                except Exception as error:  # the edge of a thread: the others go on
                    logger.exception("%s: watching failed", self._root)
                    self._tell(State.FAILED, str(error) or type(error).__name__)
                self._stopped.wait(RETRY_SECONDS)
        finally:
            connections.close_all()

    def _watch(self) -> None:
        """Watch until the root is another folder, or away, or the thread is stopped."""
        place = _place(self._root)
        if place is None:
            self._tell(State.AWAY)
            return
        self._settling.forget()
        self._gathering.forget()
        source = self._source()
        # What changed while nobody watched.
        self._gathering.add(Path())
        try:
            while not self._stopped.is_set() and _place(self._root) == place:
                try:
                    changes = source.changes()
                except EventsError as error:
                    source.close()
                    source = self._polling(str(error))
                    self._gathering.add(Path())
                    continue
                if _place(self._root) == place:  # otherwise they tell of a disk that went
                    self.step(changes)
        finally:
            source.close()

    def _source(self) -> Events | Polling:
        if self.mode == Library.Watch.EVENTS:
            try:
                source = Events(self._root, self._stopped)
            except EventsError as error:
                return self._polling(str(error))
            self._tell(State.WATCHING)
            return source
        return self._polling("")

    def _polling(self, reason: str) -> Polling:
        if reason:
            logger.warning("%s: events fail, so it is polled: %s", self._root, reason)
        self._tell(State.FALLBACK if reason else State.WATCHING, reason)
        seconds = settings.AFFETTI_WATCH_POLL_SECONDS
        return Polling(self._root, self._stopped, seconds=seconds, clock=self._clock)

    def step(self, changes: set[Path]) -> None:
        """Take note of paths that changed, and ingest what has settled."""
        if any(path.name in _MARKS for path in changes):
            self._rules = LeftOut(self._root)
        for path in changes:
            if self._is_ours(path):
                self._settling.touch(path)
        for path in self._settling.settled():
            if not is_folder(self._root / path):
                self._gathering.add(self._scope(path))
        try:
            self._ingest()
        except Error as error:
            logger.info("The database is unavailable: %s", error)
            self._try_at = self._clock() + RETRY_SECONDS
            connections.close_all()

    def _is_ours(self, path: Path) -> bool:
        """Return whether a scan would reach a path that changed, and would look at it."""
        if any(is_link(self._root / parent) for parent in path.parents[:-1]):
            return False
        if path.name in _MARKS:
            return self._is_entered(path.parent)
        if self._rules.reason_with_parents(path, is_folder=False):
            return False
        full = self._root / path
        # What is gone may have been a folder.
        return is_telling(path) or is_folder(full) or is_gone(full)

    def _is_entered(self, folder: Path) -> bool:
        """Return whether a scan would enter a folder, if nothing in it forbade that."""
        if not folder.parts:
            return True
        is_below = not self._rules.reason_with_parents(folder.parent, is_folder=True)
        return is_below and self._rules.reason(folder, is_folder=True) in {"", MARK_NAME}

    def _look(self, path: Path, before: object) -> object:
        """Return what is seen of a path; what is new in a folder is looked at by itself."""
        full = self._root / path
        if is_folder(full):
            names = _names(full)
            for name in names - before if isinstance(before, frozenset) else names:
                if self._is_ours(path / name):
                    self._settling.touch(path / name)
            return names
        try:
            status = full.stat()
        except OSError:
            return None
        return status.st_size, status.st_mtime_ns

    def _scope(self, path: Path) -> Path:
        """Return the smallest part of the library whose ingest sees a change of `path`."""
        is_audio = path.suffix.lower() in SUPPORTED_SUFFIXES
        is_loose = len(path.parts) == 1
        scope = path if not is_telling(path) or (is_loose and is_audio) else path.parent
        # An empty folder may be a disk that is missing: the ingest must see all that went with it.
        while scope.parts and not holds_anything(self._root / scope.parent):
            scope = scope.parent
        return scope

    def _ingest(self) -> None:
        """Start the ingests that are due, as far as there is room for them."""
        if self._clock() < self._try_at:
            return
        due = self._gathering.due(self._settling.pending)
        if not due:
            return
        self._try_at = self._clock() + RETRY_SECONDS
        library = Library.objects.filter(pk=self.library.pk).first()
        if library is None or library.root != self.library.root:
            return  # the watcher ends this thread soon
        due = [scope for scope in due if not self._is_nothing(library, scope)]
        if sum(1 for scope in due if len(scope.parts) == 1 and is_telling(scope)) > MOST_FILES:
            due.append(Path())
        for scope in merged(due, most=MOST_OPEN)[: unasked_room(library)]:
            self._start(library, scope)
        close_old_connections()

    def _is_nothing(self, library: Library, scope: Path) -> bool:
        """Return whether what is gone was no song, and no folder with songs; then forget it."""
        if not scope.parts or not is_gone(self._root / scope):
            return False
        if Scope(library, to_stored(scope)).songs().exists():
            return False
        self._gathering.done(scope)
        return True

    def _start(self, library: Library, scope: Path) -> None:
        """Start the ingest of a scope, without the files that are still pending there."""
        pending = (path for path in self._settling.pending if path.is_relative_to(scope))
        leave = [path for path in pending if is_telling(path)]
        if len(leave) > MOST_LEFT:
            return
        try:
            is_started = unasked_start(library=library, relative=scope, leave=leave) is not None
        except CatalogError as error:
            logger.warning("%s: cannot be ingested: %s", self._root / scope, error)
            is_started = True
        if is_started:
            self._gathering.done(scope)

    def _tell(self, state: str, note: str = "") -> None:
        """Write the state to the library, if it is another one."""
        told = (state, storable_text(note)[:500])
        if told == self._state:
            return
        try:
            Library.objects.filter(pk=self.library.pk).update(watch_state=state, watch_note=told[1])
        except Error as error:
            logger.info("The database is unavailable: %s", error)
            connections.close_all()
        else:
            self._state = told


def _place(root: Path) -> tuple[int, int] | None:
    """Return which folder is at `root`; None if none is, or an empty one, as without its disk."""
    try:
        status = root.stat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if holds_anything(root) else None


def _names(folder: Path) -> frozenset[str]:
    try:
        with os.scandir(folder) as entries:
            return frozenset(entry.name for entry in entries)
    except OSError:
        return frozenset()
