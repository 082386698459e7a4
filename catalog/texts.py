"""Texts in the forms in which they are searched, sorted and compared; the same on every database.

`fold` makes texts equal that a listener takes for equal: case, accents and width do not count. The
columns `Song.search_text` and the sort keys of `Song` hold folded texts, and what is asked for is
folded in the same way. So no database compares anything but bytes.
"""

# ruff: noqa: RUF001, RUF002  letters of many scripts

from __future__ import annotations

import re
import unicodedata
from typing import Final

MAX_WORDS: Final = 20
"""More words of a search do not count."""

# Letters that Unicode does not take apart into a letter and an accent.
_LETTERS: Final = str.maketrans(
    dict(zip("øđðłħŧıŋəɛɔ", "oddlhtineeo", strict=True))
    | {"æ": "ae", "œ": "oe", "þ": "th"}
    # Arabic letters that are written without care for their form, and the stretching mark.
    | {"ى": "ي", "ة": "ه", "ک": "ك", "ی": "ي", "ـ": ""}
)
# Letters that are also written as two: Ärzte as Aerzte, Bjørk as Bjoerk.
_SPELT: Final = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe", "æ": "ae", "ß": "ss"}
)
# Accents, and the vowel signs of Hebrew and Arabic. Marks of other scripts are part of the letter.
_MARKS: Final = re.compile(
    "[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f"
    "\u0670\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
)
_APOSTROPHES: Final = re.compile("['`´\u2018\u2019\u201b\u02b9\u02bb\u02bc\u02bd\uff07]")
_FORMAT: Final = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
_WORD: Final = re.compile(r"[^\W_]+(?:[\u0900-\u0dff\u0e00-\u0fff\u1000-\u109f]+[^\W_]*)*")
_ARTICLES: Final = (
    *("the", "a", "an", "der", "die", "das", "ein", "eine", "le", "la", "les", "un", "une"),
    *("el", "los", "las", "una", "il", "lo", "gli", "het", "de", "os", "as"),
)
_LEADING: Final = re.compile(rf"(?:{'|'.join(_ARTICLES)})\s+(?=\S)|l['\u2019](?=\w)")
_TRAILING: Final = re.compile(rf"(?<=\S)\s*,\s*(?:{'|'.join(_ARTICLES)}|l['\u2019])$")


def fold(text: str) -> str:
    """Return the text without case, accents, widths and doubled spaces: Björk → bjork.

    Cyrillic ё and й become е and и, ß becomes ss. The marks of scripts in which they are letters,
    such as the vowel signs of Devanagari or the voicing marks of kana, are kept.
    """
    apart = unicodedata.normalize("NFKD", text).casefold()
    apart = _MARKS.sub("", _FORMAT.sub("", unicodedata.normalize("NFKD", apart)))
    return " ".join(unicodedata.normalize("NFC", apart).translate(_LETTERS).split())


def search_text(*texts: str) -> str:
    """Return what the `search_words` of a search are looked for in: every word of the texts.

    AC/DC can also be found as "acdc", Ärzte as "aerzte", and & as "and".
    """
    whole = " ".join(texts)
    tokens = fold(whole).split()
    spelt = unicodedata.normalize("NFC", whole).casefold().translate(_SPELT)
    words = [word for token in tokens for word in _words(token) or [token]]
    others = dict.fromkeys(word for token in fold(spelt).split() for word in _others(token))
    return " ".join([*words, *(word for word in others if word not in words)])


def search_words(text: str) -> list[str]:
    """Return what must all occur in a `search_text`, at most `MAX_WORDS`.

    Words without a space between them, as in AC/DC, must stand together. Signs alone, such as & or
    -, count only where there is no word.
    """
    tokens = fold(text).split()
    words = [" ".join(_words(token)) for token in tokens]
    return list(dict.fromkeys([word for word in words if word] or tokens))[:MAX_WORDS]


def sort_key(text: str) -> bytes:
    """Return the bytes by which texts are sorted: without case, accents, signs and articles.

    "The Band", "Band, The" and "band" are equal. A leading or trailing article counts only if
    nothing else is there. Bytes are compared alike by every database.
    """
    folded = fold(text).lstrip("\"'«“„‘‚([{.…-–—*_ ")
    rest = _TRAILING.sub("", folded)
    rest = _LEADING.sub("", rest, count=1) if _LEADING.match(rest) else rest
    words = " ".join(word for token in rest.split() for word in _words(token))
    return (words or folded or fold(text)).encode()


