"""What a request asks of a vector database, which has more songs than a process can hold.

It returns a few thousand songs (`IndexSnapshot.narrowed`), and these are scored and chosen as those
of a smaller catalogue are. With an index in files the snapshot stays as it is;
`recommender.playlists.choosing` then makes the searches of an aim itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from recommender.history import history_weights
from recommender.index.protocol import FarthestApart, Nearest
from recommender.playlists.constraints import conditions_of
from recommender.playlists.credited import songs_of_names
from recommender.playlists.refusals import conditions_of_words
from recommender.playlists.scoring import Target, first_phase_of
from recommender.playlists.targets import SEEDS_OF_NAME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.contrib.auth.models import AnonymousUser, User
    from numpy.typing import NDArray

    from recommender.index import IndexSnapshot
    from recommender.index.protocol import FirstPhase, Query
    from recommender.playlists.aims import Aim, Part
    from recommender.playlists.constraints import Constraint
    from recommender.playlists.request import PlaylistRequest
    from recommender.playlists.targets import Plan
    from recommender.playlists.worded import Worded

_NEAR_AIM: Final = 5_000
"""Songs that are searched for in each space."""
_NEAR_STOP: Final = 1_500
_NEAR_WAY: Final = 700
_PLACES: Final = 7
"""Songs are asked for around so many places between two stops of a journey."""
_EMOTIONS: Final = 8


@dataclass(frozen=True, slots=True)
class Search:
    """All that decides which songs a request may need; `needed` are those that it names."""

    request: PlaylistRequest
    user: User | AnonymousUser | None
    plan: Plan
    words: Worded
    needed: tuple[int, ...] = ()

    def narrowed(self, snapshot: IndexSnapshot, relaxed: Sequence[Constraint]) -> IndexSnapshot:
        """Return a snapshot with the songs that the request may need, without some constraints."""
        if snapshot.source is None:
            return snapshot
        nearest, first_phase = _asked(self.plan, snapshot)
        if self.request.words_weight is not None:
            first_phase = None  # its formula has the places of the catalogue
        place = place_of_words(self.plan, self.words)
        conditions = [
            *conditions_of(snapshot, self.request, self.user, relaxed),
            *conditions_of_words(self.words.filters, self.words.exclusions, place, snapshot),
        ]
        return snapshot.narrowed(self.needed, nearest, conditions, first_phase)


def needed_songs(request: PlaylistRequest, user: User | AnonymousUser | None) -> list[int]:
    """Return the songs whose rows the targets of a request need."""
    found = [song_id for song_id, _ in request.song_ids]
    found += [stop.song_id for stop in request.journey if stop.song_id]
    for field in ("artists", "albums"):
        for name, weight in request.value(field):
            if weight > 0:
                songs = songs_of_names(field, [name]).order_by("pk")
                found += songs.values_list("pk", flat=True)[:SEEDS_OF_NAME]
    wants_history = request.history or any(stop.history for stop in request.journey)
    if wants_history and user is not None and user.is_authenticated:
        found += history_weights(
            user=user,
            half_life=timedelta(days=request.history_half_life),
            is_session=request.history_session,
            hour=request.history_hour,
        )
    return found


def place_of_words(plan: Plan, words: Worded) -> NDArray[np.float64] | None:
    """Return the place that words want while they refuse moods; None if they want none."""
    return plan.aim.place if plan.aim is not None and words.wants else None


def _asked(plan: Plan, snapshot: IndexSnapshot) -> tuple[list[Query], FirstPhase | None]:
    if plan.stops:
        return _nearest_on_journey(plan.stops, snapshot), None
    if plan.aim is None:
        return [], None
    return nearest_of_aim(plan.aim), _first_phase(plan.aim, snapshot)


def nearest_of_aim(aim: Aim) -> list[Query]:
    """Return the searches for the songs of an aim.

    One is for its contrast; one in the affect space, unless the contrast is all that is wanted; one
    in the fused space if likeness has a weight.
    """
    found: list[Query] = [
        FarthestApart(_NEAR_AIM, part.is_sound_brighter) for _, part in aim.contrasts
    ]
    if len(aim.wanted) > len(found) or not found:
        weights = np.array([1.0, 1.0, *aim.emotions], np.float32)
        wanted = np.array([*aim.place, *(aim.emotions > 0)], np.float32)
        found.append(Nearest(wanted, _NEAR_AIM, weights))
    if aim.target is not None and aim.target.weights.likeness:
        found.append(Nearest(aim.target.fused, _NEAR_AIM))
    return found


def _first_phase(aim: Aim, snapshot: IndexSnapshot) -> FirstPhase | None:
    """Return the score of the one target of an aim; other aims have no formula."""
    if aim.target is None or len(aim.wanted) > 1 or aim.refused:
        return None
    return first_phase_of(aim.target, snapshot)


def _nearest_on_journey(stops: Sequence[Part], snapshot: IndexSnapshot) -> list[Query]:
    """Return the searches around the stops, and around places on the lines between them."""
    places = [_place_in(stop, snapshot) for stop in stops]
    found: list[Query] = [_around(place, _NEAR_STOP) for place in places]
    for start, end in pairwise(places):
        shares = np.linspace(0, 1, _PLACES + 2)[1:-1]
        found += [_around(start + share * (end - start), _NEAR_WAY) for share in shares]
    return found


def _place_in(stop: Part, snapshot: IndexSnapshot) -> NDArray[np.float64]:
    """Return where on the plane a stop is among the songs of this catalogue."""
    if not isinstance(stop, Target):
        return stop.place
    quantiles = snapshot.statistics.quantiles
    return np.array(
        [np.quantile(quantiles[axis], np.clip(stop.relative[axis], 0, 1)) for axis in (0, 1)]
    )


def _around(place: NDArray[np.float64], k: int) -> Nearest:
    nothing = np.zeros(_EMOTIONS)
    weights = np.array([1.0, 1.0, *nothing], np.float32)
    return Nearest(np.array([*place, *nothing], np.float32), k, weights)
