"""The queries of a suite: every song as a seed, named moods, points of the plane, journeys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mer.research.playlists.suite import Labels, Query

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mer.research.playlists.suite import LabelledSong

MOODS: Final = {
    "Q1": ("joy", "excitement", "energetic", "party", "uplifting", "triumphant"),
    "Q2": ("anger", "fear", "tense", "rebellious", "aggressive", "nervous"),
    "Q3": ("sadness", "melancholy", "lonely", "gloomy", "despair", "heartbroken"),
    "Q4": ("calmness", "peaceful", "tender", "romantic", "relaxed", "gentle"),
}
"""Names of moods whose quadrant is beyond doubt. A mood asks for its quadrant, not for a point."""
_CENTRES: Final = (0.25, 0.75)
_GRID: Final = (0.2, 0.5, 0.8)
_MIDDLE: Final = 0.5
JOURNEYS: Final = tuple(
    ((start, other), (end, another))
    for start in _CENTRES
    for other in _CENTRES
    for end in _CENTRES
    for another in _CENTRES
    if (start, other) != (end, another)
)
"""From each quadrant's middle to each other one."""


def queries_of(catalogue: str, songs: Sequence[LabelledSong]) -> list[Query]:
    """Make the queries that the labels of a catalogue's songs can judge."""
    found = [
        Query(f"like {song.name}", catalogue, "song", song.group, song.labels, song.name)
        for song in songs
    ]
    if any(song.labels.quadrants for song in songs):
        found += _moods(catalogue)
    if any(song.labels.place for song in songs):
        found += _points(catalogue)
        found += _journeys(catalogue)
    return found


def _moods(catalogue: str) -> Iterable[Query]:
    for quadrant, names in MOODS.items():
        for name in names:
            labels = Labels(quadrants=frozenset({quadrant}))
            yield Query(f"{name} in {catalogue}", catalogue, "mood", name, labels, mood=name)


def _points(catalogue: str) -> Iterable[Query]:
    grid = [(v, a) for v in _GRID for a in _GRID if (v, a) != (_MIDDLE, _MIDDLE)]
    for valence, arousal in [*((v, a) for v in _CENTRES for a in _CENTRES), *grid]:
        labels = Labels(quadrants=quadrants_at(valence, arousal), place=(valence, arousal))
        name = f"point {valence} {arousal}"
        yield Query(f"{name} in {catalogue}", catalogue, "point", name, labels)


def quadrants_at(valence: float, arousal: float) -> frozenset[str]:
    """Quadrants of a point; a point on an axis is in those of both sides."""
    sides = {"Q1": (1, 1), "Q2": (-1, 1), "Q3": (-1, -1), "Q4": (1, -1)}
    return frozenset(
        name
        for name, (right, up) in sides.items()
        if (valence - _MIDDLE) * right >= 0 and (arousal - _MIDDLE) * up >= 0
    )


def _journeys(catalogue: str) -> Iterable[Query]:
    for path in JOURNEYS:
        name = " to ".join(f"{valence} {arousal}" for valence, arousal in path)
        yield Query(f"{name} in {catalogue}", catalogue, "journey", name, path=path)
