"""How moods and their opposites lie on the plane, and the one place that satisfies several.

Each word speaks about valence and arousal to a different degree: "sad" is about valence, "slow"
about arousal. Its *salience* states that degree for each axis, from 0 to 1. The place of several
words is the mean on each axis, weighted by salience. So "sad but energetic" is unpleasant and
lively, not the middle between the two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from recommender.moods import MOODS

if TYPE_CHECKING:
    from collections.abc import Sequence

NEUTRAL: Final = 0.5
STEP: Final = 0.2
"""How far "happier" moves a target along the axis that it is about."""
FLIPPED_FROM: Final = 0.7
"""A refusal flips an axis whose salience is at least this share of the larger one."""
_FARTHEST_FLIP: Final = 0.3
"""From the middle: a refused mood asks for the other side, not for the extreme opposite."""
_NEAR: Final = 0.35
"""A refused mood at most so far from what is wanted moves it: happy, but not energetic."""
_REFUSAL: Final = 0.8
"""Weight of the flipped side of a refused mood beside what is asked for."""

_SALIENCE: Final = {
    "anger": (0.8, 0.9), "joy": (1.0, 0.3), "sadness": (1.0, 0.35), "fear": (0.9, 0.6),
    "calmness": (0.3, 1.0), "excitement": (0.4, 1.0), "disgust": (1.0, 0.1),
    "anticipation": (0.5, 0.4), "energetic": (0.15, 1.0), "party": (0.5, 0.8),
    "uplifting": (1.0, 0.3), "triumphant": (0.8, 0.7), "epic": (0.2, 0.9), "playful": (0.9, 0.4),
    "sexy": (0.4, 0.2), "romantic": (0.7, 0.4), "tender": (0.5, 0.8), "peaceful": (0.5, 1.0),
    "dreamy": (0.3, 0.7), "ethereal": (0.2, 0.7), "content": (0.9, 0.5), "sleepy": (0.1, 1.0),
    "melancholy": (0.9, 0.4), "nostalgic": (0.2, 0.5), "lonely": (0.9, 0.4), "gloomy": (1.0, 0.3),
    "bored": (0.6, 0.8), "dark": (1.0, 0.1), "tense": (0.7, 0.7), "dramatic": (0.3, 0.8),
    "rebellious": (0.4, 0.9), "powerful": (0.2, 1.0), "amazed": (0.7, 0.4), "solemn": (0.2, 0.8),
}  # fmt: skip
"""For each mood: how much it says about valence and about arousal. Our choice."""
_WITHOUT_OPPOSITE: Final = frozenset(
    {"romantic", "sexy", "nostalgic", "dreamy", "ethereal", "anticipation", "amazed", "solemn"}
)
"""Moods whose refusal asks for nothing else."""
AXES: Final = {
    "v+": ("pleasant", (0.78, NEUTRAL), (0.8, 0.0)),
    "v-": ("unpleasant", (0.22, NEUTRAL), (0.8, 0.0)),
    "a+": ("lively", (NEUTRAL, 0.85), (0.0, 1.2)),
    "a+?": ("heavy", (NEUTRAL, 0.78), (0.0, 0.5)),
    "a-": ("quiet", (NEUTRAL, 0.2), (0.0, 1.2)),
}
"""Words about one axis: what they are called, the place and the salience.

They name the axis itself, so they count more on it than a mood: "angry but quiet" is quiet.
"""


class Pull(NamedTuple):
    """A place with its salience and weight on each axis; places are shares of the catalogue."""

    place: tuple[float, float]
    salience: tuple[float, float]


def name_of(sense: str) -> str:
    """Return what a mood or an axis is called."""
    return AXES[sense][0] if sense in AXES else sense


def pull_of(sense: str, strength: float) -> Pull:
    """Return the pull of a mood or an axis; "very" (above 1) leads away from the middle."""
    if sense in AXES:
        _, place, salience = AXES[sense]
    else:
        mood = MOODS[sense]
        place, salience = (mood.valence, mood.arousal), _SALIENCE[sense]
    reach = 1 + 0.5 * (strength - 1)
    valence, arousal = (_inside(NEUTRAL + (x - NEUTRAL) * reach) for x in place)
    return Pull((valence, arousal), (salience[0] * strength, salience[1] * strength))


def has_opposite(sense: str) -> bool:
    """Return whether the refusal of a mood or an axis asks for something else."""
    return sense not in _WITHOUT_OPPOSITE


def opposite_of(refused: Pull) -> Pull:
    """Return what a refusal asks for: the other side of its main axes."""
    main = FLIPPED_FROM * max(refused.salience)
    valence, arousal = (_flipped(x) for x in refused.place)
    kept = tuple(_REFUSAL * s if s >= main else 0.0 for s in refused.salience)
    return Pull((valence, arousal), (kept[0], kept[1]))


def direction_of(sense: str) -> tuple[float, float]:
    """Return the direction on the plane in which more of a mood or an axis leads."""
    place, salience = pull_of(sense, 1.0)
    largest = max(salience)
    steps = [
        s / largest * (1 if x > NEUTRAL else -1) if s >= largest / 2 and x != NEUTRAL else 0.0
        for x, s in zip(place, salience, strict=True)
    ]
    return steps[0], steps[1]


def place_of(
    wanted: Sequence[Pull], refused: Sequence[Pull], turned: Sequence[Pull] = ()
) -> tuple[float, float]:
    """Return the place that satisfies all pulls.

    `refused` are the places of what is refused, as of `pull_of`. Those that lie far from what is
    wanted ask for nothing more. The opposite of the others counts on an axis only as far as what is
    wanted leaves that axis open. `turned` are refused axes: "not loud" counts like "quiet".
    """
    near = [pull for pull in refused if _is_near(pull, wanted)]
    opposites = [opposite_of(pull) for pull in near]
    asked = [*wanted, *(pull._replace(place=opposite_of(pull).place) for pull in turned)]
    valence, arousal = (_on_axis(axis, asked, opposites) for axis in (0, 1))
    return valence, arousal


def _is_near(refused: Pull, wanted: Sequence[Pull]) -> bool:
    """Return whether what is wanted may be what is refused, by the axes that it is about."""
    if not wanted:
        return True
    distance = 0.0
    for axis in (0, 1):
        claimed = min(1.0, max(pull.salience[axis] for pull in wanted))
        distance += (claimed * (_on_axis(axis, wanted, ()) - refused.place[axis])) ** 2
    return bool(distance**0.5 <= _NEAR)


def moved(
    place: tuple[float, float], steps: Sequence[tuple[tuple[float, float], float]]
) -> tuple[float, float]:
    """Return a place after steps, each a direction with a strength; negative leads back."""
    valence, arousal = place
    for (along_valence, along_arousal), strength in steps:
        valence += STEP * strength * along_valence
        arousal += STEP * strength * along_arousal
    return _inside(valence), _inside(arousal)


def _on_axis(axis: int, wanted: Sequence[Pull], refused: Sequence[Pull]) -> float:
    claimed = max((pull.salience[axis] for pull in wanted), default=0.0)
    left = max(0.0, 1.0 - claimed)
    weighted = [(pull.place[axis], pull.salience[axis]) for pull in wanted]
    weighted += [(pull.place[axis], pull.salience[axis] * left) for pull in refused]
    total = sum(weight for _, weight in weighted)
    return sum(x * weight for x, weight in weighted) / total if total else NEUTRAL


def _flipped(x: float) -> float:
    return NEUTRAL + max(-_FARTHEST_FLIP, min(_FARTHEST_FLIP, NEUTRAL - x))


def _inside(x: float) -> float:
    return max(0.02, min(0.98, x))
