"""The valence-arousal plane, its quadrants and the eight emotions; no torch.

The plane is Russell's circumplex [1]_. Outside data-set loaders there is one scale: valence and
arousal in [0, 1], 0.5 neutral, valence first.

References
----------
.. [1] Russell (1980), "A circumplex model of affect", J. Pers. Soc. Psychol. 39(6).
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import Final

from mer.errors import InputError

EMOTIONS: Final = (
    "anger",
    "joy",
    "sadness",
    "fear",
    "calmness",
    "excitement",
    "disgust",
    "anticipation",
)
"""The eight emotions, in the order of every array that holds them."""

GEMS: Final = (
    "amazement",
    "solemnity",
    "tenderness",
    "nostalgia",
    "calmness",
    "power",
    "joyful_activation",
    "tension",
    "sadness",
)
"""The nine factors of the Geneva Emotional Music Scale, named and ordered as in Emotify."""

GEMS_WORDS: Final = {name: name.replace("joyful_activation", "joy") for name in GEMS}
"""How the factors are called on pages."""


class Quadrant(enum.StrEnum):
    """The four quadrants of the plane. The values are public ids."""

    Q1 = "Q1"  # V+ A+ happy
    Q2 = "Q2"  # V- A+ angry
    Q3 = "Q3"  # V- A- sad
    Q4 = "Q4"  # V+ A- calm


QUADRANTS: Final = tuple(Quadrant)


@dataclass(frozen=True, slots=True)
class AffectPoint:
    """A point on the plane.

    Parameters
    ----------
    valence, arousal : float in [0, 1]
        0.5 is neutral.

    Raises
    ------
    InputError
        If a coordinate is not a finite number in [0, 1].
    """

    valence: float
    arousal: float

    def __post_init__(self) -> None:
        for name in ("valence", "arousal"):
            value = getattr(self, name)
            if not (math.isfinite(value) and 0.0 <= value <= 1.0):
                raise InputError(f"{name} must be a number from 0 to 1, not {value!r}")

    @property
    def quadrant(self) -> Quadrant:
        """The quadrant that holds the point; 0.5 counts as high on either axis."""
        if self.arousal >= 0.5:
            return Quadrant.Q1 if self.valence >= 0.5 else Quadrant.Q2
        return Quadrant.Q4 if self.valence >= 0.5 else Quadrant.Q3


@dataclass(frozen=True, slots=True)
class AffectScale:
    """The rating scale of a data set.

    Parameters
    ----------
    low, high : float
        The ratings that map to 0 and 1; `low` < `high`.
    """

    low: float
    high: float

    def to_unit(self, value: float) -> float:
        """Map a rating on this scale to [0, 1]."""
        return (value - self.low) / (self.high - self.low)


UNIT: Final = AffectScale(0.0, 1.0)
NINE_POINT: Final = AffectScale(1.0, 9.0)
FIVE_POINT: Final = AffectScale(1.0, 5.0)
