"""Coordinates of the page "Your moods": calendar, trails on the plane, hours of the day."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext, ngettext, npgettext

from mer.affect import QUADRANTS, AffectPoint
from recommender.mood_history import WEEKS
from recommender.terms import listed, percent
from recommender.web.presentation import grouped, quadrant_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from recommender.mood_history import MoodHistory, Span

_STEP: Final = 14
"""From one cell of the calendar to the next, in the units of the chart."""
_SIDES: Final = (7.0, 9.5, 12.0)
"""The side of a cell: a day with few songs, with some, with many."""
_TOP: Final = 18
_PARTS: Final = 3
_FAINTEST: Final = 0.4
_LEAST_REACH: Final = 0.12
"""A trail is not magnified further, so that small changes stay small."""
_BEND: Final = 0.3
"""How round the line of a trail is at its dots: 0 is straight, 0.5 a Catmull-Rom spline."""
_LINE_STEPS: Final = 8
"""Points of the line from one span to the next."""
_ARROWS: Final = 2
"""The most arrows that show the direction of a trail."""
_ARROW_FREE: Final = 5.0
"""So far from every dot an arrow lies."""
_ARROWS_APART: Final = 15
_LABEL: Final = (23.0, 6.0)
"""Width and height of the name of a dot, at the size that it has on a phone."""
_LABEL_REACHES: Final = (1.5, 3.0, 6.0, 11.0, 16.0, 22.0)
"""How far from its dot a name is tried."""
_LABEL_LED: Final = 4.0
"""From so far on, a line leads from a dot to its name."""
_LABEL_TURNS: Final = ((1, 0), (-1, 0), (1, -1), (-1, -1), (1, 1), (-1, 1), (0, -1), (0, 1))
"""On which sides of its dot a name is tried."""
_LABEL_FREE: Final = 1.2
"""So far from every dot a name stands."""
_ANCHORS: Final = {1: "start", -1: "end", 0: "middle"}
"""Where a name begins that stands right of its dot, left of it, or in its column."""
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
    left: int = 0
    width: int = WEEKS * _STEP
    height: int = _TOP + 7 * _STEP

    @property
    def parts(self) -> list[Calendar]:
        """The calendar in parts of whole weeks, which stand below each other on a phone."""
        wide = math.ceil(WEEKS / _PARTS) * _STEP
        lefts = range(0, self.width, wide)
        return [
            Calendar(
                [cell for cell in self.cells if left <= cell.x < left + wide],
                [month for month in self.months if left <= month[0] < left + wide],
                left,
                min(wide, self.width - left),
            )
            for left in lefts
        ]


@dataclass(frozen=True, slots=True)
class TrailLabel:
    """The name of a dot: the middle of its room, where its text is anchored in it, and the path of
    the line that leads to it from its dot; empty if it stands beside it."""

    x: float
    y: float
    anchor: str
    leader: str = ""

    @property
    def text_x(self) -> float:
        """Where the text begins, has its middle, or ends, as `anchor` says."""
        halves = {"start": -0.5, "middle": 0.0, "end": 0.5}
        return round(self.x + _LABEL[0] * halves[self.anchor], 1)


@dataclass(frozen=True, slots=True)
class TrailDot:
    """A week or month on a square plane of side 100, y downwards; the first and last have names."""

    x: float
    y: float
    radius: float
    span: Span
    label: TrailLabel | None = None


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

    The line goes through every dot.
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
    line = _line_through(places)
    return Trail(
        _trail_dots(spans, places, line),
        _trail_parts(line),
        _trail_arrows(line, places),
        round(0.5 / reach, 1),
    )


def _line_through(places: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return a cardinal spline through places, `_LINE_STEPS` points from one to the next."""
    line = [places[0]]
    held = [places[0], *places, places[-1]]
    for before, start, end, after in zip(held, held[1:], held[2:], held[3:], strict=False):
        for step in range(1, _LINE_STEPS + 1):
            t = step / _LINE_STEPS
            x, y = (
                _hermite(
                    t, start[axis], end[axis], end[axis] - before[axis], after[axis] - start[axis]
                )
                for axis in (0, 1)
            )
            line.append((x, y))
    return line


def _hermite(t: float, start: float, end: float, way_at_start: float, way_at_end: float) -> float:
    return (
        (2 * t**3 - 3 * t**2 + 1) * start
        + (t**3 - 2 * t**2 + t) * _BEND * way_at_start
        + (3 * t**2 - 2 * t**3) * end
        + (t**3 - t**2) * _BEND * way_at_end
    )


def _trail_dots(
    spans: Sequence[Span],
    places: Sequence[tuple[float, float]],
    line: Sequence[tuple[float, float]],
) -> list[TrailDot]:
    """Return a dot a span; the first and the last, which are named, are larger."""
    last = len(spans) - 1
    dots = [
        TrailDot(
            x=round(x, 1),
            y=round(y, 1),
            radius=2.8 if number == last else 2.0 if number == 0 else 1.4,
            span=span,
        )
        for number, (span, (x, y)) in enumerate(zip(spans, places, strict=True))
    ]
    newest = _label(dots[-1], dots, line, [])
    oldest = _label(dots[0], dots, line, [newest])
    return [replace(dots[0], label=oldest), *dots[1:-1], replace(dots[-1], label=newest)]


