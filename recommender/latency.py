"""How long requests take, by route and class of status, over all web processes of a machine.

The processes share a file without a name. Each writes to a slot of its own, and any of them reads
all slots. A process that is started again goes on in the slot of the one before. Routes are the
names in the URL configuration, so their number is fixed.
"""

from __future__ import annotations

import functools
import mmap
import os
import tempfile
import threading
import time
from bisect import bisect_left
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from django.urls import get_resolver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import IO

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase
    from django.urls import ResolverMatch

BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper limits in seconds; one more bucket has none."""
MOST_ROUTES: Final = 256
OTHER: Final = "other"
"""The route of a request that leads nowhere, or that a middleware answered."""
_CLASSES: Final = ("1xx", "2xx", "3xx", "4xx", "5xx")
_CELLS: Final = len(BUCKETS) + 2
"""Of one route and class: requests by bucket, and the sum of their seconds."""
_SLOT_CELLS: Final = MOST_ROUTES * len(_CLASSES) * _CELLS
_BYTES: Final = 8


class Latency(NamedTuple):
    """The requests of one route with one class of status."""

    route: str
    status: str
    counts: list[int]
    """By bucket, not cumulated; one more than `BUCKETS`."""
    seconds: float


def shared_file(slots: int) -> IO[bytes]:
    """Return a file for so many processes; it is gone when the last of them has closed it.

    Its blocks are written now: a process that maps an unwritten block ends if the disk is full.
    """
    file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  the processes inherit it
    file.write(bytes(slots * _SLOT_CELLS * _BYTES))
    os.fsync(file.fileno())
    return file


class Latencies:
    """Counts the requests of this process in its slot, and reads those of all."""

    def __init__(self, memory: bytearray | mmap.mmap | None = None, *, slot: int = 0) -> None:
        memory = bytearray(_SLOT_CELLS * _BYTES) if memory is None else memory
        self._cells = memoryview(memory).cast("d")
        self._start = slot * _SLOT_CELLS
        self._lock = threading.Lock()

    def observe(self, route: str, status: int, seconds: float) -> None:
        """Count a request; a route that the URL configuration does not name is `OTHER`."""
        at = _routes().get(route, 0) * len(_CLASSES) + min(max(status // 100, 1), 5) - 1
        cell = self._start + at * _CELLS
        with self._lock:
            self._cells[cell + bisect_left(BUCKETS, seconds)] += 1
            self._cells[cell + _CELLS - 1] += seconds

    def read(self) -> Iterator[Latency]:
        """Return what all processes have counted, without routes that nobody asked for."""
        slots = range(0, len(self._cells), _SLOT_CELLS)
        for route, number in _routes().items():
            for place, status in enumerate(_CLASSES):
                start = (number * len(_CLASSES) + place) * _CELLS
                cells = [
                    sum(self._cells[slot + cell] for slot in slots)
                    for cell in range(start, start + _CELLS)
                ]
                if any(cells):
                    yield Latency(route, status, [int(count) for count in cells[:-1]], cells[-1])


_of_process = Latencies()


def latencies() -> Latencies:
    """Return the counts of this process; of all, if `latencies_share` was called."""
    return _of_process


def latencies_share(file_number: int, *, slot: int) -> None:
    """Count in a file of `shared_file` from now on, which this process has inherited."""
    global _of_process
    _of_process = Latencies(mmap.mmap(file_number, 0), slot=slot)


def latency_middleware(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Measure until an answer begins; the server sends it afterwards."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        start = time.perf_counter()
        response = get_response(request)
        seconds = time.perf_counter() - start
        latencies().observe(_route(request.resolver_match), response.status_code, seconds)
        return response

    return middleware


def _route(match: ResolverMatch | None) -> str:
    if match is None:
        return OTHER
    return "admin" if "admin" in match.app_names else match.view_name


@functools.cache
def _routes() -> dict[str, int]:
    """Return the number of each route, the same in all processes; 0 is `OTHER`."""
    names = sorted({name for name in _names(get_resolver().url_patterns) if name != OTHER})
    # Routes beyond the limit are counted as `OTHER`.
    return {name: number for number, name in enumerate([OTHER, *names][:MOST_ROUTES])}


def _names(patterns: list[Any], prefix: str = "") -> Iterator[str]:
    for pattern in patterns:
        if getattr(pattern, "app_name", None) == "admin":
            yield "admin"
        elif hasattr(pattern, "url_patterns"):
            space = f"{pattern.namespace}:" if pattern.namespace else ""
            yield from _names(pattern.url_patterns, prefix + space)
        else:
            yield prefix + (pattern.name or pattern.lookup_str)
