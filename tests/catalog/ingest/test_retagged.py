"""A song whose file gets other tags, another name, or both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import mutagen
import pytest

from catalog.files import scan as scan_module
from catalog.models import NO_AUDIO_HASH, Song, SongEmotion
from tests.catalog.conftest import write_tone
from tests.factories import SongEmotionFactory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from catalog.models import BackgroundJob

    Ingest = Callable[..., BackgroundJob]

pytestmark = pytest.mark.django_db

OUTCOMES = ("added", "unchanged", "duplicates", "changed", "moved", "restored", "failed", "missing")


def counts(job: BackgroundJob) -> dict[str, int]:
    return {name: job.result[name] for name in OUTCOMES if job.result[name]}


def tag(path: Path, **tags: str) -> None:
    file: Any = mutagen.File(path)
    for name, value in tags.items():
        file[name] = value
    file.save()


def analysed(song: Song) -> Song:
    """Say that the song was analysed, as a worker would."""
    Song.objects.filter(pk=song.pk).update(status=Song.Status.ANALYSED)
    song.refresh_from_db()
    SongEmotion.objects.filter(song=song).delete()
    SongEmotionFactory(song=song, input_sha256=song.input_sha256)
    return song


@pytest.fixture
def song(music_dir: Path, ingest: Ingest) -> Song:
    path = write_tone(music_dir / "a.flac")
    tag(path, title="Title", artist="Artist", album="One")
    ingest()
    return analysed(Song.objects.get())


@pytest.mark.parametrize(
    ("tags", "status"),
    [
        ({"album": "Two", "genre": "Rock"}, "analysed"),
        ({"title": "TITLE ", "artist": "Ártist"}, "analysed"),
        ({"lyrics": ""}, "analysed"),
        ({"title": "Another"}, "pending"),
        ({"artist": "Another"}, "pending"),
        ({"lyrics": "Every word\nis sung\nhere and now"}, "pending"),
    ],
)
def test_retagged_and_moved_is_the_same_song(
    music_dir: Path, ingest: Ingest, song: Song, tags: dict[str, str], status: str
) -> None:
    path = (music_dir / "a.flac").rename(music_dir / "b.flac")
    tag(path, **tags)
    assert counts(ingest()) == {"moved": 1}
    moved = Song.objects.get()
    assert (moved.pk, moved.relative_path, moved.status) == (song.pk, "b.flac", status)
    assert moved.is_available
    assert moved.album == tags.get("album", "One")
    assert moved.emotions.count() == 1


def test_moved_backwards_in_the_order_of_the_scan(
    music_dir: Path, ingest: Ingest, song: Song
) -> None:
    path = (music_dir / "a.flac").rename(music_dir / "0.flac")
    tag(path, album="Two")
    assert counts(ingest()) == {"moved": 1}
    assert Song.objects.get().pk == song.pk


def test_moved_after_it_was_seen_to_be_gone(music_dir: Path, ingest: Ingest, song: Song) -> None:
    away = (music_dir / "a.flac").rename(music_dir.parent / "a.flac")
    assert counts(ingest(accept_empty=True)) == {"missing": 1}
    tag(away, album="Two")
    away.rename(music_dir / "z.flac")
    assert counts(ingest()) == {"moved": 1}
    assert Song.objects.get().pk == song.pk


def test_retagged_in_place(music_dir: Path, ingest: Ingest, song: Song) -> None:
    tag(music_dir / "a.flac", album="Two")
    assert counts(ingest()) == {"changed": 1}
    kept = Song.objects.get()
    assert (kept.pk, kept.album, kept.status) == (song.pk, "Two", "analysed")


def test_two_files_with_the_same_audio_at_once_are_two_songs(
    music_dir: Path, ingest: Ingest, song: Song
) -> None:
    copy = music_dir / "0.flac"
    copy.write_bytes((music_dir / "a.flac").read_bytes())
    tag(copy, album="Best of")
    assert counts(ingest()) == {"added": 1, "unchanged": 1}
    assert dict(Song.objects.values_list("relative_path", "album")) == {
        "a.flac": "One",
        "0.flac": "Best of",
    }
    assert Song.objects.get(relative_path="a.flac").pk == song.pk
    assert counts(ingest()) == {"unchanged": 2}


def test_a_copy_does_not_take_the_song_of_a_file_that_is_retagged_at_the_same_time(
    music_dir: Path, ingest: Ingest, song: Song
) -> None:
    copy = music_dir / "0.flac"
    copy.write_bytes((music_dir / "a.flac").read_bytes())
    tag(copy, album="Best of")
    tag(music_dir / "a.flac", album="Two")
    assert counts(ingest()) == {"added": 1, "changed": 1}
    assert Song.objects.get(relative_path="a.flac").pk == song.pk


def test_two_songs_that_swap_their_names_and_get_other_tags(
    music_dir: Path, ingest: Ingest
) -> None:
    for name, hz in (("a", 300), ("b", 400)):
        tag(write_tone(music_dir / f"{name}.flac", hz=hz), title=name)
    ingest()
    before = dict(Song.objects.values_list("title", "pk"))
    (music_dir / "a.flac").rename(music_dir / "c")
    (music_dir / "b.flac").rename(music_dir / "a.flac")
    (music_dir / "c").rename(music_dir / "b.flac")
    for name in "ab":
        tag(music_dir / f"{name}.flac", album="New")
    assert counts(ingest()) == {"moved": 2}
    assert dict(Song.objects.values_list("title", "pk")) == before
    assert dict(Song.objects.values_list("title", "relative_path")) == {
        "a": "b.flac",
        "b": "a.flac",
    }


def test_two_copies_that_both_move_keep_their_albums(music_dir: Path, ingest: Ingest) -> None:
    for album in ("One", "Two"):
        tag(write_tone(music_dir / f"{album}.flac"), album=album)
    ingest()
    before = dict(Song.objects.values_list("album", "pk"))
    assert len(before) == 2
    for album in ("One", "Two"):
        path = (music_dir / f"{album}.flac").rename(music_dir / f"9 {album}.flac")
        tag(path, genre="Rock")
    assert counts(ingest()) == {"moved": 2}
    assert dict(Song.objects.values_list("album", "pk")) == before


def test_an_older_song_gets_its_hash_at_the_next_ingest_and_is_not_read_whole(
    ingest: Ingest, song: Song, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = song.audio_sha256
    Song.objects.update(audio_sha256="")
    song.refresh_from_db()
    SongEmotion.objects.update(input_sha256=song.input_sha256)
    monkeypatch.setattr(scan_module, "_sha256", lambda path: pytest.fail(f"{path} is read"))
    assert counts(ingest()) == {"unchanged": 1}
    song.refresh_from_db()
    assert (song.audio_sha256, song.status) == (wanted, "analysed")
    assert SongEmotion.objects.get().input_sha256 == song.input_sha256


def test_a_song_without_a_hash_is_not_read_again(
    ingest: Ingest, song: Song, monkeypatch: pytest.MonkeyPatch
) -> None:
    Song.objects.update(audio_sha256=NO_AUDIO_HASH)
    monkeypatch.setattr(scan_module, "run_in_child", lambda *args: pytest.fail("it is read"))
    assert counts(ingest()) == {"unchanged": 1}


def test_songs_without_a_hash_are_not_one(music_dir: Path, ingest: Ingest, song: Song) -> None:
    Song.objects.update(audio_sha256=NO_AUDIO_HASH)
    (music_dir / "a.flac").unlink()
    write_tone(music_dir / "b.flac", hz=500)
    assert counts(ingest()) == {"added": 1, "missing": 1}
