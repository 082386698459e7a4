"""The library as staff see it: pages, filters and counts."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from catalog.ingest.editing import songs_remove
from catalog.models import Song
from recommender import library
from recommender.library import (
    LibraryQuery,
    SongSort,
    library_count,
    library_facets,
    library_page,
    library_songs,
    library_states,
    songs_page,
)
from tests.factories import LibraryFactory, SongFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def songs(monkeypatch: pytest.MonkeyPatch) -> list[Song]:
    """Twenty-three songs, many of which share artist and title."""
    monkeypatch.setattr(library, "PAGE_SONGS", 5)
    folder = LibraryFactory(name="Shelf")
    return [
        SongFactory(library=folder, artist=f"Artist {n % 3}", title=f"T{n % 4}", year=1985 + n)
        for n in range(23)
    ]


@pytest.mark.parametrize("sort", ["artist", "added"])
def test_pages_hold_every_song_once_and_in_order(songs: list[Song], sort: str) -> None:
    query, seen, after = LibraryQuery(sort=sort), [], ""
    while True:
        page = library_page(query, after=after)
        seen += page.songs
        after = page.after
        if not after:
            break
    assert len(seen) == len(set(seen)) == 23
    if sort == "added":
        assert [song.pk for song in seen] == sorted((song.pk for song in songs), reverse=True)
    else:
        keys = [(song.artist, song.title, song.pk) for song in seen]
        assert keys == sorted(keys)


@pytest.mark.parametrize("word", ["artist", "-artist", "title", "-album", "length", "-added"])
def test_pages_of_any_order_follow_each_other(songs: list[Song], word: str) -> None:
    Song.objects.filter(pk__in=[song.pk for song in songs[::2]]).update(duration_seconds=None)
    sort, every = SongSort.of(word), Song.objects.all()
    whole = songs_page(every, sort, after="", size=100).keys
    paged, after = [], ""
    while True:
        page = songs_page(every, sort, after=after, size=4)
        paged += page.keys
        after = page.after
        if not after:
            break
    assert paged == whole
    assert sorted(paged) == sorted(song.pk for song in songs)
    back = songs_page(every, replace(sort, is_reversed=not sort.is_reversed), after="", size=100)
    assert back.keys == whole[::-1]


def test_an_order_that_no_page_offers_is_by_artist() -> None:
    assert SongSort.of("-secret") == SongSort.of("artist") == SongSort()
    assert SongSort.of("-title").word == "-title"


@pytest.mark.parametrize(
    "after",
    [
        *("x", "bnVsbA==", "WzFd", "W10=", "eyJhIjoxfQ==", "ü"),
        base64.urlsafe_b64encode(b"[" * 3000).decode(),
        base64.urlsafe_b64encode(b"[" * 200_000).decode(),
    ],
    ids=len,
)
def test_a_place_that_no_page_named_is_the_first_page(songs: list[Song], after: str) -> None:
    assert list(library_page(LibraryQuery(), after=after).songs) == list(
        library_page(LibraryQuery()).songs
    )


def test_facets_count_what_the_other_filters_leave(songs: list[Song]) -> None:
    Song.objects.filter(pk=songs[0].pk).update(status=Song.Status.FAILED)
    Song.objects.filter(pk=songs[1].pk).update(year=None, genre="")
    songs_remove(song_ids=[songs[2].pk])
    facets = library_facets(LibraryQuery(decade="1990"))
    assert [(one.label, one.count) for one in facets["decade"]] == [
        ("2000s", 8),
        ("1990s", 10),
        ("1980s", 3),
        ("Unknown", 1),
    ]
    assert sum(one.count for one in facets["genre"]) == 10
    assert [(one.label, one.count) for one in facets["folder"]] == [("Shelf", 10)]
    states = {one.value: one.count for one in library_states(LibraryQuery())}
    assert states == {"analysed": 21, "failed": 1, "removed": 1}
    assert library_count(LibraryQuery(state="removed")) == 1
    assert library_count(LibraryQuery(genre="-")) == library_count(LibraryQuery(decade="-")) == 1
    assert library_count(LibraryQuery(q="artist 1", decade="1980")) == 1


def test_every_removed_song_is_found_and_gone_files_are_not(songs: list[Song]) -> None:
    many = SongFactory.create_batch(501, library=songs[0].library)
    songs_remove(song_ids=[song.pk for song in many])
    Song.objects.filter(pk=songs[0].pk).update(is_available=False)  # its file is gone
    elsewhere = SongFactory(relative_path=many[0].relative_path)
    Song.objects.filter(pk=elsewhere.pk).update(is_available=False)
    assert set(library_songs(LibraryQuery(state="removed"))) == set(many)


def test_an_address_that_makes_no_sense_asks_for_nothing(songs: list[Song]) -> None:
    query = LibraryQuery.of({"state": "x", "sort": "x", "page": "2"})
    assert library_count(query) == 23
    for name, value in (("decade", "9" * 40), ("folder", "9" * 40), ("decade", "x")):
        assert library_count(LibraryQuery.of({name: value})) == 0
    assert LibraryQuery.of({"q": "a\0", "sort": "artist"}).words() == {"q": "a"}
