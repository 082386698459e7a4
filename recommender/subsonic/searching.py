"""Calls that search. An empty search is everything, page after page: some players sync by it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.db.models import QuerySet

from catalog.files.names import folded
from catalog.models import Song
from recommender.search import songs_search
from recommender.selectors import playable
from recommender.subsonic.calls import Ask, call
from recommender.subsonic.listed import page_of
from recommender.subsonic.shapes import (
    albums_as_folders,
    albums_shown,
    artists_as_folders,
    artists_shown,
    songs_shown,
)
from recommender.subsonic.shelves import albums_in_order, artists_in_order, songs_in_order

if TYPE_CHECKING:
    from collections.abc import Sequence

_DEFAULT: Final = 20


@call("search2")
def search2(ask: Ask) -> dict[str, Any]:
    artists, albums, songs = _found(ask)
    return {
        "searchResult2": {
            "artist": artists_as_folders(artists),
            "album": albums_as_folders(albums),
            "song": songs,
        }
    }


@call("search3")
def search3(ask: Ask) -> dict[str, Any]:
    artists, albums, songs = _found(ask)
    return {"searchResult3": {"artist": artists, "album": albums, "song": songs}}


@call("search")
def search(ask: Ask) -> dict[str, Any]:
    """Return songs alone, as the oldest clients search."""
    words = " ".join(filter(None, (ask.parameters.text(name, "") for name in ("any", "title"))))
    words = words or ask.parameters.text("artist", "") or ask.parameters.text("album", "")
    ids = _song_ids(words)
    page = songs_shown(page_of(ask, ids, "count", _DEFAULT), ask.user)
    hits = ids.count() if isinstance(ids, QuerySet) else len(ids)
    start = ask.parameters.number("offset", 0)
    return {"searchResult": {"offset": start, "totalHits": hits, "match": page}}


_Found = tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]


def _found(ask: Ask) -> _Found:
    """Return a page of artists, one of albums and one of songs."""
    # Some clients send two quotation marks for nothing.
    text = ask.parameters.text("query", "").strip().strip('"*').strip()
    words = folded(text).split()
    if text and not words:
        return [], [], []
    artists = [row.pk for row in artists_in_order() if all(word in row.key for word in words)]
    albums = [row.pk for row in albums_in_order() if all(word in row.title for word in words)]
    return (
        artists_shown(page_of(ask, artists, "artistCount", _DEFAULT, "artistOffset"), ask.user),
        albums_shown(page_of(ask, albums, "albumCount", _DEFAULT, "albumOffset"), ask.user),
        songs_shown(page_of(ask, _song_ids(text), "songCount", _DEFAULT, "songOffset"), ask.user),
    )


def _song_ids(text: str) -> Sequence[int] | QuerySet[Song, int]:
    if not text:
        return songs_in_order()
    found, _ = songs_search(Song.objects.filter(**playable()), text)
    return found.order_by("artist_sort", "title_sort", "id").values_list("pk", flat=True)
