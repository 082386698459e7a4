"""How many requests of one process may do something heavy at once, and how long others wait.

What was killed or took too long is not tried again at once; nobody knows yet whose fault it was.
"""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext

from recommender.errors import MediaBusyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.utils.functional import _StrPromise

_MOST_FOR_ONE: Final = 4
"""Requests that wait for the same thing; each holds a thread of the server."""

_PAUSES_SECONDS: Final = (60.0, 300.0, 1500.0, 3600.0)
"""After the first failure, the second, and so on; after more, the last."""
_MOST_PAUSES: Final = 1000


class Turns:
    """At most `at_once` hold a turn, and `waiting` wait for one; others are refused at once.

    `message` is that of the refusal.
    """

    def __init__(self, message: _StrPromise, *, at_once: int, waiting: int) -> None:
        self._message = message
        self._turns = threading.BoundedSemaphore(at_once)
        self._places = threading.BoundedSemaphore(at_once + waiting)

    @contextlib.contextmanager
    def taken(self, *, wait_seconds: float) -> Iterator[None]:
        """Hold a turn; MediaBusyError if none is free in time."""
        with contextlib.ExitStack() as held:
            for semaphore, seconds in ((self._places, 0.0), (self._turns, wait_seconds)):
                if not semaphore.acquire(timeout=seconds):
                    raise MediaBusyError(str(self._message))
                held.callback(semaphore.release)
            yield


@dataclass(slots=True)
class Work:
    """What is done for one name, and how many requests it is done for."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    requests: int = 0

    @property
    def is_shared(self) -> bool:
        """Whether another request waits for it, too."""
        return self.requests > 1


class OneByOne:
    """Requests for the same name come one after the other; those for others do not wait."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._works: dict[str, Work] = {}

    @contextlib.contextmanager
    def alone(self, name: str) -> Iterator[Work]:
        """Wait for the others with this name; MediaBusyError if they are many."""
        with self._lock:
            work = self._works.setdefault(name, Work())
            if work.requests >= _MOST_FOR_ONE:
                raise MediaBusyError(
                    gettext("Too many requests wait for this song; try again soon.")
                )
            work.requests += 1
        try:
            with work.lock:
                yield work
        finally:
            with self._lock:
                work.requests -= 1
                if not work.requests:
                    del self._works[name]


class Pauses:
    """Names that failed lately and are left alone for a while, longer after each failure."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failed: dict[str, tuple[int, float]] = {}

    def holds(self, name: str) -> bool:
        """Return whether it is too early to try this name again."""
        with self._lock:
            _, until = self._failed.get(name, (0, 0.0))
        return self._clock() < until

    def begin(self, name: str) -> None:
        """Note that this name failed now."""
        with self._lock:
            times, _ = self._failed.pop(name, (0, 0.0))
            seconds = _PAUSES_SECONDS[min(times, len(_PAUSES_SECONDS) - 1)]
            self._failed[name] = times + 1, self._clock() + seconds
            while len(self._failed) > _MOST_PAUSES:
                del self._failed[next(iter(self._failed))]

    def end(self, name: str) -> None:
        """Note that this name has been made."""
        with self._lock:
            self._failed.pop(name, None)
