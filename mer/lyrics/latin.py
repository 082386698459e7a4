"""Tells Western, Central European, Turkish and Baltic code pages apart, by pairs of letters.

These pages give the same bytes to different Latin letters: ``zêba`` and ``zęba`` are one text.
`latin_letters.json` says which neighbours each letter has in each language, as bits: minus the
binary logarithm of their share, from frequent words (``benchmarks/latin_letters.py``).
A word costs the fewest bits that any language of the page needs.
"""

# ruff: noqa: RUF001 (letters beyond ASCII are the matter here)

from __future__ import annotations

import json
import re
from functools import cache, lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Final

_PAGES: Final = {
    "cp1250": "cp1250",
    "iso8859_2": "cp1250",
    "cp1254": "cp1254",
    "cp1257": "cp1257",
}
"""Code pages that are tried, and the one whose languages they are for."""
_LEAST_GAIN: Final = 7
"""In bits. The texts of `tests/mer/mojibake.py`, spoiled and good ones, are then told apart."""
SAMPLE_BYTES: Final = 4_000
_WESTERN: Final = "cp1252"
_UNSEEN: Final = 12
"""Bits of a neighbour that a letter never has."""
_FOREIGN: Final = 30
"""Bits of a letter that no language of the page has beside the others of the word."""
_MOST_BITS_A_LETTER: Final = 8.0
_EDGE_SYMBOL: Final = 10
_BORROWED: Final = 3
_MOST_OF_SAME: Final = 5
_CONTROL: Final = re.compile(r"[\x80-\x9f]")
_WORD: Final = re.compile(r"(?:[a-zA-Z]|[^\x00-\x7f\xa0])+")
_SIGNED: Final = re.compile(
    r"[¥€£¢]+|[¿¡«»“‘’„‚‹”–—…]{0,2}[^\W_]+(?:['’‘´·–—][^\W_]+)*[»«”’“‘…™®©›‹–—]{0,2}"
)
"""A word as punctuation may surround it."""
_SEPARATORS: Final = frozenset("‚„…‘’“”•–—‹›«»´·¨¸\xa0\xad§©®°±†‡‰€™")


def latin_page(data: bytes) -> str:
    """Return the code page of text that reads as Windows-1252, but is in another Latin one.

    Parameters
    ----------
    data : bytes
        The first `SAMPLE_BYTES` count.

    Returns
    -------
    str
        Python's name; empty if the text may be Western or is in another script.
    """
    data = data[:SAMPLE_BYTES]
    western = _western(data)
    best, gain = "", float(_LEAST_GAIN)
    for page, group in _PAGES.items():
        try:
            text = data.decode(page)
        except UnicodeDecodeError:
            continue
        if _CONTROL.search(text):
            continue
        found = _gain(western, text, group)
        if found > gain:
            best, gain = page, found
    return best


def is_western(data: bytes) -> bool:
    """Whether text reads well as Windows-1252: its words, or signs that stand alone."""
    text = _western(data[:SAMPLE_BYTES])
    if _CONTROL.search(text) or has_stray_signs(data):
        return False
    parts = [
        part
        for found in _WORD.finditer(text)
        for part in re.findall(r"[^\W\d_]{2,}", found[0])
        if not part.isascii()
    ]
    # The page has š and ž, too, and so whole words of Czech; in Mac Roman these bytes are ö and û.
    bits = sum(
        min(_cost(part, _WESTERN), _cost(part, "cp1250") + _BORROWED * len(part)) for part in parts
    )
    return bits <= _MOST_BITS_A_LETTER * sum(map(len, parts))


def has_stray_signs(data: bytes) -> bool:
    """Whether text that is read as Windows-1252 has signs where words have letters."""
    return any(
        not found[0].isascii()
        and (len(set(found[0])) > 1 or found[0].isalpha())
        and not _SIGNED.fullmatch(found[0])
        for found in _WORD.finditer(_western(data[:SAMPLE_BYTES]))
    )


def _western(data: bytes) -> str:
    """Decode Windows-1252; bytes that it leaves open are controls, as in Latin-1."""
    return "".join(map(_western_letter, data))


@lru_cache(maxsize=256)
def _western_letter(byte: int) -> str:
    return bytes([byte]).decode(_WESTERN, "ignore") or chr(byte)


def _gain(western: str, text: str, group: str) -> float:
    """Return the bits that `text` needs fewer than `western`; negative if it is no such text."""
    gains, same, bits, letters = [], 0, 0, 0
    for found in _WORD.finditer(western):
        for start, stop in _parts(western, text, found.start(), found.end()):
            one, other = western[start:stop], text[start:stop]
            if len(one) == 1 or one.isascii():  # one letter proves nothing
                continue
            cost = _cost(other, group)
            if one == other:
                same += _cost(one, _WESTERN) - cost
                continue
            gains.append(_cost(one, _WESTERN) - cost)
            bits += cost
            letters += len(other)
    if not letters or bits > _MOST_BITS_A_LETTER * letters:
        return -1.0
    # Words that are the same on both pages say which languages these are.
    return sum(gains) + (min(max(0, same), _MOST_OF_SAME) if min(gains) >= 0 else 0)


def _parts(western: str, text: str, start: int, stop: int) -> list[tuple[int, int]]:
    """Split a word at punctuation that both pages have."""
    parts, first = [], start
    for place in range(start, stop + 1):
        at_end = place == stop
        if at_end or (western[place] in _SEPARATORS and western[place] == text[place]):
            if first < place:
                parts.append((first, place))
            first = place + 1
    return parts


@lru_cache(maxsize=4096)
def _cost(word: str, group: str) -> int:
    """Return the bits of the letters beyond ASCII, in the language that needs fewest."""
    breaks = any(a.islower() and b.isupper() for a, b in pairwise(word))
    symbols = _symbols(word, _EDGE_SYMBOL if group == _WESTERN else _FOREIGN)
    if word.startswith("İ"):
        word = f"i{word[1:]}"
    framed = f" {word.replace('İ', 'Ⅰ').lower()} "
    costs = [_word_bits(letters, framed) for letters in _table()[group].values()]
    return min(costs) + symbols + _FOREIGN * breaks


def _symbols(word: str, at_edge: int) -> int:
    """Return the bits of signs in a word: sure inside it, less so at its edges."""
    bits = 0
    for place, sign in enumerate(word):
        if sign.isascii() or (sign.isalpha() and sign not in "ªº"):
            continue
        is_inside = 0 < place < len(word) - 1
        bits += _FOREIGN if is_inside else at_edge
    return bits


def _word_bits(letters: dict[str, tuple[dict[str, int], ...]], framed: str) -> int:
    bits = 0
    for place, letter in enumerate(framed[:-1]):
        sides = letters.get(letter)
        following = framed[place + 1]
        if sides is None:
            bits += _FOREIGN if letter.isalpha() else 0
        elif len(sides) == 2:
            bits += sides[0].get(framed[place - 1], _UNSEEN) + sides[1].get(following, _UNSEEN)
        elif following.isascii():
            bits += sides[0].get(following, _UNSEEN)
    return bits


@cache
def _table() -> dict[str, dict[str, dict[str, tuple[dict[str, int], ...]]]]:
    """Return code page → language → letter → bits of the neighbours before and after it."""
    packed = json.loads(Path(__file__).with_name("latin_letters.json").read_text("utf-8"))
    return {
        page: {
            language: {
                letter: tuple(
                    {pair[0]: int(pair[1]) for pair in re.findall("..", side)} for side in sides
                )
                for letter, sides in letters.items()
            }
            for language, letters in languages.items()
        }
        for page, languages in packed.items()
    }
