"""Draws the cover of a song that has no picture: shapes in the colours of its mood, as SVG.

The same song always has the same drawing. It shows no text.
"""

from __future__ import annotations

import io
import math
import random
from typing import TYPE_CHECKING, Final

import PIL.Image
import PIL.ImageDraw
import PIL.ImageFilter
import PIL.ImageOps

if TYPE_CHECKING:
    from collections.abc import Callable

    from mer.affect import AffectPoint

_SIDE: Final = 100
_UNKNOWN: Final = ((0.62, 0.02, 270.0), (0.42, 0.03, 285.0), (0.78, 0.02, 250.0))
"""Greys, for a song whose mood is not known."""

# Lightness, chroma and hue of the four corners of the plane: angry, happy, sad, calm. The hues are
# those of the moods on every page.
_CORNERS: Final = {
    (0, 1): (0.56, 0.19, 25.0),
    (1, 1): (0.76, 0.16, 78.0),
    (0, 0): (0.52, 0.15, 262.0),
    (1, 0): (0.62, 0.13, 162.0),
}


def drawn_cover(*, seed: str, place: AffectPoint | None) -> str:
    """Return the drawing of a song as SVG; `seed` is what tells it from other songs."""
    # Not for secrets: it only spreads the shapes.
    numbers = random.Random(seed)  # noqa: S311
    dark, middle, light = _colours(place, numbers)
    liveliness = 0.4 if place is None else place.arousal
    motif = numbers.choice(_MOTIFS)
    angle = numbers.uniform(0, 360)
    blobs = "".join(_blob(numbers, colour) for colour in (light, middle, light))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_SIDE} {_SIDE}">'
        f'<defs><linearGradient id="g" gradientTransform="rotate({angle:.0f} .5 .5)">'
        f'<stop stop-color="{middle}"/><stop offset="1" stop-color="{dark}"/></linearGradient>'
        '<filter id="b" x="-50%" y="-50%" width="200%" height="200%">'
        '<feGaussianBlur stdDeviation="9"/></filter></defs>'
        f'<rect width="{_SIDE}" height="{_SIDE}" fill="url(#g)"/>'
        f'<g filter="url(#b)">{blobs}</g>'
        f'<g fill="none" stroke="#fff" stroke-linecap="round">{motif(numbers, liveliness)}</g>'
        "</svg>"
    )


def painted_cover(*, seed: str, place: AffectPoint | None, side: int) -> bytes:
    """Return a picture in the colours of `drawn_cover` as JPEG, for players that know no SVG.

    It has the gradient and the soft spots, and no lines.
    """
    numbers = random.Random(seed)  # noqa: S311
    dark, middle, light = _colours(place, numbers)
    numbers.choice(_MOTIFS)
    angle = numbers.uniform(0, 360)
    ground = PIL.Image.linear_gradient("L").rotate(90 - angle, PIL.Image.Resampling.BILINEAR)
    # The turned square has empty corners; its middle has none.
    ground = ground.crop((64, 64, 192, 192)).resize((_SIDE, _SIDE))
    picture = PIL.ImageOps.colorize(ground, middle, dark)
    spots = picture.copy()
    pen = PIL.ImageDraw.Draw(spots)
    for colour in (light, middle, light):
        x, y, radius = numbers.uniform(5, 95), numbers.uniform(5, 95), numbers.uniform(14, 34)
        numbers.uniform(0.45, 0.85)
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    soft = spots.filter(PIL.ImageFilter.GaussianBlur(9))
    whole = PIL.Image.blend(picture, soft, 0.65).resize((side, side))
    written = io.BytesIO()
    whole.save(written, "JPEG", quality=85)
    return written.getvalue()


def place_colour(place: AffectPoint) -> str:
    """Return the colour of a place on the plane as ``#rrggbb``, as covers have it."""
    return _rgb(*_blended(place))


def _colours(place: AffectPoint | None, numbers: random.Random) -> list[str]:
    """Return a dark, a middle and a light colour of a place on the plane."""
    if place is None:
        middle, dark, light = _UNKNOWN
        return [_rgb(*colour) for colour in (dark, middle, light)]
    lightness, chroma, hue = _blended(place)
    hue += numbers.uniform(-12, 12)
    turn = numbers.choice((-1, 1)) * numbers.uniform(25, 60)
    return [
        _rgb(lightness - 0.26, chroma * 0.85, hue + turn),
        _rgb(lightness, chroma, hue),
        _rgb(min(0.9, lightness + 0.16), chroma * 0.8, hue - turn / 2),
    ]


