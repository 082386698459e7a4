"""What a listener said, one thing a row, for lists of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from recommender.feedback.reading import SKIPS_USED
from recommender.feedback.writing import FeedbackKind
from recommender.models import ArtistBan, Skip, SongFeedback

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from django.contrib.auth.models import User

    from catalog.models import Artist, Song


@dataclass(frozen=True, slots=True)
class FeedbackItem:
    """One thing that a listener said; what does not belong to its kind is None."""

    kind: FeedbackKind
    when: datetime
    song: Song | None = None
    artist: Artist | None = None
    stars: int | None = None
    share_played: float | None = None
    valence: float | None = None
    arousal: float | None = None
    said_valence: float | None = None
    said_arousal: float | None = None

    @property
    def name(self) -> str:
        """The title of the song, or the name of the artist."""
        if self.song is not None:
            return self.song.shown_title
        return "" if self.artist is None else self.artist.name


def feedback_items(*, user: User, kind: FeedbackKind | None = None) -> list[FeedbackItem]:
    """Return what `user` said, or what of one kind, the newest first; of skips the last 1000."""
    found = [*_of_songs(user), *_skips(user), *_of_artists(user)]
    chosen = [item for item in found if kind in {None, item.kind}]
    return sorted(chosen, key=lambda item: item.when, reverse=True)


_SHOWN = ("song__title", "song__artist", "song__relative_path")


def _of_songs(user: User) -> Iterator[FeedbackItem]:
    own = [f.name for f in SongFeedback._meta.concrete_fields]
    rows = SongFeedback.objects.filter(user=user).select_related("song").only(*own, *_SHOWN)
    for row in rows.order_by("-pk"):
        if row.liked_at:
            yield FeedbackItem(FeedbackKind.LIKE, row.liked_at, row.song)
        if row.banned_at:
            yield FeedbackItem(FeedbackKind.BAN, row.banned_at, row.song)
        if row.rated_at:
            yield FeedbackItem(FeedbackKind.RATING, row.rated_at, row.song, stars=row.stars)
        if row.felt_at:
            yield FeedbackItem(
                FeedbackKind.MOOD,
                row.felt_at,
                row.song,
                valence=row.felt_valence,
                arousal=row.felt_arousal,
                said_valence=row.said_valence,
                said_arousal=row.said_arousal,
            )


def _skips(user: User) -> Iterator[FeedbackItem]:
    rows = Skip.objects.filter(user=user).select_related("song")
    rows = rows.only("song", "skipped_at", "share_played", *_SHOWN)
    for row in rows.order_by("-skipped_at", "-pk")[:SKIPS_USED]:
        yield FeedbackItem(
            FeedbackKind.SKIP, row.skipped_at, row.song, share_played=row.share_played
        )


def _of_artists(user: User) -> Iterator[FeedbackItem]:
    for row in ArtistBan.objects.filter(user=user).select_related("artist").order_by("-pk"):
        yield FeedbackItem(FeedbackKind.ARTIST_BAN, row.banned_at, artist=row.artist)
