"""A text as items: moods, words of grammar, filters, marks and unknown words."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from mer.lyrics import english_words
from recommender.words.filters import Claim, claims_of, genre_misspelt
from recommender.words.lexicon import (
    Kind,
    Language,
    Word,
    find_elsewhere,
    is_unspaced,
    language_of,
    languages,
    misspelt,
    script_language,
    segmented,
)
from recommender.words.spelling import corrected, is_english, is_slip
from recommender.words.tokens import Token, tokens_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recommender.words.vocabulary import Vocabulary

_CORRECTION_DOUBT: Final = 0.2
_FOREIGN_DOUBT: Final = 0.1
_NEGATING_STARTS: Final = ("non", "un", "anti")
_GLUE: Final = (Kind.FILLER, Kind.AND)


@dataclass(frozen=True, slots=True)
class Item:
    """Some tokens with one function. `text` is as written."""

    kind: Kind
    text: str
    word: str
    start: int
    end: int
    senses: tuple[str, ...] = ()
    doubt: float = 0.0
    corrected: str = ""
    claim: Claim | None = None
    is_negated: bool = False
    """The word itself refuses, such as unromantic."""
    is_weak: bool = False
    """It means something else within a description."""
    part: str = ""
    """What is named, "sound" or "words", or what a mood is said of; "by_sound", "by_words".

    "said" of a noun that belongs to a mood.
    """
    noun: str = ""
    """The noun of a mood that is said of the sound or the lyrics."""
    with_noun: str = ""
    """Both, in their order."""


def scan(text: str, vocabulary: Vocabulary) -> tuple[list[Item], Language]:
    """Return the items of a text in order, and its language."""
    tokens = tokens_of(text)
    script = script_language(tokens)
    language = script or language_of(tokens, is_slip)
    if script:
        tokens = [part for token in tokens for part in _parts(token)]
    claims = {claim.start: claim for claim in claims_of(tokens, vocabulary)}
    items: list[Item] = []
    at = 0
    while at < len(tokens):
        item, size = _item(tokens, at, claims, language, vocabulary)
        items.append(item)
        at += size
    return _without_strays(items), language


def _parts(token: Token) -> list[Token]:
    return segmented(token) if is_unspaced(token.text) else [token]


def _item(
    tokens: Sequence[Token],
    at: int,
    claims: dict[int, Claim],
    language: Language,
    vocabulary: Vocabulary,
) -> tuple[Item, int]:
    token = tokens[at]
    if token.is_mark:
        return _made(Kind.MARK, tokens, at, 1, token.word), 1
    match = _known(tokens, at, language)
    size, part = language.part_of(tokens, at)
    if part.startswith("by_"):
        return replace(_made(Kind.FILLER, tokens, at, size, token.word), part=part), size
    if part and (match is None or match[0] <= size):
        kind = Kind.UNKNOWN if match is None else match[1].kind
        return replace(_made(kind, tokens, at, size, token.word), part=part), size
    claim = claims.get(at)
    if claim is not None and not _is_outdone(claim, match):
        size = claim.end - claim.start
        made = _made(Kind.FILTER, tokens, at, size, token.word)
        made = replace(made, claim=claim, doubt=claim.doubt, corrected=claim.corrected)
        return replace(made, is_weak=claim.is_weak), size
    if match is not None:
        size, word = match
        made = _made(word.kind, tokens, at, size, word.written)
        negated = word.kind is Kind.MOOD and language.negates(token.word)
        weak = word.is_weak
        return replace(made, senses=word.senses, is_negated=negated, is_weak=weak), size
    return _of_unknown(tokens, at, language, vocabulary), 1


def _known(tokens: Sequence[Token], at: int, language: Language) -> tuple[int, Word] | None:
    match = language.find(tokens, at)
    english = languages()["en"]
    if match is None and language is not english:
        # Other languages borrow English words.
        match = english.find(tokens, at)
        if match is not None and match[1].kind not in (Kind.MOOD, Kind.COMPARATIVE, Kind.FILLER):
            match = None
    return match


def _is_outdone(claim: Claim, match: tuple[int, Word] | None) -> bool:
    if match is None:
        return False
    size, word = match
    is_longer = size > claim.end - claim.start
    return is_longer or (claim.is_weak and word.kind is not Kind.UNSUPPORTED)


def _of_unknown(
    tokens: Sequence[Token], at: int, language: Language, vocabulary: Vocabulary
) -> Item:
    token = tokens[at]
    made = _made(Kind.UNKNOWN, tokens, at, 1, token.word)
    for start in _NEGATING_STARTS:
        rest = token._replace(word=token.word.removeprefix(start))
        found = language.find([rest], 0) if len(rest.word) > 2 else None
        if rest.word != token.word and found and found[1].kind is Kind.MOOD:
            return replace(made, kind=Kind.MOOD, senses=found[1].senses, is_negated=True)
    if language.code == "en" and _is_adverb(token.word):
        return replace(made, kind=Kind.FILLER)
    if language.code == "en" and token.word in english_words() and token.word not in misspelt():
        return made
    is_misspelt = language.code == "en" and is_slip(token.word)
    if not is_misspelt and (word := find_elsewhere(token, language, loosely=False)):
        return replace(made, kind=word.kind, senses=word.senses, doubt=_FOREIGN_DOUBT)
    if is_unspaced(token.text):
        return made
    if (mended := _corrected(tokens, at, language, vocabulary)) is not None:
        return mended
    if (word := find_elsewhere(token, language, loosely=True)) is not None:
        return replace(made, kind=word.kind, senses=word.senses, doubt=_FOREIGN_DOUBT)
    return made


def _is_adverb(word: str) -> bool:
    """Whether a word is an adverb such as "necessarily", which no mood is."""
    return len(word) > 5 and word.endswith("ly") and is_english(word)


def _corrected(
    tokens: Sequence[Token], at: int, language: Language, vocabulary: Vocabulary
) -> Item | None:
    token = tokens[at]
    made = _made(Kind.UNKNOWN, tokens, at, 1, token.word)
    right = corrected(token.word, language)
    if right is not None:
        for other in (language, *languages().values()):
            known = token._replace(word=right)
            if match := other.find([known], 0):
                return replace(
                    made,
                    kind=match[1].kind,
                    senses=match[1].senses,
                    doubt=_CORRECTION_DOUBT,
                    corrected=match[1].written,
                )
    claim = genre_misspelt(tokens, at, vocabulary)
    if claim is None:
        return None
    return replace(
        made, kind=Kind.FILTER, claim=claim, doubt=claim.doubt, corrected=claim.corrected
    )


def _made(kind: Kind, tokens: Sequence[Token], at: int, size: int, word: str) -> Item:
    last = tokens[at + size - 1]
    text = " ".join(token.text for token in tokens[at : at + size])
    return Item(kind, text, word, tokens[at].start, last.end)


def _without_strays(items: list[Item]) -> list[Item]:
    """Return the items, with weak names inside a description as unknown words of it."""
    kept = list(items)
    for number, item in enumerate(items):
        if item.is_weak and _is_in_description(items, number):
            kept[number] = replace(
                item, kind=Kind.UNKNOWN, claim=None, senses=(), doubt=0.0, corrected=""
            )
    return kept


def _is_in_description(items: Sequence[Item], number: int) -> bool:
    for step in (-1, 1):
        at = number + step
        while 0 <= at < len(items) and items[at].kind in _GLUE:
            at += step
        if 0 <= at < len(items) and items[at].kind is Kind.UNKNOWN and is_english(items[at].word):
            return True
    return False
