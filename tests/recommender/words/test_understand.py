from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.moods import MOODS
from recommender.words import Filters, Vocabulary, understand

NAMES = Vocabulary(
    genres=("Rock", "Jazz", "Hip-Hop", "House"),
    artists=("Queen", "Björk", "The Beatles", "Simon & Garfunkel", "Night"),
    albums=("Kind of Blue",),
)
_WORDS = (
    *("sad", "happy", "calm", "angry", "not", "no", "never", "but", "and", "or", "very", "a bit"),
    *("more", "less", "than", "without", "nothing", "too", "sadder", "rock", "by", "Queen", "90s"),
    *("drums", "blorp", "driving", "night", ",", ".", "?", "!", "traurig", "nicht", "悲しくない"),
)


class TestRefusals:
    @pytest.mark.parametrize("text", ["not not sad", "never without sadness", "not unromantic"])
    def test_a_refusal_of_a_refusal_is_none(self, text: str) -> None:
        assert understand(text).exclusions == ()

    @pytest.mark.parametrize(
        ("text", "excluded"),
        [
            ("no anger, fear or sadness", ("anger", "fear", "sadness")),
            ("not sad, happy", ("sadness",)),
            ("no anger but sadness", ("anger",)),
            ("happy and not sad", ("sadness",)),
            ("not angry and calm", ("anger",)),
            ("no quiero nada triste", ("sadness",)),
            ("никогда не грустно", ("sadness",)),
            ("hiç üzgün değil", ("sadness",)),
            ("traurig mag ich nicht", ("sadness",)),
            ("not a single sad song", ("sadness",)),
            ("sad no, happy yes", ("sadness",)),
            ("happy -sad", ("sadness",)),
            ("happy!", ()),
            ("happy - calm", ()),
            ("sad is what I don't want", ("sadness",)),
            ("shouldn't be too sad", ()),
        ],
    )
    def test_a_refusal_reaches_as_far_as_it_is_meant(
        self, text: str, excluded: tuple[str, ...]
    ) -> None:
        assert understand(text).exclusions == excluded

    def test_too_much_of_something_is_less_of_it_and_excludes_nothing(self) -> None:
        found = understand("not too loud")

        assert found.exclusions == ()
        assert found.place is not None
        assert found.place[1] < 0.5

    def test_what_lies_far_from_the_wanted_moves_nothing(self) -> None:
        assert understand("happy, no drama").place == understand("happy").place
        moved = understand("happy, not energetic").place
        assert moved is not None
        assert moved[1] < 0.5

    def test_what_is_refused_is_not_stressed(self) -> None:
        assert understand("lonely but not sad").exclusions == ("sadness",)
        assert "sadness" not in understand("lonely but not sad").emotions


class TestComparisons:
    def test_it_moves_the_last_target_along_one_axis(self) -> None:
        assert understand("calmer", last=(0.8, 0.7)).place == pytest.approx((0.8, 0.5))
        assert understand("happier", last=(0.3, 0.4)).place == pytest.approx((0.5, 0.4))

    def test_without_a_last_target_it_moves_the_middle(self) -> None:
        assert understand("calmer").place == pytest.approx((0.5, 0.3))

    def test_a_bit_is_less_than_much(self) -> None:
        steps = [
            understand(f"{how} happier", last=(0.3, 0.5)).place for how in ("a bit", "", "much")
        ]

        assert sorted(steps) == steps
        assert len(set(steps)) == 3

    def test_beside_a_mood_it_moves_that_mood(self) -> None:
        plain, calmer = understand("happy").place, understand("happy but calmer").place

        assert plain is not None
        assert calmer is not None
        assert calmer[1] < plain[1]
        assert not understand("happy but calmer").is_relative


