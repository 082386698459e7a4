from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "benchmarks"
PARTS = {"__init__", "catalogues", "counted", "filling", "playlist_process", "write_back_kills"}
"""What other benchmarks use."""
NAMES = sorted({path.stem for path in FOLDER.glob("*.py")} - PARTS)


@pytest.mark.parametrize("name", NAMES)
def test_prints_its_help_and_measures_nothing(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = importlib.import_module(f"benchmarks.{name}")
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with pytest.raises(SystemExit) as exit_:
        module.main()
    assert exit_.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: {name}")
