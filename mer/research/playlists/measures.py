"""What a list is worth: gain by rank, distance, diversity, order; and what all lists are worth."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from mer.errors import ShapeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from mer.research.playlists.suite import LabelledSong, Listed, Query, Run, Suite

    Place = tuple[float, float]
    Floats = NDArray[np.float64]

SHORT: Final = 10
LONG: Final = 20
NAN: Final = float("nan")
_SCORE_BINS: Final = 10
_SAME: Final = 1e-9


def ndcg(gains: Sequence[float], ideal: Sequence[float], k: int) -> float:
    r"""Normalised discounted cumulative gain of the first `k` songs.

    .. math:: DCG = \sum_{i=1}^{k} \frac{g_i}{\log_2(i + 1)}

    Parameters
    ----------
    gains : sequence of float at least 0
        Of the list, best song first. A list that is shorter than `k` gains nothing for the rest.
    ideal : sequence of float at least 0
        Of all candidates, in any order.
    k : int

    Returns
    -------
    float in [0, 1]
        NaN if no candidate has a gain, because every list is then as good as any other.

    References
    ----------
    .. [1] Järvelin & Kekäläinen (2002), "Cumulated gain-based evaluation of IR techniques", ACM
       Transactions on Information Systems 20(4). Gains are not exponentiated.
    """
    best = _dcg(sorted(ideal, reverse=True)[:k])
    return _dcg(gains[:k]) / best if best > 0 else NAN


def _dcg(gains: Sequence[float]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))


def intra_list_distance(vectors: Sequence[NDArray[np.float64]]) -> float:
    """Mean cosine distance of all pairs of songs of a list; NaN with fewer than two songs.

    Parameters
    ----------
    vectors : sequence of (width,) float ndarrays

    Returns
    -------
    float in [0, 2]

    References
    ----------
    .. [1] Ziegler et al. (2005), "Improving recommendation lists through topic diversification",
       WWW.
    """
    if len(vectors) < 2:
        return NAN
    table = np.stack(vectors)
    unit = table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-12)
    above = np.triu_indices(len(unit), 1)
    return float(1 - (unit @ unit.T)[above].mean())


def coherence(places: Sequence[Place]) -> float:
    r"""How much less neighbours of a list differ than all its pairs, on the plane.

    .. math:: C = 1 - \frac{\mathrm{mean}_i |x_{i+1} - x_i|^2}{\mathrm{mean}_{i<j} |x_i - x_j|^2}

    Parameters
    ----------
    places : sequence of (valence, arousal)
        In playing order.

    Returns
    -------
    float at most 1
        0 for a random order on average; NaN with fewer than three songs, or with all at one place.

    References
    ----------
    .. [1] Schweiger et al. (2025), variance ratio of neighbours and of the whole list.
    """
    if len(places) < 3:
        return NAN
    pairs = np.mean([math.dist(one, other) ** 2 for one, other in combinations(places, 2)])
    steps = np.mean([math.dist(one, other) ** 2 for one, other in pairwise(places)])
    return float(1 - steps / pairs) if pairs > 0 else NAN


@dataclass(frozen=True, slots=True)
class JourneyFit:
    """How songs follow a path of straight lines.

    Parameters
    ----------
    error : float
        Mean distance of the songs to their points; song i of n has the point at the share
        (i - 1) / (n - 1) of the path's length.
    off_path : float
        Mean distance of the songs to the nearest point of the path, wherever it is.
    forward : float in [0, 1]
        Share of steps after which the nearest point of the path is not before the former one.
    """

    error: float
    off_path: float
    forward: float


def journey_fit(places: Sequence[Place], path: Sequence[Place]) -> JourneyFit:
    """Compare the songs of a list, in playing order, with the waypoints of a journey.

    Parameters
    ----------
    places : sequence of (valence, arousal)
        Two songs or more.
    path : sequence of (valence, arousal)
        Two waypoints or more.

    Raises
    ------
    ShapeError
        If there are fewer songs or waypoints.
    """
    if len(places) < 2 or len(path) < 2:
        raise ShapeError(f"{len(places)} songs on {len(path)} waypoints are no journey; give two")
    songs = np.asarray(places, np.float64)
    planned = along(path, np.linspace(0, 1, len(songs)))
    distances, nearest = _nearest(songs, np.asarray(path, np.float64))
    return JourneyFit(
        float(np.linalg.norm(songs - planned, axis=1).mean()),
        float(distances.mean()),
        float(np.mean(np.diff(nearest) > -_SAME)),
    )


def _nearest(songs: Floats, corners: Floats) -> tuple[Floats, Floats]:
    """Distance of each song from the path, and how far along the path its nearest point is."""
    lines = np.diff(corners, axis=0)
    lengths = np.linalg.norm(lines, axis=1)
    offsets = songs[:, np.newaxis] - corners[:-1]
    projected = (offsets * lines).sum(axis=2) / np.maximum(lengths**2, 1e-12)
    shares = np.clip(projected, 0, 1)  # (songs, lines)
    distances = np.linalg.norm(offsets - shares[..., np.newaxis] * lines, axis=2)
    travelled = np.cumsum(lengths) - lengths + shares * lengths
    best = distances.argmin(axis=1)
    rows = np.arange(len(songs))
    return distances[rows, best], travelled[rows, best]


def along(path: Sequence[Place], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points of a path of straight lines.

    Parameters
    ----------
    path : sequence of (valence, arousal)
    shares : (points,) float ndarray in [0, 1]
        Of the path's length.

    Returns
    -------
    (points, 2) float ndarray
    """
    corners = np.asarray(path, np.float64)
    lengths = np.linalg.norm(np.diff(corners, axis=0), axis=1)
    at = np.concatenate([[0.0], np.cumsum(lengths)])
    if at[-1] == 0:
        return np.repeat(corners[:1], len(shares), axis=0)
    wanted = shares * at[-1]
    return np.stack([np.interp(wanted, at, corners[:, axis]) for axis in (0, 1)], axis=1)


