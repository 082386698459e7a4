from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from catalog.work import messages
from catalog.work.messages import broker

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A broker that takes a connection and never answers; the tasks that it was asked for."""
    asked: list[str] = []
    end = threading.Event()

    def send_task(_app: object, name: str, **_: object) -> None:
        asked.append(name)
        end.wait(30)

    monkeypatch.setattr("celery.app.base.Celery.send_task", send_task)
    monkeypatch.setattr(messages, "SEND_SECONDS", 0.2)
    yield asked
    end.set()


def test_a_stopped_broker_holds_nobody(stopped: list[str]) -> None:
    start = time.monotonic()
    for number in range(64):
        broker.send(f"task {number}", ())
    assert time.monotonic() - start < 1
    assert stopped == ["task 0"]


def test_it_is_asked_again_after_a_pause(
    stopped: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "PAUSE_SECONDS", 0.0)
    broker.send("first", ())
    broker.send("second", ())
    assert stopped == ["first", "second"]


def test_an_error_pauses_too(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def send_task(_app: object, name: str, **_: object) -> None:
        asked.append(name)
        raise ConnectionError("refused")

    monkeypatch.setattr("celery.app.base.Celery.send_task", send_task)
    broker.send("first", ())
    broker.send("second", ())
    assert asked == ["first"]
