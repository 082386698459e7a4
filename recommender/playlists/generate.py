"""From a request to a list of songs with scores and reasons."""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from django.utils.translation import gettext, gettext_noop

from catalog.retold import kept
from mer.affect import EMOTIONS
from recommender.errors import PlaylistErrorCode, PlaylistRequestError
from recommender.index import index_snapshot
from recommender.playlists.availability import available_emotions, unavailable_rows
from recommender.playlists.choosing import Chosen, chosen_for_aim, chosen_on_journey
from recommender.playlists.constraints import allowed_rows, constraint_notes, relaxable
from recommender.playlists.contrasts import CONTRASTS
from recommender.playlists.credited import song_titles
from recommender.playlists.journeys import JourneyFit, journey_fit
from recommender.playlists.listener import listener_of
from recommender.playlists.naming import stop_kept
from recommender.playlists.nearby import Search, needed_songs, place_of_words
from recommender.playlists.reasons import (
    BY_BOTH,
    BY_SOUND,
    BY_WORDS,
    REASON_FIELDS,
    Judged,
    Personal,
    Wanted,
    alike_from,
    felt_told,
    reason_of,
)
from recommender.playlists.refusals import refused_rows, rows_of_filters
from recommender.playlists.scoring import Target
from recommender.playlists.targets import plan_of_request
from recommender.playlists.views import WeighedSnapshot
from recommender.playlists.worded import notes_of, worded
from recommender.terms import shown, told

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.contrib.auth.models import AnonymousUser, User
    from numpy.typing import NDArray

    from catalog.models import SongEmotion
    from recommender.index import IndexSnapshot
    from recommender.playlists.constraints import Constraint
    from recommender.playlists.listener import Listener
    from recommender.playlists.reasons import EntryReason
    from recommender.playlists.request import PlaylistRequest
    from recommender.playlists.targets import Plan
    from recommender.playlists.worded import Worded
    from recommender.words import Part

_DRAWN_SEEDS: Final = 2**31
_BY: Final = {0.0: BY_SOUND, 1.0: BY_WORDS}
_FEW_ARTISTS: Final = kept(
    gettext_noop("%(count)s of %(wanted)s songs: at most %(most)s by one artist.")
)
_NO_CATALOG: Final = kept(
    gettext_noop(
        "No song has been analysed yet; ingest a folder of music and wait for its analysis"
    )
)
_NO_SONG: Final = kept(gettext_noop("No song is left; ask for less"))
_NO_SONG_WITH: Final = kept(
    gettext_noop("No song is left with these constraints: %(constraints)s; ask for less")
)
_NO_MORE: Final = kept(gettext_noop("%(count)s of %(wanted)s songs: no more are left."))
_CLOSER: Final = kept(
    gettext_noop(
        "Too few artists: the spacing of songs by one artist is %(spacing)s, not %(wanted)s."
    )
)
_LENGTH: Final = kept(gettext_noop("It lasts %(minutes)s minutes, not %(wanted)s."))
_RELAXED: Final = kept(gettext_noop("Too few songs, so this was relaxed: %(nouns)s."))
_WEAKER: Final = kept(gettext_noop("%(weaker)s weaker match is left out."))
_WEAKER_MANY: Final = kept(gettext_noop("%(weaker)s weaker matches are left out."))
_LENGTH_MINUTES: Final = 4.0
"""A list whose length differs by more, about a song, says so."""


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
    would be in the list. `relaxed` names the constraints that do not hold. `fit` says how well a
    journey keeps to its curve. `understood` says what words of the request were taken for, and
    `not_understood` lists the others.
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
    relaxed: tuple[str, ...] = ()
    fit: JourneyFit | None = None
    understood: tuple[Part, ...] = ()
    not_understood: tuple[str, ...] = ()


