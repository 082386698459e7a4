"""Constraints on what songs are: their tags, their library, the confidence of their mood."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np
from django.db.models import Q
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _
from rapidfuzz import fuzz, process

from catalog.models import Song
from catalog.retold import kept
from catalog.texts import genre_parts
from mer.lyrics import language_code
from recommender.index.protocol import PLAYABLE, Condition
from recommender.playlists.constraints.base import Constraint, register
from recommender.playlists.credited import keys_condition
from recommender.playlists.fields import Field, Group
from recommender.playlists.kinds import (
    FieldError,
    Flag,
    Ids,
    MusicalKey,
    Number,
    Text,
    WholeNumber,
)

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User
    from django.db.models import QuerySet
    from numpy.typing import NDArray

    from recommender.index import IndexSnapshot
    from recommender.playlists.fields import Values

GENRE_LIKENESS: Final = 80
"""From this likeness of 100 on, a genre that is not known stands for one that is."""


_TAKEN: Final = kept(gettext_noop("No genre is called %(name)s; %(title)s was taken instead."))


@register
class Genre(Constraint):
    """Only songs whose genre tag equals the requested one or has it as a part."""

    noun = kept(gettext_noop("genre"))
    genre = Field[str](
        Text(200),
        "",
        "A genre tag or one part of it (rock in Rock; Indie); case and small slips are ignored",
        label=_("Genre"),
        group=Group.CONSTRAINT,
        is_tuning=True,
    )

    def conditions(
        self, snapshot: IndexSnapshot, request: Values, user: User | AnonymousUser | None
    ) -> list[Condition]:
        wanted = self._meant(snapshot, request)
        codes = tuple(
            code for code, tag in enumerate(snapshot.genre_names) if wanted in genre_parts(tag)
        )
        return [Condition("genres", any_of=codes)]

    def notes(self, snapshot: IndexSnapshot, request: Values) -> list[str]:
        meant = self._meant(snapshot, request)
        if meant == self.genre.of(request).casefold():
            return []
        return [_TAKEN % {"name": self.genre.of(request), "title": meant}]

    def _meant(self, snapshot: IndexSnapshot, request: Values) -> str:
        """Return the genre that is asked for, or the one that is written most like it."""
        wanted = self.genre.of(request).casefold()
        known = {part for tag in snapshot.genre_names for part in genre_parts(tag) if part}
        if wanted in known:
            return wanted
        found = process.extractOne(
            wanted, sorted(known), scorer=fuzz.ratio, score_cutoff=GENRE_LIKENESS
        )
        return found[0] if found else wanted


@register
class Years(Constraint):
    """Only songs of some years; songs without a year are left out."""

    noun = kept(gettext_noop("years"))
    year_from = Field[int | None](
        WholeNumber(0, 9999),
        None,
        "First year; songs without a year are left out",
        label=_("Year from"),
        group=Group.CONSTRAINT,
        is_tuning=True,
    )
    year_to = Field[int | None](
        WholeNumber(0, 9999),
        None,
        "Last year; songs without a year are left out",
        label=_("Year to"),
        group=Group.CONSTRAINT,
        is_tuning=True,
    )

    decade = Field[int | None](
        WholeNumber(0, 9990),
        None,
        "The ten years that begin with this one, such as 1990",
        group=Group.CONSTRAINT,
    )

    def check(self, request: Values) -> None:
        first, last = self.year_from.of(request), self.year_to.of(request)
        if first is not None and last is not None and first > last:
            raise FieldError(
                gettext("is %(first)s, after year_to, %(last)s") % {"first": first, "last": last}
            )
        decade = self.decade.of(request)
        if decade is not None and (first is not None or last is not None):
            raise FieldError(gettext("and year_to exclude decade; give one of them"))
        if decade is not None and decade % 10:
            raise FieldError(
                gettext("must end with 0, like %(decade)s") % {"decade": decade // 10 * 10},
                part="decade",
            )

    def conditions(
        self, snapshot: IndexSnapshot, request: Values, user: User | AnonymousUser | None
    ) -> list[Condition]:
        first, last = self.year_from.of(request), self.year_to.of(request)
        decade = self.decade.of(request)
        if decade is not None:
            first, last = decade, decade + 9
        return [Condition("years", low=max(1, first or 0), high=last)]


class _Range(Constraint):
    """Only songs whose value in a column of the index lies between two fields."""

    column: ClassVar[str]

    def check(self, request: Values) -> None:
        low, high = (field.of(request) for field in self.fields())
        if isinstance(low, float) and isinstance(high, float) and low > high:
            raise FieldError(
                gettext("is %(low)g, above %(name)s, %(high)g")
                % {"low": low, "name": self.fields()[1].name, "high": high}
            )

    def conditions(
        self, snapshot: IndexSnapshot, request: Values, user: User | AnonymousUser | None
    ) -> list[Condition]:
        low, high = (field.of(request) for field in self.fields())
        # Where the value is not known it is NaN, which no bound lets pass.
        return [
            Condition(
                self.column,
                low=0.0 if low is None else low,  # type: ignore[arg-type]  # both are numbers
                high=high,  # type: ignore[arg-type]
            )
        ]


@register
class Length(_Range):
    """Only songs of a length; songs of unknown length are left out."""

    noun = kept(gettext_noop("length"))
    relaxed_at = 1
    column = "durations"
    seconds_from = Field[float | None](
        Number(0, 36_000),
        None,
        "Shortest song, in seconds; songs of unknown length are left out",
        group=Group.CONSTRAINT,
    )
    seconds_to = Field[float | None](
        Number(0, 36_000),
        None,
        "Longest song, in seconds; songs of unknown length are left out",
        group=Group.CONSTRAINT,
    )


@register
class Tempo(_Range):
    """Only songs of a tempo, by their tag, else estimated; songs of unknown tempo are left out."""

    noun = kept(gettext_noop("tempo"))
    relaxed_at = 2
    column = "tempos"
    tempo_from = Field[float | None](
        Number(0, 1_000),
        None,
        "Slowest song, in beats a minute; songs of unknown tempo are left out",
        label=_("BPM from"),
        group=Group.CONSTRAINT,
        is_tuning=True,
    )
    tempo_to = Field[float | None](
        Number(0, 1_000),
        None,
        "Fastest song, in beats a minute; songs of unknown tempo are left out",
        label=_("BPM to"),
        group=Group.CONSTRAINT,
        is_tuning=True,
    )


@register
class Key(Constraint):
    """Only songs of one of some keys, as estimated; songs of unknown key are left out."""

    noun = kept(gettext_noop("key"))
    relaxed_at = 3
    key = Field[str](
        MusicalKey(),
        "",
        "Keys such as A minor, or 8A of the Camelot wheel, with commas between; "
        "songs of unknown key are left out",
        label=_("Key"),
        group=Group.CONSTRAINT,
        is_tuning=True,
    )

    def conditions(
        self, snapshot: IndexSnapshot, request: Values, user: User | AnonymousUser | None
    ) -> list[Condition]:
        return [keys_condition(self.key.of(request).split(", "))]


@register
class Language(Constraint):
    """Only songs of a language, by their tag; songs without the tag are left out."""

    noun = kept(gettext_noop("language"))
    language = Field[str](
        Text(30),
        "",
        "Language by the tag, as a code or an English name; songs without one are left out",
        group=Group.CONSTRAINT,
    )

    def check(self, request: Values) -> None:
        wanted = self.language.of(request)
        if wanted and not language_code(wanted):
            raise FieldError(
                gettext("is no language that is known: %(wanted)r; give a code such as fr")
                % {"wanted": wanted}
            )

    def allowed(
        self, snapshot: IndexSnapshot, request: Values, user: User | AnonymousUser | None
    ) -> NDArray[np.bool_]:
        return _only(Song.objects.filter(self.in_sql(snapshot, request, user)), snapshot)

    def in_sql(
        self, snapshot: IndexSnapshot, request: Values, user: User | AnonymousUser | None
    ) -> Q:
        return Q(language=language_code(self.language.of(request)))


@register
class NotExplicit(Constraint):
    """No songs that are tagged as explicit."""

    noun = kept(gettext_noop("explicit songs"))
    not_explicit = Field[bool](
        Flag(),
        False,  # noqa: FBT003
        "Leave out songs that are tagged as explicit",
        label=_("No explicit songs"),
        group=Group.CONSTRAINT,
        is_tuning=True,
    )

    def allowed(
        self, snapshot: IndexSnapshot, request: Values, user: User | AnonymousUser | None
    ) -> NDArray[np.bool_]:
        return ~_only(Song.objects.filter(is_explicit=True), snapshot)

    def in_sql(
        self, snapshot: IndexSnapshot, request: Values, user: User | AnonymousUser | None
    ) -> Q:
        return ~Q(is_explicit=True)


@register
class Libraries(Constraint):
    """Only songs of some libraries."""

    noun = kept(gettext_noop("library"))
    library_ids = Field[tuple[int, ...]](
        Ids(100),
        (),
        "Ids of the libraries that songs may come from",
        group=Group.CONSTRAINT,
    )

    def conditions(
        self, snapshot: IndexSnapshot, request: Values, user: User | AnonymousUser | None
    ) -> list[Condition]:
        ids = self.library_ids.of(request)
        return [Condition("libraries", any_of=(*ids, *(-pk for pk in ids)))]


@register
class Playable(Constraint):
    """Only songs that can be played, unless the request takes the others, too."""

    noun = kept(gettext_noop("songs with audio"))
    is_by_default = True
    include_unplayable = Field[bool](
        Flag(),
        False,  # noqa: FBT003
        "Also songs without audio, which are known from a table alone",
        label=_("Also songs that cannot be played"),
        group=Group.CONSTRAINT,
        is_tuning=True,
    )

    def is_active(self, request: Values) -> bool:
        return not self.include_unplayable.of(request)

    def is_told(self, snapshot: IndexSnapshot) -> bool:
        return bool((snapshot.libraries[:] < 0).any())

    def conditions(
        self, snapshot: IndexSnapshot, request: Values, user: User | AnonymousUser | None
    ) -> list[Condition]:
        return [PLAYABLE]


@register
class Confidence(Constraint):
    """Only songs whose quadrant is sure enough."""

    noun = kept(gettext_noop("confidence"))
    min_confidence = Field[float](
        Number(0, 1),
        0.0,
        "Only songs whose quadrant has at least this probability",
        group=Group.CONSTRAINT,
    )

    def conditions(
        self, snapshot: IndexSnapshot, request: Values, user: User | AnonymousUser | None
    ) -> list[Condition]:
        return [Condition("confidences", low=self.min_confidence.of(request))]


@register
class Place(Constraint):
    """Only songs of a part of the plane; a box makes songs nearby match less, this leaves none."""

    noun = kept(gettext_noop("place on the plane"))
    min_valence = Field[float](
        Number(0, 1),
        0.0,
        "Only songs with at least this valence",
        group=Group.CONSTRAINT,
    )
    max_valence = Field[float](
        Number(0, 1),
        1.0,
        "Only songs with at most this valence",
        group=Group.CONSTRAINT,
    )
    min_arousal = Field[float](
        Number(0, 1),
        0.0,
        "Only songs with at least this arousal",
        group=Group.CONSTRAINT,
    )
    max_arousal = Field[float](
        Number(0, 1),
        1.0,
        "Only songs with at most this arousal",
        group=Group.CONSTRAINT,
    )

    def check(self, request: Values) -> None:
        for low, high in (
            (self.min_valence, self.max_valence),
            (self.min_arousal, self.max_arousal),
        ):
            if low.of(request) > high.of(request):
                raise FieldError(
                    gettext("is %(low)g, above %(name)s, %(high)g")
                    % {"low": low.of(request), "name": high.name, "high": high.of(request)},
                    part=low.name,
                )

    def conditions(
        self, snapshot: IndexSnapshot, request: Values, user: User | AnonymousUser | None
    ) -> list[Condition]:
        valence = self.min_valence.of(request), self.max_valence.of(request)
        arousal = self.min_arousal.of(request), self.max_arousal.of(request)
        return [
            Condition(axis, low=low, high=high)
            for axis, (low, high) in (("valence", valence), ("arousal", arousal))
            if (low, high) != (0.0, 1.0)
        ]

    def allowed(
        self, snapshot: IndexSnapshot, request: Values, user: User | AnonymousUser | None
    ) -> NDArray[np.bool_]:
        allowed = snapshot.alive.copy()
        for condition in self.conditions(snapshot, request, user):
            # Where a listener's own plane has the songs, as for the target.
            values = np.asarray(snapshot.affect.dimension(_AXES.index(condition.column))[:])
            allowed &= (values >= (condition.low or 0.0)) & (values <= (condition.high or 0.0))
        return allowed


_AXES: Final = ("valence", "arousal")


def _only(songs: QuerySet[Song], snapshot: IndexSnapshot) -> NDArray[np.bool_]:
    """Return the rows of songs of a query."""
    mask = np.zeros(len(snapshot), bool)
    mask[snapshot.rows_of(songs.order_by().values_list("pk", flat=True).iterator())] = True
    return mask
