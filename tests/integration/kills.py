"""Kills workers at random moments of scans and analyses, then counts what that did."""

from __future__ import annotations

import os
import random
import signal
import time
import wave
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.stack import Stack

WORKERS: Final = ("one", "two")
SONGS_AT_ONCE: Final = 24
"""Songs of one folder; the next folder is ingested when few songs wait."""
MOST_ALIVE_SECONDS: Final = 20.0
"""A worker is killed at a random moment of this time after its start."""
HEALED_WITHIN_SECONDS: Final = 120.0

_OPEN_JOBS: Final = "status IN ('pending', 'started')"


@dataclass(slots=True)
class KillReport:
    """What the kills did; the numbers count songs if not said otherwise."""

    kills: int = 0
    songs: int = 0
    lost: int = 0
    doubled: int = 0
    given_up: int = 0
    failed_jobs: int = 0
    failures: list[str] = field(default_factory=list)
    analysed_twice: int = 0
    most_deaths: int = 0
    healed_seconds: float = 0.0

    @property
    def is_good(self) -> bool:
        """Return whether nothing was lost, doubled or given up, and all healed in time."""
        wrong = self.lost + self.doubled + self.given_up + self.failed_jobs + len(self.failures)
        return not wrong and self.healed_seconds <= HEALED_WITHIN_SECONDS


@dataclass(slots=True)
class _Music:
    """Folders of short songs that no other number gives, ingested one after the other."""

    stack: Stack
    folder: Path
    songs: int = 0

    def ingest_more(self) -> None:
        """Write a folder and ask for its ingest."""
        folder = self.folder / f"{self.songs:05d}"
        folder.mkdir(parents=True)
        for number in range(self.songs, self.songs + SONGS_AT_ONCE):
            _song_write(folder / f"Tester - Song {number:05d}.wav", number)
        self.songs += SONGS_AT_ONCE
        self.stack.manage("ingest", str(folder))

    def keep_work(self) -> None:
        """Ingest another folder if few songs are left."""
        open_jobs = self.stack.count("catalog_backgroundjob", _OPEN_JOBS)
        pending = self.stack.count("catalog_song", "status = 'pending'")
        if not open_jobs or (open_jobs == 1 and pending <= SONGS_AT_ONCE // 3):
            self.ingest_more()


def workers_kill(
    stack: Stack,
    *,
    kills: int,
    seed: int = 0,
    on_kill: Callable[[KillReport], object] = lambda _: None,
) -> KillReport:
    """Keep two workers busy, kill them `kills` times, let them finish, and report."""
    chance = random.Random(seed)
    music = _Music(stack, stack.folder / "music")
    music.ingest_more()
    report = KillReport()
    stack.start_beat()
    alive = {name: stack.start_worker(name) for name in WORKERS}
    ends = {name: _moment(chance) for name in WORKERS}
    while report.kills < kills:
        name = min(ends, key=lambda name: ends[name])
        while time.monotonic() < ends[name]:
            time.sleep(max(0.0, min(1.0, ends[name] - time.monotonic())))
            music.keep_work()
        _kill(stack, alive[name], chance)
        report.kills += 1
        report.most_deaths = max(report.most_deaths, _most_deaths(stack))
        on_kill(report)
        alive[name], ends[name] = stack.start_worker(name), _moment(chance)
    last = time.monotonic()
    try:
        stack.wait_until(lambda: _is_healed(stack, music.songs), "healed", seconds=300)
    finally:
        report.healed_seconds = time.monotonic() - last
        _count(stack, report, music.songs)
    return report


def _moment(chance: random.Random) -> float:
    return time.monotonic() + chance.uniform(0.0, MOST_ALIVE_SECONDS)


def _kill(stack: Stack, worker: subprocess.Popen[bytes], chance: random.Random) -> None:
    """SIGKILL a worker; half of the time its children outlive it for a moment."""
    if chance.random() < 0.5:
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
    else:
        stack.kill(worker)


def _most_deaths(stack: Stack) -> int:
    return int(stack.rows("SELECT coalesce(max(deaths), 0) FROM catalog_song")[0][0])


def _is_healed(stack: Stack, songs: int) -> bool:
    """Return whether every song is analysed and every job has ended."""
    if stack.count("catalog_song", "status = 'failed'"):
        return True  # there is nothing to wait for
    return stack.analysed() >= songs and not stack.count("catalog_backgroundjob", _OPEN_JOBS)


def _count(stack: Stack, report: KillReport, songs: int) -> None:
    report.songs = songs
    found, distinct = stack.rows(
        "SELECT count(*), count(DISTINCT relative_path) FROM catalog_song"
    )[0]
    emotions, emotional = stack.rows(
        "SELECT count(*), count(DISTINCT song_id) FROM catalog_songemotion"
    )[0]
    report.lost = songs - min(distinct, emotional)
    report.doubled = (found - distinct) + (emotions - emotional)
    report.given_up = stack.count("catalog_song", "status = 'failed'")
    report.failed_jobs = stack.count("catalog_backgroundjob", "status = 'failed'")
    report.failures = [
        f"{code}: {message}"
        for code, message in stack.rows("SELECT code, message FROM catalog_ingestfailure")
        + stack.rows(
            "SELECT failure_code, failure_message FROM catalog_song WHERE status = 'failed'"
        )
        + stack.rows(
            "SELECT error_code, error_message FROM catalog_backgroundjob WHERE status = 'failed'"
        )
    ]
    times = stack.rows("SELECT created_at, updated_at FROM catalog_songemotion")
    report.analysed_twice = sum(_is_later(*pair) for pair in times)


def _is_later(created: object, updated: object) -> bool:
    """Return whether a row was written again, by the whole seconds of its two times."""
    return str(created)[:19] != str(updated)[:19] and str(updated) > str(created)


def _song_write(path: Path, number: int, *, seconds: float = 4.0, rate: int = 8000) -> None:
    time_axis = np.arange(int(seconds * rate)) / rate
    root = 110.0 * 2 ** ((number % 480) / 160)
    sound = sum(np.sin(2 * np.pi * root * ratio * time_axis) for ratio in (1.0, 1.25, 1.5))
    sound = sound * (1.0 + 0.5 * np.sin(2 * np.pi * (1 + number // 480) * time_axis))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((sound / 5.0 * 32000).astype("<i2").tobytes())
