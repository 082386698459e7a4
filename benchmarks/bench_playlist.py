"""Time of a playlist request over HTTP, compared with a naive implementation.

    python -m benchmarks.bench_playlist [--songs 10000] [--requests 300] [--json]

It fills a temporary database with synthetic songs, builds the index and starts the web server. One
client, and after it four, request playlists by mood, point and seed song. The naive implementation
reads every row from the database and ranks the songs in Python, without HTTP.

The database is SQLite, or a new one on the PostgreSQL server of `DATABASE_URL`. No network weights
are needed, and nothing is left behind.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import io
import json
import math
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import django
import numpy as np
import psycopg
from django.apps import apps
from django.core.management import call_command
from django.db import connection

from mer.affect import EMOTIONS, QUADRANTS, AffectPoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parent.parent
MODEL_VERSION = "affetti-00000000"
CLIENTS = (1, 4)
NAIVE_RUNS = 5
COUNT = 20
START_SECONDS = 60
MOODS = ("calm", "angry", "happy", "melancholy", "dark", "uplifting", "tense", "peaceful")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--songs", type=int, default=10_000)
    parser.add_argument(
        "--requests", type=int, default=300, help="requests per kind and number of clients"
    )
    parser.add_argument("--workers", type=int, default=2, help="web processes")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, throw_away_database(Path(folder)):
        result = measure(options, Path(folder))
    print(json.dumps(result, indent=2) if options.json else as_markdown(result))


@contextlib.contextmanager
def throw_away_database(folder: Path) -> Iterator[None]:
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
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        try:
            yield
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    os.environ["DJANGO_SETTINGS_MODULE"] = "recommender.settings"
    django.setup()
    call_command("migrate", verbosity=0)
    song_ids = fill(options.songs)
    started = time.perf_counter()
    call_command("build_index", stdout=io.StringIO())
    build_seconds = time.perf_counter() - started
    rows: list[dict[str, Any]] = []
    with web_server(options.workers) as (port, first_ms):
        for kind, body_of in bodies(song_ids).items():
            for clients in CLIENTS:
                times = over_http(port, body_of, clients, options.requests)
                rows.append({"kind": kind, "way": f"HTTP, {clients} client(s)", **quantiles(times)})
    for kind in bodies(song_ids):
        times = [timed(lambda kind=kind: naive(kind, song_ids[0])) for _ in range(NAIVE_RUNS)]
        rows.append({"kind": kind, "way": "naive, in process", **quantiles(times)})
    engine = connection.vendor
    connection.close()
    return {
        "songs": options.songs,
        "database": engine,
        "requests": options.requests,
        "workers": options.workers,
        "cores": os.cpu_count(),
        "index_rows": apps.get_model("recommender.IndexBuild").objects.get().row_count,
        "index_build_seconds": build_seconds,
        "first_request_ms": first_ms,
        "rows": rows,
    }


def fill(count: int) -> list[int]:
    """Write songs with points near the centre of the plane and embeddings in clusters."""
    song_model = apps.get_model("catalog.Song")
    emotion_model = apps.get_model("catalog.SongEmotion")
    rng = np.random.default_rng(0)
    library = apps.get_model("catalog.Library").objects.create(name="bench", root="/nowhere")
    centres = rng.standard_normal((100, 256))
    fused = centres[rng.integers(100, size=count)] + 0.7 * rng.standard_normal((count, 256))
    fused /= np.linalg.norm(fused, axis=1, keepdims=True)
    places = np.clip(rng.normal(0.5, 0.12, (count, 2)), 0, 1)
    emotions = rng.dirichlet(np.ones(len(EMOTIONS)), count)
    quadrants = rng.dirichlet(np.ones(len(QUADRANTS)), count)
    song_model.objects.bulk_create(
        (
            song_model(
                content_sha256=f"{number:064x}",
                library=library,
                relative_path=f"{number}.flac",
                file_size_bytes=1,
                file_mtime_ns=1,
                title=f"Title {number}",
                artist=f"Artist {number % max(1, count // 10)}",
                artist_key=f"artist {number % max(1, count // 10)}",
                genre=("pop", "rock", "jazz")[number % 3],
                year=1970 + number % 55,
                duration_seconds=200.0,
                lyrics="la " * 300,
                status=song_model.Status.ANALYSED,
            )
            for number in range(count)
        ),
        batch_size=1_000,
    )
    song_ids = list(song_model.objects.order_by("relative_path").values_list("pk", flat=True))
    emotion_model.objects.bulk_create(
        (
            emotion_model(
                song_id=song_id,
                model_version=MODEL_VERSION,
                valence=places[number, 0],
                arousal=places[number, 1],
                quadrant=AffectPoint(*places[number].tolist()).quadrant,
                quadrants=dict(zip(QUADRANTS, quadrants[number].tolist(), strict=True)),
                emotions=dict(zip(EMOTIONS, emotions[number].tolist(), strict=True)),
                confidence=0.5,
                gates={"audio": 0.6, "lyrics": 0.3, "context": 0.1},
                timeline=[
                    {"start_seconds": 3.0 * i, "valence": 0.5, "arousal": 0.5} for i in range(60)
                ],
                fused_embedding=fused[number].astype("<f4").tobytes(),
            )
            for number, song_id in enumerate(song_ids)
        ),
        batch_size=1_000,
    )
    return song_ids


def bodies(song_ids: list[int]) -> dict[str, Callable[[int], dict[str, Any]]]:
    """Return, for each kind of request, a function that gives the body of the n-th request."""
    return {
        "mood": lambda n: {"moods": [MOODS[n % len(MOODS)]], "count": COUNT, "seed": n},
        "point": lambda n: {
            "point": {"valence": n * 0.37 % 1, "arousal": n * 0.61 % 1},
            "count": COUNT,
            "seed": n,
        },
        "song": lambda n: {
            "song_ids": [song_ids[n * 7919 % len(song_ids)]],
            "count": COUNT,
            "seed": n,
        },
    }


@contextlib.contextmanager
def web_server(workers: int) -> Iterator[tuple[int, float]]:
    """Serve on a free port; yield the port and the milliseconds of the first playlist."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        *(sys.executable, "-m", "recommender", "serve", "--port", str(port)),
        *("--processes", str(workers), "--threads", "4"),
    ]
    server = subprocess.Popen(command, cwd=ROOT)
    try:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if time.monotonic() > deadline or server.poll() is not None:
                    raise
                time.sleep(0.1)
        first = over_http(port, lambda _: {"moods": ["calm"], "count": COUNT}, 1, 1)[0]
        # Every worker reads its own snapshot before the measurement.
        over_http(port, lambda n: {"moods": ["calm"], "seed": n}, 4, 20 * workers)
        yield port, first
    finally:
        server.terminate()
        server.wait(timeout=30)


