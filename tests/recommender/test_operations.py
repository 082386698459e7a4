"""What staff are told of the installation: workers, scheduler, GPU, disk."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from celery.signals import after_task_publish
from django.utils import timezone

from catalog import analysis
from catalog.models import Library
from recommender import heartbeat, operations
from recommender.heartbeat import Heart, SchedulerHeart
from recommender.models import ServiceHeartbeat
from recommender.operations import AWAY_SECONDS, operation_warnings
from tests.factories import LibraryFactory

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.test import Client
    from pytest_django.fixtures import SettingsWrapper

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def same_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """A heart closes its thread's connections; here they are the test's."""
    monkeypatch.setattr(heartbeat.connections, "close_all", lambda: None)


def seen(kind: str, *, seconds_ago: float = 0, **fields: object) -> ServiceHeartbeat:
    at = timezone.now() - timedelta(seconds=seconds_ago)
    return ServiceHeartbeat.objects.create(name=f"{kind} here", kind=kind, seen_at=at, **fields)


def codes() -> set[str]:
    return {warning.code for warning in operation_warnings()}


def test_all_is_well() -> None:
    seen("worker")
    seen("scheduler")
    assert operation_warnings() == []


@pytest.mark.parametrize(
    "seconds_ago", [AWAY_SECONDS + 1, -3 * 3600], ids=["silent", "the clock was set back"]
)
def test_away(seconds_ago: float) -> None:
    seen("worker", seconds_ago=seconds_ago)
    assert codes() == {"WORKER_AWAY", "SCHEDULER_AWAY"}
    ServiceHeartbeat.objects.all().delete()
    seen("scheduler", seconds_ago=seconds_ago)
    assert codes() == {"WORKER_AWAY", "SCHEDULER_AWAY"}


def test_a_watcher_is_missed_only_where_a_library_is_watched() -> None:
    library = LibraryFactory(watch="off")
    assert "WATCHER_AWAY" not in codes()
    Library.objects.update(watch="polling")
    assert "WATCHER_AWAY" in codes()
    seen("watcher")
    assert "WATCHER_AWAY" not in codes()
    ServiceHeartbeat.objects.all().delete()
    Library.objects.filter(pk=library.pk).update(is_going=True)
    assert "WATCHER_AWAY" not in codes()


def test_disk_nearly_full(settings: SettingsWrapper) -> None:
    settings.AFFETTI_DISK_FREE_BYTES = 2**62
    (warning,) = [w for w in operation_warnings() if w.code == "DISK_NEARLY_FULL"]
    assert "AFFETTI_DISK_FREE_BYTES" in warning.message
    settings.AFFETTI_DISK_FREE_BYTES = 0
    assert "DISK_NEARLY_FULL" not in codes()


class TestGpu:
    def test_a_worker_says_it(self) -> None:
        worker = seen("worker", is_gpu_absent=True)
        assert "GPU_ABSENT" in codes()
        worker.delete()
        seen("worker")
        assert "GPU_ABSENT" not in codes()

    def test_without_a_worker_this_host_is_asked(
        self, settings: SettingsWrapper, monkeypatch: pytest.MonkeyPatch, tmp_path: object
    ) -> None:
        monkeypatch.setattr(operations, "_GPU_NODES", ())
        assert "GPU_ABSENT" not in codes()
        settings.AFFETTI_DEVICE = "cuda"
        assert "GPU_ABSENT" in codes()
        monkeypatch.setattr(operations, "_GPU_NODES", (tmp_path,))
        assert "GPU_ABSENT" not in codes()

    @pytest.mark.parametrize("device", ["cuda", "auto", "cpu"])
    @pytest.mark.parametrize("has_gpu", [False, True])
    def test_what_a_worker_writes(
        self,
        settings: SettingsWrapper,
        monkeypatch: pytest.MonkeyPatch,
        device: str,
        has_gpu: bool,
    ) -> None:
        settings.AFFETTI_DEVICE = device
        monkeypatch.setattr(analysis, "has_gpu", lambda: has_gpu)
        beat(Heart("affetti@here"))
        worker = ServiceHeartbeat.objects.get(kind="worker")
        assert worker.is_gpu_absent is (device == "cuda" and not has_gpu)


def beat(heart: Heart) -> None:
    """Let a heart beat once, in this thread."""
    heart._stopped.wait = lambda _seconds: heart._stopped.set()  # type: ignore[method-assign]
    heart.run()
    heart._stopped.clear()


class TestHeart:
    def test_of_a_worker(self) -> None:
        heart = Heart("affetti@here")
        beat(heart)
        beat(heart)
        assert ServiceHeartbeat.objects.count() == 1
        assert "WORKER_AWAY" not in codes()
        heart.stop()
        assert "WORKER_AWAY" in codes()

    def test_an_error_of_the_gpu_does_not_end_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken() -> dict[str, int]:
            raise RuntimeError("CUDA error")

        heart = heartbeat.Heart("node")
        monkeypatch.setattr(heartbeat.analysis, "gpu_memory_bytes", broken)
        heart._write(heart._sign)  # the thread would end with it

    def test_of_a_scheduler_that_sends(self) -> None:
        heart = SchedulerHeart("here")
        heart._sent_at -= 2 * heartbeat.SENT_SECONDS
        beat(heart)
        assert "SCHEDULER_AWAY" in codes()
        heart.note_message()
        beat(heart)
        assert "SCHEDULER_AWAY" not in codes()

    def test_hosts_that_are_no_more_are_forgotten(self) -> None:
        seen("worker", seconds_ago=2 * 86_400)
        beat(Heart("affetti@here"))
        assert [row.name for row in ServiceHeartbeat.objects.all()] == ["worker affetti@here"]

    def test_signals_start_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(heartbeat, "_hearts", hearts := [])
        monkeypatch.setattr(Heart, "start", lambda self: None)
        heartbeat._worker_started(SimpleNamespace(hostname="affetti@here"))
        heartbeat._worker_started(SimpleNamespace(hostname="affetti@here"))
        assert len(hearts) == 1
        heartbeat._scheduler_started()
        scheduler = hearts[1]
        scheduler._sent_at = 0.0
        after_task_publish.send(sender="any")
        assert scheduler.is_beating()
        after_task_publish.disconnect(scheduler.note_message)


def test_banner_is_for_staff_whole_on_their_pages_and_a_line_on_others(
    client: Client, user: User, staff: User
) -> None:
    pages = ("/", "/songs", "/history", "/playlists", "/no-such-page")
    note = "2 things of this installation have to be put right."
    client.force_login(user)
    for page in pages:
        assert note not in client.get(page).content.decode()
    client.force_login(staff)
    for page in pages:
        text = client.get(page).content.decode()
        assert note in text
        assert "WORKER_AWAY" not in text
    text = client.get("/manage/add").content.decode()
    assert "WORKER_AWAY" in text
    assert "SCHEDULER_AWAY" in text
    assert note not in text


def test_a_check_that_cannot_read_the_disk_ends_no_page(
    client: Client, staff: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(operations.shutil, "disk_usage", fail)
    client.force_login(staff)
    response = client.get("/manage/add")
    assert response.status_code == 200
    assert "CHECK_FAILED" in response.content.decode()
