"""Genres, artists, albums, years and lengths inside a text, against what the catalogue has."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, replace
from importlib import resources
from typing import TYPE_CHECKING, Final

from catalog.keys import MAJOR, MINOR, key_find, key_name
from recommender.words.tokens import key_of_words
from recommender.words.vocabulary import ANNOUNCING, LONGEST_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from recommender.words.tokens import Token
    from recommender.words.understood import Filters
    from recommender.words.vocabulary import Vocabulary

    Key = tuple[str, ...]

_SHORT_SECONDS: Final = 180
_LONG_SECONDS: Final = 360
_TABLE: Final = tomllib.loads(
    (resources.files("recommender.words") / "filters.toml").read_text("utf-8")
)
_WORDS: Final = {name: frozenset(words.split()) for name, words in _TABLE["words"].items()}
_PHRASES: Final = {name: frozenset(t.split(", ")) for name, t in _TABLE["phrases"].items()}
_NUMBERS: Final = {word: int(n) for n, words in _TABLE["numbers"].items() for word in words.split()}
_DECADES: Final = {word: int(y) for y, words in _TABLE["decades"].items() for word in words.split()}
_GENRE_PHRASES: Final = frozenset(
    tuple(phrase.split()) for phrase in _TABLE["genre_phrases"]["all"].split(", ")
)
_SAME_GENRE: Final[Mapping[Key, Key]] = {
    tuple(other.split()): tuple(genre.split())
    for genre, others in _TABLE["same_genre"].items()
    for other in others.split(", ")
}
_DECADE: Final = re.compile(
    r"(?:(19|20))?(\d)0(?:s|er|ern|ies|tal|talet|erne|年代|년대|ler|lar|lerin|larin)"
)
_YEAR: Final = re.compile(r"(?:19|20)\d\d")
_MINUTES: Final = re.compile(
    r"min|mins|minute|minutes|minuten|minutos?|minuti|minuto|minut|minuty|minuter|minuta|dakika\w*"
    r"|минут\w*|мин|मिनट|دقيقه|دقائق|分|分钟|分以内|분"
)
_SECONDS: Final = re.compile(r"s|sec|secs|second|seconds|sekunden|secondes|segundos|secondi|секунд")

_BEATS_A_MINUTE: Final = sorted(
    (tuple(phrase.split()) for phrase in _PHRASES["beats_a_minute"]), key=len, reverse=True
)
_BEFORE_TEMPO: Final = frozenset().union(
    *(
        _WORDS[name]
        for name in ("at_most", "at_least", "faster", "slower", "before_range", "about")
    ),
    {"than", "at", "als", "que", "of"},
)
_LONGEST_TEMPO: Final = 9
_NEAR_TEMPO: Final = 0.05
"""So much of a tempo is near it."""
_IS_CAMELOT: Final = re.compile(r"(1[0-2]|[1-9])[AB]")
_IS_SHORT_KEY: Final = re.compile(r"[A-G][#\u266fb]?m(?:aj|in)?|[A-Ha-h](?:is|es|s)?-?(?:Dur|Moll)")


@dataclass(frozen=True, slots=True)
class Claim:
    """Tokens `start` to `end` that are a filter.

    `is_weak` marks a name that may also be a word of a description around it. `missing` is said of
    a name that the catalogue does not have.
    """

    start: int
    end: int
    meaning: str
    apply: Callable[[Filters, bool], Filters]
    doubt: float = 0.0
    is_weak: bool = False
    missing: bool = False
    corrected: str = ""
    refused_meaning: str = ""
    """What it means if it is refused; the meaning with "no" if empty."""
    may_be_refused: bool = True


def claims_of(tokens: Sequence[Token], vocabulary: Vocabulary) -> list[Claim]:
    """Return the filters in a text, in order; none overlaps another."""
    claims: list[Claim] = []
    at = 0
    while at < len(tokens):
        claim = None if tokens[at].is_mark else _claim(tokens, at, vocabulary)
        if claim is not None:
            claims.append(claim)
        at = claim.end if claim else at + 1
    return claims


def _claim(tokens: Sequence[Token], at: int, vocabulary: Vocabulary) -> Claim | None:
    for find in (_tempo, _key, _length, _years, _credit):
        claim = find(tokens, at, vocabulary)
        if claim is not None:
            return claim
    return _genre(tokens, at, vocabulary) or _artist(tokens, at, vocabulary)


def _tempo(tokens: Sequence[Token], at: int, _vocabulary: Vocabulary) -> Claim | None:
    """Return a tempo: "around 120 bpm", "between 90 and 110 bpm", "at least 140 bpm"."""
    words = [token.word for token in tokens[at : at + _LONGEST_TEMPO]]
    skip = 0
    while skip < 3 and words[skip : skip + 1] and words[skip] in _BEFORE_TEMPO:
        skip += 1
    low, size = _beats(words, skip)
    if not size:
        return None
    after = skip + size
    joint = 1 if words[after : after + 1] and words[after] in _WORDS["between"] else 0
    high, more = _beats(words, after + joint)
    end = after + joint + more if more else after
    unit = _unit(words, end) or _unit_glued(words[end - 1])
    if unit is None:
        return None
    bounds = set(words[:skip])
    if more:
        return _between_beats(at, at + end + unit, min(low, high), max(low, high))
    if bounds & _WORDS["at_least"] or bounds & _WORDS["faster"]:
        return _bounded_beats(at, at + end + unit, low, is_least=True)
    if bounds & _WORDS["at_most"] or bounds & _WORDS["slower"]:
        return _bounded_beats(at, at + end + unit, low, is_least=False)
    near = round(_NEAR_TEMPO * low)
    return _between_beats(at, at + end + unit, low - near, low + near)


def _beats(words: Sequence[str], at: int) -> tuple[int, int]:
    """Return a number of beats and how many words it has; (0, 0) if there is none."""
    found = re.fullmatch(r"(\d{2,3})(bpm)?", words[at]) if at < len(words) else None
    return (int(found[1]), 1) if found else (0, 0)


def _unit(words: Sequence[str], at: int) -> int | None:
    """Return how many words say that a number is of beats a minute; None if none does."""
    return next(
        (len(unit) for unit in _BEATS_A_MINUTE if tuple(words[at : at + len(unit)]) == unit),
        None,
    )


def _unit_glued(word: str) -> int | None:
    return 0 if word.endswith("bpm") else None


def _between_beats(at: int, end: int, low: int, high: int) -> Claim:
    def apply(filters: Filters, _is_refused: bool) -> Filters:  # noqa: FBT001
        return replace(filters, tempo_from=float(low), tempo_to=float(high))

    return Claim(at, end, f"{low} to {high} beats a minute", apply, may_be_refused=False)


def _bounded_beats(at: int, end: int, beats: int, *, is_least: bool) -> Claim:
    def apply(filters: Filters, is_refused: bool) -> Filters:  # noqa: FBT001
        if is_least != is_refused:
            return replace(filters, tempo_from=float(beats))
        return replace(filters, tempo_to=float(beats))

    least, most = (f"at {bound} {beats} beats a minute" for bound in ("least", "most"))
    meant, refused = (least, most) if is_least else (most, least)
    return Claim(at, end, meant, apply, refused_meaning=refused)


def _key(tokens: Sequence[Token], at: int, _vocabulary: Vocabulary) -> Claim | None:
    """Return a key: "A minor", "F# major", "cis-Moll", "8A"."""
    start = at + 2 if _word(tokens, at) == "key" and _word(tokens, at + 1) == "of" else at
    if start < len(tokens) and _IS_CAMELOT.fullmatch(tokens[start].text):
        code, size = key_find(tokens[start].text), 1
    else:
        code, size = _key_of_words(tokens, start)
    if code is None:
        return None
    name = key_name(code)

    def apply(filters: Filters, is_refused: bool) -> Filters:  # noqa: FBT001
        if is_refused:
            return replace(filters, keys_not=(*filters.keys_not, name))
        return replace(filters, keys=(*filters.keys, name))

    return Claim(at, start + size, f"key {name}", apply)


def _key_of_words(tokens: Sequence[Token], at: int) -> tuple[int | None, int]:
    """Return a key and how many words name it; "a minor song" is none, "A minor" is."""
    for size in (3, 2, 1):
        words = tokens[at : at + size]
        is_mode = len(words) == size and words[-1].word in MINOR | MAJOR and len(words[-1].word) > 1
        if size > 1 and not is_mode:
            continue
        if size == 1 and not _IS_SHORT_KEY.fullmatch(words[0].text):
            continue
        code = key_find(" ".join(token.text for token in words))
        if code is None:
            continue
        is_article = words[0].text == "a" and words[-1].word in _WORDS["everyday_modes"]
        if is_article and not _ends_a_phrase(tokens, at + size):
            return None, 0
        return code, size
    return None, 0


def _ends_a_phrase(tokens: Sequence[Token], at: int) -> bool:
    return at >= len(tokens) or tokens[at].is_mark or tokens[at].word in _WORDS["joining"]


def _years(tokens: Sequence[Token], at: int, _vocabulary: Vocabulary) -> Claim | None:
    words = [token.word for token in tokens[at : at + 6]]
    words += [""] * (6 - len(words))
    if found := _range_of_years(at, words) or _open_years(at, words):
        return found
    if decade := _decade(words, 0):
        return _span(at, decade[1], decade[0], decade[0] + 9)
    for name, first, last in (("early", 0, 4), ("middle", 3, 6), ("late", 5, 9)):
        if words[0] in _WORDS[name] and (decade := _decade(words, 1)):
            return _span(at, 1 + decade[1], decade[0] + first, decade[0] + last)
    year = _year(words[0])
    if year is None:
        return None
    for name, ends in (("or_later", (year, None)), ("or_earlier", (None, year))):
        for size in (1, 2):
            if " ".join(words[1 : 1 + size]) in _PHRASES[name]:
                return _span(at, 1 + size, *ends)
    return _span(at, 1, year, year)


def _range_of_years(at: int, words: Sequence[str]) -> Claim | None:
    skip = 1 if words[0] in _WORDS["before_range"] else 0
    one, two = _year(words[skip]), _year(words[skip + 2])
    if one and two and words[skip + 1] in _WORDS["between"]:
        return _span(at, skip + 3, min(one, two), max(one, two))
    return None


def _open_years(at: int, words: Sequence[str]) -> Claim | None:
    """Return years before, until, since or after one: "before the 80s", "newer than 2010"."""
    first = words[0]
    if not any(first in _WORDS[name] for name in ("before", "until", "since", "after")):
        return None
    skip = 2 if words[1] in _WORDS["after_bound"] else 1
    begin, size = _decade(words, skip) or (_year(words[skip]) or 0, 1)
    if not begin:
        return None
    end = begin + 9 if _decade(words, skip) else begin
    if first in _WORDS["before"]:
        return _span(at, skip + size, None, begin - 1)
    if first in _WORDS["until"]:
        return _span(at, skip + size, None, end)
    return _span(at, skip + size, begin if first in _WORDS["since"] else end + 1, None)


def _decade(words: Sequence[str], at: int) -> tuple[int, int] | None:
    """Return a decade's first year and how many words name it."""
    word = words[at]
    if word in _DECADES:
        return _DECADES[word], 1
    if found := _DECADE.fullmatch(word):
        return _decade_year(found[1], int(found[2])), 1
    bare = re.fullmatch(r"(19|20)?(\d)0", word)
    if bare and at + 1 < len(words) and words[at + 1] in _WORDS["after_decade"]:
        return _decade_year(bare[1], int(bare[2])), 2
    after = re.fullmatch(r"(\d)0", words[at + 1]) if at + 1 < len(words) else None
    if after and word in _WORDS["before_decade"]:
        return _decade_year(None, int(after[1])), 2
    return None


