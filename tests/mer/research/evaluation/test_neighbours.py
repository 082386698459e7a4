"""Precision of nearest neighbours."""

from __future__ import annotations

import numpy as np
import pytest

from mer.errors import ShapeError
from mer.research.evaluation.neighbours import measure, mfcc_statistics, precision
from tests.mer.untrained import write_tone


def test_precision_counts_neighbours_of_the_same_label_and_not_oneself() -> None:
    angles = np.deg2rad([0, 1, 2, 90, 91, 92])
    embeddings = np.stack([np.cos(angles), np.sin(angles)], axis=1) * [[1], [5], [2], [1], [9], [3]]
    labels = np.array([0, 0, 1, 1, 1, 1])
    assert precision(embeddings, labels, 2).tolist() == [0.5, 0.5, 0.0, 1.0, 1.0, 1.0]


def test_too_few_songs_are_an_error() -> None:
    with pytest.raises(ShapeError, match="2 songs"):
        precision(np.eye(2), np.zeros(2, dtype=np.int64), 2)


def test_a_telling_embedding_has_more_than_a_random_one() -> None:
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), 15)
    telling = np.eye(4)[labels] + 0.1 * generator.standard_normal((60, 4))
    blind = generator.standard_normal((60, 4))
    figures = measure({"fused": [telling, telling]}, {"noise": blind}, labels)
    assert figures["precision"]["fused"]["estimate"] == pytest.approx(1)
    assert figures["precision"]["noise"]["estimate"] < 0.4
    more = figures["more_than"]["noise"]["fused"]
    assert more["difference"]["low"] > 0.5
    assert more["p_value"] < 0.01


def test_mfcc_statistics_are_columns_of_unit_variance(tmp_path) -> None:
    paths = [write_tone(tmp_path / f"{hertz}.wav", 3.5, hertz) for hertz in (110, 440, 1760)]
    table = mfcc_statistics(paths)
    assert table.shape == (3, 40)
    assert np.allclose(table.std(axis=0), 1)
