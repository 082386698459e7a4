"""Keeps the `IndexSnapshot` of a process up to date with the database.

The first request of a process opens the active build and applies what changed since. From then on a
thread follows the change log (`catalog.changes`), twice a second: it reads the songs that changed
into the overlay, and goes over to a new build. Requests take the newest snapshot: they wait for
nothing and ask the database nothing. A process that forks starts anew at its first request.

Without a readable build all songs are read from the database, so a lost index costs memory and
changes no result. A build that is damaged is given up, and the scheduler makes another. One that
cannot be read for a reason of this process, such as too many open files, is tried again after
`RETRY_SECONDS`; until then the reader goes on with the former build.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from itertools import islice
from typing import TYPE_CHECKING, Final

import numpy as np
from django.db import DatabaseError, InterfaceError, close_old_connections, connection

from catalog import analysis
from catalog.changes import changes_since, position_now
from catalog.versions import emotions_visible
from mer.errors import MerError
from recommender.errors import (
    IndexBusyError,
    IndexCorruptError,
    IndexMissingError,
    IndexUnreadableError,
    IndexVersionError,
)
from recommender.index.builds import changes_lock, index_open, log_trim, remote_open
from recommender.index.overlay import Overlay
from recommender.index.remote import RemoteIndex, changes_apply, collections, is_remote
from recommender.index.rows import rows_in, rows_of_songs
from recommender.index.snapshot import IndexSnapshot
from recommender.index.state import State
from recommender.models import IndexBuild

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

    from recommender.index.protocol import VectorIndex

logger = logging.getLogger(__name__)

POLL_SECONDS: Final = 0.5
RETRY_SECONDS: Final = 30.0
_CHECKED_STEPS: Final = 8
"""Steps of `VectorIndex.damage_check` at each poll."""
MOST_FROM_DATABASE: Final = 100_000
"""With a vector database, at most so many songs are read from the database in its place."""
_QUICK_COUNT: Final = 100_000
_LOST: Final = (IndexMissingError, IndexCorruptError, IndexVersionError)


class Reader:
    """Holds the newest snapshot of one model version, the one that `model_version` returns."""

    def __init__(self, model_version: Callable[[], str]) -> None:
        self.snapshot: IndexSnapshot | None = None
        self._model_version = model_version
        self._state: State | None = None
        self._version = ""
        self._position = ""
        self._build_id: UUID | None = None
        self._retry_at = 0.0
        self._unchecked: Iterator[None] = iter(())

    def poll(self, *, is_whole_check: bool = False) -> IndexSnapshot:
        """Bring the snapshot up to date, and return it.

        With `is_whole_check` a new build is checked for damage to the last byte before it is used.
        If it fails half way, the former snapshot stays and the next call begins anew.
        """
        try:
            return self._poll(is_whole_check=is_whole_check)
        except BaseException:
            self._state = None
            raise

    def _poll(self, *, is_whole_check: bool) -> IndexSnapshot:
        version = self._model_version()
        active = IndexBuild.objects.filter(model_version=version, is_active=True).first()
        state = self._state
        if state is None or version != self._version:
            state = self._start(version, active)
        elif active is not None and active.pk != self._build_id:
            state = self._go_over(state, active)
        elif active is None and self._build_id is not None:
            # Perhaps another process found damage.
            self._build_id = None
            self._unchecked = state.build.damage_check() if state.build else iter(())
        state = self._checked(state, None if is_whole_check else _CHECKED_STEPS)
        changes = changes_since(self._position, model_version=version)
        if changes.is_everything:
            # What the build holds is not known.
            self._give_up()
            state = self._start(version, None)
        else:
            if changes.song_ids:
                visible = emotions_visible(model_version=version)
                state.remove(changes.song_ids)
                state.add(rows_of_songs(visible, changes.song_ids, state.genres))
            self._position = changes.position
        if state is not self._state or changes.song_ids or self.snapshot is None:
            self.snapshot = state.snapshot()
        self._state, self._version = state, version
        return self.snapshot

    def _start(self, version: str, active: IndexBuild | None) -> State:
        """Return the songs as of the active build; without one, all of the database."""
        build = None if active is None else self._open(active)
        if build is not None and active is not None:
            self._position = active.position
            return State(version, build)
        self._position = position_now()
        state = State(version, None)
        state.add(rows_in(emotions_visible(model_version=version), state.genres))
        return state

    def _go_over(self, state: State, active: IndexBuild) -> State:
        """Return the same songs over the new build, without reading them again."""
        if self.snapshot is None or time.monotonic() < self._retry_at:
            return state
        build = self._open(active)
        if build is None:
            return state
        changes = changes_since(active.position, model_version=self._version)
        if changes.is_everything:
            self._give_up()
            return state
        fresh = State(self._version, build)
        fresh.copy(self.snapshot, changes.song_ids)
        return fresh

    def _open(self, active: IndexBuild) -> VectorIndex | None:
        """Return the build if it can be read."""
        try:
            build = index_open(active)
        except IndexUnreadableError as error:
            logger.warning("%s; trying again in %.0f seconds", error, RETRY_SECONDS)
            self._retry_at = time.monotonic() + RETRY_SECONDS
            return None
        except _LOST as error:
            self._give_up(active.pk, error)
            return None
        self._build_id, self._retry_at = active.pk, 0.0
        self._unchecked = build.damage_check()
        return build

    def _checked(self, state: State, steps: int | None) -> State:
        """Check some more of the build; return the songs of the database if it is damaged."""
        try:
            for _ in islice(self._unchecked, steps):
                pass
        except IndexUnreadableError as error:
            logger.warning("%s; it is not checked for damage", error)
        except _LOST as error:
            self._give_up(self._build_id, error)
            return self._start(self._model_version(), None)
        return state

    def _give_up(self, build_id: UUID | None = None, error: Exception | None = None) -> None:
        """Let no process use a build any more; the scheduler makes a new one."""
        given_up = build_id or self._build_id
        if given_up is not None:
            reason = error or "What changed since the index was built is not known"
            logger.error("%s; songs are read from the database until it is built again", reason)
            IndexBuild.objects.filter(pk=given_up).update(is_active=False)
        if given_up == self._build_id:
            self._build_id, self._unchecked = None, iter(())


class RemoteReader:
    """Holds the newest snapshot of one model version whose songs lie in a vector database.

    One process at a time applies the change log to the collection; the others need only read it.
    Without a collection the songs are read from the database, if they are few.
    """

    def __init__(self, model_version: Callable[[], str]) -> None:
        self.snapshot: IndexSnapshot | None = None
        self._model_version = model_version
        self._index: RemoteIndex | None = None
        self._position = ""
        self._counted_at = 0.0
        self._without: Reader | None = None

    def poll(self, *, is_whole_check: bool = False) -> IndexSnapshot:
        """Bring the collection and the snapshot up to date, and return it; as `Reader.poll`."""
        version = self._model_version()
        active = IndexBuild.objects.filter(model_version=version, is_active=True).first()
        active = self._opened(active)
        if active is None or self._index is None:
            self.snapshot = self._from_database(version, is_whole_check=is_whole_check)
            return self.snapshot
        self._without = None
        position = self._follow(self._index, active)
        is_same = self.snapshot is not None and self.snapshot.source is self._index
        if is_same and self.snapshot is not None and position == self._position:
            return self.snapshot
        now = time.monotonic()
        if position != self._position and now >= self._counted_at + self._pause():
            self._index, self._counted_at = remote_open(active), now
        self._position = position
        self.snapshot = _empty_snapshot(version, self._index)
        return self.snapshot

    def _opened(self, active: IndexBuild | None) -> IndexBuild | None:
        """Open the active collection, if it is not the open one; None if there is none."""
        if active is None or (self._index and self._index.name == active.directory):
            return active
        try:
            self._index, self._position = remote_open(active), active.position
            self._counted_at = time.monotonic()
        except _LOST as error:
            logger.error("%s; no songs are found until it is built again", error)
            IndexBuild.objects.filter(pk=active.pk).update(is_active=False)
            self._index = None
            return None
        return active

    def _follow(self, index: RemoteIndex, active: IndexBuild) -> str:
        """Apply what changed, unless another process does; return the position."""
        changes = changes_since(active.position, model_version=active.model_version)
        if not changes.song_ids and not changes.is_everything:
            return active.position
        try:
            with changes_lock():
                active.refresh_from_db()
                position = changes_apply(
                    collections(),
                    index.name,
                    index.statistics,
                    position=active.position,
                    model_version=active.model_version,
                )
                if not position:
                    # The scheduler then loads a new collection beside this one.
                    return active.position
                IndexBuild.objects.filter(pk=active.pk).update(position=position)
                log_trim()
        except IndexBusyError:
            return active.position
        return position

    def _pause(self) -> float:
        """Return how many seconds pass between two counts: counting many songs takes long."""
        return 0.0 if self._index is None or len(self._index) < _QUICK_COUNT else RETRY_SECONDS

    def _from_database(self, version: str, *, is_whole_check: bool) -> IndexSnapshot:
        self._index = None
        if self._without is None:
            songs = emotions_visible(model_version=version).count()
            if songs > MOST_FROM_DATABASE:
                raise IndexMissingError(
                    f"No index of the {songs} songs is in Qdrant. They are too many for each "
                    "process to read; load them with: manage.py build_index"
                )
            self._without = Reader(self._model_version)
        return self._without.poll(is_whole_check=is_whole_check)


def _empty_snapshot(version: str, index: RemoteIndex) -> IndexSnapshot:
    """Return a partial snapshot without a row."""
    return IndexSnapshot(
        model_version=version,
        build=None,
        overlay=Overlay().columns(),
        alive=np.zeros(0, bool),
        statistics=index.statistics,
        restated_shares=None,
        genre_names=index.genre_names,
        source=index,
    )


def _reader(model_version: Callable[[], str]) -> Reader | RemoteReader:
    return RemoteReader(model_version) if is_remote() else Reader(model_version)


class _Process:
    """The reader of this process, and the thread that keeps it up to date."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin anew; in a process that was forked, where the thread is not."""
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._reader = _reader(lambda: analysis.serving_version())
        self._thread: threading.Thread | None = None

    def snapshot(self) -> IndexSnapshot:
        snapshot = self._reader.snapshot
        if snapshot is not None and self._thread is not None:
            return snapshot
        with self._lock:
            snapshot = self._reader.snapshot
            if snapshot is None or not IS_FOLLOWED:
                snapshot = self._reader.poll(is_whole_check=not IS_FOLLOWED)
            if IS_FOLLOWED and self._thread is None:
                self._thread = threading.Thread(
                    target=self._follow, name="index-reader", daemon=True
                )
                self._thread.start()
            return snapshot

    def forget(self) -> None:
        """Let the next call read everything anew, in a thread of its own."""
        self._end.set()
        self.reset()

    def _follow(self) -> None:
        end, is_away = self._end, False
        while not end.wait(POLL_SECONDS):
            try:
                close_old_connections()
                self._reader.poll()
                is_away = False
            except (DatabaseError, InterfaceError, MerError, OSError) as error:
                if not is_away:
                    logger.warning("The index does not follow the database: %s", error)
                is_away = True
                connection.close()
            except Exception:  # the edge of the thread: it must not end
                logger.exception("The index does not follow the database")
                connection.close()
        connection.close()


IS_FOLLOWED = True
"""Whether a thread follows the change log; else each call of `index_snapshot` does it itself."""
_process = _Process()
os.register_at_fork(after_in_child=_process.reset)


def index_snapshot() -> IndexSnapshot:
    """Return the songs that can be recommended, as of about `POLL_SECONDS` ago."""
    return _process.snapshot()


def index_snapshot_of(model_version: str) -> IndexSnapshot:
    """Return the songs as another model version has them; read anew at each call."""
    return _reader(lambda: model_version).poll()


def index_snapshot_forget() -> None:
    """Make the next `index_snapshot` read everything anew."""
    _process.forget()
