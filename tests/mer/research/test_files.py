"""Pages that keep the notes under them, and JSON without numbers that it does not have."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from mer.research.files import NOTES, finite, keep_notes, write_json, write_page

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_numbers_that_are_not_finite_become_none() -> None:
    figures = {"a": [1.0, float("nan")], "b": {"c": float("inf"), "d": "nan"}, "e": (2, None)}
    assert finite(figures) == {"a": [1.0, None], "b": {"c": None, "d": "nan"}, "e": [2, None]}


def test_json_is_written_in_a_new_folder(tmp_path: Path) -> None:
    path = tmp_path / "new" / "figures.json"
    write_json(path, {"a": (1.5, float("inf"))})
    assert json.loads(path.read_text()) == {"a": [1.5, None]}


def test_notes_are_kept() -> None:
    written = keep_notes("figures\n", "") + f"\n{NOTES}\n\nIt rained.\n"
    again = keep_notes("new figures\n", written)
    assert again == f"new figures\n\n{NOTES}\n\nIt rained.\n"
    assert keep_notes("new figures\n", again) == again


def test_a_page_is_written_over_the_last_one_and_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "new" / "page.md"
    write_page(path, "old\n")
    path.write_text(f"{path.read_text()}\n{NOTES}\n\nBy hand.\n")
    write_page(path, "new\n")
    assert path.read_text() == f"new\n\n{NOTES}\n\nBy hand.\n"
    assert capsys.readouterr().out.endswith("By hand.\n\n")