def _label(
    of: TrailDot,
    dots: Sequence[TrailDot],
    line: Sequence[tuple[float, float]],
    labels: Sequence[TrailLabel],
) -> TrailLabel:
    """Return where the name of a dot hides the fewest labels, dots and points of the line."""
    width, height = _LABEL
    middles = (((a + c) / 2, (b + d) / 2) for (a, b), (c, d) in itertools.pairwise(line))
    drawn = [*line, *middles]
    tried = [
        TrailLabel(
            round(min(99 - width / 2, max(1 + width / 2, of.x + across * (width / 2 + away))), 1),
            round(min(99 - height / 2, max(1 + height / 2, of.y + down * (height / 2 + away))), 1),
            _ANCHORS[across],
        )
        for away in (of.radius + reach for reach in _LABEL_REACHES)
        for across, down in _LABEL_TURNS
    ]

    def cost(label: TrailLabel) -> float:
        def holds(x: float, y: float, margin: float) -> bool:
            near_x, near_y = width / 2 + margin, height / 2 + margin
            return abs(x - label.x) < near_x and abs(y - label.y) < near_y

        on_labels = sum(
            abs(one.x - label.x) < width and abs(one.y - label.y) < height for one in labels
        )
        on_dots = sum(
            holds(dot.x, dot.y, dot.radius + _LABEL_FREE * (dot is not of)) for dot in dots
        )
        on_line = sum(holds(x, y, _LABEL_FREE) for x, y in drawn)
        return 1000 * on_labels + 100 * on_dots + 10 * on_line + 2 * _gap(of, label)

    return _led(of, min(tried, key=cost))


def _gap(of: TrailDot, label: TrailLabel) -> float:
    """Return how far the middle of a dot is from the room of a name."""
    x, y = _nearest_in(label, of)
    return math.hypot(of.x - x, of.y - y)


def _nearest_in(label: TrailLabel, of: TrailDot) -> tuple[float, float]:
    half_width, half_height = _LABEL[0] / 2, _LABEL[1] / 2
    return (
        min(label.x + half_width, max(label.x - half_width, of.x)),
        min(label.y + half_height, max(label.y - half_height, of.y)),
    )


def _led(of: TrailDot, label: TrailLabel) -> TrailLabel:
    if _gap(of, label) < of.radius + _LABEL_LED:
        return label
    x, y = _nearest_in(label, of)
    return replace(label, leader=f"M{of.x} {of.y}L{x:.1f} {y:.1f}")


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
                width=round(0.6 + 0.9 * newness, 2),
                opacity=round(0.3 + 0.6 * newness, 2),
            )
        )
    return parts


def _share(hundredths: float) -> float:
    return min(1.0, max(0.0, hundredths / 100))


def _trail_arrows(
    line: Sequence[tuple[float, float]], places: Sequence[tuple[float, float]]
) -> list[TrailArrow]:
    """Return arrows in the middle of the longest parts of a line, away from dots and each other."""
    half = _LINE_STEPS // 2
    middles = sorted(
        range(half, len(line), _LINE_STEPS),
        key=lambda middle: -math.dist(line[middle - half], line[middle + half]),
    )
    arrows: list[TrailArrow] = []
    for middle in middles:
        x, y = line[middle]
        is_free = all(math.dist((x, y), place) >= _ARROW_FREE for place in places)
        is_apart = all(math.dist((x, y), (one.x, one.y)) >= _ARROWS_APART for one in arrows)
        if len(arrows) < _ARROWS and is_free and is_apart:
            (ax, ay), (bx, by) = line[middle - 1], line[middle + 1]
            angle = math.degrees(math.atan2(by - ay, bx - ax))
            arrows.append(TrailArrow(round(x, 1), round(y, 1), round(angle)))
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
    plays = ngettext("%(count)s play", "%(count)s plays", history.count)
    count = len(history.days)
    on_days = npgettext("you heard songs on", "%(count)s day", "%(count)s days", count)
    heard = gettext("%(plays)s on %(days)s.") % {
        "plays": plays % {"count": grouped(history.count)},
        "days": on_days % {"count": grouped(count)},
    }
    return f"{heard} {_moods_of_days(days)}"


def _moods_of_days(days: Counter[str]) -> str:
    """Return how many days had which mood as a whole, the most frequent first, in a sentence."""
    (most, number), *others = days.most_common()
    if others:
        rest = [
            gettext("%(mood)s on %(count)s")
            % {"mood": quadrant_name(name), "count": grouped(count)}
            for name, count in others
        ]
        first = gettext("%(mood)s on %(count)s of those days") % {
            "mood": quadrant_name(most),
            "count": grouped(number),
        }
        moods = listed([first, *rest])
    elif number > 1:
        moods = gettext("%(mood)s on each of those days") % {"mood": quadrant_name(most)}
    else:
        moods = quadrant_name(most)
    return gettext("On the whole, the music was %(moods)s.") % {"moods": moods}


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
