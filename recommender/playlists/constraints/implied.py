"""Constraints that follow from other fields: seed songs, weights below 0, known parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from django.utils.translation import gettext_noop

from catalog.retold import kept
from recommender.index.protocol import Condition
from recommender.playlists.constraints.base import Constraint, all_but, register
from recommender.playlists.credited import condition_of_names, songs_of_names

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User
    from numpy.typing import NDArray

    from recommender.index import IndexSnapshot
    from recommender.playlists.fields import Values


_UNKNOWN: Final = kept(gettext_noop("Songs whose parts are not known yet are left out."))
_UNKNOWN_OR_MUTE: Final = kept(
    gettext_noop("Songs without lyrics, and songs whose parts are not known yet are left out.")
)
_EARLIER: Final = (
    kept(
        gettext_noop("%(count)s song is left out: analyse again what an earlier release analysed.")
    ),
    kept(
        gettext_noop(
            "%(count)s songs are left out: analyse again what an earlier release analysed."
        )
    ),
)
_MUTE: Final = (
    kept(gettext_noop("%(count)s song is left out: no lyrics in English.")),
    kept(gettext_noop("%(count)s songs are left out: no lyrics in English.")),
)


@register
class SeedSongs(Constraint):
    """None of the songs that the list should resemble."""

    noun = kept(gettext_noop("seed songs"))

    def is_active(self, request: Values) -> bool:
        return bool(request.value("song_ids"))

    def conditions(
        self, snapshot: IndexSnapshot, request: Values, user: User | AnonymousUser | None
    ) -> list[Condition]:
        return all_but([song_id for song_id, _ in request.value("song_ids")])


@register
class KnownParts(Constraint):
    """Only songs whose sound and words are known apart, as far as a request needs them so."""

    noun = kept(gettext_noop("sound and words known apart"))

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
            return [_UNKNOWN_OR_MUTE if needs_words else _UNKNOWN]
        has_sound = self._is_known(snapshot, "by_sound")
        found = []
        if unknown := int(np.count_nonzero(snapshot.alive & ~has_sound)):
            found.append(_counted(_EARLIER, unknown))
        if needs_words:
            mute = snapshot.alive & has_sound & ~self._is_known(snapshot, "by_words")
            if count := int(np.count_nonzero(mute)):
                found.append(_counted(_MUTE, count))
        return found

    @staticmethod
    def _needed(request: Values) -> tuple[str, ...]:
        """Return the columns that have to be known."""
        sign = dict(request.value("weights")).get("contrast", 1.0)
        if request.value("contrast") and sign > 0:
            return ("by_sound", "by_words")
        words = request.value("words_weight")
        return () if words is None else ("by_words",) if words == 1 else ("by_sound",)


def _counted(notes: tuple[str, str], count: int) -> str:
    return notes[count != 1] % {"count": f"{count:,}"}


@register
class RefusedNames(Constraint):
    """None of the songs of artists and albums with a weight below 0; featured artists count."""

    noun = kept(gettext_noop("refused artists and albums"))

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