def _decade_year(century: str | None, digit: int) -> int:
    return (int(century) if century else 19 if digit >= 3 else 20) * 100 + digit * 10


def _year(word: str) -> int | None:
    return int(word) if _YEAR.fullmatch(word) else None


def _span(at: int, size: int, first: int | None, last: int | None) -> Claim:
    if first is not None and last is not None:
        meaning = f"year {first}" if first == last else f"years {first} to {last}"
    else:
        meaning = f"years up to {last}" if first is None else f"years from {first}"

    def apply(filters: Filters, _is_refused: bool) -> Filters:  # noqa: FBT001
        return replace(filters, year_from=first, year_to=last)

    return Claim(at, at + size, meaning, apply, may_be_refused=False)


def _length(tokens: Sequence[Token], at: int, _vocabulary: Vocabulary) -> Claim | None:
    words = [token.word for token in tokens[at : at + 7]]
    words += [""] * (7 - len(words))
    skip = 0
    while skip < 2 and words[skip] in _WORDS["at_most"] | _WORDS["at_least"] | {
        "than",
        "at",
        "als",
        "que",
        "of",
        "no",
    }:
        skip += 1
    bounds = set(words[:skip])
    seconds, size = _duration(words, skip)
    if seconds:
        after = words[skip + size : skip + size + 2]
        is_least = bool(bounds & _WORDS["at_least"]) or after in (["or", "more"], ["or", "longer"])
        if after[:1] == ["or"] and after[1:2] != [""]:
            size += 2
        is_least = is_least and words[:2] != ["no", "more"]
        return _lasting(at, skip + size, seconds, is_least=is_least)
    if words[0] in _WORDS["short"] | _WORDS["long"] and (
        _is_near_noun(tokens, at) or len(tokens) <= 3
    ):
        is_long = words[0] in _WORDS["long"]
        return _lasting(at, 1, _LONG_SECONDS if is_long else _SHORT_SECONDS, is_least=is_long)
    return None