class TestFilters:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("sad 90s rock", Filters(genres=("Rock",), year_from=1990, year_to=1999)),
            ("happy songs by BJORK", Filters(artists=("Björk",))),
            ("beatles, sad", Filters(artists=("The Beatles",))),
            ("calm simon and garfunkel", Filters(artists=("Simon & Garfunkel",))),
            ("calm songs under 3 minutes", Filters(seconds_to=180)),
            ("calm, at least 5 min", Filters(seconds_from=300)),
            ("sad songs until 1980", Filters(year_to=1980)),
            ("sad songs before 1980", Filters(year_to=1979)),
            ("newer than 2010, happy", Filters(year_from=2011)),
            ("hiphop, sad", Filters(genres=("Hip-Hop",))),
            ("happy, no jazz", Filters(genres_not=("Jazz",))),
            ("from Kind of Blue, sad", Filters(albums=("Kind of Blue",))),
            ("sad songs from 1990 onwards", Filters(year_from=1990)),
            ("early 90s rock", Filters(genres=("Rock",), year_from=1990, year_to=1994)),
            ("happy, not longer than 3 minutes", Filters(seconds_to=180)),
            ("sad", Filters()),
            ("sad songs around 120 bpm", Filters(tempo_from=114, tempo_to=126)),
            ("120bpm", Filters(tempo_from=114, tempo_to=126)),
            ("calm, 90-110 bpm", Filters(tempo_from=90, tempo_to=110)),
            ("between 110 and 90 beats a minute", Filters(tempo_from=90, tempo_to=110)),
            ("faster than 140 bpm", Filters(tempo_from=140)),
            ("not faster than 100 bpm", Filters(tempo_to=100)),
            ("120 songs", Filters()),
            ("happy in A minor", Filters(keys=("A minor",))),
            ("in a minor", Filters(keys=("A minor",))),
            ("a minor song", Filters()),
            ("in a minor key", Filters()),
            ("in the key of F# minor or B♭ major", Filters(keys=("F# minor", "Bb major"))),
            ("traurig in cis-Moll", Filters(keys=("C# minor",))),
            ("not in A minor", Filters(keys_not=("A minor",))),
            ("8A", Filters(keys=("A minor",))),
        ],
    )
    def test_names_and_years(self, text: str, expected: Filters) -> None:
        assert understand(text, NAMES).filters == expected

    def test_a_name_within_a_description_is_a_word_of_it(self) -> None:
        found = understand("driving at night past a house", NAMES)

        assert not found.filters
        assert found.phrase == "driving at night past a house"

    def test_a_genre_that_the_catalogue_lacks_is_said(self) -> None:
        assert understand("sad reggaeton", NAMES).not_understood == ("reggaeton",)


class TestSpelling:
    @pytest.mark.parametrize(
        ("text", "right"),
        [("hapy", "happy"), ("realxing", "relaxing"), ("melancoly", "melancholy")],
    )
    def test_a_slip_is_mended_and_said(self, text: str, right: str) -> None:
        found = understand(text)

        assert found.corrections == {text: right}
        assert found.parts[0].doubt > 0

    @pytest.mark.parametrize("text", ["sand", "many", "clam", "said", "mat", "balm"])
    def test_a_real_word_stays(self, text: str) -> None:
        assert not understand(text).targets


class TestWhatIsNotUnderstood:
    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("without drums", "without drums"),
            ("happy with saxophone", "saxophone"),
            ("happy zzxxyy", "zzxxyy"),
            ("пингвин", "пингвин"),
        ],
    )
    def test_it_is_said(self, text: str, words: str) -> None:
        assert understand(text).not_understood == (words,)

    @pytest.mark.parametrize("text", ["", "???", "the of and", "asdfgh qwerty", "no vocals"])
    def test_nothing_is_no_target(self, text: str) -> None:
        assert understand(text).is_nothing

    def test_a_long_text_is_read_as_a_whole(self) -> None:
        lyrics = "I walked along the river and I was not sad " * 10

        assert understand(lyrics).phrase == " ".join(lyrics.split())


@given(st.lists(st.sampled_from(_WORDS), max_size=12).map(" ".join) | st.text(max_size=60))
def test_every_text_has_a_reading(text: str) -> None:
    found = understand(text, NAMES, last=(0.9, 0.1))

    assert found == understand(text, NAMES, last=(0.9, 0.1))
    assert found.place is None or all(0 <= x <= 1 for x in found.place)
    assert not set(found.exclusions) - set(MOODS)
    assert sum(found.emotions.values()) == pytest.approx(1 if found.emotions else 0)
    assert not set(found.emotions) & set(found.exclusions)


@given(st.text(string.ascii_lowercase, min_size=1, max_size=12))
def test_a_word_alone_is_a_mood_a_description_or_said(word: str) -> None:
    found = understand(f"{word} happy sad")

    assert {"joy", "sadness"} <= {target.name for target in found.targets}
