"""Search for songs by words, and by near misses of words.

An exact search is one pass over `Song.search_text`. Only if it finds nothing are the words
compared with the words of the catalogue, which a process holds in memory.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from django.db.models import Count, Max, Q
from rapidfuzz.distance import OSA
from rapidfuzz.process import extract

from catalog.models import Song
from catalog.texts import search_words

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.models import QuerySet

SHORTEST_FUZZY: Final = 4
"""A shorter word has no near misses."""
TWO_EDITS_FROM: Final = 8
"""A word this long may differ by two edits, a shorter one by one; a swap of letters is one."""
MOST_ALTERNATIVES: Final = 10
"""The most words of the catalogue that are tried in the place of one."""
MOST_FUZZY_WORDS: Final = 8
"""A search of more words has no near misses: each word is compared with all of the catalogue's."""


def songs_search(songs: QuerySet[Song], text: str) -> tuple[QuerySet[Song], bool]:
    """Return the songs that have every word of `text`, and whether they are near misses.

    Near misses are returned only if no song of the catalogue has every word.
    """
    words = search_words(text)
    if not words:
        return songs, False
    exact = _having([word] for word in words)
    if Song.objects.filter(exact, is_available=True).exists():
        return songs.filter(exact), False
    if len(words) > MOST_FUZZY_WORDS:
        return songs.none(), False
    known = _vocabulary.words()
    alone = frozenset(known)
    alternatives = [_alternatives(word, known) + _halves(word, alone) for word in words]
    if not all(alternatives):
        return songs.none(), False
    return songs.filter(_having(alternatives)), True


def _having(words: Iterable[Iterable[str]]) -> Q:
    """Return the condition that one of the alternatives of every word occurs."""
    condition = Q()
    for alternatives in words:
        # All are folded, so it does not matter that SQLite ignores the case of ASCII letters here.
        any_of = Q()
        for word in alternatives:
            any_of |= Q(search_text__contains=word)
        condition &= any_of
    return condition


def _alternatives(word: str, known: tuple[str, ...]) -> list[str]:
    """Return what may stand for a word: itself if it occurs, and words that are like it."""
    same = [word] if any(word in other for other in known) else []
    if len(word) < SHORTEST_FUZZY:
        return same
    edits = 2 if len(word) >= TWO_EDITS_FROM else 1
    near = extract(word, known, scorer=OSA.distance, score_cutoff=edits, limit=MOST_ALTERNATIVES)
    return [*same, *(other for other, _, _ in near if other != word)]


def _halves(word: str, known: frozenset[str]) -> list[str]:
    """Return the ways to write a word as two words that the catalogue has: tidepool, tide pool."""
    cuts = range(2, len(word) - 1)
    return [
        f"{word[:cut]} {word[cut:]}" for cut in cuts if word[:cut] in known and word[cut:] in known
    ][:MOST_ALTERNATIVES]


class _Vocabulary:
    """The words of all songs that can be played, read again after the catalogue has changed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._words: tuple[str, ...] = ()
        self._marker: object = None

    def words(self) -> tuple[str, ...]:
        with self._lock:
            marker = Song.objects.aggregate(n=Count("pk"), last=Max("updated_at"))
            if marker != self._marker:
                self._words, self._marker = _words_read(), marker
            return self._words


def _words_read() -> tuple[str, ...]:
    texts = Song.objects.filter(is_available=True).order_by().values_list("search_text", flat=True)
    words: set[str] = set()
    for text in texts.iterator(chunk_size=5_000):
        words.update(text.split())
    return tuple(sorted(words))


_vocabulary = _Vocabulary()
