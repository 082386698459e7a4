"""`manage.py evaluate_playlists`: the recommender answers the queries of a suite."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys

import numpy as np
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from catalog.models import Song
from mer.affect import AffectPoint
from mer.research.playlists.suite import read_run, read_suite
from tests.places import ROOT

EXAMPLE = ROOT / "docs/playlist-suite"


@pytest.fixture
def suite(tmp_path):
    """The example of the docs, with predictions that are its labels."""
    folder = tmp_path / "suite"
    shutil.copytree(EXAMPLE, folder)
    songs = list(read_suite(folder).songs.values())
    places = np.array([song.labels.place for song in songs], np.float32)
    quadrants = np.array(
        [
            [float(AffectPoint(*place).quadrant == name) for name in ("Q1", "Q2", "Q3", "Q4")]
            for place in places.tolist()
        ]
    )
    fused = np.zeros((len(songs), 256), np.float32)
    fused[:, :2] = places - 0.5
    fused /= np.linalg.norm(fused, axis=1, keepdims=True)
    (folder / "predictions").mkdir()
    np.savez(
        folder / "predictions/all.npz",
        songs=np.array([song.name for song in songs]),
        affect=places,
        quadrants=quadrants.astype(np.float32),
        emotions=np.full((len(songs), 8), 1 / 8, np.float32),
        fused=fused,
    )
    return folder


@pytest.mark.django_db
def test_lists_are_a_run_that_the_suite_can_score(suite):
    call_command("evaluate_playlists", str(suite), "--here")
    run = read_run(suite / "runs/affetti.csv", read_suite(suite))
    assert set(run) == {"like sunrise", "calm", "low and dark", "wake up"}
    # The labels are predicted exactly, so the best songs come first.
    assert run["like sunrise"][0].song == "parade"
    assert {each.song for each in run["calm"][:2]} == {"meadow", "lullaby"}
    assert {each.song for each in run["low and dark"][:2]} == {"farewell", "rain"}
    journey = sorted(run["wake up"], key=lambda each: each.position)
    assert (journey[0].song, journey[-1].song) == ("farewell", "sunrise")
    for listed in run.values():
        scores = [each.score for each in listed]
        assert scores == sorted(scores, reverse=True)
        assert sorted(each.position for each in listed) == list(range(1, len(listed) + 1))
    assert "lullaby" not in {each.song for each in run["like sunrise"]}


@pytest.mark.django_db
def test_catalogues_are_not_mixed(suite):
    with (suite / "songs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    with (suite / "songs.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, [*rows[0], "catalogue"])
        table.writeheader()
        for number, row in enumerate(rows):
            table.writerow({**row, "catalogue": f"p/{number % 2}"})
    (suite / "queries.csv").write_text("query,kind,mood,catalogue,quadrant\nq,mood,calm,p/1,Q4\n")
    call_command("evaluate_playlists", str(suite), "--here", "--diversity", "0")
    run = read_run(suite / "runs/affetti.csv", read_suite(suite))
    assert {each.song for each in run["q"]} == {row["song"] for row in rows[1::2]}


@pytest.mark.django_db
def test_a_database_with_songs_is_left_alone(suite, songs):
    with pytest.raises(CommandError, match="has songs"):
        call_command("evaluate_playlists", str(suite), "--here")
    assert Song.objects.count() == len(songs)


@pytest.mark.django_db
def test_absent_files_are_named_with_the_command_that_makes_them(suite):
    (suite / "predictions/all.npz").unlink()
    with pytest.raises(CommandError, match=r"all\.npz .*playlists prepare"):
        call_command("evaluate_playlists", str(suite), "--here")
    with pytest.raises(CommandError, match=r"songs\.csv cannot be read: .*playlists prepare"):
        call_command("evaluate_playlists", str(suite / "nowhere"), "--here")


@pytest.mark.slow
def test_without_here_the_configured_database_is_not_touched(suite, tmp_path):
    command = [sys.executable, "manage.py", "evaluate_playlists", str(suite)]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    assert read_run(suite / "runs/affetti.csv", read_suite(suite))
