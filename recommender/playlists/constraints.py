"""Which songs may be in a list: one registered class per constraint.

To add one, write a class here. It declares its fields as attributes and returns the rows that
they allow. The request, the API, the page, the command and the docs then have its fields.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from recommender.history import songs_heard
from recommender.playlists.credited import songs_of_names
from recommender.playlists.fields import Field, Group
from recommender.playlists.kinds import FieldError, Ids, Text, WholeNumber

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.contrib.auth.models import AnonymousUser, User
    from numpy.typing import NDArray

    from recommender.index import IndexSnapshot
    from recommender.playlists.fields import Values

MAX_EXCLUDED: Final = 10_000
"""The most songs that a request can exclude one by one."""


class Constraint(ABC):
    """A rule on the songs of a list."""

    noun: ClassVar[str]
    """Name of the constraint in messages."""
    relaxed_at: ClassVar[int] = 0
    """Place in the order in which constraints are relaxed if too few songs are left; 0: never."""

    @classmethod
    def fields(cls) -> tuple[Field[object], ...]:
        """Return the fields that the class declares, in that order."""
        return tuple(field for field in vars(cls).values() if isinstance(field, Field))

    def check(self, request: Values) -> None:  # noqa: B027  most constraints have one field
        """Raise `FieldError`, about the first field, if the fields contradict each other."""

    def is_active(self, request: Values) -> bool:
        """Return whether the request sets a field of the constraint."""
        return any(field.of(request) != field.default for field in self.fields())

    @abstractmethod
    def allowed(
        self, snapshot: IndexSnapshot, request: Values, user: User | AnonymousUser | None
    ) -> NDArray[np.bool_]:
        """Return which rows of the snapshot may be in the list; called only if it is active."""


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


def allowed_rows(
    snapshot: IndexSnapshot,
    request: Values,
    user: User | AnonymousUser | None,
    relaxed: Sequence[Constraint] = (),
) -> tuple[NDArray[np.bool_], list[str]]:
    """Return which rows may be in the list, and the nouns of the active constraints.

    Those in `relaxed` do not count.
    """
    allowed = snapshot.alive.copy()
    active = [one for one in CONSTRAINTS if one.is_active(request) and one not in relaxed]
    for constraint in active:
        allowed &= constraint.allowed(snapshot, request, user)
    return allowed, [constraint.noun for constraint in active]


@register
class Genre(Constraint):
    """Only songs whose genre tag equals the requested one or has it as a part."""

    noun = "genre"
    genre = Field[str](
        Text(200),
        "",
        "A genre tag or one part of it (rock in Rock; Indie); case is ignored",
        group=Group.CONSTRAINT,
        is_tuning=True,
    )

    def allowed(
        self, snapshot: IndexSnapshot, request: Values, user: User | AnonymousUser | None
    ) -> NDArray[np.bool_]:
        wanted = self.genre.of(request).casefold()
        codes = [
            code for code, tag in enumerate(snapshot.genre_names) if wanted in genre_parts(tag)
        ]
        return snapshot.where("genres", any_of=codes)


def genre_parts(tag: str) -> set[str]:
    """Return a genre tag, such as "Rock; Indie", and its parts, in lower case."""
    return {part.strip().casefold() for part in (tag, *re.split(r"[;,/|]", tag))}


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

    def check(self, request: Values) -> None:
        first, last = self.year_from.of(request), self.year_to.of(request)
        if first is not None and last is not None and first > last:
            raise FieldError(f"is {first}, after year_to, {last}")

    def allowed(
        self, snapshot: IndexSnapshot, request: Values, user: User | AnonymousUser | None
    ) -> NDArray[np.bool_]:
        first, last = self.year_from.of(request), self.year_to.of(request)
        return snapshot.where("years", low=max(1, first or 0), high=last)


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

    def allowed(
        self, snapshot: IndexSnapshot, request: Values, user: User | AnonymousUser | None
    ) -> NDArray[np.bool_]:
        return _all_but(self.exclude_song_ids.of(request), snapshot)


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

    def allowed(
        self, snapshot: IndexSnapshot, request: Values, user: User | AnonymousUser | None
    ) -> NDArray[np.bool_]:
        if user is None or not user.is_authenticated:
            return np.ones(len(snapshot), bool)
        days = self.exclude_heard_days.of(request)
        return _all_but(songs_heard(user=user, days=days), snapshot)


@register
class SeedSongs(Constraint):
    """None of the songs that the list should resemble."""

    noun = "seed songs"

    def is_active(self, request: Values) -> bool:
        return bool(request.value("song_ids"))

    def allowed(
        self, snapshot: IndexSnapshot, request: Values, user: User | AnonymousUser | None
    ) -> NDArray[np.bool_]:
        return _all_but([song_id for song_id, _ in request.value("song_ids")], snapshot)


@register
class RefusedNames(Constraint):
    """None of the songs of artists and albums with a weight below 0; featured artists count."""

    noun = "refused artists and albums"

    def is_active(self, request: Values) -> bool:
        return bool(_refused(request, "artists") or _refused(request, "albums"))

    def allowed(
        self, snapshot: IndexSnapshot, request: Values, user: User | AnonymousUser | None
    ) -> NDArray[np.bool_]:
        allowed = np.ones(len(snapshot), bool)
        for field in ("artists", "albums"):
            if names := _refused(request, field):
                songs = songs_of_names(field, names).values_list("pk", flat=True)
                allowed[snapshot.rows_of(songs.iterator())] = False
        return allowed


def _refused(request: Values, field: str) -> list[str]:
    sign = dict(request.value("weights")).get(field, 1.0)
    return [name for name, weight in request.value(field) if weight * sign < 0]


def _all_but(song_ids: Iterable[int], snapshot: IndexSnapshot) -> NDArray[np.bool_]:
    """Return the rows of other recordings than those of the songs."""
    return ~snapshot.same_recordings(song_ids)
