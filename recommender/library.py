"""The songs of the library, page after page, and as staff see them: filtered and counted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from django.db.models import Count, F
from django.db.models.functions import Coalesce
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from catalog.models import Library, Song
from recommender.paging import Keyset, KeysetPage, Known
from recommender.search import songs_search

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.db.models import QuerySet
    from django.utils.functional import _StrPromise

PAGE_SONGS: Final = 100
MOST_VALUES: Final = 12
"""The values of a facet that are counted; the rarer ones are found by searching."""
_UNKNOWN: Final = "-"
"""The value of a facet for songs without one."""
_SHOWN: Final = (
    *("id", "title", "artist", "album", "genre", "year", "duration_seconds", "status"),
    *("library_id", "relative_path", "failure_code", "is_available", "created_at"),
)
_ORDERS: Final[dict[str, Keyset]] = {
    "artist": Keyset(("artist_sort", "title_sort", "pk")),
    "title": Keyset(("title_sort", "artist_sort", "pk")),
    "album": Keyset(("album_sort", "title_sort", "pk")),
    "length": Keyset((Known("duration_seconds", "0.0"), "pk")),
    "added": Keyset(("pk",), is_descending=True),
}
SONG_KEYSETS: Final[dict[str, Keyset]] = {
    "": _ORDERS["artist"],
    "artist": _ORDERS["artist"],
    "title": _ORDERS["title"],
    "album": _ORDERS["album"],
    "duration_seconds": _ORDERS["length"],
    "year": Keyset((Known("year", "0"), "pk")),
    "created_at": Keyset(("pk",)),
    "valence": Keyset(
        (Known("current_emotion__valence", "2", "-1", "current_emotion__song"), "pk")
    ),
    "arousal": Keyset(
        (Known("current_emotion__arousal", "2", "-1", "current_emotion__song"), "pk")
    ),
}
"""The orders of `recommender.filters.SongFilter` by their names; what is unknown is the smallest.

