"""Measures of lists, against values by hand, definitions written another way, and scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from mer.errors import ShapeError
from mer.research.playlists.measures import (
    along,
    coherence,
    coverage,
    hubness,
    intra_list_distance,
    journey_fit,
    ndcg,
)

GAINS = st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0]), min_size=2, max_size=30)


def test_ndcg_of_the_paper_by_hand():
    # DCG = 3 + 2/log2(3) + 0 + 1/log2(5); best: 3, 3, 2, 1, 0.
    expected = (3 + 2 / 1.5849625 + 1 / 2.3219281) / (3 + 3 / 1.5849625 + 2 / 2 + 1 / 2.3219281)
    assert ndcg([3, 2, 0, 1], [3, 2, 0, 1, 3], 10) == pytest.approx(expected, abs=1e-7)
    assert ndcg([1.0], [1.0, 0.0], 10) == 1.0
    assert ndcg([0.0, 1.0], [1.0, 0.0], 10) == pytest.approx(1 / math.log2(3))
    assert ndcg([], [1.0], 10) == 0.0
    assert math.isnan(ndcg([0.0], [0.0, 0.0], 10))


@given(GAINS, st.integers(1, 30), st.randoms())
def test_ndcg_equals_that_of_scikit_learn(gains, k, random):
    if not any(gains):
        return
    order = list(range(len(gains)))
    random.shuffle(order)
    scores = np.empty(len(gains))
    scores[order] = np.arange(len(gains), 0, -1)
    expected = ndcg_score([gains], [scores], k=k)
    assert ndcg([gains[song] for song in order], gains, k) == pytest.approx(expected, abs=1e-9)


@given(st.lists(st.tuples(*[st.floats(-1, 1) for _ in range(3)]), min_size=2, max_size=8))
def test_diversity_is_the_mean_over_all_pairs(rows):
    vectors = [np.array(row) for row in rows if math.dist(row, (0, 0, 0)) > 1e-3]
    if len(vectors) < 2:
        return
    distances = [
        1 - float(a @ b) / math.sqrt(float(a @ a) * float(b @ b))
        for place, a in enumerate(vectors)
        for b in vectors[place + 1 :]
    ]
    assert intra_list_distance(vectors) == pytest.approx(sum(distances) / len(distances), abs=1e-9)


def test_diversity_of_equal_and_of_opposite_songs():
    one = np.array([1.0, 2.0])
    assert intra_list_distance([one, 3 * one]) == pytest.approx(0)
    assert intra_list_distance([one, -one]) == pytest.approx(2)
    assert math.isnan(intra_list_distance([one]))


def test_coherence_is_high_for_small_steps_and_zero_on_average_for_random_orders():
    line = [(step / 10, 0.5) for step in range(11)]
    # Mean squared step .01; mean squared distance of all pairs 2 * variance * n / (n - 1) = .22.
    assert coherence(line) == pytest.approx(1 - 0.01 / 0.22)
    generator = np.random.default_rng(0)
    shuffled = [coherence([line[i] for i in generator.permutation(11)]) for _ in range(2000)]
    assert abs(float(np.mean(shuffled))) < 0.02
    assert math.isnan(coherence(line[:2]))
    assert math.isnan(coherence([(0.5, 0.5)] * 4))


def test_points_lie_at_shares_of_the_length_of_a_path():
    path = [(0.0, 0.0), (0.6, 0.0), (0.6, 0.2)]
    found = along(path, np.array([0.0, 0.5, 0.75, 1.0]))
    assert np.allclose(found, [(0, 0), (0.4, 0), (0.6, 0), (0.6, 0.2)])
    assert np.allclose(along([(0.3, 0.3), (0.3, 0.3)], np.array([0.0, 1.0])), 0.3)


def test_a_journey_on_its_path_and_one_beside_it():
    path = [(0.2, 0.2), (0.8, 0.2)]
    straight = [(0.2, 0.2), (0.4, 0.2), (0.6, 0.2), (0.8, 0.2)]
    perfect = journey_fit(straight, path)
    assert (perfect.error, perfect.forward) == (pytest.approx(0), 1.0)
    beside = journey_fit([(v, a + 0.1) for v, a in straight], path)
    assert beside.error == pytest.approx(0.1)
    assert beside.off_path == pytest.approx(0.1)
    assert beside.forward == 1.0


def test_a_journey_backwards_has_no_step_forward_and_the_middle_song_half_the_error():
    fit = journey_fit([(0.8, 0.2), (0.5, 0.2), (0.2, 0.2)], [(0.2, 0.2), (0.8, 0.2)])
    assert fit.error == pytest.approx((0.6 + 0.0 + 0.6) / 3)
    assert fit.off_path == pytest.approx(0)
    assert fit.forward == 0.0
    with pytest.raises(ShapeError, match="1 songs"):
        journey_fit([(0.1, 0.1)], [(0.2, 0.2), (0.8, 0.2)])


def test_coverage_and_hubness_count_lists():
    songs = ["a", "b", "c", "d"]
    assert coverage([["a", "b"], ["a"]], songs) == 0.5
    assert math.isnan(coverage([["a"]], []))
    # Occurrences 3, 0, 0, 0: mean .75, variance 1.6875, third moment 2.53125.
    assert hubness([["a"], ["a"], ["a"]], songs) == pytest.approx(2.53125 / 1.6875**1.5)
    assert math.isnan(hubness([songs], songs))
