"""Whether COPY writes the results of an analysis faster than today's batched INSERT.

    DATABASE_URL=postgres://… python -m benchmarks.bench_copy [--rounds 30]

Both write the same rows of `SongEmotion` into a throw-away database on that server, new ones and
then the same ones again, as after a change of the files. COPY cannot update, so it fills a
temporary table, from which one INSERT … ON CONFLICT takes the rows.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import django
from django.apps import apps
from django.core.management import call_command
from django.db import connection, transaction

from benchmarks.catalogues import Songs, throw_away_database

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SIZES = (8, 64, 256)
"""Rows at once; the default of AFFETTI_ANALYSIS_BATCH_SIZE is 8."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench_copy", description=__doc__)
    parser.add_argument("--rounds", type=int, default=30, help="of each size; the median counts")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, throw_away_database(Path(folder)):
        django.setup()
        call_command("migrate", verbosity=0)
        if connection.vendor != "postgresql":
            parser.error("COPY is of PostgreSQL; set DATABASE_URL to one")
        songs = Songs()
        ids = songs.add(max(SIZES), artists=20)
        for size in SIZES:
            rows = songs._emotions(ids[:size])
            took = _compared(rows, options.rounds)
            insert, copy = took[_insert], took[_copy]
            print(
                f"{size:4d} rows: INSERT {1e3 * insert:.1f} ms, COPY {1e3 * copy:.1f} ms, "
                f"{insert / copy:.2f} times as fast"
            )
        connection.close()


def _compared(rows: Sequence[Any], rounds: int) -> dict[Callable[[Sequence[Any]], None], float]:
    """Return the median seconds of both ways; they take turns, each on a table without the rows."""
    model = apps.get_model("catalog.SongEmotion")
    took: dict[Any, list[float]] = {}
    for _ in range(rounds):
        for write in (_insert, _copy):
            model.objects.all().delete()
            for row in rows:
                row.pk = None
            for _again in range(2):
                start = time.perf_counter()
                with transaction.atomic():
                    write(rows)
                took.setdefault(write, []).append(time.perf_counter() - start)
    return {write: median(seconds) for write, seconds in took.items()}


def _fields() -> list[Any]:
    return list(apps.get_model("catalog.SongEmotion")._meta.concrete_fields)[1:]


def _insert(rows: Sequence[Any]) -> None:
    model = apps.get_model("catalog.SongEmotion")
    updated = [field.name for field in _fields() if field.name not in {"song", "model_version"}]
    model.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["song", "model_version"],
        update_fields=updated,
    )


def _copy(rows: Sequence[Any]) -> None:
    table, fields = apps.get_model("catalog.SongEmotion")._meta.db_table, _fields()
    names = ", ".join(field.column for field in fields)
    updated = ", ".join(
        f"{field.column} = EXCLUDED.{field.column}"
        for field in fields
        if field.name not in {"song", "model_version"}
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TEMP TABLE held ON COMMIT DROP AS SELECT {names} FROM {table} LIMIT 0"
        )
        with cursor.copy(f"COPY held ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(
                    [
                        field.get_db_prep_save(field.pre_save(row, add=True), connection)
                        for field in fields
                    ]
                )
        cursor.execute(
            f"INSERT INTO {table} ({names}) SELECT {names} FROM held "
            f"ON CONFLICT (song_id, model_version) DO UPDATE SET {updated}"
        )


if __name__ == "__main__":
    main()