def over_http(
    port: int, body_of: Callable[[int], dict[str, Any]], clients: int, requests: int
) -> list[float]:
    """Return the milliseconds of each playlist; exit if one has a wrong length."""
    times: list[float] = []
    errors: list[str] = []

    def client(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for n in range(number, requests, clients):
            body = json.dumps(body_of(n))
            started = time.perf_counter()
            connection.request(
                "POST", "/api/v1/playlists/", body, {"Content-Type": "application/json"}
            )
            response = connection.getresponse()
            raw = response.read()
            times.append(1_000 * (time.perf_counter() - started))
            if response.status != 200 or len(json.loads(raw)["entries"]) != COUNT:
                errors.append(f"{response.status} {raw[:300]!r}")
                return
        connection.close()

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise SystemExit(f"A request failed: {errors[0]}")
    return times


def naive(kind: str, seed_song: int) -> list[int]:
    """Rank all songs in a Python loop over every row of the database."""
    songs = apps.get_model("catalog.SongEmotion").objects
    emotions = list(songs.filter(model_version=MODEL_VERSION).select_related("song"))
    scores = []
    query = None
    if kind == "song":
        seed = next(e for e in emotions if e.song_id == seed_song)
        query = np.frombuffer(seed.fused_embedding, "<f4")
    for emotion in emotions:
        score = -math.hypot(emotion.valence - 0.7, emotion.arousal - 0.2)
        if kind == "mood":
            score += 0.5 * emotion.emotions["calmness"]
        elif query is not None:
            score = float(np.frombuffer(emotion.fused_embedding, "<f4") @ query)
        scores.append((score, emotion.song_id))
    scores.sort(reverse=True)
    return [song_id for _, song_id in scores[:COUNT]]


def timed(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return 1_000 * (time.perf_counter() - started)


def quantiles(times: list[float]) -> dict[str, float]:
    p50, p99 = np.percentile(times, [50, 99])
    return {"p50_ms": float(p50), "p99_ms": float(p99), "runs": len(times)}


def as_markdown(result: dict[str, Any]) -> str:
    setting = (
        f"{result['songs']} songs, {result['database']}, {result['workers']} web processes of 4 "
        f"threads, {result['cores']} cores (clients on the same).\n"
        f"The index is built in {result['index_build_seconds']:.1f} s; the first request of a "
        f"process takes {result['first_request_ms']:.0f} ms."
    )
    lines = [
        setting,
        "",
        "| playlist by | way | p50 ms | p99 ms | runs |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['kind']} | {row['way']} | {row['p50_ms']:.1f} | {row['p99_ms']:.1f} "
        f"| {row['runs']} |"
        for row in result["rows"]
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
