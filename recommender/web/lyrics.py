"""The lyrics of a song as its page shows them: when each line is sung, and which ones moved it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mer.lyrics import clean_lyrics, line_key, parse_lrc

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from recommender.web.presentation import LineMove

_FEWEST_TIMED: Final = 3
_TIMED_SHARE: Final = 0.5
"""Lyrics of which fewer lines have a time are shown without any."""


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
        for start, text in _lines(lyrics)
    ]


def _lines(lyrics: str) -> Iterator[tuple[float | None, str]]:
    plain = clean_lyrics(lyrics).split("\n")
    timed = parse_lrc(lyrics)
    sung = sum(bool(line.text) for line in timed)
    if sung < max(_FEWEST_TIMED, _TIMED_SHARE * sum(map(bool, plain))):
        yield from ((None, text) for text in plain)
        return
    was_blank = True
    for line in timed:
        if line.text or not was_blank:
            yield (line.start_seconds if line.text else None), line.text
        was_blank = not line.text
