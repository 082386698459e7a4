"""What was understood of a listener's words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext_noop

from catalog.retold import kept

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Part:
    """Some of the words, and what they were taken for.

    `weight` is negative for what is refused. `doubt` is from 0, surely meant, to 1, a guess.
    """

    text: str
    meaning: str
    weight: float = 1.0
    doubt: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON; `meaning` is called "as"."""
        return {
            "text": self.text,
            "as": self.meaning,
            "weight": round(self.weight, 2),
            "doubt": round(self.doubt, 2),
        }


# What a meaning may be beside the name of a mood, for those who read it in another language.
for _meaning in (
    gettext_noop("more %(mood)s"),
    gettext_noop("less %(mood)s"),
    gettext_noop("not %(mood)s"),
    gettext_noop("no %(filter)s"),
    gettext_noop("genre %(name)s"),
    gettext_noop("artist %(name)s"),
    gettext_noop("album %(name)s"),
    gettext_noop("year %(year)s"),
    gettext_noop("years %(first)s to %(last)s"),
    gettext_noop("years up to %(last)s"),
    gettext_noop("years from %(first)s"),
    gettext_noop("at least %(count)s minutes"),
    gettext_noop("at most %(count)s minutes"),
    gettext_noop("at least %(count)s seconds"),
    gettext_noop("at most %(count)s seconds"),
    gettext_noop("%(low)s to %(high)s beats a minute"),
    gettext_noop("at least %(count)s beats a minute"),
    gettext_noop("at most %(count)s beats a minute"),
    gettext_noop("key %(key)s"),
    *(gettext_noop("pleasant"), gettext_noop("unpleasant"), gettext_noop("lively")),
    *(gettext_noop("heavy"), gettext_noop("quiet")),
    gettext_noop("by the sound alone"),
    gettext_noop("by the words alone"),
):
    kept(_meaning)


@dataclass(frozen=True, slots=True)
class Sense:
    """A mood or an axis that the words name.

    `name` is a name of `recommender.moods.MOODS` or a key of `senses.AXES`. `weight` is negative
    for what is refused. `step` is not 0 for a comparative: +1 for "happier", -1 for "less happy".
    `is_soft` marks "not too loud": it turns the target and excludes nothing.
    """

    name: str
    weight: float = 1.0
    step: float = 0.0
    is_soft: bool = False


@dataclass(frozen=True, slots=True)
class Filters:
    """Which songs the words allow; empty, None and 0 allow all."""

    genres: tuple[str, ...] = ()
    genres_not: tuple[str, ...] = ()
    artists: tuple[str, ...] = ()
    artists_not: tuple[str, ...] = ()
    albums: tuple[str, ...] = ()
    year_from: int | None = None
    year_to: int | None = None
    seconds_from: int | None = None
    seconds_to: int | None = None
    tempo_from: float | None = None
    tempo_to: float | None = None
    keys: tuple[str, ...] = ()
    keys_not: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self != Filters()


@dataclass(frozen=True, slots=True)
class Understood:
    """The reading of a text.

    Attributes
    ----------
    targets : tuple of Sense
        Moods and axes that are asked for or refused, in their order.
    place : tuple of float or None
        Valence and arousal of the target, as shares of the catalogue. None if the words name no
        mood, refuse none and compare with nothing.
    emotions : mapping of str to float
        Weights of the eight emotions that the target stresses; they sum to 1 or are empty.
    felt, unfelt : mappings of str to float
        What listeners should feel, as weights of `mer.affect.GEMS`, and weights of the eight
        emotions of the other moods. Both are empty unless a mood has felt emotions.
    exclusions : tuple of str
        Names of moods whose songs are refused.
    filters : Filters
    phrase : str
        What the text network has to read; empty if nothing.
    parts : tuple of Part
        What was understood, in the order of the words.
    not_understood : tuple of str
        Words that are nothing that is known here.
    corrections : mapping of str to str
        Words that were taken for misspelt, and what for.
    contrast : str
        A name of `recommender.playlists.contrasts.CONTRASTS` that the words ask for, or empty.
    words_weight : float or None
        1 if songs are to be judged by their lyrics alone, 0 by their sound alone.
    is_relative : bool
        Whether the target is the last one, moved.
    """

    text: str
    targets: tuple[Sense, ...] = ()
    place: tuple[float, float] | None = None
    emotions: Mapping[str, float] = field(default_factory=dict)
    felt: Mapping[str, float] = field(default_factory=dict)
    unfelt: Mapping[str, float] = field(default_factory=dict)
    exclusions: tuple[str, ...] = ()
    filters: Filters = field(default_factory=Filters)
    phrase: str = ""
    parts: tuple[Part, ...] = ()
    not_understood: tuple[str, ...] = ()
    corrections: Mapping[str, str] = field(default_factory=dict)
    contrast: str = ""
    words_weight: float | None = None
    is_relative: bool = False

    @property
    def is_nothing(self) -> bool:
        """Whether nothing at all was understood, and nothing is left for the network."""
        return not (self.place or self.filters or self.phrase or self.contrast)
