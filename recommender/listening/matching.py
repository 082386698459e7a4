"""Which song of the catalogue another service means by an artist and a title.

In this order: the MusicBrainz id of the recording; the names, compared as `recording_key` compares
them; names that differ by a spelling mistake. A wrong match is worse than none, so

- the first main artist must be the same, and either the artist or the title may have a spelling
  mistake, not both;
- a live version, a remix or an acoustic one is another song, and so is one of a live album where
  the service names the album;
- a mistake is at most one letter of a word of four to seven, two of a longer word; numbers and
  short words must be equal, and the whole must be equal to `LEAST_ALIKE` per cent;
- where two songs are equally like it, none is meant.
"""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from rapidfuzz import fuzz
from rapidfuzz.distance import OSA

from catalog.files.credits import lead_key, main_key
from catalog.files.names import folded
from catalog.models import Library, Song
from catalog.texts import recording_key, recording_title

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LEAST_ALIKE: Final = 92.0
"""The least `rapidfuzz.fuzz.ratio` of two titles, or of two names of an artist."""
_SHORTEST_SLIP: Final = 4
_TWO_SLIPS_FROM: Final = 8
_SHORTEST_NAME: Final = 6
"""A shorter name of an artist must be equal."""
_MOST_ASKED: Final = 500
"""Keys of one query."""
_MOST_KNOWN: Final = 50_000
"""Names, keys and ids that are remembered; a long history may have a million."""
_SAME_LENGTH_SECONDS: Final = 8.0
_NO_LETTERS: Final = {ord(sign): None for sign in " .,'!?&-_/()[]\"*$+:"}


