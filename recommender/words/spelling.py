"""Words that are misspelt moods, and words that are none."""

from __future__ import annotations

import functools
import itertools
from typing import TYPE_CHECKING, Final

from rapidfuzz import process
from rapidfuzz.distance import OSA

from mer.lyrics import english_words
from recommender.words.lexicon import Kind, languages, misspelt

if TYPE_CHECKING:
    from recommender.words.lexicon import Language

SHORTEST: Final = 4
"""A shorter word is never corrected."""
TWO_EDITS_FROM: Final = 9
"""A word this long may differ by two edits; a swap of neighbours is one edit."""
LONG: Final = 6
"""From this length on, words of other languages than English are corrected."""
_SHORT: Final = 5
"""Up to this length only a missing or an additional letter is a misspelling: clam is not calm."""
_CORRECTED: Final = (Kind.MOOD, Kind.COMPARATIVE, Kind.NOT)
_ENDINGS: Final = ("s", "es", "ed", "ing", "er", "ers", "ly", "ness", "less", "ful")
_SHORTEST_STEM: Final = 3
_HALF: Final = 3


def is_english(word: str) -> bool:
    """Whether a folded word is one that the text network knows, or is made of such words."""
    return _is_real(word) or any(
        word[:cut] in english_words() and word[cut:] in english_words()
        for cut in range(_HALF, len(word) - _HALF + 1)
    )


def corrected(word: str, language: Language) -> str | None:
    """Return the mood or refusal that a word is a misspelling of; None for real words.

    Only English has a list of its words here. In other languages a word that no table has may be
    real, so only long words are corrected, and by one letter.
    """
    if word in misspelt():
        return misspelt()[word]
    if len(word) < SHORTEST or not word.isalpha() or _is_real(word):
        return None
    if found := _near(word, language.code):
        return found
    others = () if len(word) < LONG else languages()
    return next((found for code in others if (found := _near(word, code))), None)


def is_slip(word: str) -> bool:
    """Whether a word is a misspelt English mood."""
    if word in misspelt():
        return True
    return (
        len(word) >= SHORTEST and word.isalpha() and not _is_real(word) and bool(_near(word, "en"))
    )


def _is_real(word: str) -> bool:
    known = english_words()
    if word in known:
        return True
    for ending in _ENDINGS:
        stem = word.removesuffix(ending)
        if stem == word or len(stem) < _SHORTEST_STEM:
            continue
        is_dropped = ending[0] in "ei" and f"{stem}e" in known  # waking, baker
        if stem in known or is_dropped or (stem[-1] == stem[-2] and stem[:-1] in known):
            return True
    return False


@functools.lru_cache(maxsize=4096)
def _near(word: str, code: str) -> str | None:
    if code != "en" and len(word) < LONG:
        return None
    edits = 2 if code == "en" and len(word) >= TWO_EDITS_FROM else 1
    near = process.extract(word, _words(code), scorer=OSA.distance, score_cutoff=edits, limit=8)
    for found, distance, _ in sorted(near, key=lambda match: (match[1], match[0])):
        if distance and found[0] == word[0] and _is_slip(word, found):
            return str(found)
    return None


def _is_slip(word: str, found: str) -> bool:
    if len(found) < SHORTEST - 1 or len(word) < SHORTEST:
        return False
    if min(len(word), len(found)) >= _SHORT:
        return True
    # Of short words, only a letter too many or too few: many real words are one letter from sad.
    doubled = any(one == two for one, two in itertools.pairwise(word))
    return len(word) != len(found) and (len(found) >= _SHORT or doubled or len(word) < len(found))


@functools.cache
def _words(code: str) -> tuple[str, ...]:
    language = languages()[code]
    phrases = {key[0] for key, word in language.phrases.items() if len(key) == 1 and _is_long(word)}
    # A stem stands for the word without an ending.
    stems = {stem for stem, word in language.stems.items() if word.kind in _CORRECTED}
    return tuple(sorted(word for word in phrases | stems if word.isalpha()))


def _is_long(word: object) -> bool:
    return getattr(word, "kind", None) in _CORRECTED
