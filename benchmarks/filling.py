"""Many synthetic songs at once, on PostgreSQL: by COPY, and by statements over all of them.

A million songs take a few minutes. Triggers and foreign keys are off meanwhile, and the indexes
are made afterwards. The change log gets one line for all songs.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db import transaction

from mer.affect import EMOTIONS, QUADRANTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from django.db.backends.utils import CursorWrapper
    from django.db.models import Model

SENTINELS = (8_000_000_008, 9_000_000_009)
"""The numbers of the song, and of its artist, that the rows have which the others are like; no
other number contains them."""
_MADE = ("catalog.Song", "catalog.SongEmotion", "catalog.SongCredit")
_CHUNK = 20_000
_DRAWN = "drawn_emotion"
_COLUMNS = {
    "n": "bigint",
    "valence": "double precision",
    "arousal": "double precision",
    "emotions": "text",
    "quadrants": "text",
    "fused": "bytea",
}


def fill(
    cursor: CursorWrapper,
    song: Model,
    emotion: Model,
    numbers: range,
    *,
    artists: int,
    drawn: Callable[[int], dict[str, Any]],
) -> list[int]:
    """Write a song, its emotion and its credit for each number; return the ids of the songs.

    They are like `song` and `emotion`, which have the numbers of `SENTINELS` in their texts.
    `drawn` returns "places", "emotions", "quadrants" and "fused" of so many songs.
    """
    from catalog.changes import everything_changed  # noqa: PLC0415  needs Django

    with transaction.atomic():
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("SET LOCAL maintenance_work_mem = '512MB'")
        with _without_indexes(cursor):
            first = _reserved(cursor, song, len(numbers)) - numbers.start
            _insert(cursor, song, _series(numbers), _song_values(first, artists))
            _credits(cursor, numbers, first, artists)
            _draw(cursor, numbers, drawn)
            _insert(cursor, emotion, _DRAWN, _emotion_values(first))
            cursor.execute(f"DROP TABLE {_DRAWN}")
        everything_changed()
    return [first + number for number in numbers]


def _song_values(first: int, artists: int) -> dict[str, str]:
    """Return an expression of the number n for each column that differs between songs."""
    return {
        "id": f"{first} + n",
        "content_sha256": "lpad(to_hex(n), 64, '0')",
        "genre": "(array['pop', 'rock', 'jazz'])[1 + n % 3]",
        "year": "1970 + n % 55",
        "": f"(n % {artists})",
    }


def _emotion_values(first: int) -> dict[str, str]:
    return {
        "song_id": f"{first} + n",
        "valence": "valence",
        "arousal": "arousal",
        "quadrant": "CASE WHEN valence >= 0.5 THEN CASE WHEN arousal >= 0.5 THEN 'Q1' ELSE 'Q4' END"
        " ELSE CASE WHEN arousal >= 0.5 THEN 'Q2' ELSE 'Q3' END END",
        "emotions": "emotions::jsonb",
        "quadrants": "quadrants::jsonb",
        "fused_embedding": "fused",
    }


def _insert(cursor: CursorWrapper, like: Model, source: str, values: dict[str, str]) -> None:
    """Write rows like one, for each n of `source`; "" of `values` is the number of the artist."""
    names, expressions, held = [], [], []
    for field in like._meta.concrete_fields:
        if field.primary_key and "id" not in values:
            continue
        names.append(f'"{field.column}"')
        if field.column in values:
            expressions.append(values[field.column])
            continue
        value = plain(field, like)
        kind = field.db_type(cursor.db)
        expression = f"%s::{kind}"
        if isinstance(value, bytes):
            value, kind = value.decode(), "text"
        if isinstance(value, str) and any(str(one) in value for one in SENTINELS):
            expression = (
                f"replace(replace(%s, '{SENTINELS[0]}', n::text), "
                f"'{SENTINELS[1]}', {values['']}::text)"
            )
            if field.db_type(cursor.db) == "bytea":
                expression = f"convert_to({expression}, 'UTF8')"
        elif kind == "text" and field.db_type(cursor.db) == "bytea":
            expression = "convert_to(%s, 'UTF8')"
        expressions.append(expression)
        held.append(value)
    cursor.execute(
        f"INSERT INTO {like._meta.db_table} ({', '.join(names)}) "
        f"SELECT {', '.join(expressions).replace(' % ', ' %% ')} FROM {source}",
        held,
    )


def _credits(cursor: CursorWrapper, numbers: range, first: int, artists: int) -> None:
    artist = apps.get_model("catalog.Artist")
    known = artist.objects.count()
    artist.objects.bulk_create(
        artist(name=f"Artist {n}", key=f"artist {n}") for n in range(known, artists)
    )
    cursor.execute(
        "INSERT INTO catalog_songcredit (song_id, artist_id, role, position, name) "
        f"SELECT {first} + n, a.id, 'main', 0, a.name FROM {_series(numbers)} "
        f"JOIN catalog_artist a ON a.key = 'artist ' || n %% {artists}",
        [],
    )


def _draw(cursor: CursorWrapper, numbers: range, drawn: Callable[[int], dict[str, Any]]) -> None:
    """Copy the random part of all emotions into a table that goes with the transaction."""
    columns = ", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())
    cursor.execute(f"CREATE TEMPORARY TABLE {_DRAWN} ({columns}) ON COMMIT DROP")
    with cursor.copy(f"COPY {_DRAWN} FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types([kind.replace("double precision", "float8") for kind in _COLUMNS.values()])
        for start in range(numbers.start, numbers.stop, _CHUNK):
            part = range(start, min(start + _CHUNK, numbers.stop))
            made = drawn(len(part))
            fused = made["fused"].astype("<f4")
            for place, n in enumerate(part):
                valence, arousal = made["places"][place]
                copy.write_row(
                    (
                        n,
                        float(valence),
                        float(arousal),
                        _json(EMOTIONS, made["emotions"][place]),
                        _json(tuple(map(str, QUADRANTS)), made["quadrants"][place]),
                        fused[place].tobytes(),
                    )
                )


def _json(names: tuple[str, ...], values: np.ndarray) -> str:
    pairs = zip(names, values.tolist(), strict=True)
    return "{" + ",".join([f'"{name}":{value:.6f}' for name, value in pairs]) + "}"


def _series(numbers: range) -> str:
    return f"generate_series({numbers.start}::bigint, {numbers.stop - 1}) n"


def _reserved(cursor: CursorWrapper, like: Model, count: int) -> int:
    """Return the first of so many ids that no other row gets."""
    sequence = f"pg_get_serial_sequence('{like._meta.db_table}', 'id')"
    cursor.execute(f"SELECT setval({sequence}, nextval({sequence}) + {count - 1})")
    return int(cursor.fetchone()[0]) - count + 1


@contextlib.contextmanager
def _without_indexes(cursor: CursorWrapper) -> Iterator[None]:
    """Drop the indexes that no constraint needs, and make them again at the end."""
    tables = [apps.get_model(name)._meta.db_table for name in _MADE]
    cursor.execute(
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema() "
        "AND tablename = ANY(%s) AND indexname NOT IN "
        "(SELECT conname FROM pg_constraint WHERE contype IN ('p', 'u'))",
        [tables],
    )
    dropped = cursor.fetchall()
    for name, _ in dropped:
        cursor.execute(f'DROP INDEX "{name}"')
    yield
    for _, definition in dropped:
        cursor.execute(definition)


def plain(field: Any, row: Model) -> Any:
    """Return the value of a field as the database takes it."""
    value = field.pre_save(row, add=True)
    return json.dumps(value) if isinstance(value, (dict, list)) else value
