"""Playlists: from a request to songs with scores and reasons, and keeping them."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypedDict

import numpy as np
from django.db import transaction

from catalog.models import Song, SongEmotion
from mer.affect import EMOTIONS
from recommender.errors import PlaylistErrorCode, PlaylistRequestError
from recommender.history import songs_heard
from recommender.index import IndexSnapshot, index_snapshot
from recommender.models import Playlist, PlaylistEntry
from recommender.playlists import sequencing
from recommender.playlists.request import PlaylistRequest
from recommender.playlists.targets import (
    Target,
    scores_of,
    song_unusable_error,
    target_of_request,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.contrib.auth.models import AnonymousUser, User
    from django.db.models import QuerySet
    from numpy.typing import NDArray

__all__ = [
    "EntryReason",
    "GeneratedEntry",
    "GeneratedPlaylist",
    "PlaylistRequest",
    "SimilarSong",
    "playlist_entries",
    "playlist_generate",
    "playlist_name",
    "playlist_save",
    "songs_similar",
]

ALL_SCORED: Final = 50_000
"""Up to so many songs, every one is scored; of more, those nearest in either space."""
_CANDIDATES: Final = 5_000
_DRAWN_SEEDS: Final = 2**31
_SHARED_EMOTIONS: Final = 3
_SHARED_FROM: Final = 0.5
"""An emotion is shared where the song has more of it than this share of the catalogue."""
_ASKED_FROM: Final = 0.15
"""An emotion is asked for where the target has at least so much of it: words touch all eight."""
_MODALITY_WORDS: Final = {
    "audio": "its sound",
    "lyrics": "its words",
    "context": "its title and artist",
}


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
    *, request: PlaylistRequest, user: User | AnonymousUser | None = None
) -> GeneratedPlaylist:
    """Return between one and `request.count` songs, all there and analysed, none twice.

    The same request with the same seed over the same catalogue gives the same list. Nothing is
    written. Raises `PlaylistRequestError` when no list can be made; its code says why.
    """
    snapshot = _snapshot_with_songs()
    seed = secrets.randbelow(_DRAWN_SEEDS) if request.seed is None else request.seed
    target = target_of_request(request, snapshot, user)
    allowed = _allowed(request, snapshot, user)
    while True:
        if not allowed.any():
            raise PlaylistRequestError(
                PlaylistErrorCode.NO_SONG_MATCHES,
                "No song is left after genre, years and exclusions; ask for less",
            )
        rows, scores, notes = _chosen(request, seed, snapshot, target, allowed)
        emotions = _emotions_now(snapshot, rows)
        gone = _gone(snapshot, rows, emotions)
        if not gone:
            break
        # Deleted since the snapshot was taken: choose again without them.
        allowed[gone] = False
    return GeneratedPlaylist(
        request=request,
        seed=seed,
        model_version=snapshot.model_version,
        valence=float(target.place[0]),
        arousal=float(target.place[1]),
        emotions={
            name: float(weight)
            for name, weight in zip(EMOTIONS, target.emotions, strict=True)
            if weight
        },
        entries=tuple(
            GeneratedEntry(
                song_id=int(snapshot.song_ids[row]),
                score=float(score),
                reason=_reason(target, snapshot, row, emotions[int(snapshot.song_ids[row])]),
            )
            for row, score in zip(rows.tolist(), scores.tolist(), strict=True)
        ),
        notes=notes,
    )


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


def playlist_entries(*, playlist: Playlist) -> QuerySet[PlaylistEntry]:
    """Return the entries of a kept list in order, with their songs and libraries loaded."""
    return playlist.entries.select_related("song__library").order_by("position")


def songs_similar(*, song_id: int, k: int = 20) -> list[SimilarSong]:
    """Return up to `k` other songs that sound and read most alike, best first.

    Raises `PlaylistRequestError` with SONG_NOT_FOUND or SONG_NOT_ANALYSED.
    """
    snapshot = index_snapshot()
    row = snapshot.rows_of([song_id])
    if not len(row):
        raise song_unusable_error([song_id])
    allowed = np.ones(len(snapshot), bool)
    allowed[row] = False
    query = snapshot.fused(row)[0]
    while True:
        similarities, song_ids = snapshot.search_fused(query, k, allowed)
        rows = snapshot.rows_of(song_ids.tolist())
        gone = _gone(snapshot, rows, _emotions_now(snapshot, rows))
        if not gone:
            break
        allowed[gone] = False
    return [
        SimilarSong(song_id, min(1.0, similarity))
        for song_id, similarity in zip(song_ids.tolist(), similarities.tolist(), strict=True)
    ]


def _snapshot_with_songs() -> IndexSnapshot:
    snapshot = index_snapshot()
    if not len(snapshot):
        raise PlaylistRequestError(
            PlaylistErrorCode.CATALOG_EMPTY,
            "No song has been analysed yet; ingest a folder of music and wait for its analysis",
        )
    return snapshot


def _allowed(
    request: PlaylistRequest,
    snapshot: IndexSnapshot,
    user: User | AnonymousUser | None,
) -> NDArray[np.bool_]:
    """Return which rows the filters leave; seed songs are never given back."""
    allowed = np.ones(len(snapshot), bool)
    if request.genre.strip():
        codes = [
            code
            for code, genre in enumerate(snapshot.genre_names)
            if _genre_matches(genre, request.genre)
        ]
        allowed &= np.isin(snapshot.genres, codes)
    if request.year_from is not None:
        allowed &= snapshot.years >= max(1, request.year_from)
    if request.year_to is not None:
        allowed &= (snapshot.years <= request.year_to) & (snapshot.years > 0)
    excluded = {*request.exclude_song_ids, *request.song_ids}
    if request.exclude_heard_days and user is not None and user.is_authenticated:
        excluded |= songs_heard(user=user, days=request.exclude_heard_days)
    allowed[snapshot.rows_of(excluded)] = False
    return allowed


def _genre_matches(tag: str, wanted: str) -> bool:
    """Say whether a genre tag, such as "Rock; Indie", is or holds the wanted one, in any case."""
    parts = [tag, *re.split(r"[;,/|]", tag)]
    return wanted.strip().casefold() in {part.strip().casefold() for part in parts}


def _chosen(
    request: PlaylistRequest,
    seed: int,
    snapshot: IndexSnapshot,
    target: Target,
    allowed: NDArray[np.bool_],
) -> tuple[NDArray[np.int64], NDArray[np.float64], tuple[str, ...]]:
    """Return rows in playing order, their scores, and notes."""
    candidates = _candidates(snapshot, target, allowed)
    scores = scores_of(target, snapshot, candidates)
    artists = snapshot.artists[candidates]
    chosen = sequencing.choose(
        song_ids=snapshot.song_ids[candidates],
        scores=scores,
        artists=artists,
        fused=lambda places: snapshot.fused(candidates[places]),
        count=request.count,
        diversity=request.diversity,
        max_per_artist=request.max_per_artist,
        seed=seed,
    )
    names = artists[chosen].tolist()
    spacing = sequencing.widest_spacing(names, request.artist_spacing)
    points = snapshot.affect[candidates[chosen], :2].astype(np.float64)
    chosen = chosen[sequencing.arrange(points, names, spacing)]
    notes = []
    if len(chosen) < request.count:
        note = f"{len(chosen)} of {request.count} songs: "
        if len(chosen) < np.count_nonzero(allowed):
            note += f"at most {request.max_per_artist} by one artist."
        else:
            note += "no more match the request."
        notes.append(note)
    if spacing < request.artist_spacing:
        notes.append(
            f"Songs of one artist have {spacing} others between them, not "
            f"{request.artist_spacing}: there are too few other artists."
        )
    return candidates[chosen], scores[chosen], tuple(notes)


def _candidates(
    snapshot: IndexSnapshot, target: Target, allowed: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Return the rows worth scoring: all, or in a large catalogue the nearest of each kind."""
    if np.count_nonzero(allowed) <= ALL_SCORED:
        return np.flatnonzero(allowed)
    weights = np.array([1.0, 1.0, *target.emotions], np.float32)
    wanted = np.array([*target.place, *(target.emotions > 0)], np.float32)
    feels = snapshot.search_affect(wanted, weights, _CANDIDATES, allowed)[1]
    if not target.weights.likeness:
        return np.sort(snapshot.rows_of(feels))
    sounds = snapshot.search_fused(target.fused, _CANDIDATES, allowed)[1]
    return snapshot.rows_of(np.union1d(feels, sounds))


