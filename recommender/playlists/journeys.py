"""Lists that lead from one mood to another: a curve on the plane, and songs along it.

Plain arrays, no database. `Curve` is the way through the stops. `travel` assigns a song to each
step by a beam search: songs near their step, that go forward, fit the request, and keep the
spacing and the maximum of each artist. The search keeps the `_BEAM` cheapest beginnings.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from django.utils.translation import gettext_noop

from catalog.retold import kept

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

SHAPES: Final[Mapping[str, str]] = {
    "linear": kept(gettext_noop("straight, in equal steps")),
    "valence_first": kept(gettext_noop("first more or less pleasant, then livelier or calmer")),
    "arousal_first": kept(gettext_noop("first livelier or calmer, then more or less pleasant")),
    "iso": kept(
        gettext_noop(
            "stays at the first stop for a fifth of the list, then goes on, and ends resting"
        )
    ),
}
"""The ways from stop to stop, with what each means.

"iso" follows the iso-principle of music therapy [1]_: the music first meets the listener's mood,
and then leads away from it. Trials do not show that it works better than the direct way.

References
----------
.. [1] Altshuler (1948), "A psychiatrist's experience with music as a therapeutic agent".
"""
_ISO_START: Final = 0.2
_ISO_END: Final = 0.1
_BEAM: Final = 32
NEAR_STEP: Final = 48
"""So many songs near each step are candidates for it."""
_FIT_DISTANCE: Final = 0.05
"""A song so far from its step costs 1."""
_BACKWARD_COST: Final = 3.0
_BACKWARD_DISTANCE: Final = 0.03
_LEAP_DISTANCE: Final = 0.15
_MISFIT_COST: Final = 1.5
_CHANCE_COST: Final = 0.1


@dataclass(frozen=True, slots=True)
class Curve:
    """A polyline on the plane; its places are given by progress, from 0 to 1."""

    corners: NDArray[np.float64]
    """(corners, 2), at least two."""
    corners_per_stop: int = 1
    """From one stop to the next."""

    @classmethod
    def through(cls, stops: NDArray[np.float64], shape: str) -> Curve:
        """Return the curve through (stops, 2) places."""
        if shape not in {"valence_first", "arousal_first"}:
            return cls(stops)
        corners = [stops[0]]
        for start, end in itertools.pairwise(stops):
            valence, arousal = (end, start) if shape == "valence_first" else (start, end)
            corners += [np.array([valence[0], arousal[1]]), end]
        return cls(np.array(corners), corners_per_stop=2)

    @property
    def length(self) -> float:
        """Length on the plane."""
        return float(self._marks()[-1])

    def at(self, progress: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the (n, 2) places at (n,) progress, measured along the curve."""
        marks = self._marks()
        wanted = progress * marks[-1]
        return np.stack([np.interp(wanted, marks, self.corners[:, axis]) for axis in (0, 1)], 1)

    @property
    def progress_of_stops(self) -> NDArray[np.float64]:
        """(stops,) progress at the stops, ascending from 0 to 1."""
        marks = self._marks()
        return np.asarray((marks / marks[-1])[:: self.corners_per_stop])

    def _marks(self) -> NDArray[np.float64]:
        steps = np.linalg.norm(np.diff(self.corners, axis=0), axis=1)
        # `interp` needs ascending marks, also where two stops are in one place.
        return np.append(0.0, np.cumsum(np.maximum(steps, 1e-9)))


