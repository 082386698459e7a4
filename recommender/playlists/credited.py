"""What the database says of songs that may be in a list: artists, lengths, titles."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

import numpy as np

from catalog.files.names import folded
from catalog.models import Song, SongCredit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from django.db.models import QuerySet
    from numpy.typing import NDArray

    from recommender.index import IndexSnapshot

_QUERY_IDS: Final = 900
"""SQLite takes at most 999 parameters a query."""
_OTHERS: Final = 7
"""At most so many further artists of a song count."""


def credited_artists(snapshot: IndexSnapshot, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the (rows, k) codes of all artists of songs, the main one first.

    Featured artists are among them. A code below 0 is nobody; codes are equal for one artist in one
    call only. A song without an artist has a main code of its own, below 0.
    """
    mains = snapshot.artists[rows]
    song_ids = snapshot.song_ids[rows].tolist()
    others: dict[int, list[int]] = defaultdict(list)
    for part in _parts(song_ids):
        credits = SongCredit.objects.filter(song_id__in=part).order_by("song_id", "position")
        for song_id, artist_id in credits.values_list("song_id", "artist_id"):
            others[song_id].append(artist_id)
    if not others:
        return mains[:, np.newaxis]
    # Codes of main artists count from 0; those of credits begin behind them.
    first = int(snapshot.artists.max(initial=-1)) + 1
    width = min(_OTHERS, max(map(len, others.values())))
    codes = np.full((len(rows), 1 + width), -1)
    codes[:, 0] = mains
    for place, song_id in enumerate(song_ids):
        artists = others.get(song_id, ())[:width]
        codes[place, 1 : 1 + len(artists)] = np.array(artists, np.int64) + first
    return codes


def song_seconds(song_ids: Sequence[int]) -> dict[int, float]:
    """Return the lengths of songs in seconds, by id, without songs of unknown length."""
    return {
        song_id: float(seconds or 0)
        for part in _parts(song_ids)
        for song_id, seconds in Song.objects.filter(pk__in=part, duration_seconds__gt=0)
        .order_by()
        .values_list("pk", "duration_seconds")
    }


def song_titles(song_ids: Iterable[int]) -> dict[int, str]:
    """Return the titles of songs that have one, by id."""
    ids = list(song_ids)
    if not ids:
        return {}
    songs = Song.objects.filter(pk__in=ids).exclude(title="").order_by()
    return dict(songs.values_list("pk", "title"))


def songs_of_names(field: str, names: Sequence[str]) -> QuerySet[Song]:
    """Return the songs of artists, featured ones included, or of albums; case is ignored."""
    keys = [folded(name) for name in names]
    if field == "albums":
        return Song.objects.filter(album_entry__key__in=keys)
    return Song.objects.filter(credits__artist__key__in=keys).distinct()


def _parts(song_ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(song_ids), _QUERY_IDS):
        yield song_ids[start : start + _QUERY_IDS]
