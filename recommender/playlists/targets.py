"""The target of a request, and the score of each song for it.

Each target field of a request (moods, point, text, songs, history) becomes a place on the plane,
emotions that it stresses and, for text, songs and history, a direction in the fused space. Their
weighted mean is the target. A song's score is the weighted mean of three parts, each in [0, 1]:

- *closeness* ``exp(-d² / 2 TOLERANCE²)`` times the *quadrant match* (`quadrant_match`). d is the
  mean of two distances: on the plane, and between the shares of the catalogue that have a lower
  value on each axis.
  Predictions lie around the middle of the plane. With the first distance alone most moods would
  be far from every song, and the axis with the wider spread would decide.
- *emotion match*, the mean share of the catalogue that has less of each stressed emotion.
- *likeness* ``(cos - m) / (1 - m)``, at least 0, where m is the cosine of the target and the
  average song. 0 is as similar as the average song, 1 is identical.
"""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from catalog import analysis
from catalog.errors import ModelAwayError
from catalog.models import Song
from mer.affect import EMOTIONS, QUADRANTS, Quadrant
from mer.errors import InputError
from mer.prediction import EMBEDDING_DIM
from recommender.errors import PlaylistErrorCode, PlaylistRequestError
from recommender.history import history_weights
from recommender.moods import Mood, mood_find
from recommender.throttles import words_turn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.contrib.auth.models import AnonymousUser, User
    from numpy.typing import NDArray

    from mer.affect import AffectPoint
    from recommender.index import IndexSnapshot
    from recommender.playlists.request import PlaylistRequest

LISTENER_SPREAD: Final = 0.19
"""Standard deviation of the ratings of one song by different listeners, on each axis."""
TOLERANCE: Final = LISTENER_SPREAD * math.sqrt(2)
SIDE_SCALE: Final = LISTENER_SPREAD * math.sqrt(3) / math.pi
"""Scale of the logistic distribution whose standard deviation is `LISTENER_SPREAD`."""
FULL_MATCH_SHARE: Final = 0.95
"""The quadrant match at this quantile of the catalogue counts as a full match."""


@dataclass(frozen=True, slots=True)
class PartWeights:
    """The weights of closeness, emotion match and likeness."""

    closeness: float
    emotions: float = 0.0
    likeness: float = 0.0


MOOD: Final = PartWeights(closeness=1.0, emotions=0.5)
POINT: Final = PartWeights(closeness=1.0)
TEXT: Final = PartWeights(closeness=1.0, emotions=0.5, likeness=0.25)
SONGS: Final = PartWeights(closeness=0.75, emotions=0.25, likeness=1.0)


@dataclass(frozen=True, slots=True)
class Target:
    """What the songs of a list should be like.

    `place` is (valence, arousal); `relative` is the same in shares of the catalogue. `emotions` are
    eight weights that sum to 1, or all 0. `fused` is a unit vector, or all 0.
    """

    place: NDArray[np.float64]
    relative: NDArray[np.float64]
    emotions: NDArray[np.float64]
    fused: NDArray[np.float32]
    weights: PartWeights


def target_of_request(
    request: PlaylistRequest,
    snapshot: IndexSnapshot,
    user: User | AnonymousUser | None,
) -> Target:
    """Return the target of a request; raise `PlaylistRequestError` if a part has none.

    Raises Throttled if it has words and too many others have, too.
    """
    with words_turn() if has_words(request) else contextlib.nullcontext():
        return _blend(_parts(request, snapshot, user))


def has_words(request: PlaylistRequest) -> bool:
    """Return whether the networks have to rate words of the request."""
    return bool(request.text) or any(mood_find(name) is None for name, _ in request.moods)


def _parts(
    request: PlaylistRequest, snapshot: IndexSnapshot, user: User | AnonymousUser | None
) -> list[tuple[float, Target]]:
    parts: list[tuple[float, Target]] = []
    mood_total = sum(weight for _, weight in request.moods)
    for name, weight in request.moods:
        mood = mood_find(name)
        part = _text(name, "moods", snapshot) if mood is None else _mood(mood)
        parts.append((weight / mood_total, part))
    if request.point is not None:
        parts.append((1.0, _point(request.point, snapshot)))
    if request.text:
        parts.append((1.0, _text(request.text, "text", snapshot)))
    if request.song_ids:
        _check_seed_songs(request.song_ids, snapshot)
        parts.append((1.0, _songs(dict.fromkeys(request.song_ids, 1.0), snapshot)))
    if request.history:
        parts.append((1.0, _history(user, snapshot)))
    return parts


