"""Coordinates of the page "Your moods": calendar, trails on the plane, hours of the day."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext, npgettext

from mer.affect import QUADRANTS, AffectPoint
from recommender.mood_history import WEEKS
from recommender.terms import listed, percent
from recommender.web.presentation import grouped, quadrant_name, songs_counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from recommender.mood_history import MoodHistory, Span

_STEP: Final = 14
"""From one cell of the calendar to the next, in the units of the chart."""
_SIDES: Final = (7.0, 9.5, 12.0)
"""The side of a cell: a day with few songs, with some, with many."""
_TOP: Final = 18
_FAINTEST: Final = 0.4
_LEAST_REACH: Final = 0.12
"""A trail is not magnified further, so that small changes stay small."""
_EVENED: Final = 1.2
"""Over how many spans on each side the line of a trail is evened out: a standard deviation."""
_EVENED_AT_ENDS: Final = 0.25
"""So few that the line begins and ends at its dots."""
_LINE_STEPS: Final = 8
"""Points of the line from one span to the next."""
_ARROWS: Final = (0.3, 0.6, 0.85)
"""Where along a trail arrows show its direction."""
_ARROWS_APART: Final = 9
_NEAR_LABEL: Final = (24, 12)
"""Names of dots nearer than this, across and up, stand on different sides of them."""
_HOURS_HEIGHT: Final = 100
_MOST_LINES: Final = 4


@dataclass(frozen=True, slots=True)
class Cell:
    """A day of the calendar; without listening, `span` is None."""

    day: date
    x: float
    y: float
    side: float
    opacity: float
    span: Span | None


@dataclass(frozen=True, slots=True)
class Calendar:
    """The days of a year in columns of weeks."""

    cells: list[Cell]
    months: list[tuple[float, date]]
    width: int = WEEKS * _STEP
    height: int = _TOP + 7 * _STEP


@dataclass(frozen=True, slots=True)
class TrailDot:
    """A week or month on a square plane of side 100, y downwards; its name is below or above."""

    x: float
    y: float
    radius: float
    opacity: float
    span: Span
    is_named_below: bool

    @property
    def label_y(self) -> float:
        """The middle of its name's line."""
        away = self.radius + 3.6
        return round(self.y + away if self.is_named_below else self.y - away, 1)

    @property
    def label_anchor(self) -> str:
        """Which side of its name stands at the dot, so that it stays on the plane."""
        if self.x < 14:
            return "start"
        return "end" if self.x > 86 else "middle"


@dataclass(frozen=True, slots=True)
class TrailPart:
    """The line of a trail from one span to the next; newer parts are wider and clearer."""

    points: str
    quadrant: str
    width: float
    opacity: float


@dataclass(frozen=True, slots=True)
class TrailArrow:
    """A sign of the direction of a trail; the angle is in degrees, clockwise from the right."""

    x: float
    y: float
    angle: float


@dataclass(frozen=True, slots=True)
class Trail:
    """Mean places in order of time, magnified around the middle of the plane.

    The line evens neighbouring places out, so that it does not cross itself at every step.
    """

    dots: list[TrailDot]
    parts: list[TrailPart]
    arrows: list[TrailArrow]
    magnified: float


@dataclass(frozen=True, slots=True)
class HourBar:
    """An hour of the day: a column of `parts`, each a quadrant with its y and height."""

    hour: int
    count: int
    most: str
    parts: list[tuple[str, float, float]]


def calendar(history: MoodHistory) -> Calendar:
    """Return the days from the first to today; many songs make a large cell, a clear mood a full
    one."""
    spans = {span.start: span for span in history.days}
    few, many = _thirds([span.count for span in history.days])
    cells, months = [], []
    for number in range((history.today - history.first).days + 1):
        day = history.first + timedelta(days=number)
        week, weekday = divmod(number, 7)
        x, y = week * _STEP + _STEP / 2, _TOP + weekday * _STEP + _STEP / 2
        span = spans.get(day)
        count = span.count if span else 0
        side = _SIDES[(count > few) + (count > many)] if span else 4.0
        cells.append(Cell(day, x - side / 2, y - side / 2, side, _opacity(span), span))
        # A month's name stands over its first whole week; none over the last, where it has no room.
        if weekday == 0 and day.day <= 7 and week < WEEKS - 2:
            months.append((x - _STEP / 2, day))
    return Calendar(cells, months)


