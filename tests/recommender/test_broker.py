"""The embedded broker: what a kill, a full disk or bad timing leaves behind harms nobody."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from queue import Empty
from typing import TYPE_CHECKING, Any

import pytest
from celery import Celery
from kombu import Connection
from kombu.exceptions import ChannelError

from recommender import settings as project_settings
from recommender.broker import SCHEME, Channel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "messages"
    path.mkdir()
    return path


@pytest.fixture
def connection(folder: Path, tmp_path: Path) -> Iterator[Connection]:
    options = {
        "data_folder_in": str(folder),
        "data_folder_out": str(folder),
        "control_folder": str(tmp_path / "control"),
    }
    with Connection(f"{SCHEME}://localhost", transport_options=options) as connection:
        yield connection


@pytest.fixture
def channel(connection: Connection) -> Any:
    channel = connection.channel()
    assert isinstance(channel, Channel)
    return channel


@pytest.mark.skipif(not project_settings.IS_EMBEDDED, reason="the full mode has Redis")
def test_the_embedded_mode_uses_it() -> None:
    assert project_settings.CELERY_BROKER_URL.startswith(f"{SCHEME}://")


def test_messages_come_in_the_order_they_were_sent(connection: Connection) -> None:
    with connection.SimpleQueue("work") as queue:
        for number in range(3):
            queue.put({"number": number})
        assert [queue.get(timeout=2).payload["number"] for _ in range(3)] == [0, 1, 2]


@pytest.mark.parametrize("content", [b"", b'{"body": "cut o', b"\xff\xfe"])
def test_a_broken_message_is_passed_over(channel: Any, folder: Path, content: bytes) -> None:
    (folder / "0_broken.work.msg").write_bytes(content)
    channel._put("work", {"number": 7})
    assert channel._get("work") == {"number": 7}
    with pytest.raises(Empty):
        channel._get("work")


def test_expired_messages_are_passed_over(connection: Connection, channel: Any) -> None:
    app = Celery(set_as_current=False)
    for seconds, number in ((-1, 1), (60, 2), (None, 3)):
        app.send_task("any", args=[number], queue="work", expires=seconds, connection=connection)
    got = [channel._get("work")["headers"]["argsrepr"] for _ in range(2)]
    assert got == ["[2]", "[3]"]
    with pytest.raises(Empty):
        channel._get("work")


def test_a_message_shows_only_when_it_is_whole(
    channel: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(self: Path, target: Path) -> None:
        raise KeyboardInterrupt  # as if killed between writing and showing

    # What a kill between writing and showing leaves behind.
    (folder / ".0_first.work.msg.1.part").write_text('{"number": 6}')
    with monkeypatch.context() as patch:
        patch.setattr(type(folder), "replace", die)
        with pytest.raises(KeyboardInterrupt):
            channel._put("work", {"number": 7})
    with pytest.raises(Empty):
        channel._get("work")


def test_unfinished_messages_of_dead_processes_are_deleted(
    connection: Connection, folder: Path
) -> None:
    dead = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    hour_ago, minutes_ago = time.time() - 4000, time.time() - 300
    for name, moment in (
        (f".0_old.work.msg.{dead}.part", minutes_ago),
        (f".0_hung.work.msg.{os.getpid()}.part", hour_ago),
        (f".0_live.work.msg.{os.getpid()}.part", minutes_ago),
        (f".0_new.work.msg.{dead}.part", time.time()),
        ("0_whole.work.msg", hour_ago),
        ("other.part", hour_ago),
    ):
        (folder / name).write_text("{")
        os.utime(folder / name, (moment, moment))
    connection.channel()
    assert sorted(path.name for path in folder.iterdir()) == [
        f".0_live.work.msg.{os.getpid()}.part",
        f".0_new.work.msg.{dead}.part",
        "0_whole.work.msg",
        "other.part",
    ]


def test_a_message_that_does_not_fit_the_disk_leaves_nothing(
    channel: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, text: str) -> None:
        self.touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(type(folder), "write_text", full)
        with pytest.raises(ChannelError, match="No space left"):
            channel._put("work", {"number": 7})
    assert list(folder.iterdir()) == []


def test_a_broken_list_of_queues_is_written_anew(channel: Any, tmp_path: Path) -> None:
    control = tmp_path / "control"
    control.mkdir()
    (control / "news.exchange").write_text("")
    channel._queue_bind("news", "", "", "work")
    assert [row.queue for row in channel.get_table("news")] == ["work"]