def progress_of_steps(count: int, shape: str) -> NDArray[np.float64]:
    """Return the progress of each of `count` steps."""
    even = np.linspace(0.0, 1.0, count) if count > 1 else np.array([1.0])
    if shape != "iso":
        return even
    return np.clip((even - _ISO_START) / (1.0 - _ISO_START - _ISO_END), 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Candidates:
    """Songs that a journey may take, as aligned arrays.

    Parameters
    ----------
    places : (songs, 2) float64
    artists : (songs, k) int64
        Codes of all credited artists, counted from 0; -1 where there are fewer than k.
    albums : (songs,) int64
        Codes of albums, counted on behind those of artists; -1 for none.
    most : (codes,) int64
        How many songs with each code a journey may have.
    misfit : (steps, songs) float64
        How little a song fits the request at a step, from 0 to 1.
    near : (steps, m) int64
        Which songs are candidates for each step.
    chance : (songs,) float64
        Numbers in [0, 1) by which the seed decides between songs that are equally good.
    """

    places: NDArray[np.float64]
    artists: NDArray[np.int64]
    albums: NDArray[np.int64]
    most: NDArray[np.int64]
    misfit: NDArray[np.float64]
    near: NDArray[np.int64]
    chance: NDArray[np.float64]


def travel(steps: NDArray[np.float64], songs: Candidates, *, spacing: int) -> NDArray[np.int64]:
    """Return the song of each of the (steps, 2) places; -1 where no song may be.

    No song is there twice. Between two songs that share an artist are at least `spacing` others.
    """
    beam = _Beam.empty(len(songs.places), len(songs.most), len(steps))
    moves = np.diff(steps, axis=0, prepend=steps[:1])
    for number, step in enumerate(steps):
        candidates = songs.near[number]
        is_free = beam.is_free(songs, candidates, number, spacing)
        is_free &= ~beam.used[:, candidates]
        if not is_free.any():
            continue
        cost = _step_costs(step, songs, number)[np.newaxis] + _move_costs(
            beam.last, songs.places[candidates], moves[number]
        )
        total = np.where(is_free, beam.costs[:, np.newaxis] + cost, np.inf)
        best = np.argsort(total, axis=None, kind="stable")[:_BEAM]
        best = best[np.isfinite(total.ravel()[best])]
        parents, places = np.unravel_index(best, total.shape)
        beam = beam.with_songs(parents, candidates[places], total.ravel()[best], number, songs)
    path: NDArray[np.int64] = beam.paths[int(np.argmin(beam.costs))]
    return path


def _step_costs(step: NDArray[np.float64], songs: Candidates, number: int) -> NDArray[np.float64]:
    candidates = songs.near[number]
    distances = np.linalg.norm(songs.places[candidates] - step, axis=1)
    return np.asarray(
        (distances / _FIT_DISTANCE) ** 2
        + _MISFIT_COST * songs.misfit[number, candidates]
        + _CHANCE_COST * songs.chance[candidates]
    )


def _move_costs(
    last: NDArray[np.float64], places: NDArray[np.float64], move: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the (beginnings, candidates) costs of going back, and of leaps beside the way."""
    steps = places[np.newaxis] - last[:, np.newaxis]
    leaps = np.linalg.norm(steps - move, axis=2) / _LEAP_DISTANCE
    costs = leaps**2
    length = float(np.linalg.norm(move))
    if length > 0:
        back = np.maximum(-(steps @ (move / length)), 0.0)
        costs += np.where(back > 0, _BACKWARD_COST + (back / _BACKWARD_DISTANCE) ** 2, 0.0)
    return np.asarray(np.nan_to_num(costs))  # nan: nothing before the first song


@dataclass(frozen=True, slots=True)
class _Beam:
    """The beginnings of a journey that are looked at, aligned along their first dimension."""

    costs: NDArray[np.float64]
    last: NDArray[np.float64]
    used: NDArray[np.bool_]
    counts: NDArray[np.int16]
    seen: NDArray[np.int16]
    """The step at which each artist, or album, was heard last."""
    paths: NDArray[np.int64]

    @classmethod
    def empty(cls, songs: int, codes: int, steps: int) -> _Beam:
        return cls(
            costs=np.zeros(1),
            last=np.full((1, 2), np.nan),
            used=np.zeros((1, songs), bool),
            counts=np.zeros((1, codes + 1), np.int16),
            seen=np.full((1, codes + 1), -(2**14), np.int16),
            paths=np.full((1, steps), -1),
        )

    def is_free(
        self, songs: Candidates, candidates: NDArray[np.int64], step: int, spacing: int
    ) -> NDArray[np.bool_]:
        """Return which candidates each beginning may take, by their artists and albums."""
        is_left = np.ones(self.counts.shape, bool)
        # The last column stands for the code -1, nobody, who is always free.
        is_left[:, :-1] = self.counts[:, :-1] < songs.most
        is_apart = step - self.seen > spacing
        is_apart[:, -1] = True
        may = is_left & is_apart
        return np.asarray(
            may[:, songs.artists[candidates]].all(axis=2) & is_left[:, songs.albums[candidates]]
        )

    def with_songs(
        self,
        parents: NDArray[np.intp],
        chosen: NDArray[np.int64],
        costs: NDArray[np.float64],
        step: int,
        songs: Candidates,
    ) -> _Beam:
        rows = np.arange(len(parents))
        used, counts, seen = self.used[parents], self.counts[parents], self.seen[parents]
        paths = self.paths[parents]
        used[rows, chosen] = True
        paths[rows, step] = chosen
        for codes in (*songs.artists[chosen].T, songs.albums[chosen]):
            counts[rows, codes] += 1
            seen[rows, codes] = step
        return _Beam(costs, songs.places[chosen], used, counts, seen, paths)


@dataclass(frozen=True, slots=True)
class JourneyFit:
    """How well the songs of a journey keep to its curve."""

    distance: float
    """Mean distance of a song from its step."""
    forward: float
    """Share of the steps that go forward, among those where the curve moves."""


def journey_fit(places: NDArray[np.float64], steps: NDArray[np.float64]) -> JourneyFit:
    """Return the fit of songs at (n, 2) `places` to their (n, 2) `steps`."""
    moves, made = np.diff(steps, axis=0), np.diff(places, axis=0)
    is_move = np.linalg.norm(moves, axis=1) > 0
    forward = (moves * made).sum(axis=1)[is_move] >= 0
    return JourneyFit(
        distance=float(np.linalg.norm(places - steps, axis=1).mean()) if len(places) else 0.0,
        forward=float(forward.mean()) if len(forward) else 1.0,
    )
