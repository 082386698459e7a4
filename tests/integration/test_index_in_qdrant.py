"""A load of the index in Qdrant that dies goes on where it was, on both databases."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.places import ROOT

if TYPE_CHECKING:
    from tests.integration.stack import Stack

pytestmark = [pytest.mark.integration, pytest.mark.slow]

LOAD = """
import os, signal
from recommender.index import index_build, index_snapshot, loading, remote
from tests.edge import EdgeCollections
from tests.factories import SongEmotionFactory
from catalog.models import SongEmotion
from catalog import analysis
from pathlib import Path
analysis.serving_version = analysis.model_version = lambda: "affetti-00000000"
held = EdgeCollections(Path(os.environ["AFFETTI_VAR_DIR"]) / "edge")
remote._connected = lambda *_: held
loading.PAGE_ROWS = 10
if not SongEmotion.objects.exists():
    SongEmotionFactory.create_batch(65)
    upsert, written = EdgeCollections.upsert, []
    def killed(*arguments):
        upsert(*arguments)
        written.append(1)
        if len(written) == 4:
            print("at the fourth batch", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
    EdgeCollections.upsert = killed
else:
    first = loading.loading_now()
    assert first.last_song_id in (30, 40), first
    SongEmotion.objects.filter(song_id=7).delete()
build = index_build()
assert build.directory == first.name
assert build.row_count == 64
rows = index_snapshot().narrowed(range(1, 70))
assert rows.song_ids[:].tolist() == [pk for pk in range(1, 66) if pk != 7]
print("resumed", flush=True)
"""


def test_a_load_that_was_killed_goes_on(stack: Stack) -> None:
    stack.env |= {
        "AFFETTI_INDEX_ENGINE": "qdrant",
        "AFFETTI_QDRANT_URL": "http://127.0.0.1:9",
        "PYTHONPATH": str(ROOT),
    }
    shell = ("python", "manage.py", "shell", "--no-imports", "-c", LOAD)
    process = stack.start(*shell)
    assert process.wait(120) == -signal.SIGKILL, stack.log(process)
    assert "resumed" in stack.run(*shell)
