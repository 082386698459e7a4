"""Calls that list: albums in many orders, songs of a genre, songs by chance."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Final

from django.db.models import Count, F, Max
from django.utils.translation import gettext

from catalog.files.names import folded
from catalog.models import Album, Song
from recommender.feedback import marks_of_songs
from recommender.models import Listen, Star
from recommender.selectors import playable
from recommender.subsonic.answers import Code, SubsonicError
from recommender.subsonic.calls import Ask, call
from recommender.subsonic.shapes import albums_as_folders, albums_shown, songs_shown
from recommender.subsonic.shelves import albums_in_order, genre_in_order, songs_in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django.db.models import QuerySet

MOST_SKIPPED: Final = 10**9
"""Rows before a page; no catalogue has more."""
_MOST_LISTENS: Final = 10_000
_MOST_DRAWN: Final = 5_000
"""Songs of some years of which a few are drawn."""
_BY_CHANCE: Final = random.SystemRandom()


@call("getAlbumList")
def get_album_list(ask: Ask) -> dict[str, Any]:
    return {"albumList": {"album": albums_as_folders(_albums_listed(ask))}}


@call("getAlbumList2")
def get_album_list2(ask: Ask) -> dict[str, Any]:
    return {"albumList2": {"album": _albums_listed(ask)}}


def _albums_listed(ask: Ask) -> list[dict[str, Any]]:
    kind = ask.parameters.text("type")
    if kind not in _ALBUM_LISTS:
        raise SubsonicError(
            Code.GENERIC,
            gettext("type must be one of these: %(names)s.") % {"names": ", ".join(_ALBUM_LISTS)},
        )
    size = ask.parameters.size("size", 10)
    offset = ask.parameters.number("offset", 0, most=MOST_SKIPPED)
    return albums_shown(_ALBUM_LISTS[kind](ask, offset, offset + size), ask.user)


def _held(order: str) -> Callable[[Ask, int, int], list[int]]:
    return lambda _ask, start, stop: [row.pk for row in albums_in_order(order)[start:stop]]


def _random(_ask: Ask, start: int, stop: int) -> list[int]:
    rows = albums_in_order()
    return [row.pk for row in _BY_CHANCE.sample(rows, min(stop - start, len(rows)))]


def _frequent(ask: Ask, start: int, stop: int) -> list[int]:
    return list(_heard(ask).order_by("-times", "album").values_list("album", flat=True)[start:stop])


def _recent(ask: Ask, start: int, stop: int) -> list[int]:
    return list(_heard(ask).order_by("-last", "album").values_list("album", flat=True)[start:stop])


def _heard(ask: Ask) -> Any:
    """Return the albums of the newest `_MOST_LISTENS` listens; older ones do not count."""
    newest = Listen.objects.filter(user=ask.user).order_by("-listened_at", "-pk")
    listens = Listen.objects.filter(
        pk__in=newest.values("pk")[:_MOST_LISTENS], **playable("song__")
    )
    albums = listens.exclude(song__album_entry=None).order_by().values(album=F("song__album_entry"))
    return albums.annotate(times=Count("pk"), last=Max("listened_at"))


def _starred(ask: Ask, start: int, stop: int) -> list[int]:
    stars = Star.objects.filter(user=ask.user).exclude(album=None).order_by("-starred_at", "pk")
    return list(stars.values_list("album", flat=True)[start:stop])


def _by_year(ask: Ask, start: int, stop: int) -> list[int]:
    first, last = ask.parameters.number("fromYear"), ask.parameters.number("toYear")
    low, high = sorted((first, last))
    rows = [row.pk for row in albums_in_order("year") if row.year and low <= row.year <= high]
    return (rows if first <= last else rows[::-1])[start:stop]


def _by_genre(ask: Ask, start: int, stop: int) -> list[int]:
    key = folded(ask.parameters.text("genre"))
    songs = Song.objects.filter(genres__key=key, **playable()).values("album_entry")
    albums = Album.objects.filter(pk__in=songs).order_by("key", "id")
    return list(albums.values_list("pk", flat=True)[start:stop])


_ALBUM_LISTS: Final[dict[str, Callable[[Ask, int, int], list[int]]]] = {
    "random": _random,
    "newest": _held("newest"),
    "frequent": _frequent,
    "recent": _recent,
    "starred": _starred,
    "alphabeticalByName": _held("title"),
    "alphabeticalByArtist": _held("artist"),
    "byYear": _by_year,
    "byGenre": _by_genre,
    # Only songs have stars, so no album is higher than another.
    "highest": lambda _ask, _start, _stop: [],
}


@call("getSongsByGenre")
def get_songs_by_genre(ask: Ask) -> dict[str, Any]:
    ids = genre_in_order(folded(ask.parameters.text("genre")))
    return {"songsByGenre": {"song": songs_shown(page_of(ask, ids, "count", 10), ask.user)}}


def page_of(
    ask: Ask,
    ids: Sequence[int] | QuerySet[Any, int],
    size: str,
    default: int,
    offset: str = "offset",
) -> list[int]:
    """Return the ids of the page that the parameters `size` and `offset` name."""
    start = ask.parameters.number(offset, 0, most=MOST_SKIPPED)
    return list(ids[start : start + ask.parameters.size(size, default)])


@call("getRandomSongs")
def get_random_songs(ask: Ask) -> dict[str, Any]:
    """Return songs by chance; none that the listener has banned."""
    size = ask.parameters.size("size", 10)
    ids = _by_filters(ask)
    drawn = _BY_CHANCE.sample(ids, min(2 * size, len(ids)))
    marks = marks_of_songs(user=ask.user, song_ids=drawn)
    allowed = [pk for pk in drawn if not marks[pk].is_banned]
    return {"randomSongs": {"song": songs_shown(allowed[:size], ask.user)}}


def _by_filters(ask: Ask) -> Sequence[int]:
    """Return the songs of a genre and of some years; of years, some that were added one by one."""
    genre = ask.parameters.text("genre", "")
    ids = genre_in_order(folded(genre)) if genre else songs_in_order()
    years = {
        step: ask.parameters.number(name)
        for step, name in (("year__gte", "fromYear"), ("year__lte", "toYear"))
        if ask.parameters.has(name)
    }
    if not years:
        return ids
    years = {step: min(year, 2**15 - 1) for step, year in years.items()}
    songs = Song.objects.filter(**playable(), **years).order_by("pk")
    if genre:
        songs = songs.filter(genres__key=folded(genre))
    # No more than a part is read, from anywhere on, and from the first again after the last.
    first = _BY_CHANCE.choice(ids) if ids else 0
    drawn = list(songs.filter(pk__gte=first).values_list("pk", flat=True)[:_MOST_DRAWN])
    before = songs.filter(pk__lt=first).values_list("pk", flat=True)
    return [*drawn, *before[: _MOST_DRAWN - len(drawn)]]
