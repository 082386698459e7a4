"""Filter chips over a list: its genres, decades and lengths, each with its number of songs."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from catalog.texts import genre_parts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from catalog.models import Song
    from recommender.web.presentation import Entry

_MOST_CHIPS: Final = 6
"""Of one kind."""
_LONGEST: Final = 36_000
_LENGTHS: Final = (
    (_("under 3 min"), 0, 180),
    (_("3 to 5 min"), 180, 300),
    (_("over 5 min"), 300, _LONGEST),
)


@dataclass(frozen=True, slots=True)
class Chip:
    """A value that some songs of a list have; `query` asks for a new list of such songs alone."""

    number: int
    kind: str
    words: str
    songs: int
    query: str


def chipped(entries: Sequence[Entry]) -> tuple[list[Chip], list[Entry]]:
    """Return the chips of a list, and its entries with the numbers of their chips.

    A kind in which all songs are alike has no chips.
    """
    found: dict[_Value, set[int]] = defaultdict(set)
    for place, entry in enumerate(entries):
        for value in _values(entry.song):
            found[value].add(place)
    chips: list[Chip] = []
    numbers: dict[int, list[int]] = defaultdict(list)
    for value in _shown(found, len(entries)):
        for place in found[value]:
            numbers[place].append(len(chips))
        chips.append(Chip(len(chips), value.kind, value.words, len(found[value]), value.query))
    marked = [
        replace(entry, chips=" ".join(map(str, numbers[place])))
        for place, entry in enumerate(entries)
    ]
    return chips, marked


@dataclass(frozen=True, slots=True)
class _Value:
    kind: str
    query: str
    words: str = field(compare=False)
    order: float = field(default=0, compare=False)


def _values(song: Song) -> Iterator[_Value]:
    """Yield what a song is, of each kind."""
    parts = genre_parts(song.genre)
    for part in parts:
        # The whole tag "Rock; Indie" is no genre of its own where it has parts.
        if part and (len(parts) == 1 or part != song.genre.strip().casefold()):
            at = song.genre.casefold().find(part)
            yield _Value("genre", urlencode({"genre": part}), song.genre[at : at + len(part)])
    if song.year:
        decade = song.year // 10 * 10
        yield _Value(
            "decade",
            urlencode({"decade": decade}),
            gettext("%(decade)ss") % {"decade": decade},
            decade,
        )
    seconds = song.duration_seconds
    for length, low, high in _LENGTHS if seconds else ():
        if low <= (seconds or 0) < high:
            ends = {"seconds_from": low, "seconds_to": high}
            own = {name: end for name, end in ends.items() if 0 < end < _LONGEST}
            yield _Value("length", urlencode(own), str(length), low)


def _shown(found: Mapping[_Value, set[int]], count: int) -> Iterator[_Value]:
    """Yield the values of several songs: of genres the most frequent, others in order."""
    for kind in ("genre", "decade", "length"):
        own = [value for value in found if value.kind == kind and len(found[value]) > 1]
        own.sort(key=lambda value: (value.order, -len(found[value]), value.words))
        if len(own) > 1 or any(len(found[value]) < count for value in own):
            yield from own[:_MOST_CHIPS]
