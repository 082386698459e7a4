"""The time that requests take, counted by several web processes together."""

from __future__ import annotations

import mmap
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from urllib.request import Request, urlopen

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from recommender.latency import BUCKETS, MOST_ROUTES, OTHER, Latencies, _routes, shared_file
from tests.integration.stack import Migrated, Stack, free_port

if TYPE_CHECKING:
    from pathlib import Path

REQUESTS = 120


def test_processes_count_apart_and_each_reads_all() -> None:
    with shared_file(2) as file:
        one, two = (Latencies(mmap.mmap(file.fileno(), 0), slot=slot) for slot in (0, 1))
        one.observe("songs", 200, 0.02)
        two.observe("songs", 204, 0.02)
        two.observe("songs", 200, 60.0)
        two.observe("no such route", 503, 0.005)
        # A process that takes the place of a dead one goes on.
        Latencies(mmap.mmap(file.fileno(), 0), slot=0).observe("songs", 200, 0.0)
        for reader in (one, two):
            failed, good = sorted(reader.read(), key=lambda latency: latency.route)
            assert (failed.route, failed.status, failed.counts[0]) == (OTHER, "5xx", 1)
            assert (good.route, good.status, sum(good.counts)) == ("songs", "2xx", 4)
            assert good.counts[BUCKETS.index(0.025)] == 2
            assert good.counts[-1] == 1
            assert good.seconds == pytest.approx(60.04)


def test_every_route_has_a_number() -> None:
    routes = _routes()
    assert {OTHER, "admin", "songs", "song"} <= routes.keys()
    assert len(routes) < MOST_ROUTES
    assert sorted(routes.values()) == list(range(len(routes)))


def counted(port: int) -> float:
    """Return how many requests for the list of songs all processes have answered."""
    url = f"http://127.0.0.1:{port}/metrics"
    with urlopen(Request(url, headers={"Authorization": "Bearer secret"}), timeout=60) as answer:
        text = answer.read().decode()
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "affetti_request_seconds_count" and sample.labels["route"] == "songs"
    )


@pytest.mark.integration
@pytest.mark.slow
def test_two_web_processes_and_the_death_of_one(tmp_path: Path, migrated: Migrated) -> None:
    stack = Stack(tmp_path, is_full=False)
    stack.env |= {"AFFETTI_METRICS_TOKEN": "secret", "AFFETTI_THROTTLE_ANON": "100000/min"}
    port = free_port()

    def ask(_: int = 0) -> bool:
        try:
            with urlopen(f"http://127.0.0.1:{port}/songs", timeout=60) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    try:
        stack.migrate(migrated)
        command = ("python", "manage.py", "serve", "--processes", "2", "--port", str(port))
        supervisor = psutil.Process(stack.start(*command).pid)
        stack.wait_until(ask, "the web", seconds=90)
        stack.wait_until(lambda: len(supervisor.children()) == 2, "both", seconds=90)
        before = counted(port)
        with ThreadPoolExecutor(12) as pool:
            assert all(pool.map(ask, range(REQUESTS)))
        assert {counted(port) for _ in range(8)} == {before + REQUESTS}
        dead = supervisor.children()[0]
        dead.send_signal(signal.SIGKILL)
        stack.wait_until(
            lambda: len(supervisor.children()) == 2 and dead.pid not in psutil.pids(),
            "a new process",
            seconds=90,
        )
        assert counted(port) == before + REQUESTS
        assert ask()
        assert counted(port) == before + REQUESTS + 1
    finally:
        stack.close()
