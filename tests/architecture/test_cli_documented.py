"""Every option of every command stands in docs/cli.md."""

from __future__ import annotations

import argparse
import re

import pytest
from django.core.management import load_command_class

from mer import cli
from mer.research import cli as research
from tests.places import ROOT

PAGE = (ROOT / "docs/cli.md").read_text()
DJANGO_OPTIONS = set(argparse.ArgumentParser()._option_string_actions) | {
    "--version", "--verbosity", "-v", "--settings", "--pythonpath", "--traceback", "--no-color",
    "--force-color", "--skip-checks",
}  # fmt: skip
COMMANDS = [
    (app, path.stem)
    for app in ("catalog", "recommender")
    for path in sorted((ROOT / app / "management/commands").glob("[!_]*.py"))
]


def documented(options: set[str]) -> set[str]:
    return {option for option in options if re.search(rf"{option}\b", PAGE)}


@pytest.mark.parametrize(("app", "name"), COMMANDS)
def test_management_command_is_documented(app, name):
    parser = load_command_class(app, name).create_parser("manage.py", name)
    options = set(parser._option_string_actions) - DJANGO_OPTIONS
    assert f"manage.py {name}" in PAGE
    assert documented(options) == options


@pytest.mark.parametrize(
    ("program", "main", "name"),
    [
        *(("mer", cli.main, name) for name in ("analyze", "evaluate")),
        *(("mer.research", research.main, name) for name in research.COMMANDS),
    ],
)
def test_mer_command_is_documented(program, main, name, capsys):
    with pytest.raises(SystemExit):
        main([name, "--help"])
    options = set(re.findall(r"(?<!\w)--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    assert f"python -m {program} {name}" in PAGE
    assert documented(options) == options
