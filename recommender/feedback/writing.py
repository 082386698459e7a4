"""Noting feedback and taking it back; every call may be repeated."""

from __future__ import annotations

import enum
import math
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext

from catalog import analysis
from catalog.models import Song, SongEmotion
from recommender.errors import PlaylistErrorCode, PlaylistRequestError
from recommender.models import ArtistBan, FeedbackRevision, Playlist, Skip, SongFeedback

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from django.contrib.auth.models import User
    from django.db.models import QuerySet

    from catalog.models import Artist

_CLOCK_SKEW: Final = timedelta(minutes=5)


class FeedbackKind(enum.StrEnum):
    """What a listener can say."""

    LIKE = "like"
    BAN = "ban"
    RATING = "rating"
    MOOD = "mood"
    SKIP = "skip"
    ARTIST_BAN = "artist_ban"


_NOTHING_SAID: Final[Mapping[FeedbackKind, Mapping[str, Any]]] = {
    FeedbackKind.LIKE: {"liked_at": None},
    FeedbackKind.BAN: {"banned_at": None},
    FeedbackKind.RATING: {"stars": None, "rated_at": None},
    FeedbackKind.MOOD: {
        "felt_valence": None,
        "felt_arousal": None,
        "said_valence": None,
        "said_arousal": None,
        "said_version": "",
        "felt_at": None,
    },
}
"""The columns of each kind in a row of a song that says nothing of it."""


def song_like(*, user: User, song_id: int) -> None:
    """Note that `user` likes a song; a ban of it ends. Raises SONG_NOT_FOUND."""
    _mark(user, song_id, FeedbackKind.LIKE, ends=FeedbackKind.BAN)


def song_ban(*, user: User, song_id: int) -> None:
    """Note that `user` wants no file of a song's recording; a like ends. Raises SONG_NOT_FOUND."""
    _mark(user, song_id, FeedbackKind.BAN, ends=FeedbackKind.LIKE)


def song_rate(*, user: User, song_id: int, stars: int) -> None:
    """Give a song one to five stars. Raises SONG_NOT_FOUND or REQUEST_INVALID."""
    if not 1 <= stars <= 5:
        raise _invalid("stars", f"must be 1 to 5, not {stars}")
    _write(user, song_id, FeedbackKind.RATING, {"stars": stars, "rated_at": timezone.now()})


def song_place(*, user: User, song_id: int, valence: float, arousal: float) -> None:
    """Note where `user` places a song, in [0, 1], and where the catalogue has it now.

    Raises SONG_NOT_FOUND, SONG_NOT_ANALYSED or REQUEST_INVALID.
    """
    for name, value in (("valence", valence), ("arousal", arousal)):
        if not (math.isfinite(value) and 0 <= value <= 1):
            raise _invalid(name, f"must be from 0 to 1, not {value}")
    emotion = SongEmotion.objects.filter(
        song=song_id, model_version=analysis.serving_version_in_sql()
    ).first()
    if emotion is None:
        _song(song_id)
        raise PlaylistRequestError(
            PlaylistErrorCode.SONG_NOT_ANALYSED,
            gettext("Song %(song_id)s is not analysed yet, so it has no mood to correct")
            % {"song_id": song_id},
            {"song_ids": [song_id]},
        )
    values = {
        "felt_valence": valence,
        "felt_arousal": arousal,
        "said_valence": emotion.valence,
        "said_arousal": emotion.arousal,
        "said_version": emotion.model_version,
        "felt_at": timezone.now(),
    }
    _write(user, song_id, FeedbackKind.MOOD, values)


def song_unmark(*, user: User, song_id: int, kind: FeedbackKind) -> None:
    """Take back what `user` said of a song's recording. Raises SONG_NOT_FOUND."""
    with transaction.atomic():
        song = _song(song_id)
        feedback_revise(user)
        if kind == FeedbackKind.SKIP:
            Skip.objects.filter(user=user, song__in=_files(song)).delete()
        else:
            _clear(user, _files(song), kind)


