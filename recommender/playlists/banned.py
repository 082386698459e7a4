"""The songs that a listener banned, or whose artists are banned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext_noop

from catalog.models import SongCredit
from catalog.retold import kept
from recommender.feedback import feedback_of
from recommender.index.protocol import SAME_RECORDING, Condition

if TYPE_CHECKING:
    import numpy as np
    from django.contrib.auth.models import AnonymousUser, User
    from numpy.typing import NDArray

    from recommender.index import IndexSnapshot

BANNED_NOUN: Final = kept(gettext_noop("songs and artists that you banned"))
"""What is left out, in messages."""


def banned_rows(
    snapshot: IndexSnapshot, user: User | AnonymousUser | None
) -> NDArray[np.bool_] | None:
    """Return the mask of the rows that are not for this listener; None if there are none.

    They are all files of the banned recordings, and all songs of the banned artists, featured ones
    included.
    """
    feedback = feedback_of(user)
    songs = [*feedback.banned_songs]
    if feedback.banned_artists:
        # The columns of the snapshot name only the first artists of a song.
        credits = SongCredit.objects.filter(artist_id__in=feedback.banned_artists).order_by()
        songs += credits.values_list("song_id", flat=True)
    if not songs:
        return None
    banned = snapshot.same_recordings(songs)
    return banned if (banned & snapshot.alive).any() else None


def banned_conditions(user: User | AnonymousUser | None) -> list[Condition]:
    """Return the conditions with which an engine leaves out what is banned.

    They may leave in a song with many credited artists, which `banned_rows` then leaves out.
    """
    feedback = feedback_of(user)
    found = []
    if feedback.banned_songs:
        found.append(Condition(SAME_RECORDING, any_of=feedback.banned_songs, is_refused=True))
    if feedback.banned_artists:
        found.append(Condition("credits", any_of=feedback.banned_artists, is_refused=True))
    return found