def _is_near_noun(tokens: Sequence[Token], at: int) -> bool:
    return any(token.word in _WORDS["songs"] for token in tokens[at : at + 5])


def _duration(words: Sequence[str], at: int) -> tuple[int, int]:
    """Return seconds and how many words name them; (0, 0) if none do."""
    word = words[at]
    glued = re.fullmatch(r"(\d+)(\D+)", word)
    if glued and _MINUTES.fullmatch(glued[2]):
        return int(glued[1]) * 60, 1
    number = int(word) if word.isdigit() and len(word) < 4 else _NUMBERS.get(word, 0)
    if number and _MINUTES.fullmatch(words[at + 1]):
        return number * 60, 2
    if number and _SECONDS.fullmatch(words[at + 1]):
        return number, 2
    return 0, 0


def _lasting(at: int, size: int, seconds: int, *, is_least: bool) -> Claim:
    minutes = f"{seconds / 60:g} minutes" if seconds >= 60 else f"{seconds} seconds"

    def apply(filters: Filters, is_refused: bool) -> Filters:  # noqa: FBT001
        if is_least != is_refused:
            return replace(filters, seconds_from=seconds)
        return replace(filters, seconds_to=seconds)

    bounds = ("at least", "at most") if is_least else ("at most", "at least")
    return Claim(
        at, at + size, f"{bounds[0]} {minutes}", apply, refused_meaning=f"{bounds[1]} {minutes}"
    )


