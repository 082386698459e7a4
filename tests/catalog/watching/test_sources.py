"""What tells of changes, on a real disk."""

from __future__ import annotations

import os
import shutil
import threading
import time
from typing import TYPE_CHECKING

import pytest

from catalog.watching import sources
from catalog.watching.sources import Events, EventsError, Polling, folders

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    Source = Events | Polling


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "music"
    (root / "album").mkdir(parents=True)
    (root / "album" / "old.mp3").write_bytes(b"old")
    return root


@pytest.fixture(params=["events", "polling"])
def source(request: pytest.FixtureRequest, root: Path) -> Iterator[Source]:
    stopped = threading.Event()
    if request.param == "events":
        found: Source = Events(root, stopped)
    else:
        found = Polling(root, stopped, seconds=0.1, clock=time.monotonic)
    yield found
    stopped.set()
    found.close()


def seen(source: Source, wanted: set[str], *, seconds: float = 10) -> set[str]:
    """Return what changed, once all that is wanted is among it, or the time is over."""
    end, names = time.monotonic() + seconds, set()
    while time.monotonic() < end and not wanted <= names:
        names |= {str(path) for path in source.changes()}
    return names


def test_files_that_come_change_and_go(source: Source, root: Path) -> None:
    (root / "album" / "new.mp3").write_bytes(b"new")
    assert seen(source, {"album/new.mp3"}) == {"album/new.mp3"}
    (root / "album" / "new.mp3").write_bytes(b"newer")
    assert seen(source, {"album/new.mp3"}) == {"album/new.mp3"}
    (root / "album" / "old.mp3").unlink()
    assert seen(source, {"album/old.mp3"}) == {"album/old.mp3"}


def test_a_tree_that_comes_and_goes(source: Source, root: Path, tmp_path: Path) -> None:
    deep = tmp_path / "other" / "deep" / "deeper"
    deep.mkdir(parents=True)
    (deep / "song.flac").write_bytes(b"song")
    shutil.move(tmp_path / "other", root / "other")
    # Events tell of the folder, whose content the watcher then looks at.
    is_told = {"other"} if isinstance(source, Events) else {"other/deep/deeper/song.flac"}
    assert is_told <= seen(source, is_told)
    (root / "other/deep/deeper/late.flac").write_bytes(b"late")
    assert "other/deep/deeper/late.flac" in seen(source, {"other/deep/deeper/late.flac"})
    shutil.rmtree(root / "other")
    gone = {"other/deep/deeper/song.flac"}
    assert gone <= seen(source, gone)


def test_links_and_what_is_left_out_are_not_entered(
    source: Source, root: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    for name in ("link", ".hidden", "#recycle", "unwanted", "marked"):
        path = root / name
        path.symlink_to(outside) if name == "link" else path.mkdir()
    (root / ".affettiignore").write_text("unwanted/\n")
    (root / "marked" / ".nomedia").touch()
    (root / "marked" / "inside").mkdir()
    names = {path.relative_to(root).as_posix() for path, _ in folders(root)}
    assert names == {".", "album", "marked"}
    seen(source, {".affettiignore"})
    (outside / "song.mp3").write_bytes(b"song")
    for name in (".hidden", "#recycle", "unwanted", "marked/inside"):
        (root / name / "song.mp3").write_bytes(b"song")
    (root / "album" / "last.mp3").write_bytes(b"last")
    found = seen(source, {"album/last.mp3"})
    assert not {name for name in found if name.endswith("song.mp3")}


def test_reading_is_no_change(source: Source, root: Path) -> None:
    seen(source, set())
    for _ in range(3):
        (root / "album" / "old.mp3").read_bytes()
        assert source.changes() == set()


def test_the_size_alone_tells_a_poller(root: Path) -> None:
    poller = Polling(root, threading.Event(), seconds=0, clock=time.monotonic)
    path = root / "album" / "old.mp3"
    before = path.stat()
    path.write_bytes(b"longer than before")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert seen(poller, {"album/old.mp3"}) == {"album/old.mp3"}


def test_a_poller_rests_longer_than_it_looks(root: Path) -> None:
    now = iter(range(0, 1000, 10))  # each look takes ten seconds
    poller = Polling(root, threading.Event(), seconds=1, clock=lambda: next(now))
    assert poller._due_at - 20 >= 4 * 10


def test_names_that_are_no_utf8_end_events_and_are_polled(root: Path) -> None:
    name = os.fsdecode(b"caf\xe9.mp3")
    events = Events(root, threading.Event())
    (root / "album" / name).write_bytes(b"song")
    with pytest.raises(EventsError):
        seen(events, {name}, seconds=5)
    poller = Polling(root, threading.Event(), seconds=0, clock=time.monotonic)
    (root / "album" / name).write_bytes(b"longer")
    assert seen(poller, {f"album/{name}"}) == {f"album/{name}"}


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), RuntimeError("limit")])
def test_limits_of_the_system_are_an_error_of_events(
    root: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(*_: object, **__: object) -> Iterator[set[tuple[object, str]]]:
        raise error
        yield set()

    monkeypatch.setattr(sources, "watch", refuse)
    with pytest.raises(EventsError, match=r"No space left|limit"):
        Events(root, threading.Event())


def test_it_ends_soon(source: Source) -> None:
    timer = threading.Timer(0.2, source._stopped.set)
    timer.start()
    begun = time.monotonic()
    while not source._stopped.is_set():
        source.changes()
    assert time.monotonic() - begun < 2
