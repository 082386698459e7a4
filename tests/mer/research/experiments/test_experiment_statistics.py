"""Statistics of the experiments, compared with scikit-learn and the bootstrap."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from sklearn import metrics as sk

from mer import metrics
from mer.research.experiments.statistics import (
    STATISTICS,
    Draws,
    area,
    concordance,
    figures,
    sampled,
)

if TYPE_CHECKING:
    from mer.research.experiments.statistics import Floats, Labels


def made_up(songs: int = 60, classes: int = 4) -> tuple[Labels, Floats]:
    """Labels, and probabilities with ties and of some worth."""
    generator = np.random.default_rng(5)
    labels = generator.integers(0, classes, songs)
    scores = generator.random((songs, classes)) + 0.6 * np.eye(classes)[labels]
    return labels, np.round(scores / scores.sum(axis=1, keepdims=True), 2)


REFERENCES = {
    "accuracy": lambda y, p: sk.accuracy_score(y, p.argmax(1)),
    "balanced_accuracy": lambda y, p: sk.balanced_accuracy_score(y, p.argmax(1)),
    "macro_f1": lambda y, p: sk.f1_score(y, p.argmax(1), average="macro"),
    "weighted_f1": lambda y, p: sk.f1_score(y, p.argmax(1), average="weighted"),
    "kappa": lambda y, p: sk.cohen_kappa_score(y, p.argmax(1)),
    "macro_auc": lambda y, p: np.mean([sk.roc_auc_score(y == c, p[:, c]) for c in range(4)]),
    "macro_ap": lambda y, p: np.mean(
        [sk.average_precision_score(y == c, p[:, c]) for c in range(4)]
    ),
}


@pytest.mark.parametrize("name", STATISTICS)
def test_figures_are_scikit_learns_in_every_draw(name: str) -> None:
    labels, said = made_up()
    draws = Draws.of(len(labels), resamples=5)
    expected = [REFERENCES[name](labels, said)]
    for counts in draws.resampled:
        chosen = np.repeat(np.arange(len(labels)), counts.astype(int))
        expected.append(REFERENCES[name](labels[chosen], said[chosen]))
    assert sampled(name, labels, said[:, None], draws)[0] == pytest.approx(expected)


def test_intervals_are_those_of_the_bootstrap() -> None:
    labels, said = made_up()
    other = np.roll(said, 1, axis=0)
    answers = np.stack([said.argmax(axis=1), other.argmax(axis=1)], axis=1)

    def mean_f1(target: Labels, columns: Labels) -> float:
        return float(np.mean([metrics.macro_f1(target, column, 4) for column in columns.T]))

    expected = metrics.bootstrap_ci(mean_f1, labels, answers, resamples=300)
    draws = Draws.of(len(labels), resamples=300)
    found = figures(sampled("macro_f1", labels, np.stack([said, other], axis=1), draws))
    assert (found["estimate"], found["low"], found["high"]) == pytest.approx(
        (expected.estimate, expected.low, expected.high)
    )
    assert np.mean(found["each"]) == pytest.approx(found["estimate"])


def test_concordance_is_ccc_in_every_draw() -> None:
    generator = np.random.default_rng(0)
    truth = generator.random(30)
    said = 0.5 * truth + 0.2 * generator.random(30)
    draws = Draws.of(30, resamples=4)
    found = draws.values(lambda counts: concordance(truth, said, counts))
    chosen = [np.repeat(np.arange(30), row.astype(int)) for row in draws.resampled]
    expected = [metrics.ccc(truth, said), *(metrics.ccc(truth[i], said[i]) for i in chosen)]
    assert found == pytest.approx(expected)
    assert concordance(truth, np.full(30, 0.4), draws.resampled).tolist() == [0.0] * 4


def test_a_class_without_songs_is_left_out_of_what_it_has_no_part_in() -> None:
    labels, said = made_up()
    counts = (labels != 3).astype(float)[None]
    kept = labels != 3
    recalls = [np.mean(said[labels == c].argmax(axis=1) == c) for c in range(3)]
    assert STATISTICS["balanced_accuracy"](labels, said, counts) == pytest.approx(np.mean(recalls))
    aucs = [sk.roc_auc_score(labels[kept] == c, said[kept, c]) for c in range(3)]
    assert STATISTICS["macro_auc"](labels, said, counts) == pytest.approx(np.mean(aucs))


def test_area_is_the_mean_height() -> None:
    assert area((0, 5, 20), [np.array(0.0), np.array(1.0), np.array(1.0)]) == pytest.approx(0.875)


def test_every_resample_is_the_mean_of_its_subsets() -> None:
    draws = Draws(np.array([[1.0, 3.0], [5.0, 3.0]]), np.arange(8.0).reshape(4, 2), 2)
    assert draws.values(lambda counts: counts[:, 0]) == pytest.approx([3, 1, 5])
