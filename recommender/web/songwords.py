"""What the page of a song says of its mood, in plain words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from mer.affect import GEMS_WORDS, AffectPoint
from recommender.terms import listed, listed_or, shown
from recommender.web.presentation import mood_name, quadrant_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from catalog.models import SongEmotion

_SURE_FROM: Final = 0.8
_FAIRLY_SURE_FROM: Final = 0.65
_ALSO_FROM: Final = 0.2
"""Another mood is named as possible from this probability on."""
_CLEAR_FROM: Final = 0.5
_MOSTLY_FROM: Final = 0.3
_NAMED_FROM: Final = 0.12
_LEAST_SECTION: Final = 0.06
"""A mood that holds for a shorter share of the song is no section of its own."""
_WEAK_FROM: Final = 0.5
_WEAK_KINDS: Final = {
    "solo piano": _("It is uncertain: the model learned from little solo piano."),
    "orchestral": _("It is uncertain: the model learned from little orchestral music."),
    "chiptune": _("It is uncertain: the model learned from little game music."),
}


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a song with one mood, from `start_seconds` to the next section."""

    start_seconds: float
    quadrant: str


def is_doubtful(emotion: SongEmotion) -> bool:
    """Return whether the mood of a song is shown as a perhaps."""
    return emotion.predicted is None and (emotion.is_ambiguous or bool(weakness(emotion)))


def weakness(emotion: SongEmotion) -> str:
    """Return why the model may be wrong about such music; empty if it is no such music, or if
    staff placed the song."""
    if emotion.predicted is not None:
        return ""
    if emotion.kinds:
        kind, share = max(emotion.kinds.items(), key=lambda item: item[1])
        if share >= _WEAK_FROM and kind in _WEAK_KINDS:
            return str(_WEAK_KINDS[kind])
    if emotion.is_unfamiliar:
        return gettext("It is uncertain: the model learned from little music like this.")
    return ""


def certainty(emotion: SongEmotion) -> str:
    """Return how sure the mood of a song is; empty where `weakness` says why it is not."""
    if emotion.predicted is not None:
        return gettext("corrected by staff")
    if weakness(emotion):
        return ""
    ranked = sorted(emotion.quadrants.items(), key=lambda item: -item[1])
    first = f"{emotion.quadrant}"
    others = [quadrant_name(name) for name, p in ranked if name != first and p >= _ALSO_FROM]
    could_be = {"moods": listed_or(others)}
    if emotion.is_ambiguous:
        if not others:
            return gettext("unclear")
        return gettext("unclear: could as well be %(moods)s") % could_be
    if emotion.confidence >= _SURE_FROM:
        return gettext("quite sure")
    if emotion.confidence >= _FAIRLY_SURE_FROM or not others:
        return gettext("fairly sure")
    return gettext("could also be %(moods)s") % could_be


def emotions_in_words(emotions: Mapping[str, float]) -> str:
    """Return which of the eight emotions a song has, in a sentence.

    It names what it counts: the nearest emotion may lie in another quadrant than the song.
    """
    ranked = sorted(emotions.items(), key=lambda item: -item[1])
    if not ranked:
        return ""
    (first, share), *others = ranked
    if share < _MOSTLY_FROM:
        mix = listed([mood_name(name) for name in (first, *(name for name, _p in others[:2]))])
        return gettext("A mix: %(moods)s.") % {"moods": mix}
    also = [mood_name(name) for name, share in others[:2] if share >= _NAMED_FROM]
    values = {"mood": mood_name(first), "others": listed(also)}
    if share >= _CLEAR_FROM and not also:
        return gettext("Of eight moods it is clearly %(mood)s.") % values
    if share >= _CLEAR_FROM:
        return gettext("Of eight moods it is clearly %(mood)s, and a little %(others)s.") % values
    if not also:
        return gettext("Of eight moods it is most likely %(mood)s.") % values
    return gettext("Of eight moods it is most likely %(mood)s, and a little %(others)s.") % values


def felt_sentence(felt: Mapping[str, float]) -> str:
    """Return what listeners would feel, in a sentence; empty if the model does not predict it."""
    ranked = sorted(felt.items(), key=lambda item: -item[1])
    if not ranked:
        return ""
    most = ranked[0][1]
    names = [shown(GEMS_WORDS[name]) for name, share in ranked[:3] if share >= 0.6 * most]
    values = {"feelings": listed(names)}
    if most >= _CLEAR_FROM:
        return gettext("Most listeners would feel %(feelings)s.") % values
    if most >= _MOSTLY_FROM:
        return gettext("Many listeners would feel %(feelings)s.") % values
    sentence = gettext("Some listeners would feel %(feelings)s; many would feel nothing in common.")
    return sentence % values


_ONLY: Final = {
    "audio": _("Only its sound counted."),
    "lyrics": _("Only its lyrics counted."),
    "context": _("Only its title and artist counted."),
}
_MOST: Final = {
    "audio": _("Its sound counted most"),
    "lyrics": _("Its lyrics counted most"),
    "context": _("Its title and artist counted most"),
}
_TOO: Final = {
    "audio": _("its sound counted too"),
    "lyrics": _("its lyrics counted too"),
    "context": _("its title and artist counted too"),
}
_LITTLE: Final = {
    "audio": _("its sound counted a little"),
    "lyrics": _("its lyrics counted a little"),
    "context": _("its title and artist counted a little"),
}
_HARDLY: Final = {
    "audio": _("its sound hardly counted"),
    "lyrics": _("its lyrics hardly counted"),
    "context": _("its title and artist hardly counted"),
}


def spoke_in_words(gates: Mapping[str, float]) -> str:
    """Return what counted for the mood, the strongest part first."""
    ranked = sorted(gates.items(), key=lambda item: -item[1])
    present = [(name, weight) for name, weight in ranked if weight > 0]
    if not present:
        return ""
    first, others = present[0][0], present[1:]
    if not others:
        return str(_ONLY[first])
    clauses = [str(_MOST[first]), *(_counted(name, weight) for name, weight in others)]
    return "; ".join(clauses) + "."


def _counted(name: str, weight: float) -> str:
    clauses = _TOO if weight >= 0.25 else _LITTLE if weight >= 0.08 else _HARDLY
    return str(clauses[name])


def sections(
    timeline: Sequence[Mapping[str, float]], duration_seconds: float | None
) -> list[Section]:
    """Return the moods of a song in order of time; neighbours differ."""
    if not timeline:
        return []
    starts = [point["start_seconds"] for point in timeline]
    end = max(duration_seconds or 0.0, starts[-1])
    found: list[Section] = []
    first = 0.0
    for number, point in enumerate(timeline):
        stop = starts[number + 1] if number + 1 < len(starts) else end
        quadrant = str(AffectPoint(point["valence"], point["arousal"]).quadrant)
        if found and (found[-1].quadrant == quadrant or stop - starts[number] <= 0):
            continue
        found.append(Section(starts[number] if found else first, quadrant))
    return _long_enough(found, end)


def _long_enough(found: list[Section], end: float) -> list[Section]:
    """Give what is too short for a section to the one before it."""
    kept: list[Section] = []
    stops = [section.start_seconds for section in found[1:]] + [end]
    for section, stop in zip(found, stops, strict=True):
        is_short = stop - section.start_seconds < _LEAST_SECTION * end
        if kept and (is_short or kept[-1].quadrant == section.quadrant):
            continue
        kept.append(section)
    return kept
