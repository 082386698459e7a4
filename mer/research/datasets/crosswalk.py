r"""Mood words to valence and arousal, and to the eight emotions; without torch or files.

**Words to the plane.** The norms of Warriner et al. [1]_ rate 13,915 lemmas on valence, arousal
and dominance, 1 to 9. `Crosswalk` looks a mood word up in four steps: the word itself, a near
synonym from `SYNONYMS`, the lemma it is derived from, its parts. A song gets the mean of its words.

**Words to emotions.** `PLAIN_EMOTIONS` lists the words whose emotion the literature states:

- anger, joy, sadness, fear: clusters of the prototype tree of Shaver et al. [2]_;
- calmness, excitement, which are not in that tree: the circumplex of Russell [3]_;
- anticipation and mixtures: Plutchik's wheel [4]_. Optimism is anticipation with joy, aggression is
  anger with anticipation, contempt is anger with disgust.

Any other word has the weights

.. math:: w_e = \exp(-\lVert x - c_e \rVert^2 / \tau) / Z

with x its norms on the unit scale, c_e the mean norms of the `ANCHORS` of emotion e, and Z the sum
over these emotions and a neutral one, whose c is the mean of all norms. The neutral weight is
dropped, so a word without emotion (*technical*) has little weight among a song's words.
Anticipation has no anchors, because in the norms it lies in the neutral middle.

**Limits.** The norms rate words without music. *Greasy* is rated unpleasant but is praise for a
horn section; *bittersweet* is rated happy. Valence and dominance correlate in the norms (r = 0.72).
Anger and fear differ mainly in dominance, so the soft assignment confuses them. Of the 75 plain
words of one emotion with anchors, the nearest anchor is right for 52%. Disgust and anticipation are
rare in descriptions of music, so few words map to them. The eight emotions are for browsing. They
are not listeners' ratings.

References
----------
.. [1] Warriner, Kuperman & Brysbaert (2013), "Norms of valence, arousal, and dominance for
   13,915 English lemmas", Behavior Research Methods 45.
.. [2] Shaver, Schwartz, Kirson & O'Connor (1987), "Emotion knowledge", J. Pers. Soc. Psychol.
   52(6).
.. [3] Russell (1980), "A circumplex model of affect", J. Pers. Soc. Psychol. 39(6).
.. [4] Plutchik (1980), "Emotion: a psychoevolutionary synthesis".
.. [5] Demszky et al. (2020), "GoEmotions: a dataset of fine-grained emotions", ACL; its grouping
   of the 27 emotions by Ekman's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, cast

from mer.affect import EMOTIONS, AffectPoint
from mer.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from mer.research.datasets.base import Emotions


Source = Literal["norm", "synonym", "inflection", "parts"]

ANCHORS: Final[Mapping[str, tuple[str, ...]]] = {
    "anger": ("anger", "rage", "fury", "hostility"),
    "joy": ("joy", "happiness", "delight", "cheerful"),
    "sadness": ("sadness", "sorrow", "gloom", "melancholy"),
    "fear": ("fear", "terror", "horror", "panic"),
    "calmness": ("calm", "peaceful", "serenity", "relaxed"),
    "excitement": ("excitement", "thrill", "exhilarating", "energetic"),
    "disgust": ("disgust", "disgusting", "loathing", "repulsive"),
}
"""Words whose mean norms are the centre of an emotion."""

TEMPERATURE: Final = 0.07
"""Tau of the soft assignment: the maximum-likelihood value for the words of one plain emotion."""

SYNONYMS: Final[Mapping[str, tuple[str, ...]]] = {
    "acerbic": ("sarcastic", "bitter"),
    "agressive": ("aggressive",),
    "angst-ridden": ("angst",),
    "austere": ("stern",),
    "boisterous": ("rowdy", "lively"),
    "brassy": ("brash",),
    "campy": ("theatrical", "silly"),
    "cathartic": ("emotional",),
    "confrontational": ("hostile",),
    "druggy": ("drug",),
    "effervescent": ("bubbly",),
    "enigmatic": ("enigma",),
    "ethereal": ("heavenly",),
    "exuberant": ("enthusiastic", "lively"),
    "fractured": ("fracture",),
    "freewheeling": ("carefree",),
    "good-natured": ("kind", "amiable"),
    "hedonistic": ("indulgent",),
    "insular": ("isolation",),
    "irreverent": ("disrespectful",),
    "jovial": ("jolly",),
    "laid-back": ("relaxed",),
    "literate": ("literacy",),
    "malevolent": ("malicious", "evil"),
    "marching": ("parade",),
    "meandering": ("wander",),
    "nihilistic": ("hopeless",),
    "pastoral": ("rural", "pasture"),
    "plaintive": ("lament",),
    "rambunctious": ("rowdy", "lively"),
    "ramshackle": ("shabby",),
    "raucous": ("rowdy", "noisy"),
    "restrained": ("reserved",),
    "rollicking": ("lively", "jolly"),
    "sardonic": ("sarcastic",),
    "self-conscious": ("shy",),
    "somber": ("gloomy", "serious"),
    "sparse": ("bare",),
    "sprawling": ("spacious",),
    "street-smart": ("clever",),
    "swaggering": ("bravado",),
    "trippy": ("hallucination",),
    "unsettling": ("disturb",),
    "visceral": ("instinct",),
    "wistful": ("nostalgic", "yearn"),
    "wry": ("ironic", "humorous"),
}
"""Near synonyms in the norms for mood words that are not; a word gets the mean of its synonyms."""


def _by_word(*rows: tuple[Mapping[str, float], str]) -> Mapping[str, Mapping[str, float]]:
    return {word: weights for weights, words in rows for word in words.split()}


PLAIN_EMOTIONS: Final = _by_word(
    # anger cluster [2]: anger, rage, hostility, ferocity, bitterness, outrage, spite
    ({"anger": 1.0}, "angry hostile fierce outraged belligerent confrontational bitter"),
    ({"anger": 0.7, "anticipation": 0.3}, "aggressive agressive"),  # dyad [4]
    ({"anger": 0.5, "fear": 0.5}, "malevolent"),
    ({"anger": 0.5, "excitement": 0.5}, "fiery volatile"),
    ({"anger": 0.6, "disgust": 0.4}, "acerbic sarcastic sardonic snide"),  # contempt, a dyad [4]
    # joy cluster [2]: cheerfulness, joy, glee, joviality, euphoria, amusement
    ({"joy": 1.0}, "happy joyous cheerful gleeful jovial fun humorous silly playful witty"),
    ({"joy": 1.0}, "whimsical wry campy sweet amiable good-natured celebratory carefree"),
    ({"joy": 0.5, "excitement": 0.5}, "euphoric exuberant effervescent giddy uplifting"),
    ({"joy": 0.5, "excitement": 0.5}, "rollicking rambunctious passionate"),
    ({"joy": 0.6, "calmness": 0.4}, "romantic tender"),
    # sadness cluster [2]: sadness, gloom, melancholy, anguish, loneliness, despair
    ({"sadness": 1.0}, "sad gloomy melancholy bleak somber lonely plaintive tragic wistful"),
    ({"sadness": 1.0}, "brooding poignant anguished distraught"),
    ({"sadness": 0.6, "joy": 0.4}, "bittersweet nostalgic sentimental"),
    ({"sadness": 0.6, "calmness": 0.4}, "autumnal weary"),
    ({"sadness": 0.5, "fear": 0.5}, "angst-ridden"),  # despair, a dyad [4]
    # fear cluster [2]: fear, anxiety, nervousness, tenseness, dread
    ({"fear": 1.0}, "menacing ominous spooky eerie paranoid threatening unsettling suffocating"),
    ({"fear": 1.0}, "nervous jittery"),
    ({"fear": 0.7, "anticipation": 0.3}, "anxious tense"),  # dyad [4]
    # pleasant, low arousal [3]
    ({"calmness": 1.0}, "calm peaceful soothing relaxed gentle soft quiet mellow laid-back"),
    ({"calmness": 1.0}, "meditative dreamy pastoral delicate smooth restrained ethereal"),
    # pleasant, high arousal [3]
    ({"excitement": 1.0}, "exciting rousing energetic thrilling lively explosive boisterous"),
    ({"excitement": 1.0}, "rowdy raucous manic intense"),
    # interest, vigilance, hope and optimism are on the wheel's spoke of anticipation [4]
    ({"anticipation": 1.0}, "searching yearning enigmatic urgent"),
    ({"anticipation": 0.5, "joy": 0.5}, "optimistic"),  # dyad
    ({"anticipation": 0.5, "disgust": 0.5}, "cynical"),  # dyad
)
"""Emotions of the words whose emotion is plain; they have precedence over the norms."""

GOEMOTIONS: Final = _by_word(
    ({"joy": 1.0}, "admiration amusement gratitude joy love pride"),
    ({"joy": 0.5, "calmness": 0.5}, "approval caring relief"),
    ({"anger": 1.0}, "anger annoyance"),
    ({"anger": 0.5, "disgust": 0.5}, "disapproval"),  # contempt, a dyad [4]
    ({"disgust": 1.0}, "disgust"),
    ({"sadness": 1.0}, "disappointment embarrassment grief sadness"),
    ({"sadness": 0.5, "disgust": 0.5}, "remorse"),  # dyad [4]
    ({"fear": 1.0}, "fear nervousness"),
    ({"excitement": 1.0}, "excitement"),
    ({"anticipation": 1.0}, "curiosity desire"),
    ({"anticipation": 0.5, "joy": 0.5}, "optimism"),  # dyad [4]
    # Not mapped: surprise has no valence, the other three are not emotions.
    ({}, "confusion neutral realization surprise"),
)
"""The 28 labels of GoEmotions as the eight emotions, after the grouping of [5]_.

