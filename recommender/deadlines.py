"""How long this process waits for the database.

A stopped server still accepts connections, and the kernel acknowledges what is sent to it, so no
setting of TCP ends the wait for its answer. Three things do, in a process that serves requests:

- a statement that hears nothing from the server for `SILENCE_SECONDS` is given up
  (`recommender.postgresql`), and so is a health check after `CHECK_SECONDS`;
- a thread asks the server for a sign of life every second. While it gets none, every statement
  that waits is given up at once, and no connection is opened;
- SQLite waits for its lock for `SILENCE_SECONDS`.

Workers and commands wait as long as it takes: their statements may be long.
"""

from __future__ import annotations

import logging
import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from django.core.signals import request_started
from django.db import DatabaseError, InterfaceError, connections

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)

SILENCE_SECONDS: Final = 6.0
STATEMENT_SECONDS: Final = 30
"""A live server cancels a statement of the web process after this."""
CHECK_SECONDS: Final = 2.0
WATCH_SECONDS: Final = 1.0

_own = threading.local()


class _Process:
    """What holds for every thread of this process."""

    is_serving = False
    is_database_away = False
    watched_in = 0


def serving_start() -> None:
    """Bound the waits of this process: it serves requests."""
    _Process.is_serving = True
    database = connections.settings["default"]
    if database["ENGINE"].endswith("sqlite3"):
        database["OPTIONS"]["timeout"] = SILENCE_SECONDS
    else:
        # A server forks its workers after it has loaded the application, and threads do not
        # survive a fork.
        request_started.connect(_watch_start)


def is_serving() -> bool:
    """Return whether this process serves requests."""
    return _Process.is_serving


def silence_allowed() -> float | None:
    """Return for how long this thread bears silence of the database; None is for ever."""
    own: float | None = getattr(_own, "seconds", None)
    return own if own is not None else (SILENCE_SECONDS if _Process.is_serving else None)


def is_given_up() -> bool:
    """Return whether this thread is not to wait for the database at all now."""
    return _Process.is_database_away and not getattr(_own, "is_watch", False)


@contextmanager
def silence_at_most(seconds: float) -> Iterator[None]:
    """Let this thread bear silence of the database for `seconds` only."""
    before = getattr(_own, "seconds", None)
    _own.seconds = seconds if before is None else min(seconds, before)
    try:
        yield
    finally:
        _own.seconds = before


def _watch_start(**_: Any) -> None:
    if _Process.watched_in != os.getpid():
        _Process.watched_in = os.getpid()
        threading.Thread(target=_watch, name="database-watch", daemon=True).start()


def _watch() -> None:
    _own.is_watch = True
    pause = threading.Event()
    while not pause.wait(WATCH_SECONDS):
        is_away = not _is_alive()
        if is_away != _Process.is_database_away:
            logger.warning("The database %s", "is away" if is_away else "answers again")
        _Process.is_database_away = is_away


def _is_alive() -> bool:
    connection = connections["default"]
    try:
        with silence_at_most(CHECK_SECONDS), connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except (DatabaseError, InterfaceError):
        connection.close()
        return False
    return True
