"""Corrections of many songs, and songs that staff take out of the library."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from catalog.ingest import reading
from catalog.ingest.editing import songs_correct, songs_remove, songs_restore
from catalog.models import Album, BackgroundJob, IngestFailure, Song
from catalog.selectors import job_failures
from tests.catalog.conftest import write_tone
from tests.catalog.ingest.test_again import tag

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Ingest = Callable[..., BackgroundJob]

pytestmark = pytest.mark.django_db


@pytest.fixture
def songs(music_dir: Path, ingest: Ingest) -> list[Song]:
    for number in range(3):
        path = write_tone(music_dir / f"{number}.flac", hz=300.0 + number)
        tag(path, title=f"T{number}", artist="Atrist", album="Albun", genre="Rok", date="1999")
    ingest()
    Song.objects.update(status=Song.Status.ANALYSED)
    return list(Song.objects.order_by("relative_path"))


def ids(songs: list[Song]) -> list[int]:
    return [song.pk for song in songs]


def test_a_correction_reaches_credits_albums_genres_and_the_model(songs: list[Song]) -> None:
    changes = {"artist": "Artist", "album": "Album", "genre": "Rock", "year": 2001}
    assert songs_correct(song_ids=ids(songs[:2]), changes=changes) == 2
    for song in Song.objects.filter(pk__in=ids(songs[:2])):
        assert (song.artist, song.album, song.genre, song.year) == ("Artist", "Album", "Rock", 2001)
        assert [credit.name for credit in song.credits.all()] == ["Artist"]
        assert [genre.name for genre in song.genres.all()] == ["Rock"]
        assert song.album_entry is not None
        assert (song.album_entry.title, str(song.album_entry.artist)) == ("Album", "Artist")
        assert "artist" in song.search_text
        assert song.status == Song.Status.PENDING
    other = Song.objects.get(pk=songs[2].pk)
    assert (other.artist, other.status) == ("Atrist", Song.Status.ANALYSED)
    assert Album.objects.count() == 2
    songs_correct(song_ids=[other.pk], changes=changes)
    assert Album.objects.count() == 1  # the misspelt one has no song any more


def test_what_the_model_does_not_read_costs_no_analysis(songs: list[Song]) -> None:
    assert songs_correct(song_ids=ids(songs), changes={"genre": "Rock", "year": None}) == 3
    assert songs_correct(song_ids=ids(songs), changes={"genre": "Rock"}) == 0
    assert not Song.objects.exclude(status=Song.Status.ANALYSED).exists()
    with pytest.raises(ValueError, match="relative_path"):
        songs_correct(song_ids=ids(songs), changes={"relative_path": "x"})


def test_an_ingest_keeps_corrections(songs: list[Song], ingest: Ingest) -> None:
    songs_correct(song_ids=ids(songs), changes={"title": "Right", "album": "Album"})
    ingest()
    assert set(Song.objects.values_list("title", "album")) == {("Right", "Album")}


def test_a_removed_song_stays_away_until_it_is_restored(
    songs: list[Song], ingest: Ingest, music_dir: Path
) -> None:
    assert songs_remove(song_ids=ids(songs[:2])) == 2
    assert songs_remove(song_ids=ids(songs[:2])) == 0
    job = ingest()
    assert Song.objects.filter(is_available=True).count() == 1
    assert job_failures(job=job) == []
    assert (music_dir / "0.flac").exists()

    (music_dir / "1.flac").unlink()
    assert songs_restore(song_ids=ids(songs)) == 1
    assert set(Song.objects.filter(is_available=True)) == {songs[0], songs[2]}
    ingest()
    assert Song.objects.filter(is_available=True).count() == 2
    assert not IngestFailure.objects.exists()


def shown() -> set[str]:
    return set(Song.objects.filter(is_available=True).values_list("title", flat=True))


@pytest.mark.parametrize("steps", [1, 2])
def test_a_removed_song_stays_away_when_its_file_moves(
    songs: list[Song], ingest: Ingest, music_dir: Path, steps: int
) -> None:
    songs_remove(song_ids=ids(songs[:1]))
    (music_dir / "else").mkdir()
    (music_dir / "0.flac").rename(music_dir / "away")
    if steps == 2:  # an ingest that finds the file nowhere does not forget it
        ingest()
    (music_dir / "away").rename(music_dir / "else" / "0.flac")
    job = ingest()
    assert shown() == {"T1", "T2"}
    assert (job.result["removed"], job.result["failed"]) == (1, 0)
    assert "put it back" in job.result["notes"][0]
    assert ingest().result["notes"] == []

    assert songs_restore(song_ids=ids(songs)) == 1
    assert Song.objects.get(pk=songs[0].pk).relative_path == "else/0.flac"
    assert ingest().result["unchanged"] == 3
    assert shown() == {"T0", "T1", "T2"}


def test_a_removed_song_stays_away_when_its_file_is_copied(
    songs: list[Song], ingest: Ingest, music_dir: Path
) -> None:
    copy = music_dir / "copy.flac"
    shutil.copy(music_dir / "0.flac", copy)
    ingest()
    songs_remove(song_ids=ids(songs[:1]))
    for _ in range(2):
        ingest()
        assert shown() == {"T1", "T2"}
    tag(copy, title="Other tags", artist="Other")
    ingest()
    assert shown() == {"T1", "T2"}

    assert songs_restore(song_ids=ids(songs)) == 1
    shutil.copy(music_dir / "0.flac", copy)
    ingest()
    (music_dir / "0.flac").unlink()
    ingest()
    assert shown() == {"T0", "T1", "T2"}  # the song moved to its copy


def test_a_song_that_sounds_like_a_removed_one_stays(
    songs: list[Song], ingest: Ingest, music_dir: Path
) -> None:
    other = music_dir / "single.flac"
    shutil.copy(music_dir / "0.flac", other)
    tag(other, title="Single", artist="Artist")
    ingest()
    songs_remove(song_ids=ids(songs[:1]))
    tag(other, title="The single", artist="Artist")
    other = other.rename(music_dir / "moved.flac")
    ingest()
    assert shown() == {"T1", "T2", "The single"}


def test_a_removed_song_stays_away_when_its_file_is_retagged_beside_another_of_its_sound(
    songs: list[Song], ingest: Ingest, music_dir: Path
) -> None:
    shutil.copy(music_dir / "0.flac", music_dir / "single.flac")
    tag(music_dir / "single.flac", title="Single", artist="Artist")
    ingest()
    songs_remove(song_ids=ids(songs[:1]))
    tag(music_dir / "0.flac", title="Other tags", artist="Other")
    ingest()
    assert shown() == {"T1", "T2", "Single"}
    (music_dir / "0.flac").rename(music_dir / "moved.flac")
    tag(music_dir / "moved.flac", title="More tags", artist="Other")
    ingest()
    assert shown() == {"T1", "T2", "Single"}


def gone_and_removed(songs: list[Song], ingest: Ingest, music_dir: Path) -> None:
    """Make a song "Single", whose file is gone since long, and a removed one that sounds as it."""
    single = music_dir / "single.flac"
    shutil.copy(music_dir / "0.flac", single)
    tag(single, title="Single", artist="Artist", album="Singles")
    ingest()
    songs_remove(song_ids=ids(songs[:1]))
    single.unlink()
    ingest()
    assert shown() == {"T1", "T2"}


@pytest.mark.parametrize("name", ["0.flac", "else.flac"])
def test_a_song_that_is_gone_brings_no_removed_one_back(
    songs: list[Song], ingest: Ingest, music_dir: Path, name: str
) -> None:
    gone_and_removed(songs, ingest, music_dir)
    (music_dir / "0.flac").rename(music_dir / name)
    tag(music_dir / name, title="Other tags", artist="Other", album="Other")
    job = ingest()
    assert shown() == {"T1", "T2"}
    assert job.result["removed"] == 1
    assert songs_restore(song_ids=ids(songs)) == 1
    ingest()
    assert shown() == {"T1", "T2", "Other tags"}
    assert Song.objects.get(pk=songs[0].pk).title == "Other tags"


@pytest.mark.parametrize(
    ("name", "title"), [("single.flac", "Other tags"), ("else.flac", "Single")]
)
def test_a_song_that_is_gone_returns_by_its_path_or_its_title(
    songs: list[Song], ingest: Ingest, music_dir: Path, name: str, title: str
) -> None:
    gone_and_removed(songs, ingest, music_dir)
    shutil.copy(music_dir / "0.flac", music_dir / name)
    tag(music_dir / name, title=title, artist="New", album="Singles")
    ingest()
    assert shown() == {"T1", "T2", title}
    assert Song.objects.get(title=title).pk not in ids(songs)


def test_files_of_other_removed_songs_are_not_read_again_when_one_is_restored(
    songs: list[Song], ingest: Ingest, music_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (0, 1):
        shutil.copy(music_dir / f"{number}.flac", music_dir / f"copy{number}.flac")
    ingest()
    songs_remove(song_ids=ids(songs[:2]))
    ingest()
    assert songs_restore(song_ids=ids(songs[:1])) == 1

    names: list[str] = []
    read = reading.read_file

    def noted(root: Path, relative: Path, **options: Any) -> Any:
        names.append(relative.name)
        return read(root, relative, **options)

    monkeypatch.setattr(reading, "read_file", noted)
    ingest()
    assert "copy1.flac" not in names
    assert shown() == {"T0", "T2"}
    (music_dir / "0.flac").unlink()
    ingest()
    assert shown() == {"T0", "T2"}  # it moved to its copy


def test_a_mark_of_a_former_version_names_no_song(
    songs: list[Song], ingest: Ingest, music_dir: Path
) -> None:
    shutil.copy(music_dir / "0.flac", music_dir / "copy.flac")
    songs_remove(song_ids=ids(songs[:1]))
    ingest()
    assert IngestFailure.objects.filter(song=songs[0]).count() == 2
    IngestFailure.objects.update(song=None)
    assert songs_restore(song_ids=ids(songs)) == 1
    assert not IngestFailure.objects.exists()


def test_another_file_at_the_path_of_a_removed_song_is_a_song(
    songs: list[Song], ingest: Ingest, music_dir: Path
) -> None:
    songs_remove(song_ids=ids(songs[:1]))
    write_tone(music_dir / "0.flac", hz=990.0)
    ingest()
    assert Song.objects.filter(is_available=True).count() == 3
    assert songs_restore(song_ids=ids(songs)) == 0
