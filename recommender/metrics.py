"""Numbers for Prometheus, at `/metrics`: for staff, and for who knows AFFETTI_METRICS_TOKEN.

All are read at the time of the scrape, from the database and from what the web processes share. So
it does not matter which of them answers.
"""

from __future__ import annotations

import hmac
import itertools
from typing import TYPE_CHECKING, Final

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q
from django.http import HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    GaugeMetricFamily,
    HistogramMetricFamily,
    SummaryMetricFamily,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from catalog.models import BackgroundJob, Song, StageTiming
from catalog.work.queue import songs_waiting
from recommender import operations
from recommender.health import readiness
from recommender.index import index_status
from recommender.latency import BUCKETS, latencies
from recommender.models import ServiceHeartbeat

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from django.http import HttpRequest
    from prometheus_client.metrics_core import Metric

_OWN_CODES: Final = (
    *("WORKER_AWAY", "SCHEDULER_AWAY", "WATCHER_AWAY"),
    *("GPU_ABSENT", "DISK_NEARLY_FULL"),
)
"""Warnings that have the value 0 while all is well; another is there only while it holds."""


@login_not_required
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer in Prometheus' text format; without the database only what is ready."""
    if not _has_token(request) and not request.user.is_staff:
        raise PermissionDenied
    registry = CollectorRegistry()
    registry.register(_Collector())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)


def _has_token(request: HttpRequest) -> bool:
    token = settings.AFFETTI_METRICS_TOKEN
    given = request.headers.get("Authorization", "")
    return bool(token) and hmac.compare_digest(given.encode(), f"Bearer {token}".encode())


class _Collector:
    def collect(self) -> Iterator[Metric]:
        checks = readiness()
        warnings = checks.pop("warnings")
        yield _by("ready", "Whether a part can be used.", "check", _ready(checks))
        found = [warning["code"] for warning in warnings.get("found", [])]
        if warnings["ok"]:
            states = dict.fromkeys(_OWN_CODES, 0) | dict.fromkeys(found, 1)
            yield _by("warning", "Whether staff are warned of this.", "code", states)
        if checks["database"]["ok"] and checks["index"]["ok"]:
            yield from _catalogue()
            yield from _work()
            yield _stages()
            yield from _memory()
            yield from _index()
        yield _latency()

    def describe(self) -> list[Metric]:
        return []


def _ready(checks: Mapping[str, Mapping[str, object]]) -> dict[str, int]:
    return {name: int(bool(check["ok"])) for name, check in checks.items()}


def _catalogue() -> Iterator[Metric]:
    counts = dict.fromkeys(Song.Status.values, 0)
    rows = Song.objects.filter(is_available=True).order_by().values_list("status")
    counts |= dict(rows.annotate(Count("pk")))
    yield _by("songs", "Songs whose files are there.", "status", counts)


def _work() -> Iterator[Metric]:
    waiting = songs_waiting()
    yield _one("queue_songs", "Songs that wait for a worker.", waiting.count())
    leased = Q(status=Song.Status.PENDING) & ~Q(leased_by="")
    yield _one("leased_songs", "Songs held by a worker.", Song.objects.filter(leased).count())
    jobs = dict.fromkeys(BackgroundJob.Status.values, 0)
    jobs |= dict(BackgroundJob.objects.order_by().values_list("status").annotate(Count("pk")))
    yield _by("jobs", "Background jobs.", "status", jobs)
    alive = {
        str(kind): operations.services_alive(kind).count() for kind in ServiceHeartbeat.Kind.values
    }
    yield _by("services", "Processes that show signs of life.", "kind", alive)


def _stages() -> Metric:
    metric = SummaryMetricFamily(
        "affetti_stage_seconds",
        "Seconds that stages of the work took, of all workers; counted are songs, or files.",
        labels=["stage"],
    )
    known = {timing.stage: timing for timing in StageTiming.objects.all()}
    for stage in StageTiming.Stage.values:
        timing = known.get(stage, StageTiming(stage=stage))
        metric.add_metric([stage], timing.items, timing.seconds)
    return metric


def _memory() -> Iterator[Metric]:
    of_process = GaugeMetricFamily(
        "affetti_service_memory_bytes", "Resident memory of a service.", labels=["service"]
    )
    of_gpu = GaugeMetricFamily(
        "affetti_gpu_memory_bytes",
        "Memory of a worker's GPU: of the whole card, in use, and the most that its networks used.",
        labels=["service", "of"],
    )
    for service in operations.services_alive():
        if service.memory_bytes:
            of_process.add_metric([service.name], service.memory_bytes)
        for of, amount in service.gpu_memory_bytes.items():
            of_gpu.add_metric([service.name, of], amount)
    yield of_process
    yield of_gpu


def _index() -> Iterator[Metric]:
    status = index_status()
    yield _one("index_songs", "Songs in the active build.", status.built_songs)
    yield _one("index_tail_songs", "Songs that changed since the build.", status.tail)
    if status.built_at is not None:
        age = (timezone.now() - status.built_at).total_seconds()
        yield _one("index_age_seconds", "Seconds since the active build was made.", age)


def _latency() -> Metric:
    metric = HistogramMetricFamily(
        "affetti_request_seconds",
        "Seconds from a request to the begin of its answer.",
        labels=["route", "status"],
    )
    bounds = [*map(str, BUCKETS), "+Inf"]
    for latency in latencies().read():
        buckets = list(zip(bounds, itertools.accumulate(latency.counts), strict=True))
        metric.add_metric([latency.route, latency.status], buckets, latency.seconds)
    return metric


def _one(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(f"affetti_{name}", words, value=value)


def _by(name: str, words: str, label: str, values: Mapping[str, float]) -> Metric:
    metric = GaugeMetricFamily(f"affetti_{name}", words, labels=[label])
    for key, value in values.items():
        metric.add_metric([key], value)
    return metric
