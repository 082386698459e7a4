"""Kill any process at any moment, lose the broker: no song is lost, none stored twice."""

from __future__ import annotations

import logging
import shutil
from datetime import datetime, timedelta

import pytest

from mer.checkpoint import packaged_version
from mer.errors import CheckpointError
from tests.integration.stack import Stack, music_write

logger = logging.getLogger(__name__)
pytestmark = [pytest.mark.integration, pytest.mark.slow]

FILES = 60


full_mode_only = pytest.mark.parametrize("stack", ["full"], indirect=True)


def all_stored_once(stack: Stack, songs: int) -> None:
    assert stack.count("catalog_song") == songs
    assert stack.analysed() == songs
    emotions, distinct, versions = stack.rows(
        "SELECT count(*), count(DISTINCT song_id), count(DISTINCT model_version) "
        "FROM catalog_songemotion"
    )[0]
    assert (emotions, distinct, versions) == (songs, songs, 1)


def job_ended(stack: Stack) -> bool:
    return stack.count("catalog_backgroundjob", "status = 'succeeded'") == 1


def test_worker_killed_in_the_middle_of_an_ingest_loses_nothing(stack, tmp_path):
    music = music_write(tmp_path / "music", FILES)
    stack.manage("ingest", str(music))
    seen = []
    for enough in (1, FILES // 3):
        worker = stack.start_worker()
        stack.wait_until(lambda least=enough: stack.analysed() >= least, f"{enough} analysed")
        stack.kill(worker)
        seen.append(stack.analysed())
    assert 1 <= seen[0] <= seen[1] < FILES, "killed in the middle"

    # A message that died with its worker is sent again, by the scheduler, a minute after the first.
    stack.let_a_minute_pass()
    stack.start_beat()
    worker = stack.start_worker()
    stack.wait_until(lambda: stack.analysed() == FILES, "all analysed")
    stack.wait_until(lambda: job_ended(stack), "the job's end")
    logger.info("SIGKILL at %d and at %d of %d songs; then all analysed", *seen, FILES)
    all_stored_once(stack, FILES)
    assert "Traceback" not in stack.log(worker)
    # One write a song: a second analysis of the same would have updated its row.
    for written, updated in stack.rows("SELECT created_at, updated_at FROM catalog_songemotion"):
        pause = datetime.fromisoformat(str(updated)) - datetime.fromisoformat(str(written))
        assert pause < timedelta(milliseconds=100)


@full_mode_only
def test_losing_redis_loses_nothing(stack, tmp_path):
    music = music_write(tmp_path / "music", FILES)
    stack.manage("ingest", str(music))
    worker = stack.start_worker()
    stack.wait_until(lambda: stack.analysed() >= FILES // 4, "a quarter analysed")
    stack.lose_redis()
    stack.kill(worker)
    before = stack.analysed()
    assert before < FILES

    # No message is left; what calls the workers again is the reconciler, from the database alone.
    stack.let_a_minute_pass()
    stack.start_worker()
    stack.wait_until(lambda: stack.analysed() == FILES, "all analysed")
    stack.wait_until(lambda: job_ended(stack), "the job's end")
    logger.info("Redis emptied at %d of %d songs; then all analysed", before, FILES)
    all_stored_once(stack, FILES)


@full_mode_only
def test_redis_emptied_under_a_live_worker_and_beat(stack, tmp_path):
    music = music_write(tmp_path / "music", 24)
    stack.manage("ingest", str(music))
    worker = stack.start_worker()
    stack.wait_until(lambda: stack.analysed() >= 1, "one analysed")
    stack.lose_redis()
    before = stack.analysed()
    assert before < 24
    stack.let_a_minute_pass()
    stack.start_beat()
    stack.wait_until(lambda: stack.analysed() == 24, "all analysed")
    assert worker.poll() is None, "the same worker did it"
    all_stored_once(stack, 24)


def test_the_same_files_again_make_no_new_row(stack, tmp_path):
    music = music_write(tmp_path / "music", 6)
    assert "6 analysed" in stack.manage("ingest", str(music), "--wait")
    first = stack.rows("SELECT id, content_sha256 FROM catalog_song ORDER BY id")
    emotions = stack.rows("SELECT id, song_id, updated_at FROM catalog_songemotion ORDER BY id")

    shutil.copy(music / "Tester - Chord 00.wav", music / "The same again.wav")
    again = stack.manage("ingest", str(music), "--wait")
    assert "6 unchanged" in again
    assert "1 same content as another file" in again
    assert stack.rows("SELECT id, content_sha256 FROM catalog_song ORDER BY id") == first
    assert emotions == stack.rows(
        "SELECT id, song_id, updated_at FROM catalog_songemotion ORDER BY id"
    )


def test_a_playlist_comes_out_at_the_end(stack, tmp_path):
    music = music_write(tmp_path / "music", 8)
    stack.start_worker()
    stack.manage("ingest", str(music), "--wait")
    stack.manage("build_index")
    lines = stack.manage(
        "playlist",
        "--valence",
        "0.7",
        "--arousal",
        "0.3",
        "--count",
        "3",
        "--min-match",
        "0",
        "--format",
        "m3u8",
    ).splitlines()
    assert lines[0] == "#EXTM3U"
    assert sum(line.endswith(".wav") for line in lines) == 3


def test_the_model_is_the_packaged_one(stack):
    try:
        version = packaged_version()
    except CheckpointError as error:
        pytest.fail(f"the repository has no checkpoint: {error}")
    code = "from catalog.analysis import model_version; print(model_version())"
    assert stack.manage("shell", "--no-imports", "-c", code).strip() == version
