"""What a process holds while it writes or undoes a run: the run itself, and a careful database."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

from django.conf import settings
from django.db import connection
from django.utils.translation import gettext
from filelock import FileLock, Timeout

from catalog.errors import TagRunBusyError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catalog.models import TagRun

_RUNS: Final = 20_411
"""First key of the PostgreSQL advisory locks on runs; the second one is the run."""


@contextlib.contextmanager
def run_held(run: TagRun) -> Iterator[None]:
    """Hold a run, across all processes; TagRunBusyError at once if another one holds it.

    A killed process releases it. The journal is on the disk before a file changes.
    """
    with _lock(run), _synced():
        run.refresh_from_db()
        yield


@contextlib.contextmanager
def _lock(run: TagRun) -> Iterator[None]:
    busy = TagRunBusyError(
        gettext("Another process writes or undoes the run %(run)s; wait for it") % {"run": run.pk}
    )
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [_RUNS, run.pk])
            if not cursor.fetchone()[0]:
                raise busy
        try:
            yield
        finally:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [_RUNS, run.pk])
        return
    # Numbers of runs are those of one database.
    database = hashlib.sha256(str(connection.settings_dict["NAME"]).encode()).hexdigest()[:12]
    folder = Path(settings.VAR_DIR) / "tag-runs"
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"{database}-{run.pk}.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise busy from error
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def _synced() -> Iterator[None]:
    """Let SQLite sync each commit: with its usual settings a power cut loses the last ones.

    PostgreSQL does so by itself. Within a transaction SQLite refuses the change.
    """
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA synchronous")
        (usual,) = cursor.fetchone()
        cursor.execute("PRAGMA synchronous = FULL")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"PRAGMA synchronous = {int(usual)}")
