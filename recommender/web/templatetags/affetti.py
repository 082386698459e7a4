"""How values are written in templates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django import template
from django.conf import settings
from django.utils.html import format_html
from django.utils.translation import get_language

from mer.affect import AffectPoint
from recommender.media import answers as media
from recommender.moods import as_said
from recommender.terms import minutes_words, notes_told, percent, shown, told
from recommender.web import presentation, script_texts
from recommender.web.mood_charts import mood_words
from recommender.web.navigation import section_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.template import Context
    from django.utils.safestring import SafeString

    from recommender.mood_history import Span
    from recommender.web.presentation import Entry

register = template.Library()
register.filter("media_type", media.media_type)
register.filter("transcoded_url", media.transcoded_url)
register.filter("shown", shown)
register.filter("told", told)
register.filter("notes_told", notes_told)
register.filter("mood_name", presentation.mood_name)
register.filter("as_said", as_said)
register.filter("quadrant_name", presentation.quadrant_name)
register.filter("songs", presentation.songs_counted)
register.filter("grouped", presentation.grouped)
register.filter("file_size", presentation.file_size)
register.filter("two_places", presentation.two_places)
register.filter("signed", presentation.signed)
register.filter("percent", percent)
register.filter("scope_words", presentation.scope_words)


@register.filter
def playable(entries: Iterable[Entry]) -> bool:
    """Tell if a song of some rows has audio here."""
    return any(entry.is_playable for entry in entries)


@register.filter
def mood(place: Span) -> str:
    """Name the mood of a mean place."""
    return mood_words(place.valence, place.arousal)


@register.filter
def duration(seconds: float) -> str:
    """3725 → 1:02:05, 65.9 → 1:05: whole seconds that have passed, as the player shows them."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


@register.filter
def in_minutes(seconds: float) -> str:
    """4325 → 1 h 12 min, 65 → 1 min."""
    return minutes_words(seconds)


@register.simple_tag
def bar(value: float) -> SafeString:
    """Draw a number from 0 to 1; the page also shows the number as text."""
    return format_html(
        '<svg class="bar" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">'
        '<rect width="{}" height="1"/></svg>',
        f"{value * 100:.1f}",
    )


@register.simple_tag
def across(valence: float) -> str:
    """Return where a valence lies on a plane of side 100."""
    return f"{100 * valence:.1f}"


@register.simple_tag
def down(arousal: float) -> str:
    """Return where an arousal lies on a plane of side 100, y downwards."""
    return f"{100 * (1 - arousal):.1f}"


@register.simple_tag
def quadrant_at(valence: float, arousal: float) -> str:
    """Return the class of a place: q1 to q4."""
    return str(AffectPoint(valence, arousal).quadrant).lower()


@register.simple_tag
def mood_at(valence: float, arousal: float) -> str:
    """Name the mood of a place."""
    return mood_words(valence, arousal)


register.simple_tag(script_texts.address, name="script_texts")


@register.simple_tag
def other_languages() -> list[tuple[str, str]]:
    """Return the languages that the page is not in: code and name, each in that language."""
    return [(code, name) for code, name in settings.LANGUAGES if code != get_language()]


@register.simple_tag(takes_context=True)
def current_section(context: Context) -> str:
    """Name the section of the site that the page belongs to."""
    return section_of(context.get("request"))
