"""How much each song is liked by feedback and listens, and how much that counts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from recommender.feedback import Feedback

HALF_LIFE: Final = timedelta(days=180)
"""What was said counts half as much for every such time before the last of it."""
SKIP_HALF_LIFE: Final = timedelta(days=7)
"""The effect of a skip on the skipped song itself halves in this time."""
MOST_SONGS: Final = 500
"""Only so many songs count, those of most weight; at most half of them by dislikes if there are
likes enough, because bans do not fade and would be all that counts in the end."""
_SKIP_WEIGHT: Final = 0.5
_LEAST_WEIGHT: Final = 1e-6
"""What counts less does not count: the moment of a skip may be centuries ago."""
_UNKNOWN_SHARE: Final = 0.5
"""The share that was played of a skipped song, if it is not known."""
_HEARD: Final = 0.5
"""How much a song that was heard to its end is liked; a like is 1."""
_HEARD_WEIGHT: Final = 0.25
_LIKED: Final = 0.15
_SKIPPED: Final = -0.7
"""Logarithms of factors: a song that was skipped at once ranks by half its match."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """How much a song is liked, from -1 to 1, and a weight above 0."""

    liking: float
    weight: float


def evidence_of(feedback: Feedback, heard: Mapping[int, float]) -> dict[int, Evidence]:
    """Return how songs are liked by feedback and listens, by song id, at most `MOST_SONGS`.

    `heard` is the weight of each song in the listening history. Likes, bans and stars count most,
    then skips, then listens. No clock is read: ages are those before the last feedback.
    """
    sums: dict[int, tuple[float, float]] = {}
    for song_id, liking, weight in _said(feedback, heard):
        total, held = sums.get(song_id, (0.0, 0.0))
        sums[song_id] = (total + liking * weight, held + weight)
    counting = [song_id for song_id, (_, held) in sums.items() if held >= _LEAST_WEIGHT]
    counting.sort(key=lambda song_id: (-sums[song_id][1], song_id))
    liked = [song_id for song_id in counting if sums[song_id][0] > 0]
    disliked = [song_id for song_id in counting if sums[song_id][0] <= 0]
    half = MOST_SONGS // 2
    first = [*liked[:half], *disliked[:half]]
    most = [*first, *liked[half:], *disliked[half:]][:MOST_SONGS]
    return {
        song_id: Evidence(sums[song_id][0] / sums[song_id][1], min(1.0, sums[song_id][1]))
        for song_id in most
    }


def _said(feedback: Feedback, heard: Mapping[int, float]) -> Iterator[tuple[int, float, float]]:
    """Yield song, liking and weight of everything that was said or heard."""
    last = last_moment(feedback)
    for like in feedback.likes:
        yield like.song_id, 1.0, _faded(like.when, last, HALF_LIFE)
    for song_id in feedback.banned_songs:
        yield song_id, -1.0, 1.0
    for rating in feedback.ratings:
        yield rating.song_id, (rating.stars - 3) / 2, _faded(rating.when, last, HALF_LIFE)
    for skip in feedback.skips:
        weight = _SKIP_WEIGHT * _faded(skip.when, last, HALF_LIFE)
        yield skip.song_id, _left(skip.fraction_heard), weight
    for song_id, share in heard.items():
        yield song_id, _HEARD, _HEARD_WEIGHT * min(1.0, share)


def _left(fraction_heard: float | None) -> float:
    """Return how a skip at a share of the song is taken: -1 at its start, 0 at its end."""
    return (_UNKNOWN_SHARE if fraction_heard is None else fraction_heard) - 1.0


def nudges_of(feedback: Feedback) -> dict[int, float]:
    """Return by how much the songs themselves that feedback is about move, as logarithms.

    Liked and well rated ones move up a little; early skips move down, less with every
    `SKIP_HALF_LIFE` before the last feedback.
    """
    last = last_moment(feedback)
    found: dict[int, float] = {}
    for rating in feedback.ratings:
        found[rating.song_id] = _LIKED * (rating.stars - 3) / 2
    for like in feedback.likes:
        found[like.song_id] = max(found.get(like.song_id, 0.0), _LIKED)
    skipped: dict[int, float] = {}
    for skip in feedback.skips:
        fall = _SKIPPED * -_left(skip.fraction_heard)
        fall *= _faded(skip.when, last, SKIP_HALF_LIFE)
        skipped[skip.song_id] = min(skipped.get(skip.song_id, 0.0), fall)
    for song_id, fall in skipped.items():
        found[song_id] = found.get(song_id, 0.0) + fall
    return found


def last_moment(feedback: Feedback) -> datetime | None:
    """Return when the listener last said something; None if nothing with a moment."""
    parts = (feedback.likes, feedback.ratings, feedback.skips, feedback.corrections)
    return max((part[-1].when for part in parts if part), default=None)


def _faded(when: datetime, last: datetime | None, half_life: timedelta) -> float:
    return 1.0 if last is None else float(0.5 ** ((last - when) / half_life))
