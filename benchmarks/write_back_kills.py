"""Kills of a process that writes and undoes tags: what is left of the files, copies and rows.

Import it after `django.setup`; `benchmarks.kill_write_back` does.
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import soundfile
from django.db import connections

from catalog.ingest.run import ingest_run, ingest_start
from catalog.models import Library, Song, TagRun, TagWrite
from catalog.tagwriting.plan import Choice
from catalog.tagwriting.run import run_begin, run_undo, run_write, writes_settle
from catalog.work.jobs import job_start
from mer.audio import child

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

SUFFIXES: Final = ("flac", "mp3", "ogg", "opus", "wav", "aiff")
_LONGEST_SECONDS: Final = 1.0
"""A kill comes at most so long after the writing began."""
_OPEN: Final = (TagWrite.State.PREPARED, TagWrite.State.UNDOING)


@dataclass(slots=True)
class KillReport:
    """What the kills did; all but `kills`, `replaced` and `halfway` must be 0."""

    kills: int = 0
    replaced: int = 0
    """Files that were seen with their new tags right after a kill."""
    halfway: int = 0
    """Rows or copies that a kill left half done."""
    torn: int = 0
    """Files that were neither as before nor as a run left them."""
    stray: int = 0
    """Copies that are left in the end."""
    unsettled: int = 0
    not_restored: int = 0
    unread: int = 0
    """Songs of which the catalogue does not know the bytes in the end."""

    @property
    def is_good(self) -> bool:
        return not (self.torn or self.stray or self.unsettled or self.not_restored or self.unread)


def moods(song_ids: Sequence[int], *, least: float) -> Mapping[int, tuple[str, ...]]:
    """Return moods that differ each time, so that every run writes every file."""
    word = random.choice(["calm", "sad", "happy", "dark", "tender", "epic"]) * random.randint(1, 90)
    return dict.fromkeys(song_ids, (word, "tender"))


def _write_and_undo() -> None:
    """Write, write over, and undo, without an end."""
    child._is_child = True  # files are read here, so that most kills come amid the writing
    while True:
        for _ in range(2):
            run_write(run=run_begin(choice=Choice()), moods=moods)
        for run in TagRun.objects.exclude(state=TagRun.State.UNDONE)[:2]:
            run_undo(run=run)


def library_make(folder: Path) -> dict[Path, bytes]:
    """Ingest some files, and return their bytes."""
    time_axis = np.arange(8000 * 20) / 8000
    for n, suffix in enumerate(SUFFIXES):
        kind = {"subtype": "OPUS", "format": "OGG"} if suffix == "opus" else {}
        tone = 0.3 * np.sin(2 * np.pi * (300 + n) * time_axis)
        soundfile.write(folder / f"{n}.{suffix}", tone, 8000, **kind)
    job = ingest_start(path=folder)
    ingest_run(job=job_start(job_id=job.pk, worker="test"))
    Library.objects.update(is_writable=True)
    Song.objects.update(status=Song.Status.ANALYSED)
    return {path: path.read_bytes() for path in folder.iterdir()}


def writer_kill(
    folder: Path,
    *,
    kills: int,
    seed: int,
    on_kill: Callable[[KillReport], object] = lambda _: None,
) -> KillReport:
    """Kill the writing `kills` times in a library of the configured database; heal; undo all."""
    rng, report, before = random.Random(seed), KillReport(), library_make(folder)
    while report.kills < kills:
        connections.close_all()  # a process and its copy must not share one
        process = os.fork()
        if not process:
            _write_and_undo()
        time.sleep(rng.uniform(0.0, _LONGEST_SECONDS))
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        report.kills += 1
        _look(folder, before, report)
        on_kill(report)
    writes_settle()
    for run in TagRun.objects.all():  # the last one first
        run_undo(run=run)
    report.stray = sum(path.name.startswith(".") for path in folder.iterdir())
    report.unsettled = TagWrite.objects.filter(state__in=_OPEN).count()
    report.not_restored = sum(path.read_bytes() != data for path, data in before.items())
    known = set(Song.objects.values_list("content_sha256", flat=True))
    report.unread = len({_hash(path) for path in before} - known)
    return report


def _look(folder: Path, before: dict[Path, bytes], report: KillReport) -> None:
    """Count what a kill left; every file must be one that the journal knows."""
    rows = TagWrite.objects.values_list("before_sha256", "after_sha256")
    whole = {_sha256(data) for data in before.values()} | {one for row in rows for one in row}
    for path, data in before.items():
        report.replaced += path.read_bytes() != data
        report.torn += _hash(path) not in whole
    report.halfway += TagWrite.objects.filter(state__in=_OPEN).count()
    report.halfway += sum(path.name.startswith(".") for path in folder.iterdir())


def _hash(path: Path) -> str:
    return _sha256(path.read_bytes())


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
