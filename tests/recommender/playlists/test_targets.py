"""How sure it is that songs lie in the quadrant that is aimed at, and what that does to lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mer.affect import QUADRANTS, AffectPoint
from recommender.index import IndexSnapshot, index_snapshot
from recommender.index.state import State
from recommender.playlists import PlaylistRequest, playlist_generate
from recommender.playlists.scoring import SIDE_SCALE, quadrant_match, quadrant_weights
from recommender.playlists.sequencing import NEAR_TIE
from recommender.playlists.targets import mood_target, plan_of_request, songs_target
from recommender.playlists.worded import blended
from tests.factories import SongEmotionFactory, random_embedding
from tests.recommender.index.made_rows import rows_with

if TYPE_CHECKING:
    from numpy.typing import NDArray

unit = st.floats(0, 1)
seeds = st.integers(0, 2**16)


def some_quadrants(seed: int, count: int = 30) -> NDArray[np.float32]:
    return np.random.default_rng(seed).dirichlet(np.full(4, 0.4), count).astype(np.float32)


def make_snapshot(
    places: NDArray[np.float64], quadrants: NDArray[np.float32], **columns: NDArray[np.float64]
) -> IndexSnapshot:
    """A catalogue of songs at these places, all alike in everything else."""
    count = len(places)
    rows = rows_with(
        np.arange(count),
        np.tile(random_embedding(0), (count, 1)),
        rng=np.random.default_rng(0),
        affect=np.hstack([places, np.full((count, 8), 0.125)]),
        quadrants=quadrants,
        artists=-np.arange(count) - 1,
        genres=np.zeros(count),
        recordings=-np.arange(count) - 1,
        **columns,
    )
    state = State("m", None)
    state.add([rows])
    return state.snapshot()


def scores_at(snapshot: IndexSnapshot, valence: float, arousal: float) -> NDArray[np.float64]:
    request = PlaylistRequest(point=AffectPoint(valence, arousal))
    aim = plan_of_request(request, snapshot, None).aim
    assert aim is not None
    return aim.scores(snapshot, np.arange(len(snapshot)))[0]


class TestMatch:
    @given(seed=seeds, place=st.tuples(unit, unit), step=st.tuples(unit, unit), size=unit)
    def test_is_continuous_in_the_place(
        self, seed: int, place: tuple[float, float], step: tuple[float, float], size: float
    ) -> None:
        start, end = np.array(place), np.array(place) + size * (np.array(step) - np.array(place))
        quadrants = some_quadrants(seed)
        change = np.abs(
            quadrant_match(quadrant_weights(start), quadrants)
            - quadrant_match(quadrant_weights(end), quadrants)
        )
        assert np.all(change <= np.abs(start - end).sum() / SIDE_SCALE + 1e-6)

    @given(seed=seeds, place=st.tuples(unit, unit))
    def test_lies_in_unit_and_is_one_for_the_certain(
        self, seed: int, place: tuple[float, float]
    ) -> None:
        match = quadrant_match(quadrant_weights(np.array(place)), some_quadrants(seed))
        assert np.all((match >= 0) & (match <= 1))
        own = np.array([[name == AffectPoint(*place).quadrant for name in QUADRANTS]], np.float32)
        assert quadrant_match(quadrant_weights(np.array(place)), own)[0] == pytest.approx(1.0)

    @given(seed=seeds, place=st.tuples(unit, unit), share=unit)
    def test_grows_with_the_probability_of_the_quadrant(
        self, seed: int, place: tuple[float, float], share: float
    ) -> None:
        quadrants = some_quadrants(seed)
        own = np.array([name == AffectPoint(*place).quadrant for name in QUADRANTS], np.float32)
        surer = quadrants + share * (own - quadrants)
        match = quadrant_match(quadrant_weights(np.array(place)), quadrants)
        assert np.all(quadrant_match(quadrant_weights(np.array(place)), surer) >= match - 1e-6)

    @given(seed=seeds)
    def test_is_the_same_for_all_in_the_middle(self, seed: int) -> None:
        assert np.all(
            quadrant_match(quadrant_weights(np.array([0.5, 0.5])), some_quadrants(seed)) == 1.0
        )

    def test_is_one_quadrant_far_out_and_two_on_an_axis(self) -> None:
        quadrants = some_quadrants(1)
        for number, place in enumerate([(1.0, 1.0), (0.0, 1.0), (0.0, 0.0), (1.0, 0.0)]):
            match = quadrant_match(quadrant_weights(np.array(place)), quadrants)
            np.testing.assert_allclose(match, quadrants[:, number], atol=0.02)
        match = quadrant_match(quadrant_weights(np.array([1.0, 0.5])), quadrants)
        np.testing.assert_allclose(match, quadrants[:, 0] + quadrants[:, 3], atol=0.02)


class TestScores:
    @given(seed=seeds, other=unit, is_valence=st.booleans())
    def test_nothing_flips_across_an_axis(self, seed: int, other: float, is_valence: bool) -> None:
        snapshot = make_snapshot(np.full((30, 2), 0.5), some_quadrants(seed))
        low, high = ((0.5 - 1e-7, other), (0.5 + 1e-7, other))
        if not is_valence:
            low, high = low[::-1], high[::-1]
        np.testing.assert_allclose(scores_at(snapshot, *low), scores_at(snapshot, *high), atol=1e-5)

    @given(seed=seeds)
    def test_quadrants_change_nothing_in_the_middle(self, seed: int) -> None:
        places = np.random.default_rng(seed).random((30, 2))
        surest, unknown = some_quadrants(seed), np.full((30, 4), 0.25, np.float32)
        np.testing.assert_array_equal(
            scores_at(make_snapshot(places, surest), 0.5, 0.5),
            scores_at(make_snapshot(places, unknown), 0.5, 0.5),
        )

    @given(seed=seeds, point=st.tuples(unit, unit))
    def test_of_songs_equally_near_the_surer_scores_more(
        self, seed: int, point: tuple[float, float]
    ) -> None:
        snapshot = make_snapshot(np.full((30, 2), 0.6), some_quadrants(seed))
        match = quadrant_match(quadrant_weights(np.array(point)), snapshot.quadrants)
        scores = scores_at(snapshot, *point)
        assert np.all((scores >= 0) & (scores <= 1))
        assert np.all(np.diff(scores[np.argsort(match)]) >= 0)

    def test_a_collection_without_the_quadrant_is_not_drawn_by_lot(self) -> None:
        """Scores that are all next to nothing would be as good as equal."""
        happy = np.random.default_rng(0).dirichlet([60, 3, 0.5, 3], 400).astype(np.float32)
        assert happy[:, 2].max() < 0.1
        snapshot = make_snapshot(np.random.default_rng(1).normal(0.7, 0.05, (400, 2)), happy)
        scores = scores_at(snapshot, 0.1, 0.1)
        best, usual = np.sort(scores)[-10:], np.median(scores)
        assert best.min() > usual + 2 * NEAR_TIE


@pytest.mark.django_db
class TestLists:
    @pytest.mark.parametrize(
        "request_",
        [
            PlaylistRequest(moods=(("calm", 1.0),), count=1, seed=3),
            PlaylistRequest(point=AffectPoint(0.7, 0.2), count=1, seed=3, min_match=0.0),
        ],
    )
    def test_of_two_songs_in_one_place_the_surer_is_given(self, request_: PlaylistRequest) -> None:
        alike = {"valence": 0.6, "arousal": 0.4, "emotions": {}}
        for number in range(4):
            SongEmotionFactory(**alike, quadrants={"Q1": 0.2, "Q2": 0.2, "Q3": 0.2, "Q4": 0.4})
            if number == 1:
                sure = {"Q1": 0.05, "Q2": 0.03, "Q3": 0.02, "Q4": 0.9}
                surest = SongEmotionFactory(**alike, quadrants=sure)
        (entry,) = playlist_generate(request=request_).entries
        assert entry.song_id == surest.song_id
        assert 0 <= entry.score <= 1

    @pytest.mark.parametrize("held", [{}, {"Q1": 1.0}, dict.fromkeys(("Q1", "Q2", "Q3", "Q4"))])
    def test_a_song_of_no_known_quadrant_is_neither_in_nor_out(self, held: dict[str, None]) -> None:
        SongEmotionFactory(quadrants=held)
        assert np.asarray(index_snapshot().quadrants).tolist() == [[0.25] * 4]
        request = PlaylistRequest(moods=(("sad", 1.0),), seed=0, min_match=0.0)
        assert playlist_generate(request=request).entries


class TestSeedSongs:
    def test_their_own_quadrants_count_not_that_of_their_place(self):
        # All songs are at one place, on the happy side. The seed is most probably sad.
        quadrants = np.array(
            [[0.1, 0.1, 0.7, 0.1], [0.1, 0.1, 0.7, 0.1], [0.7, 0.1, 0.1, 0.1]], np.float32
        )
        snapshot = make_snapshot(np.full((3, 2), 0.6), quadrants)
        scores = songs_target({0: 1.0}, snapshot).match(snapshot, np.arange(3))
        assert scores[0] == pytest.approx(scores[1])
        assert scores[1] > scores[2] + 0.2

    def test_two_seeds_want_the_quadrants_of_both(self):
        snapshot = make_snapshot(np.full((3, 2), 0.5), np.eye(4, dtype=np.float32)[[0, 2, 1]])
        target = songs_target({0: 1.0, 1: 3.0}, snapshot)
        assert target.sides == pytest.approx([0.25, 0, 0.75, 0])
        scores = target.match(snapshot, np.arange(3))
        assert scores[1] > scores[0] > scores[2]

    def test_a_blend_with_a_mood_has_the_quadrants_of_both(self):
        snapshot = make_snapshot(np.full((2, 2), 0.5), np.eye(4, dtype=np.float32)[[0, 2]])
        seed, mood = songs_target({0: 1.0}, snapshot), mood_target("sadness", "moods", snapshot)
        sides = blended([(1.0, seed), (1.0, mood)]).sides
        assert sides == pytest.approx((seed.sides + mood.sides) / 2)
        assert sides.sum() == pytest.approx(1.0)
        assert blended([(1.0, mood), (1.0, mood)]).quadrants is None
