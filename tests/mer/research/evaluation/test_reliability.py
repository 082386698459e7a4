"""Confidence against accuracy: bins, their points, the bar for the error, and the plot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from mer.metrics import ece
from mer.research.evaluation import reliability

if TYPE_CHECKING:
    from pathlib import Path


def two_networks() -> tuple[np.ndarray, np.ndarray]:
    """Four songs of class 0; one network says .8 of each, the other .6 of class 1."""
    said = np.zeros((4, 2, 2))
    said[:, 0], said[:, 1] = (0.8, 0.2), (0.4, 0.6)
    return np.zeros(4, dtype=np.int64), said


def test_points_are_over_all_networks() -> None:
    labels, said = two_networks()
    sure, right, answers = reliability.reliability(labels, said)
    assert sure.tolist() == pytest.approx([0.6, 0.8])
    assert right.tolist() == [0, 1]
    assert answers.tolist() == [4, 4]


def test_the_error_is_that_of_the_metrics_and_of_each_network() -> None:
    labels, said = two_networks()
    figures = reliability.measure(labels, said)
    assert figures["ece"] == pytest.approx((0.2 + 0.6) / 2)
    assert figures["ece"] == pytest.approx(np.mean([ece(labels, said[:, n]) for n in range(2)]))
    assert figures["points"][1] == {"confidence": pytest.approx(0.8), "right": 1, "answers": 4}
    assert 0 < figures["ece_if_perfect"] < 0.4


def test_ece_of_the_perfectly_calibrated_is_what_few_songs_leave() -> None:
    even = np.full((1, 4), 0.25)
    # One song in four is right, by .75 more than was said; three are wrong, by .25.
    assert reliability.perfect_ece(even) == pytest.approx(2 * 0.25 * 0.75, abs=0.05)
    assert reliability.perfect_ece(even.repeat(2000, axis=0)) < 0.02


def test_a_row_may_have_fewer_diagrams_than_another(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    figures = reliability.measure(*two_networks())
    reliability.plot({"one": {"audio": figures}, "two": {"a": figures, "b": figures}},
                     tmp_path / "plot.png")  # fmt: skip
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