def _genre(tokens: Sequence[Token], at: int, vocabulary: Vocabulary) -> Claim | None:
    for count in range(min(LONGEST_NAME, len(tokens) - at), 0, -1):
        if any(token.is_mark for token in tokens[at : at + count]):
            continue
        key = key_of_words([token.word for token in tokens[at : at + count]])
        key = _SAME_GENRE.get(key, key) if key not in vocabulary.genres else key
        is_weak = len(key) == 1 and key[0] in _WORDS["everyday_genres"]
        if name := vocabulary.genres.get(key):
            return Claim(at, at + count, f"genre {name}", _with_genre(name), is_weak=is_weak)
        is_known = key in _GENRE_PHRASES or (len(key) == 1 and key[0] in _WORDS["genres"])
        if is_known and not is_weak and key != ("ambient",):
            return Claim(at, at + count, "", _unchanged, missing=True)
    return None


def _with_genre(name: str) -> Callable[[Filters, bool], Filters]:
    def apply(filters: Filters, is_refused: bool) -> Filters:  # noqa: FBT001
        if is_refused:
            return replace(filters, genres_not=(*filters.genres_not, name))
        return replace(filters, genres=(*filters.genres, name))

    return apply


def _unchanged(filters: Filters, _is_refused: bool) -> Filters:  # noqa: FBT001
    return filters


