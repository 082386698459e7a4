"""The names that the catalogue has: genres, artists and albums, as words of a text find them."""

from __future__ import annotations

import itertools
import unicodedata
from typing import TYPE_CHECKING, Final

from rapidfuzz import fuzz, process
from rapidfuzz.distance import OSA

from recommender.words.tokens import key_of, tokens_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    Key = tuple[str, ...]

LONGEST_NAME: Final = 7
"""Words of a name; longer names are not looked for in texts."""
LONGEST_READ: Final = 60
"""Words; a longer text is a poem or lyrics, and the network reads it as a whole."""
ANNOUNCING: Final = frozenset({"by", "von", "par", "door", "przez"})
"""Words that an artist follows."""
_SHORTEST_GENRE: Final = 3
_LONG_GENRE: Final = 8
_NEAR_NAME: Final = 84
"""Percent of likeness from which a name is taken for a misspelt one."""


class Vocabulary:
    """Names of the catalogue by their folded words; case, accents, "the" and "and" do not count.

    Parameters
    ----------
    genres : iterable of str
        Genres and parts of genre tags.
    artists, albums : iterable of str
    """

    def __init__(
        self,
        *,
        genres: Iterable[str] = (),
        artists: Iterable[str] = (),
        albums: Iterable[str] = (),
    ) -> None:
        self.genres = _by_key(genres)
        self.artists = _by_key(artists)
        self.albums = _by_key(albums)
        self._artist_texts = {" ".join(key): name for key, name in self.artists.items()}

    def genre_near(self, word: str) -> str | None:
        """Return the genre that is spelt like a word: by one letter, by two of eight or more."""
        if len(word) < _SHORTEST_GENRE:
            return None
        texts = {" ".join(key): name for key, name in self.genres.items() if key[0][0] == word[0]}
        edits = 2 if len(word) >= _LONG_GENRE else 1
        found = process.extractOne(word, texts.keys(), scorer=OSA.distance, score_cutoff=edits)
        return texts[found[0]] if found else None

    def artist_near(self, words: Key) -> str | None:
        """Return the artist whose name is spelt like the words."""
        found = process.extractOne(
            " ".join(words), self._artist_texts.keys(), scorer=fuzz.ratio, score_cutoff=_NEAR_NAME
        )
        return self._artist_texts[found[0]] if found else None


def _by_key(names: Iterable[str]) -> dict[Key, str]:
    keys: dict[Key, str] = {}
    for name in names:
        key = key_of(name)
        if key and len(key) <= LONGEST_NAME:
            keys.setdefault(key, name)
    return keys


def spans_of(text: str) -> tuple[list[str], list[str]]:
    """Return the stretches of a text that may be names, and the words that begin one after "by".

    Texts that are too long to be read by rules have none.
    """
    tokens = tokens_of(text)
    if sum(not token.is_mark for token in tokens) > LONGEST_READ:
        return [], []
    plain = unicodedata.normalize("NFC", text)
    spans = []
    for at, first in enumerate(tokens):
        for last in tokens[at : at + LONGEST_NAME]:
            if last.is_mark:
                break
            spans.append(plain[first.start : last.end])
    after_by = [
        following.text
        for token, following in itertools.pairwise(tokens)
        if token.word in ANNOUNCING and not following.is_mark
    ]
    return spans, after_by