def song_skip(
    *,
    user: User,
    song_id: int,
    skipped_at: datetime | None = None,
    seconds_played: float | None = None,
    share_played: float | None = None,
    playlist_id: uuid.UUID | None = None,
) -> Skip:
    """Note that `user` left a song early; a second call for one moment changes nothing.

    The share that was played is computed from the seconds where it is not given and the length of
    the song is known. Raises SONG_NOT_FOUND, or REQUEST_INVALID for a moment in the future, a
    number out of range, or a playlist that is not the user's.
    """
    now = timezone.now()
    moment = skipped_at or now
    if moment > now + _CLOCK_SKEW:
        raise _invalid("skipped_at", f"is in the future: {moment.isoformat()}")
    if seconds_played is not None and not (math.isfinite(seconds_played) and seconds_played >= 0):
        raise _invalid("seconds_played", f"must be 0 or more, not {seconds_played}")
    if share_played is not None and not (math.isfinite(share_played) and 0 <= share_played <= 1):
        raise _invalid("share_played", f"must be from 0 to 1, not {share_played}")
    if playlist_id and not Playlist.objects.filter(pk=playlist_id, user=user).exists():
        raise _invalid("playlist_id", f"is no playlist of yours: {playlist_id}")
    with transaction.atomic():
        song = _song(song_id)
        if share_played is None and seconds_played is not None and song.duration_seconds:
            share_played = min(1.0, seconds_played / song.duration_seconds)
        feedback_revise(user)
        skip, _ = Skip.objects.get_or_create(
            user=user,
            song=song,
            skipped_at=moment,
            defaults={
                "seconds_played": seconds_played,
                "share_played": share_played,
                "playlist_id": playlist_id,
            },
        )
    return skip


def artist_ban(*, user: User, artist: Artist) -> None:
    """Note that `user` wants no song of an artist."""
    with transaction.atomic():
        feedback_revise(user)
        ArtistBan.objects.get_or_create(
            user=user, artist=artist, defaults={"banned_at": timezone.now()}
        )


def artist_unban(*, user: User, artist: Artist) -> None:
    """End the ban of an artist."""
    with transaction.atomic():
        feedback_revise(user)
        ArtistBan.objects.filter(user=user, artist=artist).delete()


def feedback_reset(*, user: User, kind: FeedbackKind | None = None) -> None:
    """Forget what `user` said, or what of one kind."""
    with transaction.atomic():
        feedback_revise(user)
        if kind in {None, FeedbackKind.SKIP}:
            Skip.objects.filter(user=user).delete()
        if kind in {None, FeedbackKind.ARTIST_BAN}:
            ArtistBan.objects.filter(user=user).delete()
        if kind is None:
            SongFeedback.objects.filter(user=user).delete()
        elif kind in _NOTHING_SAID:
            _clear(user, None, kind)


def _mark(user: User, song_id: int, kind: FeedbackKind, *, ends: FeedbackKind) -> None:
    """Write the moment of a like or a ban, unless it is there, and end its opposite."""
    (column,) = _NOTHING_SAID[kind]
    with transaction.atomic():
        song = _song(song_id)
        feedback_revise(user)
        _clear(user, _files(song), ends)
        said = SongFeedback.objects.filter(user=user, song__in=_files(song))
        if not said.exclude(**{column: None}).exists():
            _set(user, song, {column: timezone.now()})


def _write(user: User, song_id: int, kind: FeedbackKind, values: Mapping[str, Any]) -> None:
    """Write what is said of a song in the place of what was said of any file of its recording."""
    with transaction.atomic():
        song = _song(song_id)
        feedback_revise(user)
        _clear(user, _files(song), kind)
        _set(user, song, values)


def _set(user: User, song: Song, values: Mapping[str, Any]) -> None:
    SongFeedback.objects.update_or_create(user=user, song=song, defaults=dict(values))


def _clear(user: User, songs: QuerySet[Song] | None, kind: FeedbackKind) -> None:
    """Take what was said of songs, or of all, out of their rows; rows that say nothing go."""
    rows = SongFeedback.objects.filter(user=user)
    if songs is not None:
        rows = rows.filter(song__in=songs)
    rows.update(**_NOTHING_SAID[kind])
    rows.filter(liked_at=None, banned_at=None, rated_at=None, felt_at=None).delete()


def _song(song_id: int) -> Song:
    found = Song.objects.filter(pk=song_id).only("recording_id", "duration_seconds").first()
    if found is None:
        raise PlaylistRequestError(
            PlaylistErrorCode.SONG_NOT_FOUND,
            gettext("There is no song %(song_id)s") % {"song_id": song_id},
            {"song_ids": [song_id]},
        )
    return found


def _files(song: Song) -> QuerySet[Song]:
    """Return the songs that are files of a song's recording, itself among them."""
    songs = Song.objects.order_by()
    if song.recording_id is None:
        return songs.filter(pk=song.pk)
    return songs.filter(recording=song.recording_id)


def feedback_revise(user: User) -> None:
    """Mark the feedback as changed; others who write that of the user wait until this is done."""
    FeedbackRevision.objects.update_or_create(user=user, defaults={"revision": uuid.uuid4()})


def _invalid(field: str, problem: str) -> PlaylistRequestError:
    return PlaylistRequestError(
        PlaylistErrorCode.REQUEST_INVALID,
        f"{field} {problem}",
        {"field": field},
    )
