"""The same by the protocol of S3, from a server of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from catalog.errors import StoreAwayError, StoreRefusedError
from catalog.models import BackgroundJob, Song
from catalog.paths import is_gone, stamp_of
from catalog.selectors import song_stream
from catalog.stores import copies
from catalog.stores.addresses import path_of
from catalog.stores.copies import copy_held
from catalog.stores.objects import entry_now, listing, opened
from tests.catalog.conftest import write_tone

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_django.fixtures import SettingsWrapper

    Ingest = Callable[..., BackgroundJob]


def top(s3: Any) -> str:
    return f"s3://{s3.bucket}"


@pytest.mark.django_db
def test_a_bucket_becomes_songs_and_an_unchanged_one_costs_listings(
    s3: Any, ingest: Ingest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["a b/ä.wav", "a/1.wav", "a/2#?.wav", "a/sub/3.wav", "z.wav"]
    for n, name in enumerate(names):
        s3.put_file(str(write_tone(tmp_path / f"{n}.wav", hz=200 + 50 * n)), f"{s3.bucket}/{name}")
    s3.pipe_file(f"{s3.bucket}/a//empty.wav", b"x")  # a name that no path can have

    job = ingest(path_of(top(s3)))

    assert job.result["added"] == 5, job.result
    assert list(Song.objects.order_by("pk").values_list("relative_path", flat=True)) == [
        "a/1.wav",
        "a/2#?.wav",
        "a/sub/3.wav",
        "a b/ä.wav",
        "z.wav",
    ]
    asked: list[str] = []
    original = type(s3)._call_s3

    async def call(self: Any, method: str, *args: Any, **options: Any) -> Any:
        asked.append(method)
        return await original(self, method, *args, **options)

    monkeypatch.setattr(type(s3), "_call_s3", call)
    monkeypatch.setattr(copies, "download", None)
    assert ingest(path_of(top(s3))).result["unchanged"] == 5
    # Both passes of the scan: the top, and all below `a` and `a b`.
    assert set(asked) == {"list_objects_v2"}
    assert len(asked) <= 4  # maybe twice the top

    song = Song.objects.select_related("library").get(relative_path="a/1.wav")
    whole = s3.cat_file(f"{s3.bucket}/a/1.wav")
    file, stamp = song_stream(song)
    with file:
        assert file.read() == whole
    song.path.unlink()  # from the cache: now by ranges
    file, stamp = song_stream(song)
    with file:
        file.seek(1000)
        assert file.read(10) == whole[1000:1010]
    assert (stamp.size_bytes, stamp.mtime_ns) == (song.file_size_bytes, song.file_mtime_ns)


def test_the_entity_tag_shows_a_change_within_the_second(s3: Any) -> None:
    path = path_of(f"{top(s3)}/1.mp3")
    marks = set()
    for data in (b"one", b"two", b"six"):
        s3.pipe_file(f"{s3.bucket}/1.mp3", data)
        marks.add(entry_now(path).mark)
        with copy_held(path) as copy:
            assert copy.read_bytes() == data
    assert len(marks) == 3
    assert stamp_of(path).mtime_ns == entry_now(path).mark  # a listing and a HEAD agree


def test_an_absent_bucket_is_no_empty_one(s3: Any, settings: SettingsWrapper) -> None:
    options = settings.AFFETTI_STORE_OPTIONS[top(s3)]
    settings.AFFETTI_STORES = ["s3://no-such-bucket"]
    settings.AFFETTI_STORE_OPTIONS = {"s3://no-such-bucket": options}
    path = path_of("s3://no-such-bucket/a/1.mp3")

    for ask in (lambda: listing(path.parent), lambda: entry_now(path), lambda: stamp_of(path)):
        with pytest.raises(StoreRefusedError, match="no such bucket; correct AFFETTI_STORES"):
            ask()
    assert not is_gone(path)


def test_a_server_that_is_away_is_said_within_seconds(s3: Any, settings: SettingsWrapper) -> None:
    settings.AFFETTI_STORE_OPTIONS = {
        top(s3): {
            "key": "a",
            "secret": "HUSH",
            "endpoint_url": "http://127.0.0.1:9",
            "config_kwargs": {"retries": {"max_attempts": 1}},
        }
    }
    with pytest.raises(
        StoreAwayError, match=r"does not answer .*EndpointConnectionError"
    ) as raised:
        listing(path_of(top(s3)))
    assert "HUSH" not in str(raised.value)


def test_without_credentials_the_sentence_says_where_they_go(
    s3: Any, s3_server: str, settings: SettingsWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/absent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/absent")
    settings.AFFETTI_STORE_OPTIONS = {top(s3): {"endpoint_url": s3_server}}

    with pytest.raises(StoreRefusedError, match=r"NoCredentialsError.*AFFETTI_STORE_OPTIONS"):
        listing(path_of(top(s3)))


def test_a_part_costs_about_its_size(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    data = os.urandom(8_000_000)
    s3.pipe_file(f"{s3.bucket}/1.mp3", data)
    ranges: list[str] = []
    original = type(s3)._call_s3

    async def call(self: Any, method: str, *args: Any, **options: Any) -> Any:
        if method == "get_object":
            ranges.append(options["Range"])
        return await original(self, method, *args, **options)

    monkeypatch.setattr(type(s3), "_call_s3", call)
    file, entry = opened(path_of(f"{top(s3)}/1.mp3"))
    with file:
        file.seek(3_000_000)
        assert file.read(65_536) == data[3_000_000:3_065_536]
    assert entry.size_bytes == len(data)
    (asked,) = ranges
    start, end = map(int, asked.removeprefix("bytes=").split("-"))
    assert start == 3_000_000
    assert end - start < 1_200_000


WORKER = """
import sys, time, json, hashlib, django
django.setup()
from catalog.stores import copies
from catalog.stores.addresses import path_of
names, is_slow = json.loads(sys.argv[1]), sys.argv[2] == "slow"
original = copies.download
def download(path, target):
    original(path, target)
    if is_slow:
        target.write_bytes(target.read_bytes()[:7])
        print("now", flush=True)
        time.sleep(60)