def _emotions_now(snapshot: IndexSnapshot, rows: NDArray[np.int64]) -> dict[int, SongEmotion]:
    """Return the emotions of those rows that may still be recommended, by song id."""
    emotions = SongEmotion.objects.filter(
        model_version=snapshot.model_version, song_id__in=snapshot.song_ids[rows].tolist()
    )
    # Asked in SQL, "available and analysed" would have SQLite walk all songs that are.
    wanted = emotions.order_by().select_related("song")
    return {
        emotion.song_id: emotion
        for emotion in wanted.only("gates", "song__is_available", "song__status")
        if emotion.song.is_available and emotion.song.status == Song.Status.ANALYSED
    }


def _gone(
    snapshot: IndexSnapshot, rows: NDArray[np.int64], emotions: dict[int, SongEmotion]
) -> list[int]:
    return [row for row in rows.tolist() if int(snapshot.song_ids[row]) not in emotions]


def _reason(target: Target, snapshot: IndexSnapshot, row: int, emotion: SongEmotion) -> EntryReason:
    affect = snapshot.affect[row].astype(np.float64)
    shares = np.array([snapshot.shares(2 + number)[row] for number in range(len(EMOTIONS))])
    # A bare point asks for no emotion: tell what stands out in the song.
    asked = np.where(target.emotions >= _ASKED_FROM, target.emotions, 0.0)
    worth = shares * asked if target.emotions.any() else shares
    shared = [
        number
        for number in np.argsort(-worth, kind="stable")[:_SHARED_EMOTIONS].tolist()
        if worth[number] > 0 and shares[number] > _SHARED_FROM
    ]
    distance = float(np.linalg.norm(affect[:2] - target.place))
    modality = max(emotion.gates, key=lambda name: float(emotion.gates[name]))
    words = [f"{distance:.2f} from the target on the plane"]
    if shared:
        # Of 200 songs or more the first is above 99.5%, which would read as all, itself included.
        share = min(shares[shared[0]], 0.99)
        words.insert(0, f"more {EMOTIONS[shared[0]]} than {share:.0%} of the collection")
    words.append(f"judged mostly by {_MODALITY_WORDS[modality]}")
    sentence = ", ".join(words)
    return EntryReason(
        distance=distance,
        valence=float(affect[0]),
        arousal=float(affect[1]),
        shared_emotions=[EMOTIONS[number] for number in shared],
        modality=modality,
        sentence=f"{sentence[0].upper()}{sentence[1:]}.",
    )


def playlist_name(request: PlaylistRequest) -> str:
    """Return a name that says what was asked for."""
    parts = [name.strip().capitalize() for name, _ in request.moods]
    if request.point is not None:
        parts.append(f"Valence {request.point.valence:.2f}, arousal {request.point.arousal:.2f}")
    if request.text.strip():
        parts.append(f"“{' '.join(request.text.split())}”")
    if request.song_ids:
        parts.append(f"Like {_titles(request.song_ids)}")
    if request.history:
        parts.append("From my listening")
    return " + ".join(parts)[:200]


def _titles(song_ids: Sequence[int]) -> str:
    titles = dict(Song.objects.filter(pk__in=song_ids).values_list("pk", "title"))
    return ", ".join(titles.get(song_id) or f"song {song_id}" for song_id in song_ids)
