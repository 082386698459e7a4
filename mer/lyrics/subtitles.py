"""Subtitles as timed lyrics: SubRip, WebVTT and TTML to LRC."""

from __future__ import annotations

import html
import re
from typing import Final

SUBTITLES: Final = ("srt", "vtt", "ttml")

_CUE: Final = re.compile(r"^\s*(?:(\d{1,3}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})\s*-->")
_PARAGRAPH: Final = re.compile(
    r"<(?:\w+:)?p\b[^>]{0,200}?\bbegin=[\"'](?:(\d{1,3}):)?(?:(\d{1,2}):)?(\d{1,6}(?:\.\d{1,9})?)s?[\"']"
    r"[^>]{0,200}>(.{0,1000}?)</(?:\w+:)?p>",
    re.DOTALL,
)
_LINE_BREAK: Final = re.compile(r"<(?:\w+:)?br\s*/?>")
_MARKUP: Final = re.compile(r"<[^<>]*>|\{\\[^{}]*\}")


def lrc_from_subtitles(text: str) -> str:
    """Turn subtitles into timed lyrics.

    Parameters
    ----------
    text : str
        SubRip, WebVTT, TTML, or any other text.

    Returns
    -------
    str
        LRC, a line for each subtitle. Empty if there are none.
    """
    lines = [
        f"{_stamp(hours, minutes, seconds)}{words}"
        for hours, minutes, seconds, raw in _cues(text)
        if (words := " ".join(html.unescape(_MARKUP.sub("", raw)).split()))
    ]
    return "\n".join(lines)


def _cues(text: str) -> list[tuple[int, int, float, str]]:
    """Return hours, minutes, seconds and words of each subtitle."""
    if "<tt" in text[:2_000]:
        return [
            (*_clock(found[1], found[2]), float(found[3]), _LINE_BREAK.sub(" ", found[4]))
            for found in _PARAGRAPH.finditer(text)
        ]
    cues = []
    for block in re.split(r"\n\s*\n", text.replace("\r\n", "\n").replace("\r", "\n")):
        lines = block.split("\n")
        for place, line in enumerate(lines):
            if found := _CUE.match(line):
                hours, minutes, seconds = (int(found[n] or 0) for n in (1, 2, 3))
                words = " ".join(lines[place + 1 :])
                cues.append((hours, minutes, seconds + float(f"0.{found[4]}"), words))
                break
    return cues


def _clock(first: str | None, second: str | None) -> tuple[int, int]:
    """Return hours and minutes; a clock of two parts has no hours."""
    if second is None:
        return 0, int(first or 0)
    return int(first or 0), int(second)


def _stamp(hours: int, minutes: int, seconds: float) -> str:
    total = hours * 3600 + minutes * 60 + seconds
    return f"[{int(total // 60):02d}:{total % 60:05.2f}]"
