"""A short run of `benchmarks.kill_workers`; the long one is run by hand."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from catalog.work.queue import APART_FROM
from tests.integration.kills import workers_kill
from tests.integration.stack import Migrated, Stack, music_write, services_require

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


def test_a_song_at_which_workers_died_is_analysed_by_a_child_process(
    tmp_path: Path, migrated: Migrated
) -> None:
    stack = Stack(tmp_path, is_full=False)
    try:
        stack.migrate(migrated)
        stack.manage("ingest", str(music_write(tmp_path / "music", 1)), "--at-most", "0", "--wait")
        stack.wait_until(lambda: stack.count("catalog_song") == 1, "the song", seconds=1)
        stack.rows(f"UPDATE catalog_song SET attempts = {APART_FROM}")
        stack.start_beat()
        stack.start_worker()
        stack.wait_until(lambda: stack.analysed() == 1, "analysed", seconds=120)
        assert stack.rows("SELECT attempts, leased_by FROM catalog_song") == [(0, "")]
    finally:
        stack.close()
