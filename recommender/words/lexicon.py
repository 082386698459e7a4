"""The words of each language, from the tables in ``languages/``.

A table has moods, axes, comparatives, words of grammar and words that are known but not supported.
"""

from __future__ import annotations

import enum
import functools
import tomllib
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from catalog.texts import fold
from mer.lyrics import english_words
from recommender.moods import MOODS
from recommender.words.senses import AXES
from recommender.words.tokens import tokens_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from recommender.words.tokens import Token

_LONGEST_PHRASE: Final = 6
_LONGEST_ENDING: Final = 6
"""A stem such as traurig* may be followed by at most so many letters."""
_SHORT_STEM: Final = 2
_SHORT_ENDING: Final = 3
"""A short stem has short endings: ses* does not stand for session."""
_UMLAUTS: Final = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})
_UNSPACED: Final = ("ja", "zh", "ko")
_LOOSE: Final = 0.9
"""What a word counts that is only a stem with an ending."""
_HALF_ENGLISH: Final = 0.55
_LARGELY_FOREIGN: Final = 0.8
"""What a word of a language counts that English has, too: "hat" is Swedish for hatred."""
_SLIP: Final = 0.5
"""What a misspelt English word counts, and what English has before the others."""
_SLIP_AMONG_OTHERS: Final = 0.4
_REAL: Final = 0.1
"""What an English word counts that is in no table; its list has words of other languages, too."""
_FALLBACK_FROM: Final = 4
"""Shorter words of other languages than the text's are not looked up."""


class Kind(enum.Enum):
    """What a word does in a sentence."""

    MOOD = "mood"
    COMPARATIVE = "comparative"
    NOT = "not"
    NOT_AFTER = "not_after"
    NOT_SOFTLY = "not_softly"
    NOTHING = "nothing"
    THAN = "than"
    VERY = "very"
    MUCH = "much"
    SLIGHTLY = "slightly"
    MORE = "more"
    LESS = "less"
    TOO = "too"
    SAME = "same"
    BUT = "but"
    OR = "or"
    AND = "and"
    FILLER = "filler"
    UNSUPPORTED = "unsupported"
    MARK = "mark"
    FILTER = "filter"
    UNKNOWN = "unknown"


class Word(NamedTuple):
    """An entry: `senses` are moods or axes, of a mood or comparative only.

    `is_weak` marks what is no mood within a description, such as "running up a mountain".
    """

    kind: Kind
    written: str
    senses: tuple[str, ...] = ()
    is_weak: bool = False


@dataclass
class Language:
    """The table of one language."""

    code: str
    name: str
    phrases: dict[tuple[str, ...], Word] = field(default_factory=dict)
    stems: dict[str, Word] = field(default_factory=dict)
    negating_endings: tuple[str, ...] = ()
    parts: dict[tuple[str, ...], str] = field(default_factory=dict)
    """Nouns and phrases about the sound or the lyrics: "sound", "words", "by_sound", "by_words"."""
    is_noun_first: bool = False
    """Whether adjectives follow their noun."""

    def find(self, tokens: Sequence[Token], at: int) -> tuple[int, Word] | None:
        """Return the longest entry that begins at a token, and how many tokens it has."""
        for count in range(min(_LONGEST_PHRASE, len(tokens) - at), 0, -1):
            word = self.phrases.get(tuple(token.word for token in tokens[at : at + count]))
            if word is not None:
                return count, word
        stem = self.stem_of(tokens[at].word)
        return None if stem is None else (1, stem)

    def part_of(self, tokens: Sequence[Token], at: int) -> tuple[int, str]:
        """Return how many tokens name the sound or the lyrics, and which; 0 if none do."""
        for count in range(min(_LONGEST_PHRASE, len(tokens) - at), 0, -1):
            part = self.parts.get(tuple(token.word for token in tokens[at : at + count]))
            if part is not None:
                return count, part
        return 0, ""

    def stem_of(self, word: str) -> Word | None:
        """Return the entry whose stem the word begins with."""
        for cut in range(len(word), max(1, len(word) - _LONGEST_ENDING - 1), -1):
            found = self.stems.get(word[:cut])
            if found is not None and len(word) - cut <= max(_SHORT_ENDING, 2 * (cut - _SHORT_STEM)):
                return found
        return None

    def is_loose(self, word: str) -> bool:
        """Whether the word is known only as a stem with an ending of several letters."""
        return (word,) not in self.phrases and not (word in self.stems or word[:-1] in self.stems)

    def negates(self, word: str) -> bool:
        """Whether the ending of a word means "without", as in Turkish."""
        return bool(self.negating_endings) and word.endswith(self.negating_endings)

    def add(self, written: str, word: Word) -> None:
        """Add an entry unless there is one; the first meaning of a word counts."""
        for form in {written, written.translate(_UMLAUTS)}:
            if form.endswith("*"):
                self.stems.setdefault(fold(form[:-1]), word)
            elif key := tuple(token.word for token in tokens_of(form)):
                self.phrases.setdefault(key, word)


