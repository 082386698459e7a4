"""What one listener likes, from songs that were liked and disliked: ridge regression.

A song is described by three parts: its fused embedding less that of the average song, its artist,
and its genres. Ridge regression on them is solved in its dual form [1]_, because at most
a few hundred songs have feedback. A song that has nothing in common with them has the taste 0. The
prior makes few songs of feedback count little.

References
----------
.. [1] Saunders, Gammerman and Vovk (1998), "Ridge regression learning algorithm in dual variables",
   ICML.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from catalog.texts import genre_parts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

FUSED_SHARE: Final = 0.3
"""Share of the fused embedding in how much two songs have in common; the shares sum to 1."""
ARTIST_SHARE: Final = 0.1
GENRE_SHARE: Final = 0.6
NOISE: Final = 0.3
"""Variance of what is said of a song, of weight 1, around the listener's taste."""


@dataclass(frozen=True, slots=True)
class Songs:
    """What taste reads of n songs, aligned.

    (n, 256) `fused` of unit norm, (n,) codes of `artists`, below 0 and unique where unknown, and
    (n,) `genres`, places in the genre `tags`.
    """

    fused: NDArray[np.float32]
    artists: NDArray[np.int64]
    genres: NDArray[np.integer]
    tags: Sequence[str]


@dataclass(frozen=True, slots=True)
class Taste:
    """What a listener likes; the mean of the posterior, linear in the parts of a song."""

    direction: NDArray[np.float32]
    """(256,), in the fused space."""
    offset: float
    """What the average embedding scores along it."""
    artists: NDArray[np.int64]
    """Codes of artists, ascending."""
    artist_tastes: NDArray[np.float64]
    genres: Mapping[str, float]

    def of(self, songs: Songs) -> NDArray[np.float64]:
        """Return how much the listener likes each song, from -1 to 1; 0: nothing is known."""
        found = (songs.fused @ self.direction).astype(np.float64) - self.offset
        at = np.minimum(np.searchsorted(self.artists, songs.artists), len(self.artists) - 1)
        found += np.where(self.artists[at] == songs.artists, self.artist_tastes[at], 0.0)
        codes, places = np.unique(songs.genres, return_inverse=True)
        of_tags = [self._of_tag(songs.tags[code]) for code in codes.tolist()]
        return np.clip(found + np.array(of_tags, np.float64)[places], -1.0, 1.0)

    def _of_tag(self, tag: str) -> float:
        parts = genres_in(tag)
        total = sum(self.genres.get(name, 0.0) for name in parts)
        return total / len(parts) ** 0.5 if parts else 0.0


def taste_fit(
    songs: Songs,
    likings: NDArray[np.float64],
    weights: NDArray[np.float64],
    mean_fused: NDArray[np.float32],
) -> Taste | None:
    """Return the taste of a listener from n songs; None without any.

    (n,) `likings` are from -1, disliked, to 1, liked; (n,) `weights` above 0 say how much each
    counts. `mean_fused` is the mean embedding of the catalogue.
    """
    if not len(likings):
        return None
    spread = max(1.0 - float(mean_fused @ mean_fused), 1e-3)
    centred = (songs.fused - mean_fused).astype(np.float64)
    names, tags = _genre_features(songs)
    common = FUSED_SHARE / spread * (centred @ centred.T)
    common += ARTIST_SHARE * (songs.artists[:, np.newaxis] == songs.artists)
    common += GENRE_SHARE * (tags @ tags.T)
    duals = np.linalg.solve(common + np.diag(NOISE / weights), likings)
    direction = FUSED_SHARE / spread * (duals @ centred)
    artists, numbers = np.unique(songs.artists, return_inverse=True)
    return Taste(
        direction=direction.astype(np.float32),
        offset=float(direction @ mean_fused),
        artists=artists,
        artist_tastes=np.asarray(ARTIST_SHARE * np.bincount(numbers, duals), np.float64),
        genres=dict(zip(names, (GENRE_SHARE * (duals @ tags)).tolist(), strict=True)),
    )


def genres_in(tag: str) -> set[str]:
    """Return the single genres of a tag such as "Rock; Indie"."""
    parts = genre_parts(tag) - {""}
    return parts - {tag.casefold()} or parts


def _genre_features(songs: Songs) -> tuple[list[str], NDArray[np.float64]]:
    """Return names of genres, and (songs, names) rows of unit norm, 0 without a genre."""
    of_songs = [genres_in(songs.tags[code]) for code in songs.genres.tolist()]
    places = {name: place for place, name in enumerate(sorted(set().union(*of_songs)))}
    features = np.zeros((len(of_songs), len(places)))
    for number, names in enumerate(of_songs):
        features[number, [places[name] for name in names]] = max(1, len(names)) ** -0.5
    return list(places), features
