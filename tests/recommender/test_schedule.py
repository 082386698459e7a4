from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from recommender import schedule as schedule_module
from recommender.celery import app
from recommender.schedule import MonotonicScheduler

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Clocks:
    """A monotonic clock that only goes on, and a time of day that anybody may set."""

    def __init__(self) -> None:
        self.monotonic = 1000.0
        self.of_day = datetime(2026, 1, 1, tzinfo=UTC)

    def pass_seconds(self, seconds: float) -> None:
        self.monotonic += seconds
        self.of_day += timedelta(seconds=seconds)


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Clocks:
    monkeypatch.setitem(app.conf, "beat_schedule_filename", str(tmp_path / "sign"))
    clocks = Clocks()
    monkeypatch.setattr(
        schedule_module, "time", SimpleNamespace(monotonic=lambda: clocks.monotonic)
    )
    monkeypatch.setattr(app, "now", lambda: clocks.of_day)
    monkeypatch.setattr(time, "time", lambda: clocks.of_day.timestamp())
    return clocks


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """Return a function that returns the names of the tasks sent since its last call."""
    names: list[str] = []
    monkeypatch.setattr(
        MonotonicScheduler, "apply_entry", lambda _, entry, producer: names.append(entry.task)
    )
    monkeypatch.setattr(MonotonicScheduler, "producer", None)

    def taken() -> list[str]:
        taken, names[:] = sorted(names), []
        return taken

    return taken


KEEP = "catalog.keep_libraries"
RECONCILE = "catalog.reconcile"
INDEX = "recommender.build_index_if_stale"
STATIONS = "recommender.refresh_stations"
SWEEP = "recommender.sweep_imports"
SWEEP_KEYED = "recommender.sweep_keyed_requests"


@pytest.mark.parametrize("hours", [-5, 5])
def test_a_clock_that_is_set_changes_no_period(
    clocks: Clocks, sent: Callable[[], list[str]], hours: int
) -> None:
    scheduler = MonotonicScheduler(app)
    scheduler.tick()
    assert sent() == [KEEP, RECONCILE, INDEX, STATIONS, SWEEP, SWEEP_KEYED]

    clocks.of_day += timedelta(hours=hours)
    seen = []
    for _ in range(6):
        clocks.pass_seconds(scheduler.tick())
        seen += sent()
        scheduler.tick()
        seen += sent()

    assert seen.count(RECONCILE) == 6
    assert seen.count(INDEX) == 2


def test_nothing_is_sent_before_its_time(clocks: Clocks, sent: Callable[[], list[str]]) -> None:
    scheduler = MonotonicScheduler(app)
    scheduler.tick()
    sent()
    clocks.pass_seconds(19.0)

    assert scheduler.tick() == pytest.approx(1.0)
    assert sent() == []


def test_a_message_leaves_a_sign_for_the_check_of_health(
    clocks: Clocks, sent: Callable[[], list[str]], tmp_path: Path
) -> None:
    MonotonicScheduler(app).tick()
    assert (tmp_path / "sign").exists()


def test_it_is_the_scheduler_of_the_application() -> None:
    assert app.conf.beat_scheduler == "recommender.schedule:MonotonicScheduler"
