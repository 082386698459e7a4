"""Metrics against scikit-learn and scipy as oracles, and by their properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from scipy import stats
from sklearn import metrics as oracle

from mer import metrics
from mer.errors import ShapeError

CLASSES = 4
labels = npst.arrays(np.int64, st.shared(st.integers(1, 40), key="n"), elements=st.integers(0, 3))
values = npst.arrays(
    np.float64,
    st.shared(st.integers(2, 40), key="m"),
    elements=st.floats(0, 1, width=32),
)


@given(labels, labels)
def test_classification_metrics_equal_sklearn(target, predicted):
    every = range(CLASSES)
    assert metrics.accuracy(target, predicted) == oracle.accuracy_score(target, predicted)
    assert (
        metrics.confusion(target, predicted, CLASSES)
        == oracle.confusion_matrix(target, predicted, labels=every)
    ).all()
    assert metrics.macro_f1(target, predicted, CLASSES) == pytest.approx(
        oracle.f1_score(target, predicted, labels=every, average="macro", zero_division=0)
    )
    expected = oracle.precision_recall_fscore_support(
        target, predicted, labels=every, zero_division=0
    )
    for column, values in enumerate(expected[:3]):
        given = metrics.precision_recall_f1(target, predicted, CLASSES)[:, column]
        assert given == pytest.approx(values)


@given(values, values)
def test_regression_metrics_equal_sklearn(target, predicted):
    assert metrics.rmse(target, predicted) == pytest.approx(
        oracle.root_mean_squared_error(target, predicted)
    )
    if np.ptp(target) > 1e-3:
        assert metrics.r2(target, predicted) == pytest.approx(oracle.r2_score(target, predicted))


@given(values, values)
def test_correlations_equal_scipy(target, predicted):
    if np.ptp(target) < 1e-3 or np.ptp(predicted) < 1e-3:
        return
    assert metrics.pearson(target, predicted) == pytest.approx(
        stats.pearsonr(target, predicted).statistic, abs=1e-9
    )
    assert metrics.spearman(target, predicted) == pytest.approx(
        stats.spearmanr(target, predicted).statistic, abs=1e-9
    )


@given(values, values)
def test_ccc_is_symmetric_and_never_beyond_pearson(target, predicted):
    if np.ptp(target) < 1e-3 or np.ptp(predicted) < 1e-3:
        return
    agreement = metrics.ccc(target, predicted)
    assert agreement == pytest.approx(metrics.ccc(predicted, target))
    assert abs(agreement) <= abs(metrics.pearson(target, predicted)) + 1e-9
    assert metrics.ccc(target, target) == pytest.approx(1.0)


def test_ccc_of_a_shift_is_that_of_the_formula():
    target = np.array([0.0, 1.0])
    # variances 1/4 each, covariance 1/4, means one apart: 2/4 / (1/2 + 1)
    assert metrics.ccc(target, target + 1) == pytest.approx(1 / 3)


def test_constants_give_nan():
    flat, other = np.full(3, 0.5), np.array([0.1, 0.2, 0.4])
    assert np.isnan(metrics.ccc(flat, flat))
    assert np.isnan(metrics.r2(flat, other))
    assert np.isnan(metrics.pearson(flat, other))
    assert np.isnan(metrics.spearman(other, flat))


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=30).filter(
        lambda rows: len({positive for positive, _ in rows}) == 2
    )
)
def test_auc_is_the_share_of_pairs_in_the_right_order(rows):
    positive, scores = (np.array(column) for column in zip(*rows, strict=True))
    pairs = [
        (high > low) + 0.5 * (high == low) for high in scores[positive] for low in scores[~positive]
    ]
    assert metrics.auc(positive, scores) == pytest.approx(np.mean(pairs))


def test_auc_of_one_kind_is_unknown():
    assert np.isnan(metrics.auc(np.array([True, True]), np.array([0.1, 0.2])))


def test_ece_is_the_gap_between_confidence_and_accuracy():
    probabilities = np.array([[0.95, 0.05], [0.95, 0.05], [0.4, 0.6], [0.4, 0.6]])
    target = np.array([0, 1, 1, 1])
    # two songs at .95, half right; two at .6, all right
    assert metrics.ece(target, probabilities) == pytest.approx((0.45 + 0.4) / 2)


def test_perfect_certainty_has_no_calibration_error():
    assert metrics.ece(np.array([0, 1]), np.eye(2)) == 0


def test_bootstrap_interval_covers_the_mean_as_theory_says():
    sample = np.random.default_rng(3).normal(size=400)
    interval = metrics.bootstrap_ci(lambda x: float(np.mean(x)), sample, seed=1)
    half = 1.96 * sample.std() / np.sqrt(len(sample))
    assert interval.estimate == pytest.approx(sample.mean())
    assert interval.low == pytest.approx(sample.mean() - half, abs=0.15 * half)
    assert interval.high == pytest.approx(sample.mean() + half, abs=0.15 * half)


def test_bootstrap_repeats_with_its_seed():
    target, predicted = np.array([0, 1, 2, 3] * 5), np.array([0, 1, 2, 2] * 5)
    one = metrics.bootstrap_ci(metrics.accuracy, target, predicted, seed=5)
    assert one == metrics.bootstrap_ci(metrics.accuracy, target, predicted, seed=5)
    assert one != metrics.bootstrap_ci(metrics.accuracy, target, predicted, seed=6)


def test_draws_without_a_value_are_left_out_of_the_bounds():
    flat = np.ones(5)
    interval = metrics.bootstrap_ci(metrics.pearson, flat, np.arange(5.0))
    assert np.isnan([interval.estimate, interval.low, interval.high]).all()
    sometimes = metrics.bootstrap_ci(metrics.pearson, np.array([0.0, 0.0, 1.0]), np.arange(3.0))
    assert sometimes.low <= sometimes.estimate <= sometimes.high
    line = np.arange(5.0)
    assert metrics.paired_bootstrap(metrics.pearson, flat, line, -line).p_value == 1


def test_paired_bootstrap_tells_better_from_equal():
    target = np.arange(200) % 4
    good = np.where(np.arange(200) % 10 == 0, (target + 1) % 4, target)
    bad = np.where(np.arange(200) % 3 == 0, (target + 1) % 4, target)
    better = metrics.paired_bootstrap(metrics.accuracy, target, good, bad)
    assert better.difference.low > 0
    assert better.p_value < 0.01
    same = metrics.paired_bootstrap(metrics.accuracy, target, good, good)
    assert same.difference.estimate == 0
    assert same.p_value == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.accuracy(np.array([1]), np.array([1, 2])), "same shape"),
        (lambda: metrics.ccc(np.array([1.0]), np.array([1.0])), "at least 2"),
        (lambda: metrics.confusion(np.array([4]), np.array([0]), 4), r"0\.\.3"),
        (lambda: metrics.ece(np.array([0]), np.array([0.5])), "songs, classes"),
        (lambda: metrics.bootstrap_ci(np.mean, np.array([])), "same songs"),
        (lambda: metrics.bootstrap_ci(np.mean, np.ones(2), np.ones(3)), "same songs"),
    ],
)
def test_wrong_shapes_are_refused(call, message):
    with pytest.raises(ShapeError, match=message):
        call()


def test_holm_multiplies_by_what_is_left() -> None:
    assert metrics.holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert metrics.holm([0.9, 0.8]) == [1.0, 1.0]
