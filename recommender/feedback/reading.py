"""The feedback of one listener as plain data."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from recommender.models import ArtistBan, FeedbackRevision, Skip, SongFeedback

if TYPE_CHECKING:
    from datetime import datetime

    from django.contrib.auth.models import AnonymousUser, User

SKIPS_USED: Final = 1_000
"""The last skips of a listener count, and no earlier ones."""
_KEPT: Final = 256
"""A process keeps the feedback of so many listeners."""


class Like(NamedTuple):
    """A song that the listener likes."""

    song_id: int
    when: datetime


class Rating(NamedTuple):
    """A song with one to five stars."""

    song_id: int
    stars: int
    when: datetime


class SkippedSong(NamedTuple):
    """A song that was left early, and the share of it that was played; None if not known."""

    song_id: int
    fraction_heard: float | None
    when: datetime


class Correction(NamedTuple):
    """Where the listener places a song, and where the catalogue had it then; all in [0, 1]."""

    song_id: int
    valence: float
    arousal: float
    said_valence: float
    said_arousal: float
    when: datetime
    said_version: str
    """The model version that had said so."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """All that counts of what one listener said; what has a moment is in its order, oldest first.

    `revision` is another one after each change, and empty if nothing was ever said. Songs are
    named by one of the files of their recording.
    """

    revision: str = ""
    likes: tuple[Like, ...] = ()
    banned_songs: tuple[int, ...] = ()
    banned_artists: tuple[int, ...] = ()
    ratings: tuple[Rating, ...] = ()
    skips: tuple[SkippedSong, ...] = ()
    corrections: tuple[Correction, ...] = ()


_NOTHING: Final = Feedback()
_kept: OrderedDict[int, Feedback] = OrderedDict()
_lock: Final = threading.Lock()


def feedback_of(user: User | AnonymousUser | None) -> Feedback:
    """Return the feedback of a listener, in one small query unless it has changed.

    It is empty without a login.
    """
    if user is None or not user.is_authenticated or user.pk is None:
        return _NOTHING
    # Read before the rows: if they are newer, the next call reads them again.
    found = FeedbackRevision.objects.filter(pk=user.pk).values_list("revision", flat=True).first()
    if found is None:
        return _NOTHING
    with _lock:
        kept = _kept.get(user.pk)
        if kept is not None and kept.revision == found.hex:
            _kept.move_to_end(user.pk)
            return kept
    feedback = _read(user.pk, found.hex)
    with _lock:
        _kept[user.pk] = feedback
        _kept.move_to_end(user.pk)
        while len(_kept) > _KEPT:
            _kept.popitem(last=False)
    return feedback


def _read(user_id: int, revision: str) -> Feedback:
    # Values, not objects: a listener may have said something of a hundred thousand songs.
    rows = (
        SongFeedback.objects.filter(user_id=user_id)
        .order_by("pk")
        .values_list(
            *("song_id", "liked_at", "banned_at", "stars", "rated_at"),
            *("felt_valence", "felt_arousal", "said_valence", "said_arousal", "felt_at"),
            "said_version",
        )
    )
    skips = Skip.objects.filter(user_id=user_id).order_by("-skipped_at", "-pk")
    artists = ArtistBan.objects.filter(user_id=user_id).order_by("artist_id")
    likes, banned, ratings, corrections = [], [], [], []
    for song_id, liked_at, banned_at, stars, rated_at, *felt in rows:
        if liked_at:
            likes.append(Like(song_id, liked_at))
        if banned_at:
            banned.append(song_id)
        if stars is not None and rated_at:
            ratings.append(Rating(song_id, stars, rated_at))
        if None not in felt:
            corrections.append(Correction(song_id, *felt))
    return Feedback(
        revision=revision,
        likes=tuple(sorted(likes, key=lambda one: one.when)),
        banned_songs=tuple(banned),
        banned_artists=tuple(artists.values_list("artist_id", flat=True)),
        ratings=tuple(sorted(ratings, key=lambda one: one.when)),
        skips=tuple(
            SkippedSong(*values)
            for values in reversed(
                skips.values_list("song_id", "share_played", "skipped_at")[:SKIPS_USED]
            )
        ),
        corrections=tuple(sorted(corrections, key=lambda one: one.when)),
    )