def _blended(place: AffectPoint) -> tuple[float, float, float]:
    """Return the lightness, chroma and hue of a place on the plane."""
    lightness = chroma = x = y = total = 0.0
    for (valence, arousal), (corner_lightness, corner_chroma, hue) in _CORNERS.items():
        nearness = abs(1 - valence - place.valence) * abs(1 - arousal - place.arousal)
        share = nearness**2  # the nearest corner counts most, so that colours stay clear
        total += share
        lightness += share * corner_lightness
        chroma += share * corner_chroma
        x += share * math.cos(math.radians(hue))
        y += share * math.sin(math.radians(hue))
    return lightness / total, chroma / total, math.degrees(math.atan2(y, x))


def _rgb(lightness: float, chroma: float, hue: float) -> str:
    """Return a colour of OKLCH as ``#rrggbb`` (Ottosson 2020); what sRGB lacks is clipped."""
    a, b = chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    linear = (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )
    return "#" + "".join(f"{round(255 * _gamma(min(1.0, max(0.0, one)))):02x}" for one in linear)


def _gamma(linear: float) -> float:
    return 12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055


def _blob(numbers: random.Random, colour: str) -> str:
    x, y, radius = numbers.uniform(5, 95), numbers.uniform(5, 95), numbers.uniform(14, 34)
    opacity = numbers.uniform(0.45, 0.85)
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{colour}" '
        f'opacity="{opacity:.2f}"/>'
    )


def _waves(numbers: random.Random, liveliness: float) -> str:
    """Lines one above the other; livelier songs have higher and shorter waves."""
    height, length = 2 + 9 * liveliness, 1 + 3 * liveliness
    phases = [numbers.uniform(0, math.tau) for _ in range(3)]
    count = numbers.randint(7, 12)
    lines = []
    for line in range(count):
        base = _SIDE * (line + 0.5) / count
        swell = math.sin(math.pi * (line + 0.5) / count)
        points = [
            base
            + swell * height * math.sin(phases[0] + length * math.tau * x / _SIDE + line * 0.45)
            + swell * height * 0.5 * math.sin(phases[1] + 2 * length * math.tau * x / _SIDE)
            for x in range(0, _SIDE + 1, 2)
        ]
        path = "L".join(f"{2 * step} {y:.1f}" for step, y in enumerate(points))
        lines.append(_stroke(f"M{path}", 0.9, 0.25 + 0.4 * swell))
    return "".join(lines)


def _rings(numbers: random.Random, liveliness: float) -> str:
    """Rings around a point; livelier songs have rings that are less round."""
    x, y = numbers.uniform(20, 80), numbers.uniform(20, 80)
    lobes, depth = numbers.randint(3, 8), 0.02 + 0.14 * liveliness
    turn = numbers.uniform(0, math.tau)
    rings = []
    for ring in range(1, 11):
        radius = 7.5 * ring
        corners = []
        for step in range(60):
            angle = math.tau * step / 60
            far = radius * (1 + depth * math.sin(lobes * angle + turn + ring * 0.35))
            corners.append(f"{x + far * math.cos(angle):.1f} {y + far * math.sin(angle):.1f}")
        rings.append(_stroke(f"M{'L'.join(corners)}Z", 0.9, 0.62 - 0.045 * ring))
    return "".join(rings)


def _petals(numbers: random.Random, liveliness: float) -> str:
    """Arcs around the middle, as a flower; livelier songs have more of them."""
    count = 8 + round(14 * liveliness)
    turn, inner, outer = numbers.uniform(0, 360), numbers.uniform(4, 12), numbers.uniform(34, 46)
    width = numbers.uniform(6, 14)
    petal = f"M50 {50 - inner:.1f}C{50 - width:.1f} {50 - outer * 0.6:.1f} {50 - width / 2:.1f} "
    petal += f"{50 - outer:.1f} 50 {50 - outer:.1f}C{50 + width / 2:.1f} {50 - outer:.1f} "
    petal += f"{50 + width:.1f} {50 - outer * 0.6:.1f} 50 {50 - inner:.1f}"
    return "".join(
        f'<path d="{petal}" stroke-width=".9" opacity=".5" '
        f'transform="rotate({turn + 360 * step / count:.1f} 50 50)"/>'
        for step in range(count)
    )


def _bars(numbers: random.Random, liveliness: float) -> str:
    """Upright bars, as of a level meter; livelier songs have longer ones."""
    count = numbers.randint(9, 17)
    step = _SIDE / (count + 1)
    bars = []
    for bar in range(1, count + 1):
        swell = 0.35 + 0.65 * math.sin(math.pi * bar / (count + 1))
        half = swell * (5 + 38 * liveliness) * numbers.uniform(0.35, 1.0)
        bars.append(
            _stroke(f"M{bar * step:.1f} {50 - half:.1f}V{50 + half:.1f}", step * 0.42, 0.55)
        )
    return "".join(bars)


def _stroke(path: str, width: float, opacity: float) -> str:
    return f'<path d="{path}" stroke-width="{width:.2f}" opacity="{opacity:.2f}"/>'


_MOTIFS: Final[tuple[Callable[[random.Random, float], str], ...]] = (_waves, _rings, _petals, _bars)
