"""PostgreSQL and Redis are stopped (SIGSTOP): they take connections and never answer."""

from __future__ import annotations

import getpass
import glob
import http.client
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psutil
import pytest
import redis

from tests.integration.stack import Stack, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.integration, pytest.mark.slow]

PAGE_SECONDS: Final = 10.0
"""The longest that a page may take to say that the database is away."""
HEALTH_SECONDS: Final = 1.0
DEMO: Final = """
from tests.factories import LibraryFactory, SongEmotionFactory, SongFactory
from catalog.analysis import model_version
library = LibraryFactory()
for n in range(12):
    SongEmotionFactory(song=SongFactory(library=library, artist=f"Artist {n}"),
        model_version=model_version(), valence=0.1 + 0.07 * n, arousal=0.9 - 0.07 * n)
"""


def programs() -> Path:
    """Folder of PostgreSQL's programs; the test is skipped where they are absent."""
    folders = sorted(glob.glob("/usr/lib/postgresql/*/bin")) or [  # noqa: PTH207
        str(Path(found).parent) for found in [shutil.which("initdb")] if found
    ]
    if not folders or shutil.which("redis-server") is None:
        pytest.skip("initdb or redis-server is not installed")
    return Path(folders[-1])


class Services:
    """A PostgreSQL and a Redis of the test's own, which it may stop."""

    def __init__(self) -> None:
        self._programs = programs()
        # PostgreSQL does not run as root.
        is_root = getpass.getuser() == "root"
        self._as = ["runuser", "-u", "postgres", "--"] if is_root else []
        self.folder = Path(tempfile.mkdtemp(prefix="affetti-frozen-"))
        if is_root:
            shutil.chown(self.folder, "postgres")
        self.postgres_port, self.redis_port = free_port(), free_port()
        self._redis: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        data = str(self.folder / "data")
        self._run("initdb", "--auth", "trust", "--username", "postgres", data)
        options = f"-p {self.postgres_port} -c listen_addresses=127.0.0.1 -c fsync=off"
        options += " -c unix_socket_directories="
        log = str(self.folder / "log")
        self._run("pg_ctl", "--pgdata", data, "--log", log, "--options", options, "-w", "start")
        port = str(self.redis_port)
        self._redis = subprocess.Popen(
            ("redis-server", "--port", port, "--bind", "127.0.0.1", "--save", ""),
            cwd=tempfile.gettempdir(),
            stdout=subprocess.DEVNULL,
        )
        client = redis.Redis(port=self.redis_port)
        for _ in range(100):
            try:
                client.ping()
                break
            except redis.ConnectionError:
                time.sleep(0.05)
        client.close()

    def close(self) -> None:
        self._run("pg_ctl", "--pgdata", str(self.folder / "data"), "-m", "immediate", "stop")
        if self._redis is not None:
            self._redis.kill()
            self._redis.wait()
        shutil.rmtree(self.folder)

    def _run(self, program: str, *arguments: str) -> None:
        command = (*self._as, str(self._programs / program), *arguments)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=tempfile.gettempdir())

    @contextmanager
    def postgres_stopped(self) -> Iterator[None]:
        pid = int((self.folder / "data/postmaster.pid").read_text().splitlines()[0])
        server = psutil.Process(pid)
        with stopped([server.pid, *(child.pid for child in server.children(recursive=True))]):
            yield

    @contextmanager
    def redis_stopped(self) -> Iterator[None]:
        assert self._redis is not None
        with stopped([self._redis.pid]):
            yield


@contextmanager
def stopped(pids: list[int]) -> Iterator[None]:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@pytest.fixture(scope="module")
def services() -> Iterator[Services]:
    installed = Services()
    installed.start()
    yield installed
    installed.close()


class Site:
    """The web process of an installation."""

    def __init__(self, stack: Stack, port: int) -> None:
        self.stack, self.port = stack, port

    def ask(
        self, path: str, body: dict[str, Any] | None = None, *, seconds: float = 30.0
    ) -> tuple[int, float, bytes]:
        """Return status, seconds and body of an answer."""
        start = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        try:
            data = None if body is None else json.dumps(body)
            headers = {"Content-Type": "application/json"} if body is not None else {}
            connection.request("GET" if body is None else "POST", path, data, headers)
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        return response.status, time.monotonic() - start, text

    def answers(self, path: str, status: int = 200) -> bool:
        try:
            return self.ask(path)[0] == status
        except OSError:
            return False