def playlist_generate(
    *,
    request: PlaylistRequest,
    user: User | AnonymousUser | None = None,
    snapshot: IndexSnapshot | None = None,
    words: Worded | None = None,
) -> GeneratedPlaylist:
    """Return a list of at most `request.count` different songs, all available and analysed.

    It ends where songs match less than `request.min_match`, and is empty if all do.
    `words` are the readings of the request's words, if they were read before.
    The songs are those of `snapshot`, by default of the model that serves. The same request with
    the same seed over the same catalogue, and the same feedback of `user`, gives the same list.
    Nothing is written. Raises `PlaylistRequestError` when no list can be made; its code says why.
    """
    snapshot = _with_songs(index_snapshot() if snapshot is None else snapshot)
    seed = secrets.randbelow(_DRAWN_SEEDS) if request.seed is None else request.seed
    words = worded(request) if words is None else words
    asked, request = request, words.applied(request)
    listener = listener_of(user, snapshot)
    snapshot = WeighedSnapshot.of(snapshot, request.words_weight)
    if listener is not None:
        snapshot = listener.snapshot_of(snapshot)
    needed = []
    if snapshot.source is not None:
        needed = [*needed_songs(request, user), *(listener.needed if listener else ())]
    plan = plan_of_request(request, snapshot.narrowed(needed), user, words, listener)
    search = Search(request, user, plan, words, tuple(needed))
    choice, relaxed = _relaxed_choice(search, seed, snapshot)
    chosen, snapshot = choice.chosen, choice.snapshot
    place, weights = _shown_target(plan, chosen)
    return GeneratedPlaylist(
        request=asked,
        seed=seed,
        model_version=snapshot.model_version,
        valence=float(place[0]),
        arousal=float(place[1]),
        emotions={
            name: float(weight) for name, weight in zip(EMOTIONS, weights, strict=True) if weight
        },
        entries=_entries(request, plan, chosen, snapshot, choice.emotions),
        notes=(
            *notes_of(plan.heard),
            *constraint_notes(snapshot, request),
            *_relaxed_notes(relaxed),
            *_notes(request, chosen, snapshot, choice.allowed),
        ),
        relaxed=tuple(constraint.noun for constraint in relaxed),
        weaker_left_out=chosen.weaker,
        fit=_fit(chosen, snapshot),
        understood=tuple(part for one in plan.heard for part in one.parts),
        not_understood=tuple(text for one in plan.heard for text in one.not_understood),
    )


def _allowed_by_words(
    snapshot: IndexSnapshot, plan: Plan, words: Worded
) -> tuple[NDArray[np.bool_] | None, list[str]]:
    """Return which rows the words allow, and the nouns of what they filter and refuse.

    None stands for all rows.
    """
    if not words.filters and not words.exclusions:
        return None, []
    allowed, nouns = rows_of_filters(words.filters, snapshot)
    refused = refused_rows(words.exclusions, place_of_words(plan, words), snapshot)
    return allowed & ~refused, [
        *nouns,
        *(gettext("not %(mood)s") % {"mood": shown(mood)} for mood in words.exclusions),
    ]


@dataclass(frozen=True, slots=True)
class _Choice:
    """Rows chosen from a snapshot, their emotions, and which rows were allowed."""

    snapshot: IndexSnapshot
    chosen: Chosen
    emotions: Mapping[int, SongEmotion]
    allowed: NDArray[np.bool_]

    @property
    def is_enough(self) -> bool:
        """Whether at least half as many songs are chosen as were asked for."""
        return 2 * len(self.chosen.rows) >= self.chosen.wanted


def _relaxed_choice(
    search: Search, seed: int, snapshot: IndexSnapshot
) -> tuple[_Choice, list[Constraint]]:
    """Return the choice, and the constraints that were relaxed because it had too few songs.

    A constraint stays if the list is no longer without it. What words refuse always holds.
    """
    request = search.request
    # Once for all choices, unless each one has other rows.
    by_words = _allowed_by_words(snapshot, search.plan, search.words)

    def choose(relaxed: Sequence[Constraint]) -> tuple[_Choice | None, list[str]]:
        nonlocal by_words
        near = search.narrowed(snapshot, relaxed)
        if near is not snapshot:
            by_words = _allowed_by_words(near, search.plan, search.words)
        allowed, nouns = allowed_rows(near, request, search.user, relaxed)
        if by_words[0] is not None:
            allowed &= by_words[0]
        return _choice(request, seed, near, search.plan, allowed), [*nouns, *by_words[1]]

    choice, nouns = choose(())
    relaxed: list[Constraint] = []
    for constraint in relaxable(request) if request.relax else ():
        if choice is not None and choice.is_enough:
            break
        wider, _ = choose([*relaxed, constraint])
        songs = len(choice.chosen.rows) if choice is not None else 0
        if wider is not None and len(wider.chosen.rows) > songs:
            choice, relaxed = wider, [*relaxed, constraint]
    if choice is None:
        raise _no_song_error(nouns)
    return choice, relaxed


