"""Cue sheets are noted, and cost no more than their number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from catalog.files import scan as scan_module
from catalog.files.scan import cue_note

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_folder_of_cue_sheets_is_listed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = []

    def spy(folder: Path) -> Any:
        listed.append(folder)
        return original(folder)

    original = scan_module._entries
    monkeypatch.setattr(scan_module, "_entries", spy)
    for number in range(50):
        (tmp_path / f"{number}.cue").touch()
        (tmp_path / f"{number}.flac").touch()
    notes = [cue_note(tmp_path / f"{number}.cue") for number in range(50)]
    assert all(f"{number}.flac is one song" in note for number, note in enumerate(notes))
    assert listed == [tmp_path]
