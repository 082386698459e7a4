"""What is known of songs that may be in a list: artists, keys, lengths, titles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from catalog.files.names import folded
from catalog.keys import key_find
from catalog.models import Album, Artist, Song
from recommender.index.protocol import Condition

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.db.models import QuerySet
    from numpy.typing import NDArray

    from recommender.index import IndexSnapshot


def credited_artists(snapshot: IndexSnapshot, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the (rows, k) codes of all artists of songs, the main one first.

    Featured artists are among them. A code below 0 is nobody. A song without an artist has a main
    code of its own, below 0.
    """
    credits = snapshot.credits[rows]
    return np.column_stack([snapshot.artists[rows], np.where(credits > 0, credits, -1)])


def keys_condition(names: Iterable[str], *, is_refused: bool = False) -> Condition:
    """Return the condition of songs in one of some keys, which have names such as A minor."""
    codes = [1 + code for name in names if (code := key_find(name)) is not None]
    return Condition("keys", any_of=tuple(codes), is_refused=is_refused)


def song_seconds(
    snapshot: IndexSnapshot, rows: NDArray[np.int64], *, unknown: float
) -> NDArray[np.float64]:
    """Return the lengths of songs in seconds, with `unknown` for those of unknown length."""
    seconds = snapshot.durations[rows].astype(np.float64)
    return np.where(seconds > 0, seconds, unknown)


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


def condition_of_names(field: str, names: Sequence[str], *, is_refused: bool = False) -> Condition:
    """Return the condition of the songs of artists or albums; case is ignored.

    It knows the first artists of a song alone (`rows.CREDITS`).
    """
    rows = Album.objects if field == "albums" else Artist.objects
    keys = [folded(name) for name in names]
    ids = tuple(rows.filter(key__in=keys).order_by().values_list("pk", flat=True))
    column = "albums" if field == "albums" else "credits"
    return Condition(column, any_of=ids, is_refused=is_refused)