Songs without an emotion come last in both directions. Ids are in the order of the times at which
songs were added.
"""
State = Literal["", "analysed", "waiting", "failed", "removed"]
_STATES: Final[dict[str, _StrPromise]] = {
    "analysed": _("Ready"),
    "waiting": _("Waiting"),
    "failed": _("Failed"),
    "removed": _("Removed"),
}


@dataclass(frozen=True, slots=True)
class LibraryQuery:
    """What staff look for; an empty field asks for nothing."""

    q: str = ""
    state: str = ""
    genre: str = ""
    decade: str = ""
    folder: str = ""
    sort: str = "artist"

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> LibraryQuery:
        """Return the query of an address; what makes no sense there asks for nothing."""
        texts = {
            name: str(values.get(name) or "")[:300].replace("\0", "") for name in cls.__slots__
        }
        texts["sort"] = "added" if texts["sort"] == "added" else "artist"
        return cls(**texts)

    def words(self) -> dict[str, str]:
        """Return the fields that ask for something, as an address holds them."""
        words = {name: getattr(self, name) for name in self.__slots__}
        return {name: text for name, text in words.items() if text and text != "artist"}


class FacetValue(NamedTuple):
    value: str
    label: str
    count: int  # type: ignore[assignment]  # tuple.count is not used


class LibraryPage(NamedTuple):
    songs: Sequence[Song]
    after: str
    """Where the next page begins; empty after the last one."""


def library_songs(query: LibraryQuery) -> QuerySet[Song]:
    """Return the songs that match, in no order; removed ones only if the query asks for them."""
    songs = _of_state(query.state)
    if query.genre:
        songs = songs.filter(genre="" if query.genre == _UNKNOWN else query.genre)
    if query.decade == _UNKNOWN:
        songs = songs.filter(year=None)
    elif query.decade:
        first = int(query.decade) if query.decade.isdecimal() and len(query.decade) < 6 else 0
        songs = songs.filter(year__gte=first, year__lt=first + 10)
    if query.folder:
        is_id = query.folder.isdecimal() and len(query.folder) < 18
        songs = songs.filter(library_id=int(query.folder) if is_id else 0)
    return songs_search(songs, query.q)[0].order_by() if query.q else songs.order_by()


def _of_state(state: str) -> QuerySet[Song]:
    if state == "removed":
        return Song.objects.filter(is_removed=True)
    songs = Song.objects.filter(is_available=True)
    status = {"waiting": Song.Status.PENDING}.get(state, state)
    return songs.filter(status=status) if state in _STATES else songs


def library_page(query: LibraryQuery, *, after: str = "") -> LibraryPage:
    """Return a page of the matching songs, after the place that the page before named."""
    songs = library_songs(query)
    keys, after = _ORDERS[query.sort].page(songs, after=after, size=PAGE_SONGS)
    found = Song.objects.only(*_SHOWN).in_bulk(keys)
    return LibraryPage([found[key] for key in keys if key in found], after)


@dataclass(frozen=True, slots=True)
class SongSort:
    """An order of songs that a page offers; `-` before its name turns it round."""

    name: str = "artist"
    is_reversed: bool = False

    @classmethod
    def of(cls, word: str) -> SongSort:
        """Return the order that an address names; by artist if there is none of that name."""
        name = word.removeprefix("-")
        return cls(name, word.startswith("-")) if name in _ORDERS else cls()

    @property
    def word(self) -> str:
        """The order as an address names it."""
        return f"-{self.name}" if self.is_reversed else self.name

    @property
    def is_descending(self) -> bool:
        """Whether the last of the alphabet, the longest or the newest comes first."""
        return _ORDERS[self.name].is_descending != self.is_reversed


def songs_page(songs: QuerySet[Song], sort: SongSort, *, after: str, size: int) -> KeysetPage:
    """Return the ids of a page of `songs`; one whose length is unknown counts as the shortest."""
    order = replace(_ORDERS[sort.name], is_descending=sort.is_descending)
    return order.page(songs, after=after, size=size)


def library_count(query: LibraryQuery) -> int:
    """Return how many songs match."""
    return library_songs(query).count()


def library_facets(query: LibraryQuery) -> dict[str, list[FacetValue]]:
    """Return for each facet its most frequent values, counted among what the others leave."""
    return {
        "state": library_states(query),
        "genre": _counted(replace(query, genre=""), F("genre"), lambda value: value or _UNKNOWN),
        "decade": _decades(query),
        "folder": _folders(query),
    }


def library_states(query: LibraryQuery) -> list[FacetValue]:
    """Return the states that songs are in, counted among what the other fields leave."""
    songs = library_songs(replace(query, state=""))
    rows = dict(songs.values_list("status").annotate(count=Count("pk")))
    rows["waiting"] = rows.pop(Song.Status.PENDING, 0)
    rows["removed"] = library_count(replace(query, state="removed"))
    return [
        FacetValue(state, str(label), rows.get(state, 0))
        for state, label in _STATES.items()
        if rows.get(state, 0)
    ]


def _counted(query: LibraryQuery, by: Any, word: Any) -> list[FacetValue]:
    songs = library_songs(query).values(value=by).annotate(count=Count("pk"))
    rows = songs.order_by("-count", "value").values_list("value", "count")[:MOST_VALUES]
    values = [(word(value), count) for value, count in rows]
    return [
        FacetValue(value, gettext("Unknown") if value == _UNKNOWN else value, count)
        for value, count in values
    ]


def _decades(query: LibraryQuery) -> list[FacetValue]:
    songs = library_songs(replace(query, decade=""))
    decade = Coalesce(F("year") - F("year") % 10, -1)
    rows = songs.values_list(decade).annotate(count=Count("pk")).order_by(decade.desc())
    return [
        FacetValue(_UNKNOWN, gettext("Unknown"), count)
        if first < 0
        else FacetValue(str(first), gettext("%(decade)ss") % {"decade": first}, count)
        for first, count in rows
    ]


def _folders(query: LibraryQuery) -> list[FacetValue]:
    songs = library_songs(replace(query, folder=""))
    counts = dict(songs.values_list("library_id").annotate(count=Count("pk")))
    libraries = Library.objects.filter(pk__in=counts).order_by("name", "pk")
    return [FacetValue(str(one.pk), one.name, counts[one.pk]) for one in libraries]
