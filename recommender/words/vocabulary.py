"""The names that the catalogue has: genres, artists and albums, as words of a text find them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rapidfuzz import fuzz, process

from recommender.words.tokens import key_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    Key = tuple[str, ...]

LONGEST_NAME: Final = 7
"""Words of a name; longer names are not looked for in texts."""
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

    def genre_near(self, words: Key) -> str | None:
        """Return the genre that is spelt like the words, by one letter of at least three."""
        text = " ".join(words)
        if len(text) < 3:
            return None
        texts = {" ".join(key): name for key, name in self.genres.items() if key[0][0] == text[0]}
        found = process.extractOne(text, texts.keys(), scorer=fuzz.ratio, score_cutoff=_NEAR_NAME)
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
