"""Speed of pages while slow clients hold connections, and while strangers ask for words playlists.

    python -m benchmarks.bench_slow_clients [--server waitress] [--slow 200] [--streams 100]
                                            [--crowd 50] [--seconds 15] [--json]

It fills a temporary SQLite database with synthetic songs and starts the web server on 127.0.0.1.
First it measures alone, then with the slow clients (idle, half-sent header or body, one byte every
two seconds, kept alive) and paused streams of audio. At last, under the documented throttles,
strangers of as many addresses ask for playlists by words. Nothing is left behind. `--server
gthread` measures gunicorn's thread worker, `make run`'s server until decision 018.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import http.client
import io
import json
import os
import signal
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
from django.apps import apps
from django.core.management import call_command
from django.db import connection

from benchmarks.catalogues import Songs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parent.parent
SONGS = 1_000
FILE_BYTES = 64 * 1024**2
PROBE_TIMEOUT_SECONDS = 5.0
DRIP_SECONDS = 2.0
START_SECONDS = 60
PAGES = ("/healthz", "/", "/songs")
SERVERS = {
    "waitress": ("recommender", "serve", "--processes", "1", "--threads", "8", "--port", "{port}"),
    "gthread": (
        *("gunicorn", "recommender.wsgi", "--bind", "127.0.0.1:{port}", "--log-level", "error"),
        *("--worker-class", "gthread", "--workers", "1", "--threads", "8"),
    ),
}
START = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"
POST = b"POST /api/v1/playlists/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
# What each kind of slow client sends at once, and then byte by byte.
SLOW: dict[str, tuple[bytes, bytes]] = {
    "idle": (b"", b""),
    "half header": (START, b""),
    "drip header": (START, b"X-Slow: 1\r\n" * 100),
    "half body": (POST + b'Content-Length: 1000\r\n\r\n{"moods"', b""),
    "drip body": (POST + b"Content-Length: 1000\r\n\r\n{", b" " * 998),
    "kept alive": (b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b""),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", choices=SERVERS, default="waitress")
    parser.add_argument("--slow", type=int, default=200, help="slow or idle clients")
    parser.add_argument("--streams", type=int, default=100, help="paused streams of audio")
    parser.add_argument("--crowd", type=int, default=50, help="clients on words playlists")
    parser.add_argument("--seconds", type=float, default=15.0, help="of each part")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = measure(options, Path(folder))
    print(json.dumps(result, indent=2) if options.json else as_markdown(result))


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    song_id = prepare(folder)
    parts: dict[str, Any] = {}
    unthrottled = {"AFFETTI_THROTTLE_ANON": "1000000/second"}
    with web_server(options.server, unthrottled) as port:
        parts["alone"] = probed(port, options.seconds / 3)
        with crowd_of_slow(port, options.slow, options.streams, song_id):
            time.sleep(2)
            parts["slow clients"] = probed(port, options.seconds)
    statuses: collections.Counter[int] = collections.Counter()
    with web_server(options.server, {}) as port:
        ask(port, 0, 0)  # loads the network
        with crowd_of_words(port, options.crowd, statuses):
            parts["words playlists"] = probed(port, options.seconds, pause=0.5)
    return {
        "server": options.server,
        "slow": options.slow,
        "streams": options.streams,
        "crowd": options.crowd,
        "crowd_statuses": dict(sorted(statuses.items())),
        "cores": os.cpu_count(),
        "parts": parts,
    }


def prepare(folder: Path) -> int:
    """Fill a catalogue; return the id of a song whose file is there."""
    os.environ |= {
        "AFFETTI_VAR_DIR": str(folder),
        "AFFETTI_SECRET_KEY": uuid.uuid4().hex,
        "AFFETTI_LOG_LEVEL": "ERROR",
        "OMP_NUM_THREADS": "1",
        "DATABASE_URL": f"sqlite:///{folder / 'bench.sqlite3'}",
        "REDIS_URL": "",
        "DJANGO_SETTINGS_MODULE": "recommender.settings",
    }
    django.setup()
    call_command("migrate", verbosity=0)
    # Words need the real model, and songs of its version.
    from catalog.analysis import model_version  # noqa: PLC0415  after django.setup

    song_ids = Songs(model_version()).add(SONGS, artists=SONGS // 10)
    call_command("build_index", stdout=io.StringIO())
    song = apps.get_model("catalog.Song").objects.select_related("library").get(pk=song_ids[0])
    (folder / "music").mkdir()
    song.library.root = str(folder / "music")
    song.library.save()
    with (folder / "music" / song.relative_path).open("wb") as file:
        file.truncate(FILE_BYTES)
    connection.close()
    return song_ids[0]


@contextlib.contextmanager
def web_server(name: str, env: dict[str, str]) -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", *(word.format(port=port) for word in SERVERS[name])]
    server = subprocess.Popen(command, cwd=ROOT, env=os.environ | env, start_new_session=True)
    try:
        deadline = time.monotonic() + START_SECONDS
        while get(port, "/healthz")[0] != 200:
            if time.monotonic() > deadline or server.poll() is not None:
                raise SystemExit("The web server does not answer.")
            time.sleep(0.2)
        for page in PAGES:
            get(port, page)
        yield port
    finally:
        server.terminate()
        try:
            server.wait(timeout=30)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)


def get(port: int, path: str) -> tuple[int, float]:
    """Return (status, seconds) of a page; status 0 if it did not come in time."""
    started = time.perf_counter()
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=PROBE_TIMEOUT_SECONDS)
    try:
        client.request("GET", path)
        response = client.getresponse()
        response.read()
        return response.status, time.perf_counter() - started
    except OSError:
        return 0, PROBE_TIMEOUT_SECONDS
    finally:
        client.close()


def probed(port: int, seconds: float, pause: float = 0.05) -> dict[str, dict[str, float]]:
    """Return, for each page, how long it took again and again during some seconds."""
    took: dict[str, list[float]] = {page: [] for page in PAGES}
    failed = dict.fromkeys(PAGES, 0)

    def probe(page: str) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            status, spent = get(port, page)
            took[page].append(spent)
            failed[page] += status != 200
            time.sleep(pause)

    in_threads([lambda page=page: probe(page) for page in PAGES])
    return {
        page: {
            "p50_ms": 1_000 * float(np.percentile(times, 50)),
            "p99_ms": 1_000 * float(np.percentile(times, 99)),
            "runs": len(times),
            "failed": failed[page],
        }
        for page, times in took.items()
    }


def in_threads(calls: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@contextlib.contextmanager
def crowd_of_slow(port: int, slow: int, streams: int, song_id: int) -> Iterator[None]:
    """Hold the connections in a thread of their own; each is opened again when it is closed."""
    loop = asyncio.new_event_loop()

    async def crowd() -> None:
        kinds = list(SLOW.values())
        clients = [slow_client(port, *kinds[n % len(kinds)]) for n in range(slow)]
        clients += [paused_stream(port, song_id, n) for n in range(streams)]
        await asyncio.gather(*clients)

    def run() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(task)

    task = loop.create_task(crowd())
    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()
        loop.close()


async def slow_client(port: int, at_once: bytes, drip: bytes) -> None:
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(at_once)
                for n in range(len(drip)):
                    await asyncio.sleep(DRIP_SECONDS)
                    writer.write(drip[n : n + 1])
                    await writer.drain()
                while await reader.read(4096):
                    pass
            finally:
                writer.close()
        await asyncio.sleep(1)


async def paused_stream(port: int, song_id: int, number: int) -> None:
    part = f"Range: bytes={number}-\r\n" if number % 2 else ""
    request = f"GET /songs/{song_id}/audio HTTP/1.1\r\nHost: 127.0.0.1\r\n{part}\r\n"
    loop = asyncio.get_running_loop()
    while True:
        with contextlib.suppress(OSError), socket.socket() as client:
            client.setblocking(False)  # noqa: FBT003
            await loop.sock_connect(client, ("127.0.0.1", port))
            await loop.sock_sendall(client, request.encode())
            await loop.sock_recv(client, 1000)
            await asyncio.sleep(600)
        await asyncio.sleep(1)


@contextlib.contextmanager
def crowd_of_words(port: int, count: int, statuses: collections.Counter[int]) -> Iterator[None]:
    stop = threading.Event()

    def client(number: int) -> None:
        n = 0
        while not stop.is_set():
            statuses[ask(port, number, n)] += 1
            n += 1

    threads = [threading.Thread(target=client, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def ask(port: int, number: int, n: int) -> int:
    """Ask for a playlist by words from an address of one's own; return the status, 0 for none."""
    source = (f"127.0.1.{number + 1}", 0)
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=60, source_address=source)
    body = json.dumps({"text": f"rain on an empty street, night {n} of {number} " * 20})
    try:
        client.request("POST", "/api/v1/playlists/", body, {"Content-Type": "application/json"})
        response = client.getresponse()
        response.read()
        if response.status == http.HTTPStatus.TOO_MANY_REQUESTS:
            time.sleep(0.05)  # a client without manners, but not a flood
        return response.status
    except OSError:
        return 0
    finally:
        client.close()


def as_markdown(result: dict[str, Any]) -> str:
    setting = (
        f"{result['server']}, one process of 8 threads, {result['cores']} cores (clients on the "
        f"same): {result['slow']} slow clients and {result['streams']} paused streams, then "
        f"{result['crowd']} clients on words playlists."
    )
    lines = [
        setting,
        f"Answers to those: {result['crowd_statuses']}.",
        "",
        "| during | page | p50 ms | p99 ms | failed | requests |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {part} | `{page}` | {row['p50_ms']:.0f} | {row['p99_ms']:.0f} | {row['failed']} "
        f"| {row['runs']} |"
        for part, pages in result["parts"].items()
        for page, row in pages.items()
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
