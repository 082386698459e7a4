"""Packages of the research extra, the commands that need them, and the product that does not."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from mer.errors import PackageMissingError
from mer.research.cli import COMMANDS, main
from mer.research.packages import research_package

if TYPE_CHECKING:
    from pathlib import Path


def test_the_message_names_an_absent_package_and_its_installation() -> None:
    with pytest.raises(PackageMissingError, match=r"nowhere, which knits, .*\[research\]"):
        research_package("nowhere.at_all", "knits")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--model", "lee"], "no architecture is called 'lee'; there are affetti"),
        (["train", "--model", "li", "--label-rate", "0"], "--label-rate"),
        (["train", "--model", "li", "--epochs", "0"], "--epochs"),
        (["experiment", "noise", "--models", "lee"], "no architecture is called 'lee'"),
    ],
)
def test_wrong_options_fail_before_any_work(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--data", str(tmp_path)]) == 1
    assert message in capsys.readouterr().err


def test_an_unknown_experiment_lists_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["experiment", "seance", "--data", "."])
    assert "scalability" in capsys.readouterr().err


def test_the_product_imports_no_research_package() -> None:
    script = (
        "import sys, mer.pipeline, mer.research.harness.train, mer.research.harness.compare;"
        "import mer.research.experiments.command;"
        "research = {'accelerate', 'gensim', 'librosa', 'matplotlib', 'sklearn'};"
        "print(sorted(research & set(sys.modules)))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert printed.stdout.strip() == "[]"


ACTIONS = {"playlists": ["prepare"]}


@pytest.mark.parametrize("command", list(COMMANDS))
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([command, *ACTIONS.get(command, []), "--help"])
    assert stop.value.code == 0
    assert "--data" in capsys.readouterr().out
