"""Coordinates of what the pages draw: places on the plane, and the timeline."""

from __future__ import annotations

import math
import operator
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from django.utils import timezone

from mer.affect import AffectPoint
from recommender.history import SHOWN_DAYS
from recommender.media.drawn import place_colour

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from catalog.models import SongEmotion
    from recommender.web.presentation import Entry

CHART_WIDTH: Final = 1000
_USUAL_SECONDS: Final = 210
"""Stands for the length of a song that is not known."""
_WASH_STOPS: Final = 24
"""So many that no stop is seen."""
_WASH_EVENED: Final = 0.12
"""A standard deviation: the share of a list over which its gradient is evened out."""


@dataclass(frozen=True, slots=True)
class PathDot:
    """A song on a square plane of side 100, y downwards."""

    x: float
    y: float
    quadrant: str
    song_id: int
    title: str


@dataclass(frozen=True, slots=True)
class Stripe:
    """A song on the ribbon of a list, which is `CHART_WIDTH` wide."""

    x: float
    width: float
    colour: str
    song_id: int
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


@dataclass(frozen=True, slots=True)
class DayBar:
    """What was heard on a day, by quadrant.

    `parts` holds each quadrant with its y and height; all of them are as high as `count`. `height`
    is the share of the fullest day, in hundredths.
    """

    day: date
    count: int
    height: float
    most: str
    parts: tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True)
class DaysChart:
    """What was heard on each of some days; `shares` of all songs by quadrant, the largest first."""

    days: tuple[DayBar, ...]
    shares: tuple[tuple[str, float], ...]
    count: int


def days_chart(heard: Sequence[tuple[date, float, float]]) -> DaysChart | None:
    """Return the chart of the days up to today; None if nothing was heard."""
    if not heard:
        return None
    days: dict[date, Counter[str]] = defaultdict(Counter)
    for day, valence, arousal in heard:
        days[day][str(AffectPoint(valence, arousal).quadrant)] += 1
    highest = max(counts.total() for counts in days.values())
    today = timezone.localdate()
    shown = [today - timedelta(days=back) for back in reversed(range(SHOWN_DAYS))]
    total = sum(days.values(), Counter[str]())
    return DaysChart(
        tuple(_day_bar(day, days[day], highest) for day in shown),
        tuple((quadrant, count / total.total()) for quadrant, count in total.most_common()),
        total.total(),
    )


def _day_bar(day: date, counts: Counter[str], highest: int) -> DayBar:
    top, parts = counts.total(), []
    for quadrant, count in sorted(counts.items()):
        top -= count
        parts.append((quadrant, top, count))
    most = max(counts, key=counts.__getitem__) if counts else ""
    height = round(100 * counts.total() / highest, 1)
    return DayBar(day, counts.total(), height, most, tuple(parts))


def path_dots(entries: Sequence[Entry]) -> list[PathDot]:
    """Return the dots of a list's songs, in its order."""
    return [
        PathDot(
            x=round(100 * entry.emotion.valence, 1),
            y=round(100 * (1 - entry.emotion.arousal), 1),
            quadrant=entry.quadrant,
            song_id=entry.song.pk,
            title=entry.song.shown_title,
        )
        for entry in entries
        if entry.emotion
    ]


def ribbon(entries: Sequence[Entry]) -> list[Stripe]:
    """Return the songs of a list as stripes as wide as they are long, in order."""
    lengths = [entry.song.duration_seconds or _USUAL_SECONDS for entry in entries]
    scale = CHART_WIDTH / sum(lengths) if lengths else 0
    stripes, x = [], 0.0
    for entry, seconds in zip(entries, lengths, strict=True):
        place = entry.place
        stripes.append(
            Stripe(
                x=round(x, 1),
                width=round(seconds * scale, 1),
                colour=place_colour(place) if place else "var(--line)",
                song_id=entry.song.pk,
                title=entry.song.shown_title,
            )
        )
        x += seconds * scale
    return stripes


def wash(entries: Sequence[Entry]) -> list[tuple[float, str]]:
    """Return the stops of a gradient along a list's path: shares of 100, and colours."""
    colours = [bytes.fromhex(place_colour(one.place)[1:]) for one in entries if one.place]
    last = max(1, len(colours) - 1)
    stops = []
    for stop in range(_WASH_STOPS if colours else 0):
        at = stop / (_WASH_STOPS - 1)
        weights = [
            math.exp(-(((number / last - at) / _WASH_EVENED) ** 2) / 2)
            for number in range(len(colours))
        ]
        channels = zip(*colours, strict=True)
        mixed = (sum(map(operator.mul, weights, channel)) / sum(weights) for channel in channels)
        stops.append((round(100 * at, 1), f"#{bytes(map(round, mixed)).hex()}"))
    return stops


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
