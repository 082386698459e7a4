"""The change log: which songs changed in what recommendations use, in the order of commits.

Triggers write it, so each line belongs to the transaction of its change, whatever made the change:
the ORM, a bulk update, a cascade or SQL by hand. `triggers_install` puts them into the database
after every migration. To watch another column, add it to `_SONG_COLUMNS` or `_EMOTION_COLUMNS`.

A *position* is a place in the log, as text. SQLite has one writer at a time, so there it is the
last sequence number. PostgreSQL commits transactions in another order than it numbers their lines,
so there it is a snapshot of the server: the transactions whose lines a reader could see.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.db import connections, router, transaction
from django.db.migrations.operations import AddIndex, AlterModelOptions, CreateModel, RemoveIndex

from catalog.models import Song, SongChange, SongCredit, SongEmotion

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.db.backends.utils import CursorWrapper
    from django.db.migrations import Migration
    from django.db.migrations.operations.base import Operation

EVERY_SONG: Final = 0
"""`SongChange.song_id` of a line that stands for every song."""
_PREFIX: Final = "affetti_change_"
_LOG: Final = SongChange._meta.db_table
_SONGS: Final = Song._meta.db_table
_EMOTIONS: Final = SongEmotion._meta.db_table
_CREDITS: Final = SongCredit._meta.db_table
_TRIGGER_MODELS: Final = {m._meta.model_name for m in (Song, SongEmotion, SongCredit, SongChange)}
_SONG_COLUMNS: Final = (
    *("artist_key", "genre", "year", "duration_seconds", "bpm"),
    *("estimated_bpm", "tempo_confidence", "estimated_key", "key_confidence"),
    *("library_id", "album_entry_id", "recording_id", "recording_rank"),
)
_EMOTION_COLUMNS: Final = (
    *("valence", "arousal", "valence_spread", "arousal_spread", "quadrants", "emotions"),
    *("alone", "felt", "confidence", "fused_embedding", "model_version", "song_id"),
)
_VISIBLE: Final = "({row}.is_available AND ({row}.status = 'analysed' OR {row}.keeps_emotion))"
"""`catalog.versions.emotions_visible` as a condition on a row of songs."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed after a position, up to `position`."""

    position: str
    song_ids: tuple[int, ...]
    """Each once; a song may be among them again at the next call."""
    is_everything: bool
    """Whether any song may have changed; the log does not say which."""


def position_now() -> str:
    """Return the position after every change that is committed now.

    Changes of the transaction that asks count as committed.
    """
    with _cursor() as cursor:
        return _position(cursor)


def changes_since(position: str, *, model_version: str) -> Changes:
    """Return the songs that changed after a position, in themselves or by one model version.

    It reads a few lines of an index. No change is ever left out, however late its commit.
    """
    with _cursor() as cursor:
        # Read first: what is committed in between is returned now and at the next call.
        now = _position(cursor)
        if _is_of_another_server(position, now):
            return Changes(now, (), is_everything=True)
        condition, values = _after(position)
        cursor.execute(
            f"SELECT DISTINCT song_id FROM {_LOG} WHERE {condition} "  # noqa: S608  constants
            "AND model_version IN ('', %s) ORDER BY song_id",
            [*values, model_version],
        )
        found = [song_id for (song_id,) in cursor.fetchall()]
    ids = tuple(song_id for song_id in found if song_id != EVERY_SONG)
    return Changes(now, ids, is_everything=EVERY_SONG in found)


def everything_changed() -> None:
    """Log that any song may have changed, as after a restore."""
    with _cursor() as cursor:
        cursor.execute(_everything_sql(cursor))


def changes_trim(positions: Iterable[str]) -> int:
    """Delete the lines that come before all of some positions; return their number."""
    conditions = [_after(position) for position in positions]
    if not conditions:
        return 0
    before = " AND ".join(f"NOT ({condition})" for condition, _ in conditions)
    with _cursor() as cursor:
        cursor.execute(
            f"DELETE FROM {_LOG} WHERE {before}",  # noqa: S608  constants
            [value for _, values in conditions for value in values],
        )
        return int(cursor.rowcount)


def _cursor() -> CursorWrapper:
    return connections[router.db_for_write(SongChange)].cursor()


