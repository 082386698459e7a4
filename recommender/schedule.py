"""The periodic messages, timed by the monotonic clock.

Celery's own schedulers compare times of day: a clock set back by hours stops them for hours.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from celery.beat import Scheduler

if TYPE_CHECKING:
    from celery import Celery


class MonotonicScheduler(Scheduler):
    """A scheduler whose periods begin with its start and are measured by the monotonic clock.

    All entries have a period in seconds. Each is sent at the start, then once a period. The file
    `beat_schedule_filename` is empty; its time is that of the last message.
    """

    def __init__(self, app: Celery, **kwargs: Any) -> None:
        self._periods: dict[str, float] = {
            name: entry["schedule"] for name, entry in app.conf.beat_schedule.items()
        }
        self._due_at: dict[str, float] = {}
        self._sign = Path(app.conf.beat_schedule_filename)
        super().__init__(app, **kwargs)

    def tick(self, *_: object, **__: object) -> float:
        """Send what is due; return the seconds until something is."""
        now = time.monotonic()
        for name, entry in self.schedule.items():
            if self._due_at.get(name, now) <= now:
                self._due_at[name] = now + self._periods[name]
                self.apply_entry(entry, producer=self.producer)
                self._sign.touch()
        return min(self._due_at.values()) - now
