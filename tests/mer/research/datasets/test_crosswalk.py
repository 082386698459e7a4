"""Mood words to the plane and to the eight emotions, over a small table of norms."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mer.affect import EMOTIONS
from mer.errors import DatasetError
from mer.research.datasets.crosswalk import (
    ANCHORS,
    GOEMOTIONS,
    PLAIN_EMOTIONS,
    SYNONYMS,
    Crosswalk,
    WordNorm,
    mix,
)

CENTRES = {
    "anger": WordNorm(0.2, 0.7, 0.5),
    "joy": WordNorm(0.9, 0.6, 0.8),
    "sadness": WordNorm(0.2, 0.3, 0.3),
    "fear": WordNorm(0.2, 0.7, 0.2),
    "calmness": WordNorm(0.8, 0.2, 0.7),
    "excitement": WordNorm(0.8, 0.7, 0.6),
    "disgust": WordNorm(0.2, 0.5, 0.4),
}
NORMS = {
    **{word: CENTRES[emotion] for emotion, words in ANCHORS.items() for word in words},
    "autumn": WordNorm(0.7, 0.3, 0.5),
    "winter": WordNorm(0.5, 0.2, 0.4),
    "spring": WordNorm(0.8, 0.6, 0.6),
    "knot": WordNorm(0.4, 0.3, 0.6),
    "threaten": WordNorm(0.2, 0.6, 0.3),
    "celebrate": WordNorm(0.9, 0.7, 0.6),
    "tense": WordNorm(0.3, 0.6, 0.4),
    "anxious": WordNorm(0.2, 0.7, 0.2),
    "kind": WordNorm(0.8, 0.3, 0.6),
    "amiable": WordNorm(0.7, 0.3, 0.6),
    "lovely": WordNorm(0.9, 0.4, 0.6),
}


@pytest.fixture
def crosswalk() -> Crosswalk:
    return Crosswalk(NORMS)


@pytest.mark.parametrize(
    ("word", "source", "lemmas"),
    [
        ("Calm", "norm", ("calm",)),
        ("  calm ", "norm", ("calm",)),
        ("Good-Natured", "synonym", ("kind", "amiable")),
        ("good natured", "synonym", ("kind", "amiable")),
        ("Autumnal", "inflection", ("autumn",)),
        ("Wintry", "inflection", ("winter",)),
        ("Springlike", "inflection", ("spring",)),
        ("Knotty", "inflection", ("knot",)),
        ("Threatening", "inflection", ("threaten",)),
        ("Celebratory", "inflection", ("celebrate",)),
        ("Tense - Anxious", "parts", ("tense", "anxious")),
        ("Amiable-good natured", "parts", ("amiable", "kind", "amiable")),
    ],
)
def test_a_mood_word_is_found(crosswalk, word, source, lemmas):
    found = crosswalk.resolve(word)
    assert found is not None
    assert (found.source, found.lemmas) == (source, lemmas)


def test_norms_of_parts_are_averaged(crosswalk):
    point = crosswalk.point(["Tense - Anxious"])
    assert (point.valence, point.arousal) == pytest.approx((0.25, 0.65))


def test_a_song_has_the_mean_of_its_known_words(crosswalk):
    point = crosswalk.point(["calm", "sadness", "xyzzy"])
    assert (point.valence, point.arousal) == pytest.approx((0.5, 0.25))


@pytest.mark.parametrize("words", [[], ["xyzzy"], ["", "q - q"]])
def test_unknown_words_give_nothing(crosswalk, words):
    assert crosswalk.point(words) is None
    assert crosswalk.emotions(words) is None


def test_a_plain_word_has_precedence_over_its_norms(crosswalk):
    # "calm" and "hostile" are in the table; the norms would give weights below 1.
    assert crosswalk.emotions(["calm"]) == mix([{"calmness": 1}])
    assert crosswalk.emotions(["hostile"]) == mix([{"anger": 1}])
    assert crosswalk.emotions(["Tense - Anxious"]) == mix([{"fear": 0.7, "anticipation": 0.3}])


def test_other_words_have_the_nearest_emotion(crosswalk):
    emotions = crosswalk.emotions(["lovely"])
    assert sum(emotions) == pytest.approx(1)
    assert EMOTIONS[emotions.index(max(emotions))] in ("joy", "calmness")
    assert emotions[EMOTIONS.index("anticipation")] == 0


def test_a_neutral_word_counts_for_less_than_one_with_emotion():
    count = len(NORMS)
    neutral = WordNorm(*(sum(n) / count for n in zip(*map(_coordinates, NORMS.values()))))  # noqa: B905
    crosswalk = Crosswalk({**NORMS, "plainest": neutral, "thunder": CENTRES["fear"]})
    with_neutral = crosswalk.emotions(["thunder", "plainest"])
    alone = crosswalk.emotions(["thunder"])
    fear = EMOTIONS.index("fear")
    assert alone[fear] > with_neutral[fear] > 0.5 * (alone[fear] + 1 / 7)


def _coordinates(norm: WordNorm) -> tuple[float, float, float]:
    return norm.valence, norm.arousal, norm.dominance


@given(st.lists(st.sampled_from(sorted({*NORMS, *PLAIN_EMOTIONS})), min_size=1, max_size=6))
def test_emotions_are_a_distribution_whatever_the_words(words):
    emotions = Crosswalk(NORMS).emotions(words)
    if emotions is None:  # none of these words has a norm in the small table
        assert not any(word in NORMS for word in words)
        return
    assert len(emotions) == 8
    assert min(emotions) >= 0
    assert math.isclose(sum(emotions), 1)


def test_tables_name_only_the_eight_and_weigh_one():
    for weights in (*PLAIN_EMOTIONS.values(), *GOEMOTIONS.values()):
        assert set(weights) <= set(EMOTIONS)
        assert not weights or sum(weights.values()) == pytest.approx(1)
    assert len(GOEMOTIONS) == 28
    assert all(SYNONYMS.values())


def test_norms_without_the_anchors_are_refused():
    with pytest.raises(DatasetError, match="rage"):
        Crosswalk({word: norm for word, norm in NORMS.items() if word != "rage"})


def test_norms_without_a_synonym_are_refused(crosswalk):
    with pytest.raises(DatasetError, match="instinct"):
        crosswalk.resolve("visceral")


@pytest.mark.parametrize("weights", [{"joy": 0.0}, {}, {"envy": 1.0}])
def test_a_distribution_needs_a_weight(weights):
    with pytest.raises(DatasetError):
        mix([weights])
