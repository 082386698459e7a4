"""What the pages show of songs and playlists: names, chart coordinates, queries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.http import QueryDict

from mer.affect import QUADRANTS, AffectPoint
from mer.prediction import TOLD_SHIFT
from recommender import selectors
from recommender.errors import PlaylistErrorCode, PlaylistRequestError
from recommender.moods import MOODS
from recommender.playlists.request import mood_to_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.forms import BaseForm

    from catalog.models import Song, SongEmotion
    from recommender.playlists.request import PlaylistRequest

QUADRANT_NAMES: Final = {"Q1": "happy", "Q2": "angry", "Q3": "sad", "Q4": "calm"}
CHART_WIDTH: Final = 1000
_TOLD_SHARE: Final = 0.4
"""Of a line's whole shift: what an axis must have of it to be named."""

_KEPT_FIELDS: Final = (
    *("mood", "valence", "arousal", "text", "like", "history"),
    *("max_per_artist", "exclude_heard_days"),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A song in its place in a list, with why it is there."""

    song: Song
    score: float
    why: str

    @property
    def emotion(self) -> SongEmotion | None:
        """What the model now in use says of the song."""
        return selectors.current_emotion(self.song)

    @property
    def quadrant(self) -> str:
        """Where the song lies; the likeliest quadrant may differ for an ambiguous song."""
        emotion = self.emotion
        return AffectPoint(emotion.valence, emotion.arousal).quadrant if emotion else ""


@dataclass(frozen=True, slots=True)
class PathDot:
    """A song on a square plane of side 100, y downwards."""

    x: float
    y: float
    quadrant: str
    title: str


@dataclass(frozen=True, slots=True)
class PlanePlace:
    """Where a song lies on a square plane of side 100, y downwards, and how surely.

    `ellipses` are the half-axes of two spreads and of one; empty if no spread is known.
    """

    x: float
    y: float
    quadrant: str
    ellipses: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class LineMove:
    """A line of the lyrics, and how it moves its song on the plane."""

    text: str
    valence: float
    arousal: float
    words: str


@dataclass(frozen=True, slots=True)
class TimelineChart:
    """Points of two polylines on a chart `CHART_WIDTH` wide and 100 high."""

    duration_seconds: float
    valence: str
    arousal: str
    width: int = CHART_WIDTH


def moods_by_quadrant() -> list[tuple[str, list[str]]]:
    """Return the names of the moods that lie in each quadrant."""
    return [
        (
            quadrant,
            [
                mood.name
                for mood in MOODS.values()
                if AffectPoint(mood.valence, mood.arousal).quadrant == quadrant
            ],
        )
        for quadrant in QUADRANTS
    ]


def path_dots(entries: Sequence[Entry]) -> list[PathDot]:
    """Return where the songs of a list lie, in its order."""
    return [
        PathDot(
            x=round(100 * entry.emotion.valence, 1),
            y=round(100 * (1 - entry.emotion.arousal), 1),
            quadrant=entry.quadrant,
            title=entry.song.title or entry.song.relative_path,
        )
        for entry in entries
        if entry.emotion
    ]


def plane_place(emotion: SongEmotion) -> PlanePlace:
    """Return where a song lies on its page's plane."""
    ellipses: tuple[tuple[float, float], ...] = ()
    if emotion.valence_spread is not None and emotion.arousal_spread is not None:
        half_axes = (100 * emotion.valence_spread, 100 * emotion.arousal_spread)
        ellipses = tuple((round(n * half_axes[0], 1), round(n * half_axes[1], 1)) for n in (2, 1))
    return PlanePlace(
        x=round(100 * emotion.valence, 1),
        y=round(100 * (1 - emotion.arousal), 1),
        quadrant=AffectPoint(emotion.valence, emotion.arousal).quadrant,
        ellipses=ellipses,
    )


def line_moves(lines: Sequence[Mapping[str, Any]]) -> list[LineMove]:
    """Return what to tell of the lyric lines of a song: those that move it visibly."""
    return [
        LineMove(line["text"], line["valence"], line["arousal"], _move_in_words(line))
        for line in lines
        if line["shift"] >= TOLD_SHIFT
    ]


def _move_in_words(line: Mapping[str, Any]) -> str:
    """Name the axes along which a line moves its song, unless the other moves it far more."""
    directions = (
        (line["valence"], "more pleasant", "less pleasant"),
        (line["arousal"], "livelier", "quieter"),
    )
    return " and ".join(
        up if move > 0 else down
        for move, up, down in directions
        if abs(move) >= _TOLD_SHARE * line["shift"]
    )


def timeline_chart(
    timeline: Sequence[Mapping[str, float]], duration_seconds: float | None
) -> TimelineChart | None:
    """Return the chart of a song's timeline; None if there is no time to draw."""
    if not timeline or not duration_seconds:
        return None

    def line(axis: str) -> str:
        # The last passage lasts until the end.
        ends = [*timeline, {**timeline[-1], "start_seconds": duration_seconds}]
        return " ".join(
            f"{CHART_WIDTH * min(1.0, point['start_seconds'] / duration_seconds):.1f},"
            f"{100 * (1 - point[axis]):.1f}"
            for point in ends
        )

    return TimelineChart(duration_seconds, line("valence"), line("arousal"))


def request_query(request: PlaylistRequest) -> QueryDict:
    """Return the query of /playlist that asks for the same again, with another seed.

    Only `exclude_song_ids`, of which there may be thousands, have no place in an address.
    """
    query = QueryDict(mutable=True)
    plain: dict[str, Any] = request.to_json()
    plain.pop("seed", None)
    plain.pop("exclude_song_ids", None)
    plain.pop("moods", None)
    query.setlist("mood", [mood_to_text(name, weight) for name, weight in request.moods])
    query.setlist("like", [str(song_id) for song_id in plain.pop("song_ids", [])])
    for axis, value in plain.pop("point", {}).items():
        query[axis] = str(value)
    for name, value in plain.items():
        query[name] = str(value)
    return query


def kept_fields(query: QueryDict) -> list[tuple[str, str]]:
    """Return the part of a query that stays while the rest is tuned."""
    return [(name, value) for name in _KEPT_FIELDS for value in query.getlist(name)]


def form_error(form: BaseForm) -> PlaylistRequestError:
    """Return what is wrong with the first bad field of an invalid form."""
    field, problems = next(iter(form.errors.items()))
    message = str(problems[0]) if field == "__all__" else f"{field}: {problems[0]}"
    return PlaylistRequestError(PlaylistErrorCode.REQUEST_INVALID, message, {"field": field})
