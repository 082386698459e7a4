from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mer.affect import AffectPoint
from recommender.media.drawn import drawn_cover

UNIT = st.floats(0, 1)


@given(seed=st.text(), valence=UNIT, arousal=UNIT)
def test_it_is_always_a_drawing_without_text(seed: str, valence: float, arousal: float) -> None:
    drawing = drawn_cover(seed=seed, place=AffectPoint(valence, arousal))
    root = ElementTree.fromstring(drawing)
    assert root.attrib["viewBox"] == "0 0 100 100"
    assert "".join(root.itertext()).strip() == ""
    assert "nan" not in drawing
    assert not re.search(r"style=|<script|href", drawing)
    assert len(drawing) < 30_000


def test_the_same_song_has_the_same_drawing_and_others_have_others() -> None:
    place = AffectPoint(0.8, 0.7)
    drawings = {drawn_cover(seed=str(number), place=place) for number in range(200)}
    assert len(drawings) == 200
    assert drawn_cover(seed="7", place=place) in drawings


@pytest.mark.parametrize(
    ("valence", "arousal", "strongest"),
    [(0.05, 0.95, 0), (0.05, 0.05, 2), (0.95, 0.05, 1), (0.95, 0.95, 0)],
    ids=["angry is red", "sad is blue", "calm is green", "happy is amber"],
)
def test_the_colours_are_those_of_the_mood(valence: float, arousal: float, strongest: int) -> None:
    for seed in "abcdefgh":
        drawing = drawn_cover(seed=seed, place=AffectPoint(valence, arousal))
        middle = re.search(r'stop-color="#(\w{6})"', drawing)
        assert middle is not None
        parts = [int(middle[1][at : at + 2], 16) for at in (0, 2, 4)]
        assert parts.index(max(parts)) == strongest


def test_a_song_that_is_not_analysed_is_grey() -> None:
    for colour in re.findall(r'stop-color="#(\w{6})"', drawn_cover(seed="x", place=None)):
        parts = [int(colour[at : at + 2], 16) for at in (0, 2, 4)]
        assert max(parts) - min(parts) < 40
