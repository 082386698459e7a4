"""What a request aims at.

Each target field of a request (moods, point, text, songs, artists, albums, history) becomes a place
on the plane, emotions that it stresses and, for all but moods and points, a direction in the fused
space. The weighted mean of those that are wanted is the target. `recommender.playlists.scoring` has
the score of a song for it. Areas of the plane, and whatever is refused, are parts of their own.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import numpy as np
from django.utils.translation import gettext, gettext_noop

from catalog.models import Song
from catalog.retold import kept
from mer.affect import EMOTIONS
from recommender.errors import PlaylistErrorCode, PlaylistRequestError
from recommender.history import history_weights
from recommender.moods import Mood, mood_find
from recommender.playlists.aims import Aim
from recommender.playlists.contrasts import Contrast
from recommender.playlists.credited import songs_of_names
from recommender.playlists.scoring import Area, PartWeights, Target
from recommender.playlists.worded import (
    MOOD,
    Heard,
    blended,
    felt_weights,
    heard,
    no_direction,
    not_understood_error,
    rated,
    relative,
    stressed,
    worded,
)
from recommender.throttles import words_turn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.contrib.auth.models import AnonymousUser, User

    from mer.affect import AffectPoint
    from recommender.index import IndexSnapshot
    from recommender.playlists.aims import Part
    from recommender.playlists.listener import Listener
    from recommender.playlists.request import PlaylistRequest
    from recommender.playlists.target_kinds import Stop
    from recommender.playlists.worded import Worded

POINT: Final = PartWeights(closeness=1.0)
SONGS: Final = PartWeights(closeness=0.5, emotions=0.5, likeness=1.0, quadrants=1.0)
SEEDS_OF_NAME: Final = 300
"""An artist or an album stands for at most so many of its songs."""
_NO_SUCH_SONG: Final = kept(gettext_noop("No such song: %(ids)s"))
_NOT_ANALYSED: Final = kept(gettext_noop("Not analysed yet: song %(ids)s"))
_NOTHING_HEARD: Final = kept(
    gettext_noop(
        "You have listened to no analysed song yet; log in, listen to some, or ask for a mood"
    )
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a list aims at: an aim, the stops of a journey, or both."""

    aim: Aim | None
    stops: tuple[Part, ...] = ()
    seeds: tuple[int, ...] = ()
    """The songs that the list should resemble, the most important first."""
    heard: tuple[Heard, ...] = ()
    """What the words of the request came to."""
    listener: Listener | None = None
    """Who asks, if the listener gave feedback."""


def plan_of_request(
    request: PlaylistRequest,
    snapshot: IndexSnapshot,
    user: User | AnonymousUser | None,
    words: Worded | None = None,
    listener: Listener | None = None,
) -> Plan:
    """Return what a request aims at; raise `PlaylistRequestError` if a part cannot be found.

    `words` are the readings of its words, if they were read before.
    Raises Throttled if the network has to rate words of it and too many others wait for that, too.
    """
    words = worded(request) if words is None else words
    with words_turn() if words.needs_network else contextlib.nullcontext():
        heard_names = {
            name: heard(reading, "moods", snapshot) for name, reading in words.names.items()
        }
        heard_text = heard(words.text, "text", snapshot) if words.text else None
        named = {name: one.target for name, one in heard_names.items()}
        parts = _parts(request, snapshot, user, named, heard_text)
        stops = tuple(
            [_stop_part(stop, request, snapshot, user, named) for stop in request.journey]
        )
    if request.words_weight is not None:
        parts = [(weight, _placed(part)) for weight, part in parts]
        stops = tuple([_placed(stop) for stop in stops])
    told = (*((heard_text,) if heard_text else ()), *heard_names.values())
    if not parts and not stops:
        raise not_understood_error(told[0], "text" if heard_text else "moods")
    seeds = tuple(song_id for song_id, weight in request.song_ids if weight > 0)
    return Plan(aim_of_parts(parts) if parts else None, stops, seeds, told, listener)


def _placed(part: Part) -> Part:
    """Return a part without what is known only of sound and words together."""
    if not isinstance(part, Target):
        return part
    weights = PartWeights(closeness=part.weights.closeness, quadrants=part.weights.quadrants)
    nothing = np.zeros(len(EMOTIONS))
    return replace(part, emotions=nothing, felt=None, fused=no_direction(), weights=weights)