class Named(Protocol):
    """What a service says of a song; texts may be empty."""

    @property
    def artist(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def album(self) -> str: ...
    @property
    def recording_id(self) -> str: ...
    @property
    def duration_seconds(self) -> float | None: ...


class _Candidate(NamedTuple):
    pk: int
    title: str
    marks: str
    """Of its album, if that is a live one or the like."""
    album: str
    duration_seconds: float | None
    rank: int
    has_audio: bool


class SongMatcher:
    """Finds songs, and remembers what it has found and read; it sees no later change.

    Each artist is read once. `learn` reads those of many names in a few queries, after it has
    forgotten what was read before if that has become much.

    To find artists whose names are spelled otherwise, the names of all artists are read. Only the
    background job `has_time` for that; a request has not.
    """

    def __init__(self, *, has_time: bool = False) -> None:
        self._has_time = has_time
        self._of_artist: dict[str, list[_Candidate]] = {}
        self._of_recording: dict[str, list[_Candidate]] = {}
        self._found: dict[tuple[object, ...], int | None] = {}
        self._near: dict[str, list[str]] = {}
        self._artists: dict[str, dict[str, list[str]]] | None = None
        self._durations: dict[int, float | None] = {}

    def match(self, named: Named) -> int | None:
        """Return the id of the song that is meant, None if none is surely."""
        known = (
            *(named.artist, named.title, named.album, named.recording_id),
            named.duration_seconds,
        )
        if known not in self._found:
            self._found[known] = self._match(named)
        return self._found[known]

    def duration_of(self, song_id: int) -> float | None:
        """Return how long a song lasts that was matched; None if that is not known."""
        return self._durations.get(song_id)

    def learn(self, many: Iterable[Named]) -> None:
        """Read the artists and recordings of many names at once."""
        known: tuple[dict[Any, Any], ...] = (
            *(self._found, self._of_artist, self._of_recording, self._near, self._durations),
        )
        if max(map(len, known)) > _MOST_KNOWN:
            for one in known:
                one.clear()
        self._learn(many)

    def _learn(self, many: Iterable[Named]) -> None:
        ids: set[str] = set()
        keys: set[str] = set()
        for named in many:
            ids.add(named.recording_id)
            keys.update(_artist_keys(named.artist))
        self._read("musicbrainz_recording_id", ids - {""}, self._of_recording)
        self._read("artist_key", keys, self._of_artist)

    def _match(self, named: Named) -> int | None:
        self._learn([named])
        by_id = self._of_recording.get(named.recording_id, [])
        if by_id:
            return _best(by_id, named)
        title = recording_title(named.title)
        keys = _artist_keys(named.artist)
        if not title or not keys:
            return None
        of_artist = [one for key in keys for one in self._of_artist[key]]
        same = [one for one in of_artist if one.title == title]
        if not same:
            same = _with_slip(of_artist, title)
        if not same and self._has_time:
            near = self._near_artists(named.artist)
            self._read("artist_key", near, self._of_artist)
            same = [one for key in near for one in self._of_artist[key] if one.title == title]
        return _best(_of_same_kind(same, named), named)

    def _read(self, field: str, asked: Iterable[str], known: dict[str, list[_Candidate]]) -> None:
        """Read the songs that have one of the values in a field."""
        missing = [value for value in asked if value not in known]
        for value in missing:
            known[value] = []
        for start in range(0, len(missing), _MOST_ASKED):
            portion = missing[start : start + _MOST_ASKED]
            rows = Song.objects.filter(is_available=True, **{f"{field}__in": portion}).order_by()
            for value, pk, title, key, album, duration, rank, kind in rows.values_list(
                *(field, "pk", "title", "recording_key", "album"),
                *("duration_seconds", "recording_rank", "library__kind"),
            ):
                marks = key.rpartition("\t")[2]
                known[value].append(
                    _Candidate(
                        *(pk, recording_title(title), marks, folded(album), duration, rank),
                        has_audio=kind == Library.Kind.FOLDER,
                    )
                )
                self._durations[pk] = duration

    def _near_artists(self, artist: str) -> list[str]:
        """Return the keys of artists whose names differ by signs, or by a slip."""
        key = main_key(artist)
        if key not in self._near:
            self._near[key] = self._with_like_name(key)
        return self._near[key]

    def _with_like_name(self, key: str) -> list[str]:
        plain = _letters(key)
        known = self._names().get(plain[:1], {})
        if plain in known:
            return [one for one in known[plain] if one != key]
        if len(plain) < _SHORTEST_NAME:
            return []
        like = [
            keys
            for name, keys in known.items()
            if fuzz.ratio(plain, name, score_cutoff=LEAST_ALIKE) and _digits(plain) == _digits(name)
        ]
        return like[0] if len(like) == 1 else []

    def _names(self) -> dict[str, dict[str, list[str]]]:
        """Return the keys of all artists by their letters alone, by the first of these."""
        if self._artists is None:
            self._artists = defaultdict(lambda: defaultdict(list))
            keys = Song.objects.filter(is_available=True).order_by().values_list("artist_key")
            for (key,) in keys.distinct():
                plain = _letters(key)
                self._artists[plain[:1]][plain].append(key)
        return self._artists


@lru_cache(maxsize=50_000)
def _artist_keys(artist: str) -> tuple[str, ...]:
    """Return the keys under which the songs of an artist may be, the whole name first."""
    keys = (folded(artist), main_key(artist), lead_key(artist))
    return tuple(key for key in dict.fromkeys(keys) if key)


def _letters(key: str) -> str:
    return key.translate(_NO_LETTERS) or key


def _digits(text: str) -> list[str]:
    return [sign for sign in text if sign.isdigit()]


def _with_slip(candidates: Sequence[_Candidate], title: str) -> list[_Candidate]:
    """Return the candidates whose one title differs by slips; none if two titles do."""
    like = [one for one in candidates if _is_slip(one.title, title)]
    return like if len({one.title for one in like}) == 1 else []


def _is_slip(one: str, other: str) -> bool:
    if fuzz.ratio(one, other, score_cutoff=LEAST_ALIKE) == 0:
        return False
    words, others = one.split(), other.split()
    return len(words) == len(others) and all(map(_is_like_word, words, others))


def _is_like_word(one: str, other: str) -> bool:
    if one == other:
        return True
    shortest = min(len(one), len(other))
    if shortest < _SHORTEST_SLIP or _digits(one) != _digits(other):
        return False
    most = 2 if shortest >= _TWO_SLIPS_FROM else 1
    return OSA.distance(one, other, score_cutoff=most) <= most


def _of_same_kind(candidates: Sequence[_Candidate], named: Named) -> list[_Candidate]:
    """Return the candidates of a live album, or the like, if the service names such a one."""
    if not named.album:
        return [one for one in candidates if not one.marks] or list(candidates)
    key = recording_key(title=named.title, artist=named.artist, album=named.album)
    album = folded(named.album)
    marks = key.rpartition("\t")[2]
    return [one for one in candidates if one.marks == marks or one.album == album]


def _best(candidates: Sequence[_Candidate], named: Named) -> int | None:
    """Return the candidate on the same album, of the same length, with audio, or the one shown."""
    if not candidates:
        return None
    album = folded(named.album)
    length = named.duration_seconds

    def order(one: _Candidate) -> tuple[bool, bool, bool, int, int]:
        apart = abs((one.duration_seconds or 0.0) - (length or one.duration_seconds or 0.0))
        is_apart = apart > _SAME_LENGTH_SECONDS
        return one.album != album, is_apart, not one.has_audio, one.rank, one.pk

    return min(candidates, key=order).pk
