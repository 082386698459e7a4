from __future__ import annotations

import errno
import os
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from catalog.errors import FilesVanishedError, JobStateError, PathError, TransientError
from catalog.files import scan as scan_module
from catalog.ingest import reading as reading_module
from catalog.ingest import run as ingest_module
from catalog.ingest import upsert as upsert_module
from catalog.ingest.run import ingest_run, ingest_start, ingests_settle
from catalog.models import BackgroundJob, IngestFailure, KnownCopy, Song
from catalog.selectors import unread_lines
from catalog.work.jobs import job_requeue, job_revoke, job_start
from catalog.work.queue import songs_waiting
from tests.catalog.conftest import write_tone

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pytest_django.fixtures import SettingsWrapper

    Ingest = Callable[..., BackgroundJob]

pytestmark = pytest.mark.django_db


def counts(job: BackgroundJob) -> dict[str, Any]:
    names = (
        "added",
        "unchanged",
        "duplicates",
        "changed",
        "moved",
        "restored",
        "failed",
        "missing",
    )
    return {name: job.result[name] for name in names if job.result[name]}


def settle_songs() -> None:
    """Say that all songs were analysed, as a worker would."""
    Song.objects.update(status=Song.Status.ANALYSED)


def touch(path: Path) -> None:
    """Give a file a time that it did not have before."""
    os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + 1_000_000_000))


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list of names whose content was read."""
    names: list[str] = []
    original = scan_module._sha256

    def spy(path: Path) -> str:
        names.append(path.name)
        return original(path)

    monkeypatch.setattr(scan_module, "_sha256", spy)
    return names


def test_a_tree_becomes_songs_in_order(music_dir: Path, ingest: Ingest) -> None:
    for number, name in enumerate(["b/Satie - Gymnopédie.flac", "a.wav", "b/c/x.ogg", "a/z.wav"]):
        write_tone(music_dir / name, hz=200 + 50 * number)
    (music_dir / "cover.jpg").write_bytes(b"jpg")
    write_tone(music_dir / ".hidden.wav")
    write_tone(music_dir / ".trash" / "x.wav")

    job = ingest()

    assert list(Song.objects.order_by("pk").values_list("relative_path", flat=True)) == [
        "a/z.wav",
        "a.wav",
        "b/Satie - Gymnopédie.flac",
        "b/c/x.ogg",
    ]
    assert counts(job) == {"added": 4}
    assert job.result["ignored"] == 3
    assert (job.progress_done, job.progress_total) == (0, 4)
    song = Song.objects.get(title="Gymnopédie")
    assert (song.artist, song.status, song.is_available) == ("Satie", "pending", True)
    assert song.duration_seconds == pytest.approx(4.0, abs=0.1)
    assert songs_waiting().count() == 4


def test_the_same_folder_twice_reads_no_file_again(
    music_dir: Path, ingest: Ingest, hashed: list[str]
) -> None:
    for hz in (200, 300, 400):
        write_tone(music_dir / f"{hz}.wav", hz=hz)
    (music_dir / "bad.mp3").write_text("no audio")
    ingest()
    settle_songs()
    hashed.clear()

    job = ingest()

    assert counts(job) == {"unchanged": 3, "failed": 1}
    assert job.status == BackgroundJob.Status.SUCCEEDED
    assert hashed == []
    assert Song.objects.count() == 3


def test_the_same_content_twice_is_one_song(music_dir: Path, ingest: Ingest) -> None:
    write_tone(music_dir / "a.wav")
    shutil.copy(music_dir / "a.wav", music_dir / "b.wav")
    (music_dir / "c.wav").symlink_to(music_dir / "a.wav")

    job = ingest()

    assert counts(job) == {"added": 1, "duplicates": 2}
    assert Song.objects.get().relative_path == "a.wav"


def test_copies_of_a_song_are_read_once(music_dir: Path, ingest: Ingest, hashed: list[str]) -> None:
    first = write_tone(music_dir / "0.wav")
    for n in range(1, 4):
        shutil.copy(first, music_dir / f"{n}.wav")
    assert counts(ingest()) == {"added": 1, "duplicates": 3}
    hashed.clear()

    assert counts(ingest()) == {"unchanged": 1, "duplicates": 3}
    assert hashed == []

    touch(music_dir / "2.wav")
    assert counts(ingest()) == {"unchanged": 1, "duplicates": 3}
    assert hashed == ["2.wav"]
    write_tone(music_dir / "3.wav", hz=999)
    assert counts(ingest()) == {"unchanged": 1, "duplicates": 2, "added": 1}

    first.unlink()  # a copy takes its place
    assert counts(ingest()) == {"unchanged": 1, "duplicates": 1, "moved": 1}
    (music_dir / "2.wav").unlink()
    ingest()
    assert not KnownCopy.objects.exists()


def test_a_disk_with_errors_empties_no_catalogue(
    music_dir: Path, ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(3):
        write_tone(music_dir / f"{n}.wav", hz=200 + 10 * n)
    ingest()

    def fail(path: Path) -> object:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(reading_module, "stamp_of", fail)
        assert counts(ingest()) == {"failed": 3}
    assert Song.objects.filter(is_available=True).count() == 3
    assert counts(ingest()) == {"unchanged": 3}
    assert not IngestFailure.objects.exists()


def test_new_content_at_a_path_keeps_the_song(music_dir: Path, ingest: Ingest) -> None:
    path = write_tone(music_dir / "a.wav", hz=200)
    ingest()
    settle_songs()
    before = Song.objects.get()
    write_tone(path, hz=300)
    touch(path)

    job = ingest()

    after = Song.objects.get()
    assert counts(job) == {"changed": 1}
    assert after.pk == before.pk
    assert after.content_sha256 != before.content_sha256
    assert after.status == Song.Status.PENDING


def test_a_touched_file_is_the_same_song(music_dir: Path, ingest: Ingest) -> None:
    path = write_tone(music_dir / "a.wav")
    ingest()
    settle_songs()
    touch(path)

    assert counts(ingest()) == {"unchanged": 1}
    assert Song.objects.get().status == Song.Status.ANALYSED
    assert Song.objects.get().file_mtime_ns == path.stat().st_mtime_ns


def test_a_moved_file_is_the_same_song(music_dir: Path, ingest: Ingest) -> None:
    write_tone(music_dir / "a.wav")
    ingest()
    settle_songs()
    (music_dir / "new").mkdir()
    (music_dir / "a.wav").rename(music_dir / "new" / "Artist - a.wav")

    job = ingest()

    song = Song.objects.get()
    assert counts(job) == {"moved": 1}
    assert (song.relative_path, song.artist) == ("new/Artist - a.wav", "Artist")


def test_two_files_that_swap_names_stay_two_songs(music_dir: Path, ingest: Ingest) -> None:
    a, b = write_tone(music_dir / "a.wav", hz=200), write_tone(music_dir / "b.wav", hz=300)
    touch(b)
    ingest()
    settle_songs()
    shas = dict(Song.objects.values_list("content_sha256", "pk"))
    a.rename(music_dir / "t")
    b.rename(a)
    (music_dir / "t").rename(b)

    job = ingest()

    assert counts(job) == {"moved": 2}
    assert dict(Song.objects.values_list("content_sha256", "pk")) == shas
    assert {s.relative_path for s in Song.objects.filter(is_available=True)} == {"a.wav", "b.wav"}


def test_a_vanished_file_is_missing_until_it_is_back(
    music_dir: Path, ingest: Ingest, hashed: list[str]
) -> None:
    path = write_tone(music_dir / "a.wav", hz=200)
    write_tone(music_dir / "b.wav", hz=300)
    ingest()
    settle_songs()
    path.rename(music_dir.parent / "away.wav")

    assert counts(ingest()) == {"unchanged": 1, "missing": 1}
    assert not Song.objects.get(relative_path="a.wav").is_available

    (music_dir.parent / "away.wav").rename(path)
    hashed.clear()
    assert counts(ingest()) == {"unchanged": 1, "restored": 1}
    assert Song.objects.get(relative_path="a.wav").is_available
    assert hashed == []


def test_another_song_under_an_old_name_is_another_song(music_dir: Path, ingest: Ingest) -> None:
    path = write_tone(music_dir / "a.wav", hz=200)
    ingest()
    path.unlink()
    ingest(accept_empty=True)
    write_tone(path, hz=300)

    assert counts(ingest()) == {"added": 1}
    assert sorted(Song.objects.values_list("is_available", flat=True)) == [False, True]


def test_new_words_beside_an_unchanged_file_ask_for_a_new_analysis(
    music_dir: Path, ingest: Ingest, hashed: list[str]
) -> None:
    path = write_tone(music_dir / "a.wav")
    ingest()
    settle_songs()
    hashed.clear()

    path.with_suffix(".txt").write_text("words")
    assert counts(ingest()) == {"changed": 1}
    song = Song.objects.get()
    assert (song.lyrics, song.lyrics_source, song.status) == ("words", "txt", "pending")

    settle_songs()
    path.with_suffix(".txt").unlink()
    assert counts(ingest()) == {"changed": 1}
    assert Song.objects.get().lyrics == ""
    assert hashed == []


def test_a_sidecar_that_is_no_text_is_noted(music_dir: Path, ingest: Ingest) -> None:
    write_tone(music_dir / "a.wav").with_suffix(".txt").write_bytes(b"\0\1\2")

    job = ingest()

    assert counts(job) == {"added": 1}
    assert "a.txt ignored" in job.result["notes"][0]


def test_a_bad_file_is_read_again_only_when_it_changes(
    music_dir: Path, ingest: Ingest, hashed: list[str]
) -> None:
    path = music_dir / "a.wav"
    path.write_text("no audio")
    ingest()
    assert IngestFailure.objects.get().code == "AUDIO_CORRUPT"
    hashed.clear()

    assert counts(ingest()) == {"failed": 1}
    assert hashed == []

    write_tone(path)
    assert counts(ingest()) == {"added": 1}
    assert not IngestFailure.objects.exists()

    settle_songs()
    path.write_text("broken again")
    assert counts(ingest()) == {"failed": 1}
    assert not Song.objects.get().is_available

    path.unlink()
    assert counts(ingest()) == {}
    assert not IngestFailure.objects.exists()


def test_a_touched_file_whose_analysis_failed_is_tried_again(
    music_dir: Path, ingest: Ingest
) -> None:
    path = write_tone(music_dir / "a.wav")
    ingest()
    Song.objects.update(status=Song.Status.FAILED, failure_code="X")
    assert counts(ingest()) == {"unchanged": 1, "failed": 1}
    assert Song.objects.get().status == Song.Status.FAILED

    touch(path)

    assert counts(ingest()) == {"changed": 1}
    assert Song.objects.get().status == Song.Status.PENDING


def test_names_that_are_not_utf8_are_songs_like_others(music_dir: Path, ingest: Ingest) -> None:
    write_tone(music_dir / "x.wav").rename(os.fsdecode(os.fsencode(music_dir) + b"/caf\xe9.wav"))

    assert counts(ingest()) == {"added": 1}
    song = Song.objects.get()
    assert song.relative_path == "caf\\xe9.wav"
    assert song.path.exists()
    settle_songs()
    assert counts(ingest()) == {"unchanged": 1}


def test_links_that_lead_out_are_refused_and_reported(music_dir: Path, ingest: Ingest) -> None:
    outside = write_tone(music_dir.parent / "outside" / "x.wav")
    (music_dir / "link.wav").symlink_to(outside)
    (music_dir / "folder").symlink_to(outside.parent, target_is_directory=True)
    (music_dir / "above").symlink_to(music_dir.parent, target_is_directory=True)
    (music_dir / "dead.wav").symlink_to(music_dir / "absent")
    (music_dir / "round").symlink_to(music_dir, target_is_directory=True)
    os.mkfifo(music_dir / "pipe.wav")

    job = ingest()

    assert counts(job) == {"failed": 5}
    found = dict(IngestFailure.objects.values_list("relative_path", "code"))
    names = ["link.wav", "folder", "above", "dead.wav", "pipe.wav"]
    assert found == dict.fromkeys(names, "PATH_INVALID")
    assert not Song.objects.exists()
    assert BackgroundJob.objects.count() == 1


def test_a_link_to_another_disk_is_ingested_as_a_library(
    music_dir: Path, ingest: Ingest, settings: SettingsWrapper
) -> None:
    disk = music_dir.parent / "disk"
    write_tone(disk / "there.wav")
    (music_dir / "disk").symlink_to(disk, target_is_directory=True)
    (disk / "back").symlink_to(music_dir, target_is_directory=True)
    settings.AFFETTI_CATALOG_ROOTS = [music_dir, disk]

    job = ingest()

    assert counts(job) == {}
    linked = BackgroundJob.objects.get(pk__in=job.result["linked"])
    assert linked.arguments["path"] == str(disk)
    assert f"disk: is a link; {disk} is ingested too" in job.result["notes"]
    ingest_run(job=job_start(job_id=linked.pk, worker="test"))
    assert Song.objects.get().path == disk / "there.wav"
    linked.refresh_from_db()
    assert linked.result["linked"] == [str(job.pk)]  # no third job: the links lead in a circle
    assert BackgroundJob.objects.count() == 2


def test_too_large_a_file_is_refused_unread(
    music_dir: Path, ingest: Ingest, settings: SettingsWrapper, hashed: list[str]
) -> None:
    settings.AFFETTI_MAX_FILE_BYTES = 1000
    write_tone(music_dir / "a.wav")

    ingest()

    assert IngestFailure.objects.get().code == "FILE_TOO_LARGE"
    assert hashed == []


def test_a_file_that_is_being_written_is_read_next_time(
    music_dir: Path, ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_tone(music_dir / "a.wav")

    def probe_while_written(file: Path) -> object:
        with path.open("ab") as target:
            target.write(b"more")
        return original(file)

    original = scan_module.probe
    monkeypatch.setattr(scan_module, "probe", probe_while_written)
    ingest()
    assert IngestFailure.objects.get().code == "FILE_CHANGING"

    monkeypatch.setattr(scan_module, "probe", original)
    assert counts(ingest()) == {"added": 1}


@pytest.mark.parametrize("kill_at", range(5))
def test_a_killed_scan_goes_on_where_it_was_and_counts_nothing_twice(
    music_dir: Path, monkeypatch: pytest.MonkeyPatch, kill_at: int
) -> None:
    for number in range(8):
        write_tone(music_dir / f"{number % 2}" / f"{number}.wav", hz=200 + number)
    (music_dir / "0" / "bad.mp3").write_text("no audio")
    monkeypatch.setattr(ingest_module, "FILES_AT_ONCE", 2)
    job = ingest_start(path=music_dir)
    written = []

    def kill(_: BackgroundJob) -> None:
        written.append(1)
        if len(written) == kill_at:
            raise KeyboardInterrupt

    try:
        ingest_run(job=job_start(job_id=job.pk, worker="killed"), on_progress=kill)
    except KeyboardInterrupt:
        job.refresh_from_db()
        job_requeue(job=job)
        ingest_run(job=job_start(job_id=job.pk, worker="next"))

    job.refresh_from_db()
    assert counts(job) == {"added": 8, "failed": 1}
    assert job.progress_total == 9
    assert Song.objects.count() == 8


def test_a_killed_scan_of_one_file_counts_it_once(music_dir: Path) -> None:
    path = write_tone(music_dir / "a.wav")
    job = ingest_start(path=path)

    def kill(_: BackgroundJob) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest_run(job=job_start(job_id=job.pk, worker="killed"), on_progress=kill)
    job.refresh_from_db()
    job_requeue(job=job)
    ingest_run(job=job_start(job_id=job.pk, worker="next"))

    job.refresh_from_db()
    assert counts(job) == {"added": 1}


def test_what_a_worker_writes_of_a_song_outlives_a_scan_of_its_file(
    music_dir: Path, ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_tone(music_dir / "a.wav")
    ingest()
    touch(path)
    original = upsert_module._set

    def analysed_meanwhile(song: Song, values: Mapping[str, object]) -> None:
        settle_songs()  # between the reading and the writing of the row
        original(song, values)

    monkeypatch.setattr(upsert_module, "_set", analysed_meanwhile)
    assert counts(ingest()) == {"unchanged": 1}
    assert Song.objects.get().status == Song.Status.ANALYSED


def test_a_long_scan_is_put_back_into_the_queue_in_slices_of_a_file_at_least(
    music_dir: Path,
) -> None:
    for number in range(5):
        write_tone(music_dir / f"{number}.wav", hz=200 + number)
    job = ingest_start(path=music_dir)

    slices = 0
    while job.status == BackgroundJob.Status.PENDING:
        job = job_start(job_id=job.pk, worker="slice")
        ingest_run(job=job, seconds=0)
        job.refresh_from_db()
        slices += 1

    assert slices == 6
    assert counts(job) == {"added": 5}


def test_a_revoked_scan_stops_at_its_next_step(
    music_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        write_tone(music_dir / f"{number}.wav", hz=200 + number)
    monkeypatch.setattr(ingest_module, "FILES_AT_ONCE", 1)
    job = job_start(job_id=ingest_start(path=music_dir).pk, worker="w")

    with pytest.raises(JobStateError):
        ingest_run(
            job=job, on_progress=lambda _: job_revoke(job=BackgroundJob.objects.get(pk=job.pk))
        )

    assert Song.objects.count() == 1
    assert BackgroundJob.objects.get().status == BackgroundJob.Status.REVOKED


def test_a_job_ends_when_its_last_song_is_settled(music_dir: Path, ingest: Ingest) -> None:
    write_tone(music_dir / "a.wav", hz=200)
    write_tone(music_dir / "b.wav", hz=300)
    job = ingest()
    assert (job.status, job.result["phase"]) == ("started", "analysing")

    Song.objects.filter(relative_path="a.wav").update(status=Song.Status.FAILED)
    ingests_settle()
    job.refresh_from_db()
    assert (job.status, job.progress_done) == ("started", 1)

    Song.objects.filter(relative_path="b.wav").update(status=Song.Status.ANALYSED)
    ingests_settle()
    job.refresh_from_db()
    assert (job.status, job.progress_done, job.result["phase"]) == ("succeeded", 2, "done")
    assert job.result["failed"] == 1


def test_only_folders_inside_a_root_may_be_asked_for(music_dir: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()

    with pytest.raises(PathError, match="not inside a catalogue root"):
        ingest_start(path=other)
    (music_dir / "circle").symlink_to(music_dir / "circle")
    for name in ("absent", "circle", "x" * 300):
        with pytest.raises(PathError):
            ingest_start(path=music_dir / name)
    assert not BackgroundJob.objects.exists()
    assert ingest_start(path=other, is_anywhere_allowed=True).status == "pending"


def test_asking_twice_is_one_job_until_its_scan_is_over(music_dir: Path, ingest: Ingest) -> None:
    write_tone(music_dir / "a.wav")
    first = ingest_start(path=music_dir)
    assert ingest_start(path=music_dir) == first

    assert ingest() == first
    assert ingest_start(path=music_dir) != first


def test_a_folder_that_went_away_marks_nothing_missing(music_dir: Path, ingest: Ingest) -> None:
    write_tone(music_dir / "a.wav")
    ingest()
    job = ingest_start(path=music_dir)
    music_dir.rename(music_dir.parent / "unmounted")

    with pytest.raises(FilesVanishedError, match="--accept-empty"):
        ingest_run(job=job_start(job_id=job.pk, worker="w"))
    job.refresh_from_db()

    assert Song.objects.get().is_available


@pytest.fixture
def ten_songs(music_dir: Path, ingest: Ingest) -> list[Path]:
    paths = [write_tone(music_dir / "a" / f"{n}.wav", hz=200 + 10 * n) for n in range(10)]
    ingest()
    settle_songs()
    return paths


@pytest.mark.parametrize("kept", [0, 4])
def test_when_most_files_are_gone_at_once_none_is_marked_until_that_is_confirmed(
    music_dir: Path, ingest: Ingest, ten_songs: list[Path], kept: int
) -> None:
    for path in ten_songs[kept:]:
        path.unlink()

    with pytest.raises(FilesVanishedError, match=f"{10 - kept} of 10 songs"):
        ingest()
    assert Song.objects.filter(is_available=True).count() == 10
    BackgroundJob.objects.all().delete()

    assert counts(ingest(accept_empty=True))["missing"] == 10 - kept


def test_when_half_of_the_files_are_gone_they_are_gone(
    ingest: Ingest, ten_songs: list[Path]
) -> None:
    for path in ten_songs[5:]:
        path.unlink()

    assert counts(ingest()) == {"unchanged": 5, "missing": 5}


def test_files_that_moved_within_the_library_are_not_gone(
    music_dir: Path, ingest: Ingest, ten_songs: list[Path]
) -> None:
    (music_dir / "a").rename(music_dir / "b")

    assert counts(ingest()) == {"moved": 10}


def test_an_absent_folder_is_confirmed_too(
    music_dir: Path, ingest: Ingest, ten_songs: list[Path]
) -> None:
    shutil.rmtree(music_dir)

    with pytest.raises(PathError):
        ingest()
    assert counts(ingest(accept_empty=True)) == {"missing": 10}


def test_the_confirmation_reaches_an_ingest_under_way(
    music_dir: Path, ten_songs: list[Path]
) -> None:
    for path in ten_songs:
        path.unlink()
    job = job_start(job_id=ingest_start(path=music_dir).pk, worker="w")

    assert ingest_start(path=music_dir, accept_empty=True).pk == job.pk
    ingest_run(job=job)

    assert Song.objects.filter(is_available=True).count() == 0


def test_a_mount_lost_during_the_scan_marks_nothing_as_gone(
    music_dir: Path, ingest: Ingest, monkeypatch: pytest.MonkeyPatch, ten_songs: list[Path]
) -> None:
    for path in ten_songs:
        touch(path)
    original = reading_module.read_file

    def lose(root: Path, relative: Path, *, max_bytes: int) -> object:
        if relative.name == "3.wav":
            shutil.rmtree(music_dir / "a")
        return original(root, relative, max_bytes=max_bytes)

    monkeypatch.setattr(reading_module, "read_file", lose)

    with pytest.raises(FilesVanishedError):
        ingest()
    assert Song.objects.filter(is_available=True).count() == 10
    assert not IngestFailure.objects.exists()


def test_a_file_that_vanishes_during_the_scan_is_counted(
    music_dir: Path, ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(4):
        write_tone(music_dir / f"{n}.wav", hz=200 + 10 * n)
    original = reading_module.read_file

    def lose(root: Path, relative: Path, *, max_bytes: int) -> object:
        (root / "2.wav").unlink(missing_ok=True)
        return original(root, relative, max_bytes=max_bytes)

    monkeypatch.setattr(reading_module, "read_file", lose)
    job = ingest()

    assert (job.result["added"], job.result["vanished"]) == (3, 1)
    assert job.progress_total == 4


def test_a_scan_goes_on_after_its_library_became_part_of_a_wider_one(
    music_dir: Path, ingest: Ingest
) -> None:
    for n in range(3):
        write_tone(music_dir / "sub" / "x" / f"{n:02d}.wav", hz=200 + 10 * n)
    write_tone(music_dir / "a.wav", hz=999)
    job = job_start(job_id=ingest_start(path=music_dir / "sub").pk, worker="w")
    ingest_run(job=job, seconds=0)  # one file, then back into the queue
    assert Song.objects.count() == 1

    upsert_module.library_ensure(folder=music_dir)
    ingest_run(job=job_start(job_id=job.pk, worker="w"))
    job.refresh_from_db()

    assert counts(job) == {"added": 3}
    assert Song.objects.filter(relative_path__startswith="sub/x/").count() == 3


def refuse_listing(monkeypatch: pytest.MonkeyPatch, name: str, error: OSError) -> None:
    """Let a folder be one that cannot be listed; for root every real one can."""
    original = scan_module._entries

    def entries(folder: Path) -> object:
        if folder.name == name:
            raise error
        return original(folder)

    monkeypatch.setattr(scan_module, "_entries", entries)


def test_a_folder_that_cannot_be_read_is_said_and_its_songs_stay(
    music_dir: Path, ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(3):
        write_tone(music_dir / f"{n}" / "a.wav", hz=200 + 10 * n)
    ingest()
    with monkeypatch.context() as patch:
        refuse_listing(patch, "1", PermissionError(errno.EACCES, "Permission denied"))
        job = ingest()

    assert counts(job) == {"unchanged": 2, "failed": 1}
    failure = IngestFailure.objects.get()
    assert (failure.relative_path, failure.code) == ("1", "PATH_INVALID")
    assert "Permission denied" in failure.message
    assert Song.objects.filter(is_available=True).count() == 3

    assert counts(ingest()) == {"unchanged": 3}
    assert not IngestFailure.objects.exists()


def test_a_folder_that_vanishes_during_the_scan_is_said(
    music_dir: Path, ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(3):
        write_tone(music_dir / f"{n}" / "a.wav", hz=200 + 10 * n)
    refuse_listing(monkeypatch, "1", FileNotFoundError(errno.ENOENT, "No such file"))
    job = ingest()

    assert counts(job) == {"added": 2}
    assert any("1: this folder vanished" in note for note in job.result["notes"])


def test_a_closed_root_ends_the_job_and_marks_nothing(
    music_dir: Path, ingest: Ingest, monkeypatch: pytest.MonkeyPatch, ten_songs: list[Path]
) -> None:
    refuse_listing(monkeypatch, "music", PermissionError(errno.EACCES, "Permission denied"))
    with pytest.raises(PathError, match="Permission denied"):
        ingest()
    assert Song.objects.filter(is_available=True).count() == 10


@pytest.mark.skipif(os.getuid() == 0, reason="root may read every folder")
@pytest.mark.parametrize("mode", [0o000, 0o444])
def test_a_folder_without_rights_is_said(music_dir: Path, ingest: Ingest, mode: int) -> None:
    write_tone(music_dir / "a.wav", hz=200)
    closed = write_tone(music_dir / "b" / "c" / "b.wav", hz=300).parent.parent
    closed.chmod(mode)
    try:
        assert counts(ingest()) == {"added": 1, "failed": 1}
    finally:
        closed.chmod(0o755)


def test_what_is_left_out_now_is_gone_from_the_catalogue(music_dir: Path, ingest: Ingest) -> None:
    for n, name in enumerate(("x/a.wav", "y/b.wav", "z/c.wav")):
        write_tone(music_dir / name, hz=200 + 10 * n)
    ingest()
    (music_dir / "y" / ".nomedia").touch()
    (music_dir / ".affettiignore").write_text("z/\n")

    job = ingest()

    assert counts(job) == {"unchanged": 1, "missing": 2}
    assert job.result["left_out"] == 2
    assert Song.objects.get(is_available=True).relative_path == "x/a.wav"
    assert any("2 songs are left out now" in note for note in job.result["notes"])

    (music_dir / ".affettiignore").unlink()
    assert counts(ingest()) == {"unchanged": 1, "restored": 1}


def test_audio_that_is_not_read_is_counted_and_named(music_dir: Path, ingest: Ingest) -> None:
    write_tone(music_dir / "a.wav")
    for name in ("b.mid", "c.MID", "d.xm", "cover.jpg"):
        (music_dir / name).write_bytes(b"x")
    job = ingest()

    assert (job.result["unread"], job.result["ignored"]) == (3, 1)
    assert job.result["unread_suffixes"] == {".mid": 2, ".xm": 1}
    assert job.result["unread_files"] == ["b.mid", "c.MID", "d.xm"]
    assert unread_lines(job) == ["2 .mid, 1 .xm", "b.mid", "c.MID", "d.xm"]


def test_a_cue_sheet_beside_one_file_is_noted(music_dir: Path, ingest: Ingest) -> None:
    write_tone(music_dir / "one" / "album.flac", hz=200)
    (music_dir / "one" / "album.cue").write_text("FILE")
    for n in range(2):
        write_tone(music_dir / "two" / f"{n}.flac", hz=300 + n)
    (music_dir / "two" / "tracks.cue").write_text("FILE")
    notes = ingest().result["notes"]

    assert len(notes) == 1
    assert "album.flac is one song" in notes[0]


def test_a_file_that_raises_anything_fails_alone_by_name(
    music_dir: Path,
    ingest: Ingest,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for number in range(20):
        write_tone(music_dir / f"{number:02d}.wav", hz=200 + 10 * number)
    original = scan_module.read_tags

    def surprise(path: Path, relative: Path) -> object:
        if path.name == "03.wav":
            raise RuntimeError(f"{path}: nobody \x00 thought of this")
        return original(path, relative)

    monkeypatch.setattr(scan_module, "read_tags", surprise)
    job = ingest()

    assert counts(job) == {"added": 19, "failed": 1}
    failure = IngestFailure.objects.get()
    assert (failure.relative_path, failure.code) == ("03.wav", "FILE_READ_FAILED")
    assert "RuntimeError" in failure.message
    assert str(music_dir) not in failure.message
    assert "03.wav" in caplog.text


def test_an_error_in_bytes_that_are_no_text_is_stored(
    music_dir: Path, ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def surprise(*_: object) -> None:
        raise RuntimeError("half a pair: \udcff")

    monkeypatch.setattr(scan_module, "read_tags", surprise)
    # pytest-xdist cannot send such a line of a log to its parent.
    monkeypatch.setattr(reading_module.logger, "disabled", True)
    write_tone(music_dir / "03.wav")

    assert counts(ingest()) == {"failed": 1}
    assert IngestFailure.objects.get().code == "FILE_READ_FAILED"


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"duration_seconds": float("nan")}, "FILE_NOT_FINITE"),
        ({"duration_seconds": float("inf")}, "FILE_NOT_FINITE"),
        ({"content_sha256": None}, "FILE_NOT_STORED"),
    ],
)
def test_values_that_cannot_be_stored_fail_their_file(
    music_dir: Path,
    ingest: Ingest,
    monkeypatch: pytest.MonkeyPatch,
    values: dict[str, Any],
    code: str,
) -> None:
    for number in range(3):
        write_tone(music_dir / f"{number}.wav", hz=200 + 10 * number)
    original = reading_module.read_file

    def spoilt(root: Path, relative: Path, *, max_bytes: int) -> object:
        facts = original(root, relative, max_bytes=max_bytes)
        return replace(facts, **values) if relative.name == "1.wav" else facts

    monkeypatch.setattr(reading_module, "read_file", spoilt)

    assert counts(ingest()) == {"added": 2, "failed": 1}
    failure = IngestFailure.objects.get()
    assert (failure.relative_path, failure.code) == ("1.wav", code)


def test_too_many_open_files_is_no_fault_of_a_file(
    music_dir: Path, ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tone(music_dir / "a.wav")

    def run_out(path: Path, relative: Path) -> object:
        raise OSError(errno.EMFILE, "Too many open files", str(path))

    monkeypatch.setattr(scan_module, "read_tags", run_out)
    with pytest.raises(TransientError, match="open files"):
        ingest()
    assert not IngestFailure.objects.exists()
