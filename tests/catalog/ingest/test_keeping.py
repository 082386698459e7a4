"""Libraries as staff keep them: scheduled scans, names, removal."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

from catalog.errors import PathError
from catalog.ingest import libraries
from catalog.ingest.libraries import (
    LibrarySettings,
    library_add,
    library_change,
    library_remove,
    removed_delete,
    rescans_start,
)
from catalog.ingest.run import ingest_run, ingest_start
from catalog.models import (
    Album,
    Artist,
    BackgroundJob,
    IngestFailure,
    KnownCopy,
    Library,
    Recording,
    Song,
    SongCredit,
)
from catalog.work.jobs import job_start
from tests.catalog.conftest import write_tone
from tests.factories import SongFactory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.catalog.conftest import Sent

    Ingest = Callable[..., BackgroundJob]

pytestmark = pytest.mark.django_db


@pytest.fixture
def library(music_dir: Path, ingest: Ingest) -> Library:
    write_tone(music_dir / "a.wav", hz=200)
    write_tone(music_dir / "b" / "b.wav", hz=300)
    ingest()
    BackgroundJob.objects.all().delete()
    return Library.objects.get()


def scheduled(library: Library, hours: int | None, *, at_hours: float | None) -> Library:
    library.rescan_hours = hours
    library.rescan_at = None if at_hours is None else timezone.now() + timedelta(hours=at_hours)
    library.save()
    return library


@pytest.mark.parametrize(
    ("at_hours", "is_due"),
    [(None, True), (-1, True), (0.5, False), (5.9, False), (6.1, True), (500, True)],
    ids=["never", "past", "soon", "later", "clock set back", "clock set back far"],
)
def test_a_scan_begins_when_it_is_due(
    library: Library, at_hours: float | None, *, is_due: bool
) -> None:
    scheduled(library, 6, at_hours=at_hours)
    assert rescans_start() == is_due
    assert rescans_start() == 0
    jobs = list(BackgroundJob.objects.all())
    assert len(jobs) == is_due
    library.refresh_from_db()
    assert timezone.now() < library.rescan_at <= timezone.now() + timedelta(hours=6)


def test_no_schedule_no_scan(library: Library) -> None:
    scheduled(library, None, at_hours=-1)
    assert rescans_start() == 0


def test_a_scan_that_goes_on_is_not_started_twice(library: Library) -> None:
    scheduled(library, 6, at_hours=-1)
    ingest_start(path=library.path)
    assert rescans_start() == 0
    assert BackgroundJob.objects.count() == 1
    library.refresh_from_db()
    assert library.rescan_at < timezone.now() + timedelta(minutes=6), "it is tried again soon"


def test_who_asks_gets_an_ingest_without_the_limits_of_a_scheduled_one(library: Library) -> None:
    scheduled(library, 6, at_hours=-1)
    assert rescans_start() == 1
    asked = ingest_start(path=library.path)
    assert "unasked" not in asked.arguments
    assert BackgroundJob.objects.count() == 2


def test_an_ingest_that_slipped_through_adds_nothing_to_a_library_that_goes(
    library: Library,
) -> None:
    write_tone(library.path / "late.wav", hz=500)
    job = job_start(job_id=ingest_start(path=library.path).pk, worker="w")
    Library.objects.update(is_going=True)
    with pytest.raises(PathError, match="is being removed"):
        ingest_run(job=job)
    assert Song.objects.count() == 2


def test_artists_and_albums_of_a_removed_library_go(library: Library) -> None:
    song = Song.objects.first()
    assert song is not None
    artist = Artist.objects.create(name="Gone", key="gone")
    SongCredit.objects.create(song=song, artist=artist, position=0, name="Gone")
    Song.objects.filter(pk=song.pk).update(
        album_entry=Album.objects.create(title="A", key="a", artist=artist)
    )
    library_remove(library=library)
    removed_delete(seconds=60)
    assert not Artist.objects.filter(key="gone").exists()
    assert not Album.objects.exists()


def test_the_end_of_a_whole_scan_is_remembered(library: Library, ingest: Ingest) -> None:
    before = library.scanned_at
    assert before is not None
    ingest(library.path / "b")
    library.refresh_from_db()
    assert library.scanned_at == before
    ingest()
    library.refresh_from_db()
    assert library.scanned_at > before


def test_change(library: Library) -> None:
    library_change(library=library, chosen=LibrarySettings("Disk", "polling", 24))
    library.refresh_from_db()
    assert (library.name, library.watch, library.rescan_hours) == ("Disk", "polling", 24)
    assert library.rescan_at > timezone.now() + timedelta(hours=23)
    at = library.rescan_at
    library_change(library=library, chosen=LibrarySettings("Disc", "off", 24))
    assert library.rescan_at == at, "another name does not put the scan off"
    library_change(library=library, chosen=LibrarySettings("Disc", "off", None))
    assert library.rescan_at is None


def test_add(music_dir: Path) -> None:
    chosen = LibrarySettings("", "events", 24)
    library = library_add(path=music_dir, chosen=chosen, user=None)
    assert (library.name, library.watch, library.rescan_hours) == ("music", "events", 24)
    assert BackgroundJob.objects.get().arguments["path"] == library.root
    (music_dir / "inside").mkdir()
    with pytest.raises(PathError, match="in the library music"):
        library_add(path=music_dir / "inside", chosen=chosen, user=None)
    with pytest.raises(PathError, match="not inside a catalogue root"):
        library_add(path=music_dir.parent, chosen=chosen, user=None)


def test_a_wider_library_is_watched_as_the_one_inside_was(music_dir: Path, ingest: Ingest) -> None:
    write_tone(music_dir / "b" / "b.wav", hz=300)
    ingest(music_dir / "b")
    Library.objects.update(watch="polling", rescan_hours=12)
    ingest()
    library = Library.objects.get()
    assert (library.watch, library.rescan_hours) == ("polling", 12)


class TestRemoval:
    def test_songs_go_and_files_stay(
        self, library: Library, sent: Sent, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = SongFactory()
        failure = {"file_size_bytes": 1, "file_mtime_ns": 1}
        IngestFailure.objects.create(library=library, relative_path="x", code="X", **failure)
        KnownCopy.objects.create(library=library, relative_path="y", **failure)
        going = ingest_start(path=library.path / "b")
        library_remove(library=library)
        going.refresh_from_db()
        assert going.status == BackgroundJob.Status.REVOKED
        with pytest.raises(PathError, match="is being removed"):
            ingest_start(path=library.path)
        monkeypatch.setattr(libraries, "_SONGS_AT_ONCE", 1)
        assert removed_delete(seconds=60) == 2
        assert list(Song.objects.all()) == [other]
        assert list(Library.objects.all()) == [other.library]
        assert (library.path / "a.wav").exists()

    def test_it_goes_on_after_a_while(
        self, library: Library, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(libraries, "_SONGS_AT_ONCE", 1)
        library_remove(library=library)
        assert removed_delete(seconds=-1) == 1
        assert Library.objects.exists()
        assert removed_delete(seconds=60) == 1
        assert not Library.objects.exists()

    def test_the_folder_can_be_added_again(self, library: Library, ingest: Ingest) -> None:
        library_remove(library=library)
        removed_delete(seconds=60)
        assert ingest().result["added"] == 2

    def test_another_file_of_the_recording_is_shown_then(self, library: Library) -> None:
        recording = Recording.objects.create()
        first = library.songs.first()
        Song.objects.filter(pk=first.pk).update(recording=recording, recording_rank=0)
        other = SongFactory(recording=recording, recording_rank=1)
        library_remove(library=library)
        removed_delete(seconds=60)
        other.refresh_from_db()
        assert other.recording_rank == 0

    def test_a_library_that_stays_loses_nothing(self, library: Library) -> None:
        assert removed_delete(seconds=60) == 0
        assert library.songs.count() == 2
