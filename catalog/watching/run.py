"""The watcher: one `LibraryWatch` for each library that the database says is watched."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from django.conf import settings
from django.db import Error, close_old_connections, connections

from catalog.models import Library
from catalog.watching.library import LibraryWatch

if TYPE_CHECKING:
    from threading import Event

logger = logging.getLogger(__name__)

SYNC_SECONDS: Final = 3.0
"""Time between two looks at the libraries in the database."""
SIGN_NAME: Final = "watcher-sign"
"""A file below VAR_DIR that is touched at every look, also while the database is away."""


def watch_run(stopped: Event) -> None:
    """Watch the libraries until `stopped` is set; switches in the database count within seconds."""
    watches: dict[int, LibraryWatch] = {}
    try:
        while not stopped.is_set():
            (settings.VAR_DIR / SIGN_NAME).touch()
            try:
                _sync(watches)
                close_old_connections()
            except Error as error:
                logger.warning("The libraries cannot be read now: %s", error)
                connections.close_all()
            stopped.wait(SYNC_SECONDS)
    finally:
        for watch in watches.values():
            watch.stop()
        for watch in watches.values():
            watch.join(SYNC_SECONDS)


def _sync(watches: dict[int, LibraryWatch]) -> None:
    """Start and stop watches, so that they are those of the database."""
    on = Library.objects.exclude(watch=Library.Watch.OFF).filter(is_going=False)
    wanted = {library.pk: library for library in on}
    for pk, watch in list(watches.items()):
        library = wanted.get(pk)
        is_same = library and (library.root, library.watch) == (watch.library.root, watch.mode)
        if is_same and watch.is_alive():
            continue
        watch.stop()
        del watches[pk]
    # What a former watcher said, or one that is stopped now, holds no more.
    idle = Library.objects.exclude(pk__in=watches).exclude(watch_state=Library.WatchState.NONE)
    idle.update(watch_state=Library.WatchState.NONE, watch_note="")
    for pk, library in wanted.items():
        if pk not in watches:
            watches[pk] = LibraryWatch(library)
            watches[pk].start()
