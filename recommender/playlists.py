"""Playlists: from a request to songs with scores and reasons, and keeping them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

from recommender.requests import PlaylistRequest

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser
    from django.db.models import QuerySet

    from recommender import models

__all__ = [
    "EntryReason",
    "GeneratedEntry",
    "GeneratedPlaylist",
    "PlaylistRequest",
    "SimilarSong",
    "playlist_entries",
    "playlist_generate",
    "playlist_save",
    "songs_similar",
]


class EntryReason(TypedDict):
    """Why a song is in a list; plain JSON."""

    distance: float
    """From the target on the valence-arousal plane, in [0, sqrt(2)]."""
    valence: float
    arousal: float
    shared_emotions: list[str]
    """Up to three of the eight emotions that the target asks for and the song has, best first."""
    modality: str
    """What weighed most in judging the song: audio, lyrics or context."""
    sentence: str
    """The same in words, for people."""


@dataclass(frozen=True, slots=True)
class GeneratedEntry:
    """One song of a generated list, in its place; `score` is in [0, 1]."""

    song_id: int
    score: float
    reason: EntryReason


@dataclass(frozen=True, slots=True)
class GeneratedPlaylist:
    """A list in playing order, with all that is needed to make it again.

    `valence`, `arousal` and `emotions` are the target that the request came to; `notes` say in
    words what the listener should know, such as why there are fewer songs than asked for.
    """

    request: PlaylistRequest
    seed: int
    model_version: str
    valence: float
    arousal: float
    emotions: dict[str, float]
    entries: tuple[GeneratedEntry, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SimilarSong:
    """A song and its cosine similarity to the one asked about, in [-1, 1]."""

    song_id: int
    similarity: float


def playlist_generate(
    *, request: PlaylistRequest, user: AbstractBaseUser | None = None
) -> GeneratedPlaylist:
    """Return between one and `request.count` songs, all there and analysed, none twice.

    The same request with the same seed over the same catalogue gives the same list. Nothing is
    written. Raises `PlaylistRequestError` when no list can be made; its code says why.
    """
    raise NotImplementedError


def playlist_save(
    *, user: AbstractBaseUser, generated: GeneratedPlaylist, name: str = ""
) -> models.Playlist:
    """Keep a generated list for `user`, whole or not at all; without a name one is made up.

    Songs deleted since it was generated are left out.
    """
    raise NotImplementedError


def playlist_entries(*, playlist: models.Playlist) -> QuerySet[models.PlaylistEntry]:
    """Return the entries of a kept list in order, with their songs and libraries loaded."""
    raise NotImplementedError


def songs_similar(*, song_id: int, k: int = 20) -> list[SimilarSong]:
    """Return up to `k` other songs that sound and read most alike, best first.

    Raises `PlaylistRequestError` with SONG_NOT_FOUND or SONG_NOT_ANALYSED.
    """
    raise NotImplementedError
