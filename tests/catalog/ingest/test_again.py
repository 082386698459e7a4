"""What a second ingest of the same folder keeps, fills in and refuses."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import mutagen
import pytest
from django.db import connection

from catalog.errors import FilesVanishedError
from catalog.files import tags as tags_module
from catalog.ingest import upsert as upsert_module
from catalog.ingest.missing import LOST_FOLDER_SONGS
from catalog.models import BackgroundJob, Song
from mer.errors import AudioCrashError
from tests.catalog.conftest import write_tone
from tests.factories import SongFactory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Ingest = Callable[..., BackgroundJob]

pytestmark = pytest.mark.django_db
WORDS = "Every word\nis sung\nhere and now"


def tag(path: Path, **tags: str) -> None:
    file: Any = mutagen.File(path)
    for name, value in tags.items():
        file[name] = value
    file.save()


@pytest.fixture
def crash(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Let the reader of tags crash, until the function that is returned is called."""

    def run(_function: object, path: Path) -> object:
        raise AudioCrashError(path, "ends the decoder (SIGSEGV)")

    original = tags_module.run_in_child
    monkeypatch.setattr(tags_module, "run_in_child", run)
    return lambda: monkeypatch.setattr(tags_module, "run_in_child", original)


@pytest.fixture
def song(music_dir: Path, ingest: Ingest) -> Song:
    path = write_tone(music_dir / "a.flac")
    tag(path, title="Title", artist="Artist", album="One", lyrics=WORDS)
    ingest()
    return Song.objects.get()


def known(song: Song) -> tuple[str, str, str, str, list[str]]:
    song.refresh_from_db()
    credits = list(song.credits.values_list("name", flat=True))
    return song.title, song.artist, song.album, song.lyrics, credits


def test_a_crash_keeps_the_tags_of_an_older_song(
    ingest: Ingest, song: Song, request: pytest.FixtureRequest
) -> None:
    before = known(song)
    assert before == ("Title", "Artist", "One", WORDS, ["Artist"])
    Song.objects.update(tags_version=0)
    mend = request.getfixturevalue("crash")
    job = ingest()
    assert (job.result["unchanged"], job.result["tags_unread"]) == (1, 1)
    assert "a.flac: tags not read" in job.result["notes"][0]
    assert known(song) == before
    assert song.tags_version == 0
    mend()
    assert ingest().result["tags_unread"] == 0
    song.refresh_from_db()
    assert song.tags_version == tags_module.TAGS_VERSION


def test_a_crash_keeps_the_tags_of_a_song_whose_file_changed(
    music_dir: Path, ingest: Ingest, song: Song, request: pytest.FixtureRequest
) -> None:
    before = known(song)
    tag(music_dir / "a.flac", title="Another", lyrics="")
    mend = request.getfixturevalue("crash")
    assert ingest().result["tags_unread"] == 1
    assert known(song) == before
    mend()
    ingest()
    assert known(song)[0] == "Another"


def test_a_new_song_gets_its_tags_at_the_next_ingest(
    music_dir: Path, ingest: Ingest, request: pytest.FixtureRequest
) -> None:
    tag(write_tone(music_dir / "b.flac"), title="Title", artist="Artist", lyrics=WORDS)
    mend = request.getfixturevalue("crash")
    assert ingest().result["tags_unread"] == 1
    assert known(Song.objects.get())[:2] == ("b", "")
    mend()
    ingest()
    assert known(Song.objects.get()) == ("Title", "Artist", "", WORDS, ["Artist"])
    assert Song.objects.get().tags_note == ""


def test_an_older_song_gets_its_media_type_without_an_analysis(ingest: Ingest, song: Song) -> None:
    Song.objects.update(media_type="", status=Song.Status.ANALYSED)
    assert ingest().result["unchanged"] == 1
    song.refresh_from_db()
    assert (song.media_type, song.status) == ("audio/flac", Song.Status.ANALYSED)


def test_no_file_is_hashed_inside_a_transaction(
    music_dir: Path, ingest: Ingest, song: Song, monkeypatch: pytest.MonkeyPatch
) -> None:
    depth = len(connection.savepoint_ids)
    hashed = []

    def spy(path: Path) -> str:
        hashed.append(len(connection.savepoint_ids))
        return original(path)

    original = upsert_module.audio_hash
    monkeypatch.setattr(upsert_module, "audio_hash", spy)
    copy = music_dir / "0.flac"
    copy.write_bytes((music_dir / "a.flac").read_bytes())
    tag(copy, album="Best of")
    tag(music_dir / "a.flac", album="Two")
    assert ingest().result["added"] == 1
    assert hashed == [depth]


@pytest.mark.parametrize("is_there", [True, False])
def test_a_lost_folder_below_the_root_marks_nothing(
    music_dir: Path, ingest: Ingest, is_there: bool
) -> None:
    library_songs(music_dir, ingest, in_folder=LOST_FOLDER_SONGS + 1)
    lose(music_dir, is_there=is_there)
    with pytest.raises(FilesVanishedError, match=r"mount/deep|mount: is empty or absent"):
        ingest()
    assert not Song.objects.filter(is_available=False).exists()
    BackgroundJob.objects.update(status=BackgroundJob.Status.FAILED)
    assert ingest(accept_empty=True).result["missing"] == LOST_FOLDER_SONGS + 1


def test_a_deleted_album_is_gone(music_dir: Path, ingest: Ingest) -> None:
    library_songs(music_dir, ingest, in_folder=LOST_FOLDER_SONGS)
    lose(music_dir, is_there=False)
    assert ingest().result["missing"] == LOST_FOLDER_SONGS


def library_songs(music_dir: Path, ingest: Ingest, *, in_folder: int) -> None:
    """Make a library with one song that is there, many that are, and `in_folder` in one folder."""
    write_tone(music_dir / "a.wav")
    ingest()
    library = Song.objects.get().library
    for number in range(in_folder + 10):
        folder = "mount/deep" if number < in_folder else "other"
        path = music_dir / folder / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
        song = SongFactory(library=library, relative_path=f"{folder}/{number}.wav")
        status = path.stat()
        Song.objects.filter(pk=song.pk).update(
            file_size_bytes=status.st_size, file_mtime_ns=status.st_mtime_ns
        )
    # More than half of the library must stay.
    for number in range(in_folder):
        path = music_dir / "other" / f"z{number}.wav"
        path.write_bytes(b"")
        song = SongFactory(library=library, relative_path=f"other/z{number}.wav")
        status = path.stat()
        Song.objects.filter(pk=song.pk).update(
            file_size_bytes=status.st_size, file_mtime_ns=status.st_mtime_ns
        )
    Song.objects.update(
        audio_sha256="none", tags_version=tags_module.TAGS_VERSION, media_type="audio/wav"
    )


def lose(music_dir: Path, *, is_there: bool) -> None:
    shutil.rmtree(music_dir / "mount")
    if is_there:
        (music_dir / "mount").mkdir()
