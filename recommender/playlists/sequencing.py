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
_POOL: Final = 100
_POOL_PER_PLACE: Final = 5
_TWO_OPT_PASSES: Final = 5
_TWO_OPT_TRIES: Final = 5


def choose(
    *,
    song_ids: NDArray[np.int64],
    scores: NDArray[np.float64],
    artists: NDArray[np.int64],
    fused: Callable[[NDArray[np.int64]], NDArray[np.float32]],
    count: int,
    diversity: float,
    max_per_artist: int,
    seed: int,
) -> NDArray[np.int64]:
    """Return at most `count` places in the arrays, best first, `max_per_artist` of each artist.

    `fused` returns the unit vectors of some places. The choice depends on the songs and the seed,
    not on the order of the songs in the arrays.
    """
    seen_scores = scores + NEAR_TIE * _seeded_uniform(song_ids, seed)
    order = np.lexsort((song_ids, -seen_scores))
    # The pool has only the best few songs of each artist, so any choice from it keeps the limit.
    order = order[_rank_within(artists[order]) < max_per_artist]
    pool = order[: max(_POOL, _POOL_PER_PLACE * count)]
    picked = _mmr(seen_scores[pool], fused(pool), min(count, len(pool)), diversity)
    return pool[picked]


def widest_spacing(artists: Sequence[int], spacing: int) -> int:
    """Return the widest spacing, at most `spacing`, in which these songs can be ordered."""
    counts = Counter(artists)
    while spacing and not _can_finish(counts, deque(), spacing):
        spacing -= 1
    return spacing


def arrange(points: NDArray[np.float64], artists: Sequence[int], spacing: int) -> list[int]:
    """Return an order of all points that starts with the first and takes small steps.

    At least `spacing` points of others lie between two points of one artist. `spacing` must be at
    most `widest_spacing`. If the spacing requires it, another point is first.
    """
    steps = np.linalg.norm(points[:, np.newaxis] - points[np.newaxis], axis=2)
    path = _nearest_neighbours(steps, artists, spacing)
    return _two_opt(path, steps, artists, spacing)


def _mmr(
    scores: NDArray[np.float64], fused: NDArray[np.float32], count: int, diversity: float
) -> NDArray[np.int64]:
    cosines = fused @ fused.T
    # The embeddings of one network are all similar; what counts is similarity above the mean.
    typical = min(float(cosines.mean()), 0.999)
    alike = np.clip((cosines - typical) / (1 - typical), 0.0, 1.0)
    worth = (1 - diversity) * scores
    nearest = np.zeros(len(scores))
    picked = np.empty(count, np.int64)
    for place in range(count):
        # The first is always the best match, even if `diversity` is 1.
        gain = worth - diversity * nearest if place else scores.copy()
        gain[picked[:place]] = -np.inf
        picked[place] = np.argmax(gain)
        nearest = np.maximum(nearest, alike[picked[place]])
    return picked


def _nearest_neighbours(
    steps: NDArray[np.float64], artists: Sequence[int], spacing: int
) -> list[int]:
    left = set(range(len(artists)))
    counts = Counter(artists)
    recent: deque[int] = deque(maxlen=spacing)
    path: list[int] = []
    while left:
        nearest = sorted(left, key=lambda i: (steps[path[-1], i] if path else 0.0, i))
        for candidate in nearest:
            artist = artists[candidate]
            if artist in recent:
                continue
            counts[artist] -= 1
            after = deque([*recent, artist], maxlen=spacing)
            if _can_finish(counts, after, spacing):
                break
            counts[artist] += 1
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
    path: list[int], steps: NDArray[np.float64], artists: Sequence[int], spacing: int
) -> list[int]:
    """Reverse stretches of the path while that shortens it and keeps the spacing."""
    for _ in range(_TWO_OPT_PASSES):
        is_shorter = False
        for start in range(1, len(path) - 1):
            order = np.array(path)
            ends = np.arange(start + 1, len(path))
            before = steps[order[start - 1], order[start]]
            gain = before - steps[order[start - 1], order[ends]]
            inner = ends[:-1]
            gain[:-1] += (
                steps[order[inner], order[inner + 1]] - steps[order[start], order[inner + 1]]
            )
            for end in ends[np.argsort(-gain, kind="stable")][:_TWO_OPT_TRIES].tolist():
                if gain[end - start - 1] <= 1e-9:
                    break
                turned = [*path[:start], *reversed(path[start : end + 1]), *path[end + 1 :]]
                if _keeps_spacing(turned, artists, spacing):
                    path, is_shorter = turned, True
                    break
        if not is_shorter:
            break
    return path


def _keeps_spacing(path: Sequence[int], artists: Sequence[int], spacing: int) -> bool:
    last: dict[int, int] = {}
    for place, song in enumerate(path):
        if place - last.get(artists[song], -spacing - 1) <= spacing:
            return False
        last[artists[song]] = place
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


def _seeded_uniform(song_ids: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
    """Return a number in [0, 1) for each song that depends on its id and the seed alone.

    A song therefore has the same number at any place in the arrays. The function is the finaliser
    of SplitMix64 (Steele, Lea and Flood, 2014, "Fast splittable pseudorandom number generators").
    """
    golden = 0x9E37_79B9_7F4A_7C15
    z = song_ids.astype(np.uint64) * np.uint64(golden) + np.uint64(seed * golden % 2**64)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58_476D_1CE4_E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D0_49BB_1331_11EB)
    z ^= z >> np.uint64(31)
    return (z >> np.uint64(11)).astype(np.float64) / 2.0**53
