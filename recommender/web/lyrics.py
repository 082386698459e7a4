"""The lyrics of a song as its page shows them: when each line is sung, and which ones moved it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mer.lyrics import line_key, timed_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recommender.web.presentation import LineMove


@dataclass(frozen=True, slots=True)
class ShownLine:
    """A line of lyrics; blank between stanzas.

    `start_seconds` is None if nothing says when it is sung. `move` says how the line moved the
    song's place; empty for most.
    """

    text: str
    start_seconds: float | None = None
    move: str = ""


def shown_lines(lyrics: str, moves: Sequence[LineMove]) -> list[ShownLine]:
    """Return the lines of plain or timed lyrics."""
    words = {line_key(move.text): move.words for move in moves}
    return [
        ShownLine(text, start, words.get(line_key(text), "") if text else "")
        for start, text in timed_lines(lyrics)
    ]
