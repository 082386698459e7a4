"""What is wrong with the installation as a whole, for staff: banner, `/readyz` and metrics.

A check says what it finds as an `OperationWarning`, or nothing. Another module adds its own::

    @operation_check
    def disk_is_full() -> OperationWarning | None: ...
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext

from catalog.models import Library
from recommender.models import ServiceHeartbeat

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import QuerySet
    from django.http import HttpRequest

AWAY_SECONDS: Final = 60
"""A service that has shown no sign of life for this long counts as away."""
# Where NVIDIA's driver shows a device: on Linux, and in the Windows Subsystem for Linux.
_GPU_NODES: Final = (Path("/dev/nvidiactl"), Path("/dev/dxg"))


@dataclass(frozen=True, slots=True)
class OperationWarning:
    """Something that an admin must put right; `code` is stable, `message` says what to do."""

    code: str
    message: str


_CHECKS: Final[list[Callable[[], OperationWarning | None]]] = []


def operation_check(
    check: Callable[[], OperationWarning | None],
) -> Callable[[], OperationWarning | None]:
    """Add a check to those of `operation_warnings`; it must be quick (a decorator)."""
    _CHECKS.append(check)
    return check


def operation_warnings() -> list[OperationWarning]:
    """Return what is wrong now, in the order of the checks."""
    found = [_asked(check) for check in _CHECKS]
    return [warning for warning in found if warning is not None]


def _asked(check: Callable[[], OperationWarning | None]) -> OperationWarning | None:
    """Return what a check finds; one that cannot read the disk must not end a page of staff."""
    try:
        return check()
    except OSError as error:
        return OperationWarning(
            "CHECK_FAILED",
            gettext("The state of the installation cannot be read in full: %(error)s.")
            % {"error": error},
        )


def warnings_for_staff(request: HttpRequest) -> dict[str, Callable[[], list[OperationWarning]]]:
    """Give every template the warnings; it computes them only if it asks (context processor)."""
    return {"operation_warnings": operation_warnings}


@operation_check
def worker_away() -> OperationWarning | None:
    if services_alive(ServiceHeartbeat.Kind.WORKER).exists():
        return None
    return OperationWarning(
        "WORKER_AWAY",
        gettext(
            "No worker is running: songs are not scanned and not analysed. Start one: make "
            "run, or the services worker-io and worker-analysis."
        ),
    )


@operation_check
def scheduler_away() -> OperationWarning | None:
    if services_alive(ServiceHeartbeat.Kind.SCHEDULER).exists():
        return None
    return OperationWarning(
        "SCHEDULER_AWAY",
        gettext(
            "The scheduler is not running: interrupted work is not taken up again and the "
            "index is not built anew. Start it: make run, or the service beat."
        ),
    )


@operation_check
def watcher_away() -> OperationWarning | None:
    watched = Library.objects.exclude(watch=Library.Watch.OFF).filter(is_going=False)
    if services_alive(ServiceHeartbeat.Kind.WATCHER).exists() or not watched.exists():
        return None
    return OperationWarning(
        "WATCHER_AWAY",
        gettext(
            "A library should be watched, but the watcher is not running: what changes in the "
            "library is not seen. Start it: make run, or the service watch."
        ),
    )


@operation_check
def gpu_absent() -> OperationWarning | None:
    """A worker that was asked for a GPU says whether it found one; without any, this host does."""
    workers = services_alive(ServiceHeartbeat.Kind.WORKER)
    blind = [name for name, is_absent in workers.values_list("name", "is_gpu_absent") if is_absent]
    if not blind:
        is_wanted_here = settings.AFFETTI_DEVICE == "cuda" and not workers.exists()
        if not is_wanted_here or any(node.exists() for node in _GPU_NODES):
            return None
    message = (
        gettext(
            "AFFETTI_DEVICE is cuda, but no GPU is found by %(workers)s: songs wait. Repair the "
            "driver, or set AFFETTI_DEVICE to auto or cpu."
        )
        if blind
        else gettext(
            "AFFETTI_DEVICE is cuda, but no GPU is found: songs wait. Repair the driver, or set "
            "AFFETTI_DEVICE to auto or cpu."
        )
    )
    return OperationWarning(
        "GPU_ABSENT",
        message % {"workers": ", ".join(blind)},
    )


@operation_check
def disk_nearly_full() -> OperationWarning | None:
    free = shutil.disk_usage(settings.VAR_DIR).free
    if free >= settings.AFFETTI_DISK_FREE_BYTES:
        return None
    return OperationWarning(
        "DISK_NEARLY_FULL",
        gettext(
            "%(free)s GiB are free on the disk of AFFETTI_VAR_DIR, less than %(least)s "
            "GiB (AFFETTI_DISK_FREE_BYTES). Free some space before the database cannot be "
            "written."
        )
        % {
            "free": format(free / 1024**3, ".1f"),
            "least": format(settings.AFFETTI_DISK_FREE_BYTES / 1024**3, ".1f"),
        },
    )


def services_alive(kind: str = "") -> QuerySet[ServiceHeartbeat]:
    """Return the signs of life of services, of one kind or all, that count as running.

    One from the future was written before the clock was set back, and says nothing.
    """
    now, most = timezone.now(), timedelta(seconds=AWAY_SECONDS)
    alive = ServiceHeartbeat.objects.filter(seen_at__range=(now - most, now + most))
    return alive.filter(kind=kind) if kind else alive
