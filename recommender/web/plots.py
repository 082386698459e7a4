"""Drawings for paper, as SVG in millimetres: the map of the library, and the mood of songs.

They have light colours and no script. The browser makes a PNG of 300 dpi of the same drawing.
"""

from __future__ import annotations

import math
from collections import Counter
from html import escape
from typing import TYPE_CHECKING, Final

import numpy as np
from django.utils.formats import number_format
from django.utils.translation import gettext

from mer.affect import QUADRANTS, AffectPoint
from recommender.exports.format import plain_text
from recommender.media.drawn import place_colour
from recommender.terms import percent
from recommender.web.presentation import (
    emotions_shown,
    grouped,
    quadrant_name,
    songs_counted,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from catalog.models import SongEmotion
    from recommender.web.charts import PlanePlace

MOST_DOTS: Final = 5_000
"""Of more songs, squares show how many lie there, so that the file stays small."""
_WIDTH, _HEIGHT = 180, 152
_LEFT, _TOP, _SIDE = 18, 20, 118
_BESIDE: Final = _LEFT + _SIDE + 7
_CELLS: Final = 50
_FAINTEST: Final = 0.12
_MOST_TITLE: Final = 70
_COLOURS: Final = {
    quadrant: place_colour(AffectPoint(0.5 + 0.4 * right, 0.5 + 0.4 * up))
    for quadrant, right, up in (("Q1", 1, 1), ("Q2", -1, 1), ("Q3", -1, -1), ("Q4", 1, -1))
}


def map_plot(places: NDArray[np.floating], total: int) -> str:
    """Return the map of a library of `total` songs; `places` is (songs, 2) valence and arousal.

    They are fewer if the map has an even choice of the songs, which the drawing says.
    """
    by_quadrant = _by_quadrant(places)
    words = songs_counted(total)
    if len(places) < total:
        words = gettext("%(shown)s of %(total)s songs, evenly chosen") % {
            "shown": grouped(len(places)),
            "total": grouped(total),
        }
    drawn = _dots(by_quadrant) if len(places) <= MOST_DOTS else _density(places)
    counts = {quadrant: len(those) for quadrant, those in by_quadrant.items()}
    return _drawing(gettext("The map of the music"), words, drawn, _legend(counts))


def song_plot(*, title: str, artist: str, emotion: SongEmotion, place: PlanePlace) -> str:
    """Return the mood of one song: its place with its limits of error, and its emotions."""
    colour = _COLOURS[place.quadrant]
    shapes = []
    if place.box:
        x, y, width, height = (_SIDE * side / 100 for side in place.box)
        shapes.append(
            f'<rect x="{_LEFT + x:.2f}" y="{_TOP + y:.2f}" width="{width:.2f}" '
            f'height="{height:.2f}" rx="1.5" fill="{colour}" fill-opacity=".25"/>'
        )
    shapes += [
        f'<ellipse cx="{_LEFT + _SIDE * place.x / 100:.2f}" '
        f'cy="{_TOP + _SIDE * place.y / 100:.2f}" rx="{_SIDE * rx / 100:.2f}" '
        f'ry="{_SIDE * ry / 100:.2f}" fill="{colour}" fill-opacity=".2"/>'
        for rx, ry in place.ellipses
    ]
    shapes.append(_circle(emotion.valence, emotion.arousal, 1.8, colour))
    clipped = f'<g clip-path="url(#plane)">{"".join(shapes)}</g>'
    return _drawing(title, artist, clipped, _bars(emotion))


def list_plot(*, title: str, places: Sequence[AffectPoint | None]) -> str:
    """Return the way of a list over the map, in its order; songs without a place are left out."""
    shown = [(number, place) for number, place in enumerate(places, 1) if place]
    counts = Counter(str(place.quadrant) for _, place in shown)
    points = " ".join("{:.2f},{:.2f}".format(*_at(p.valence, p.arousal)) for _, p in shown)
    way = f'<polyline points="{points}" fill="none" stroke="#999" stroke-width=".3"/>'
    dots = "".join(_numbered(number, place) for number, place in shown)
    return _drawing(title, songs_counted(len(places)), way + dots, _legend(counts))


def _drawing(title: str, words: str, inside: str, beside: str) -> str:
    shown = _shortened(title)
    x, y, end = _LEFT, _TOP, _TOP + _SIDE
    middle = _SIDE / 2
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}mm" height="{_HEIGHT}mm" '
        f'viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" font-size="3.4" fill="#222">'
        f"<title>{_escaped(title)}</title>"
        f'<clipPath id="plane"><rect x="{x}" y="{y}" width="{_SIDE}" height="{_SIDE}"/></clipPath>'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>'
        f'<text x="{x}" y="9" font-size="5" font-weight="bold">{_escaped(shown)}</text>'
        f'<text x="{x}" y="15" fill="#555">{_escaped(_shortened(words))}</text>'
        f'<path d="M{x + middle} {y}v{_SIDE}M{x} {y + middle}h{_SIDE}" stroke="#bbb" '
        f'stroke-width=".25"/>{inside}'
        f'<rect x="{x}" y="{y}" width="{_SIDE}" height="{_SIDE}" fill="none" stroke="#444" '
        f'stroke-width=".35"/>{_ticks()}'
        f'<text x="{x + middle}" y="{end + 10}" text-anchor="middle">'
        f"{_escaped(gettext('Unpleasant to pleasant'))}</text>"
        f'<text transform="translate({x - 9} {y + middle}) rotate(-90)" text-anchor="middle">'
        f"{_escaped(gettext('Quiet to lively'))}</text>{beside}</svg>"
    )


