"""How well songs fit a target, each score exact and in [0, 1]; plain arrays, no database.

A song's score is the weighted mean of four parts, each in [0, 1]:

- *closeness* ``exp(-d² / 2 TOLERANCE²)`` times the *quadrant match* (`quadrant_match`). d is the
  mean of two distances: on the plane, and between the shares of the catalogue that have a lower
  value on each axis.
  Predictions lie around the middle of the plane. With the first distance alone most moods would
  be far from every song, and the axis with the wider spread would decide.
- *emotion match*, the mean share of the catalogue that has less of each stressed emotion. Some
  moods stress what listeners feel, such as nostalgia, in songs of which that is known.
- *likeness* ``(cos - m) / (1 - m)``, at least 0, where m is the cosine of the target and the
  average song. 0 is as similar as the average song, 1 is identical.
- for songs as a target, the *quadrant match* once more, alone: the network is better at quadrants
  than at places (docs/results/playlists.md).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from mer.affect import QUADRANTS, Quadrant
from recommender.index.protocol import FirstPhase
from recommender.index.rows import FELT_DIM

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from recommender.index import IndexSnapshot

LISTENER_SPREAD: Final = 0.19
"""Standard deviation of the ratings of one song by different listeners, on each axis."""
TOLERANCE: Final = LISTENER_SPREAD * math.sqrt(2)
SIDE_SCALE: Final = LISTENER_SPREAD * math.sqrt(3) / math.pi
"""Scale of the logistic distribution whose standard deviation is `LISTENER_SPREAD`."""
MATCH_FLOOR: Final = 0.5
"""A score from here on is a good match.

