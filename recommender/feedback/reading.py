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
    rows = list(SongFeedback.objects.filter(user_id=user_id).order_by("pk"))
    skips = Skip.objects.filter(user_id=user_id).order_by("-skipped_at", "-pk")
    bans = ArtistBan.objects.filter(user_id=user_id).order_by("artist_id")
    return Feedback(
        revision=revision,
        likes=tuple(
            sorted(
                (Like(row.song_id, row.liked_at) for row in rows if row.liked_at),
                key=lambda like: like.when,
            )
        ),
        banned_songs=tuple(row.song_id for row in rows if row.banned_at),
        banned_artists=tuple(bans.values_list("artist_id", flat=True)),
        ratings=tuple(
            sorted(
                (
                    Rating(row.song_id, row.stars, row.rated_at)
                    for row in rows
                    if row.stars is not None and row.rated_at
                ),
                key=lambda rating: rating.when,
            )
        ),
        skips=tuple(
            SkippedSong(*values)
            for values in reversed(
                skips.values_list("song_id", "share_played", "skipped_at")[:SKIPS_USED]
            )
        ),
        corrections=_corrections(rows),
    )


def _corrections(rows: list[SongFeedback]) -> tuple[Correction, ...]:
    found = [
        Correction(
            row.song_id,
            row.felt_valence,
            row.felt_arousal,
            row.said_valence,
            row.said_arousal,
            row.felt_at,
            row.said_version,
        )
        for row in rows
        if row.felt_valence is not None
        and row.felt_arousal is not None
        and row.said_valence is not None
        and row.said_arousal is not None
        and row.felt_at is not None
    ]
    return tuple(sorted(found, key=lambda one: one.when))
