"""The database stops under a live worker, and comes back: work goes on, and nothing is lost."""

from __future__ import annotations

import contextlib
import logging
import resource
import socket
import sqlite3
import threading
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import psutil
import pytest

from tests.integration.stack import POSTGRES_URL, Stack, music_write

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

logger = logging.getLogger(__name__)
pytestmark = [pytest.mark.integration, pytest.mark.slow]

SONGS: Final = 32
OUTAGE_SECONDS: Final = 12.0
LOCKED_SECONDS: Final = 36.0
"""Longer than the worker waits for SQLite's lock."""
RESUMED_WITHIN_SECONDS: Final = 60.0
"""A task is tried again after 2, 4, 8 … seconds, so the wait is in the order of the outage."""


class Relay:
    """Passes bytes between clients and PostgreSQL, unless it is silent or cut."""

    def __init__(self) -> None:
        parts = urlsplit(POSTGRES_URL)
        self._server = (parts.hostname or "127.0.0.1", parts.port or 5432)
        self._passes = threading.Event()
        self._passes.set()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._accept_in_thread()

    def _accept_in_thread(self) -> None:
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):  # the listener was closed
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(self._server)
                self._pairs.append((client, server))
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=self._copy, args=pair, daemon=True).start()

    def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._passes.wait()
                sink.sendall(data)
        self._end(source, sink)

    def _end(self, *pair: socket.socket) -> None:
        for end in pair:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Keep every connection, and pass nothing on."""
        self._passes.clear()
        try:
            yield
        finally:
            self._passes.set()

    @contextmanager
    def cut(self) -> Iterator[None]:
        """End every connection, and refuse new ones."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self.close()
        try:
            yield
        finally:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            self._accept_in_thread()

    def close(self) -> None:
        self._listener.close()
        for pair in self._pairs:
            self._end(*pair)
        self._pairs.clear()


@contextmanager
def locked(stack: Stack) -> Iterator[None]:
    """Let nobody else write to the SQLite database."""
    path = stack.folder / "var/affetti.sqlite3"
    with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        yield
        database.execute("ROLLBACK")


@contextmanager
def disk_full(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Let every write of the process to a file fail."""
    limits = psutil.Process(process.pid).rlimit(resource.RLIMIT_FSIZE)
    psutil.Process(process.pid).rlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        yield
    finally:
        psutil.Process(process.pid).rlimit(resource.RLIMIT_FSIZE, limits)


def work_through(
    stack: Stack,
    worker: subprocess.Popen[bytes],
    outage: AbstractContextManager[None],
    *,
    seconds: float = OUTAGE_SECONDS,
) -> None:
    """Analyse songs with an outage in the middle, then check that each is there once."""
    stack.manage("ingest", str(music_write(stack.folder / "music", SONGS)))
    stack.wait_until(lambda: stack.analysed() >= 4, "the first songs")
    with outage:
        time.sleep(seconds / 2)
        before = stack.analysed()
        time.sleep(seconds / 2)
        assert stack.analysed() == before, "there is no outage"
    back = time.monotonic()
    assert before < SONGS, "the outage came too late"
    stack.wait_until(
        lambda: stack.analysed() > before, "work after the outage", seconds=RESUMED_WITHIN_SECONDS
    )
    logger.info("work went on after %.1f s", time.monotonic() - back)
    is_done = "status NOT IN ('pending', 'started')"
    stack.wait_until(
        lambda: stack.analysed() == SONGS and stack.count("catalog_backgroundjob", is_done) == 1,
        "the end",
    )
    logger.info("all was done after %.1f s", time.monotonic() - back)
    assert worker.poll() is None
    assert stack.count("catalog_songemotion") == SONGS
    assert stack.rows("SELECT DISTINCT leased_by, deaths, errors FROM catalog_song") == [("", 0, 0)]
    assert stack.rows("SELECT status, worker FROM catalog_backgroundjob") == [("succeeded", "")]


@pytest.mark.parametrize("stack", ["full"], indirect=True)
@pytest.mark.parametrize("way", ["silent", "cut"])
def test_postgres_stops_under_a_live_worker(stack: Stack, way: str) -> None:
    relay = Relay()
    parts = urlsplit(stack.env["DATABASE_URL"])
    user = parts.netloc.rpartition("@")[0]
    url = parts._replace(netloc=f"{user}@127.0.0.1:{relay.port}").geturl()
    try:
        stack.start_beat(DATABASE_URL=url)
        worker = stack.start_worker(DATABASE_URL=url)
        work_through(stack, worker, relay.silent() if way == "silent" else relay.cut())
    finally:
        relay.close()


@pytest.mark.parametrize("stack", ["embedded"], indirect=True)
@pytest.mark.parametrize("way", ["locked", "full disk"])
def test_sqlite_takes_no_write_of_a_live_worker(stack: Stack, way: str) -> None:
    stack.start_beat()
    worker = stack.start_worker()
    if way == "locked":
        work_through(stack, worker, locked(stack), seconds=LOCKED_SECONDS)
    else:
        work_through(stack, worker, disk_full(worker))
