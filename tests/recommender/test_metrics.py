"""Numbers for Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from catalog.models import StageTiming
from recommender import latency
from recommender.latency import Latencies
from tests.recommender.test_operations import seen

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.test import Client
    from pytest_django.fixtures import SettingsWrapper

    from catalog.models import Song

# The checks have threads, and so database connections, of their own.
pytestmark = pytest.mark.django_db(transaction=True)


def numbers(client: Client, **headers: str) -> dict[tuple[str, ...], float]:
    """Return every sample by its name and its labels' values."""
    response = client.get("/metrics", headers=headers)
    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name.removeprefix("affetti_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(response.content.decode())
        for sample in family.samples
    }


def test_never_public(client: Client, user: User, settings: SettingsWrapper) -> None:
    for header in ({}, {"Authorization": "Bearer "}, {"Authorization": "Bearer x"}):
        assert client.get("/metrics", headers=header).status_code == 403
    client.force_login(user)
    assert client.get("/metrics").status_code == 403
    client.logout()
    settings.AFFETTI_METRICS_TOKEN = "secret"
    assert client.get("/metrics", headers={"Authorization": "Bearer no"}).status_code == 403
    settings.AFFETTI_PUBLIC = False
    assert numbers(client, Authorization="Bearer secret")


def test_the_time_of_requests_by_route_and_status(
    client: Client, staff: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latency, "_of_process", Latencies())
    client.force_login(staff)
    for path in ("/songs", "/songs", "/songs/999999", "/songs/999998", "/nowhere", "/admin/"):
        client.get(path)
    found = {
        tuple(labels): value
        for (name, *labels), value in numbers(client).items()
        if name == "request_seconds_bucket"
    }
    counts = {labels[1:]: value for labels, value in found.items() if labels[0] == "+Inf"}
    assert counts == {
        ("songs", "2xx"): 2,
        ("song", "4xx"): 2,  # one label, whatever the number
        ("other", "4xx"): 1,
        ("admin", "2xx"): 1,
    }
    assert found["0.005", "songs", "2xx"] <= found["10.0", "songs", "2xx"] <= 2


def test_what_staff_read(client: Client, staff: User, songs: list[Song]) -> None:
    seen("worker")
    client.force_login(staff)
    found = numbers(client)
    assert found["ready", "database"] == 1
    assert found["warning", "WORKER_AWAY"] == 0
    assert found["warning", "SCHEDULER_AWAY"] == 1
    assert found["warning", "WATCHER_AWAY"] == 0
    assert found["warning", "GPU_ABSENT"] == 0
    assert found["warning", "DISK_NEARLY_FULL"] == 0
    assert found["songs", "analysed"] == 12
    assert found["songs", "failed"] == 0
    assert found["queue_songs",] == 0
    assert found["leased_songs",] == 0
    assert found["services", "worker"] == 1
    assert found["index_songs",] == 0
    assert found["index_tail_songs",] == 12


def test_songs_at_work(client: Client, staff: User, songs: list[Song]) -> None:
    for song, worker in zip(songs, ("", "", "host|1|node"), strict=False):
        song.status, song.leased_by = "pending", worker
        song.leased_at = song.created_at if worker else None
        song.save()
    client.force_login(staff)
    found = numbers(client)
    assert found["songs", "pending"] == 3
    assert found["queue_songs",] == 2
    assert found["leased_songs",] == 1


def test_stages_and_memory_of_all_workers(client: Client, staff: User) -> None:
    StageTiming.objects.create(stage="predict", items=80, seconds=2.5)
    seen("worker", memory_bytes=10**9, gpu_memory_bytes={"total": 80, "used": 8, "peak": 7})
    client.force_login(staff)
    found = numbers(client)
    assert found["stage_seconds_count", "predict"] == 80
    assert found["stage_seconds_sum", "predict"] == 2.5
    assert found["stage_seconds_count", "index"] == 0
    memory = {name: value for name, value in found.items() if "memory" in name[0]}
    node = "worker here"
    assert memory == {
        ("service_memory_bytes", node): 10**9,
        ("gpu_memory_bytes", "total", node): 80,
        ("gpu_memory_bytes", "used", node): 8,
        ("gpu_memory_bytes", "peak", node): 7,
    }
