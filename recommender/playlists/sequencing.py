"""Which of the scored songs are in a list, and in which order; plain arrays, no database.

Songs are *chosen* by maximal marginal relevance [1]_ and *ordered* as a path of small steps on the
valence-arousal plane.

References
----------
.. [1] Carbonell and Goldstein (1998), "The use of MMR, diversity-based reranking for reordering
   documents and producing summaries", SIGIR.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

NEAR_TIE: Final = 0.02
"""Scores that differ by less count as equal; the seed decides between them."""
_GOLDEN: Final = 0x9E37_79B9_7F4A_7C15
_POOL: Final = 100
_POOL_PER_PLACE: Final = 5
_TWO_OPT_PASSES: Final = 5
_TWO_OPT_TRIES: Final = 5


def choose(
    *,
    song_ids: NDArray[np.int64],
    scores: NDArray[np.float64],
    artists: NDArray[np.int64],
    credits: Callable[[NDArray[np.int64]], NDArray[np.int64]],
    fused: Callable[[NDArray[np.int64]], NDArray[np.float32]],
    count: int,
    diversity: float,
    max_per_artist: int,
    seed: int,
    albums: Callable[[NDArray[np.int64]], NDArray[np.int64]] | None = None,
    max_per_album: int = 0,
) -> NDArray[np.int64]:
    """Return at most `count` places in the arrays, best first, `max_per_artist` of each artist.

    `artists` holds codes of the main artists, negative for songs of nobody. `credits` returns the
    (places, k) codes of all credited artists, negative for none; `albums` the (places,) codes of
    albums, 0 for none, of which `max_per_album` songs may be chosen. `fused` returns the unit
    vectors of some places. The choice depends on the songs and the seed, not on the order of the
    songs in the arrays.
    """
    seen_scores = scores + NEAR_TIE * seeded_uniform(song_ids, seed)
    order = np.lexsort((song_ids, -seen_scores))
    # More songs of one main artist cannot be in the list.
    order = order[_rank_within(artists[order]) < max_per_artist]
    size = max(_POOL, _POOL_PER_PLACE * count)
    while True:
        pool = order[:size]
        if not len(pool):
            return pool
        picked = _mmr(
            seen_scores[pool],
            fused(pool),
            credits(pool),
            np.zeros(len(pool), np.int64) if albums is None else albums(pool),
            count=min(count, len(pool)),
            diversity=diversity,
            max_per_artist=max_per_artist,
            max_per_album=max_per_album,
        )
        # Featured artists may block so much of the pool that it has too few songs.
        if len(picked) == count or size >= len(order):
            return pool[picked]
        size *= 4


def most_places(artists: NDArray[np.int64], max_per_artist: int) -> int:
    """Return how many of the songs a list can hold with at most `max_per_artist` of an artist."""
    return int(np.minimum(np.unique(artists, return_counts=True)[1], max_per_artist).sum())


def arrange(
    points: NDArray[np.float64],
    credits: NDArray[np.int64],
    spacing: int,
    *,
    jumps: NDArray[np.float64] | None = None,
) -> tuple[list[int], int]:
    """Return an order of all points that takes small steps, and the spacing that it keeps.

    At least that many points of others lie between two points that share an artist; it is
    `spacing`, or less if that cannot be. (points, k) `credits` holds the codes of artists, the main
    one first, negative for nobody. The path starts at the first point, unless the spacing requires
    another. (points, points) `jumps` are added to the lengths of the steps.
    """
    steps = np.linalg.norm(points[:, np.newaxis] - points[np.newaxis], axis=2)
    steps = steps if jumps is None else steps + jumps
    named = [
        tuple(dict.fromkeys([code for code in row if code >= 0])) or (-number - 1,)
        for number, row in enumerate(credits.tolist())
    ]
    for kept in range(spacing, 0, -1):
        path = _nearest_neighbours(steps, named, kept)
        if path is not None:
            return _two_opt(path, steps, named, kept), kept
    path = _nearest_neighbours(steps, named, 0) or []
    return _two_opt(path, steps, named, 0), 0


def _mmr(
    scores: NDArray[np.float64],
    fused: NDArray[np.float32],
    credits: NDArray[np.int64],
    albums: NDArray[np.int64],
    *,
    count: int,
    diversity: float,
    max_per_artist: int,
    max_per_album: int,
) -> NDArray[np.int64]:
    cosines = fused @ fused.T
    # The embeddings of one network are all similar; what counts is similarity above the mean.
    typical = min(float(cosines.mean()), 0.999)
    alike = np.clip((cosines - typical) / (1 - typical), 0.0, 1.0)
    worth = (1 - diversity) * scores
    nearest = np.zeros(len(scores))
    is_blocked = np.zeros(len(scores), bool)
    counts: Counter[int] = Counter()
    picked: list[int] = []
    while len(picked) < count and not is_blocked.all():
        # The first is always the best match, even if `diversity` is 1.
        gain = worth - diversity * nearest if picked else scores.copy()
        gain[is_blocked] = -np.inf
        best = int(np.argmax(gain))
        picked.append(best)
        is_blocked[best] = True
        nearest = np.maximum(nearest, alike[best])
        for artist in {code for code in credits[best].tolist() if code >= 0}:
            counts[artist] += 1
            if counts[artist] >= max_per_artist:
                is_blocked |= (credits == artist).any(axis=1)
        of_album = albums == albums[best]
        if albums[best] and np.count_nonzero(of_album[picked]) >= max_per_album:
            is_blocked |= of_album
    return np.array(picked, np.int64)


def _nearest_neighbours(
    steps: NDArray[np.float64], named: Sequence[tuple[int, ...]], spacing: int
) -> list[int] | None:
    """Return a path through all points that keeps the spacing; None if none is found.

    For main artists alone one is found whenever there is one.
    """
    mains = [artists[0] for artists in named]
    if not _can_finish(Counter(mains), deque(), spacing):
        return None
    left = set(range(len(named)))
    counts = Counter(mains)
    recent: deque[int] = deque(maxlen=spacing)
    path: list[int] = []
    while left:
        taken = {artist for place in recent for artist in named[place]}
        nearest = sorted(left, key=lambda i: (steps[path[-1], i] if path else 0.0, i))
        for candidate in nearest:
            if not taken.isdisjoint(named[candidate]):
                continue
            counts[mains[candidate]] -= 1
            after = deque([*recent, candidate], maxlen=spacing)
            if _can_finish(counts, deque(mains[place] for place in after), spacing):
                break
            counts[mains[candidate]] += 1
        else:
            return None
        left.remove(candidate)
        path.append(candidate)
        recent = after
    return path


def _can_finish(counts: Counter[int], recent: deque[int], spacing: int) -> bool:
    """Whether all songs can be placed by always taking the artist with the most songs left.

    `recent` are the artists of the last places, oldest first. If the result is true, it is true
    again after that first choice, so `_nearest_neighbours` always finds a candidate.
    """
    waiting = deque(
        (spacing - len(recent) + place + 1, -counts[artist], artist)
        for place, artist in enumerate(recent)
        if counts[artist]
    )
    free = [(-left, artist) for artist, left in counts.items() if left and artist not in recent]
    heapq.heapify(free)
    for now in range(counts.total()):
        while waiting and waiting[0][0] <= now:
            heapq.heappush(free, waiting.popleft()[1:])
        if not free:
            return False
        left, artist = heapq.heappop(free)
        if left + 1:
            waiting.append((now + spacing + 1, left + 1, artist))
    return True


def _two_opt(
    path: list[int], steps: NDArray[np.float64], named: Sequence[tuple[int, ...]], spacing: int
) -> list[int]:
    """Reverse stretches of the path while that shortens it and keeps the spacing."""
    gains = _gains(path, steps)
    for _ in range(_TWO_OPT_PASSES):
        is_shorter = False
        for start in range(1, len(path) - 1):
            gain = gains[start]
            if gain.max() <= 1e-9:
                continue
            for end in np.argsort(-gain, kind="stable")[:_TWO_OPT_TRIES].tolist():
                if gain[end] <= 1e-9:
                    break
                turned = [*path[:start], *reversed(path[start : end + 1]), *path[end + 1 :]]
                if _keeps_spacing(turned, named, spacing):
                    path, is_shorter = turned, True
                    gains = _gains(path, steps)
                    break
        if not is_shorter:
            break
    return path


def _gains(path: Sequence[int], steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return, at [start, end], how much shorter the path is with that stretch reversed."""
    lengths = steps[np.ix_(path, path)]
    gains = np.full(lengths.shape, -np.inf)
    if len(path) > 2:
        made = np.diagonal(lengths, 1)
        gains[1:] = made[:, np.newaxis] - lengths[:-1]
        # The last end has no step after it.
        gains[1:, :-1] += made[np.newaxis] - lengths[1:, 1:]
        gains[np.tri(len(path), dtype=bool)] = -np.inf
    return gains


