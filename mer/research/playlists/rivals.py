"""Lists of simple recommenders: random, metadata, nearest vectors, plane, oracle."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Final

import numpy as np

from mer.research.playlists.measures import LONG, along
from mer.research.playlists.suite import Listed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from mer.research.playlists.suite import LabelledSong, Query, Run, Suite

    Vectors = Mapping[str, NDArray[np.float64]]
    Scores = dict[str, float]

RANDOM: Final = "random"
ORACLE: Final = "oracle"
METADATA: Final = "genres and years"
MIDDLES: Final = {
    "Q1": (0.75, 0.75),
    "Q2": (0.25, 0.75),
    "Q3": (0.25, 0.25),
    "Q4": (0.75, 0.25),
}
_DECADE: Final = 10.0


def random_run(suite: Suite) -> Run:
    """Songs in an order that a hash of query and song determines."""
    return _run(suite, lambda _: {})


def oracle_run(suite: Suite) -> Run:
    """Songs by their gain, or along a journey by their labels: what no recommender can exceed."""
    places = {
        name: np.array(song.labels.place)
        for name, song in suite.songs.items()
        if song.labels.place is not None
    }
    return _run(suite, suite.gains) | _journeys(suite, places)


def metadata_run(suite: Suite) -> Run:
    """Songs by shared genres, then by nearness of the year; answers seed songs alone.

    Songs by the seed's artist are not candidates, so that shared artists play no part.
    """

    def scores(query: Query) -> Scores | None:
        if not query.song:
            return None
        seed = suite.songs[query.song]
        return {song.name: _alike(seed, song) for song in suite.candidates(query)}

    return _run(suite, scores)


def _alike(seed: LabelledSong, song: LabelledSong) -> float:
    both = seed.genres | song.genres
    genres = len(seed.genres & song.genres) / len(both) if both else 0.0
    if seed.year is None or song.year is None:
        return genres
    return genres + 1e-3 * math.exp(-abs(seed.year - song.year) / _DECADE)


def nearest_run(suite: Suite, vectors: Vectors) -> Run:
    """Songs by cosine similarity to the seed song; answers seed songs alone.

    Parameters
    ----------
    suite : Suite
    vectors : mapping of str to (width,) float ndarray
        By song. A song without a vector is in no list.
    """
    unit = {
        name: vector / max(float(np.linalg.norm(vector)), 1e-12) for name, vector in vectors.items()
    }

    def scores(query: Query) -> Scores | None:
        if query.song not in unit:
            return None
        names = [song.name for song in suite.candidates(query) if song.name in unit]
        if not names:
            return None
        cosines = np.stack([unit[name] for name in names]) @ unit[query.song]
        return dict(zip(names, cosines.tolist(), strict=True))

    return _run(suite, scores)


def plane_run(suite: Suite, places: Vectors) -> Run:
    """Songs by distance on the plane from the seed song, the point, or the middle of the quadrant.

    Parameters
    ----------
    suite : Suite
    places : mapping of str to (2,) float ndarray
        Predicted valence and arousal, by song.
    """

    def scores(query: Query) -> Scores | None:
        wanted = places.get(query.song) if query.song else _place_of(query)
        if wanted is None:
            return None
        names = [song.name for song in suite.candidates(query) if song.name in places]
        return {name: -math.dist(places[name], wanted) for name in names}

    return _run(suite, scores) | _journeys(suite, places)


def _place_of(query: Query) -> tuple[float, float] | None:
    """Place that a query asks for, or the middle of its only quadrant."""
    if query.labels.place is None and len(query.labels.quadrants) == 1:
        (quadrant,) = query.labels.quadrants
        return MIDDLES[quadrant]
    return query.labels.place


def _journeys(suite: Suite, places: Vectors) -> Run:
    """For each journey, at every step the song that is nearest to the planned point."""
    run: Run = {}
    for name, query in suite.queries.items():
        if not query.path:
            continue
        left = {s.name: places[s.name] for s in suite.candidates(query) if s.name in places}
        listed: list[Listed] = []
        for point in along(query.path, np.linspace(0, 1, min(LONG, len(left)))):
            nearest = min(left, key=lambda song: (math.dist(left[song], point), song))
            del left[nearest]
            listed.append(Listed(nearest, len(listed) + 1))
        run[name] = tuple(listed)
    return run


def _run(suite: Suite, scores_of: Callable[[Query], Scores | None]) -> Run:
    """List the best `LONG` songs of every query; equal scores are ordered by a hash.

    A query for which `scores_of` returns None is not answered. A song without a score has 0.
    """
    run: Run = {}
    for name, query in suite.queries.items():
        scores = scores_of(query)
        if scores is None:
            continue
        songs = [s.name for s in suite.candidates(query) if not scores or s.name in scores]
        songs.sort(key=lambda song: (-scores.get(song, 0.0), _hash(f"{name} {song}")))
        run[name] = tuple(
            Listed(song, position) for position, song in enumerate(songs[:LONG], start=1)
        )
    return run


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
