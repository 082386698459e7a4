"""Playlists that a user keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from catalog.models import Song
from recommender.models import Playlist, PlaylistEntry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.contrib.auth.models import User

    from recommender.playlists.generate import GeneratedPlaylist
    from recommender.playlists.request import PlaylistRequest


@transaction.atomic
def playlist_save(*, user: User, generated: GeneratedPlaylist, name: str = "") -> Playlist:
    """Keep a generated list for `user`, whole or not at all; without a name one is made up.

    Songs deleted since it was generated are left out.
    """
    there = set(
        Song.objects.filter(pk__in=[entry.song_id for entry in generated.entries]).values_list(
            "pk", flat=True
        )
    )
    playlist = Playlist.objects.create(
        user_id=user.pk,
        name=name.strip()[:200] or playlist_name(generated.request),
        request=generated.request.to_json(),
        seed=generated.seed,
        model_version=generated.model_version,
        notes=list(generated.notes),
    )
    kept = [entry for entry in generated.entries if entry.song_id in there]
    PlaylistEntry.objects.bulk_create(
        PlaylistEntry(
            playlist=playlist,
            position=position,
            song_id=entry.song_id,
            score=entry.score,
            reason=dict(entry.reason),
        )
        for position, entry in enumerate(kept)
    )
    return playlist


def playlist_name(request: PlaylistRequest) -> str:
    """Return a name made of the targets of a request."""
    parts = [name.capitalize() for name, _ in request.moods]
    if request.point is not None:
        parts.append(f"Valence {request.point.valence:.2f}, arousal {request.point.arousal:.2f}")
    if request.text:
        parts.append(f"“{' '.join(request.text.split())}”")
    if request.song_ids:
        parts.append(f"Like {_titles(request.song_ids)}")
    if request.history:
        parts.append("From my listening")
    return " + ".join(parts)[:200]


def _titles(song_ids: Sequence[int]) -> str:
    titles = dict(Song.objects.filter(pk__in=song_ids).values_list("pk", "title"))
    return ", ".join(titles.get(song_id) or f"song {song_id}" for song_id in song_ids)
