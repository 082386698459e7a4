"""Throw-away databases filled with synthetic songs."""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from typing import TYPE_CHECKING, Any

import numpy as np
import psycopg
from django.apps import apps
from django.db import connection

from mer.affect import EMOTIONS, QUADRANTS, AffectPoint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODEL_VERSION = "affetti-00000000"
CHUNK = 5_000


@contextlib.contextmanager
def throw_away_database(folder: Path) -> Iterator[None]:
    """Set the environment to a new database: on the PostgreSQL of DATABASE_URL, else SQLite."""
    checkpoint = folder / f"{MODEL_VERSION}.safetensors"
    checkpoint.touch()  # only its name is read, because no request here runs the network
    server = os.environ.get("DATABASE_URL", "")
    os.environ |= {
        "AFFETTI_VAR_DIR": str(folder),
        "AFFETTI_CHECKPOINT": str(checkpoint),
        "AFFETTI_SECRET_KEY": uuid.uuid4().hex,
        "AFFETTI_THROTTLE_ANON": "1000000/second",
        "AFFETTI_LOG_LEVEL": "WARNING",
        # One thread a request: requests share the cores.
        "OMP_NUM_THREADS": "1",
        "DATABASE_URL": f"sqlite:///{folder / 'bench.sqlite3'}",
    }
    if not server.startswith("postgres"):
        yield
        return
    name = f"affetti_bench_{uuid.uuid4().hex[:8]}"
    os.environ["DATABASE_URL"] = f"{server.rpartition('/')[0]}/{name}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        try:
            yield
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


class Songs:
    """Writes songs with points near the centre of the plane and embeddings in clusters."""

    def __init__(self, model_version: str = MODEL_VERSION) -> None:
        self._model_version = model_version
        self._rng = np.random.default_rng(0)
        self._centres = self._rng.standard_normal((400, 256))
        self._count = 0
        self._library = apps.get_model("catalog.Library").objects.create(name="b", root="/nowhere")

    def add(self, count: int, *, artists: int) -> list[int]:
        """Write so many analysed songs by so many artists; return their ids."""
        ids: list[int] = []
        for start in range(0, count, CHUNK):
            size = min(CHUNK, count - start)
            ids += self._write(self._songs(size, artists), size)
        return ids

    def _songs(self, count: int, artists: int) -> list[Any]:
        song = apps.get_model("catalog.Song")
        made = []
        for number in range(self._count, self._count + count):
            row = song(
                content_sha256=f"{number:064x}",
                library=self._library,
                relative_path=f"{number}.flac",
                file_size_bytes=1,
                file_mtime_ns=1,
                title=f"Title {number}",
                artist=f"Artist {number % artists}",
                genre=("pop", "rock", "jazz")[number % 3],
                year=1970 + number % 55,
                duration_seconds=200.0,
                lyrics="la " * 30,
                status="analysed",
                is_recording_checked=True,
            )
            row.texts_fold()
            row.is_recording_checked = True
            made.append(row)
        self._count += count
        return made

    def _emotions(self, ids: list[int]) -> list[Any]:
        count, rng = len(ids), self._rng
        emotion = apps.get_model("catalog.SongEmotion")
        fused = self._centres[rng.integers(400, size=count)]
        fused = fused + 0.7 * rng.standard_normal((count, 256))
        fused /= np.linalg.norm(fused, axis=1, keepdims=True)
        places = np.clip(rng.normal(0.5, 0.12, (count, 2)), 0, 1).tolist()
        emotions = rng.dirichlet(np.ones(len(EMOTIONS)), count).tolist()
        quadrants = rng.dirichlet(np.ones(len(QUADRANTS)), count).tolist()
        return [
            emotion(
                song_id=song_id,
                model_version=self._model_version,
                valence=places[n][0],
                arousal=places[n][1],
                quadrant=str(AffectPoint(*places[n]).quadrant),
                quadrants=dict(zip(map(str, QUADRANTS), quadrants[n], strict=True)),
                emotions=dict(zip(EMOTIONS, emotions[n], strict=True)),
                confidence=0.5,
                gates={"audio": 0.6, "lyrics": 0.3, "context": 0.1},
                timeline=[],
                lyric_lines=[],
                fused_embedding=fused[n].astype("<f4").tobytes(),
            )
            for n, song_id in enumerate(ids)
        ]

    def _write(self, songs: list[Any], count: int) -> list[int]:
        if connection.vendor != "postgresql":
            made = type(songs[0]).objects.bulk_create(songs, batch_size=500)
            ids = [song.pk for song in made]
            emotions = self._emotions(ids)
            type(emotions[0]).objects.bulk_create(emotions, batch_size=500)
            return ids
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT nextval(pg_get_serial_sequence('catalog_song', 'id')) "
                "FROM generate_series(1, %s)",
                [count],
            )
            ids = [row[0] for row in cursor.fetchall()]
            for song, song_id in zip(songs, ids, strict=True):
                song.pk = song_id
            _copy(cursor, songs, with_id=True)
            _copy(cursor, self._emotions(ids), with_id=False)
        return ids


def _copy(cursor: Any, rows: list[Any], *, with_id: bool) -> None:
    """Write rows by COPY."""
    fields = [f for f in rows[0]._meta.concrete_fields if with_id or not f.primary_key]
    names = ", ".join(f'"{field.column}"' for field in fields)
    with cursor.copy(f"COPY {rows[0]._meta.db_table} ({names}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row([_plain(field, row) for field in fields])


def _plain(field: Any, row: Any) -> Any:
    value = field.pre_save(row, add=True)
    return json.dumps(value) if isinstance(value, (dict, list)) else value
