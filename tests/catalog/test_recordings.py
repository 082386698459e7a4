"""Which songs are one recording; automatic, and as staff decide."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from catalog.models import Recording, Song
from catalog.recordings import (
    recording_files,
    recordings_join,
    recordings_link,
    recordings_release,
    recordings_split,
)
from catalog.texts import recording_key
from tests.factories import MODEL_VERSION, SongEmotionFactory, SongFactory, random_embedding

pytestmark = pytest.mark.django_db


def song(title: str = "One", artist: str = "The Band", *, turn: float = 0.0, **facts: Any) -> Song:
    """Return an analysed song whose embedding is turned away from the others' by about `turn`."""
    vector = random_embedding(0) + turn * random_embedding(facts.pop("seed", 1))
    emotion = SongEmotionFactory(
        song=SongFactory(**{"title": title, "artist": artist, "duration_seconds": 200.0} | facts),
        fused_embedding=(vector / np.linalg.norm(vector)).astype("<f4").tobytes(),
    )
    made: Song = emotion.song
    return made


def link() -> set[frozenset[str]]:
    """Link, and return the albums of the songs of each recording."""
    recordings_link(model_version=MODEL_VERSION)
    assert not Song.objects.filter(is_recording_checked=False, status="analysed").exists()
    return groups()


def groups() -> set[frozenset[str]]:
    return {
        frozenset(recording.songs.values_list("album", flat=True))
        for recording in Recording.objects.all()
    }


def one(*albums: str) -> set[frozenset[str]]:
    return {frozenset(albums)}


@pytest.mark.parametrize(
    ("title", "artist"),
    [
        ("One", "The Band"),
        ("ONE", "Band, The"),
        ("One (Remastered 2011)", "The Band"),
        ("One - 2009 Digital Remaster", "band"),
        ("One [Remastered] (feat. B)", "The Band feat. B"),
        ("One (Album Version)", "The Band; Another"),
        ("One (40th Anniversary Remaster)", "The Band"),
        ("Óne (Bonus Track)", "The Bänd"),
    ],
)
def test_one_recording_with_other_tags(title: str, artist: str) -> None:
    song(album="a")
    song(title, artist, album="b", turn=0.1, duration_seconds=201.5)
    assert link() == one("a", "b")


@pytest.mark.parametrize(
    "facts",
    [
        {"title": "One (Live)"},
        {"title": "One (Acoustic)"},
        {"title": "One - Demo"},
        {"title": "One (Remix)"},
        {"title": "One (Taylor's Version)"},
        {"title": "One (Instrumental)"},
        {"title": "Two"},
        {"artist": "Another"},
        {"album": "Live at Leeds"},
        {"album": "MTV Unplugged"},
        {"duration_seconds": 203.0},
        {"turn": 0.5},
    ],
)
def test_other_recordings(facts: dict[str, Any]) -> None:
    song(album="a")
    song(**{"album": "b"} | facts)
    assert link() == set()


@pytest.mark.parametrize("artist", ["", "Unknown Artist", "Various Artists"])
def test_names_that_are_none_link_nothing(artist: str) -> None:
    for album in "ab":
        song(artist=artist, album=album)
    assert link() == set()


def test_equal_audio_is_one_recording_whatever_the_tags_say() -> None:
    song("One", album="a", audio_sha256="1" * 64)
    song("Track 01", "", album="b", audio_sha256="1" * 64, turn=1.0)
    song("Track 02", "", album="c", audio_sha256="none")
    song("Track 03", "", album="d", audio_sha256="none")
    assert link() == one("a", "b")


def test_three_files_in_any_order_are_one() -> None:
    song(album="a")
    assert link() == set()
    song(album="b", turn=0.1)
    assert link() == one("a", "b")
    song(album="c", audio_sha256="1" * 64)
    assert link() == one("a", "b", "c")
    assert Recording.objects.count() == 1


def test_two_recordings_become_one_when_a_song_joins_them() -> None:
    song(album="a", duration_seconds=198.0)
    song(album="b", duration_seconds=202.0)
    assert link() == set()
    song(album="c", duration_seconds=200.0)
    assert link() == one("a", "b", "c")


def test_other_tags_undo_the_link() -> None:
    song(album="a")
    other = song(album="b")
    assert link() == one("a", "b")
    other.title = "One (Live)"
    other.save(update_fields=["title"])
    assert link() == set()
    assert not Song.objects.exclude(recording=None).exists()


def test_lossless_then_complete_then_bitrate_is_shown_first() -> None:
    facts: dict[str, Any] = {"file_size_bytes": 4_000_000}
    song(album="plain", relative_path="a.mp3", **facts)
    song(album="large", relative_path="b.mp3", file_size_bytes=9_000_000)
    song(album="bare", relative_path="c.mp3", file_size_bytes=9_000_000, year=None)
    song(album="flac", relative_path="d.flac", year=None, genre="")
    link()
    ranked = Song.objects.order_by("recording_rank").values_list("album", flat=True)
    assert list(ranked) == ["flac", "large", "plain", "bare"]


def test_staff_split_and_it_stays_split() -> None:
    song(album="a")
    other = song(album="b")
    song(album="c")
    link()
    recordings_split(song_ids=[other.pk])
    assert groups() == one("a", "c")
    Song.objects.update(is_recording_checked=False)
    assert link() == one("a", "c")
    song(album="d")
    assert link() == one("a", "c", "d")


def test_staff_split_a_pair_and_it_stays_split() -> None:
    pair = [song(album=album).pk for album in "ab"]
    link()
    recordings_split(song_ids=pair[:1])
    Song.objects.update(is_recording_checked=False)
    assert link() == set()
    recordings_release(song_ids=pair)
    assert link() == one("a", "b")


def test_staff_join_and_it_stays_joined() -> None:
    first, second = song(album="a"), song("Eins", "Die Band", album="b", turn=1.0)
    recordings_join(song_ids=[first.pk, second.pk])
    Song.objects.update(is_recording_checked=False)
    assert link() == one("a", "b")
    first.refresh_from_db()
    assert [other.pk for other in recording_files(first)] == [second.pk]
    recordings_release(song_ids=[first.pk])
    assert link() == set()


def test_songs_that_wait_are_compared_later() -> None:
    song(album="a")
    later = song(album="b", status=Song.Status.PENDING)
    assert link() == set()
    Song.objects.filter(pk=later.pk).update(status=Song.Status.ANALYSED)
    assert link() == one("a", "b")


def test_a_song_is_compared_once(django_assert_num_queries: Any) -> None:
    song(album="a")
    link()
    with django_assert_num_queries(1):
        recordings_link(model_version=MODEL_VERSION)


def test_many_songs_of_one_name_cost_a_bounded_number_of_comparisons() -> None:
    for number in range(60):
        song(album=str(number), duration_seconds=100.0 + 10 * number)
    assert link() == set()


def test_key_of_names_in_other_scripts() -> None:
    keys = {
        recording_key(title=title, artist="Земфира", album="")
        for title in ("Искала", "ИСКАЛА (Remastered)", "Искала - Remaster 2019")
    }
    assert len(keys) == 1
    assert "" not in keys