def _choice(
    request: PlaylistRequest,
    seed: int,
    snapshot: IndexSnapshot,
    plan: Plan,
    allowed: NDArray[np.bool_],
) -> _Choice | None:
    """Return a choice of songs that are there now; None if no song is allowed."""
    while allowed.any():
        chosen = _chosen(request, seed, snapshot, plan, allowed)
        emotions = available_emotions(snapshot, chosen.rows, REASON_FIELDS)
        gone = unavailable_rows(snapshot, chosen.rows, emotions)
        if not gone:
            return _Choice(snapshot, chosen, emotions, allowed)
        # Deleted since the snapshot was taken: choose again without them.
        allowed[gone] = False
    return None


def _chosen(
    request: PlaylistRequest,
    seed: int,
    snapshot: IndexSnapshot,
    plan: Plan,
    allowed: NDArray[np.bool_],
) -> Chosen:
    if plan.stops:
        return chosen_on_journey(
            request, seed, snapshot, plan.stops, plan.aim, allowed, plan.listener
        )
    if plan.aim is None:
        raise ValueError("a plan needs an aim or stops")
    return chosen_for_aim(request, seed, snapshot, plan.aim, allowed, plan.listener)


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
    if not snapshot.song_count:
        raise PlaylistRequestError(
            PlaylistErrorCode.CATALOG_EMPTY,
            gettext(_NO_CATALOG),
        )
    return snapshot


def _no_song_error(nouns: Sequence[str]) -> PlaylistRequestError:
    words = gettext(_NO_SONG_WITH if nouns else _NO_SONG)
    return PlaylistRequestError(
        PlaylistErrorCode.NO_SONG_MATCHES,
        words % {"constraints": ", ".join(told(noun) for noun in nouns)},
    )


def _notes(
    request: PlaylistRequest, chosen: Chosen, snapshot: IndexSnapshot, allowed: NDArray[np.bool_]
) -> tuple[str, ...]:
    notes = []
    count, wanted = len(chosen.rows), chosen.wanted
    if chosen.weaker:
        weaker_note = _WEAKER if chosen.weaker == 1 else _WEAKER_MANY
        notes.append(weaker_note % {"weaker": chosen.weaker})
    if count + chosen.weaker < wanted:
        rows = np.flatnonzero(allowed)
        is_by_artist = count + chosen.weaker < len(snapshot.one_per_recording(rows, allowed))
        note = _FEW_ARTISTS if is_by_artist else _NO_MORE
        told = {"count": count + chosen.weaker, "wanted": wanted, "most": request.max_per_artist}
        notes.append(note % told)
    if chosen.spacing < request.artist_spacing:
        notes.append(_CLOSER % {"spacing": chosen.spacing, "wanted": request.artist_spacing})
    if request.minutes is not None and not notes:
        minutes = float(np.nansum(snapshot.durations[chosen.rows])) / 60
        if abs(minutes - request.minutes) > _LENGTH_MINUTES:
            notes.append(_LENGTH % {"minutes": f"{minutes:.0f}", "wanted": request.minutes})
    return tuple(notes)


def _relaxed_notes(relaxed: Sequence[Constraint]) -> tuple[str, ...]:
    if not relaxed:
        return ()
    return (_RELAXED % {"nouns": ", ".join(constraint.noun for constraint in relaxed)},)