def genre_misspelt(tokens: Sequence[Token], at: int, vocabulary: Vocabulary) -> Claim | None:
    """Return the genre that an unknown word is a misspelling of."""
    name = vocabulary.genre_near(tokens[at].word)
    if name is None:
        return None
    return Claim(at, at + 1, f"genre {name}", _with_genre(name), doubt=0.2, corrected=name)


def _credit(tokens: Sequence[Token], at: int, vocabulary: Vocabulary) -> Claim | None:
    """Return an artist or an album after a word that announces one."""
    word = tokens[at].word
    start = at + 1
    if word in _WORDS["album"] or (
        word in _WORDS["from"] and _word(tokens, at + 1) in {"the", "album"}
    ):
        while _word(tokens, start) in {"the", "album", "record", "called", "named"}:
            start += 1
        is_sure = any(token.word in _WORDS["album"] for token in tokens[at:start])
        if found := _longest(tokens, start, vocabulary.albums):
            return _album(at, *found)
        if is_sure:
            return None
    if word in _WORDS["from"] and (
        found := _longest(tokens, at + 1, vocabulary.albums, shortest=2)
    ):
        return _album(at, *found)
    if word not in _WORDS["by"] | _WORDS["from"]:
        return None
    if found := _longest(tokens, at + 1, vocabulary.artists):
        return Claim(at, found[0], f"artist {found[1]}", _with_artist(found[1]))
    if word not in ANNOUNCING:
        return None
    end = at + 1
    while (
        end < len(tokens)
        and end - at <= 4
        and not tokens[end].is_mark
        and (tokens[end].word not in {"but", "and", "from", "not", "aber", "mais", "in"})
    ):
        end += 1
    for last in range(end, at + 1, -1):
        key = key_of_words([token.word for token in tokens[at + 1 : last]])
        if name := vocabulary.artist_near(key):
            return Claim(at, last, f"artist {name}", _with_artist(name), doubt=0.2, corrected=name)
    is_name = end > at + 1 and tokens[at + 1].text[:1].isupper()
    return Claim(at, end, "", _unchanged, missing=True) if is_name else None


def _artist(tokens: Sequence[Token], at: int, vocabulary: Vocabulary) -> Claim | None:
    found = _longest(tokens, at, vocabulary.artists)
    if found is None:
        return None
    end, name = found
    is_written_as_name = all(token.text[:1].isupper() for token in tokens[at:end]) and at > 0
    is_weak = end - at == 1 and not is_written_as_name
    return Claim(
        at,
        end,
        f"artist {name}",
        _with_artist(name),
        doubt=0.1 if is_weak else 0.0,
        is_weak=is_weak,
    )


def _with_artist(name: str) -> Callable[[Filters, bool], Filters]:
    def apply(filters: Filters, is_refused: bool) -> Filters:  # noqa: FBT001
        if is_refused:
            return replace(filters, artists_not=(*filters.artists_not, name))
        return replace(filters, artists=(*filters.artists, name))

    return apply


def _album(at: int, end: int, name: str) -> Claim:
    def apply(filters: Filters, _is_refused: bool) -> Filters:  # noqa: FBT001
        return replace(filters, albums=(*filters.albums, name))

    return Claim(at, end, f"album {name}", apply)


def _longest(
    tokens: Sequence[Token],
    at: int,
    names: Mapping[tuple[str, ...], str],
    *,
    shortest: int = 1,
) -> tuple[int, str] | None:
    """Return the end and the name of the longest name that begins at a token."""
    for count in range(min(LONGEST_NAME, len(tokens) - at), shortest - 1, -1):
        key = key_of_words([token.word for token in tokens[at : at + count]])
        if name := names.get(key):
            return at + count, name
    return None


def _word(tokens: Sequence[Token], at: int) -> str:
    return tokens[at].word if at < len(tokens) else ""
