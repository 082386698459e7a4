"""What a listener has heard, and what it says of their taste."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from django.contrib.auth.models import AbstractBaseUser

    from recommender.models import Listen


def listen_record(
    *,
    user: AbstractBaseUser,
    song_id: int,
    listened_at: datetime | None = None,
    seconds_played: float | None = None,
) -> Listen:
    """Record that `user` began to hear a song at `listened_at` (default: now), once.

    The same user, song and moment again returns the same row, with the longer time played.
    Raises `PlaylistRequestError` with SONG_NOT_FOUND if there is no such song, and
    REQUEST_INVALID if the moment lies in the future or the seconds are negative.
    """
    raise NotImplementedError
