"""A checkpoint on sets of songs: the tables say what was predicted."""

from __future__ import annotations

import argparse
from types import SimpleNamespace

import numpy as np
import pytest

from mer.affect import GEMS, QUADRANTS, Quadrant
from mer.errors import DatasetError
from mer.research.datasets.base import AffectLabels, Track
from mer.research.evaluation import domains
from mer.research.evaluation.domains import felt_figures, place_figures, side_figures
from tests.mer.research.layouts import write
from tests.mer.research.material import write_tone


def prediction(quadrant, confidence, valence, arousal):
    rest = (1 - confidence) / 3
    shares = {q: confidence if q == quadrant else rest for q in QUADRANTS}
    return SimpleNamespace(quadrants=shares, valence=valence, arousal=arousal)


def song(**labels):
    return Track("set", "1", "val", AffectLabels(**labels))


def test_figures_of_sides_count_songs_and_order_them():
    judged = [
        (song(quadrant=Quadrant.Q1), prediction(Quadrant.Q1, 0.7, 0.9, 0.8)),
        (song(quadrant=Quadrant.Q1), prediction(Quadrant.Q4, 0.7, 0.7, 0.4)),
        (song(quadrant=Quadrant.Q2), prediction(Quadrant.Q2, 0.7, 0.8, 0.9)),
        (song(quadrant=Quadrant.Q3), prediction(Quadrant.Q3, 0.7, 0.1, 0.1)),
    ]
    count, right, f1, valence, arousal, confidence, error, spread, *recalls = side_figures(judged)
    assert (count, right, confidence) == ("4", 0.75, pytest.approx(0.7))
    assert f1 == pytest.approx((2 / 3 + 1 + 1 + 0) / 4)
    assert valence == 0.75, "of four pairs of a high and a low song one is in the wrong order"
    assert arousal == 1.0
    assert error == pytest.approx(0.05)
    assert spread == pytest.approx(np.std([0.8, 0.4, 0.9, 0.1]))
    assert recalls == [0.5, 1.0, 1.0, None]


def test_places_are_ranked():
    places = ((0.1, 0.9), (0.4, 0.2), (0.8, 0.3))
    judged = [
        (song(valence=v, arousal=a), prediction(Quadrant.Q1, 0.7, 0.2 + v / 2, 1 - a))
        for v, a in places
    ]
    assert place_figures(judged) == ["3", pytest.approx(1.0), pytest.approx(-1.0)]


def test_felt_emotions_are_ranked():
    shares = np.full((3, 9), 0.1)
    shares[:, GEMS.index("power")] = (0.0, 0.5, 0.9)
    shares[:, GEMS.index("sadness")] = (0.9, 0.5, 0.0)
    judged = [
        (song(gems=tuple(row)), prediction(Quadrant.Q1, 0.7, place, place))
        for row, place in zip(shares, (0.2, 0.5, 0.6), strict=True)
    ]
    count, *ranks = felt_figures(judged)
    assert count == "3"
    by_pair = dict(zip(domains._pairs(), ranks, strict=True))
    assert by_pair["arousal", "power"] == pytest.approx(1.0)
    assert by_pair["valence", "sadness"] == pytest.approx(-1.0)


def test_command_predicts_every_song_of_a_split(tmp_path, capsys):
    layout = write(tmp_path, "composed")
    for path in layout.files:
        if path.endswith(".flac"):
            write_tone((tmp_path / path).with_suffix(".wav"), 300.0)
    table = tmp_path / layout.table
    table.write_text(table.read_text().replace(".flac", ".wav"))
    options = argparse.Namespace(
        data=tmp_path, model="affetti", sets=["composed"], split=["train", "val"], threads=0
    )
    assert domains.run(options) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split(" | ")[:2] for line in lines if line.startswith("| composed")]
    assert rows == [
        ["| composed", "2"], ["| composed, piano", "1"], ["| composed, strings", "1"],
        ["| composed", "2"],
    ]  # fmt: skip
    options.split = ["test"]
    with pytest.raises(DatasetError, match="composed has no song with audio in test"):
        domains.run(options)
