"""Coordinates of what the pages draw: places on the plane, and the timeline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mer.affect import AffectPoint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from catalog.models import SongEmotion
    from recommender.web.presentation import Entry

CHART_WIDTH: Final = 1000


@dataclass(frozen=True, slots=True)
class PathDot:
    """A song on a square plane of side 100, y downwards."""

    x: float
    y: float
    quadrant: str
    title: str


@dataclass(frozen=True, slots=True)
class PlanePlace:
    """A song on a square plane of side 100, y downwards, with its expected error.

    `ellipses` holds the half-axes of twice the spread and of the spread; empty if it is unknown.
    `box` is left, top, width and height of the 90% intervals; None if they are unknown. Where there
    is a box, there are no ellipses.
    """

    x: float
    y: float
    quadrant: str
    ellipses: tuple[tuple[float, float], ...]
    box: tuple[float, float, float, float] | None = None


@dataclass(frozen=True, slots=True)
class TimelineChart:
    """Points of two polylines on a chart `CHART_WIDTH` wide and 100 high."""

    duration_seconds: float
    valence: str
    arousal: str
    width: int = CHART_WIDTH


def path_dots(entries: Sequence[Entry]) -> list[PathDot]:
    """Return the dots of a list's songs, in its order."""
    return [
        PathDot(
            x=round(100 * entry.emotion.valence, 1),
            y=round(100 * (1 - entry.emotion.arousal), 1),
            quadrant=entry.quadrant,
            title=entry.song.shown_title,
        )
        for entry in entries
        if entry.emotion
    ]


def plane_place(emotion: SongEmotion) -> PlanePlace:
    """Return the place of a song on the plane of its page."""
    ellipses: tuple[tuple[float, float], ...] = ()
    box = None
    if emotion.valence_interval and emotion.arousal_interval:
        (left, right), (low, high) = emotion.valence_interval, emotion.arousal_interval
        sides = (left, 1 - high, right - left, high - low)
        box = tuple(round(100 * side, 1) for side in sides)
    elif emotion.valence_spread is not None and emotion.arousal_spread is not None:
        half_axes = (100 * emotion.valence_spread, 100 * emotion.arousal_spread)
        ellipses = tuple((round(n * half_axes[0], 1), round(n * half_axes[1], 1)) for n in (2, 1))
    return PlanePlace(
        x=round(100 * emotion.valence, 1),
        y=round(100 * (1 - emotion.arousal), 1),
        quadrant=AffectPoint(emotion.valence, emotion.arousal).quadrant,
        ellipses=ellipses,
        box=box,
    )


def timeline_chart(
    timeline: Sequence[Mapping[str, float]], duration_seconds: float | None
) -> TimelineChart | None:
    """Return the chart of a timeline; None without points or without a duration."""
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