def _entries(
    request: PlaylistRequest,
    plan: Plan,
    chosen: Chosen,
    snapshot: IndexSnapshot,
    emotions: Mapping[int, SongEmotion],
) -> tuple[GeneratedEntry, ...]:
    song_ids = snapshot.song_ids[chosen.rows].tolist()
    wanted = _wanted(request, plan, chosen, snapshot)
    affect = snapshot.affect[chosen.rows].astype(np.float64)
    # Read for all songs at once: one by one they take longer than the choice.
    shares = np.stack(
        [snapshot.shares(number)[chosen.rows] for number in range(affect.shape[1])], axis=1
    )
    return tuple(
        GeneratedEntry(
            song_id,
            score,
            reason_of(what, affect[place], shares[place], snapshot.song_count, emotions[song_id]),
        )
        for place, (song_id, score, what) in enumerate(
            zip(song_ids, chosen.scores.tolist(), wanted, strict=True)
        )
    )


def _wanted(
    request: PlaylistRequest, plan: Plan, chosen: Chosen, snapshot: IndexSnapshot
) -> list[Wanted]:
    """Return what is wanted at each place of the list."""
    alike = alike_from(snapshot, chosen.rows, plan.seeds)
    personal = _personal(plan.listener, chosen, snapshot)
    judged = _judged(request, chosen, snapshot)
    target = plan.aim.target if plan.aim is not None else None
    felt = felt_told(snapshot, chosen.rows, None if target is None else target.felt)
    titles = song_titles({song_id for song_id in alike if song_id})
    if chosen.steps is None or chosen.progress is None:
        place, emotions = _shown_target(plan, chosen)
        return [
            Wanted(
                place, emotions, like=titles.get(song_id, ""), felt=told, personal=said, judged=by
            )
            for song_id, told, said, by in zip(alike, felt, personal, judged, strict=True)
        ]
    stops = (stop_kept(request.journey[0]), stop_kept(request.journey[-1]))
    emotions = plan.aim.emotions if plan.aim is not None else np.zeros(len(EMOTIONS))
    return [
        Wanted(
            step,
            emotions,
            progress=progress,
            step=(number, len(alike)),
            stops=stops,
            like=titles.get(song_id, ""),
            felt=told,
            personal=said,
            judged=by,
        )
        for number, (step, progress, song_id, told, said, by) in enumerate(
            zip(chosen.steps, chosen.progress.tolist(), alike, felt, personal, judged, strict=True),
            start=1,
        )
    ]


def _judged(
    request: PlaylistRequest, chosen: Chosen, snapshot: IndexSnapshot
) -> Sequence[Judged | None]:
    """Return how sound and words of each song of the list were told apart."""
    words = request.words_weight
    is_wanted = dict(request.weights).get("contrast", 1.0) > 0
    contrast = CONTRASTS[request.contrast] if request.contrast and is_wanted else ""
    if not contrast and words is None:
        return [None] * len(chosen.rows)
    by = "" if words is None else _BY.get(words, BY_BOTH)
    valences = zip(
        snapshot.by_sound[chosen.rows, 0].tolist(),
        snapshot.by_words[chosen.rows, 0].tolist(),
        strict=True,
    )
    return [
        # A song without words is judged by its sound.
        Judged(contrast, one, BY_SOUND if by and math.isnan(one[1]) else by)
        for one in valences
    ]


def _personal(
    listener: Listener | None, chosen: Chosen, snapshot: IndexSnapshot
) -> list[Personal | None]:
    """Return what the listener's feedback means for each song of the list."""
    if listener is None:
        return [None] * len(chosen.rows)
    alike = alike_from(snapshot, chosen.rows, listener.liked)
    titles = song_titles({song_id for song_id in alike if song_id})
    liked = frozenset(listener.profile.liked)
    return [
        Personal(
            taste,
            liked=titles.get(one, ""),
            is_liked=song_id in liked,
            is_moved=is_moved,
        )
        for song_id, one, taste, is_moved in zip(
            snapshot.song_ids[chosen.rows].tolist(),
            alike,
            listener.tastes(snapshot, chosen.rows).tolist(),
            listener.moved(snapshot, chosen.rows).tolist(),
            strict=True,
        )
    ]