def _ticks() -> str:
    end = _TOP + _SIDE
    texts = []
    for share, decimals in ((0.0, 0), (0.5, 1), (1.0, 0)):
        word = number_format(share, decimals)
        along, up = _LEFT + _SIDE * share, end - _SIDE * share
        texts.append(
            f'<path d="M{along} {end}v1.2M{_LEFT} {up}h-1.2" stroke="#444" stroke-width=".35"/>'
            f'<text x="{along}" y="{end + 4.8}" text-anchor="middle" font-size="2.8">{word}</text>'
            f'<text x="{_LEFT - 2}" y="{up + 1}" text-anchor="end" font-size="2.8">{word}</text>'
        )
    return "".join(texts)


def _legend(counts: Mapping[str, int]) -> str:
    """Return the name and the colour of each quadrant, with its number of songs."""
    return "".join(
        f'<circle cx="{_BESIDE}" cy="{_TOP + 3 + 7 * line}" r="1.6" fill="{_COLOURS[quadrant]}"/>'
        f'<text x="{_BESIDE + 3.5}" y="{_TOP + 4.2 + 7 * line}">'
        f"{_escaped(f'{quadrant_name(quadrant)} ({grouped(counts.get(quadrant, 0))})')}</text>"
        for line, quadrant in enumerate(map(str, QUADRANTS))
    )


def _bars(emotion: SongEmotion) -> str:
    width = _WIDTH - _BESIDE - 4
    colour = _COLOURS[AffectPoint(emotion.valence, emotion.arousal).quadrant]
    rows = []
    for line, (name, share) in enumerate(emotions_shown(emotion.emotions)):
        y = _TOP + 3 + 12 * line
        rows.append(
            f'<text x="{_BESIDE}" y="{y}">{_escaped(name)}</text>'
            f'<text x="{_BESIDE + width}" y="{y}" text-anchor="end" fill="#555">'
            f"{_escaped(percent(share))}</text>"
            f'<rect x="{_BESIDE}" y="{y + 1.6}" width="{width}" height="2.4" fill="#eee"/>'
            f'<rect x="{_BESIDE}" y="{y + 1.6}" width="{width * share:.2f}" height="2.4" '
            f'fill="{colour}"/>'
        )
    return "".join(rows)


def _by_quadrant(places: NDArray[np.floating]) -> dict[str, NDArray[np.floating]]:
    """Return the places in each quadrant, split as `AffectPoint.quadrant` does."""
    right, up = places[:, 0] >= 0.5, places[:, 1] >= 0.5
    masks = {"Q1": right & up, "Q2": ~right & up, "Q3": ~right & ~up, "Q4": right & ~up}
    return {quadrant: places[mask] for quadrant, mask in masks.items()}


def _dots(by_quadrant: Mapping[str, NDArray[np.floating]]) -> str:
    """Return a path of a dot for each song, by quadrant."""
    paths = {
        quadrant: "".join("M{:.2f} {:.2f}h0".format(*_at(*place)) for place in places.tolist())
        for quadrant, places in by_quadrant.items()
    }
    return "".join(
        f'<path d="{path}" stroke="{_COLOURS[quadrant]}" stroke-width="1.3" '
        f'stroke-linecap="round" stroke-opacity=".75"/>'
        for quadrant, path in paths.items()
        if path
    )


def _density(places: NDArray[np.floating]) -> str:
    """Return squares, darker where more songs lie; each says how many, as its title."""
    cells = np.clip((places * _CELLS).astype(int), 0, _CELLS - 1)
    counts = np.bincount(cells @ (_CELLS, 1), minlength=_CELLS**2).tolist()
    most = math.log1p(max(counts))
    side = _SIDE / _CELLS
    squares = []
    for cell, count in enumerate(counts):
        if not count:
            continue
        column, row = divmod(cell, _CELLS)
        x, y = _LEFT + column * side, _TOP + _SIDE - (row + 1) * side
        middle = AffectPoint((column + 0.5) / _CELLS, (row + 0.5) / _CELLS)
        opacity = _FAINTEST + (1 - _FAINTEST) * math.log1p(count) / most
        squares.append(
            f'<rect x="{x:.2f}" y="{y:.2f}" width="{side:.2f}" height="{side:.2f}" '
            f'fill="{_COLOURS[middle.quadrant]}" fill-opacity="{opacity:.2f}">'
            f"<title>{grouped(count)}</title></rect>"
        )
    return "".join(squares)


def _numbered(number: int, place: AffectPoint) -> str:
    x, y = _at(place.valence, place.arousal)
    return (
        _circle(place.valence, place.arousal, 1.5, _COLOURS[place.quadrant])
        + f'<text x="{x + 1.9:.2f}" y="{y - 0.8:.2f}" font-size="2.4">{number}</text>'
    )


def _circle(valence: float, arousal: float, radius: float, colour: str) -> str:
    x, y = _at(valence, arousal)
    return (
        f'<circle cx="{x:.2f}" cy="{y:.2f}" r="{radius}" fill="{colour}" stroke="#fff" '
        f'stroke-width=".3"/>'
    )


def _at(valence: float, arousal: float) -> tuple[float, float]:
    return _LEFT + _SIDE * valence, _TOP + _SIDE * (1 - arousal)


def _shortened(text: str) -> str:
    return text if len(text) <= _MOST_TITLE else f"{text[: _MOST_TITLE - 1]}…"


def _escaped(text: str) -> str:
    return escape(plain_text(text))
