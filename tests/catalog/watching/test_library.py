"""A watched library: what changes in its folder becomes ingests, few and of whole files."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.db import OperationalError

from catalog.ingest.control import ingest_pause
from catalog.ingest.run import ingest_run, ingest_start
from catalog.ingest.unasked import MOST_OPEN
from catalog.models import BackgroundJob, Library, Song
from catalog.paths import to_stored
from catalog.watching import library as watching
from catalog.watching import sources
from catalog.watching.library import LibraryWatch
from catalog.watching.settling import GATHER_SECONDS, HOLD_SECONDS
from catalog.work.jobs import job_start
from tests.catalog.conftest import write_tone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_django.fixtures import SettingsWrapper

    Ingest = Callable[..., BackgroundJob]

pytestmark = pytest.mark.django_db
SETTLE = 5.0
REAL_SLEEP = time.sleep


class Watched:
    """A watch whose clock the test turns; `tell` says what a source would."""

    def __init__(self, root: Path) -> None:
        self.now, self.root = 0.0, root
        self.library, _ = Library.objects.update_or_create(
            root=to_stored(root), defaults={"name": "music", "watch": "events"}
        )
        self.watch = LibraryWatch(self.library, clock=lambda: self.now)

    def tell(self, *names: str) -> None:
        self.watch.step({Path(name) for name in names})

    def wait(self, seconds: float = SETTLE + GATHER_SECONDS + 6) -> list[BackgroundJob]:
        """Let time pass; return the jobs that are open then."""
        for _ in range(int(seconds)):
            self.now += 1
            self.watch.step(set())
        return opened()


def opened() -> list[BackgroundJob]:
    jobs = BackgroundJob.objects.filter(status__in=["pending", "started"]).order_by("created_at")
    return [job for job in jobs if job.result.get("phase", "scanning") == "scanning"]


def run(job: BackgroundJob) -> BackgroundJob:
    job = job_start(job_id=job.pk, worker="test")
    ingest_run(job=job)
    job.refresh_from_db()
    return job


def names(jobs: list[BackgroundJob], root: Path) -> list[str]:
    return sorted(str(Path(job.arguments["path"]).relative_to(root)) for job in jobs)


@pytest.fixture(autouse=True)
def quick(settings: SettingsWrapper) -> None:
    settings.AFFETTI_WATCH_SETTLE_SECONDS = SETTLE


@pytest.fixture
def music(music_dir: Path) -> Path:
    for n in range(6):
        write_tone(music_dir / f"artist {n % 2}" / f"album {n}" / "a.wav", hz=200 + 40 * n)
    return music_dir


@pytest.fixture
def watched(music: Path, ingest: Ingest) -> Watched:
    ingest()
    return Watched(music)


@pytest.fixture(autouse=True)
def no_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catalog.ingest.settled.time.sleep", lambda _: None)
    # PostgreSQL's would be closed within the transaction of the test.
    monkeypatch.setattr(watching, "close_old_connections", lambda: None)


def test_a_new_album_is_one_job_of_its_folder(watched: Watched) -> None:
    for n in range(3):
        write_tone(watched.root / "new" / f"{n}.wav", hz=500 + 50 * n)
    watched.tell("new")
    (job,) = watched.wait()
    assert names([job], watched.root) == ["new"]
    assert run(job).result["added"] == 3
    assert watched.wait() == []


def test_a_file_that_grows_is_left_while_its_folder_is_taken(watched: Watched) -> None:
    write_tone(watched.root / "new" / "whole.wav", hz=500)
    part = watched.root / "new" / "part.wav"
    whole = write_tone(watched.root / ".part.wav", hz=700).read_bytes()
    part.write_bytes(whole[:100])
    watched.tell("new", "new/part.wav")
    for n in range(int(HOLD_SECONDS) + 20):
        part.write_bytes(whole[: 100 + n])
        watched.now += 1
        watched.tell("new/part.wav")
    (job,) = opened()
    assert job.arguments["unasked"]["leave"] == ["new/part.wav"]
    assert run(job).result["added"] == 1
    assert not Song.objects.filter(relative_path="new/part.wav").exists()
    part.write_bytes(whole)
    (job,) = watched.wait(SETTLE * 2 + 20)
    assert run(job).result["added"] == 1
    assert Song.objects.get(relative_path="new/part.wav").file_size_bytes == len(whole)


def test_a_storm_becomes_few_jobs(watched: Watched) -> None:
    told = []
    for n in range(200):
        path = watched.root / "in" / f"artist {n % 40}" / f"{n}.mp3"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"song")
        told.append(path.relative_to(watched.root).as_posix())
    watched.tell(*told)
    jobs = watched.wait()
    assert names(jobs, watched.root) == ["in"]


def test_no_more_jobs_while_many_wait_for_a_worker(watched: Watched) -> None:
    for n in range(MOST_OPEN + 6):
        name = f"album {n}/a.mp3"
        (watched.root / name).parent.mkdir()
        (watched.root / name).write_bytes(b"song")
        watched.tell(name)
        watched.wait()
    jobs = opened()
    assert len(jobs) == MOST_OPEN
    for job in jobs:
        run(job)
    rest = [f"album {MOST_OPEN + n}" for n in range(6)]
    assert names(watched.wait(), watched.root) == sorted(rest)


def test_a_file_in_the_root_does_not_have_everything_scanned(watched: Watched) -> None:
    write_tone(watched.root / "loose.wav", hz=900)
    watched.tell("loose.wav")
    (job,) = watched.wait()
    assert names([job], watched.root) == ["loose.wav"]
    assert run(job).result["added"] == 1
    (watched.root / "loose.wav").unlink()
    watched.tell("loose.wav")
    (job,) = watched.wait()
    assert run(job).result["missing"] == 1


def test_a_deleted_album_is_marked_and_a_moved_one_is_found_again(watched: Watched) -> None:
    shutil.rmtree(watched.root / "artist 0" / "album 0")
    (watched.root / "artist 1" / "album 1").rename(watched.root / "artist 1" / "moved")
    watched.tell("artist 0/album 0", "artist 1/album 1", "artist 1/moved")
    for job in watched.wait():
        assert not run(job).error_code
    assert not Song.objects.get(relative_path="artist 0/album 0/a.wav").is_available
    assert Song.objects.get(relative_path="artist 1/moved/a.wav").is_available
    assert Song.objects.count() == 6


def test_a_disk_that_is_missing_marks_nothing_as_gone(watched: Watched) -> None:
    Song.objects.bulk_create(
        Song(
            library=watched.library,
            relative_path=f"disk/album {n % 5}/{n}.mp3",
            content_sha256=f"{n:064d}",
            file_size_bytes=1,
            file_mtime_ns=1,
        )
        for n in range(40)
    )
    before = Song.objects.filter(is_available=True).count()
    (watched.root / "disk").mkdir()  # the mount is gone, its folder is left
    watched.tell("disk", *(f"disk/album {n}/{n}.mp3" for n in range(5)))
    (job,) = watched.wait()
    assert names([job], watched.root) == ["disk"]
    with pytest.raises(Exception, match="empty or absent"):
        run(job)
    assert Song.objects.filter(is_available=True).count() == before


def test_covers_and_hidden_files_start_nothing(watched: Watched) -> None:
    for name in ("artist 0/cover.jpg", "artist 0/.upload.wav", ".hidden/a.wav", "#recycle/a.wav"):
        path = watched.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
        watched.tell(name)
    watched.tell("artist 0/deleted.jpg")
    assert watched.wait() == []


def test_lyrics_beside_a_song_are_taken(watched: Watched) -> None:
    album = watched.root / "artist 0" / "album 0"
    (album / "a.txt").write_text("Love is in the air and I am happy today with you\n" * 4)
    watched.tell("artist 0/album 0/a.txt")
    (job,) = watched.wait()
    run(job)
    assert "happy" in Song.objects.get(relative_path="artist 0/album 0/a.wav").lyrics


def test_a_mark_is_seen_when_it_comes_and_when_it_goes(watched: Watched) -> None:
    mark = watched.root / "artist 0" / "album 0" / ".nomedia"
    song = Song.objects.get(relative_path="artist 0/album 0/a.wav")
    for is_there in (False, True):
        mark.unlink() if is_there else mark.touch()
        watched.tell("artist 0/album 0/.nomedia")
        (job,) = watched.wait()
        run(job)
        song.refresh_from_db()
        assert song.is_available == is_there


def test_an_ingest_of_the_same_path_is_waited_for(watched: Watched) -> None:
    write_tone(watched.root / "artist 0" / "album 0" / "b.wav", hz=900)
    other = ingest_start(path=watched.root / "artist 0" / "album 0")
    watched.tell("artist 0/album 0/b.wav")
    assert watched.wait() == [other]
    run(other)
    assert len(watched.wait()) == 1


def test_a_paused_ingest_stays_paused(watched: Watched) -> None:
    write_tone(watched.root / "artist 0" / "album 0" / "b.wav", hz=900)
    other = ingest_start(path=watched.root / "artist 0" / "album 0")
    ingest_pause(job=other)
    watched.tell("artist 0/album 0/b.wav")
    watched.wait()
    other.refresh_from_db()
    assert other.status == BackgroundJob.Status.PAUSED
    assert opened() == []


def test_links_that_lead_outside_are_not_followed(watched: Watched, tmp_path: Path) -> None:
    write_tone(tmp_path / "outside" / "a.wav", hz=950)
    (watched.root / "artist 0" / "link").symlink_to(tmp_path / "outside")
    watched.tell("artist 0/link", "artist 0/link/a.wav")
    write_tone(watched.root / "artist 0" / "b.wav", hz=960)
    watched.tell("artist 0/b.wav")
    (job,) = watched.wait()
    assert run(job).result["linked"] == []
    assert Library.objects.count() == 1


def test_a_database_that_is_away_loses_nothing(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tone(watched.root / "artist 0" / "album 0" / "b.wav", hz=900)

    def refuse(*_: object, **__: object) -> int:
        raise OperationalError("away")

    with monkeypatch.context() as away:
        away.setattr(watching, "unasked_room", refuse)
        away.setattr(watching.connections, "close_all", lambda: None)
        watched.tell("artist 0/album 0/b.wav")
        assert watched.wait() == []
    assert len(watched.wait()) == 1


class Drive:
    """Runs a watch on the real clock in this thread, and the jobs that it starts."""

    def __init__(self, root: Path, mode: str) -> None:
        library = Library.objects.get(root=to_stored(root))
        library.watch = mode
        library.save()
        self.watch, self.jobs = LibraryWatch(library), []
        self.source = self.watch._source()

    def until(self, condition: Callable[[], bool], *, seconds: float = 30) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end
            self.watch.step(self.source.changes())
            self.jobs += [run(job) for job in opened()]


@pytest.mark.parametrize("mode", ["events", "polling"])
def test_a_file_that_is_copied_slowly_is_taken_once_and_whole(
    music: Path,
    ingest: Ingest,
    mode: str,
    settings: SettingsWrapper,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ingest()
    monkeypatch.setattr("catalog.ingest.settled.time.sleep", REAL_SLEEP)
    settings.AFFETTI_WATCH_SETTLE_SECONDS = 1.5
    settings.AFFETTI_WATCH_POLL_SECONDS = 0.2
    whole = write_tone(tmp_path / "slow.wav", hz=1000, seconds=6).read_bytes()
    target = music / "artist 0" / "album 0" / "slow.wav"

    def copy() -> None:
        with target.open("wb", buffering=0) as file:
            for at in range(0, len(whole), len(whole) // 8):
                file.write(whole[at : at + len(whole) // 8])
                time.sleep(0.7)

    drive = Drive(music, mode)
    thread = threading.Thread(target=copy)
    thread.start()
    drive.until(lambda: Song.objects.filter(relative_path__endswith="slow.wav").exists())
    assert not thread.is_alive()
    end = time.monotonic() + 4
    drive.until(lambda: time.monotonic() > end)
    drive.source.close()
    assert [job.result["added"] for job in drive.jobs] == [1]
    song = Song.objects.get(relative_path__endswith="slow.wav")
    assert (song.file_size_bytes, song.duration_seconds) == (len(whole), pytest.approx(6, abs=0.1))


def test_a_file_that_begins_after_the_hand_over_is_left(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tone(watched.root / "new" / "a.wav", hz=500)
    watched.tell("new/a.wav")
    (job,) = watched.wait()
    late = watched.root / "new" / "b.wav"
    whole = write_tone(watched.root / ".b.wav", hz=700).read_bytes()
    late.write_bytes(whole[:2000])
    monkeypatch.setattr("catalog.ingest.settled.time.sleep", lambda _: late.write_bytes(whole))
    done = run(job)
    assert done.result["added"] == 1
    assert "new/b.wav: is still being written" in done.result["notes"][0]


class TestState:
    def state(self, library: Library) -> tuple[str, str]:
        library.refresh_from_db()
        return library.watch_state, library.watch_note

    def test_events_that_fail_become_polling_and_say_why(
        self, watched: Watched, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object, **__: object) -> Iterator[object]:
            raise OSError(28, "No space left on device")
            yield

        monkeypatch.setattr(sources, "watch", refuse)
        source = watched.watch._source()
        assert isinstance(source, sources.Polling)
        state, note = self.state(watched.library)
        assert state == "fallback"
        assert "No space left" in note

    def test_a_root_that_vanishes_and_comes_back(
        self, watched: Watched, monkeypatch: pytest.MonkeyPatch, settings: SettingsWrapper
    ) -> None:
        settings.AFFETTI_WATCH_SETTLE_SECONDS = 0.1
        away = watched.root.with_name("away")
        watched.root.rename(away)
        watch = LibraryWatch(watched.library)
        watch._watch()
        assert self.state(watched.library)[0] == "away"
        watched.root.mkdir()  # as the folder of a mount
        watch._watch()
        assert self.state(watched.library)[0] == "away"
        watched.root.rmdir()
        away.rename(watched.root)
        timer = threading.Timer(5, lambda: watched.root.rename(away))
        timer.start()
        watch._watch()  # it ends with the root
        assert self.state(watched.library)[0] == "watching"
        assert names(opened(), watched.root) == ["."], "what changed meanwhile is found"
