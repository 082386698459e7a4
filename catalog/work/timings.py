"""How long the stages of the work take: counted in each process, added up in the database.

A monitoring system reads the sums of all workers on all hosts from one place, and they never fall
when a worker starts anew. A process adds its own after each task.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.db import DatabaseError, InterfaceError, transaction
from django.db.models import F

from catalog.models import StageTiming

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)

Stage = StageTiming.Stage


@dataclass(slots=True)
class StageSum:
    """Items and seconds of a stage."""

    items: int = 0
    seconds: float = 0.0


_lock: Final = threading.Lock()
_sums: dict[str, StageSum] = {}
_EVERY_SECONDS: Final = 10.0
_written_at = float("-inf")


@contextmanager
def timed(stage: str, items: int) -> Iterator[StageSum]:
    """Count `items` and the time of the block for a stage, also if it raises.

    The block may set `items` of the value anew.
    """
    start, one = time.perf_counter(), StageSum(items)
    try:
        yield one
    finally:
        _add(stage, one.items, time.perf_counter() - start)


def timings_write() -> None:
    """Add what this process counted to the database, if it did not do so just now.

    If that fails, the next call adds it.
    """
    global _sums, _written_at
    with _lock:
        now = time.monotonic()
        if now < _written_at + _EVERY_SECONDS:
            return
        _written_at, counted, _sums = now, _sums, {}
    try:
        # One transaction and one order: two workers never wait for each other.
        with transaction.atomic():
            for stage, new in sorted(counted.items()):
                _write(stage, new)
    except (DatabaseError, InterfaceError) as error:
        logger.warning("The times of the stages could not be written now: %s", error)
        for stage, new in counted.items():
            _add(stage, new.items, new.seconds)


def _add(stage: str, items: int, seconds: float) -> None:
    with _lock:
        total = _sums.setdefault(stage, StageSum())
        total.items += items
        total.seconds += seconds


def _write(stage: str, new: StageSum) -> None:
    added = {"items": F("items") + new.items, "seconds": F("seconds") + new.seconds}
    if not StageTiming.objects.filter(pk=stage).update(**added):
        StageTiming.objects.create(stage=stage, items=new.items, seconds=new.seconds)
