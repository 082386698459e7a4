"""The command ``datasets``: sizes, terms and checksums of the data sets at hand."""

from __future__ import annotations

import pytest

from mer.research import cli
from mer.research.datasets import gems_lyrics
from mer.research.datasets.checksums import verify
from mer.research.datasets.registry import datasets
from tests.mer.research.layouts import write


def test_a_set_is_shown_with_its_terms_and_sizes(tmp_path, capsys):
    layout = write(tmp_path, "gems_lyrics")
    assert cli.main(["datasets", "gems_lyrics", "--data", str(tmp_path)]) == 1
    printed = capsys.readouterr().out
    assert "gems_lyrics: perceived, scale 0 to 1" in printed
    assert f"{layout.tracks} tracks: train " in printed
    assert f"{layout.table}: differs" in printed
    (check,) = verify("gems_lyrics", tmp_path)
    assert f"expected SHA-256 {check.expected}, found {check.found}" in printed
    assert gems_lyrics.LICENCE in printed
    assert gems_lyrics.CITATION in printed


def test_known_copies_are_no_error(tmp_path, monkeypatch, capsys):
    layout = write(tmp_path, "gems_lyrics")
    (check,) = verify("gems_lyrics", tmp_path)
    monkeypatch.setattr(gems_lyrics, "CHECKSUMS", {layout.table: check.found})
    assert cli.main(["datasets", "gems_lyrics", "--data", str(tmp_path)]) == 0
    assert f"{layout.table}: matches" in capsys.readouterr().out


def test_absent_sets_are_listed_with_what_is_missing(tmp_path, capsys):
    assert cli.main(["datasets", "--data", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    for name in datasets():
        assert f"\n{name}: " in f"\n{printed}"
    assert printed.count("not loaded: ") == len(datasets())
    assert "not loaded: " + str(tmp_path / "emotify/data.csv") in printed


def test_an_unknown_set_lists_the_known_ones(tmp_path, capsys):
    assert cli.main(["datasets", "gems", "--data", str(tmp_path)]) == 1
    assert "no data set 'gems'; there are composed, deam, " in capsys.readouterr().err


@pytest.mark.parametrize("name", ["base", "registry", "overlaps"])
def test_modules_without_a_loader_are_no_data_sets(name):
    assert name not in datasets()
