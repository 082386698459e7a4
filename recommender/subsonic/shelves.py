"""The ids of all songs, albums and artists in order, so that a page costs the same at any depth.

Clients name a page by how many rows come before it. A database would read and skip these rows. So a
process keeps the ids in order, a few bytes each, and reads them again when a song has changed.
What is deleted meanwhile is left out when the rows of a page are read.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from django.db.models import Max, Min

from catalog.models import Album, Artist, Song, SongCredit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    T = TypeVar("T")

LONGEST_SECONDS: Final = 60.0
"""An order is read again after this: a song may be committed later than one that changed after."""
_MOST_KEPT: Final = 64
_lock: Final = threading.Lock()
_kept: dict[str, tuple[datetime | None, float, Any]] = {}


class AlbumRow(NamedTuple):
    """An album that has a song, by what albums are ordered by."""

    pk: int
    title: str
    artist: str
    year: int
    newest: int
    """The id of the song that was added last."""


class ArtistRow(NamedTuple):
    """An artist who has a song or an album, and how many albums."""

    pk: int
    key: str
    albums: int


def songs_in_order() -> Sequence[int]:
    """Return the ids of the songs whose files are there, by artist and title."""
    return _held("songs", _songs)


def albums_in_order(order: str = "title") -> Sequence[AlbumRow]:
    """Return the albums that have songs, by `title`, `artist`, `year` or `newest`."""
    rows = _held("albums", _albums)
    if order == "title":
        return rows
    keys: dict[str, Callable[[AlbumRow], Any]] = {
        "artist": lambda row: (row.artist == "", row.artist, row.year, row.title, row.pk),
        "year": lambda row: (row.year, row.title, row.pk),
        "newest": lambda row: -row.newest,
    }
    return _held(f"albums by {order}", lambda: sorted(rows, key=keys[order]))


def artists_in_order() -> Sequence[ArtistRow]:
    """Return the artists of songs and albums, by name."""
    return _held("artists", _artists)


def genre_in_order(key: str) -> Sequence[int]:
    """Return the ids of the songs of a genre, by artist and title."""
    return _held(f"genre {key}", lambda: _songs(genres__key=key))


def mark() -> datetime | None:
    """Return when a song changed last: another moment after each change."""
    return Song.objects.order_by("-updated_at").values_list("updated_at", flat=True).first()


def forget() -> None:
    """Read every order again at the next use."""
    with _lock:
        _kept.clear()


def _held(name: str, read: Callable[[], T]) -> T:
    """Return what `read` returned, if no song has changed since."""
    now = mark()
    held = _kept.get(name)
    if held is not None and held[0] == now and time.monotonic() - held[1] < LONGEST_SECONDS:
        kept: T = held[2]
        return kept
    value = read()
    with _lock:
        if len(_kept) >= _MOST_KEPT:
            _kept.clear()
        _kept[name] = (now, time.monotonic(), value)
    return value


def _songs(**condition: str) -> list[int]:
    songs = Song.objects.filter(is_available=True, **condition)
    return list(songs.order_by("artist_sort", "title_sort", "id").values_list("pk", flat=True))


def _albums() -> list[AlbumRow]:
    songs = Song.objects.filter(is_available=True).exclude(album_entry=None).order_by()
    held = {
        pk: (newest, year or 0)
        for pk, newest, year in songs.values("album_entry")
        .annotate(newest=Max("pk"), first=Min("year"))
        .values_list("album_entry", "newest", "first")
    }
    albums = Album.objects.order_by("key", "id").values_list("pk", "key", "artist__key", "year")
    return [
        AlbumRow(pk, key, artist or "", year or held[pk][1], held[pk][0])
        for pk, key, artist, year in albums
        if pk in held
    ]


def _artists() -> list[ArtistRow]:
    credits = SongCredit.objects.filter(song__is_available=True).order_by()
    albums: dict[int, set[int]] = defaultdict(set)
    for artist, album in credits.values_list("artist", "song__album_entry").distinct():
        albums[artist].update(() if album is None else (album,))
    own = Album.objects.filter(songs__is_available=True).exclude(artist=None).order_by()
    for artist, album in own.values_list("artist", "pk").distinct():
        albums[artist].add(album)
    artists = Artist.objects.order_by("key").values_list("pk", "key")
    return [ArtistRow(pk, key, len(albums[pk])) for pk, key in artists if pk in albums]
