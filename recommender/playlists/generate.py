"""From a request to a list of songs with scores and reasons."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from mer.affect import EMOTIONS
from recommender.errors import PlaylistErrorCode, PlaylistRequestError
from recommender.index import index_snapshot
from recommender.playlists.availability import available_emotions, unavailable_rows
from recommender.playlists.choosing import Chosen, chosen_for_aim, chosen_on_journey
from recommender.playlists.constraints import allowed_rows
from recommender.playlists.credited import song_titles
from recommender.playlists.journeys import JourneyFit, journey_fit
from recommender.playlists.naming import stop_name
from recommender.playlists.reasons import Wanted, alike_from, reason_of
from recommender.playlists.scoring import Target
from recommender.playlists.targets import plan_of_request

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.contrib.auth.models import AnonymousUser, User
    from numpy.typing import NDArray

    from catalog.models import SongEmotion
    from recommender.index import IndexSnapshot
    from recommender.playlists.reasons import EntryReason
    from recommender.playlists.request import PlaylistRequest
    from recommender.playlists.targets import Plan

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
    listener, such as why the list is shorter than requested. `weaker_left_out` counts the songs
    that were left out because they match less than `request.min_match`; with 0 for that, they
    would be in the list. `fit` says how well a journey keeps to its curve.
    """

    request: PlaylistRequest
    seed: int
    model_version: str
    valence: float
    arousal: float
    emotions: dict[str, float]
    entries: tuple[GeneratedEntry, ...]
    notes: tuple[str, ...]
    weaker_left_out: int
    fit: JourneyFit | None = None


def playlist_generate(
    *,
    request: PlaylistRequest,
    user: User | AnonymousUser | None = None,
    snapshot: IndexSnapshot | None = None,
) -> GeneratedPlaylist:
    """Return a list of at most `request.count` different songs, all available and analysed.

    It ends where songs match less than `request.min_match`, and is empty if all do.
    The songs are those of `snapshot`, by default of the model that serves. The same request with
    the same seed over the same catalogue gives the same list. Nothing is
    written. Raises `PlaylistRequestError` when no list can be made; its code says why.
    """
    snapshot = _with_songs(index_snapshot() if snapshot is None else snapshot)
    seed = secrets.randbelow(_DRAWN_SEEDS) if request.seed is None else request.seed
    plan = plan_of_request(request, snapshot, user)
    allowed, nouns = allowed_rows(snapshot, request, user)
    while True:
        if not allowed.any():
            raise _no_song_error(nouns)
        # In every round, so that another file of a recording comes in the place of one deleted.
        once = snapshot.one_per_recording(allowed)
        chosen = _chosen(request, seed, snapshot, plan, once)
        emotions = available_emotions(snapshot, chosen.rows)
        gone = unavailable_rows(snapshot, chosen.rows, emotions)
        if not gone:
            break
        # Deleted since the snapshot was taken: choose again without them.
        allowed[gone] = False
    place, weights = _shown_target(plan, chosen)
    return GeneratedPlaylist(
        request=request,
        seed=seed,
        model_version=snapshot.model_version,
        valence=float(place[0]),
        arousal=float(place[1]),
        emotions={
            name: float(weight) for name, weight in zip(EMOTIONS, weights, strict=True) if weight
        },
        entries=_entries(request, plan, chosen, snapshot, emotions),
        notes=_notes(request, chosen, int(np.count_nonzero(once))),
        weaker_left_out=chosen.weaker,
        fit=_fit(chosen, snapshot),
    )


def _chosen(
    request: PlaylistRequest,
    seed: int,
    snapshot: IndexSnapshot,
    plan: Plan,
    allowed: NDArray[np.bool_],
) -> Chosen:
    if plan.stops:
        return chosen_on_journey(request, seed, snapshot, plan.stops, plan.aim, allowed)
    if plan.aim is None:
        raise ValueError("a plan needs an aim or stops")
    return chosen_for_aim(request, seed, snapshot, plan.aim, allowed)


def _shown_target(plan: Plan, chosen: Chosen) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the place and the emotions of the aim, or of the last stop of a journey."""
    if plan.stops:
        last = plan.stops[-1]
        emotions = last.emotions if isinstance(last, Target) else np.zeros(len(EMOTIONS))
        if chosen.steps is not None and len(chosen.steps):
            return chosen.steps[-1], emotions
        return last.place, emotions
    if plan.aim is None:
        raise ValueError("a plan needs an aim or stops")
    return plan.aim.place, plan.aim.emotions


def _fit(chosen: Chosen, snapshot: IndexSnapshot) -> JourneyFit | None:
    if chosen.steps is None:
        return None
    return journey_fit(snapshot.affect[chosen.rows, :2].astype(np.float64), chosen.steps)


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


def _notes(request: PlaylistRequest, chosen: Chosen, allowed_count: int) -> tuple[str, ...]:
    notes = []
    count, wanted = len(chosen.rows), request.count
    if chosen.weaker:
        notes.append(_weaker_note(count, chosen.weaker))
    if request.minutes is None and count + chosen.weaker < wanted:
        note = f"{count + chosen.weaker} of {wanted} songs: "
        if count + chosen.weaker < allowed_count:
            note += f"at most {request.max_per_artist} by one artist."
        else:
            note += "no more are left."
        notes.append(note)
    if chosen.spacing < request.artist_spacing:
        notes.append(
            f"Too few artists: the spacing of songs by one artist is {chosen.spacing}, not "
            f"{request.artist_spacing}."
        )
    return tuple(notes)


def _weaker_note(count: int, weaker: int) -> str:
    good = f"{count or 'No'} good match{'es' if count > 1 else ''}"
    return f"{good}; {weaker} weaker {'ones are' if weaker > 1 else 'one is'} left out."


def _entries(
    request: PlaylistRequest,
    plan: Plan,
    chosen: Chosen,
    snapshot: IndexSnapshot,
    emotions: Mapping[int, SongEmotion],
) -> tuple[GeneratedEntry, ...]:
    song_ids = snapshot.song_ids[chosen.rows].tolist()
    wanted = _wanted(request, plan, chosen, snapshot)
    return tuple(
        GeneratedEntry(song_id, score, reason_of(what, snapshot, row, emotions[song_id]))
        for song_id, row, score, what in zip(
            song_ids, chosen.rows.tolist(), chosen.scores.tolist(), wanted, strict=True
        )
    )


def _wanted(
    request: PlaylistRequest, plan: Plan, chosen: Chosen, snapshot: IndexSnapshot
) -> list[Wanted]:
    """Return what is wanted at each place of the list."""
    alike = alike_from(snapshot, chosen.rows, plan.seeds)
    titles = song_titles({song_id for song_id in alike if song_id})
    if chosen.steps is None or chosen.progress is None:
        place, emotions = _shown_target(plan, chosen)
        return [Wanted(place, emotions, like=titles.get(song_id, "")) for song_id in alike]
    way = f", from {stop_name(request.journey[0])} to {stop_name(request.journey[-1])}"
    emotions = plan.aim.emotions if plan.aim is not None else np.zeros(len(EMOTIONS))
    return [
        Wanted(
            step,
            emotions,
            progress=progress,
            step=(number, len(alike)),
            way=way,
            like=titles.get(song_id, ""),
        )
        for number, (step, progress, song_id) in enumerate(
            zip(chosen.steps, chosen.progress.tolist(), alike, strict=True), start=1
        )
    ]
