"""Files of the results: JSON with all numbers, and Markdown pages that end with notes by hand."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pathlib import Path

NOTES: Final = "## What was tried, and what limits it"
"""Heading of a page's last part, which is written by hand and kept when the page is rewritten."""


def keep_notes(page: str, previous: str) -> str:
    """Append the notes of the `previous` page to `page`.

    Parameters
    ----------
    page, previous : str
        `previous` may be empty.

    Returns
    -------
    str
    """
    _, heading, notes = previous.partition(NOTES)
    return f"{page}\n{heading}{notes}" if heading else page


def write_page(path: Path, page: str) -> None:
    """Write and print `page`, followed by the notes of the page that it replaces."""
    written = keep_notes(page, path.read_text() if path.is_file() else "")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(written)
    print(written)  # noqa: T201


def write_json(path: Path, value: Any, indent: int | None = None) -> None:
    """Write `value` to `path` and create its folder; numbers that are not finite become null."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(finite(value), indent=indent, allow_nan=False) + "\n")


def finite(value: Any) -> Any:
    """Replace every float that is not finite with None, because JSON has no such numbers."""
    if isinstance(value, dict):
        return {key: finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