def scores_of(
    target: Target, snapshot: IndexSnapshot, rows: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the score of each row, exact and in [0, 1]."""
    weights = target.weights
    closeness = _closeness(target, snapshot, rows) * _quadrant_factor(target, snapshot, rows)
    score = weights.closeness * closeness
    if weights.emotions:
        for number in np.flatnonzero(target.emotions):
            share = snapshot.shares(2 + int(number))[rows]
            score += weights.emotions * target.emotions[number] * share
    if weights.likeness:
        score += weights.likeness * _likeness(target, snapshot, rows)
    total = weights.closeness + weights.emotions + weights.likeness
    return np.clip(score / total, 0.0, 1.0)


def quadrant_match(
    place: NDArray[np.float64], quadrants: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return the probability, in [0, 1], that songs lie in the quadrant of a place.

    The place belongs to each quadrant q with a weight t(q), the product of its weights on both
    axes. On an axis, the high side has the weight ``high = 1 / (1 + exp(-(x - 0.5) / SIDE_SCALE))``
    and the low side ``1 - high``. With the probabilities p of a row of `quadrants` (Q1 to Q4), the
    match is::

        sum_q t(q) p(q) / max_q t(q)  =  1 - sum_q (1 - t(q) / max_q t(q)) p(q)

    It is continuous in the place. Far from the axes it is the probability of one quadrant; on an
    axis, that of two; in the middle, exactly 1 for every song.
    """
    high = 1 / (1 + np.exp(-(place - 0.5) / SIDE_SCALE))
    valence, arousal = high.tolist()
    weights = {
        Quadrant.Q1: valence * arousal,
        Quadrant.Q2: (1 - valence) * arousal,
        Quadrant.Q3: (1 - valence) * (1 - arousal),
        Quadrant.Q4: valence * (1 - arousal),
    }
    lost = 1 - np.array([weights[name] for name in QUADRANTS]) / max(weights.values())
    return np.asarray(np.clip(1 - quadrants @ lost, 0.0, 1.0))


def _quadrant_factor(
    target: Target, snapshot: IndexSnapshot, rows: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the mean of the quadrant match and the match relative to the catalogue.

    If hardly any song of the catalogue is in the target's quadrant, all songs have a low match.
    Without the second factor they would all score almost 0, and the seed would decide.
    """
    match = quadrant_match(target.place, snapshot.quadrants.take(rows, axis=0))
    typical = quadrant_match(target.place, snapshot.typical_quadrants)
    full_match = max(float(np.quantile(typical, FULL_MATCH_SHARE)), np.finfo(np.float64).tiny)
    return (match + np.minimum(match / full_match, 1.0)) / 2


def _closeness(
    target: Target, snapshot: IndexSnapshot, rows: NDArray[np.int64]
) -> NDArray[np.float64]:
    places = snapshot.affect[rows, :2]
    shares = np.stack([snapshot.shares(axis)[rows] for axis in (0, 1)], axis=1)
    absolute = np.linalg.norm(places - target.place, axis=1)
    relative = np.linalg.norm(shares - target.relative, axis=1)
    distance = (absolute + relative) / 2
    return np.asarray(np.exp(-(distance**2) / (2 * TOLERANCE**2)))


def _likeness(
    target: Target, snapshot: IndexSnapshot, rows: NDArray[np.int64]
) -> NDArray[np.float64]:
    typical = min(float(snapshot.mean_fused @ target.fused), 0.999)
    cosines = (snapshot.fused(rows) @ target.fused).astype(np.float64)
    return np.clip((cosines - typical) / (1 - typical), 0.0, 1.0)


def _blend(parts: Sequence[tuple[float, Target]]) -> Target:
    """Return the weighted mean of targets."""
    total = sum(weight for weight, _ in parts)

    def mean(name: str) -> float:
        return sum(weight * float(getattr(part.weights, name)) for weight, part in parts) / total

    emotions = np.sum([w * part.weights.emotions * part.emotions for w, part in parts], 0)
    fused = np.sum([w * part.weights.likeness * part.fused for w, part in parts], 0)
    return Target(
        place=np.sum([w * part.place for w, part in parts], 0) / total,
        relative=np.sum([w * part.relative for w, part in parts], 0) / total,
        emotions=emotions / (emotions.sum() or 1.0),
        fused=(fused / (np.linalg.norm(fused) or 1.0)).astype(np.float32),
        weights=PartWeights(
            mean("closeness"),
            mean("emotions") if emotions.any() else 0.0,
            mean("likeness") if fused.any() else 0.0,
        ),
    )


def _mood(mood: Mood) -> Target:
    place = np.array([mood.valence, mood.arousal])
    emotions = np.array([mood.emotions.get(name, 0.0) for name in EMOTIONS])
    # The coordinates of a mood are shares: "joy" is the happiest sixth of this catalogue.
    return Target(place, place, emotions / emotions.sum(), _no_direction(), MOOD)


def _point(point: AffectPoint, snapshot: IndexSnapshot) -> Target:
    place = np.array([point.valence, point.arousal])
    return Target(
        place, _relative(place, snapshot), np.zeros(len(EMOTIONS)), _no_direction(), POINT
    )


def _text(text: str, field: str, snapshot: IndexSnapshot) -> Target:
    try:
        prediction = analysis.text_analyse(text=text, version=snapshot.model_version)
    except ModelAwayError as error:
        raise PlaylistRequestError(
            PlaylistErrorCode.WORDS_UNAVAILABLE,
            "Words cannot be rated while the model changes; ask for a mood, a point or songs",
            {"field": field},
        ) from error
    except InputError as error:
        raise PlaylistRequestError(
            PlaylistErrorCode.REQUEST_INVALID,
            f"{field} has no words that the network can rate: {text!r}",
            {"field": field},
        ) from error
    place = np.array([prediction.valence, prediction.arousal])
    emotions = np.array([prediction.emotions[name] for name in EMOTIONS])
    return Target(
        place,
        _relative(place, snapshot),
        _stressed(emotions, snapshot),
        prediction.fused_embedding,
        TEXT,
    )


def _songs(weights: Mapping[int, float], snapshot: IndexSnapshot) -> Target:
    """Return the weighted mean of songs, all of them in the snapshot."""
    rows = snapshot.rows_of(weights)
    share = np.fromiter(weights.values(), np.float64)
    share /= share.sum()
    affect = share @ snapshot.affect[rows]
    place = affect[:2]
    fused = share @ snapshot.fused(rows)
    return Target(
        place,
        _relative(place, snapshot),
        _stressed(affect[2:], snapshot),
        (fused / (np.linalg.norm(fused) or 1.0)).astype(np.float32),
        SONGS,
    )


def _history(user: User | AnonymousUser | None, snapshot: IndexSnapshot) -> Target:
    weights = history_weights(user=user) if user is not None and user.is_authenticated else {}
    known = set(snapshot.song_ids[snapshot.rows_of(weights)].tolist())
    known_weights = {song_id: weight for song_id, weight in weights.items() if song_id in known}
    if not known_weights:
        raise PlaylistRequestError(
            PlaylistErrorCode.HISTORY_EMPTY,
            "You have listened to no analysed song yet; log in, listen to some, or ask for a mood",
        )
    return _songs(known_weights, snapshot)


def _check_seed_songs(song_ids: Sequence[int], snapshot: IndexSnapshot) -> None:
    known = set(snapshot.song_ids[snapshot.rows_of(song_ids)].tolist())
    missing = [song_id for song_id in song_ids if song_id not in known]
    if missing:
        raise song_unusable_error(missing)


def song_unusable_error(song_ids: Sequence[int]) -> PlaylistRequestError:
    """Return the error for songs that are not in the snapshot, with the reason."""
    available = Song.objects.filter(pk__in=song_ids, is_available=True)
    there = set(available.values_list("pk", flat=True))
    absent = [song_id for song_id in song_ids if song_id not in there]
    code = PlaylistErrorCode.SONG_NOT_FOUND if absent else PlaylistErrorCode.SONG_NOT_ANALYSED
    named = absent or list(song_ids)
    listed = ", ".join(str(song_id) for song_id in named)
    message = f"No such song: {listed}" if absent else f"Not analysed yet: song {listed}"
    return PlaylistRequestError(code, message, {"song_ids": named})


def _relative(place: NDArray[np.float64], snapshot: IndexSnapshot) -> NDArray[np.float64]:
    return np.array(
        [
            snapshot.share_below(place[axis : axis + 1].astype(np.float32), axis)[0]
            for axis in (0, 1)
        ]
    )


def _stressed(emotions: NDArray[np.float64], snapshot: IndexSnapshot) -> NDArray[np.float64]:
    """Return the emotions above the mean of the catalogue, as weights that sum to 1."""
    above = np.maximum(emotions - snapshot.mean_affect[2:], 0.0)
    return above / (above.sum() or 1.0)


def _no_direction() -> NDArray[np.float32]:
    return np.zeros(EMBEDDING_DIM, np.float32)