A label with an empty mapping is dropped.
"""


@dataclass(frozen=True, slots=True)
class WordNorm:
    """Valence, arousal and dominance of a word, each in [0, 1], 0.5 neutral."""

    valence: float
    arousal: float
    dominance: float


@dataclass(frozen=True, slots=True)
class Resolution:
    """Result of the look-up of a mood word.

    Parameters
    ----------
    source : {'norm', 'synonym', 'inflection', 'parts'}
        The step that found it.
    lemmas : tuple of str
        The rated words that were found.
    norm : WordNorm
        Mean of their norms.
    """

    source: Source
    lemmas: tuple[str, ...]
    norm: WordNorm


class Crosswalk:
    """Maps mood words to valence and arousal and to the eight emotions.

    Parameters
    ----------
    norms : mapping of str to WordNorm
        Rated lemmas, lower case; see `warriner.load_norms`.

    Raises
    ------
    DatasetError
        If an anchor word has no norm.
    """

    def __init__(self, norms: Mapping[str, WordNorm]) -> None:
        missing = sorted({word for words in ANCHORS.values() for word in words} - set(norms))
        if missing:
            raise DatasetError(f"the norms lack {', '.join(missing)}; fetch the full table again")
        self._norms = norms
        self._neutral = _mean(list(norms.values()))
        self._centres = {
            emotion: _mean([norms[word] for word in words]) for emotion, words in ANCHORS.items()
        }

    def resolve(self, word: str) -> Resolution | None:
        """Find the norms of a mood word; None if no step finds any."""
        word = _tidy(word)
        if word in self._norms:
            return self._resolution("norm", (word,))
        if synonyms := SYNONYMS.get(word.replace(" ", "-")):
            return self._resolution("synonym", synonyms)
        lemma = next((lemma for lemma in _lemmas(word) if lemma in self._norms), None)
        if lemma is not None:
            return self._resolution("inflection", (lemma,))
        parts = _parts(word)
        if len(parts) == 1:
            return None
        found = [self.resolve(part) for part in parts]
        lemmas = tuple(lemma for part in found if part is not None for lemma in part.lemmas)
        return self._resolution("parts", lemmas) if lemmas else None

    def point(self, words: Iterable[str]) -> AffectPoint | None:
        """Mean valence and arousal of the words that are found; None if none is."""
        found = [found.norm for word in words if (found := self.resolve(word)) is not None]
        if not found:
            return None
        norm = _mean(found)
        return AffectPoint(norm.valence, norm.arousal)

    def emotions(self, words: Iterable[str]) -> Emotions | None:
        """Mean distribution over the eight emotions of the words found; None if none is."""
        found = [self._word_emotions(_tidy(word)) for word in words]
        return mix(found) if any(found) else None

    def _word_emotions(self, word: str) -> Mapping[str, float]:
        """Weights of the emotions; they sum to at most 1, and the rest is neutral."""
        for names in ((word,), _parts(word)):
            plain = [PLAIN_EMOTIONS[key] for name in names if (key := _plain_key(name))]
            if plain:
                return dict(zip(EMOTIONS, mix(plain), strict=True))
        found = self.resolve(word)
        if found is None:
            return {}
        nearness = {
            emotion: math.exp(-_squared_distance(found.norm, centre) / TEMPERATURE)
            for emotion, centre in self._centres.items()
        }
        neutral = math.exp(-_squared_distance(found.norm, self._neutral) / TEMPERATURE)
        total = sum(nearness.values()) + neutral
        return {emotion: near / total for emotion, near in nearness.items()}

    def _resolution(self, source: Source, lemmas: tuple[str, ...]) -> Resolution:
        missing = [lemma for lemma in lemmas if lemma not in self._norms]
        if missing:
            raise DatasetError(f"the norms lack {', '.join(missing)}; fetch the full table again")
        return Resolution(source, lemmas, _mean([self._norms[lemma] for lemma in lemmas]))


def mix(weights: Iterable[Mapping[str, float]]) -> Emotions:
    """Add weights of the emotions and normalise the sum to a distribution.

    Parameters
    ----------
    weights : iterable of mapping of str to float
        Not negative. A missing emotion has the weight 0.

    Returns
    -------
    tuple of 8 float
        Sums to 1.

    Raises
    ------
    DatasetError
        If all weights are 0, or a name is not one of the eight.
    """
    totals = dict.fromkeys(EMOTIONS, 0.0)
    for weighting in weights:
        for emotion, weight in weighting.items():
            if emotion not in totals:
                raise DatasetError(f"{emotion!r} is not one of {', '.join(EMOTIONS)}")
            totals[emotion] += weight
    overall = sum(totals.values())
    if overall <= 0:
        raise DatasetError("no emotion has any weight")
    return cast("Emotions", tuple(totals[emotion] / overall for emotion in EMOTIONS))


def _tidy(word: str) -> str:
    return " ".join(word.lower().split())


def _plain_key(word: str) -> str | None:
    key = word.replace(" ", "-")
    return key if key in PLAIN_EMOTIONS else None


def _parts(word: str) -> tuple[str, ...]:
    """Split a compound such as ``Tense - Anxious``, at hyphens if it has any, else at spaces."""
    parts = word.split("-") if "-" in word else word.split()
    return tuple(part.strip() for part in parts if part.strip()) or (word,)


def _lemmas(word: str) -> Iterator[str]:
    """Yield the lemmas that an adjective may be derived from, most likely first."""
    endings = (
        ("ing", ("", "e")),
        ("ed", ("", "e")),
        ("ful", ("",)),
        ("like", ("",)),
        ("ish", ("", "e")),
        ("al", ("", "e")),
        ("ory", ("e", "ion")),
        ("ive", ("e", "ion")),
        ("ous", ("", "y", "e")),
        ("y", ("", "e")),
        ("ly", ("",)),
    )
    for ending, replacements in endings:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            stem = word.removesuffix(ending)
            yield from (stem + replacement for replacement in replacements)
            if len(stem) > 3 and stem[-1] == stem[-2]:  # knotty -> knot
                yield stem[:-1]
            if stem.endswith("r"):  # wintry -> winter
                yield stem[:-1] + "er"


def _mean(norms: Sequence[WordNorm]) -> WordNorm:
    count = len(norms)
    return WordNorm(
        sum(norm.valence for norm in norms) / count,
        sum(norm.arousal for norm in norms) / count,
        sum(norm.dominance for norm in norms) / count,
    )


def _squared_distance(one: WordNorm, other: WordNorm) -> float:
    return (
        (one.valence - other.valence) ** 2
        + (one.arousal - other.arousal) ** 2
        + (one.dominance - other.dominance) ** 2
    )
