"""The language of lyrics, and which of their lines the text encoder can use.

The text encoder was trained on English, and the network on English lyrics. From other words they
compute a mood that the words do not have, so such lines are left out before encoding.

py3langid [1]_ identifies the language; its model is in its wheel. It is loaded with the first
lyrics, in half a second, and takes 120 MB. ``benchmarks/lyric_languages.py`` measures this module
(docs/decisions/029-language-of-lyrics.md).

References
----------
.. [1] Lui & Baldwin (2012), "langid.py: An off-the-shelf language identification tool", ACL.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mer.lyrics.cleaning import clean_lyrics, is_wordless
from mer.lyrics.languages import language_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from py3langid.langid import LanguageIdentifier

READ_LANGUAGES: Final = frozenset({"en"})
"""Languages that the text encoder and the network were trained on."""

_AS_ENGLISH: Final = frozenset({"en", "pcm"})
"""Labels of English; patois and slang often get the one of Nigerian Pidgin."""
_SAME: Final = {"nn": "no", "bs": "hr", "arz": "ar", "ary": "ar", "yue": "zh", "wuu": "zh"}
"""Labels that count for another one: verses do not tell them apart."""
_READ_FROM: Final = 0.25
"""Probability of English from which a text is read, unless another language is named."""
_NAMED_FROM: Final = 0.5
"""Probability from which a language is named; other words in Latin letters reach 0.4."""
_SURE_FROM: Final = 0.9
_FEWEST_WORDS: Final = 4
_CLEAR_FROM: Final = 0.6
"""Lyrics of fewer different words are withheld from this probability on: "let it be" has 0.56 of
Frisian."""
_STANZA: Final = 4
"""Lines that are identified together first; they are all English from `_SURE_FROM` on."""
_FEWEST_FOREIGN: Final = 3
"""Fewer different lines of English lyrics than these stay: slang and names are often unclear."""
_ENOUGH_LINES: Final = 4
_ENOUGH_WORDS: Final = 20
"""English lines of a song in another language count if there are so many."""
_MOST_CHARACTERS: Final = 20_000
_MOST_LINES: Final = 400
"""Only so many different lines are identified one by one, a millisecond each."""


@dataclass(frozen=True, slots=True)
class ReadableLyrics:
    r"""The part of lyrics that the model can use.

    Parameters
    ----------
    text : str
        Lines joined by ``\n``, as `clean_lyrics` gives them. Empty if all are withheld.
    places : tuple of int
        For each line of `text` that is not blank, its index in `lyric_lines` of the lyrics.
    language : str or None
        ISO 639 code of the language of most of the lyrics; None if it is not clear.
    are_withheld : bool
        Whether lines were left out because of their language.
    """

    text: str
    places: tuple[int, ...]
    language: str | None
    are_withheld: bool


def readable_lyrics(lyrics: str) -> ReadableLyrics:
    """Leave out the lines that are not in a language of `READ_LANGUAGES`.

    Of English lyrics, lines that are clearly in another language are left out. Of other lyrics,
    lines that are clearly English stay, if they are enough. Lines without words, such as "la la
    la", belong to no language and stay with the rest.

    Parameters
    ----------
    lyrics : str
        Plain or timed lyrics.

    Returns
    -------
    ReadableLyrics
    """
    text = clean_lyrics(lyrics)
    lines = text.split("\n")
    words = list(dict.fromkeys(line for line in lines if line and not is_wordless(line)))
    if not words:
        return _kept(lines, frozenset(lines), None)
    whole = _probabilities("\n".join(words))
    language = _language(whole)
    is_read = _is_read(whole) or _is_too_short(words, whole)
    foreign = _foreign(words, is_read=is_read)
    kept = frozenset(words) - foreign
    if is_read:
        kept = frozenset(lines) - (foreign if len(foreign) >= _FEWEST_FOREIGN else frozenset())
    elif len(kept) < _ENOUGH_LINES or sum(len(line.split()) for line in kept) < _ENOUGH_WORDS:
        kept = frozenset()
    return _kept(lines, kept, language)


def text_language(text: str) -> str | None:
    """Identify the language of a text.

    Parameters
    ----------
    text : str

    Returns
    -------
    str or None
        ISO 639 code; None if it is not clear.
    """
    return _language(_probabilities(text)) if text.strip() and not is_wordless(text) else None


def withheld_note(language: str | None, *, is_used: bool) -> str:
    """Say which lyrics were left out, in one sentence.

    Parameters
    ----------
    language : str or None
        Of most of the lyrics.
    is_used : bool
        Whether the other lines were used.

    Returns
    -------
    str
    """
    name = language_name(language or "")
    what = f"Lyrics in {name}" if name else "Lyrics that are not in English"
    if is_used:
        is_foreign = name and language not in READ_LANGUAGES
        what = f"Lines of the lyrics in {name}" if is_foreign else "Lines that are not in English"
    return f"{what} were not used: the model was trained on English lyrics."


def _kept(lines: Sequence[str], kept: frozenset[str], language: str | None) -> ReadableLyrics:
    """Keep lines, in their order, with single blank lines between stanzas."""
    rest: list[str] = []
    places = []
    place = 0
    for line in lines:
        if line in kept and line:
            rest.append(line)
            places.append(place)
        elif not line and rest and rest[-1]:
            rest.append("")
        place += bool(line)
    return ReadableLyrics("\n".join(rest).strip("\n"), tuple(places), language, len(places) < place)


def _foreign(lines: Sequence[str], *, is_read: bool) -> frozenset[str]:
    """Return the lines that are not read; unclear and late ones go with the whole lyrics."""
    foreign = set() if is_read else set(lines[_MOST_LINES:])
    for start in range(0, min(len(lines), _MOST_LINES), _STANZA):
        stanza = lines[start : start + _STANZA]
        # Among English lines, a line has to be clearer.
        is_sure = is_read and _probabilities("\n".join(stanza)).get("en", 0.0) >= _SURE_FROM
        least = _SURE_FROM if is_sure else _NAMED_FROM
        foreign.update(line for line in stanza if _is_foreign(line, least, is_read=is_read))
    return frozenset(foreign)


def _is_foreign(line: str, least: float, *, is_read: bool) -> bool:
    probabilities = _probabilities(line)
    language = _language(probabilities, least)
    return not _is_read(probabilities) and (language is not None or not is_read)


def _is_too_short(lines: Sequence[str], probabilities: dict[str, float]) -> bool:
    """Return whether lyrics have too few words to tell that they are not English."""
    different = set("\n".join(lines).casefold().split())
    return len(different) < _FEWEST_WORDS and max(probabilities.values()) < _CLEAR_FROM


def _is_read(probabilities: dict[str, float]) -> bool:
    language = _language(probabilities)
    if language is not None:
        return language in READ_LANGUAGES
    return max(probabilities.get(code, 0.0) for code in READ_LANGUAGES) >= _READ_FROM


def _language(probabilities: dict[str, float], least: float = _NAMED_FROM) -> str | None:
    code = max(probabilities, key=probabilities.__getitem__)
    return code if probabilities[code] >= least and language_name(code) else None


def _probabilities(text: str) -> dict[str, float]:
    """Return the probability of each language, by ISO 639 code."""
    found: dict[str, float] = {}
    # Capitals mislead: "COME BACK TO ME" has few letters in common with what was learnt.
    lines = (line.lower() if line.isupper() else line for line in text.split("\n"))
    for label, probability in _identifier().rank("\n".join(lines)[:_MOST_CHARACTERS]):
        code = "en" if label in _AS_ENGLISH else _SAME.get(label, label)
        found[code] = found.get(code, 0.0) + probability
    return found


@functools.cache
def _identifier() -> LanguageIdentifier:
    # Imported here: only an analysis needs it.
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # noqa: PLC0415

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
