"""Time of playlist requests in catalogues of several sizes, while songs come and an index is built.

    python -m benchmarks.bench_playlist [--songs 10000 100000] [--seconds 30] [--json]
    python -m benchmarks.bench_playlist --kept FOLDER ...

For each size it fills a temporary database with synthetic songs and builds the index. A fresh
process makes playlists and searches one after the other. Then the web server answers 20 requests a
second, sent whether or not the former ones are answered, while songs are analysed and an index is
built.

The database is SQLite, or a new one on the PostgreSQL server of `DATABASE_URL`. No network weights
are needed, and nothing is left behind. With `--kept` it is `DATABASE_URL` itself and stays, as
does the index in the folder. The next such run fills and builds only what is missing.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import io
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import django
import numpy as np
from django.apps import apps
from django.core.management import call_command
from django.db import connection

from benchmarks.catalogues import Songs, environment_set, throw_away_database
from benchmarks.playlist_process import COUNT, bodies, private_mb, quantiles
from recommender.serving.programs import WORKER_NICENESS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parent.parent
RATE = 20.0
START_SECONDS = 60
FOUND_SECONDS = 20.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--songs", type=int, nargs="+", default=[10_000])
    parser.add_argument("--requests", type=int, default=200, help="of each kind, in process")
    parser.add_argument("--seconds", type=float, default=30.0, help="of requests over HTTP")
    parser.add_argument("--workers", type=int, default=2, help="web processes")
    parser.add_argument("--kept", type=Path, help="a folder; its index and the database stay")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    os.environ["DJANGO_SETTINGS_MODULE"] = "recommender.settings"
    with database(options.kept):
        django.setup()
        call_command("migrate", verbosity=0)
        results = measure(options)
        connection.close()
    print(json.dumps(results, indent=2) if options.json else as_markdown(results))


@contextlib.contextmanager
def database(kept: Path | None) -> Iterator[None]:
    """Set the environment to a database that stays, or to one that is deleted at the end."""
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        environment_set(kept, os.environ["DATABASE_URL"])
        yield
        return
    with tempfile.TemporaryDirectory() as folder, throw_away_database(Path(folder)):
        yield


def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure each size, in one catalogue that grows."""
    songs, results = Songs(), []
    for size in sorted(options.songs):
        started = time.perf_counter()
        songs.add(max(0, size - len(songs)), artists=max(1, size // 10))
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("ANALYZE")
        filled = time.perf_counter() - started
        note(f"{size} songs filled in {filled:.0f} s")
        nothing = (float("nan"), float("nan"))
        full = nothing if options.kept and is_built(size) else timed_build("--full")
        note(f"built in {full[0]:.0f} s, {full[1]:.0f} s of the processor")
        inside = fresh_process(options.requests)
        note(json.dumps(inside))
        song_ids = ids(1_000)
        with web_server(options.workers) as (port, pids, first_ms):
            quiet = open_loop(port, pids, song_ids, options.seconds / 2)
            note(f"quiet: {quiet}")
            found = seconds_until_found(port, songs)
            with writer(songs), building() as built:
                busy = open_loop(port, pids, song_ids, options.seconds)
                found_busy = seconds_until_found(port, songs)
            note(f"busy: {busy}, {found}, {found_busy}")
            memory = max(private_mb(pid) for pid in pids)
        results.append(
            {
                "songs": len(songs),
                "fill_seconds": filled,
                "database": connection.vendor,
                "cores": os.cpu_count(),
                "load": os.getloadavg()[0],
                "full_build_seconds": full[0],
                "full_build_cpu_seconds": full[1],
                "update_seconds": built,
                "inside": inside,
                "first_over_http_ms": first_ms,
                "quiet": quiet,
                "busy": busy,
                "found_seconds": found,
                "found_busy_seconds": found_busy,
                "web_private_mb": memory,
            }
        )
    return results


def is_built(size: int) -> bool:
    """Return whether there is an index of about so many songs."""
    builds = apps.get_model("recommender.IndexBuild").objects
    return bool(builds.filter(is_active=True, row_count__gte=0.9 * size).exists())


def note(text: str) -> None:
    print(f"[load {os.getloadavg()[0]:.1f}] {text}", file=sys.stderr, flush=True)


def timed_build(*options: str) -> tuple[float, float]:
    """Return the seconds of a build by the clock, and of the processor without the database's."""
    started, worked = time.perf_counter(), time.process_time()
    call_command("build_index", *options, stdout=io.StringIO())
    return time.perf_counter() - started, time.process_time() - worked


def ids(count: int) -> list[int]:
    """Return the ids of some songs."""
    rows = apps.get_model("catalog.Song").objects.order_by("content_sha256")
    return list(rows.values_list("pk", flat=True)[:count])


def fresh_process(requests: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.playlist_process", str(requests)]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@contextlib.contextmanager
def web_server(workers: int) -> Iterator[tuple[int, list[int], float]]:
    """Serve on a free port; yield it, the web processes, and the milliseconds of a first list."""
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
                first, _, status = asked(port, {"moods": ["calm"], "count": COUNT})
                break
            except OSError:
                if time.monotonic() > deadline or server.poll() is not None:
                    raise
                time.sleep(0.1)
        if status != 200:
            raise SystemExit(f"The first request failed with {status}")
        for n in range(10 * workers):
            asked(port, {"moods": ["calm"], "seed": n})
        children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
        yield port, [int(pid) for pid in children], first
    finally:
        server.terminate()
        server.wait(timeout=30)


def asked(port: int, body: dict[str, Any]) -> tuple[float, dict[str, Any], int]:
    """Return the milliseconds of a playlist, its JSON and the status."""
    started = time.perf_counter()
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        client.request(
            "POST", "/api/v1/playlists/", json.dumps(body), {"Content-Type": "application/json"}
        )
        response = client.getresponse()
        raw = response.read()
    finally:
        client.close()
    return 1_000 * (time.perf_counter() - started), json.loads(raw), response.status


def open_loop(port: int, pids: list[int], song_ids: list[int], seconds: float) -> dict[str, Any]:
    """Send `RATE` requests a second of every kind; a late answer delays no request.

    `cpu_ms` is the time of the processor that the web processes take for a request.
    """
    kinds = list(bodies(song_ids).items())
    times: dict[str, list[float]] = {kind: [] for kind, _ in kinds}
    failed: list[str] = []

    def ask(n: int, kind: str, body: dict[str, Any], due: float) -> None:
        try:
            _, made, status = asked(port, body)
        except OSError as error:
            failed.append(str(error))
            return
        # From the moment when it was due: waiting for a thread here counts.
        times[kind].append(1_000 * (time.perf_counter() - due))
        if status != 200 or not made["entries"]:
            failed.append(f"{kind} {n}: {status} {str(made)[:200]}")

    begin, worked = time.perf_counter(), cpu_seconds(pids)
    with ThreadPoolExecutor(64) as pool:
        for n in range(int(seconds * RATE)):
            due = begin + n / RATE
            time.sleep(max(0.0, due - time.perf_counter()))
            kind, body_of = kinds[n % len(kinds)]
            pool.submit(ask, n, kind, body_of(n), due)
    together = [one for kind in times for one in times[kind]]
    rows = {kind: quantiles(found) for kind, found in times.items() if found}
    return {
        "kinds": rows,
        "all": quantiles(together),
        "cpu_ms": 1_000 * (cpu_seconds(pids) - worked) / max(1, len(together)),
        "failed": len(failed),
        "why": failed[:3],
    }


def cpu_seconds(pids: list[int]) -> float:
    """Return the time of the processor that processes have taken so far."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(one[11]) + int(one[12]) for one in fields) / os.sysconf("SC_CLK_TCK")


def seconds_until_found(port: int, songs: Songs) -> float:
    """Return the time from the commit of an analysis to the first list with the song."""
    song_id = songs.add(1, artists=1)[0]
    started = time.perf_counter()
    while time.perf_counter() - started < FOUND_SECONDS:
        if asked(port, {"song_ids": [song_id], "count": 1, "min_match": 0})[2] == 200:
            return time.perf_counter() - started
        time.sleep(0.05)
    return float("nan")


@contextlib.contextmanager
def writer(songs: Songs) -> Iterator[None]:
    """Analyse four songs a second meanwhile."""
    end, lock = threading.Event(), threading.Lock()
    add = songs.add

    def locked(count: int, *, artists: int) -> list[int]:
        with lock:
            return add(count, artists=artists)

    songs.add = locked  # type: ignore[method-assign]

    def write() -> None:
        while not end.wait(0.25):
            locked(1, artists=1)
        connection.close()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()
        songs.add = add  # type: ignore[method-assign]


@contextlib.contextmanager
def building() -> Iterator[list[float]]:
    """Build the index again and again meanwhile; yield the seconds that each build takes."""
    end, seconds = threading.Event(), [float("nan")]
    seconds.clear()

    def build() -> None:
        # As the worker does it.
        command = ["nice", "-n", str(WORKER_NICENESS), sys.executable, "-m", "recommender"]
        command.append("build_index")
        while not end.is_set():
            started = time.perf_counter()
            subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
            seconds.append(time.perf_counter() - started)
            end.wait(2)

    thread = threading.Thread(target=build)
    thread.start()
    try:
        yield seconds
    finally:
        end.set()
        thread.join()


def as_markdown(results: list[dict[str, Any]]) -> str:
    """Return a column for each size."""
    head = "| | " + " | ".join(f"{result['songs']:,}" for result in results) + " |"
    about = "In brackets: time of the processor alone."
    lines = [f"{results[0]['database']}, {results[0]['cores']} cores. {about}", "", head]
    lines.append("|---|" + "--:|" * len(results))

    def row(name: str, value: Callable[[dict[str, Any]], str]) -> None:
        lines.append(f"| {name} | " + " | ".join(value(result) for result in results) + " |")

    def pair(times: dict[str, float]) -> str:
        shown = f"{times['p50_ms']:.1f}, {times['p99_ms']:.1f}"
        if "cpu_p50_ms" in times:
            shown += f" ({times['cpu_p50_ms']:.1f}, {times['cpu_p99_ms']:.1f})"
        return shown

    for kind in results[0]["inside"]["kinds"]:
        row(f"{kind}, in process: p50, p99 ms", lambda r, k=kind: pair(r["inside"]["kinds"][k]))
    for share in results[0]["inside"]["index"]:
        row(
            f"index query, filter {share}: p50, p99 ms; recall@20",
            lambda r, s=share: (
                f"{pair(r['inside']['index'][s])}; {r['inside']['index'][s]['recall']:.3f}"
            ),
        )
    row("first list of a fresh process, ms", lambda r: pair(r["inside"]["first_request"]))
    row("private memory of that process, MB", lambda r: f"{r['inside']['private_mb']:.0f}")
    row("HTTP, 20 a second: p50, p99 ms", lambda r: pair(r["quiet"]["all"]))
    row("the same while songs come and an index is built", lambda r: pair(r["busy"]["all"]))
    row("the same, milliseconds of the processor", lambda r: f"{r['busy']['cpu_ms']:.0f}")
    row("requests that failed", lambda r: str(r["quiet"]["failed"] + r["busy"]["failed"]))
    row("a new song is found after, s", lambda r: f"{r['found_seconds']:.1f}")
    row("the same meanwhile, s", lambda r: f"{r['found_busy_seconds']:.1f}")
    row(
        "full build, s",
        lambda r: f"{r['full_build_seconds']:.0f} ({r['full_build_cpu_seconds']:.0f})",
    )
    row("filling the database, s", lambda r: f"{r['fill_seconds']:.0f}")
    row("build that copies, s", lambda r: f"{np.median(r['update_seconds'] or [np.nan]):.0f}")
    row("load of the machine", lambda r: f"{r['load']:.1f}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