def _keeps_spacing(path: Sequence[int], named: Sequence[tuple[int, ...]], spacing: int) -> bool:
    last: dict[int, int] = {}
    for place, song in enumerate(path):
        for artist in named[song]:
            if place - last.get(artist, -spacing - 1) <= spacing:
                return False
            last[artist] = place
    return True


def _rank_within(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many of the same group come before each element."""
    order = np.argsort(groups, kind="stable")
    ordered = groups[order]
    is_first = np.append(True, ordered[1:] != ordered[:-1])[: len(groups)]
    starts = np.flatnonzero(is_first)
    ranks = np.arange(len(groups)) - starts[np.cumsum(is_first) - 1]
    result = np.empty(len(groups), np.int64)
    result[order] = ranks
    return result


def seeded_uniform(song_ids: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
    """Return a number in [0, 1) for each song that depends on its id and the seed alone.

    A song therefore has the same number at any place in the arrays. The function is the finaliser
    of SplitMix64 (Steele, Lea and Flood, 2014, "Fast splittable pseudorandom number generators").
    """
    z = _spread(song_ids, seed)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58_476D_1CE4_E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D0_49BB_1331_11EB)
    z ^= z >> np.uint64(31)
    return (z >> np.uint64(11)).astype(np.float64) / 2.0**53


def seeded_some(song_ids: NDArray[np.int64], seed: int, share: float) -> NDArray[np.bool_]:
    """Return which songs belong to about this share of them all, by their ids and the seed alone.

    It costs a tenth of `seeded_uniform`, and spreads less well.
    """
    if share >= 1:
        return np.ones(len(song_ids), bool)
    return np.asarray(_spread(song_ids, seed) < np.uint64(share * 2**64))


def _spread(song_ids: NDArray[np.int64], seed: int) -> NDArray[np.uint64]:
    z = song_ids.astype(np.uint64)
    z *= np.uint64(_GOLDEN)
    z += np.uint64(seed * _GOLDEN % 2**64)
    return z
