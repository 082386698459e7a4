"""Search for songs by words, and by near misses of words.

An exact search is one pass over `Song.search_text`. Only if it finds nothing are the words
compared with the words of the catalogue, which a process holds in memory and brings up to date
with what has changed.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from django.db.models import Q
from django.utils import timezone
from rapidfuzz.distance import OSA
from rapidfuzz.process import extract

from catalog.files.names import folded
from catalog.models import Artist, Song
from catalog.texts import search_words, sort_key

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from django.db.models import QuerySet

SHORTEST_FUZZY: Final = 4
"""A shorter word has no near misses."""
TWO_EDITS_FROM: Final = 8
"""A word this long may differ by two edits, a shorter one by one; a swap of letters is one."""
MOST_ALTERNATIVES: Final = 10
"""The most words of the catalogue that are tried in the place of one."""
COUNT_SECONDS: Final = 10.0
LONGEST_TRANSACTION: Final = timedelta(minutes=1)
"""A song that is committed longer after its change is not in near misses until it changes again."""
MOST_SONGS: Final = 5
MOST_ARTISTS: Final = 3
MOST_LOOKED_AT: Final = 50
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
    alternatives = _vocabulary.alternatives(words)
    if not all(alternatives):
        return songs.none(), False
    return songs.filter(_having(alternatives)), True


@dataclass(frozen=True, slots=True)
class Suggested:
    """Songs and artists that the beginning of a search may mean."""

    songs: list[Song]
    artists: list[Artist]


def suggest(text: str) -> Suggested:
    """Return a few songs that have every word of `text`, and artists whose names begin with it.

    Songs whose titles begin with it come first. No more than `MOST_LOOKED_AT` matches are read, so
    that a short text costs little in a large catalogue.
    """
    words = search_words(text)
    if not words:
        return Suggested([], [])
    start = sort_key(" ".join(words))
    songs = (
        Song.objects.filter(_having([word] for word in words), is_available=True)
        .only("title", "artist", "title_sort", "relative_path")
        .order_by()[:MOST_LOOKED_AT]
    )
    ranked = sorted(songs, key=lambda song: not bytes(song.title_sort).startswith(start))
    key = folded(text)
    artists = Artist.objects.filter(key__startswith=key).order_by("key")
    return Suggested(ranked[:MOST_SONGS], list(artists[:MOST_ARTISTS]) if key else [])


def song_titled(text: str) -> Song | None:
    """Return a song whose title is `text`, in whatever case; None if there is none."""
    title = folded(text)
    return next((one for one in suggest(text).songs if folded(one.title) == title), None)


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


class _Vocabulary:
    """The words of all songs that can be played.

    The first use reads every song, a later one those that have changed since. Deleted songs are
    noticed by counting, at most every `COUNT_SECONDS`; then every song is read again.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.forget()

    def forget(self) -> None:
        """Read every song at the next use."""
        self._texts: dict[int, str] = {}
        self._counts: Counter[str] = Counter()
        self._by_length: dict[int, dict[str, str]] = defaultdict(dict)
        self._texts_by_length: dict[int, str] = {}
        self._read_at: datetime | None = None
        self._counted_at = -math.inf

    def alternatives(self, words: Iterable[str]) -> list[list[str]]:
        """Return for each word what may stand for it: itself if it occurs, and words like it."""
        with self._lock:
            self._refresh()
            return [[*self._itself(word), *self._near(word), *self._halves(word)] for word in words]

    def _itself(self, word: str) -> list[str]:
        if word in self._counts:
            return [word]
        longer = [size for size in self._by_length if size > len(word)]
        return [word] if any(word in self._joined(size) for size in longer) else []

    def _joined(self, size: int) -> str:
        """Return the words of a length as one text: to look into it takes a hundredth of a loop."""
        if size not in self._texts_by_length:
            self._texts_by_length[size] = "\n".join(self._by_length[size])
        return self._texts_by_length[size]

    def _near(self, word: str) -> list[str]:
        if len(word) < SHORTEST_FUZZY:
            return []
        edits = 2 if len(word) >= TWO_EDITS_FROM else 1
        found = []
        for size in range(len(word) - edits, len(word) + edits + 1):
            known = self._by_length.get(size, {})
            found += extract(word, known, scorer=OSA.distance, score_cutoff=edits, limit=None)
        # The nearest first, in an order that no history of changes has a part in.
        near = sorted((distance, other) for other, distance, _ in found if other != word)
        return [other for _, other in near[:MOST_ALTERNATIVES]]

    def _halves(self, word: str) -> list[str]:
        """Return the ways to write a word as two words: tidepool, tide pool."""
        cuts = ((word[:cut], word[cut:]) for cut in range(2, len(word) - 1))
        known = self._counts
        return [f"{one} {two}" for one, two in cuts if one in known and two in known][
            :MOST_ALTERNATIVES
        ]

    def _refresh(self) -> None:
        now = timezone.now()
        if time.monotonic() - self._counted_at >= COUNT_SECONDS:
            self._counted_at = time.monotonic()
            if Song.objects.count() < len(self._texts):
                self.forget()
        songs = Song.objects.order_by()
        if self._read_at is not None:
            # A row has the time at which it was made, and is seen when it is committed.
            songs = songs.filter(updated_at__gte=min(now, self._read_at) - LONGEST_TRANSACTION)
        for pk, text, is_there in songs.values_list("pk", "search_text", "is_available").iterator(
            chunk_size=5_000
        ):
            self._put(pk, text if is_there else "")
        self._read_at = now

    def _put(self, pk: int, text: str) -> None:
        before = self._texts.get(pk, "")
        self._texts[pk] = text
        if text == before:
            return
        for word in text.split():
            self._counts[word] += 1
            if self._counts[word] == 1:
                self._by_length[len(word)][word] = word
                self._texts_by_length.pop(len(word), None)
        for word in before.split():
            self._counts[word] -= 1
            if not self._counts[word]:
                del self._counts[word], self._by_length[len(word)][word]
                self._texts_by_length.pop(len(word), None)


_vocabulary = _Vocabulary()
