"""What a listener's feedback changed, as numbers to show: before and after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from recommender.index import index_snapshot
from recommender.index.protocol import Nearest
from recommender.personal import FEWEST, distances_after, profile_of, songs_at
from recommender.playlists.banned import banned_rows
from recommender.playlists.listed import with_songs

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from catalog.models import Song
    from recommender.index import IndexSnapshot
    from recommender.personal import Calibration, Corrections, Profile, Taste

_PREFERRED: Final = 10
_SEARCHED: Final = 500
_GENRES: Final = 5
_FELT_FROM: Final = 0.02
"""Genres that change a song's taste less are not shown."""


@dataclass(frozen=True, slots=True)
class PlaneShown:
    """How the listener's plane differs from the catalogue's.

    A song in the middle of the plane moves by `valence_shift` and `arousal_shift`. `before` and
    `after` are the mean distances between where the listener placed a song and where it was, and
    where the plane that the other corrections give has it.
    """

    valence_shift: float
    arousal_shift: float
    valence_scale: float
    """How much farther apart songs are along the axis; 1: as in the catalogue."""
    arousal_scale: float
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class PreferredSong:
    """A song without feedback, and how much the listener likes it by the feedback on others."""

    song_id: int
    taste: float
    """From -1 to 1."""


@dataclass(frozen=True, slots=True)
class ProfileShown:
    """What the feedback of a listener comes to now.

    `corrections` is the number of moved songs; `corrections_missing` more change the plane.
    `genres` are pairs of a genre and by how much its songs are liked more.
    """

    corrections: int
    corrections_missing: int
    plane: PlaneShown | None
    genres: tuple[tuple[str, float], ...]
    songs: tuple[tuple[PreferredSong, Song], ...]
    """Songs without feedback, the most liked first."""


def profile_shown(*, user: User) -> ProfileShown:
    """Return what the feedback of `user` changed."""
    snapshot = index_snapshot()
    profile = profile_of(user, snapshot)
    if profile is None:
        return ProfileShown(0, FEWEST, None, (), ())
    count = len(profile.moved)
    songs = () if profile.taste is None else _preferred(profile, profile.taste, user, snapshot)
    return ProfileShown(
        corrections=count,
        corrections_missing=max(0, FEWEST - count),
        plane=_plane(profile.calibration, profile.corrections),
        genres=() if profile.taste is None else _genres(profile.taste),
        songs=tuple(with_songs(songs, model_version=snapshot.model_version)),
    )


def _plane(calibration: Calibration | None, corrections: Corrections) -> PlaneShown | None:
    if calibration is None:
        return None
    said, felt = corrections.said, corrections.felt
    return PlaneShown(
        valence_shift=float(calibration.shift[0]),
        arousal_shift=float(calibration.shift[1]),
        valence_scale=1.0 + float(calibration.scale[0, 0]),
        arousal_scale=1.0 + float(calibration.scale[1, 1]),
        before=float(np.linalg.norm(said - felt, axis=1).mean()),
        after=float(distances_after(said, felt).mean()),
    )


def _genres(taste: Taste) -> tuple[tuple[str, float], ...]:
    most = sorted(taste.genres.items(), key=lambda one: (-abs(one[1]), one[0]))[:_GENRES]
    return tuple((name, value) for name, value in most if abs(value) >= _FELT_FROM)


def _preferred(
    profile: Profile, taste: Taste, user: User, snapshot: IndexSnapshot
) -> tuple[PreferredSong, ...]:
    """Return the songs that the listener likes most, among those of the right sound."""
    length = float(np.linalg.norm(taste.direction))
    if not length or not snapshot.song_count:
        return ()
    direction = (taste.direction / length).astype(np.float32)
    snapshot = snapshot.narrowed(profile.spoken, [Nearest(direction, _SEARCHED)])
    allowed = snapshot.alive & ~snapshot.same_recordings(profile.spoken)
    banned = banned_rows(snapshot, user)
    if banned is not None:
        allowed &= ~banned
    found = snapshot.search_fused(direction, _SEARCHED, allowed)[1]
    rows = snapshot.one_per_recording(found, allowed)
    tastes = taste.of(songs_at(snapshot, rows))
    order = np.lexsort((snapshot.song_ids[rows], -tastes))[:_PREFERRED]
    return tuple(
        PreferredSong(song_id, value)
        for song_id, value in zip(
            snapshot.song_ids[rows[order]].tolist(), tastes[order].tolist(), strict=True
        )
        if value > 0
    )
