"""Throw-away databases filled with synthetic songs."""

from __future__ import annotations

import contextlib
import os
import uuid
from typing import TYPE_CHECKING, Any

import numpy as np
import psycopg
from django.apps import apps
from django.db import connection

from benchmarks.filling import SENTINELS, fill
from mer.affect import EMOTIONS, QUADRANTS, AffectPoint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODEL_VERSION = "affetti-00000000"
CHUNK = 5_000


@contextlib.contextmanager
def throw_away_database(folder: Path) -> Iterator[None]:
    """Set the environment to a new database: on the PostgreSQL of DATABASE_URL, else SQLite."""
    server = os.environ.get("DATABASE_URL", "")
    if not server.startswith("postgres"):
        environment_set(folder, f"sqlite:///{folder / 'bench.sqlite3'}")
        yield
        return
    name = f"affetti_bench_{uuid.uuid4().hex[:8]}"
    environment_set(folder, f"{server.rpartition('/')[0]}/{name}")
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        try:
            yield
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def environment_set(folder: Path, database: str) -> None:
    """Set the environment to a database, with the files of the product in a folder."""
    checkpoint = folder / f"{MODEL_VERSION}.safetensors"
    checkpoint.touch()  # only its name is read, because no request here runs the network
    os.environ |= {
        "AFFETTI_VAR_DIR": str(folder),
        "AFFETTI_CHECKPOINT": str(checkpoint),
        "AFFETTI_SECRET_KEY": uuid.uuid4().hex,
        "AFFETTI_THROTTLE_ANON": "1000000/second",
        "AFFETTI_LOG_LEVEL": "WARNING",
        # One thread a request: requests share the cores.
        "OMP_NUM_THREADS": "1",
        "DATABASE_URL": database,
    }


class Songs:
    """Writes songs with points near the centre of the plane and embeddings in clusters."""

    def __init__(self, model_version: str = MODEL_VERSION) -> None:
        self._model_version = model_version
        song = apps.get_model("catalog.Song")
        self._count = song.objects.count()
        self._rng = np.random.default_rng(self._count)
        self._centres = np.random.default_rng(0).standard_normal((400, 256), np.float32)
        library = apps.get_model("catalog.Library").objects
        self._library = library.get_or_create(name="b", defaults={"root": "/nowhere"})[0]

    def __len__(self) -> int:
        """Return the number of songs that there are."""
        return self._count

    def add(self, count: int, *, artists: int) -> list[int]:
        """Write so many analysed songs by so many artists; return their ids."""
        if connection.vendor == "postgresql" and count >= CHUNK:
            return self._fill(count, artists)
        ids: list[int] = []
        for start in range(0, count, CHUNK):
            numbers = range(self._count, self._count + min(CHUNK, count - start))
            ids += self._write([self._song(n, n % artists) for n in numbers])
            self._count = numbers.stop
        return ids

    def _fill(self, count: int, artists: int) -> list[int]:
        numbers = range(self._count, self._count + count)
        song = self._song(*SENTINELS)
        with connection.cursor() as cursor:
            ids = fill(
                cursor, song, self._emotions([0])[0], numbers, artists=artists, drawn=self._drawn
            )
        self._count = numbers.stop
        return ids

    def _song(self, number: int, artist: int) -> Any:
        made = apps.get_model("catalog.Song")(
            content_sha256=f"{number:064x}",
            library=self._library,
            relative_path=f"{number}.flac",
            file_size_bytes=1,
            file_mtime_ns=1,
            title=f"Title {number}",
            artist=f"Artist {artist}",
            genre=("pop", "rock", "jazz")[number % 3],
            year=1970 + number % 55,
            duration_seconds=200.0,
            lyrics="la " * 30,
            status="analysed",
        )
        made.texts_fold()
        made.is_recording_checked = True
        return made

    def _drawn(self, count: int) -> dict[str, Any]:
        """Return places, emotions, quadrants and fused embeddings of so many songs."""
        rng = self._rng
        fused = self._centres[rng.integers(400, size=count)]
        fused = fused + 0.7 * rng.standard_normal((count, 256), np.float32)
        return {
            "fused": fused / np.linalg.norm(fused, axis=1, keepdims=True),
            "places": np.clip(rng.normal(0.5, 0.12, (count, 2)), 0, 1),
            "emotions": rng.dirichlet(np.ones(len(EMOTIONS)), count),
            "quadrants": rng.dirichlet(np.ones(len(QUADRANTS)), count),
        }

    def _emotions(self, ids: list[int]) -> list[Any]:
        emotion = apps.get_model("catalog.SongEmotion")
        drawn = self._drawn(len(ids))
        names = list(map(str, QUADRANTS))
        return [
            emotion(
                song_id=song_id,
                model_version=self._model_version,
                valence=place[0],
                arousal=place[1],
                quadrant=str(AffectPoint(*place).quadrant),
                quadrants=dict(zip(names, drawn["quadrants"][n].tolist(), strict=True)),
                emotions=dict(zip(EMOTIONS, drawn["emotions"][n].tolist(), strict=True)),
                confidence=0.5,
                gates={"audio": 0.6, "lyrics": 0.3, "context": 0.1},
                timeline=[],
                lyric_lines=[],
                fused_embedding=drawn["fused"][n].astype("<f4").tobytes(),
            )
            for n, (song_id, place) in enumerate(zip(ids, drawn["places"].tolist(), strict=True))
        ]

    def _write(self, songs: list[Any]) -> list[int]:
        """Write a few songs as the product does, row by row."""
        made = type(songs[0]).objects.bulk_create(songs, batch_size=500)
        emotions = self._emotions([song.pk for song in made])
        type(emotions[0]).objects.bulk_create(emotions, batch_size=500)
        return [song.pk for song in made]
