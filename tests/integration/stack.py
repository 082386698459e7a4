"""A whole Affetti in processes of its own: database, broker, folders, workers."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import uuid
import wave
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import psycopg
import pytest
import redis
from filelock import FileLock

from tests.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

BIN: Final = Path(sys.executable).parent
POSTGRES_URL: Final = os.environ.get(
    "AFFETTI_TEST_POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/postgres"
)
REDIS_URL: Final = os.environ.get("AFFETTI_TEST_REDIS_URL", "redis://127.0.0.1:6379/9")

REDIS_LOCK: Final = Path(tempfile.gettempdir()) / (
    f"affetti-tests-{os.getuid()}-{hashlib.sha256(REDIS_URL.encode()).hexdigest()[:12]}.lock"
)
"""Held while a test uses the Redis database, because every test empties it."""


def services_require() -> None:
    """Skip the test where PostgreSQL or Redis is absent; conftest makes failures of skips."""
    reasons = []
    try:
        psycopg.connect(POSTGRES_URL, connect_timeout=3).close()
    except psycopg.OperationalError as error:
        reasons.append(f"PostgreSQL at {POSTGRES_URL}: {str(error).splitlines()[0]}")
    try:
        with closing(redis.Redis.from_url(REDIS_URL, socket_connect_timeout=3)) as client:
            client.ping()
    except redis.RedisError as error:
        reasons.append(f"Redis at {REDIS_URL}: {error}")
    if reasons:
        pytest.skip("; ".join(reasons))


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wav_write(path: Path, *, number: int, seconds: float = 4.0, sample_rate: int = 8000) -> None:
    """Write a short chord that no other number gives."""
    time_axis = np.arange(int(seconds * sample_rate)) / sample_rate
    root = 110.0 * 2 ** (number / 12)
    sound = sum(np.sin(2 * np.pi * root * ratio * time_axis) for ratio in (1.0, 1.25, 1.5))
    sound = sound * (1.0 + 0.5 * np.sin(2 * np.pi * (1 + number % 7) * time_axis))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes((sound / 5.0 * 32000).astype("<i2").tobytes())


def music_write(folder: Path, count: int) -> Path:
    folder.mkdir(parents=True)
    for number in range(count):
        wav_write(folder / f"Tester - Chord {number:02d}.wav", number=number)
    return folder


class Migrated:
    """Migrated databases to copy: the first installation of each mode leaves one here."""

    def __init__(self) -> None:
        self.sqlite = b""
        self.postgres = ""

    def close(self) -> None:
        if self.postgres:
            with psycopg.connect(POSTGRES_URL, autocommit=True) as connection:
                connection.execute(f"DROP DATABASE {self.postgres} WITH (FORCE)")


class Stack:
    """One installation; `is_full` is PostgreSQL and Redis, otherwise SQLite and files."""

    def __init__(self, folder: Path, *, is_full: bool) -> None:
        self.folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        self._database = ""
        self._redis: redis.Redis | None = None
        self._redis_lock = FileLock(REDIS_LOCK)
        # Nothing of the developer's environment, but what the machine needs and chose.
        kept = ("PATH", "HOME", "LANG", "AFFETTI_CHECKPOINT", "OMP_NUM_THREADS")
        self.env = {name: os.environ[name] for name in kept if name in os.environ}
        self.env |= {
            "PATH": f"{BIN}:{self.env['PATH']}",
            "HOSTNAME": socket.gethostname(),
            "PYTHONUNBUFFERED": "1",
            "OMP_NUM_THREADS": self.env.get("OMP_NUM_THREADS", "1"),
            "AFFETTI_VAR_DIR": str(folder / "var"),
            "AFFETTI_CATALOG_ROOTS": str(folder / "music"),
            "AFFETTI_ANALYSIS_BATCH_SIZE": "4",
            "AFFETTI_DEVICE": "cpu",
        }
        if is_full:
            self._full()

    def _full(self) -> None:
        self._database = f"affetti_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(POSTGRES_URL, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {self._database}")
        self._redis_lock.acquire()
        self._redis = redis.Redis.from_url(REDIS_URL)
        self._redis.flushdb()
        self.env |= {
            "DATABASE_URL": POSTGRES_URL.rpartition("/")[0] + f"/{self._database}",
            "REDIS_URL": REDIS_URL,
            "AFFETTI_SECRET_KEY": "only-for-this-test",
        }

    def stop(self) -> None:
        """Kill every process."""
        for process in self._processes:
            self.kill(process)

    def close(self) -> None:
        """End every process, and leave neither database nor message behind."""
        self.stop()
        if self._redis is not None:
            self._redis.flushdb()
            self._redis.close()
            self._redis_lock.release()
        if self._database:
            with psycopg.connect(POSTGRES_URL, autocommit=True) as connection:
                connection.execute(f"DROP DATABASE {self._database} WITH (FORCE)")

    def migrate(self, migrated: Migrated) -> None:
        """Bring the empty database up to date, by a copy where another was migrated before."""
        if self._database:
            self._migrate_postgres(migrated)
            return
        path = self.folder / "var/affetti.sqlite3"
        if migrated.sqlite:
            path.parent.mkdir()
            path.write_bytes(migrated.sqlite)
        else:
            self.manage("migrate", "--verbosity", "0")
            migrated.sqlite = path.read_bytes()

    def _migrate_postgres(self, migrated: Migrated) -> None:
        with psycopg.connect(POSTGRES_URL, autocommit=True) as connection:
            if migrated.postgres:
                connection.execute(f"DROP DATABASE {self._database}")
                connection.execute(f"CREATE DATABASE {self._database} TEMPLATE {migrated.postgres}")
            else:
                self.manage("migrate", "--verbosity", "0")
                name = f"affetti_{uuid.uuid4().hex[:12]}"
                connection.execute(f"CREATE DATABASE {name} TEMPLATE {self._database}")
                migrated.postgres = name

    # --- processes --------------------------------------------------------------------------

    def run(self, *command: str, seconds: float = 180.0) -> str:
        """Run a command to its end and return what it said; it must succeed."""
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def manage(self, *arguments: str) -> str:
        return self.run("python", "manage.py", *arguments)

    def start(self, *command: str, **env: str) -> subprocess.Popen[bytes]:
        """Start a process that lives until it is killed or the test ends."""
        number = len(self._processes)
        log = (self.folder / f"process-{number}.log").open("wb")
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=self.env | env,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        log.close()
        self._processes.append(process)
        return process

    def start_worker(self, name: str = "affetti", **env: str) -> subprocess.Popen[bytes]:
        return self.start(
            "celery",
            "-A",
            "recommender",
            "worker",
            "--queues=ingest,analysis",
            "--pool=solo",
            f"--hostname={name}@%h",
            "--loglevel=INFO",
            **env,
        )

    def start_beat(self, **env: str) -> subprocess.Popen[bytes]:
        return self.start("celery", "-A", "recommender", "beat", "--loglevel=INFO", **env)

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """SIGKILL: no handler runs, nothing is tidied up; the children go with it."""
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def log(self, process: subprocess.Popen[bytes]) -> str:
        return (self.folder / f"process-{self._processes.index(process)}.log").read_text(
            errors="replace"
        )

    def wait_until(self, is_true: Callable[[], bool], what: str, *, seconds: float = 240.0) -> None:
        """Return as soon as the condition holds; fail with every log when time is up."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if is_true():
                return
            time.sleep(0.1)
        logs = "\n".join(self.log(process)[-3000:] for process in self._processes)
        pytest.fail(f"{what}: not within {seconds:.0f} s\n{logs}")

    # --- what is lost and what is left ------------------------------------------------------

    def lose_redis(self) -> None:
        """Every message and every key is gone, as after a crash without a disk."""
        assert self._redis is not None
        self._redis.flushdb()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        if self._database:
            with psycopg.connect(self.env["DATABASE_URL"], autocommit=True) as connection:
                cursor = connection.execute(query.encode())
                return cursor.fetchall() if cursor.description else []
        path = self.folder / "var/affetti.sqlite3"
        with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as database:
            return database.execute(query).fetchall()

    def count(self, table: str, where: str = "1 = 1") -> int:
        return int(self.rows(f"SELECT count(*) FROM {table} WHERE {where}")[0][0])

    def analysed(self) -> int:
        return self.count("catalog_song", "status = 'analysed'")

    def let_a_minute_pass(self) -> None:
        """Make every message that was sent look 61 s older: old enough to be sent again."""
        earlier = (
            "queued_at - interval '61 seconds'"
            if self._database
            else "strftime('%Y-%m-%d %H:%M:%f', queued_at, '-61 seconds')"
        )
        self.rows(f"UPDATE catalog_song SET queued_at = {earlier} WHERE queued_at IS NOT NULL")
