"""Which songs words leave out: those of refused moods, and those that filters do not allow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from django.utils.translation import gettext_noop

from catalog.retold import kept
from catalog.texts import fold, genre_parts
from mer.affect import EMOTIONS, QUADRANTS, AffectPoint
from recommender.index.protocol import Condition
from recommender.moods import MOODS
from recommender.playlists.credited import condition_of_names, keys_condition, songs_of_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from recommender.index import IndexSnapshot
    from recommender.moods import Mood
    from recommender.words import Filters

QUADRANT_MOODS: Final = ("joy", "anger", "sadness", "calmness")
"""Moods that name a whole quadrant: "not sad" leaves out every song of Q3."""
REGION_RADIUS: Final = 0.25
"""A song at most so far from a refused mood, in shares of the catalogue, is of that mood."""
_GENRE: Final = kept(gettext_noop("genre %(name)s"))
_NO_GENRE: Final = kept(gettext_noop("no genre %(name)s"))
_ARTIST: Final = kept(gettext_noop("artist %(name)s"))
_NO_ARTIST: Final = kept(gettext_noop("no artist %(name)s"))
_ALBUM: Final = kept(gettext_noop("album %(name)s"))
_YEARS: Final = kept(gettext_noop("years"))
_LENGTH: Final = kept(gettext_noop("length"))
_TEMPO: Final = kept(gettext_noop("tempo"))
_KEY: Final = kept(gettext_noop("key"))
"""What words filter by. A name is translated by no catalogue, whatever it means as a word."""


def refused_rows(
    moods: Sequence[str], place: NDArray[np.float64] | None, snapshot: IndexSnapshot
) -> NDArray[np.bool_]:
    """Return which rows are of a refused mood.

    A song is of a mood if it lies in the mood's region. For the four moods of the quadrants that is
    the quadrant, by the song's place or by its likeliest quadrant; for the others it is what lies
    near the mood among the songs of the catalogue. A song whose strongest emotion has the mood's
    name is of it, too. If the target itself, `place`, lies in the region, as in "lonely but not
    sad", only those songs are refused that are nearer to the mood than to the target.
    """
    refused = np.zeros(len(snapshot), bool)
    if moods and snapshot.song_count:
        for part in snapshot.blocks():
            for name in moods:
                refused[part] |= _of_mood(MOODS[name], place, snapshot, part)
    return refused


def _of_mood(
    mood: Mood, place: NDArray[np.float64] | None, snapshot: IndexSnapshot, part: slice
) -> NDArray[np.bool_]:
    """Return which rows of a stretch are of a mood."""
    centre = np.array([mood.valence, mood.arousal])
    squares = _square_distances(centre, snapshot, part)
    region = squares <= REGION_RADIUS**2
    if mood.name in QUADRANT_MOODS:
        region |= _in_quadrant(mood, snapshot, part)
    if mood.name in EMOTIONS:
        emotions = [snapshot.affect.dimension(2 + n)[part] for n in range(len(EMOTIONS))]
        region |= _is_greatest(emotions, EMOTIONS.index(mood.name))
    if place is not None and _is_inside(place, mood):
        region &= squares < _square_distances(place, snapshot, part)
    return np.asarray(region, bool)


def _square_distances(
    centre: NDArray[np.float64], snapshot: IndexSnapshot, part: slice
) -> NDArray[np.float64]:
    """Return the squares of distances in shares of the catalogue."""
    valence, arousal = (snapshot.shares(axis)[part] - centre[axis] for axis in (0, 1))
    return np.asarray(valence**2 + arousal**2)


def _in_quadrant(mood: Mood, snapshot: IndexSnapshot, part: slice) -> NDArray[np.bool_]:
    number = QUADRANTS.index(AffectPoint(mood.valence, mood.arousal).quadrant)
    valence, arousal = (snapshot.affect.dimension(axis)[part] >= 0.5 for axis in (0, 1))
    is_there = (valence == (mood.valence >= 0.5)) & (arousal == (mood.arousal >= 0.5))
    quadrants = [snapshot.quadrants.dimension(n)[part] for n in range(len(QUADRANTS))]
    return np.asarray(is_there | _is_greatest(quadrants, number))


def _is_greatest(columns: Sequence[NDArray[np.float32]], number: int) -> NDArray[np.bool_]:
    """Return where a column has the greatest value, and no column before it an equal one.

    So it is where `numpy.argmax` over all columns gives its number, in a third of the time.
    """
    found = np.ones(len(columns[number]), bool)
    for other, values in enumerate(columns):
        if other != number:
            found &= columns[number] > values if other < number else columns[number] >= values
    return found


def _is_inside(place: NDArray[np.float64], mood: Mood) -> bool:
    centre = np.array([mood.valence, mood.arousal])
    if mood.name in QUADRANT_MOODS:
        return bool(((place >= 0.5) == (centre >= 0.5)).all())
    return bool(np.linalg.norm(place - centre) <= REGION_RADIUS)


def rows_of_filters(
    filters: Filters, snapshot: IndexSnapshot
) -> tuple[NDArray[np.bool_], list[str]]:
    """Return which rows the filters of words allow, and the nouns of the filters that are set."""
    allowed = np.ones(len(snapshot), bool)
    nouns = []
    if filters.genres:
        nouns.append(_GENRE % {"name": _named(filters.genres)})
        allowed &= _of_genres(filters.genres, snapshot)
    if filters.genres_not:
        nouns += [_NO_GENRE % {"name": _named([name])} for name in filters.genres_not]
        allowed &= ~_of_genres(filters.genres_not, snapshot)
    if filters.year_from is not None or filters.year_to is not None:
        nouns.append(_YEARS)
        allowed &= snapshot.where(
            "years", low=max(1, filters.year_from or 0), high=filters.year_to or 9999
        )
    for field, names, noun in (
        ("artists", filters.artists, _ARTIST),
        ("albums", filters.albums, _ALBUM),
    ):
        if names:
            nouns.append(noun % {"name": _named(names)})
            allowed &= _of_names(field, names, snapshot)
    if filters.artists_not:
        nouns += [_NO_ARTIST % {"name": _named([name])} for name in filters.artists_not]
        allowed &= ~_of_names("artists", filters.artists_not, snapshot)
    if filters.seconds_from is not None or filters.seconds_to is not None:
        nouns.append(_LENGTH)
        allowed &= snapshot.where(
            "durations", low=filters.seconds_from or 0, high=filters.seconds_to
        )
    if filters.tempo_from is not None or filters.tempo_to is not None:
        nouns.append(_TEMPO)
        allowed &= snapshot.where("tempos", low=filters.tempo_from or 0, high=filters.tempo_to)
    for keys, is_refused in ((filters.keys, False), (filters.keys_not, True)):
        if keys:
            nouns.append(_KEY)
            allowed &= snapshot.passing(keys_condition(keys, is_refused=is_refused))
    return allowed, nouns


def _named(names: Sequence[str]) -> str:
    """Return names as one; the nouns of filters are listed, so one with a comma is quoted."""
    return " or ".join(f"“{name}”" if ", " in name else name for name in names)


def conditions_of_words(
    filters: Filters,
    exclusions: Sequence[str],
    place: NDArray[np.float64] | None,
    snapshot: IndexSnapshot,
) -> list[Condition]:
    """Return the conditions with which an engine leaves out most of what words leave out.

    They allow all songs that `rows_of_filters` and `refused_rows` allow, and some more.
    """
    found = []
    for genres, is_refused in ((filters.genres, False), (filters.genres_not, True)):
        if genres:
            codes = tuple(_codes_of_genres(genres, snapshot))
            found.append(Condition("genres", any_of=codes, is_refused=is_refused))
    if filters.year_from is not None or filters.year_to is not None:
        first, last = max(1, filters.year_from or 0), filters.year_to or 9999
        found.append(Condition("years", low=first, high=last))
    if filters.seconds_from is not None or filters.seconds_to is not None:
        low, high = filters.seconds_from or 0, filters.seconds_to
        found.append(Condition("durations", low=low, high=high))
    if filters.tempo_from is not None or filters.tempo_to is not None:
        found.append(Condition("tempos", low=filters.tempo_from or 0, high=filters.tempo_to))
    for keys, is_refused in ((filters.keys, False), (filters.keys_not, True)):
        if keys:
            found.append(keys_condition(keys, is_refused=is_refused))
    for field, names in (("artists", filters.artists), ("albums", filters.albums)):
        if names:
            found.append(condition_of_names(field, names))
    if filters.artists_not:
        found.append(condition_of_names("artists", filters.artists_not, is_refused=True))
    for mood in (MOODS[name] for name in exclusions):
        if place is not None and _is_inside(place, mood):
            continue  # some songs of the mood are allowed
        if mood.name in QUADRANT_MOODS:
            quadrant = AffectPoint(mood.valence, mood.arousal).quadrant
            likeliest = (QUADRANTS.index(quadrant),)
            found.append(Condition("likeliest", any_of=likeliest, is_refused=True))
        if mood.name in EMOTIONS:
            strongest = (EMOTIONS.index(mood.name),)
            found.append(Condition("strongest", any_of=strongest, is_refused=True))
    return found


def _of_genres(genres: Sequence[str], snapshot: IndexSnapshot) -> NDArray[np.bool_]:
    return snapshot.where("genres", any_of=_codes_of_genres(genres, snapshot))


def _codes_of_genres(genres: Sequence[str], snapshot: IndexSnapshot) -> list[int]:
    wanted = {fold(genre) for genre in genres}
    return [
        code
        for code, tag in enumerate(snapshot.genre_names)
        if wanted & {fold(part) for part in genre_parts(tag)}
    ]


def _of_names(field: str, names: Sequence[str], snapshot: IndexSnapshot) -> NDArray[np.bool_]:
    songs = songs_of_names(field, names).order_by().values_list("pk", flat=True)
    return _rows(list(songs), snapshot)


def _rows(song_ids: Sequence[int], snapshot: IndexSnapshot) -> NDArray[np.bool_]:
    rows = np.zeros(len(snapshot), bool)
    rows[snapshot.rows_of(song_ids)] = True
    return rows
