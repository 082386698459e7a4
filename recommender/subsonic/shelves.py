"""The ids of all songs, albums and artists in order, so that a page costs the same at any depth.

Clients name a page by how many rows come before it. A database would read and skip these rows. So a
process keeps the ids in order, a few bytes each, and reads them again when a song has changed.
While songs are analysed, one changes at every moment. So a change is seen after `FRESH_SECONDS`.
What is deleted meanwhile is left out when the rows of a page are read.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, defaultdict
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast
from weakref import WeakValueDictionary

from django.db.models import Max, Min

from catalog.models import Album, Artist, Song, SongCredit
from recommender.selectors import playable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

FRESH_SECONDS: Final = 20.0
"""An order is used for this long without a look whether a song has changed."""
LONGEST_SECONDS: Final = 60.0
"""An order is read again after this: a song may be committed later than one that changed after."""
_MOST_GENRES: Final = 64
_GENRE: Final = "genre "
_lock: Final = threading.Lock()
_turns: WeakValueDictionary[str, threading.Lock] = WeakValueDictionary()


class _Held(NamedTuple):
    """An order, when a song had changed last before it was read, and when it was read."""

    mark: datetime | None
    read_at: float
    value: Any

    def is_younger(self, seconds: float) -> bool:
        """Whether the order was read less than so many seconds ago."""
        return time.monotonic() - self.read_at < seconds


_kept: OrderedDict[str, _Held] = OrderedDict()
_sorted: dict[str, tuple[Sequence[AlbumRow], list[AlbumRow]]] = {}
"""The albums in other orders, each with the rows that it is made of."""


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
    return cast("list[int]", _held("songs", _songs).value)


def albums_in_order(order: str = "title") -> Sequence[AlbumRow]:
    """Return the albums that have songs, by `title`, `artist`, `year` or `newest`."""
    rows: Sequence[AlbumRow] = _held("albums", _albums).value
    if order == "title":
        return rows
    keys: dict[str, Callable[[AlbumRow], Any]] = {
        "artist": lambda row: (row.artist == "", row.artist, row.year, row.title, row.pk),
        "year": lambda row: (row.year, row.title, row.pk),
        "newest": lambda row: -row.newest,
    }
    made = _sorted.get(order)
    if made is None or made[0] is not rows:
        made = _sorted[order] = (rows, sorted(rows, key=keys[order]))
    return made[1]


def artists_in_order() -> Sequence[ArtistRow]:
    """Return the artists of songs and albums, by name."""
    return cast("list[ArtistRow]", _held("artists", _artists).value)


def artists_mark() -> datetime | None:
    """Return when a song had changed last before `artists_in_order` was read."""
    return _held("artists", _artists).mark


def genre_in_order(key: str) -> Sequence[int]:
    """Return the ids of the songs of a genre, by artist and title."""
    return cast("list[int]", _held(f"{_GENRE}{key}", lambda: _songs(genres__key=key)).value)


def mark() -> datetime | None:
    """Return when a song changed last: another moment after each change."""
    return Song.objects.order_by("-updated_at").values_list("updated_at", flat=True).first()


def forget() -> None:
    """Read every order again at the next use."""
    with _lock:
        _kept.clear()
        _sorted.clear()


def turn(name: str) -> threading.Lock:
    """Return the lock of a name, by which one thread alone reads what it stands for."""
    with _lock:
        return _turns.setdefault(name, threading.Lock())


def _held(name: str, read: Callable[[], Sequence[Any]]) -> _Held:
    """Return what `read` returned, if it is fresh or no song has changed since."""
    held = _kept.get(name)
    if held is not None and held.is_younger(FRESH_SECONDS):
        return held
    with turn(name):
        held = _kept.get(name)  # another thread may have read it meanwhile
        if held is not None and held.is_younger(FRESH_SECONDS):
            return held
        now = mark()
        if held is not None and held.mark == now and held.is_younger(LONGEST_SECONDS):
            return held
        held = _Held(now, time.monotonic(), read())
        _keep(name, held)
    return held


def _keep(name: str, held: _Held) -> None:
    """Keep an order; of genres the newest ones, and none without songs, which may be made up."""
    with _lock:
        _kept.pop(name, None)
        if held.value or not name.startswith(_GENRE):
            _kept[name] = held
        genres = [one for one in _kept if one.startswith(_GENRE)]
        for one in genres[:-_MOST_GENRES]:
            del _kept[one]


def _songs(**condition: str) -> list[int]:
    songs = Song.objects.filter(**playable(), **condition)
    return list(songs.order_by("artist_sort", "title_sort", "id").values_list("pk", flat=True))


def _albums() -> list[AlbumRow]:
    songs = Song.objects.filter(**playable()).exclude(album_entry=None).order_by()
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
    credits = SongCredit.objects.filter(**playable("song__")).order_by()
    albums: dict[int, set[int]] = defaultdict(set)
    for artist, album in credits.values_list("artist", "song__album_entry").distinct():
        albums[artist].update(() if album is None else (album,))
    own = Album.objects.filter(**playable("songs__")).exclude(artist=None).order_by()
    for artist, album in own.values_list("artist", "pk").distinct():
        albums[artist].add(album)
    artists = Artist.objects.order_by("key").values_list("pk", "key")
    return [ArtistRow(pk, key, len(albums[pk])) for pk, key in artists if pk in albums]
