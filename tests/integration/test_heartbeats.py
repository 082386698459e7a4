"""Workers and the scheduler show signs of life; one that is stopped takes its own back."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.integration.stack import Migrated, Stack

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def test_signs_of_life(tmp_path: Path, migrated: Migrated) -> None:
    stack = Stack(tmp_path, is_full=False)
    try:
        stack.migrate(migrated)
        worker = stack.start_worker()
        stack.start_beat()
        for kind in ("worker", "scheduler"):
            stack.wait_until(lambda kind=kind: alive(stack, kind) == 1, kind, seconds=60)
        worker.send_signal(signal.SIGTERM)
        stack.wait_until(lambda: alive(stack, "worker") == 0, "the worker's end", seconds=60)
        assert alive(stack, "scheduler") == 1
    finally:
        stack.close()


def alive(stack: Stack, kind: str) -> int:
    return stack.count("recommender_serviceheartbeat", f"kind = '{kind}'")
