"""A dry run: an ingest that says what it would do, and changes nothing.

It runs the code of the real ingest on a copy of the catalogue. Every table of the database gets a
temporary table of the same name, which the database finds first, on this connection alone. So the
same reading and the same table of outcomes decide, and no statement can reach a stored row. A
transaction that is rolled back at the end would hold SQLite's only write lock for hours, and one
for each batch would forget what the files of the batches before became.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from django.apps import apps
from django.db import connection

from catalog.errors import PermanentError, TransientError
from catalog.ingest.run import ingest_run, ingest_start
from catalog.models import (
    Album,
    Artist,
    BackgroundJob,
    Genre,
    IngestFailure,
    KnownCopy,
    Library,
    Recording,
    Song,
    SongCredit,
)
from catalog.work.jobs import job_start
from catalog.work.messages import messages_withheld

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from django.db.backends.utils import CursorWrapper

    from catalog.ingest.state import Fate

_COPIED: Final = (
    *(Library, Recording, Artist, Album, Genre, Song, SongCredit, Song.genres.through),
    *(IngestFailure, KnownCopy),
)
"""The tables that decide an outcome; the temporary ones of the others stay empty."""


@dataclass(slots=True)
class Rehearsal:
    """What an ingest of one folder or file would do; `counts` is what its job would count.

    `code` and `message` are of the error that would end the ingest; `files` were read before it.
    """

    path: str
    counts: dict[str, Any]
    files: list[Fate] = field(default_factory=list)
    code: str = ""
    message: str = ""


def ingest_rehearse(
    *,
    path: Path,
    accept_empty: bool = False,
    on_progress: Callable[[BackgroundJob], object] = lambda _: None,
) -> list[Rehearsal]:
    """Return what an ingest of the folder or file would do, and of the folders behind its links.

    It changes no row and sends no message. PathError as from `ingest_start`. Call it outside a
    transaction, and from a process that does nothing else with the database meanwhile.
    """
    with _scratch_tables(), messages_withheld():
        first = ingest_start(path=path, is_anywhere_allowed=True, accept_empty=accept_empty)
        jobs = [first]
        found = []
        for job in jobs:  # grows by the folders behind links
            found.append(_rehearsed(job, on_progress))
            linked = BackgroundJob.objects.filter(pk__in=job.result.get("linked", []))
            jobs += linked.exclude(pk__in=[one.pk for one in jobs]).order_by("created_at")
        return found


def _rehearsed(job: BackgroundJob, on_progress: Callable[[BackgroundJob], object]) -> Rehearsal:
    result = Rehearsal(job.arguments["path"], {})
    started = job_start(job_id=job.pk, worker="manage.py ingest --dry-run")
    try:
        ingest_run(job=started, on_progress=on_progress, on_file=result.files.append)
    except PermanentError as error:
        result.code, result.message = error.code, str(error)
    job.refresh_from_db()
    result.counts = {
        name: value
        for name, value in job.result.items()
        if name not in {"phase", "cursor", "linked", "analysed"}
    }
    return result


@contextmanager
def _scratch_tables() -> Iterator[None]:
    """Let this connection see temporary copies in the place of all tables, until the end."""
    connection.ensure_connection()
    session = connection.connection

    def same_session(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:  # noqa: FBT001
        # A new connection would see the stored tables.
        if connection.connection is not session:
            raise TransientError("the connection to the database was lost; start the dry run again")
        return execute(sql, params, many, context)

    models = apps.get_models(include_auto_created=True)
    managed = [model for model in models if model._meta.managed and not model._meta.proxy]
    tables = sorted({model._meta.db_table for model in managed})
    copied = [model._meta.db_table for model in _COPIED]
    connection.disable_constraint_checking()  # SQLite: references end at the temporary tables
    try:
        with connection.execute_wrapper(same_session):
            with connection.cursor() as cursor:
                make = _postgresql if connection.vendor == "postgresql" else _sqlite
                make(cursor, tables, copied)
            yield
    finally:
        if connection.connection is session:
            with connection.cursor() as cursor:
                schema = "pg_temp" if connection.vendor == "postgresql" else "temp"
                for table in tables:
                    cursor.execute(f'DROP TABLE IF EXISTS {schema}."{table}"')
        connection.enable_constraint_checking()


def _sqlite(cursor: CursorWrapper, tables: list[str], copied: list[str]) -> None:
    cursor.execute(
        "SELECT tbl_name, type, sql FROM main.sqlite_master WHERE sql IS NOT NULL "
        "AND type IN ('table', 'index') ORDER BY type DESC"
    )
    for table, kind, sql in cursor.fetchall():
        if table not in tables:
            continue
        scratch, found = (
            re.subn(r"^CREATE TABLE ", "CREATE TEMP TABLE ", sql)
            if kind == "table"
            else re.subn(r"^(CREATE (?:UNIQUE )?INDEX )", r"\1temp.", sql)
        )
        # With it SQLite would keep a temporary sqlite_sequence, which hides the stored one.
        scratch = scratch.replace(" AUTOINCREMENT", "")
        if not found:
            raise RuntimeError(f"no temporary table can be made of: {sql}")
        cursor.execute(scratch)
    for table in copied:
        # S608: names of our own models.
        cursor.execute(f'INSERT INTO temp."{table}" SELECT * FROM main."{table}"')  # noqa: S608


def _postgresql(cursor: CursorWrapper, tables: list[str], copied: list[str]) -> None:
    cursor.execute("SELECT current_schema()")
    (stored,) = cursor.fetchone()
    for table in tables:
        cursor.execute(f'CREATE TEMP TABLE "{table}" (LIKE "{stored}"."{table}" INCLUDING ALL)')
    for table in copied:
        cursor.execute(
            f'INSERT INTO pg_temp."{table}" OVERRIDING SYSTEM VALUE '  # noqa: S608
            f'SELECT * FROM "{stored}"."{table}"'
        )
        cursor.execute(
            f"SELECT setval(pg_get_serial_sequence('pg_temp.\"{table}\"', 'id'), "  # noqa: S608
            f'(SELECT coalesce(max(id), 0) + 1 FROM pg_temp."{table}"))'
        )