copies.download = download
for name in names:
    with copies.copy_held(path_of(name)) as path:
        time.sleep(0.005)
        print(name, hashlib.sha256(path.read_bytes()).hexdigest(), flush=True)
"""


def test_two_processes_share_a_cache_and_one_is_killed_while_an_object_comes(
    s3: Any, settings: SettingsWrapper, tmp_path: Path
) -> None:
    import hashlib  # noqa: PLC0415
    import json  # noqa: PLC0415

    wanted = {}
    for n in range(12):
        data = os.urandom(20_000 + n)
        s3.pipe_file(f"{s3.bucket}/{n % 3}/{n}.mp3", data)
        wanted[f"{top(s3)}/{n % 3}/{n}.mp3"] = hashlib.sha256(data).hexdigest()
    env = os.environ | {
        "DJANGO_SETTINGS_MODULE": "recommender.settings",
        "AFFETTI_VAR_DIR": str(tmp_path / "var"),
        "AFFETTI_STORES": top(s3),
        "AFFETTI_STORE_DIR": str(settings.AFFETTI_STORE_DIR),
        "AFFETTI_STORE_OPTIONS": json.dumps(settings.AFFETTI_STORE_OPTIONS),
        "AFFETTI_STORE_CACHE_BYTES": "70000",
    }

    def start(names: list[str], how: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", WORKER, json.dumps(names), how]
        return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)

    killed = start(list(wanted), "slow")
    assert killed.stdout is not None
    assert killed.stdout.readline() == "now\n"
    both = [start(list(wanted) * 2, "quick"), start(list(wanted)[::-1] * 2, "quick")]
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    killed.stdout.close()
    for process in both:
        told, _ = process.communicate(timeout=120)
        assert process.returncode == 0
        lines = [line.split() for line in told.splitlines()]
        assert len(lines) == 24
        assert all(wanted[name] == digest for name, digest in lines)
    kept = list(settings.AFFETTI_STORE_DIR.rglob("*.mp3"))
    assert sum(path.stat().st_size for path in kept) <= 70_000 + 2 * 20_012  # one for each process
    (part,) = settings.AFFETTI_STORE_DIR.rglob(".affetti-parts/*")
    os.utime(part, (0, time.time() - 3600))
    copies._trim(0.0)
    assert not list(settings.AFFETTI_STORE_DIR.rglob(".affetti-parts/*"))
