"""The named moods: the point of each on the plane, and the emotions it stresses.

All points are placed by hand. Angles follow the circumplex of affect [1]_. Where ratings of music
differ from those of words, the points follow music: anger and fear are clearly unpleasant, sadness
only mildly, and tenderness is close to calm [2]_. Distances from the neutral centre are our choice.
A name that is not in the table is read as free words.

References
----------
.. [1] Russell (1980), "A circumplex model of affect", J. Pers. Soc. Psychol. 39(6).
.. [2] Eerola and Vuoskoski (2011), "A comparison of the discrete and dimensional models of emotion
   in music", Psychology of Music 39(1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mer.affect import AffectPoint


@dataclass(frozen=True, slots=True)
class Mood:
    """A named point of the plane; `emotions` holds the weights of the emotions it stresses.

    `felt` holds weights of `mer.affect.GEMS`: what listeners feel counts in place of the emotions,
    in songs of which it is known.
    """

    name: str
    valence: float
    arousal: float
    emotions: Mapping[str, float]
    aliases: tuple[str, ...] = ()
    felt: Mapping[str, float] = field(default_factory=dict)


_TABLE: Final = (
    # The eight emotions of the model come first.
    Mood("anger", 0.15, 0.85, {"anger": 1.0}, ("angry", "furious", "mad", "aggressive", "rage")),
    Mood("joy", 0.85, 0.70, {"joy": 1.0}, ("happy", "joyful", "cheerful", "glad", "upbeat", "fun")),
    Mood("sadness", 0.20, 0.25, {"sadness": 1.0}, ("sad", "blue", "heartbroken", "crying")),
    Mood("fear", 0.15, 0.75, {"fear": 1.0}, ("scary", "afraid", "frightening", "horror")),
    Mood("calmness", 0.70, 0.20, {"calmness": 1.0}, ("calm", "chill", "chilled", "relaxed",
                                                     "relaxing", "mellow", "lazy")),
    Mood("excitement", 0.80, 0.90, {"excitement": 1.0}, ("excited", "exciting", "thrilling",
                                                         "ecstatic", "euphoric")),
    Mood("disgust", 0.15, 0.60, {"disgust": 1.0}, ("disgusted", "bitter", "contempt")),
    Mood("anticipation", 0.60, 0.65, {"anticipation": 1.0}, ("anticipating", "expectant",
                                                             "hopeful", "yearning")),
    # Pleasant and lively.
    Mood("energetic", 0.70, 0.92, {"excitement": 1.0}, ("energy", "pumped", "workout")),
    Mood("party", 0.85, 0.88, {"excitement": 0.6, "joy": 0.4}, ("dance", "danceable")),
    Mood("uplifting", 0.85, 0.62, {"joy": 0.6, "anticipation": 0.4}, ("inspiring", "optimistic",
                                                                      "feel-good")),
    Mood("triumphant", 0.82, 0.80, {"excitement": 0.6, "joy": 0.4}, ("victorious", "proud")),
    Mood("epic", 0.62, 0.88, {"excitement": 0.6, "anticipation": 0.4}, ("heroic", "cinematic")),
    Mood("powerful", 0.60, 0.82, {"excitement": 0.7, "anticipation": 0.3}, ("power", "mighty"),
         {"power": 1.0}),
    Mood("amazed", 0.68, 0.58, {"anticipation": 0.5, "excitement": 0.5}, ("amazement", "awe"),
         {"amazement": 1.0}),
    Mood("playful", 0.80, 0.65, {"joy": 1.0}, ("funny", "quirky", "whimsical")),
    Mood("sexy", 0.72, 0.58, {"excitement": 0.6, "joy": 0.4}, ("sensual", "seductive")),
    # Pleasant and quiet.
    Mood("romantic", 0.76, 0.38, {"calmness": 0.5, "joy": 0.5}, ("romance", "love", "loving")),
    Mood("tender", 0.70, 0.28, {"calmness": 0.8, "joy": 0.2}, ("gentle", "soft", "warm"),
         {"tenderness": 1.0}),
    Mood("peaceful", 0.75, 0.15, {"calmness": 1.0}, ("serene", "tranquil", "meditative")),
    Mood("dreamy", 0.65, 0.28, {"calmness": 0.8, "anticipation": 0.2}, ("dream", "hazy")),
    Mood("ethereal", 0.60, 0.22, {"calmness": 0.7, "anticipation": 0.3}, ("heavenly", "ambient")),
    Mood("content", 0.78, 0.35, {"joy": 0.5, "calmness": 0.5}, ("satisfied", "comfortable")),
    Mood("sleepy", 0.58, 0.08, {"calmness": 1.0}, ("sleep", "drowsy", "lullaby")),
    # Unpleasant and quiet.
    Mood("melancholy", 0.32, 0.28, {"sadness": 1.0}, ("melancholic", "wistful", "bittersweet")),
    Mood("nostalgic", 0.50, 0.32, {"sadness": 0.5, "calmness": 0.5}, ("nostalgia", "longing"),
         {"nostalgia": 1.0}),
    Mood("solemn", 0.45, 0.25, {"calmness": 0.6, "sadness": 0.4}, ("solemnity", "reverent"),
         {"solemnity": 1.0}),
    Mood("lonely", 0.22, 0.30, {"sadness": 1.0}, ("alone", "loneliness")),
    Mood("gloomy", 0.20, 0.30, {"sadness": 0.8, "fear": 0.2}, ("depressed", "depressing",
                                                               "bleak", "despair")),
    Mood("bored", 0.35, 0.15, {"sadness": 1.0}, ("boring", "tired", "dull")),
    # Unpleasant and lively.
    Mood("dark", 0.22, 0.50, {"fear": 0.6, "sadness": 0.4}, ("sinister", "haunting", "eerie")),
    Mood("tense", 0.28, 0.78, {"fear": 0.6, "anticipation": 0.4}, ("tension", "nervous", "anxious",
                                                                   "suspenseful", "stressed")),
    Mood("dramatic", 0.38, 0.78, {"anticipation": 0.5, "fear": 0.5}, ("drama", "intense")),
    Mood("rebellious", 0.38, 0.85, {"anger": 0.6, "excitement": 0.4}, ("defiant", "wild")),
)  # fmt: skip

MOODS: Final[Mapping[str, Mood]] = {mood.name: mood for mood in _TABLE}
"""All moods by name, the eight emotions first."""

_ADJECTIVES: Final = {
    "anger": "angry",
    "joy": "happy",
    "sadness": "sad",
    "fear": "scary",
    "calmness": "calm",
    "excitement": "exciting",
    "disgust": "bitter",
    "anticipation": "hopeful",
}
"""What the emotions of the model are called of music; each is also an alias."""

_BY_WORD: Final = {
    word: mood for mood in _TABLE for word in (mood.name, *mood.aliases)
}  # a test checks that no word names two moods


def mood_find(name: str) -> Mood | None:
    """Return the mood with this name or alias, ignoring case; None if there is none."""
    return _BY_WORD.get(name.strip().casefold())


def mood_nearest(point: AffectPoint) -> str:
    """Return the name of the mood whose place is nearest to a point, as listeners would say it."""
    nearest = min(
        MOODS.values(),
        key=lambda mood: math.hypot(mood.valence - point.valence, mood.arousal - point.arousal),
    )
    return said(nearest)


def said(mood: Mood) -> str:
    """Return what a mood is called of music; it is the name of the mood or an alias."""
    return as_said(mood.name)


def as_said(name: str) -> str:
    """Return what an emotion of the model is called of music, as "happy" of "joy".

    Any other name is returned as it is.
    """
    return _ADJECTIVES.get(name, name)
