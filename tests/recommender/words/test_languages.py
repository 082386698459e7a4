# ruff: noqa: RUF001  letters of many languages

from __future__ import annotations

import pytest

from recommender.moods import MOODS
from recommender.words import understand
from recommender.words.lexicon import Kind, languages

LANGUAGES = languages()
SAD = {
    "en": ("sad", "not sad"),
    "de": ("traurig", "nicht traurig"),
    "fr": ("chanson triste", "pas triste"),
    "es": ("canción triste", "nada triste"),
    "it": ("canzone triste", "non triste"),
    "pt": ("canção triste", "não triste"),
    "nl": ("verdrietig", "niet verdrietig"),
    "pl": ("smutny", "nie smutny"),
    "sv": ("ledsen", "inte ledsen"),
    "tr": ("üzgün", "üzgün değil"),
    "ru": ("грустно", "не грустно"),
    "ar": ("حزين", "ليس حزينا"),
    "hi": ("उदास", "उदास नहीं"),
    "ja": ("悲しい", "悲しくない"),
    "zh": ("悲伤", "不悲伤"),
    "ko": ("슬픈", "슬프지 않은"),
}


def test_there_is_an_example_of_every_language() -> None:
    assert set(SAD) == set(LANGUAGES)
    assert len(LANGUAGES) >= 12


@pytest.mark.parametrize("code", SAD)
def test_sadness_and_its_refusal(code: str) -> None:
    sad, not_sad = SAD[code]

    assert [target.name for target in understand(sad).targets] == ["sadness"]
    refused = understand(not_sad)
    assert refused.exclusions == ("sadness",)
    assert refused.place is not None
    assert refused.place[0] > 0.5
    assert not refused.emotions


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_table_has_moods_and_grammar(code: str) -> None:
    language = LANGUAGES[code]
    words = [*language.phrases.values(), *language.stems.values()]
    moods = [word for word in words if word.kind is Kind.MOOD]
    quarters = {
        (MOODS[sense].valence >= 0.5, MOODS[sense].arousal >= 0.5)
        for word in moods
        for sense in word.senses
        if sense in MOODS
    }

    assert len({word.written for word in moods}) >= 60
    assert len(quarters) == 4
    kinds = {word.kind for word in words}
    assert {Kind.VERY, Kind.SLIGHTLY, Kind.BUT, Kind.AND, Kind.FILLER, Kind.UNSUPPORTED} <= kinds
    assert {Kind.NOT, Kind.NOT_AFTER} & kinds


@pytest.mark.parametrize(
    ("text", "valence", "arousal"),
    [
        ("traurig, aber energiegeladen", -1, 1),
        ("calme mais sombre", -1, -1),
        ("calmo mas sombrio", -1, -1),
        ("spokojna ale mroczna", -1, -1),
        ("sakin ama karanlık", -1, -1),
        ("спокойная, но мрачная", -1, -1),
        ("安静但是黑暗", -1, -1),
        ("悲しいけど元気", -1, 1),
        ("슬프지만 신나는", -1, 1),
    ],
)
def test_both_halves_count_in_every_language(text: str, valence: int, arousal: int) -> None:
    place = understand(text).place

    assert place is not None
    assert (place[0] - 0.5) * valence > 0
    assert (place[1] - 0.5) * arousal > 0