def _others(token: str) -> list[str]:
    """Return the words of a token, and other ways to write it."""
    words = _words(token)
    if not words:
        return ["and"] if token in {"&", "+"} else []
    return [*words, "".join(words)]


def _words(token: str) -> list[str]:
    return _WORD.findall(_APOSTROPHES.sub("", token))


# What says how a recording was packed or sold. Anything else in brackets, such as Live, Acoustic,
# Demo or Remix, makes another recording.
_YEAR: Final = r"(?:19|20)\d\d"
_PACKED: Final = (
    (
        rf"(?:(?:{_YEAR}|new|newly|digital(?:ly)?|\d+(?:th)? anniversary|deluxe|hi-?res|24-?bit"
        r"|dsd)[\s/-]+)*(?:re-?master\w*|remaster\w*)(?:[\s/-]+(?:version|edition|mono|stereo|album|in"
        rf"|{_YEAR}|of|\d+))*"
    ),
    (
        rf"(?:{_YEAR}\s+)?(?:mono|stereo|album|single|lp|original|standard|explicit|clean|radio|main)"
        r"(?:\s+(?:album|single|version|edit|mix|mono|stereo|recording))*"
    ),
    r"(?:bonus|hidden)\s+(?:track|song)(?:\s+version)?",
    r"(?:(?:super )?deluxe|expanded|special|anniversary|collectors?)(?:\s+(?:edition|version))?",
    r"(?:official|lyrics?|music|hd|hq|4k)(?:\s+(?:music|lyrics?|video|audio|visuali[sz]er|hd|hq))*",
    r"(?:feat(?:uring)?|ft|with|from|aus|tire de)\b.*",
)
_IS_PACKED: Final = re.compile(rf"(?:{'|'.join(_PACKED)})")
_BRACKETS: Final = re.compile(r"\s*[(\[{]([^()\[\]{}]*)[)\]}]")
_DASHED: Final = re.compile(r"\s+[-–—/~|]\s+([^-–—/~|]+)$")
_FEATURED: Final = re.compile(r"\s+(?:feat|ft|featuring)\b\.?\s.*$")
_FIRST_ARTIST: Final = re.compile(r"\s*[,;/&+]|\s(?:feat|ft|featuring|with|and|und|vs|x)\b")
_LIVE_ALBUM: Final = re.compile(
    r"\blive (?:at|in|from|on)\b|[(\[]live\b|^live$|\blive!?$|\bunplugged\b|\bin concert\b"
    r"|\bkaraoke\b|\bacoustic\b|\binstrumentals?\b|\bdemos\b"
)
_MOST_KEY: Final = 300


def recording_key(*, title: str, artist: str, album: str) -> str:
    """Return the key that the same recording has in every file, empty if title or artist are.

    The title has no remarks on remastering, edition or guests. A live version, an acoustic one or a
    remix has another key. Of several artists the first one counts. Other recordings may have the
    same key: it finds candidates.
    """
    names, first = recording_title(title), _first_artist(artist)
    if not names or not first:
        return ""
    marks = "|".join(sorted({mark.strip("([ ") for mark in _LIVE_ALBUM.findall(fold(album))}))
    return f"{first}\t{names}\t{marks}"[:_MOST_KEY]


def recording_title(title: str) -> str:
    """Return a title, folded, without what says how the recording was packed or sold."""
    left = _FEATURED.sub("", _BRACKETS.sub(_unless_packed, fold(title)))
    while (dashed := _DASHED.search(left)) and _IS_PACKED.fullmatch(_plain(dashed[1])):
        left = left[: dashed.start()]
    return sort_key(left or title).decode()


def _unless_packed(found: re.Match[str]) -> str:
    return "" if _IS_PACKED.fullmatch(_plain(found[1])) else found[0]


def _plain(remark: str) -> str:
    return remark.strip().replace(".", "").replace("'", "")


def _first_artist(artist: str) -> str:
    whole = _TRAILING.sub("", fold(artist))
    first = _FIRST_ARTIST.split(whole, maxsplit=1)[0] or whole
    key = sort_key(first).decode()
    return "" if key in _NO_ARTISTS else key


_NO_ARTISTS: Final = frozenset(
    {"", "unknown", "unknown artist", "various", "various artists", "va", "artist", "unbekannt"}
)


def genre_parts(tag: str) -> set[str]:
    """Return a genre tag, such as "Rock; Indie", and its parts, in lower case."""
    return {part.strip().casefold() for part in (tag, *re.split(r"[;,/|]", tag))}