@functools.cache
def languages() -> dict[str, Language]:
    """Return the table of every language by its code, English first."""
    folder = resources.files("recommender.words") / "languages"
    codes = sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".toml"))
    codes.sort(key=lambda code: code != "en")
    return {code: _language(code, (folder / f"{code}.toml").read_text("utf-8")) for code in codes}


def _language(code: str, text: str) -> Language:
    table = tomllib.loads(text)
    language = Language(code, table["name"])
    for written, senses in table.get("both", {}).items():
        _add(language, [written], Kind.MOOD, *_listed(senses))
    for section, kind in (("moods", Kind.MOOD), ("axes", Kind.MOOD)):
        for sense, words in table[section].items():
            _add(language, _listed(words), kind, sense)
    for sense, words in table.get("activities", {}).items():
        _add(language, _listed(words), Kind.MOOD, sense, is_weak=True)
    for sense, words in table["comparatives"].items():
        _add(language, _listed(words), Kind.COMPARATIVE, sense)
    if code == "en":
        for mood in MOODS.values():
            _add(language, (mood.name, *mood.aliases), Kind.MOOD, mood.name)
    _add(language, _listed(table["unsupported"]["words"]), Kind.UNSUPPORTED)
    for part, words in table.get("parts", {}).items():
        if part == "noun_first":
            language.is_noun_first = words
            continue
        for written in _listed(words):
            language.parts[tuple(token.word for token in tokens_of(written))] = part
    grammar: dict[str, Any] = table["function"]
    language.negating_endings = tuple(fold(end) for end in _listed(grammar.get("not_suffix", "")))
    for kind in Kind:
        _add(language, _listed(grammar.get(kind.value, "")), kind)
    return language


def _add(
    language: Language, words: Iterable[str], kind: Kind, *senses: str, is_weak: bool = False
) -> None:
    for sense in senses:
        if sense not in MOODS and sense not in AXES:
            raise ValueError(f"languages/{language.code}.toml: {sense!r} is no mood and no axis")
    for written in words:
        language.add(written, Word(kind, written.rstrip("*"), senses, is_weak))


