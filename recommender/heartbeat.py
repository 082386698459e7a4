"""Signs of life of workers, scheduler and watcher, written to the database by a thread of each.

A worker gives one while its process runs, also during a long task. The scheduler gives one only
while it sends messages: one that runs and sends nothing is away.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import psutil
from celery.signals import after_task_publish, beat_init, worker_ready, worker_shutdown
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connections
from django.utils import timezone

from catalog import analysis
from recommender.models import ServiceHeartbeat

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

BEAT_SECONDS: Final = 15.0
SENT_SECONDS: Final = 60.0
"""A scheduler that has sent no message for this long gives no sign; its shortest period is 20 s."""
_KEPT: Final = timedelta(days=1)


class Heart(threading.Thread):
    """Writes a sign of life every `BEAT_SECONDS` until it is stopped."""

    kind = ServiceHeartbeat.Kind.WORKER

    def __init__(self, node: str) -> None:
        super().__init__(name="heartbeat", daemon=True)
        self._node = f"{self.kind} {node}"[:200]
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.is_set():
            if self.is_beating():
                self._write(self._sign)
            self._stopped.wait(BEAT_SECONDS)

    def stop(self) -> None:
        """End the thread, and say that the service is gone."""
        self._stopped.set()
        self._write(ServiceHeartbeat.objects.filter(pk=self._node).delete)

    def is_beating(self) -> bool:
        """Return whether the service works."""
        return True

    def is_gpu_absent(self) -> bool:
        """Return whether the service was asked for a GPU and finds none."""
        return settings.AFFETTI_DEVICE == "cuda" and not analysis.has_gpu()

    def _sign(self) -> None:
        now = timezone.now()
        ServiceHeartbeat.objects.update_or_create(
            name=self._node,
            defaults={
                "kind": self.kind,
                "seen_at": now,
                "is_gpu_absent": self.is_gpu_absent(),
                "memory_bytes": _memory_bytes(),
                "gpu_memory_bytes": analysis.gpu_memory_bytes(),
            },
        )
        # Those of hosts that are no more; a container has a new name at each start.
        ServiceHeartbeat.objects.filter(seen_at__lt=now - _KEPT).delete()

    def _write(self, write: Callable[[], object]) -> None:
        try:
            write()
        except (DatabaseError, InterfaceError) as error:
            logger.warning("No sign of life could be written: %s", error)
        except Exception:  # such as a GPU's; the thread must go on
            logger.exception("No sign of life could be written")
        finally:
            connections.close_all()


class SchedulerHeart(Heart):
    """Beats while the scheduler sends messages."""

    kind = ServiceHeartbeat.Kind.SCHEDULER

    def __init__(self, node: str) -> None:
        super().__init__(node)
        self._sent_at = time.monotonic()

    def note_message(self, **_: Any) -> None:
        """Note that a message was sent (a receiver of Celery's signal)."""
        self._sent_at = time.monotonic()

    def is_beating(self) -> bool:
        return time.monotonic() - self._sent_at < SENT_SECONDS

    def is_gpu_absent(self) -> bool:
        return False


def _memory_bytes() -> int:
    """Return the resident memory of this process and its children."""
    own = psutil.Process()
    total = 0
    for process in [own, *own.children(recursive=True)]:
        with contextlib.suppress(psutil.Error):  # it ended meanwhile
            total += process.memory_info().rss
    return total


class WatcherHeart(Heart):
    """Beats while the watcher of libraries runs."""

    kind = ServiceHeartbeat.Kind.WATCHER

    def is_gpu_absent(self) -> bool:
        return False


_hearts: Final[list[Heart]] = []


@worker_ready.connect
def _worker_started(sender: Any, **_: Any) -> None:
    # A worker becomes ready again whenever it has lost the broker.
    if not _hearts:
        _start(Heart(sender.hostname))


@worker_shutdown.connect
def _worker_ended(**_: Any) -> None:
    for heart in _hearts:
        heart.stop()


@beat_init.connect
def _scheduler_started(**_: Any) -> None:
    heart = SchedulerHeart(socket.gethostname())
    after_task_publish.connect(heart.note_message)
    _start(heart)


def _start(heart: Heart) -> None:
    _hearts.append(heart)
    heart.start()
