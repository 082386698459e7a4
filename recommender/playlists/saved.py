"""Playlists that a user keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from catalog.models import Song
from mer.affect import AffectPoint
from recommender.models import Playlist, PlaylistEntry
from recommender.playlists.naming import playlist_name

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

    from recommender.playlists.generate import GeneratedPlaylist


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
        understood=[part.to_json() for part in generated.understood],
        not_understood=list(generated.not_understood),
        target={"valence": generated.valence, "arousal": generated.arousal},
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


def last_target(user: User | AnonymousUser) -> AffectPoint | None:
    """Return the target of the list that a user kept last, None if there is none."""
    if not user.is_authenticated:
        return None
    own = Playlist.objects.filter(user_id=user.pk, station__isnull=True)
    target = own.values_list("target", flat=True).first()
    return AffectPoint(target["valence"], target["arousal"]) if target else None