def _is_postgresql(cursor: CursorWrapper) -> bool:
    return bool(cursor.db.vendor == "postgresql")


def _position(cursor: CursorWrapper) -> str:
    if _is_postgresql(cursor):
        cursor.execute(
            "SELECT pg_current_snapshot()::text, "  # noqa: S608  a constant
            "coalesce(pg_current_xact_id_if_assigned()::text, '0'), "
            f"(SELECT coalesce(max(id), 0) FROM {_LOG})"
        )
        return "|".join(str(value) for value in cursor.fetchone())
    # AUTOINCREMENT keeps the number of the last line when the line is deleted.
    cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [_LOG])
    row = cursor.fetchone()
    return str(row[0] if row else 0)


def _after(position: str) -> tuple[str, list[Any]]:
    """Return the condition, with its values, of the lines after a position."""
    if "|" not in position:
        return "id > %s", [int(position)]
    snapshot, own, last = position.split("|")
    condition = (
        # The first part uses the index. The own transaction is the one that asked for the position:
        # the server's snapshot does not say which of its lines came before.
        "transaction_id >= %s AND CASE WHEN transaction_id = %s THEN id > %s "
        "ELSE NOT pg_visible_in_snapshot(transaction_id::text::xid8, %s::pg_snapshot) END"
    )
    return condition, [int(snapshot.partition(":")[0]), int(own), int(last), snapshot]


def _is_of_another_server(position: str, now: str) -> bool:
    """Whether the database was moved, by a dump, to a server that counts transactions anew."""
    if ("|" in position) != ("|" in now):
        return True
    if "|" not in position:
        return int(position) > int(now)
    return _next_transaction(position) > _next_transaction(now)


def _next_transaction(position: str) -> int:
    return int(position.split(":")[1])


def triggers_drop(*, using: str, plan: Sequence[tuple[Migration, bool]] = (), **_: object) -> None:
    """Remove the triggers before a migration that they would hinder.

    SQLite rebuilds and renames tables. PostgreSQL does not, so there they are removed only before a
    step back, which may drop the log. While they are absent every song counts as changed, so they
    stay where no table of theirs is rebuilt.
    """
    steps = [step for step in plan if step[0].app_label == Song._meta.app_label]
    with connections[using].cursor() as cursor:
        is_back = any(is_back for _, is_back in steps)
        is_rebuilt = any(_rebuilds(operation) for step, _ in steps for operation in step.operations)
        if is_back or (is_rebuilt and not _is_postgresql(cursor)):
            there = connections[using].introspection.table_names(cursor)
            for name, table in _TABLES.items():
                if table in there:
                    _execute(cursor, _drop_sql(cursor, name, table))


def _rebuilds(operation: Operation) -> bool:
    """Whether SQLite may rebuild a table with triggers, or the log, in an operation."""
    if isinstance(operation, CreateModel | AddIndex | RemoveIndex | AlterModelOptions):
        return False
    model = getattr(operation, "model_name", None)
    return model is None or str(model).lower() in _TRIGGER_MODELS


def triggers_install(*, using: str, **_: object) -> None:
    """Put the triggers into the database, if they are not there as this release has them."""
    connection = connections[using]
    with transaction.atomic(using=using), connection.cursor() as cursor:
        if not {_LOG, *_TABLES.values()} <= set(connection.introspection.table_names(cursor)):
            return
        wanted, there = _trigger_sql(cursor), _installed(cursor)
        if there == wanted:
            return
        for name, table in _TABLES.items():
            _execute(cursor, _drop_sql(cursor, name, table))
        _execute(cursor, _create_sql(wanted, cursor))
        if not there.keys() >= wanted.keys():
            # Nothing was logged while they were absent.
            cursor.execute(_everything_sql(cursor))


_TABLES: Final = {
    "song_update": _SONGS,
    "emotion_insert": _EMOTIONS,
    "emotion_update": _EMOTIONS,
    "emotion_delete": _EMOTIONS,
    "credit_insert": _CREDITS,
    "credit_delete": _CREDITS,
}
"""The table of each trigger. A song without an emotion is in no list, so only its updates count."""


def _everything_sql(cursor: CursorWrapper) -> str:
    return (
        f"INSERT INTO {_LOG} (song_id, model_version, transaction_id) "  # noqa: S608  constants
        f"VALUES ({EVERY_SONG}, '', {_transaction_sql(cursor)})"
    )


