"""Songs, queries and runs read from tables; gains; messages about wrong cells."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from mer.errors import DatasetError
from mer.research.playlists.queries import MOODS, quadrants_at, queries_of
from mer.research.playlists.suite import (
    LabelledSong,
    Labels,
    Listed,
    Suite,
    gain,
    read_run,
    read_suite,
    write_run,
    write_suite,
)
from tests.places import ROOT

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLE = ROOT / "docs/playlist-suite"
SONGS = "song,group,quadrant\na,x,Q1\nb,y,Q2\nc,x,Q3\n"
QUERIES = "query,kind,song\nlike a,song,a\n"


def suite_in(folder: Path, songs: str = SONGS, queries: str = QUERIES) -> Path:
    (folder / "songs.csv").write_text(songs)
    (folder / "queries.csv").write_text(queries)
    return folder


def test_gains_of_the_example_by_hand():
    suite = read_suite(EXAMPLE)
    found = suite.gains(suite.queries["like sunrise"])
    # Neither the seed nor the other song of its artist is a candidate.
    assert set(found) == {"parade", "riot", "storm", "farewell", "rain", "meadow"}
    assert found["parade"] == pytest.approx((1 + math.exp(-0.01 / 0.0722)) / 2)
    assert found["riot"] == pytest.approx(math.exp(-0.36 / 0.0722) / 2)
    mood = suite.gains(suite.queries["calm"])
    assert {song for song, worth in mood.items() if worth} == {"meadow", "lullaby"}


def test_gain_is_the_mean_of_the_parts_that_both_have():
    one = Labels(quadrants=frozenset({"Q1"}), place=(0.5, 0.5))
    assert gain(one, Labels(quadrants=frozenset({"Q1", "Q4"}))) == 1.0
    assert gain(one, Labels(place=(0.5, 0.69))) == pytest.approx(math.exp(-0.5))
    assert gain(one, Labels()) == 0.0
    words = Labels(cluster="C1", words=frozenset({"calm", "warm"}))
    other = Labels(cluster="C2", words=frozenset({"warm", "dark", "sad"}))
    assert gain(words, other) == pytest.approx((0 + 1 / 4) / 2)


def test_profiles_are_compared_less_their_mean():
    one, other = Labels(profile=(1.0, 0.0)), Labels(profile=(0.0, 1.0))
    assert gain(one, one, (0.5, 0.5)) == pytest.approx(1)
    assert gain(one, other, (0.5, 0.5)) == 0.0
    assert gain(one, one, (1.0, 0.0)) == 0.0
    songs = {n: LabelledSong(n, "", n, label) for n, label in (("a", one), ("b", other))}
    assert Suite(songs, {})._centres[""] == (0.5, 0.5)


def test_a_suite_and_a_run_survive_writing_and_reading(tmp_path):
    suite = read_suite(EXAMPLE)
    vectors = {"sound": {name: np.arange(3.0) for name in suite.songs}}
    write_suite(tmp_path, Suite(suite.songs, suite.queries, vectors))
    again = read_suite(tmp_path)
    assert again.songs == suite.songs
    assert again.queries == suite.queries
    assert np.array_equal(again.vectors["sound"]["rain"], [0, 1, 2])
    run = read_run(EXAMPLE / "runs/mine.csv", suite)
    write_run(tmp_path / "mine.csv", run)
    assert read_run(tmp_path / "mine.csv", again) == run
    assert run["like sunrise"][1] == Listed("riot", 3, 0.4)


@pytest.mark.parametrize(
    ("songs", "queries", "message"),
    [
        ("song\n\n", QUERIES, "songs.csv has no rows"),
        (SONGS + "a,z,Q1\n", QUERIES, "line 5: 'a' is there twice"),
        (SONGS + "d,z,Q5\n", QUERIES, "line 5, column quadrant: 'Q5'"),
        ("song,valence\na,0.2\n", QUERIES, "both valence and arousal"),
        ("song,valence,arousal\na,2,0.2\n", QUERIES, "must be in 0 to 1"),
        ("song,valence,arousal\na,x,0.2\n", QUERIES, "column valence: 'x' is not a number"),
        ("song,valence,arousal\na,nan,0.2\n", QUERIES, "'nan' is not a finite number"),
        ("group\nx\n", QUERIES, "lacks the column 'song'"),
        (SONGS, "query,kind,song\nq,song,z\n", "column song: 'z' is not in songs.csv"),
        (SONGS, "query,kind,song\nq,song,\n", "column song is empty"),
        (SONGS, "query,kind\nq,dance\n", "column kind: 'dance' is not one of song, mood"),
        (SONGS, "query,kind,path\nq,journey,0.1 0.1\n", "give two waypoints"),
        (SONGS, "query,kind,path\nq,journey,0.1 0.1; 3 0\n", "'3 0' is not two numbers"),
    ],
)
def test_a_wrong_table_is_named_with_line_and_column(tmp_path, songs, queries, message):
    with pytest.raises(DatasetError) as caught:
        read_suite(suite_in(tmp_path, songs, queries))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("like z,1,b", "'like z' is not in queries.csv"),
        ("like a,1,a", "'a' may not be in the list"),
        ("like a,1,c", "'c' may not be in the list"),
        ("like a,0,b", "column rank: '0'"),
        ("like a,1,b\nlike a,2,b", "'b' is in the list of 'like a' twice"),
        ("like a,,b", "column rank is empty"),
    ],
)
def test_a_wrong_run_is_named_with_its_line(tmp_path, rows, message):
    suite = read_suite(suite_in(tmp_path))
    (tmp_path / "run.csv").write_text(f"query,rank,song\n{rows}\n")
    with pytest.raises(DatasetError, match="line") as caught:
        read_run(tmp_path / "run.csv", suite)
    assert message in str(caught.value)


def test_a_missing_table_names_the_page_of_the_format(tmp_path):
    with pytest.raises(DatasetError, match=r"songs\.csv is missing; docs/playlist-suite\.md"):
        read_suite(tmp_path)
    assert (ROOT / "docs/playlist-suite.md").is_file()


def test_queries_follow_from_the_labels():
    placed = LabelledSong("a", "p/1", "x", Labels(frozenset({"Q1"}), place=(0.8, 0.8)))
    kinds = [query.kind for query in queries_of("p/1", [placed])]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "song": 1, "mood": sum(map(len, MOODS.values())), "point": 12, "journey": 12,
    }  # fmt: skip
    clustered = LabelledSong("b", "m/1", "y", Labels(cluster="C1"))
    assert [query.kind for query in queries_of("m/1", [clustered])] == ["song"]


def test_a_point_on_an_axis_is_in_both_quadrants():
    assert quadrants_at(0.8, 0.8) == {"Q1"}
    assert quadrants_at(0.5, 0.2) == {"Q3", "Q4"}
    assert quadrants_at(0.2, 0.5) == {"Q2", "Q3"}
