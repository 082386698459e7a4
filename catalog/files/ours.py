"""What Affetti wrote into the tags of a file, as the tag AFFETTI says."""

from __future__ import annotations

from typing import Final

OURS: Final = ("mood", "bpm", "key")
"""Fields that `catalog.files.writing` writes."""


def ours_of(marks: list[str]) -> dict[str, tuple[str, ...]]:
    """Return what `catalog.files.writing` wrote, by field, as the tag AFFETTI says."""
    written: dict[str, tuple[str, ...]] = {}
    for mark in marks:
        name, _, value = mark.partition("=")
        if value and name in OURS:
            written[name] = (*written.get(name, ()), value)
    return written