def _thirds(counts: Sequence[int]) -> tuple[int, int]:
    """Return up to which count a third of the days go, and up to which two thirds."""
    ranked = sorted(counts)
    if not ranked:
        return 0, 0
    return ranked[(len(ranked) - 1) // 3], ranked[2 * (len(ranked) - 1) // 3]


def _opacity(span: Span | None) -> float:
    if span is None:
        return 1.0
    clearness = min(1.0, math.hypot(span.valence - 0.5, span.arousal - 0.5) / 0.3)
    return round(_FAINTEST + (1 - _FAINTEST) * clearness, 2)


def trail(spans: Sequence[Span]) -> Trail | None:
    """Return the trail of spans in order of time; None if there are fewer than two."""
    if len(spans) < 2:
        return None
    away = (abs(place - 0.5) for span in spans for place in (span.valence, span.arousal))
    reach = min(0.5, max(_LEAST_REACH, 1.2 * max(away)))
    places = [
        (50 + 50 * (span.valence - 0.5) / reach, 50 - 50 * (span.arousal - 0.5) / reach)
        for span in spans
    ]
    line = _evened_line(places, [span.count for span in spans])
    return Trail(
        _trail_dots(spans, places), _trail_parts(line), _trail_arrows(line), round(0.5 / reach, 1)
    )


def _evened_line(
    places: Sequence[tuple[float, float]], counts: Sequence[int]
) -> list[tuple[float, float]]:
    """Return a line through the weighted means of places, each for the time around it."""
    last = len(places) - 1
    line = []
    for step in range(last * _LINE_STEPS + 1):
        time = step / _LINE_STEPS
        to_end = min(time, last - time)
        width = min(_EVENED, _EVENED_AT_ENDS + 0.6 * to_end)
        weights = [
            count * math.exp(-(((time - number) / width) ** 2) / 2)
            for number, count in enumerate(counts)
        ]
        total = sum(weights)
        x, y = (
            sum(weight * place[axis] for weight, place in zip(weights, places, strict=True)) / total
            for axis in (0, 1)
        )
        line.append((x, y))
    return line


def _trail_dots(spans: Sequence[Span], places: Sequence[tuple[float, float]]) -> list[TrailDot]:
    """Return a dot a span; the first and the last, which are named, are larger."""
    last = len(spans) - 1
    (first_x, first_y), (last_x, last_y) = places[0], places[-1]
    across, up = _NEAR_LABEL
    are_near = abs(first_x - last_x) < across and abs(first_y - last_y) < up
    dots = []
    for number, (span, (x, y)) in enumerate(zip(spans, places, strict=True)):
        is_end = number in (0, last)
        is_lower = are_near and (y >= last_y if number == 0 else y > first_y)
        dots.append(
            TrailDot(
                x=round(x, 1),
                y=round(y, 1),
                radius=(3.0 if number == last else 2.2) if is_end else 1.3,
                opacity=1.0 if is_end else round(0.3 + 0.4 * number / last, 2),
                span=span,
                is_named_below=is_lower or y < 10,
            )
        )
    return dots


def _trail_parts(line: Sequence[tuple[float, float]]) -> list[TrailPart]:
    parts = []
    for first in range(0, len(line) - 1, _LINE_STEPS):
        newness = (first + _LINE_STEPS) / (len(line) - 1)
        x, y = line[first + _LINE_STEPS // 2]
        points = line[first : first + _LINE_STEPS + 1]
        parts.append(
            TrailPart(
                points=" ".join(f"{a:.1f},{b:.1f}" for a, b in points),
                quadrant=str(AffectPoint(_share(x), 1 - _share(y)).quadrant),
                width=round(0.8 + 1.4 * newness, 2),
                opacity=round(0.3 + 0.6 * newness, 2),
            )
        )
    return parts


def _share(hundredths: float) -> float:
    return min(1.0, max(0.0, hundredths / 100))


def _trail_arrows(line: Sequence[tuple[float, float]]) -> list[TrailArrow]:
    """Return arrows at shares of the line's length, none near another, none on a short line."""
    steps = [math.dist(a, b) for a, b in pairwise(line)]
    whole, gone, waiting = sum(steps), 0.0, list(_ARROWS)
    arrows: list[TrailArrow] = []
    for (ax, ay), (bx, by), step in zip(line[:-1], line[1:], steps, strict=True):
        gone += step
        if whole < _ARROWS_APART or not waiting or gone < waiting[0] * whole:
            continue
        waiting.pop(0)
        if all(math.dist((bx, by), (one.x, one.y)) >= _ARROWS_APART for one in arrows):
            angle = math.degrees(math.atan2(by - ay, bx - ax))
            arrows.append(TrailArrow(round(bx, 1), round(by, 1), round(angle)))
    return arrows


def hour_bars(hours: Sequence[dict[str, int]]) -> list[HourBar]:
    """Return a column for each hour; the highest fills the chart."""
    highest = max((sum(of_hour.values()) for of_hour in hours), default=0) or 1
    bars = []
    for hour, of_hour in enumerate(hours):
        y, parts = float(_HOURS_HEIGHT), []
        for quadrant in map(str, QUADRANTS):
            height = _HOURS_HEIGHT * of_hour.get(quadrant, 0) / highest
            if height:
                y -= height
                parts.append((quadrant, round(y, 2), round(height, 2)))
        most = max(of_hour, key=of_hour.__getitem__) if of_hour else ""
        bars.append(HourBar(hour, sum(of_hour.values()), most, parts))
    return bars


def hour_scale(bars: Sequence[HourBar]) -> list[tuple[float, int]]:
    """Return lines across the columns: at most four round counts, each with its y."""
    highest = max((bar.count for bar in bars), default=0)
    if not highest:
        return []
    steps = (figure * 10**power for power in itertools.count() for figure in (1, 2, 5))
    step = next(step for step in steps if highest // step <= _MOST_LINES)
    return [
        (round(_HOURS_HEIGHT * (1 - count / highest), 1), count)
        for count in range(step, highest + 1, step)
    ]


def mood_words(valence: float, arousal: float) -> str:
    """Return the mood of a mean place: "calm", or "mixed, rather calm" near the middle."""
    name = quadrant_name(AffectPoint(valence, arousal).quadrant)
    is_near = math.hypot(valence - 0.5, arousal - 0.5) < 0.08
    return gettext("mixed, rather %(mood)s") % {"mood": name} if is_near else name


def year_in_words(history: MoodHistory) -> str:
    """Return how much was heard, and how many days had which mood, in a sentence."""
    days = Counter(span.quadrant for span in history.days)
    if not days:
        return ""
    count = len(history.days)
    on_days = npgettext("you heard songs on", "%(count)s day", "%(count)s days", count)
    values = {
        "songs": songs_counted(history.count),
        "days": on_days % {"count": grouped(count)},
        "moods": listed(
            [
                f"{grouped(number)}\N{NO-BREAK SPACE}{quadrant_name(name)}"
                for name, number in days.most_common()
            ]
        ),
    }
    if len(days) > 1:
        return gettext("You heard %(songs)s on %(days)s: %(moods)s.") % values
    values["moods"] = quadrant_name(next(iter(days)))
    if count > 1:
        return gettext("You heard %(songs)s on %(days)s, all of them %(moods)s.") % values
    return gettext("You heard %(songs)s on %(days)s. The mood was %(moods)s.") % values


def busiest_hours(bars: Sequence[HourBar]) -> str:
    """Return when most was heard and what then, in a sentence; empty if nothing was."""
    sentences = (
        gettext("You listen most at night: %(share)s of the songs."),
        gettext("You listen most in the morning: %(share)s of the songs."),
        gettext("You listen most in the afternoon: %(share)s of the songs."),
        gettext("You listen most in the evening: %(share)s of the songs."),
    )
    counts = [sum(bar.count for bar in bars[first : first + 6]) for first in range(0, 24, 6)]
    total = sum(counts)
    if not total:
        return ""
    most = max(counts)
    return sentences[counts.index(most)] % {"share": percent(most / total)}
