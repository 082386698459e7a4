"""What a listener said of the songs that a page or an answer shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from catalog.models import Song, SongCredit
from recommender.feedback.reading import Correction, feedback_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

    from django.contrib.auth.models import AnonymousUser, User


@dataclass(frozen=True, slots=True)
class SongMarks:
    """What a listener said of a song, by any file of its recording."""

    is_liked: bool = False
    is_banned: bool = False
    """The song itself, or one of its artists."""
    stars: int | None = None
    liked_at: datetime | None = None
    correction: Correction | None = None


def marks_of_songs(
    *, user: User | AnonymousUser | None, song_ids: Collection[int]
) -> dict[int, SongMarks]:
    """Return what the listener said of each song, in at most three queries for all of them."""
    feedback = feedback_of(user)
    if not feedback.revision or not song_ids:
        return dict.fromkeys(song_ids, SongMarks())
    recordings = _recordings([*song_ids])
    said = {
        *(like.song_id for like in feedback.likes),
        *feedback.banned_songs,
        *(rating.song_id for rating in feedback.ratings),
        *(correction.song_id for correction in feedback.corrections),
    }
    same = _files(recordings, said)
    banned = set(feedback.banned_songs)
    liked = {like.song_id: like.when for like in feedback.likes}
    stars = {rating.song_id: rating.stars for rating in feedback.ratings}
    corrections = {correction.song_id: correction for correction in feedback.corrections}
    refused = _songs_of_artists(song_ids, feedback.banned_artists)
    return {
        song_id: SongMarks(
            is_liked=any(file in liked for file in files),
            liked_at=next((liked[file] for file in files if file in liked), None),
            is_banned=song_id in refused or not banned.isdisjoint(files),
            stars=next((stars[file] for file in files if file in stars), None),
            correction=next((corrections[file] for file in files if file in corrections), None),
        )
        for song_id, files in ((one, same[one]) for one in song_ids)
    }


def _recordings(song_ids: Collection[int]) -> dict[int, int | None]:
    return dict(Song.objects.filter(pk__in=song_ids).values_list("pk", "recording_id").order_by())


def _files(recordings: dict[int, int | None], said: Iterable[int]) -> dict[int, list[int]]:
    """Return, for each song, those of `said` that are files of its recording, its own first."""
    several = {recording for recording in recordings.values() if recording is not None}
    files: dict[int, list[int]] = {}
    if several:
        said = set(said)
        for pk, recording in (
            Song.objects.filter(recording__in=several).order_by("pk").values_list("pk", "recording")
        ):
            if pk in said:
                files.setdefault(recording, []).append(pk)
    return {
        pk: [pk, *(file for file in files.get(recording or 0, ()) if file != pk)]
        for pk, recording in recordings.items()
    }


def _songs_of_artists(song_ids: Collection[int], artists: Collection[int]) -> set[int]:
    if not artists:
        return set()
    credits = SongCredit.objects.filter(song_id__in=song_ids, artist_id__in=artists)
    return set(credits.values_list("song_id", flat=True))
