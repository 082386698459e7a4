from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
from celery import current_app

from catalog.ingest.run import ingest_run, ingest_start
from catalog.work.jobs import job_start

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from catalog.models import BackgroundJob

Sent = list[tuple[str, tuple[Any, ...]]]


def write_tone(path: Path, *, hz: float = 440.0, seconds: float = 4.0, rate: int = 8000) -> Path:
    """Write a tone; the suffix decides the format, `hz` the content."""
    time = np.arange(int(seconds * rate)) / rate
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = {"subtype": "OPUS", "format": "OGG"} if path.suffix == ".opus" else {}
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * hz * time), rate, **kind)
    return path


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """Return the list of messages that were sent, as (task, arguments)."""
    messages: Sent = []
    monkeypatch.setattr(
        current_app, "send_task", lambda name, args=(): messages.append((name, tuple(args)))
    )
    return messages


@pytest.fixture
def ingest(music_dir: Path) -> Callable[..., BackgroundJob]:
    """Return a function that ingests the music folder, or the path given, in this process."""

    def run(path: Path = music_dir, *, accept_empty: bool = False) -> BackgroundJob:
        job = ingest_start(path=path, accept_empty=accept_empty)
        job = job_start(job_id=job.pk, worker="test")
        ingest_run(job=job)
        job.refresh_from_db()
        return job

    return run
