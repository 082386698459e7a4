"""Two workers with a cache each, as on two hosts, share a bucket; one is killed again and again."""

from __future__ import annotations

import json
import random
import time
from typing import TYPE_CHECKING, Final

import fsspec
import pytest

from tests.integration.stack import music_write

if TYPE_CHECKING:
    from tests.integration.stack import Stack

pytestmark = [pytest.mark.integration, pytest.mark.slow]
SONGS: Final = 12
BUCKET: Final = "two-hosts"


@pytest.mark.parametrize("stack", ["full"], indirect=True)
def test_two_workers_analyse_a_bucket_though_one_is_killed(stack: Stack, s3_server: str) -> None:
    options = {"key": "somebody", "secret": "something", "endpoint_url": s3_server}
    client = fsspec.filesystem("s3", use_listings_cache=False, skip_instance_cache=True, **options)
    client.mkdir(BUCKET)
    music = music_write(stack.folder / "made", SONGS)
    client.put(f"{music}/", f"{BUCKET}/album/", recursive=True)
    stack.env |= {
        "AFFETTI_STORES": f"s3://{BUCKET}",
        "AFFETTI_STORE_OPTIONS": json.dumps({f"s3://{BUCKET}": options}),
        "AFFETTI_STORE_CACHE_BYTES": "200000",  # three songs
    }
    caches = {name: str(stack.folder / f"cache-{name}") for name in ("one", "two")}
    workers = {
        name: stack.start_worker(name, AFFETTI_STORE_DIR=cache) for name, cache in caches.items()
    }
    stack.start_beat()
    stack.manage("ingest", f"s3://{BUCKET}")
    draw = random.Random(5)
    for _ in range(3):
        time.sleep(draw.uniform(1.0, 8.0))
        stack.kill(workers["one"])
        workers["one"] = stack.start_worker("one", AFFETTI_STORE_DIR=caches["one"])
    stack.wait_until(lambda: stack.analysed() == SONGS, "all songs", seconds=300)
    stack.wait_until(
        lambda: stack.count("catalog_backgroundjob", "status = 'succeeded'") == 1, "the end"
    )

    assert stack.count("catalog_song") == SONGS
    assert stack.count("catalog_songemotion") == SONGS
    assert stack.count("catalog_ingestfailure") == 0
    assert stack.rows("SELECT root FROM catalog_library") == [(f"s3://{BUCKET}",)]
    kept = [path for path in stack.folder.glob("cache-*/**/*.wav") if path.is_file()]
    assert kept
    assert all(path.stat().st_size == 64_044 for path in kept)
