"""How numbers and moods are written on the pages."""

from __future__ import annotations

import pytest
from django.utils.translation import override

from mer.affect import EMOTIONS
from recommender.moods import mood_find
from recommender.playlists import PlaylistRequest, playlist_name, playlist_sentence
from recommender.web.presentation import file_size, mood_name, moods_beginning, moods_by_quadrant


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 KB"),
        (512, "0.5 KB"),
        (1024**2, "1 MB"),
        (3 * 2**19, "1.5 MB"),
        (256 * 1024**2, "256 MB"),
        (1000 * 1024**2, "1,000 MB"),
        (1024**3, "1 GB"),
        (5 * 2**29, "2.5 GB"),
        (10**18, "931,322,574.6 GB"),
    ],
)
def test_sizes_have_no_decimal_that_says_nothing(count: int, words: str) -> None:
    assert file_size(count) == words.replace(" ", "\N{NO-BREAK SPACE}")


def test_sizes_follow_the_language() -> None:
    with override("de"):
        assert file_size(3 * 2**19) == "1,5\N{NO-BREAK SPACE}MB"


def test_each_emotion_has_one_name_on_the_pages() -> None:
    """It is a word for music, and means the emotion when it is typed."""
    nouns = {"joy", "anger", "sadness", "fear", "calmness", "excitement", "disgust", "anticipation"}
    assert nouns == set(EMOTIONS)
    for name in EMOTIONS:
        word = mood_name(name)
        assert word not in nouns
        found = mood_find(word)
        assert found is not None
        assert found.name == name
    offered = {name for _, names in moods_by_quadrant() for name in names}
    assert not offered & nouns
    assert next(name for name, _ in moods_beginning("ha")) == "happy"


def test_lists_are_named_in_the_same_words() -> None:
    joy, happy = (PlaylistRequest(moods=((name, 1.0),)) for name in ("joy", "happy"))
    assert playlist_name(joy) == playlist_name(happy) == "Happy"
    assert playlist_sentence(joy) == playlist_sentence(happy) == "Songs that feel happy."
    journey = PlaylistRequest.from_json({"journey": ["sadness", "joy"]})
    assert playlist_name(journey) == "From sad to happy"
