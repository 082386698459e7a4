"""A short run of `benchmarks.kill_workers`; the long one is run by hand."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from tests.integration.kills import workers_kill
from tests.integration.stack import Migrated, Stack, services_require

if TYPE_CHECKING:
    from pathlib import Path

logger = logging.getLogger(__name__)
pytestmark = [pytest.mark.integration, pytest.mark.slow]


@pytest.mark.parametrize("mode", ["full", "embedded"])
def test_kills_of_two_workers_lose_double_and_give_up_nothing(
    tmp_path: Path, migrated: Migrated, mode: str
) -> None:
    if mode == "full":
        services_require()
    stack = Stack(tmp_path, is_full=mode == "full")
    try:
        stack.migrate(migrated)
        report = workers_kill(stack, kills=4, seed=3)
    finally:
        stack.close()

    logger.info("%s: %s", mode, report)
    assert report.kills == 4
    assert report.is_good, report


NESTED = """
import os, sys, time
from pathlib import Path
from django.db import connection
from catalog.ingest.run import ingest_start
from catalog.models import Library

top = Path(os.environ["AFFETTI_CATALOG_ROOTS"])
for number in range(10):
    folder = top / f"{number}x"
    (folder / "a" / "b").mkdir(parents=True)
    start, children = time.time() + 0.2, []
    for path in (folder, folder / "a", folder / "a" / "b"):
        connection.close()
        if not (pid := os.fork()):
            time.sleep(max(0.0, start - time.time()))
            ingest_start(path=path)
            os._exit(0)
        children.append(pid)
    assert all(os.waitpid(pid, 0)[1] == 0 for pid in children)
    roots = [library.path for library in Library.objects.filter(root__startswith=str(folder))]
    assert roots == [folder], roots
print("never nested")
"""


@pytest.mark.parametrize("mode", ["full", "embedded"])
def test_ingests_of_a_folder_and_its_subfolders_at_once_never_leave_nested_libraries(
    tmp_path: Path, migrated: Migrated, mode: str
) -> None:
    if mode == "full":
        services_require()
    stack = Stack(tmp_path, is_full=mode == "full")
    try:
        stack.migrate(migrated)
        assert "never nested" in stack.manage("shell", "--no-imports", "-c", NESTED)
    finally:
        stack.close()