def _stop_part(
    stop: Stop,
    request: PlaylistRequest,
    snapshot: IndexSnapshot,
    user: User | AnonymousUser | None,
    named: Mapping[str, Target | None],
) -> Part:
    if stop.point is not None:
        return point_target(stop.point, snapshot)
    if stop.song_id:
        _check_seed_songs([stop.song_id], snapshot)
        return songs_target(_said({stop.song_id: 1.0}, "journey", request, snapshot), snapshot)
    if stop.history:
        return history_target(request, user, snapshot)
    if stop.mood in named:
        if (target := named[stop.mood]) is None:
            raise not_understood_error(Heard(None, (), (stop.mood,)), "journey")
        return target
    return mood_target(stop.mood, "journey", snapshot)


def aim_of_parts(parts: Sequence[tuple[float, Part]]) -> Aim:
    """Return the aim of parts with weights; a part whose weight is below 0 is refused.

    Wanted targets are blended into their weighted mean; areas stay as they are.
    """
    wanted = [(weight, part) for weight, part in parts if weight > 0]
    targets = [(weight, part) for weight, part in wanted if isinstance(part, Target)]
    others = [(weight, part) for weight, part in wanted if not isinstance(part, Target)]
    if targets:
        others.insert(0, (sum(weight for weight, _ in targets), blended(targets)))
    return Aim(tuple(others), tuple((-weight, part) for weight, part in parts if weight < 0))


def _parts(
    request: PlaylistRequest,
    snapshot: IndexSnapshot,
    user: User | AnonymousUser | None,
    named: Mapping[str, Target | None],
    heard_text: Heard | None,
) -> list[tuple[float, Part]]:
    weights = dict(request.weights)
    parts: list[tuple[float, Part]] = []

    def add(field: str, part: Part, share: float = 1.0) -> None:
        parts.append((weights.get(field, 1.0) * share, part))

    for share, name in _shares(request.moods):
        if name not in named:
            add("moods", mood_target(name, "moods", snapshot), share)
        elif (target := named[name]) is not None:
            add("moods", target, share)
    if request.point is not None:
        add("point", _point_part(request.point, request.radius, snapshot))
    if request.box is not None:
        bounds = np.array([request.box.valence, request.box.arousal])
        add("box", Area(bounds[:, 0], bounds[:, 1]))
    if heard_text is not None and heard_text.target is not None:
        add("text", heard_text.target)
    elif request.text and heard_text is None:
        add("text", rated(request.text, "text", snapshot)[0])
    for seeds, share in _signed(_seed_weights(request, snapshot)):
        add("song_ids", songs_target(_said(seeds, "song_ids", request, snapshot), snapshot), share)
    for field in ("artists", "albums"):
        for share, name in _shares(request.value(field)):
            if share > 0:  # the songs of refused ones are left out by a constraint
                found = dict.fromkeys(_songs_by(field, name, snapshot), 1.0)
                known = _said(found, field, request, snapshot)
                add(field, songs_target(known, snapshot), share)
    if request.history:
        add("history", history_target(request, user, snapshot))
    if request.contrast:
        add("contrast", Contrast(request.contrast))
    return parts


def _shares(named: Sequence[tuple[str, float]]) -> list[tuple[float, str]]:
    """Return each name with its share of 1; what is refused keeps its own weight."""
    total = sum(weight for _, weight in named if weight > 0)
    return [(weight / total if weight > 0 else weight, name) for name, weight in named]


def _seed_weights(request: PlaylistRequest, snapshot: IndexSnapshot) -> dict[int, float]:
    _check_seed_songs([song_id for song_id, _ in request.song_ids], snapshot)
    return dict(request.song_ids)


def _signed(seeds: Mapping[int, float]) -> list[tuple[dict[int, float], float]]:
    """Return the wanted seed songs together, and each refused one alone, with their weights."""
    wanted = {song_id: weight for song_id, weight in seeds.items() if weight > 0}
    refused = [({song_id: 1.0}, weight) for song_id, weight in seeds.items() if weight < 0]
    return ([(wanted, 1.0)] if wanted else []) + refused


def _point_part(point: AffectPoint, radius: float, snapshot: IndexSnapshot) -> Part:
    if not radius:
        return point_target(point, snapshot)
    centre = np.array([point.valence, point.arousal])
    return Area(centre, centre, radius)


def _songs_by(field: str, name: str, snapshot: IndexSnapshot) -> list[int]:
    """Return at most `SEEDS_OF_NAME` analysed songs of an artist or an album."""
    songs = songs_of_names(field, [name]).order_by("pk").values_list("pk", flat=True)
    ids: list[int] = snapshot.song_ids[snapshot.rows_of(songs[:SEEDS_OF_NAME])].tolist()
    if not ids:
        raise PlaylistRequestError(
            PlaylistErrorCode.REQUEST_INVALID,
            gettext(
                "%(field)s has %(name)r, of which no song is analysed; look for its spelling "
                "in /songs"
            )
            % {"field": field, "name": name},
            {"field": field},
        )
    return ids


