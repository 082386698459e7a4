"""Ten thousand short files in full mode, two workers: memory, statements a song, final states.

::

    python -m benchmarks.bench_ingest [--songs 10000] [--seconds 3]

PostgreSQL and Redis are those of ``AFFETTI_TEST_POSTGRES_URL`` and ``AFFETTI_TEST_REDIS_URL``; the
database is one of its own, the Redis database is emptied. Two workers take both queues. It prints

- the resident memory of each worker after every tenth of the songs, and its growth from the first
  whole tenth with the networks loaded to the end;
- the statements of the workers a song (`benchmarks.counted`);
- the songs without a final state at the end;
- the processor seconds of an unchanged rescan.

The exit status is 1 if a bar is missed: growth of at most 10%, twelve statements, none left, 5 s.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
import wave
from collections import Counter
from pathlib import Path

import numpy as np
import psutil
from mutagen.id3 import TALB, TCON, TDRC, TIT2, TPE1
from mutagen.wave import WAVE

from tests.integration.stack import Stack

GENRES = ("Rock", "Jazz", "Folk", "Electronic", "Classical")
GROWTH = 1.10
STATEMENTS = 12.0
RESCAN_SECONDS = 5.0
STATEMENTS_SHOWN = 25


def music_write(folder: Path, songs: int, seconds: float) -> None:
    """Write noisy chords that no other number gives, with tags; every tenth has lyrics."""
    rate, words = 8000, "I walk alone\nthrough the rain\nand remember you\n"
    axis = np.arange(int(seconds * rate)) / rate
    for number in range(songs):
        chance = np.random.default_rng(number)
        sound = sum(np.sin(2 * np.pi * f * axis) for f in chance.uniform(80, 2000, 3)) / 4
        sound += chance.normal(0, 0.05, axis.size)
        path = folder / f"{number // 100:03d}" / f"{number:05d}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(rate)
            file.writeframes((sound.clip(-1, 1) * 32000).astype("<i2").tobytes())
        tags = WAVE(path)
        tags.add_tags()
        tags.tags.add(TPE1(text=f"Artist {number // 24}"))
        tags.tags.add(TIT2(text=f"Song {number}"))
        tags.tags.add(TALB(text=f"Album {number // 12}"))
        tags.tags.add(TCON(text=GENRES[number % len(GENRES)]))
        tags.tags.add(TDRC(text=str(1960 + number % 60)))
        tags.save()
        if number % 10 == 0:
            path.with_suffix(".txt").write_text(f"Number {number}\n{words}")


def memory(workers: list[psutil.Process]) -> list[float]:
    """Return the resident memory of each worker and its children in MB."""
    return [
        sum(one.memory_info().rss for one in [worker, *worker.children(recursive=True)]) / 1e6
        for worker in workers
    ]


def analysed(stack: Stack, songs: int) -> list[list[float]]:
    """Wait until no song is pending; return the memory of the workers at every tenth."""
    workers = [
        psutil.Process(
            stack.start(
                *("celery", "-A", "benchmarks.counted", "worker", "--queues=ingest,analysis"),
                *("--pool=solo", f"--hostname={name}@%h", "--loglevel=WARNING"),
            ).pid
        )
        for name in ("one", "two")
    ]
    stack.start_beat()
    stack.manage("ingest", str(stack.folder / "music"))
    at_tenths: list[list[float]] = []
    start = time.monotonic()
    while True:
        time.sleep(2)
        done = stack.count("catalog_song", "status <> 'pending'")
        if done >= songs * (len(at_tenths) + 1) / 10:
            at_tenths.append(memory(workers))
            figures = ", ".join(f"{size:.0f} MB" for size in at_tenths[-1])
            print(f"{done:6d} songs, {time.monotonic() - start:5.0f} s: {figures}", flush=True)
        if stack.count("catalog_backgroundjob", "finished_at IS NOT NULL"):
            return at_tenths


def grown(sizes: tuple[float, ...]) -> float:
    """Return the last size of a worker by that after its first whole tenth with the networks.

    A worker with half of its last size has loaded them. One that scans at first loads them within
    a later tenth, one network after the other: the tenth after that is its first whole one.
    """
    loaded = next(place for place, size in enumerate(sizes) if size > sizes[-1] / 2)
    return sizes[-1] / sizes[min(loaded + 1, len(sizes) - 1) if loaded else 0]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--songs", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=3.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="affetti-ingest-") as name:
        folder = Path(name)
        (folder / "music").mkdir()
        (folder / "statements").mkdir()
        music_write(folder / "music", options.songs, options.seconds)
        stack = Stack(folder, is_full=True)
        stack.env |= {
            "AFFETTI_BENCH_STATEMENTS": str(folder / "statements"),
            "AFFETTI_ANALYSIS_BATCH_SIZE": "8",
        }
        try:
            stack.manage("migrate", "--verbosity", "0")
            return report(stack, options.songs)
        finally:
            stack.close()


def report(stack: Stack, songs: int) -> int:
    """Ingest, count, rescan; print the figures, and return the exit status."""
    at_tenths = analysed(stack, songs)
    counted: Counter[str] = Counter()
    for file in (stack.folder / "statements").iterdir():
        counted.update(json.loads(file.read_text()))
    for statement, times in counted.most_common(STATEMENTS_SHOWN):
        print(f"{times / songs:8.2f}  {statement}")
    statements = counted.total() / songs
    pending = songs - stack.count("catalog_song", "status IN ('analysed', 'failed')")
    growth = max(map(grown, zip(*at_tenths, strict=True)))
    stack.stop()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = ("python", "manage.py", "ingest", str(stack.folder / "music"), "--wait")
    stack.run(*command, seconds=900)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    rescan = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"growth of memory after the first tenth: {growth:.3f}")
    print(f"statements a song: {statements:.1f}")
    print(f"songs without a final state: {pending}")
    print(f"unchanged rescan: {rescan:.1f} s of the processor")
    is_good = growth <= GROWTH and statements <= STATEMENTS and not pending
    return 0 if is_good and rescan <= RESCAN_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
