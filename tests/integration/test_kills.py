"""A short run of `benchmarks.kill_workers`; the long one is run by hand."""

from __future__ import annotations

import logging

import pytest

from catalog.work.queue import APART_FROM
from tests.integration.kills import workers_kill
from tests.integration.stack import Stack, music_write

logger = logging.getLogger(__name__)
pytestmark = [pytest.mark.integration, pytest.mark.slow]


def test_kills_of_two_workers_lose_double_and_give_up_nothing(stack: Stack) -> None:
    report = workers_kill(stack, kills=4, seed=3)

    logger.info("%s", report)
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


def test_ingests_of_a_folder_and_its_subfolders_at_once_never_leave_nested_libraries(
    stack: Stack,
) -> None:
    assert "never nested" in stack.manage("shell", "--no-imports", "-c", NESTED)


@pytest.mark.parametrize("stack", ["embedded"], indirect=True)
def test_a_song_at_which_workers_died_is_analysed_by_a_child_process(stack: Stack) -> None:
    music = music_write(stack.folder / "music", 1)
    stack.manage("ingest", str(music), "--at-most", "0", "--wait")
    stack.wait_until(lambda: stack.count("catalog_song") == 1, "the song", seconds=1)
    stack.rows(f"UPDATE catalog_song SET deaths = {APART_FROM}")
    stack.start_beat()
    stack.start_worker()
    stack.wait_until(lambda: stack.analysed() == 1, "analysed", seconds=120)
    assert stack.rows("SELECT deaths, errors, leased_by FROM catalog_song") == [(0, 0, "")]