def mood_target(name: str, field: str, snapshot: IndexSnapshot) -> Target:
    """Return the target of a mood, or of other words in its place."""
    mood = mood_find(name)
    return rated(name, field, snapshot)[0] if mood is None else _mood(mood)


def _mood(mood: Mood) -> Target:
    place = np.array([mood.valence, mood.arousal])
    emotions = np.array([mood.emotions.get(name, 0.0) for name in EMOTIONS])
    # The coordinates of a mood are shares: "joy" is the happiest sixth of this catalogue.
    felt = felt_weights(mood.felt, {})
    return Target(place, place, emotions / emotions.sum(), no_direction(), MOOD, felt=felt)


def point_target(point: AffectPoint, snapshot: IndexSnapshot) -> Target:
    place = np.array([point.valence, point.arousal])
    return Target(place, relative(place, snapshot), np.zeros(len(EMOTIONS)), no_direction(), POINT)


def songs_target(weights: Mapping[int, float], snapshot: IndexSnapshot) -> Target:
    """Return the weighted mean of songs, all of them in the snapshot."""
    rows = snapshot.rows_of(weights)
    share = np.fromiter(weights.values(), np.float64)
    share /= share.sum()
    affect = share @ snapshot.affect[rows]
    place = affect[:2]
    fused = share @ snapshot.fused(rows)
    quadrants = share @ snapshot.quadrants[rows]
    return Target(
        place,
        relative(place, snapshot),
        stressed(affect[2:], snapshot),
        (fused / (np.linalg.norm(fused) or 1.0)).astype(np.float32),
        SONGS,
        quadrants / (quadrants.sum() or 1.0),
    )


def history_target(
    request: PlaylistRequest, user: User | AnonymousUser | None, snapshot: IndexSnapshot
) -> Target:
    """Return the target of what the listener heard; raise HISTORY_EMPTY if there is nothing."""
    weights: Mapping[int, float] = {}
    if user is not None and user.is_authenticated:
        weights = history_weights(
            user=user,
            half_life=timedelta(days=request.history_half_life),
            is_session=request.history_session,
            hour=request.history_hour,
        )
    known = set(snapshot.song_ids[snapshot.rows_of(weights)].tolist())
    known_weights = {song_id: weight for song_id, weight in weights.items() if song_id in known}
    if not known_weights:
        raise PlaylistRequestError(
            PlaylistErrorCode.HISTORY_EMPTY,
            gettext(_NOTHING_HEARD),
        )
    return songs_target(_said(known_weights, "history", request, snapshot), snapshot)


def _said(
    weights: Mapping[int, float], field: str, request: PlaylistRequest, snapshot: IndexSnapshot
) -> Mapping[int, float]:
    """Return those of some songs whose place is known by the parts that the request judges by."""
    if request.words_weight is None:
        return weights
    rows = snapshot.rows_of(weights)
    is_by_words = request.words_weight == 1
    column = snapshot.by_words if is_by_words else snapshot.by_sound
    known = snapshot.song_ids[rows[~np.isnan(column.dimension(0)[rows])]].tolist()
    if not known:
        raise PlaylistRequestError(
            PlaylistErrorCode.REQUEST_INVALID,
            (
                gettext("%(field)s has no song whose words are known apart; leave out words_weight")
                if is_by_words
                else gettext(
                    "%(field)s has no song whose sound is known apart; leave out words_weight"
                )
            )
            % {"field": field},
            {"field": field},
        )
    return {song_id: weights[song_id] for song_id in known}


def _check_seed_songs(song_ids: Sequence[int], snapshot: IndexSnapshot) -> None:
    known = set(snapshot.song_ids[snapshot.rows_of(song_ids)].tolist())
    missing = [song_id for song_id in song_ids if song_id not in known]
    if missing:
        raise song_unusable_error(missing)


def song_unusable_error(song_ids: Sequence[int]) -> PlaylistRequestError:
    """Return the error for songs that are not in the snapshot, with the reason."""
    # SQLite refuses a number of more than 64 bits.
    possible = [song_id for song_id in song_ids if abs(song_id) < 2**63]
    available = Song.objects.filter(pk__in=possible, is_available=True)
    there = set(available.values_list("pk", flat=True))
    absent = [song_id for song_id in song_ids if song_id not in there]
    code = PlaylistErrorCode.SONG_NOT_FOUND if absent else PlaylistErrorCode.SONG_NOT_ANALYSED
    named = absent or list(song_ids)
    listed = ", ".join(str(song_id) for song_id in named)
    message = gettext(_NO_SUCH_SONG if absent else _NOT_ANALYSED)
    return PlaylistRequestError(code, message % {"ids": listed}, {"song_ids": named})