@pytest.fixture(scope="module")
def site(services: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    stack = Stack(tmp_path_factory.mktemp("frozen"), is_full=False)
    stack.env |= {
        "DATABASE_URL": f"postgres://postgres@127.0.0.1:{services.postgres_port}/postgres",
        "REDIS_URL": f"redis://127.0.0.1:{services.redis_port}/0",
        "AFFETTI_SECRET_KEY": "only-for-this-test",
        "AFFETTI_THROTTLE_ANON": "100000/min",
    }
    stack.manage("migrate", "--verbosity", "0")
    stack.manage("shell", "--no-imports", "-c", DEMO)
    port = free_port()
    stack.start("python", "manage.py", "serve", "--port", str(port), "--processes", "1")
    site = Site(stack, port)
    stack.wait_until(lambda: site.answers("/songs"), "the web process", seconds=60)
    yield site
    stack.close()


MOOD: Final = {"moods": ["calm"], "count": 5}


class Pulse(threading.Thread):
    """Asks `/healthz` ten times a second, and keeps the slowest answer."""

    def __init__(self, site: Site) -> None:
        super().__init__(daemon=True)
        self._site, self._end = site, threading.Event()
        self.slowest, self.count = 0.0, 0

    def __enter__(self) -> Pulse:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self.join()

    def run(self) -> None:
        while not self._end.wait(0.1):
            status, seconds, _ = self._site.ask("/healthz")
            assert status == 200
            self.slowest, self.count = max(self.slowest, seconds), self.count + 1


def heal(site: Site) -> float:
    start = time.monotonic()
    site.stack.wait_until(lambda: site.answers("/songs"), "healing", seconds=30)
    return time.monotonic() - start


def test_postgres_stops(site: Site, services: Services) -> None:
    assert site.ask("/api/v1/playlists/", MOOD)[0] == 200
    with services.postgres_stopped(), Pulse(site) as pulse:
        for number in range(8):
            for path, body in (("/songs", None), ("/api/v1/playlists/", MOOD), ("/readyz", None)):
                status, seconds, text = site.ask(path, body)
                assert status == 503, (path, text)
                assert seconds < PAGE_SECONDS, path
                if number > 0:  # the stop is known: nothing waits
                    assert seconds < (3 if path == "/readyz" else 1), path
        checks = json.loads(text)["checks"]
        assert checks["database"] == {"ok": False, "code": "DATABASE_AWAY"} or (
            checks["database"]["code"] == "DATABASE_SILENT"
        )
    assert pulse.count > 10
    assert pulse.slowest < HEALTH_SECONDS
    assert heal(site) < 10
    assert site.ask("/api/v1/playlists/", MOOD)[0] == 200


def test_postgres_stops_under_many_requests(site: Site, services: Services) -> None:
    statuses: list[tuple[int, float]] = []

    def ask() -> None:
        for _ in range(2):
            status, seconds, _text = site.ask("/songs")
            statuses.append((status, seconds))

    with services.postgres_stopped():
        threads = [threading.Thread(target=ask) for _ in range(30)]
        for thread in threads:
            thread.start()
        with Pulse(site) as pulse:
            for thread in threads:
                thread.join()
    assert {status for status, _ in statuses} == {503}
    assert max(seconds for _, seconds in statuses) < PAGE_SECONDS
    assert pulse.slowest < HEALTH_SECONDS
    assert heal(site) < 10


def test_redis_stops(site: Site, services: Services) -> None:
    with services.redis_stopped(), Pulse(site) as pulse:
        for _ in range(5):
            status, seconds, text = site.ask("/api/v1/playlists/", MOOD)
            assert status == 200, text
            assert seconds < 3
            status, seconds, _ = site.ask("/songs")
            assert (status, seconds < 3) == (200, True)
        status, seconds, text = site.ask("/readyz")
        assert (status, seconds < 4) == (503, True)
        assert not json.loads(text)["checks"]["broker"]["ok"]
    assert pulse.slowest < HEALTH_SECONDS
    status, _, text = site.ask("/readyz")
    assert status == 200, text


def test_an_ingest_is_kept_while_redis_is_stopped(site: Site, services: Services) -> None:
    music = site.stack.folder / "music"
    music.mkdir()
    code = (
        "import time; from pathlib import Path; from catalog.ingest.run import ingest_start;"
        f"start = time.monotonic(); ingest_start(path=Path({str(music)!r}));"
        "print(time.monotonic() - start)"
    )
    with services.redis_stopped():
        said = site.stack.manage("shell", "--no-imports", "-c", code)
    assert float(said.splitlines()[-1]) < 4
    assert "succeeded" not in said
