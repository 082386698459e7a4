"""One import of a table at a time: two would mark each other's songs as gone."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from django.conf import settings
from django.db import connection
from django.utils.translation import gettext
from filelock import FileLock, Timeout

from catalog.errors import PathError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catalog.models import Library

_LOCK: Final = 0x61665462
"""First key of the PostgreSQL advisory locks on tables, by library; no other code takes it."""
_MOST: Final = 2**31


@contextmanager
def table_held(library: Library) -> Iterator[None]:
    """Hold the lock on importing a table, across all processes; a killed one releases it.

    PathError at once if another import of it is under way.
    """
    if connection.vendor != "postgresql":
        with _file_held(library):
            yield
        return
    keys = [_LOCK, library.pk % _MOST]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", keys)
        if not cursor.fetchone()[0]:
            raise _busy(library)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", keys)


@contextmanager
def _file_held(library: Library) -> Iterator[None]:
    folder = settings.VAR_DIR / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"table-{library.pk}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise _busy(library) from error
    try:
        yield
    finally:
        lock.release()


def _busy(library: Library) -> PathError:
    words = gettext("%(name)s: is being imported already; try again when that has ended")
    return PathError(words % {"name": library.name})
