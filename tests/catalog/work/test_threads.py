from __future__ import annotations

import threading

import pytest
from django.db import OperationalError

from catalog.work import threads
from catalog.work.threads import repeated, until_done


def test_an_action_is_repeated_while_the_block_runs_whatever_the_database_does() -> None:
    calls: list[int] = []
    is_enough = threading.Event()

    def act() -> None:
        calls.append(len(calls))
        if len(calls) == 3:
            is_enough.set()
        raise OperationalError("disk I/O error")

    with repeated(act, every_seconds=0.01):
        assert is_enough.wait(10)


def test_after_an_outage_the_action_is_done_without_the_caller(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(threads, "RETRY_SECONDS", 0.01)
    is_done = threading.Event()
    errors = [OperationalError("server closed the connection"), OperationalError("again")]

    def release() -> None:
        if errors:
            raise errors.pop()
        is_done.set()

    until_done(release, what="release")  # raises nothing, although the database is away

    assert is_done.wait(10)


def test_an_error_that_is_no_outage_is_raised() -> None:
    def release() -> None:
        raise ValueError("a mistake")

    with pytest.raises(ValueError, match="a mistake"):
        until_done(release, what="release")
