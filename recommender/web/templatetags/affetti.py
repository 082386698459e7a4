"""How values are written in templates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django import template
from django.utils.html import format_html

from recommender.web import media
from recommender.web.presentation import QUADRANT_NAMES

if TYPE_CHECKING:
    from django.utils.safestring import SafeString

register = template.Library()
register.filter("media_type", media.media_type)


@register.filter
def quadrant_name(quadrant: str) -> str:
    """Q1 → happy."""
    return QUADRANT_NAMES[quadrant]


@register.filter
def percent(value: float) -> str:
    """0.724 → 72 %."""
    return f"{value:.0%}".replace("%", "\N{NO-BREAK SPACE}%")


@register.filter
def two_places(value: float) -> str:
    """0.7241 → 0.72."""
    return f"{value:.2f}"


@register.filter
def signed(value: float) -> str:
    """0.0741 → +0.07; below 0 with a proper minus sign."""
    return f"{value:+.2f}".replace("-", "\N{MINUS SIGN}")


@register.filter
def duration(seconds: float) -> str:
    """3725 → 1:02:05, 65 → 1:05."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


@register.simple_tag
def bar(value: float) -> SafeString:
    """Draw a number from 0 to 1; the page also shows the number as text."""
    return format_html(
        '<svg class="bar" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">'
        '<rect width="{}" height="1"/></svg>',
        f"{value * 100:.1f}",
    )