def _execute(cursor: CursorWrapper, statements: Iterable[str]) -> None:
    for statement in statements:
        cursor.execute(statement)


def _drop_sql(cursor: CursorWrapper, name: str, table: str) -> list[str]:
    full = f"{_PREFIX}{name}"
    if _is_postgresql(cursor):
        return [
            f"DROP TRIGGER IF EXISTS {full} ON {table}",
            f"DROP FUNCTION IF EXISTS {full}()",
        ]
    return [f"DROP TRIGGER IF EXISTS {full}"]


def _trigger_sql(cursor: CursorWrapper) -> dict[str, str]:
    """Return what tells whether each trigger is as it should be: its body or its statement."""
    return {
        f"{_PREFIX}{name}": _one_trigger(cursor, name, table) for name, table in _TABLES.items()
    }


def _one_trigger(cursor: CursorWrapper, name: str, table: str) -> str:
    event = name.rpartition("_")[2].upper()
    row = "OLD" if event == "DELETE" else "NEW"
    song, version = {
        _SONGS: ("NEW.id", "''"),
        _EMOTIONS: (f"{row}.song_id", f"{row}.model_version"),
        _CREDITS: (f"{row}.song_id", "''"),
    }[table]
    write = (
        f"INSERT INTO {_LOG} (song_id, model_version, transaction_id) "  # noqa: S608  constants
        f"VALUES ({song}, {version}, {_transaction_sql(cursor)});"
    )
    condition = _condition(cursor, name, song)
    if _is_postgresql(cursor):
        # Not a WHEN of the trigger, or a column could not be dropped while it is there.
        return f"BEGIN IF {condition} THEN {write} END IF; RETURN NULL; END"
    return (
        f"CREATE TRIGGER {_PREFIX}{name} AFTER {event} ON {table} FOR EACH ROW "
        f"WHEN {condition} BEGIN {write} END"
    )


def _condition(cursor: CursorWrapper, name: str, song: str) -> str:
    old, new = _VISIBLE.format(row="OLD"), _VISIBLE.format(row="NEW")
    if name == "song_update":
        return f"({old} OR {new}) AND ({old} <> {new} OR {_differs(cursor, _SONG_COLUMNS)})"
    if name == "emotion_update":
        return _differs(cursor, _EMOTION_COLUMNS)
    if name.startswith("credit"):
        return f"EXISTS (SELECT 1 FROM {_EMOTIONS} WHERE song_id = {song})"  # noqa: S608
    return "true" if _is_postgresql(cursor) else "1"


def _differs(cursor: CursorWrapper, columns: Iterable[str]) -> str:
    is_not = "IS DISTINCT FROM" if _is_postgresql(cursor) else "IS NOT"
    return f"({' OR '.join(f'OLD.{name} {is_not} NEW.{name}' for name in columns)})"


def _transaction_sql(cursor: CursorWrapper) -> str:
    return "pg_current_xact_id()::text::bigint" if _is_postgresql(cursor) else "0"


def _create_sql(wanted: dict[str, str], cursor: CursorWrapper) -> list[str]:
    if not _is_postgresql(cursor):
        return list(wanted.values())
    statements = []
    for full, body in wanted.items():
        name = full.removeprefix(_PREFIX)
        event = name.rpartition("_")[2].upper()
        on = f"AFTER {event} ON {_TABLES[name]} FOR EACH ROW"
        statements += [
            f"CREATE FUNCTION {full}() RETURNS trigger LANGUAGE plpgsql AS $${body}$$",
            f"CREATE TRIGGER {full} {on} EXECUTE FUNCTION {full}()",
        ]
    return statements


def _installed(cursor: CursorWrapper) -> dict[str, str]:
    if _is_postgresql(cursor):
        cursor.execute(
            "SELECT t.tgname, p.prosrc FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid "
            "JOIN pg_class c ON c.oid = t.tgrelid "
            "WHERE t.tgname LIKE %s AND c.relnamespace = current_schema()::regnamespace "
            "AND t.tgenabled <> 'D'",
            [f"{_PREFIX}%"],
        )
    else:
        cursor.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND name LIKE %s",
            [f"{_PREFIX}%"],
        )
    return dict(cursor.fetchall())
