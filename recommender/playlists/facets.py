"""What a listener can choose from: the genres and decades of the songs, with their numbers."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from catalog.texts import genre_parts
from recommender.index import index_snapshot

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
    counts: Counter[str] = Counter()
    spellings: dict[str, Counter[str]] = defaultdict(Counter)
    for code, songs in snapshot.counts("genres").items():
        tag = snapshot.genre_names[code]
        for part in genre_parts(tag) if songs else ():
            # The whole tag "Rock; Indie" is no genre of its own where it has parts.
            if part and (part != tag.casefold() or len(genre_parts(tag)) == 1):
                counts[part] += songs
                at = tag.casefold().find(part)
                spellings[part][tag[at : at + len(part)] if at >= 0 else part] += songs
    genres = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    decades: Counter[int] = Counter()
    for year, songs in snapshot.counts("years").items():
        if year > 0:
            decades[year // 10 * 10] += songs
    return Facets(
        tuple(Facet(spellings[part].most_common(1)[0][0], songs) for part, songs in genres),
        tuple(Facet(str(decade), songs) for decade, songs in sorted(decades.items())),
    )
