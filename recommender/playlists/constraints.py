"""Which songs may be in a list: one registered class per constraint.

To add one, write a class here. It declares its fields as attributes and returns the conditions that
songs must meet. The request, the API, the page, the command and the docs then have its fields.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np
from rapidfuzz import fuzz, process

from catalog.models import Song
from catalog.texts import genre_parts
from mer.lyrics import language_code
from recommender.feedback import feedback_of
from recommender.history import songs_heard
from recommender.index.protocol import SAME_RECORDING, Condition
from recommender.playlists.banned import BANNED_NOUN, banned_conditions, banned_rows
from recommender.playlists.credited import condition_of_names, songs_of_names
from recommender.playlists.fields import Field, Group
from recommender.playlists.kinds import FieldError, Flag, Ids, Number, Text, WholeNumber

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.contrib.auth.models import AnonymousUser, User
    from django.db.models import QuerySet
    from numpy.typing import NDArray

    from recommender.index import IndexSnapshot
    from recommender.playlists.fields import Values

GENRE_LIKENESS: Final = 80
"""From this likeness of 100 on, a genre that is not known stands for one that is."""
MAX_EXCLUDED: Final = 10_000
"""The most songs that a request can exclude one by one."""


class Constraint:
    """A rule on the songs of a list."""

    noun: ClassVar[str]
    """Name of the constraint in messages."""
    relaxed_at: ClassVar[int] = 0
    """Place in the order in which constraints are relaxed if too few songs are left; 0: never."""

    @classmethod
    def fields(cls) -> tuple[Field[object], ...]:
        """Return the fields that the class declares, in that order."""
        return tuple(field for field in vars(cls).values() if isinstance(field, Field))

    def check(self, request: Values) -> None:
        """Raise `FieldError`, about the first field, if the fields contradict each other."""

    def is_active(self, request: Values) -> bool:
        """Return whether the request sets a field of the constraint."""
        return any(field.of(request) != field.default for field in self.fields())

    def notes(self, snapshot: IndexSnapshot, request: Values) -> list[str]:
        """Return sentences on how its values were taken; called only if it is active."""
        return []

    def conditions(
        self, snapshot: IndexSnapshot, request: Values, user: User | AnonymousUser | None
    ) -> list[Condition]:
        """Return the conditions that songs must meet; called only if it is active.

        A vector database searches with them. They may allow more songs than `allowed`.
        """
        return []

    def allowed(
        self, snapshot: IndexSnapshot, request: Values, user: User | AnonymousUser | None
    ) -> NDArray[np.bool_]:
        """Return which rows of the snapshot may be in the list; called only if it is active."""
        allowed = snapshot.alive.copy()
        for condition in self.conditions(snapshot, request, user):
            allowed &= snapshot.passing(condition)
        return allowed


CONSTRAINTS: Final[list[Constraint]] = []
"""Every registered constraint, in the order of their fields."""


def register(constraint: type[Constraint]) -> type[Constraint]:
    """Add a constraint to `CONSTRAINTS`."""
    CONSTRAINTS.append(constraint())
    return constraint


def relaxable(request: Values) -> list[Constraint]:
    """Return the active constraints that may be relaxed, the first to be relaxed first."""
    active = [one for one in CONSTRAINTS if one.relaxed_at and one.is_active(request)]
    return sorted(active, key=lambda one: one.relaxed_at)


def constraint_notes(snapshot: IndexSnapshot, request: Values) -> list[str]:
    """Return sentences on how the values of constraints were taken."""
    active = [one for one in CONSTRAINTS if one.is_active(request)]
    return [note for one in active for note in one.notes(snapshot, request)]


def allowed_rows(
    snapshot: IndexSnapshot,
    request: Values,
    user: User | AnonymousUser | None,
    relaxed: Sequence[Constraint] = (),
) -> tuple[NDArray[np.bool_], list[str]]:
    """Return which rows may be in the list, and the nouns of the active constraints.

    Those in `relaxed` do not count. What the listener banned is never allowed.
    """
    allowed = snapshot.alive.copy()
    active = [one for one in CONSTRAINTS if one.is_active(request) and one not in relaxed]
    for constraint in active:
        allowed &= constraint.allowed(snapshot, request, user)
    nouns = [constraint.noun for constraint in active]
    banned = banned_rows(snapshot, user)
    if banned is not None:
        allowed &= ~banned
        nouns.append(BANNED_NOUN)
    return allowed, nouns


def conditions_of(
    snapshot: IndexSnapshot,
    request: Values,
    user: User | AnonymousUser | None,
    relaxed: Sequence[Constraint] = (),
) -> list[Condition]:
    """Return the conditions of `allowed_rows`, with which a vector database searches."""
    active = [one for one in CONSTRAINTS if one.is_active(request) and one not in relaxed]
    found = [found for one in active for found in one.conditions(snapshot, request, user)]
    return [*found, *banned_conditions(user)]


@register
class Genre(Constraint):
    """Only songs whose genre tag equals the requested one or has it as a part."""

    noun = "genre"
    genre = Field[str](
        Text(200),
        "",
        "A genre tag or one part of it (rock in Rock; Indie); case and small slips are ignored",
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
        return [f"No genre is called {self.genre.of(request)}; {meant} was taken instead."]

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

    noun = "years"
    year_from = Field[int | None](
        WholeNumber(0, 9999),
        None,
        "First year; songs without a year are left out",
        group=Group.CONSTRAINT,
        is_tuning=True,
    )
    year_to = Field[int | None](
        WholeNumber(0, 9999),
        None,
        "Last year; songs without a year are left out",
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
            raise FieldError(f"is {first}, after year_to, {last}")
        decade = self.decade.of(request)
        if decade is not None and (first is not None or last is not None):
            raise FieldError("and year_to exclude decade; give one of them")
        if decade is not None and decade % 10:
            raise FieldError(f"must end with 0, like {decade // 10 * 10}", part="decade")

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
            raise FieldError(f"is {low:g}, above {self.fields()[1].name}, {high:g}")

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

    noun = "length"
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
    """Only songs of a tempo, by their tag; songs without the tag are left out."""

    noun = "tempo"
    relaxed_at = 2
    column = "tempos"
    tempo_from = Field[float | None](
        Number(0, 1_000),
        None,
        "Slowest song, in beats a minute; songs without a tag of it are left out",
        group=Group.CONSTRAINT,
    )
    tempo_to = Field[float | None](
        Number(0, 1_000),
        None,
        "Fastest song, in beats a minute; songs without a tag of it are left out",
        group=Group.CONSTRAINT,
    )


@register
class Language(Constraint):
    """Only songs of a language, by their tag; songs without the tag are left out."""

    noun = "language"
    language = Field[str](
        Text(30),
        "",
        "Language by the tag, as a code or an English name; songs without one are left out",
        group=Group.CONSTRAINT,
    )

    def check(self, request: Values) -> None:
        wanted = self.language.of(request)
        if wanted and not language_code(wanted):
            raise FieldError(f"is no language that is known: {wanted!r}; give a code such as fr")

    def allowed(
        self, snapshot: IndexSnapshot, request: Values, user: User | AnonymousUser | None
    ) -> NDArray[np.bool_]:
        return _only(
            Song.objects.filter(language=language_code(self.language.of(request))), snapshot
        )


@register
class NotExplicit(Constraint):
    """No songs that are tagged as explicit."""

    noun = "explicit songs"
    not_explicit = Field[bool](
        Flag(),
        False,  # noqa: FBT003
        "Leave out songs that are tagged as explicit",
        label="No explicit songs",
        group=Group.CONSTRAINT,
        is_tuning=True,
    )

    def allowed(
        self, snapshot: IndexSnapshot, request: Values, user: User | AnonymousUser | None
    ) -> NDArray[np.bool_]:
        return ~_only(Song.objects.filter(is_explicit=True), snapshot)


@register
class Libraries(Constraint):
    """Only songs of some libraries."""

    noun = "library"
    library_ids = Field[tuple[int, ...]](
        Ids(100),
        (),
        "Ids of the libraries that songs may come from",
        group=Group.CONSTRAINT,
    )

    def conditions(
        self, snapshot: IndexSnapshot, request: Values, user: User | AnonymousUser | None
    ) -> list[Condition]:
        return [Condition("libraries", any_of=self.library_ids.of(request))]


@register
class Confidence(Constraint):
    """Only songs whose quadrant is sure enough."""

    noun = "confidence"
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
class ExcludedSongs(Constraint):
    """None of the songs that are named one by one."""

    noun = "excluded songs"
    exclude_song_ids = Field[tuple[int, ...]](
        Ids(MAX_EXCLUDED),
        (),
        "Songs to leave out",
        group=Group.CONSTRAINT,
        # Thousands of ids do not fit into an address.
        is_in_address=False,
    )

    def conditions(
        self, snapshot: IndexSnapshot, request: Values, user: User | AnonymousUser | None
    ) -> list[Condition]:
        return _all_but(self.exclude_song_ids.of(request))


@register
class HeardSongs(Constraint):
    """None of the songs that the listener heard lately; without a login it allows every song."""

    noun = "songs heard lately"
    relaxed_at = 3
    exclude_heard_days = Field[int](
        WholeNumber(0, 3650),
        0,
        "Leave out what the listener heard in the last N days",
        group=Group.CONSTRAINT,
    )

    def conditions(
        self, snapshot: IndexSnapshot, request: Values, user: User | AnonymousUser | None
    ) -> list[Condition]:
        if user is None or not user.is_authenticated:
            return []
        days = self.exclude_heard_days.of(request)
        return _all_but(songs_heard(user=user, days=days))


@register
class NeverHeard(Constraint):
    """Only songs that the listener never heard; without a login it allows every song."""

    noun = "songs ever heard"
    relaxed_at = 4
    never_heard = Field[bool](
        Flag(),
        False,  # noqa: FBT003
        "Only songs that the listener never heard",
        label="Only songs I never heard",
        group=Group.CONSTRAINT,
        is_tuning=True,
    )

    def conditions(
        self, snapshot: IndexSnapshot, request: Values, user: User | AnonymousUser | None
    ) -> list[Condition]:
        if user is None or not user.is_authenticated:
            return []
        return _all_but(songs_heard(user=user))


@register
class LikedSongs(Constraint):
    """Only songs that the listener likes; without a login there are none."""

    noun = "songs you like"
    liked_only = Field[bool](
        Flag(),
        False,  # noqa: FBT003
        "Only songs that the listener likes",
        label="Only songs I like",
        group=Group.CONSTRAINT,
        is_tuning=True,
    )

    def conditions(
        self, snapshot: IndexSnapshot, request: Values, user: User | AnonymousUser | None
    ) -> list[Condition]:
        liked = tuple(like.song_id for like in feedback_of(user).likes)
        return [Condition(SAME_RECORDING, any_of=liked)]


@register
class SeedSongs(Constraint):
    """None of the songs that the list should resemble."""

    noun = "seed songs"

    def is_active(self, request: Values) -> bool:
        return bool(request.value("song_ids"))

    def conditions(
        self, snapshot: IndexSnapshot, request: Values, user: User | AnonymousUser | None
    ) -> list[Condition]:
        return _all_but([song_id for song_id, _ in request.value("song_ids")])


@register
class KnownParts(Constraint):
    """Only songs whose sound and words are known apart, as far as a request needs them so."""

    noun = "sound and words known apart"

    def is_active(self, request: Values) -> bool:
        return bool(self._needed(request))

    def conditions(
        self, snapshot: IndexSnapshot, request: Values, user: User | AnonymousUser | None
    ) -> list[Condition]:
        return [Condition(column, low=0.0) for column in self._needed(request)]

    def allowed(
        self, snapshot: IndexSnapshot, request: Values, user: User | AnonymousUser | None
    ) -> NDArray[np.bool_]:
        allowed = snapshot.alive.copy()
        for column in self._needed(request):
            allowed &= self._is_known(snapshot, column)
        return allowed

    @staticmethod
    def _is_known(snapshot: IndexSnapshot, column: str) -> NDArray[np.bool_]:
        """Return which rows have a value in a column: its valence is looked at alone."""
        return np.asarray(getattr(snapshot, column).dimension(0)[:] >= 0)

    def notes(self, snapshot: IndexSnapshot, request: Values) -> list[str]:
        needs_words = "by_words" in self._needed(request)
        if snapshot.source is not None:
            what = "Songs without lyrics, and songs" if needs_words else "Songs"
            return [f"{what} whose parts are not known yet are left out."]
        has_sound = self._is_known(snapshot, "by_sound")
        found = []
        if unknown := int(np.count_nonzero(snapshot.alive & ~has_sound)):
            found.append(
                f"{_songs(unknown)} left out: analyse again what an earlier release analysed."
            )
        if needs_words:
            mute = snapshot.alive & has_sound & ~self._is_known(snapshot, "by_words")
            if count := int(np.count_nonzero(mute)):
                found.append(f"{_songs(count)} left out: no lyrics that the model reads.")
        return found

    @staticmethod
    def _needed(request: Values) -> tuple[str, ...]:
        """Return the columns that have to be known."""
        sign = dict(request.value("weights")).get("contrast", 1.0)
        if request.value("contrast") and sign > 0:
            return ("by_sound", "by_words")
        words = request.value("words_weight")
        return () if words is None else ("by_words",) if words == 1 else ("by_sound",)


def _songs(count: int) -> str:
    return "1 song is" if count == 1 else f"{count:,} songs are"


@register
class RefusedNames(Constraint):
    """None of the songs of artists and albums with a weight below 0; featured artists count."""

    noun = "refused artists and albums"

    def is_active(self, request: Values) -> bool:
        return bool(_refused(request, "artists") or _refused(request, "albums"))

    def conditions(
        self, snapshot: IndexSnapshot, request: Values, user: User | AnonymousUser | None
    ) -> list[Condition]:
        return [
            condition_of_names(field, names, is_refused=True)
            for field in ("artists", "albums")
            if (names := _refused(request, field))
        ]

    def allowed(
        self, snapshot: IndexSnapshot, request: Values, user: User | AnonymousUser | None
    ) -> NDArray[np.bool_]:
        allowed = snapshot.alive.copy()
        for field in ("artists", "albums"):
            if names := _refused(request, field):
                songs = songs_of_names(field, names).values_list("pk", flat=True)
                allowed[snapshot.rows_of(songs.iterator())] = False
        return allowed


def _refused(request: Values, field: str) -> list[str]:
    sign = dict(request.value("weights")).get(field, 1.0)
    return [name for name, weight in request.value(field) if weight * sign < 0]


def _only(songs: QuerySet[Song], snapshot: IndexSnapshot) -> NDArray[np.bool_]:
    """Return the rows of songs of a query."""
    mask = np.zeros(len(snapshot), bool)
    mask[snapshot.rows_of(songs.order_by().values_list("pk", flat=True).iterator())] = True
    return mask


def _all_but(song_ids: Iterable[int]) -> list[Condition]:
    """Return the condition of other recordings than those of the songs."""
    return [Condition(SAME_RECORDING, any_of=tuple(song_ids), is_refused=True)]
