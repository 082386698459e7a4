"""Work beside the work: renew what a worker holds, and give it back after an outage."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from django.conf import settings
from django.db import Error, close_old_connections, connections

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

logger = logging.getLogger(__name__)

RETRY_SECONDS: Final = 2.0


@contextmanager
def repeated(action: Callable[[], object], *, every_seconds: float) -> Iterator[None]:
    """Call `action` now and then from a thread while the block runs.

    Not for longer than a task may take: the work of a worker that hangs becomes free. An
    unavailable database is passed over.
    """
    is_over = threading.Event()
    end = time.monotonic() + settings.CELERY_TASK_TIME_LIMIT

    def run() -> None:
        try:
            while not is_over.wait(every_seconds) and time.monotonic() < end:
                _tried(action)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run, name="renewal", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()


def until_done(action: Callable[[], object], *, what: str) -> None:
    """Call `action`; while the database is unavailable, a thread goes on trying."""
    try:
        action()
        return
    except Error as error:
        logger.warning("%s: the database is unavailable (%s); tried until it is back", what, error)

    def run() -> None:
        try:
            while not _tried(action):
                time.sleep(RETRY_SECONDS)
            logger.warning("%s: done, the database is back", what)
        finally:
            connections.close_all()

    threading.Thread(target=run, name="after the outage", daemon=True).start()


def _tried(action: Callable[[], object]) -> bool:
    close_old_connections()  # a broken connection is replaced
    try:
        action()
    except Error as error:
        logger.info("The database is unavailable: %s", error)
        return False
    return True
