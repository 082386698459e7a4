"""A consistent copy of the database in one of three forms, and the way back.

``sqlite``      SQLite's online backup: the file
``postgresql``  what ``pg_dump`` writes
``portable``    every row as a line of JSON, for either database; slower, of this release only

Logins (sessions) are in no copy: who holds one could use it.
"""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from contextlib import closing
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from django.apps import apps
from django.core import serializers
from django.core.management import CommandError, call_command
from django.core.serializers.json import DjangoJSONEncoder
from django.db import DatabaseError, connection, transaction

from recommender.errors import BackupError
from recommender.settings import env

if TYPE_CHECKING:
    from pathlib import Path

    from django.db.models import Model

_SESSIONS: Final = "django_session"
_LOCK_SECONDS: Final = 30
_NOT_PORTABLE: Final = (
    *("contenttypes.ContentType", "auth.Permission", "admin.LogEntry", "sessions.Session"),
    *("recommender.IndexBuild", "recommender.ServiceHeartbeat", "catalog.SongChange"),
)
"""Models whose rows are made anew, or are of no use elsewhere."""


class _ExactEncoder(DjangoJSONEncoder):
    """Django's encoder cuts times after milliseconds."""

    def default(self, o: Any) -> Any:
        return o.isoformat() if isinstance(o, datetime) else super().default(o)


def form_of(*, is_portable: bool) -> str:
    """Return the form that a backup here takes; PostgreSQL without ``pg_dump`` is portable."""
    if is_portable or (connection.vendor == "postgresql" and not shutil.which("pg_dump")):
        return "portable"
    return str(connection.vendor)


def copy_write(form: str, target: Path) -> None:
    """Write a copy of the database as of one moment; other processes go on meanwhile."""
    {"sqlite": _sqlite_write, "postgresql": _postgresql_write, "portable": _portable_write}[form](
        target
    )


def copy_check(form: str, source: Path) -> None:
    """Raise `BackupError` if a copy cannot be restored here; changes nothing."""
    if form not in ("portable", connection.vendor):
        raise BackupError(
            "BACKUP_OTHER_DATABASE",
            f"The backup is of {form}, this installation uses {connection.vendor}. Make the backup "
            "with --portable where it comes from",
        )
    if form == "sqlite":
        _sqlite_check(source)
    if form == "postgresql" and not (shutil.which("pg_restore") and shutil.which("psql")):
        raise BackupError(
            "BACKUP_TOOL_MISSING", "pg_restore and psql are needed; install PostgreSQL's client"
        )


def copy_restore(form: str, source: Path) -> None:
    """Put a checked copy in the place of the database, all of it or nothing."""
    {
        "sqlite": _sqlite_restore,
        "postgresql": _postgresql_restore,
        "portable": _portable_restore,
    }[form](source)


def portable_models() -> list[type[Model]]:
    """Return the models whose rows are in a portable copy, referenced ones first."""
    models = [m for m in apps.get_models() if m._meta.label not in _NOT_PORTABLE]
    return serializers.sort_dependencies([(None, models)], allow_cycles=True)


def _sqlite_write(target: Path) -> None:
    with closing(sqlite3.connect(target)) as copy:
        connection.ensure_connection()
        connection.connection.backup(copy)
        copy.execute("PRAGMA secure_delete = ON")
        copy.execute(f"DELETE FROM {_SESSIONS}")  # noqa: S608  # a constant
        copy.commit()
        # Otherwise the copy would need the -wal file beside it.
        copy.execute("PRAGMA journal_mode = DELETE")


def _sqlite_check(source: Path) -> None:
    try:
        with closing(sqlite3.connect(source)) as copy:
            found = copy.execute("PRAGMA integrity_check").fetchone()[0]
            copy.execute("SELECT 1 FROM django_migrations").fetchone()
    except sqlite3.DatabaseError as error:
        raise BackupError("BACKUP_DAMAGED", f"the copy of the database: {error}") from error
    if found != "ok":
        raise BackupError("BACKUP_DAMAGED", f"the copy of the database: {found}")


def _sqlite_restore(source: Path) -> None:
    """Copy the pages into the database in one transaction, so a kill half way changes nothing."""
    connection.ensure_connection()
    try:
        with closing(sqlite3.connect(source)) as copy:
            copy.backup(connection.connection)
    except sqlite3.OperationalError as error:
        raise BackupError(
            "BACKUP_TARGET_BUSY", f"the database is in use ({error}); stop all processes"
        ) from error
    connection.close()


def _postgresql_write(target: Path) -> None:
    command = [
        *("pg_dump", "--format=custom", "--no-owner", "--no-privileges"),
        *(f"--exclude-table-data={_SESSIONS}", f"--file={target}"),
    ]
    _run(command)


def _postgresql_restore(source: Path) -> None:
    script = source.with_suffix(".sql")
    _run(
        [
            *("pg_restore", "--clean", "--if-exists", "--no-owner", "--no-privileges"),
            *(f"--file={script}", str(source)),
        ]
    )
    # A newer release may have tables that the copy does not know.
    quoted = map(connection.ops.quote_name, connection.introspection.table_names())
    tables = ", ".join(quoted)
    connection.close()
    drop = [f"--command=DROP TABLE IF EXISTS {tables} CASCADE"] if tables else []
    _run(
        [
            *("psql", "--no-psqlrc", "--quiet", "--single-transaction", "--output=/dev/null"),
            *("--set=ON_ERROR_STOP=1", *drop, f"--file={script}"),
        ]
    )


def _run(command: list[str]) -> None:
    """Run a tool of PostgreSQL; the password is in its environment, where no other user looks."""
    options: dict[str, Any] = connection.settings_dict
    names = {
        "PGHOST": options["HOST"],
        "PGPORT": options["PORT"],
        "PGUSER": options["USER"],
        "PGPASSWORD": options["PASSWORD"],
        "PGDATABASE": options["NAME"],
        "PGOPTIONS": f"-c lock_timeout={_LOCK_SECONDS}s",
        "PGCONNECT_TIMEOUT": "10",
    }
    environment = {**env.ENVIRON, **{name: str(value) for name, value in names.items() if value}}
    # The programs of PostgreSQL, with arguments of ours.
    done = subprocess.run(  # noqa: S603
        command, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no message"]
        raise BackupError(
            "BACKUP_TOOL_FAILED", f"{command[0]}: {lines[-1]}. With --portable it is not needed"
        )


@transaction.atomic
def _portable_write(target: Path) -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    with target.open("w", encoding="utf-8") as file:
        for model in portable_models():
            rows = model._default_manager.order_by("pk").iterator(chunk_size=1_000)
            serializers.serialize(
                "jsonl", rows, stream=file, use_natural_foreign_keys=True, cls=_ExactEncoder
            )


@transaction.atomic
def _portable_restore(source: Path) -> None:
    call_command("flush", interactive=False, verbosity=0)
    try:
        call_command("loaddata", str(source), verbosity=0)
    except (serializers.base.DeserializationError, DatabaseError, CommandError) as error:
        raise BackupError("BACKUP_DAMAGED", f"the copy of the database: {error}") from error