Of the songs with a score of .5 to .6 more than half lie in the quadrant that is asked for, for
moods and points; for seed songs .47 to .62 do, by the catalogue. Of those below, fewer do for
moods; below .3, fewer than by chance (docs/playlists.md has the table).
"""
FULL_MATCH_SHARE: Final = 0.95
"""The quadrant match at this quantile of the catalogue counts as a full match."""


@dataclass(frozen=True, slots=True)
class PartWeights:
    """The weights of closeness, emotion match, likeness and quadrant match."""

    closeness: float
    emotions: float = 0.0
    likeness: float = 0.0
    quadrants: float = 0.0


@dataclass(frozen=True, slots=True)
class Target:
    """What the songs of a list should be like.

    `place` is (valence, arousal); `relative` is the same in shares of the catalogue. `emotions` are
    eight weights that sum to 1, or all 0. `fused` is a unit vector, or all 0. `quadrants` are four
    weights that sum to 1; without them, those of `place` count. `felt` are weights of the nine
    `mer.affect.GEMS`, then of the eight emotions, that sum to 1. They count in place of `emotions`
    in songs of which it is known what listeners feel; without them, `emotions` count everywhere.
    """

    place: NDArray[np.float64]
    relative: NDArray[np.float64]
    emotions: NDArray[np.float64]
    fused: NDArray[np.float32]
    weights: PartWeights
    quadrants: NDArray[np.float64] | None = None
    felt: NDArray[np.float64] | None = None

    @property
    def sides(self) -> NDArray[np.float64]:
        """Weights of Q1 to Q4, which sum to 1."""
        return quadrant_weights(self.place) if self.quadrants is None else self.quadrants

    def match(self, snapshot: IndexSnapshot, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return how well each row fits, in [0, 1]."""
        return scores_of(self, snapshot, rows)

    def refusal(self, snapshot: IndexSnapshot, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return how much of what is refused each row is, in [0, 1]."""
        return scores_of(self, snapshot, rows)


@dataclass(frozen=True, slots=True)
class Area:
    """A part of the plane: all that is at most `radius` from the rectangle from `low` to `high`.

    Songs in it fit fully, others the less, the farther away they are. Its places are those of the
    plane, not shares of the catalogue, because a listener draws it on the map.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    radius: float = 0.0

    @property
    def place(self) -> NDArray[np.float64]:
        """The centre."""
        return np.asarray((self.low + self.high) / 2)

    def match(self, snapshot: IndexSnapshot, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return how well each row fits, in [0, 1]."""
        return closeness_at(self._distances(snapshot, rows))

    def refusal(self, snapshot: IndexSnapshot, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return 1 for the rows inside, 0 for all others."""
        return np.asarray(self._distances(snapshot, rows) == 0, np.float64)

    def _distances(self, snapshot: IndexSnapshot, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        places = np.asarray(snapshot.affect[rows, :2], np.float64)
        beyond = np.maximum(np.maximum(self.low - places, places - self.high), 0.0)
        return np.asarray(np.maximum(np.linalg.norm(beyond, axis=1) - self.radius, 0.0))


def closeness_at(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the closeness, in [0, 1], of songs at these distances from a place."""
    return np.asarray(np.exp(-(distances**2) / (2 * TOLERANCE**2)))


def scores_of(
    target: Target, snapshot: IndexSnapshot, rows: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the score of each row, exact and in [0, 1]."""
    weights = target.weights
    quadrants = _quadrant_factor(target, snapshot, rows)
    score = weights.closeness * _closeness(target, snapshot, rows) * quadrants
    score += weights.quadrants * quadrants
    if weights.emotions:
        score += weights.emotions * _emotion_match(target, snapshot, rows)
    if weights.likeness:
        score += weights.likeness * _likeness(target, snapshot, rows)
    total = weights.closeness + weights.emotions + weights.likeness + weights.quadrants
    return np.clip(score / total, 0.0, 1.0)


def _emotion_match(
    target: Target, snapshot: IndexSnapshot, rows: NDArray[np.int64]
) -> NDArray[np.float64]:
    match = _stressed_shares(target.emotions, snapshot, rows)
    if target.felt is None:
        return match
    felt = snapshot.felt[rows].astype(np.float32)
    is_known = ~np.isnan(felt[:, 0])
    weights, emotions = np.split(target.felt, [FELT_DIM])
    match[is_known] = _stressed_shares(emotions, snapshot, rows[is_known])
    for number in np.flatnonzero(weights):
        share = snapshot.statistics.felt_below(felt[is_known, number], int(number))
        match[is_known] += weights[number] * share
    return match


def _stressed_shares(
    emotions: NDArray[np.float64], snapshot: IndexSnapshot, rows: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the mean share of the catalogue below rows, by weights of the eight emotions."""
    match = np.zeros(len(rows))
    for number in np.flatnonzero(emotions):
        match += emotions[number] * snapshot.shares(2 + int(number))[rows]
    return match


def first_phase_of(target: Target, snapshot: IndexSnapshot) -> FirstPhase:
    """Return the terms of `scores_of` with which an engine chooses what is scored exactly."""
    sides, weights = target.sides, target.weights
    return FirstPhase(
        place=tuple(target.place.tolist()),
        relative=tuple(target.relative.tolist()),
        tolerance=TOLERANCE,
        lost=tuple((1 - sides / (sides.max() or 1.0)).tolist()),
        full_match=max(_full_match(sides, snapshot), 1e-9),
        emotions=tuple(target.emotions.tolist()),
        typical=_typical_cosine(target, snapshot),
        closeness=weights.closeness,
        emotion=weights.emotions,
        likeness=weights.likeness,
        quadrants=weights.quadrants,
    )


def side_at(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the probability that a listener finds songs on the high side of an axis.

    It is that of a logistic distribution of ratings around each value, of `SIDE_SCALE`.
    """
    return np.asarray(1 / (1 + np.exp((0.5 - values) / SIDE_SCALE)))


def quadrant_weights(places: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return how much (…, 2) places belong to Q1 to Q4, (…, 4); the weights of each sum to 1.

    They are the products of its weights on both axes. On an axis, the high side has the weight
    ``high = 1 / (1 + exp(-(x - 0.5) / SIDE_SCALE))`` and the low side ``1 - high``.
    """
    high = side_at(places)
    valence, arousal = high[..., 0], high[..., 1]
    weights = {
        Quadrant.Q1: valence * arousal,
        Quadrant.Q2: (1 - valence) * arousal,
        Quadrant.Q3: (1 - valence) * (1 - arousal),
        Quadrant.Q4: valence * (1 - arousal),
    }
    return np.stack([weights[name] for name in QUADRANTS], axis=-1, dtype=np.float64)


def quadrant_match(
    sides: NDArray[np.float64], quadrants: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return the probability, in [0, 1], that songs lie in the quadrant of a target.

    The target belongs to each quadrant q with a weight t(q) of `sides`. With the probabilities p of
    a row of `quadrants` (Q1 to Q4), the match is::

        sum_q t(q) p(q) / max_q t(q)  =  1 - sum_q (1 - t(q) / max_q t(q)) p(q)

    With the `quadrant_weights` of a place it is continuous in the place. Far from the axes it is
    the probability of one quadrant; on an axis, that of two; in the middle, exactly 1 for every
    song. With the probabilities of a seed song it is proportional to the probability that both
    songs lie in one quadrant.
    """
    lost = 1 - sides / (sides.max() or 1.0)
    return np.asarray(np.clip(1 - quadrants @ lost, 0.0, 1.0))


def _quadrant_factor(
    target: Target, snapshot: IndexSnapshot, rows: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the mean of the quadrant match and the match relative to the catalogue.

    If hardly any song of the catalogue is in the target's quadrant, all songs have a low match.
    Without the second factor they would all score almost 0, and the seed would decide.
    """
    sides = target.sides
    match = quadrant_match(sides, snapshot.quadrants[rows])
    full_match = _full_match(sides, snapshot)
    return (match + np.minimum(match / full_match, 1.0)) / 2


def _full_match(sides: NDArray[np.float64], snapshot: IndexSnapshot) -> float:
    """Return the quadrant match that counts as a full one in this catalogue."""
    typical = quadrant_match(sides, snapshot.typical_quadrants)
    return max(float(np.quantile(typical, FULL_MATCH_SHARE)), float(np.finfo(np.float64).tiny))


def _closeness(
    target: Target, snapshot: IndexSnapshot, rows: NDArray[np.int64]
) -> NDArray[np.float64]:
    places = snapshot.affect[rows, :2]
    shares = np.stack([snapshot.shares(axis)[rows] for axis in (0, 1)], axis=1)
    absolute = np.linalg.norm(places - target.place, axis=1)
    relative = np.linalg.norm(shares - target.relative, axis=1)
    distance = (absolute + relative) / 2
    return closeness_at(distance)


def _likeness(
    target: Target, snapshot: IndexSnapshot, rows: NDArray[np.int64]
) -> NDArray[np.float64]:
    typical = _typical_cosine(target, snapshot)
    cosines = (snapshot.fused(rows) @ target.fused).astype(np.float64)
    return np.clip((cosines - typical) / (1 - typical), 0.0, 1.0)


def _typical_cosine(target: Target, snapshot: IndexSnapshot) -> float:
    """Return the cosine of the target and the average song."""
    return min(float(snapshot.mean_fused @ target.fused), 0.999)