def of_list(suite: Suite, query: Query, listed: Sequence[Listed]) -> dict[str, float]:
    """All measures of one list; NaN where one cannot be computed.

    Parameters
    ----------
    suite : Suite
    query : Query
    listed : sequence of Listed
        Best song first.

    Returns
    -------
    dict of str to float
    """
    gains = suite.gains(query)
    first = [suite.songs[each.song] for each in listed[:LONG]]
    played = [
        suite.songs[each.song] for each in sorted(listed[:LONG], key=lambda each: each.position)
    ]
    own = [gains[song.name] for song in first]
    measured = {
        f"ndcg{SHORT}": ndcg(own, list(gains.values()), SHORT),
        f"ndcg{LONG}": ndcg(own, list(gains.values()), LONG),
        f"precision{SHORT}": _precision(query, first, SHORT),
        f"precision{LONG}": _precision(query, first, LONG),
        "distance": _distance(query, first),
        "coherence": coherence(_places(played)),
        "artists": len({song.group for song in first}) / len(first) if first else NAN,
        "genres": _genre_distance(first),
    }
    for space, vectors in suite.vectors.items():
        known = [vectors[song.name] for song in first if song.name in vectors]
        measured[f"diversity {space}"] = intra_list_distance(known)
    return measured | _journey(query, played)


def _journey(query: Query, played: Sequence[LabelledSong]) -> dict[str, float]:
    places = _places(played)
    if len(query.path) < 2 or len(places) < 2:
        return {"journey error": NAN, "off path": NAN, "forward": NAN}
    fit = journey_fit(places, query.path)
    return {"journey error": fit.error, "off path": fit.off_path, "forward": fit.forward}


