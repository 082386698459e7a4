"""Listening history: recording listens, and weighting songs by them."""

from __future__ import annotations

import math
from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from django.db import transaction
from django.utils import timezone

from catalog.models import Song
from recommender.errors import PlaylistErrorCode, PlaylistRequestError
from recommender.models import Listen

if TYPE_CHECKING:
    from datetime import datetime

    from django.contrib.auth.models import User

HALF_LIFE: Final = timedelta(days=30)
"""The weight of a listen halves with every such time before the last listen."""
LISTENS_USED: Final = 500
_CLOCK_SKEW: Final = timedelta(minutes=5)


def listen_record(
    *,
    user: User,
    song_id: int,
    listened_at: datetime | None = None,
    seconds_played: float | None = None,
) -> Listen:
    """Record that `user` started a song at `listened_at` (default: now).

    A second call with the same user, song and moment returns the same row, with the longer time
    played. Raises `PlaylistRequestError`: SONG_NOT_FOUND if there is no such song, REQUEST_INVALID
    if the moment is in the future or the seconds are negative.
    """
    now = timezone.now()
    moment = listened_at or now
    if moment > now + _CLOCK_SKEW:
        raise PlaylistRequestError(
            PlaylistErrorCode.REQUEST_INVALID,
            f"listened_at is in the future: {moment.isoformat()}",
            {"field": "listened_at"},
        )
    if seconds_played is not None and not (math.isfinite(seconds_played) and seconds_played >= 0):
        raise PlaylistRequestError(
            PlaylistErrorCode.REQUEST_INVALID,
            f"seconds_played must be 0 or more, not {seconds_played}",
            {"field": "seconds_played"},
        )
    with transaction.atomic():
        if not Song.objects.filter(pk=song_id).exists():
            raise PlaylistRequestError(
                PlaylistErrorCode.SONG_NOT_FOUND,
                f"There is no song {song_id}",
                {"song_ids": [song_id]},
            )
        listen, is_new = Listen.objects.select_for_update().get_or_create(
            user=user,
            song_id=song_id,
            listened_at=moment,
            defaults={"seconds_played": seconds_played},
        )
        if not is_new and (seconds_played or 0.0) > (listen.seconds_played or 0.0):
            listen.seconds_played = seconds_played
            listen.save(update_fields=["seconds_played"])
    return listen


def history_weights(*, user: User) -> dict[int, float]:
    """Return the weight of each song in the taste of `user`, by song id.

    The last `LISTENS_USED` listens count. A listen's weight is the share of the song that was
    played, or 1 if unknown, halved for every `HALF_LIFE` before the last listen. The current time
    is not used, so the same history always gives the same weights.
    """
    listens = list(
        Listen.objects.filter(user_id=user.pk)
        .order_by("-listened_at", "-pk")
        .values_list("song_id", "listened_at", "seconds_played", "song__duration_seconds")[
            :LISTENS_USED
        ]
    )
    weights: dict[int, float] = defaultdict(float)
    for song_id, moment, seconds_played, duration in listens:
        share = 1.0
        if seconds_played is not None and duration:
            share = min(1.0, seconds_played / duration)
        weights[song_id] += share * 0.5 ** ((listens[0][1] - moment) / HALF_LIFE)
    return {song_id: weight for song_id, weight in weights.items() if weight > 0}


def songs_heard(*, user: User, days: int) -> set[int]:
    """Return the ids of the songs that `user` listened to in the last `days` days.

    The other files of their recordings are among them, also if the file that was heard is gone.
    """
    since = timezone.now() - timedelta(days=days)
    heard = Listen.objects.filter(user_id=user.pk, listened_at__gte=since)
    recordings = heard.exclude(song__recording=None).values("song__recording")
    files = Song.objects.filter(recording__in=recordings).order_by()
    return {*heard.values_list("song_id", flat=True), *files.values_list("pk", flat=True)}