def _listed(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


@functools.cache
def misspelt() -> dict[str, str]:
    """Return misspelt English words that no rule finds, each with the right word."""
    text = (resources.files("recommender.words") / "languages" / "en.toml").read_text("utf-8")
    table = tomllib.loads(text)["misspelt"]
    return {wrong: right for right, words in table.items() for wrong in _listed(words)}


def language_of(tokens: Sequence[Token], is_slip: Callable[[str], bool]) -> Language:
    """Return the language that knows most of the words; English if none knows more.

    `is_slip` tells whether a word is a misspelt English one.
    """
    known = languages()

    def words_known(language: Language) -> float:
        found, at = 0.0, 0
        while at < len(tokens):
            match = language.find(tokens, at)
            if match is not None:
                found += _worth(language, tokens, at, match[0])
            elif language.code == "en" and is_slip(tokens[at].word):
                found += _SLIP if len(tokens) == 1 else _SLIP_AMONG_OTHERS
            elif language.code == "en" and tokens[at].word in english_words():
                found += _REAL
            at += match[0] if match else 1
        return found + (_SLIP if language.code == "en" else 0.0)

    return max(known.values(), key=words_known)


def _worth(language: Language, tokens: Sequence[Token], at: int, size: int) -> float:
    """Return how much a find speaks for a language: less for what is a real English word."""
    if size > 1 or language.code == "en":
        return size
    word = tokens[at].word
    loose = language.is_loose(word)
    if word in english_words() and (word,) not in languages()["en"].phrases:
        return 0.0 if loose else _HALF_ENGLISH if len(tokens) == 1 else _LARGELY_FOREIGN
    return _LOOSE if loose else 1.0


def find_elsewhere(token: Token, language: Language, *, loosely: bool) -> Word | None:
    """Return the mood that a word names in another language than the text's.

    `loosely` takes a stem with an ending of several letters, too.
    """
    if len(token.word) < _FALLBACK_FROM:
        return None
    for other in languages().values():
        match = None if other is language else other.find([token], 0)
        is_mood = match is not None and match[1].kind in (Kind.MOOD, Kind.COMPARATIVE)
        if match and is_mood and (loosely or not other.is_loose(token.word)):
            return match[1]
    return None


def is_unspaced(text: str) -> bool:
    """Whether a word is of a script that writes words without spaces, or glues endings to them."""
    return any(_is_unspaced(character) for character in text)


def segmented(token: Token) -> list[Token]:
    """Return the parts of a run of Chinese, Japanese or Korean: always the longest that is known.

    Korean has spaces, but its endings decide what is refused. Unknown characters stay together.
    """
    words = _words_unspaced(_script_language(token.text))
    longest = max(map(len, words))
    parts: list[Token] = []
    at = unknown_from = 0
    text = token.text
    forms = _forms(text)
    while at < len(text):
        size = next(
            (n for n in range(min(longest, len(text) - at), 0, -1) if forms[at : at + n] in words),
            0,
        )
        if size:
            if unknown_from < at:
                parts.append(_piece(token, unknown_from, at))
            parts.append(_piece(token, at, at + size))
            unknown_from = at + size
        at += size or 1
    if unknown_from < len(text):
        parts.append(_piece(token, unknown_from, len(text)))
    return parts


def script_language(tokens: Sequence[Token]) -> Language | None:
    """Return the language of a text in an unspaced script, None if there is no such word."""
    text = "".join(token.text for token in tokens if is_unspaced(token.text))
    return languages()[_script_language(text)] if text else None


def _script_language(text: str) -> str:
    if any("\u3040" <= character <= "\u30ff" for character in text):
        return "ja"
    if any("\uac00" <= character <= "\ud7af" for character in text):
        return "ko"
    # Chinese characters alone are Japanese if only its table knows them.
    known = {code: _covered(text, code) for code in ("zh", "ja")}
    return max(known, key=lambda code: known[code])


def _covered(text: str, code: str) -> int:
    words = [word for word in _words_unspaced(code) if len(word) > 1]
    return sum(len(word) for word in words if word in text)


@functools.cache
def _words_unspaced(code: str) -> frozenset[str]:
    return frozenset(key[0] for key in languages()[code].phrases if len(key) == 1) | frozenset(
        "".join(key) for key in languages()[code].phrases
    )


def _forms(text: str) -> str:
    folded = fold(text)
    return folded if len(folded) == len(text) else text


def _piece(token: Token, start: int, end: int) -> Token:
    text = token.text[start:end]
    return token._replace(
        text=text, word=_forms(text), start=token.start + start, end=token.start + end
    )


def _is_unspaced(character: str) -> bool:
    return (
        "\u3040" <= character <= "\u30ff"
        or "\u3400" <= character <= "\u9fff"
        or "\uac00" <= character <= "\ud7af"
    )
