"""Intervals, paired tests, rivals, and the command on the example."""

from __future__ import annotations

import json
import math
import shutil

import numpy as np
import pytest

from mer.errors import ShapeError
from mer.research import cli
from mer.research.playlists import rivals
from mer.research.playlists.figures import (
    grouped_difference,
    grouped_interval,
    measure,
    sections,
)
from mer.research.playlists.suite import LabelledSong, Labels, Suite, read_run, read_suite
from tests.mer.research.playlists.test_suite import EXAMPLE


def figures(main="mine", kind="song"):
    suite = read_suite(EXAMPLE)
    runs = {
        "mine": read_run(EXAMPLE / "runs/mine.csv", suite),
        "random": rivals.random_run(suite),
        "oracle": rivals.oracle_run(suite),
    }
    found = {section.kind: measure(suite, section, main) for section in sections(suite, runs)}
    return found[kind]


def of(found, run, name):
    return found["runs"][run]["figures"][name]["estimate"]


def test_the_example_has_the_figures_by_hand():
    found = figures()
    near, far = (1 + math.exp(-0.01 / 0.0722)) / 2, math.exp(-0.36 / 0.0722) / 2
    storm, rain = math.exp(-0.26 / 0.0722) / 2, math.exp(-0.5 / 0.0722) / 2
    farewell = math.exp(-0.72 / 0.0722) / 2
    best = sorted([near, far, far, storm, rain, farewell], reverse=True)
    ideal = sum(gain / math.log2(rank + 2) for rank, gain in enumerate(best))
    own = near + far / math.log2(3) + far / 2
    assert of(found, "mine", "ndcg10") == pytest.approx(own / ideal)
    assert of(found, "mine", "precision10") == pytest.approx(0.1)
    assert of(found, "mine", "distance") == pytest.approx((0.1 + 0.6 + 0.6) / 3)
    # Playing order: parade, meadow, riot.
    steps = ((0.01 + 0.36) + (0.36 + 0.36)) / 2
    pairs = ((0.01 + 0.36) + (0.36 + 0.36) + 0.25) / 3
    assert of(found, "mine", "coherence") == pytest.approx(1 - steps / pairs)
    assert of(found, "oracle", "ndcg10") == pytest.approx(1)
    assert found["runs"]["mine"]["coverage"] == pytest.approx(3 / 8)


def test_the_scores_of_the_example_are_binned_with_their_gains():
    bins = figures(kind="mood")["runs"]["mine"]["scores"]
    assert [(b["low"], b["songs"], b["gain"], b["right"]) for b in bins] == [
        (0.6, 1, 0.0, 0.0),
        (0.7, 1, 1.0, 1.0),
    ]


def test_the_journey_of_the_example_is_compared_by_its_error():
    found = figures(kind="journey")
    # Points .2, .4, .6, .8 on the diagonal; songs (.2 .2), (.3 .3), (.7 .8), (.8 .8).
    error = (0 + math.sqrt(0.02) + math.sqrt(0.01 + 0.04) + 0) / 4
    assert found["measure"] == "journey error"
    assert found["runs"]["mine"]["scores"] == []
    assert of(found, "mine", "journey error") == pytest.approx(error)
    assert of(found, "mine", "forward") == 1.0
    assert of(found, "oracle", "journey error") < of(found, "random", "journey error")


def test_an_interval_draws_groups_not_queries():
    values = np.repeat([0.0, 1.0], 50)
    alone = grouped_interval(values, [str(i) for i in range(100)])
    assert alone.estimate == 0.5
    assert 0.35 < alone.low < alone.high < 0.65
    # Two groups of fifty equal queries: half of the draws have one group twice.
    together = grouped_interval(values, ["a"] * 50 + ["b"] * 50)
    assert (together.low, together.high) == (0.0, 1.0)
    with pytest.raises(ShapeError, match="100 values"):
        grouped_interval(values, ["a"])


def test_one_group_and_no_value_have_no_interval():
    one = grouped_interval(np.array([0.2, 0.4]), ["a", "a"])
    assert one.estimate == pytest.approx(0.3)
    assert math.isnan(one.low)
    assert grouped_difference(np.ones(2), np.zeros(2), ["a", "a"]).p_value == 1.0
    assert math.isnan(grouped_interval(np.full(2, np.nan), ["a", "b"]).estimate)


def test_a_paired_test_finds_what_is_there_and_nothing_else():
    generator = np.random.default_rng(0)
    groups = [str(i % 40) for i in range(200)]
    base = generator.random(200)
    better = grouped_difference(base + 0.05 + 0.05 * generator.standard_normal(200), base, groups)
    assert better.difference.low > 0
    assert better.p_value < 0.001
    same = grouped_difference(base, base[::-1].copy(), groups)
    assert same.p_value > 0.05
    by_hand = float(np.mean(base - base[::-1]))
    assert same.difference.estimate == pytest.approx(by_hand)


def test_rivals_rank_as_they_are_named():
    songs = {
        name: LabelledSong(name, "", name, Labels(frozenset({"Q1"})), frozenset(genres), year)
        for name, genres, year in (
            ("seed", {"rock"}, 1990),
            ("far", {"rock"}, 1960),
            ("near", {"rock"}, 1991),
            ("half", {"rock", "pop"}, 1990),
            ("other", {"folk"}, 1990),
        )
    }
    from mer.research.playlists.queries import queries_of  # noqa: PLC0415

    queries = {q.name: q for q in queries_of("", [songs["seed"]])}
    suite = Suite(songs, queries)

    def order(run):
        return [each.song for each in run["like seed"]]

    assert order(rivals.metadata_run(suite)) == ["near", "far", "half", "other"]
    vectors = {name: np.array([1.0, step]) for step, name in enumerate(songs)}
    assert order(rivals.nearest_run(suite, vectors)) == ["far", "near", "half", "other"]
    places = {"seed": np.array([0.5, 0.5]), "far": np.array([0, 0.5]), "near": np.array([0.6, 0.5])}
    assert order(rivals.plane_run(suite, places)) == ["near", "far"]
    low = {"seed": np.array([0.9, 0.9]), "near": np.array([0.3, 0.3]), "far": np.array([0.1, 0.8])}
    assert [each.song for each in rivals.plane_run(suite, low)["sadness in "]][:2] == [
        "near",
        "far",
    ]
    assert rivals.random_run(suite) == rivals.random_run(suite)
    assert "joy in " not in rivals.metadata_run(suite)


def test_the_command_writes_page_and_numbers(tmp_path, capsys):
    shutil.copytree(EXAMPLE, tmp_path / "suite")
    options = ["playlists", "score", "--suite", str(tmp_path / "suite"), "--main", "mine"]
    assert cli.main([*options, "--out", str(tmp_path / "out")]) == 0
    page = (tmp_path / "out/playlists.md").read_text()
    assert "| oracle | 1.000 |" in page.replace(" [-, -]", "")
    numbers = json.loads((tmp_path / "out/playlists.json").read_text())
    kinds = [section["kind"] for section in numbers["sections"]]
    assert kinds == ["song", "mood", "point", "journey"]
    assert numbers["sections"][0]["runs"]["mine"]["figures"]["ndcg10"]["estimate"] > 0.9
    assert cli.main([*options[:-1], "nobody"]) != 0
    assert "nobody.csv is missing" in capsys.readouterr().err
