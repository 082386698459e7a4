"""Listening history: recording listens, and weighting songs by them."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext

from catalog import analysis
from catalog.models import Song
from recommender.errors import PlaylistErrorCode, PlaylistRequestError
from recommender.models import Listen

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime

    from django.contrib.auth.models import User
    from django.db.models import QuerySet

HALF_LIFE: Final = timedelta(days=30)
"""The weight of a listen halves with every such time before the last listen."""
LISTENS_USED: Final = 500
SHOWN_DAYS: Final = 14
SESSION_GAP: Final = timedelta(minutes=30)
"""A session ends where nothing is started for so long, beyond the length of usual songs."""
LEAST_SECONDS: Final = 30.0
"""A song counts as heard after this time, or after half of it; the player does the same."""
HOUR_SPREAD: Final = 2.0
"""Hours; the width of a time of day."""
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
    listen_check(moment, seconds_played, now)
    with transaction.atomic():
        if not Song.objects.filter(pk=song_id).exists():
            raise PlaylistRequestError(
                PlaylistErrorCode.SONG_NOT_FOUND,
                gettext("There is no song %(song_id)s") % {"song_id": song_id},
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


def listen_check(moment: datetime, seconds_played: float | None, now: datetime) -> None:
    """Raise `PlaylistRequestError` for a moment in the future or seconds below 0."""
    if moment > now + _CLOCK_SKEW:
        raise PlaylistRequestError(
            PlaylistErrorCode.REQUEST_INVALID,
            gettext("listened_at is in the future: %(moment)s") % {"moment": moment.isoformat()},
            {"field": "listened_at"},
        )
    if seconds_played is not None and not (math.isfinite(seconds_played) and seconds_played >= 0):
        raise PlaylistRequestError(
            PlaylistErrorCode.REQUEST_INVALID,
            gettext("seconds_played must be 0 or more, not %(seconds_played)s")
            % {"seconds_played": seconds_played},
            {"field": "seconds_played"},
        )


def history_weights(
    *,
    user: User,
    half_life: timedelta = HALF_LIFE,
    is_session: bool = False,
    hour: int | None = None,
) -> dict[int, float]:
    """Return the weight of each song in the taste of `user`, by song id.

    The last `LISTENS_USED` listens count. A listen's weight is the share of the song that was
    played, or 1 if unknown, halved for every `half_life` before the last listen. The current time
    is not used, so the same history always gives the same weights.

    With `is_session`, only the latest listens count that are less than `SESSION_GAP` apart. With
    `hour`, 0 to 23 in the server's time zone, a listen counts by how near it is to that time of
    day: `HOUR_SPREAD` hours away it has 0.61 of its weight, six hours away 0.01.
    """
    listens = list(
        Listen.objects.filter(user_id=user.pk)
        .order_by("-listened_at", "-pk")
        .values_list("song_id", "listened_at", "seconds_played", "song__duration_seconds")[
            :LISTENS_USED
        ]
    )
    if is_session:
        listens = listens[: _session_length([moment for _, moment, _, _ in listens])]
    weights: dict[int, float] = defaultdict(float)
    for song_id, moment, seconds_played, duration in listens:
        share = share_played(seconds_played, duration)
        if hour is not None:
            share *= _nearness_of_hours(moment, hour)
        weights[song_id] += share * 0.5 ** ((listens[0][1] - moment) / half_life)
    return {song_id: weight for song_id, weight in weights.items() if weight > 0}


def places_heard(*, user: User, days: int = SHOWN_DAYS) -> list[tuple[date, float, float]]:
    """Return day, valence and arousal of what `user` heard in the last `days` days, oldest first.

    The days are those of the server's time zone. At most the last `LISTENS_USED` listens count, of
    songs that have an emotion by the model that serves.
    """
    since = timezone.now() - timedelta(days=days)
    heard = (
        Listen.objects.filter(user_id=user.pk, listened_at__gte=since)
        .filter(song__emotions__model_version=analysis.serving_version_in_sql())
        .order_by("-listened_at", "-pk")
        .values_list("listened_at", "song__emotions__valence", "song__emotions__arousal")
    )
    return [
        (timezone.localdate(moment), valence, arousal)
        for moment, valence, arousal in reversed(heard[:LISTENS_USED])
    ]


def share_played(seconds_played: float | None, duration_seconds: float | None) -> float:
    """Return which share of a song a listen played, from 0 to 1; 1 if it is not known."""
    if seconds_played is None or not duration_seconds:
        return 1.0
    return min(1.0, seconds_played / duration_seconds)


def is_play(seconds_played: float | None, duration_seconds: float | None) -> bool:
    """Whether a listen counts: half a minute of a song, or half of it; yes if it is not known."""
    if seconds_played is None or seconds_played >= LEAST_SECONDS:
        return True
    return bool(duration_seconds) and seconds_played >= (duration_seconds or 0.0) / 2


def history_mark(*, user: User) -> tuple[int, float | None] | None:
    """Return a mark of the present history of `user`, which changes with it; None if it is empty.

    A listen that is recorded late, with a moment before the last one, leaves it as it is.
    """
    return (
        Listen.objects.filter(user_id=user.pk)
        .order_by("-listened_at", "-pk")
        .values_list("pk", "seconds_played")
        .first()
    )


def _session_length(moments: Sequence[datetime]) -> int:
    """Return how many of the moments, newest first, belong to the newest session."""
    for number, (later, earlier) in enumerate(itertools.pairwise(moments), start=1):
        if later - earlier >= SESSION_GAP:
            return number
    return len(moments)


def _nearness_of_hours(moment: datetime, hour: int) -> float:
    local = timezone.localtime(moment)
    apart = abs(local.hour + local.minute / 60 - hour - 0.5)
    return math.exp(-(min(apart, 24 - apart) ** 2) / (2 * HOUR_SPREAD**2))


def listens_lately(*, user: User, days: int | None = None) -> QuerySet[Listen]:
    """Return the listens of `user` in the last `days` days, or all, in no order."""
    heard = Listen.objects.filter(user_id=user.pk).order_by()
    if days is not None:
        heard = heard.filter(listened_at__gte=timezone.now() - timedelta(days=days))
    return heard


def songs_heard(*, user: User, days: int | None = None) -> set[int]:
    """Return the ids of the songs that `user` listened to in the last `days` days, or ever.

    The other files of their recordings are among them, also if the file that was heard is gone.
    """
    heard = listens_lately(user=user, days=days)
    recordings = heard.exclude(song__recording=None).values("song__recording")
    files = Song.objects.filter(recording__in=recordings).order_by()
    return {*heard.values_list("song_id", flat=True), *files.values_list("pk", flat=True)}
