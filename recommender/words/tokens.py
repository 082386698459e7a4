"""A text as words, with the places where clauses end."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final, NamedTuple

from catalog.texts import fold

if TYPE_CHECKING:
    from collections.abc import Sequence

# The vowel signs of Indian scripts are no letters, but parts of words.
_WORD: Final = re.compile(
    r"(?P<no>(?<!\S)[-!\u2212](?=[^\W\d_]))|(?<![^\W_])[A-Ga-g][#\u266d\u266f](?:m(?:aj|in)?)?(?![^\W_])|[^\W_]+(?:[\u0900-\u0dff\u0e00-\u0fff]+[^\W_]*)*(?:['\u2019\u02bc][^\W_]+)*|[&+]"
    r"|[,;:.!?\u2026()\n\u3001\u3002\uff0c\uff01\uff1f\uff1b\u060c\u061f\u061b\u0964]|\s[-\u2013\u2014]\s"
)
_ENGLISH_ENDS: Final = re.compile(r"['\u2019\u02bc](?:s|m|re|ll|ve|d)$", re.IGNORECASE)
_NOT: Final = re.compile(r"n['\u2019\u02bc]t$", re.IGNORECASE)
_APOSTROPHE: Final = re.compile(r"['\u2019\u02bc]")
_COMMAS: Final = frozenset(",\u3001\uff0c\u060c:()")
_QUESTIONS: Final = frozenset("?\uff1f\u061f")
_ANDS: Final = frozenset({"and", "&", "+"})
_LONGEST_ELISION: Final = 5
"""Of d'amour, dell'anima: letters before the apostrophe."""


class Token(NamedTuple):
    """A word or a mark; `word` is folded, and "," or "." or "?" for every mark of that kind."""

    text: str
    word: str
    start: int
    end: int

    @property
    def is_mark(self) -> bool:
        """Whether it is punctuation."""
        return self.word in {",", ".", "?"}


def tokens_of(text: str) -> list[Token]:
    """Return the words and marks of a text, in NFC."""
    plain = unicodedata.normalize("NFC", text)
    tokens: list[Token] = []
    for found in _WORD.finditer(plain):
        # A sign right before a word refuses it, as in searches: happy -sad.
        refusing = [Token(found[0], "not", found.start(), found.end())] if found["no"] else []
        tokens += refusing or _split(found[0], found.start())
    return tokens


def key_of(name: str) -> tuple[str, ...]:
    """Return the folded words of a name, without a leading "the" and without "and"."""
    return key_of_words([token.word for token in tokens_of(name) if not token.is_mark])


def key_of_words(words: Sequence[str]) -> tuple[str, ...]:
    """Return the key of a name that consists of these folded words."""
    kept = [word for word in words if word not in _ANDS]
    if len(kept) > 1 and kept[0] == "the":
        kept = kept[1:]
    return tuple(kept or words)


def _split(found: str, start: int) -> list[Token]:
    bare = found.strip()
    if bare in _QUESTIONS:
        return [Token(bare, "?", start, start + len(found))]
    if bare in _COMMAS or bare in {"-", "\u2013", "\u2014"}:
        return [Token(bare, ",", start, start + len(found))]
    if not any(character.isalnum() for character in found) and bare not in {"&", "+"}:
        return [Token(found, ".", start, start + len(found))]
    if _NOT.search(found):
        at = len(found) - 3
        return [_token(found[:at], start), Token(found[at:], "not", start + at, start + len(found))]
    found = _ENGLISH_ENDS.sub("", found)
    pieces = _APOSTROPHE.split(found)
    if len(pieces) == 2 and len(pieces[0]) <= _LONGEST_ELISION:
        second = start + len(pieces[0]) + 1
        return [_token(pieces[0], start), _token(pieces[1], second)]
    return [Token(found, fold(_APOSTROPHE.sub("", found)), start, start + len(found))]


def _token(text: str, start: int) -> Token:
    return Token(text, fold(text), start, start + len(text))
