"""The times of the stages, of all workers together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import OperationalError

from catalog.models import StageTiming
from catalog.work import timings
from catalog.work.timings import Stage, timed, timings_write

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nothing_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timings, "_sums", {})
    monkeypatch.setattr(timings, "_EVERY_SECONDS", 0)


def stored() -> dict[str, int]:
    return dict(StageTiming.objects.values_list("stage", "items"))


def test_sums_grow_in_the_database() -> None:
    for _ in range(2):
        with timed(Stage.READ, 16):
            pass
        with timed(Stage.STORE, 2):
            pass
        timings_write()
    timings_write()
    assert stored() == {"read": 32, "store": 4}
    assert all(
        0 < seconds < 60 for seconds in StageTiming.objects.values_list("seconds", flat=True)
    )


def test_a_stage_that_raises_is_counted() -> None:
    with pytest.raises(ValueError, match="no"), timed(Stage.PREDICT, 8):
        raise ValueError("no")
    timings_write()
    assert stored() == {"predict": 8}


def test_nothing_is_lost_while_the_database_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    with timed(Stage.READ, 16):
        pass

    def away(*_: object) -> None:
        raise OperationalError("away")

    with monkeypatch.context() as patched:
        patched.setattr(timings, "_write", away)
        timings_write()
    assert stored() == {}
    with timed(Stage.READ, 1):
        pass
    timings_write()
    assert stored() == {"read": 17}


def test_the_database_is_asked_now_and_then(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    monkeypatch.setattr(timings, "_EVERY_SECONDS", 60)
    monkeypatch.setattr(timings, "_written_at", float("-inf"))
    for _ in range(3):
        with timed(Stage.READ, 1):
            pass
        timings_write()
    assert stored() == {"read": 1}
    with django_assert_num_queries(0):
        timings_write()