def _precision(query: Query, songs: Sequence[LabelledSong], k: int) -> float:
    """Share of `k` songs of the query's class; a missing song counts as wrong."""
    same = [query.labels.same_class(song.labels) for song in songs[:k]]
    if not (query.labels.quadrants or query.labels.cluster):
        return NAN
    return sum(known is True for known in same) / k


def _distance(query: Query, songs: Sequence[LabelledSong]) -> float:
    wanted, places = query.labels.place, _places(songs)
    if wanted is None or not places:
        return NAN
    return float(np.mean([math.dist(wanted, place) for place in places]))


def _places(songs: Sequence[LabelledSong]) -> list[Place]:
    return [song.labels.place for song in songs if song.labels.place is not None]


def _genre_distance(songs: Sequence[LabelledSong]) -> float:
    """Mean Jaccard distance of the genres of all pairs of songs that have any."""
    known = [song.genres for song in songs if song.genres]
    if len(known) < 2:
        return NAN
    return float(np.mean([1 - len(a & b) / len(a | b) for a, b in combinations(known, 2)]))


def coverage(lists: Sequence[Sequence[str]], candidates: Sequence[str]) -> float:
    """Share of the candidates that are in at least one list; NaN without candidates."""
    known = set(candidates)
    return len({song for songs in lists for song in songs} & known) / len(known) if known else NAN


def hubness(lists: Sequence[Sequence[str]], candidates: Sequence[str]) -> float:
    """Skewness of the number of lists in which each candidate occurs.

    Parameters
    ----------
    lists : sequence of sequences of str
    candidates : sequence of str

    Returns
    -------
    float
        0 if all songs occur about equally often, high if a few songs are in most lists. NaN if all
        occur exactly equally often.

    References
    ----------
    .. [1] Radovanović, Nanopoulos & Ivanović (2010), "Hubs in space", Journal of Machine Learning
       Research 11.
    """
    counts = Counter(song for songs in lists for song in songs)
    occurrences = np.array([counts[song] for song in candidates], np.float64)
    spread = occurrences.std() if len(occurrences) else 0.0
    if spread == 0:
        return NAN
    return float(np.mean(((occurrences - occurrences.mean()) / spread) ** 3))


@dataclass(frozen=True, slots=True)
class ScoreBin:
    """Songs whose score is in (`low`, `high`]; the first bin has 0, too.

    Parameters
    ----------
    songs : int
    score, gain : float
        Means.
    right : float
        Share of the songs of the query's class; NaN if the class is unknown.
    """

    low: float
    high: float
    songs: int
    score: float
    gain: float
    right: float


def score_bins(suite: Suite, run: Run, queries: Mapping[str, Query]) -> list[ScoreBin]:
    """Compare the scores of listed songs with their gains, in ten bins; empty bins are left out.

    Parameters
    ----------
    suite : Suite
    run : Run
        Songs without a score are left out.
    queries : mapping of str to Query
        Those to look at.
    """
    rows = []
    for name, query in queries.items():
        if query.path:  # no song has a gain for a whole journey
            continue
        gains = suite.gains(query)
        for each in run.get(name, ()):
            if each.score is not None:
                same = query.labels.same_class(suite.songs[each.song].labels)
                right = NAN if same is None else float(same)
                rows.append((each.score, gains[each.song], right))
    if not rows:
        return []
    table = np.array(rows)
    bins = np.clip(np.ceil(table[:, 0] * _SCORE_BINS).astype(int) - 1, 0, _SCORE_BINS - 1)
    found = []
    for number in np.unique(bins).tolist():
        held = table[bins == number]
        known = held[~np.isnan(held[:, 2]), 2]
        found.append(
            ScoreBin(
                number / _SCORE_BINS, (number + 1) / _SCORE_BINS, len(held),
                float(held[:, 0].mean()), float(held[:, 1].mean()),
                float(known.mean()) if len(known) else NAN,
            )
        )  # fmt: skip
    return found
