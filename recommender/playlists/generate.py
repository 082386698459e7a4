"""From a request to a list of songs with scores and reasons."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from mer.affect import EMOTIONS
from recommender.errors import PlaylistErrorCode, PlaylistRequestError
from recommender.index import index_snapshot
from recommender.playlists import sequencing
from recommender.playlists.availability import available_emotions, unavailable_rows
from recommender.playlists.constraints import allowed_rows
from recommender.playlists.reasons import reason_of
from recommender.playlists.targets import scores_of, target_of_request

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.contrib.auth.models import AnonymousUser, User
    from numpy.typing import NDArray

    from catalog.models import SongEmotion
    from recommender.index import IndexSnapshot
    from recommender.playlists.reasons import EntryReason
    from recommender.playlists.request import PlaylistRequest
    from recommender.playlists.targets import Target

ALL_SCORED: Final = 50_000
"""In a larger catalogue only the songs nearest to the target in either space are scored."""
_CANDIDATES: Final = 5_000
_DRAWN_SEEDS: Final = 2**31


@dataclass(frozen=True, slots=True)
class GeneratedEntry:
    """One song of a generated list; `score` is in [0, 1]."""

    song_id: int
    score: float
    reason: EntryReason


@dataclass(frozen=True, slots=True)
class GeneratedPlaylist:
    """A list in playing order, with everything that is needed to make it again.

    `valence`, `arousal` and `emotions` are the target of the request. `notes` are sentences for the
    listener, such as why the list is shorter than requested.
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
class _Chosen:
    """Rows in playing order with their scores, and notes on the choice."""

    rows: NDArray[np.int64]
    scores: NDArray[np.float64]
    notes: tuple[str, ...]


def playlist_generate(
    *,
    request: PlaylistRequest,
    user: User | AnonymousUser | None = None,
    snapshot: IndexSnapshot | None = None,
) -> GeneratedPlaylist:
    """Return a list of 1 to `request.count` different songs, all available and analysed.

    The songs are those of `snapshot`, by default of the model that serves. The same request with
    the same seed over the same catalogue gives the same list. Nothing is
    written. Raises `PlaylistRequestError` when no list can be made; its code says why.
    """
    snapshot = _with_songs(index_snapshot() if snapshot is None else snapshot)
    seed = secrets.randbelow(_DRAWN_SEEDS) if request.seed is None else request.seed
    target = target_of_request(request, snapshot, user)
    allowed, nouns = allowed_rows(snapshot, request, user)
    while True:
        if not allowed.any():
            raise _no_song_error(nouns)
        # In every round, so that another file of a recording comes in the place of one deleted.
        once = snapshot.one_per_recording(allowed)
        chosen = _chosen(request, seed, snapshot, target, once)
        emotions = available_emotions(snapshot, chosen.rows)
        gone = unavailable_rows(snapshot, chosen.rows, emotions)
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
        entries=_entries(chosen, snapshot, target, emotions),
        notes=chosen.notes,
    )


def _with_songs(snapshot: IndexSnapshot) -> IndexSnapshot:
    if not len(snapshot):
        raise PlaylistRequestError(
            PlaylistErrorCode.CATALOG_EMPTY,
            "No song has been analysed yet; ingest a folder of music and wait for its analysis",
        )
    return snapshot


def _no_song_error(nouns: Sequence[str]) -> PlaylistRequestError:
    constraints = f" with these constraints: {', '.join(nouns)}" if nouns else ""
    return PlaylistRequestError(
        PlaylistErrorCode.NO_SONG_MATCHES, f"No song is left{constraints}; ask for less"
    )


def _chosen(
    request: PlaylistRequest,
    seed: int,
    snapshot: IndexSnapshot,
    target: Target,
    allowed: NDArray[np.bool_],
) -> _Chosen:
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
    notes = _notes(request, len(chosen), int(np.count_nonzero(allowed)), spacing)
    return _Chosen(candidates[chosen], scores[chosen], notes)


def _notes(
    request: PlaylistRequest, count: int, allowed_count: int, spacing: int
) -> tuple[str, ...]:
    notes = []
    if count < request.count:
        note = f"{count} of {request.count} songs: "
        if count < allowed_count:
            note += f"at most {request.max_per_artist} by one artist."
        else:
            note += "no more match the request."
        notes.append(note)
    if spacing < request.artist_spacing:
        notes.append(
            f"Too few artists: the spacing of songs by one artist is {spacing}, not "
            f"{request.artist_spacing}."
        )
    return tuple(notes)


def _candidates(
    snapshot: IndexSnapshot, target: Target, allowed: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Return the rows to score: all, or in a large catalogue the nearest in each space."""
    if np.count_nonzero(allowed) <= ALL_SCORED:
        return np.flatnonzero(allowed)
    weights = np.array([1.0, 1.0, *target.emotions], np.float32)
    wanted = np.array([*target.place, *(target.emotions > 0)], np.float32)
    near_in_affect = snapshot.search_affect(wanted, weights, _CANDIDATES, allowed)[1]
    if not target.weights.likeness:
        return np.sort(snapshot.rows_of(near_in_affect))
    near_in_fused = snapshot.search_fused(target.fused, _CANDIDATES, allowed)[1]
    return snapshot.rows_of(np.union1d(near_in_affect, near_in_fused))


def _entries(
    chosen: _Chosen,
    snapshot: IndexSnapshot,
    target: Target,
    emotions: Mapping[int, SongEmotion],
) -> tuple[GeneratedEntry, ...]:
    song_ids = snapshot.song_ids[chosen.rows].tolist()
    return tuple(
        GeneratedEntry(song_id, score, reason_of(target, snapshot, row, emotions[song_id]))
        for song_id, row, score in zip(
            song_ids, chosen.rows.tolist(), chosen.scores.tolist(), strict=True
        )
    )
