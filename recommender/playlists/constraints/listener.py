"""Constraints on what the listener excludes, heard and likes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from catalog.retold import kept
from recommender.feedback import feedback_of
from recommender.history import listens_lately, songs_heard
from recommender.index.protocol import SAME_RECORDING, Condition
from recommender.playlists.constraints.base import Constraint, all_but, register
from recommender.playlists.constraints.in_sql import same_recordings
from recommender.playlists.fields import Field, Group
from recommender.playlists.kinds import Flag, Ids, WholeNumber

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

    from recommender.index import IndexSnapshot
    from recommender.playlists.fields import Values

MAX_EXCLUDED: Final = 10_000
"""The most songs that a request can exclude one by one."""


@register
class ExcludedSongs(Constraint):
    """None of the songs that are named one by one."""

    noun = kept(gettext_noop("excluded songs"))
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
        return all_but(self.exclude_song_ids.of(request))


@register
class HeardSongs(Constraint):
    """None of the songs that the listener heard lately; without a login it allows every song."""

    noun = kept(gettext_noop("songs heard lately"))
    relaxed_at = 4
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
        return all_but(songs_heard(user=user, days=days))

    def in_sql(
        self, snapshot: IndexSnapshot, request: Values, user: User | AnonymousUser | None
    ) -> Q:
        if user is None or not user.is_authenticated:
            return Q()
        heard = listens_lately(user=user, days=self.exclude_heard_days.of(request))
        return ~same_recordings(heard.values("song_id"))


@register
class NeverHeard(Constraint):
    """Only songs that the listener never heard; without a login it allows every song."""

    noun = kept(gettext_noop("songs ever heard"))
    relaxed_at = 5
    never_heard = Field[bool](
        Flag(),
        False,  # noqa: FBT003
        "Only songs that the listener never heard",
        label=_("Only songs I never heard"),
        group=Group.CONSTRAINT,
        is_tuning=True,
    )

    def conditions(
        self, snapshot: IndexSnapshot, request: Values, user: User | AnonymousUser | None
    ) -> list[Condition]:
        if user is None or not user.is_authenticated:
            return []
        return all_but(songs_heard(user=user))

    def in_sql(
        self, snapshot: IndexSnapshot, request: Values, user: User | AnonymousUser | None
    ) -> Q:
        if user is None or not user.is_authenticated:
            return Q()
        return ~same_recordings(listens_lately(user=user).values("song_id"))


@register
class LikedSongs(Constraint):
    """Only songs that the listener likes; without a login there are none."""

    noun = kept(gettext_noop("songs you like"))
    liked_only = Field[bool](
        Flag(),
        False,  # noqa: FBT003
        "Only songs that the listener likes",
        label=_("Only songs I like"),
        group=Group.CONSTRAINT,
        is_tuning=True,
    )

    def conditions(
        self, snapshot: IndexSnapshot, request: Values, user: User | AnonymousUser | None
    ) -> list[Condition]:
        liked = tuple(like.song_id for like in feedback_of(user).likes)
        return [Condition(SAME_RECORDING, any_of=liked)]
