"""What a listener can choose from: the genres and decades of the songs, with their numbers."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from recommender.index import index_snapshot
from recommender.playlists.constraints import genre_parts

if TYPE_CHECKING:
    from recommender.index import IndexSnapshot


@dataclass(frozen=True, slots=True)
class Facet:
    """A value that a constraint takes, and the number of songs that it allows."""

    value: str
    songs: int


@dataclass(frozen=True, slots=True)
class Facets:
    """Genres, the most frequent first, and decades in order, such as 1990."""

    genres: tuple[Facet, ...]
    decades: tuple[Facet, ...]


def playlist_facets(snapshot: IndexSnapshot | None = None) -> Facets:
    """Return the facets of all songs that lists may have; of a recording each file counts."""
    snapshot = index_snapshot() if snapshot is None else snapshot
    alive = np.flatnonzero(snapshot.alive)
    counts: Counter[str] = Counter()
    spellings: dict[str, Counter[str]] = defaultdict(Counter)
    tags = np.bincount(snapshot.genres[alive], minlength=len(snapshot.genre_names)).tolist()
    for tag, songs in zip(snapshot.genre_names, tags, strict=False):
        for part in genre_parts(tag) if songs else ():
            # The whole tag "Rock; Indie" is no genre of its own where it has parts.
            if part and (part != tag.casefold() or len(genre_parts(tag)) == 1):
                counts[part] += songs
                at = tag.casefold().find(part)
                spellings[part][tag[at : at + len(part)] if at >= 0 else part] += songs
    genres = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    years = snapshot.years[alive]
    decades, songs_of = np.unique(years[years > 0] // 10 * 10, return_counts=True)
    return Facets(
        tuple(Facet(spellings[part].most_common(1)[0][0], songs) for part, songs in genres),
        tuple(map(Facet, map(str, decades.tolist()), songs_of.tolist())),
    )
