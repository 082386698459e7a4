"""What a constraint is, the register of all of them, and what they allow together."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from django.db.models import Q

from recommender.index import index_snapshot
from recommender.index.protocol import SAME_RECORDING, Condition
from recommender.playlists.banned import BANNED_NOUN, banned_conditions, banned_rows
from recommender.playlists.constraints.in_sql import in_sql
from recommender.playlists.fields import Field

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from django.contrib.auth.models import AnonymousUser, User
    from django.db.models import QuerySet
    from numpy.typing import NDArray

    from catalog.models import Song
    from recommender.index import IndexSnapshot
    from recommender.playlists.fields import Values


class Constraint:
    """A rule on the songs of a list."""

    noun: ClassVar[str]
    """Name of the constraint in messages."""
    relaxed_at: ClassVar[int] = 0
    """Place in the order in which constraints are relaxed if too few songs are left; 0: never."""

    is_by_default: ClassVar[bool] = False
    """Whether it holds until a field ends it; to leave its fields out then changes nothing."""

    @classmethod
    def fields(cls) -> tuple[Field[object], ...]:
        """Return the fields that the class declares, in that order."""
        return tuple(field for field in vars(cls).values() if isinstance(field, Field))

    def check(self, request: Values) -> None:
        """Raise `FieldError`, about the first field, if the fields contradict each other."""

    def is_active(self, request: Values) -> bool:
        """Return whether the request sets a field of the constraint."""
        return any(field.of(request) != field.default for field in self.fields())

    def is_told(self, snapshot: IndexSnapshot) -> bool:
        """Return whether messages name it while it is active: one that is on by default may not."""
        return True

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

    def in_sql(
        self, snapshot: IndexSnapshot, request: Values, user: User | AnonymousUser | None
    ) -> Q:
        """Return the same for rows of `selectors.song_list`; called only if it is active."""
        found = Q()
        for condition in self.conditions(snapshot, request, user):
            found &= in_sql(condition, snapshot.genre_names)
        return found


CONSTRAINTS: Final[list[Constraint]] = []
"""Every registered constraint, in the order of their fields."""


def register(constraint: type[Constraint]) -> type[Constraint]:
    """Add a constraint to `CONSTRAINTS`."""
    CONSTRAINTS.append(constraint())
    return constraint


def songs_allowed(
    songs: QuerySet[Song], request: Values, user: User | AnonymousUser | None
) -> QuerySet[Song]:
    """Return those songs of `selectors.song_list` that the active constraints allow."""
    active = [one for one in CONSTRAINTS if one.fields() and one.is_active(request)]
    if not active:
        return songs
    snapshot = index_snapshot()
    return songs.filter(*(one.in_sql(snapshot, request, user) for one in active))


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
    nouns = [constraint.noun for constraint in active if constraint.is_told(snapshot)]
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


def all_but(song_ids: Iterable[int]) -> list[Condition]:
    """Return the condition of other recordings than those of the songs."""
    return [Condition(SAME_RECORDING, any_of=tuple(song_ids), is_refused=True)]
