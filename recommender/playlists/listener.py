"""How the profile of one listener changes a request: the one place that does.

The listener's plane takes the place of the catalogue's: songs lie where the listener would place
them, and a song that the listener moved lies where it was moved. That changes how well songs match.
What the listener likes decides which of the matching songs come first: they are ranked by
``score · e^x``, where x is `TASTE_FACTOR` times the taste for a song, plus what was said of the
song itself. So a song of which nothing is known keeps its rank value, between two songs of one
taste the better match stays first, and no song matches better because it is liked.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from recommender.index.protocol import Nearest
from recommender.personal import profile_of, songs_at
from recommender.playlists.scoring import quadrant_weights
from recommender.playlists.views import Computed, View

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User
    from numpy.typing import NDArray

    from recommender.index import IndexSnapshot
    from recommender.index.protocol import Query
    from recommender.personal import Profile
    from recommender.playlists.views import Rows

TASTE_FACTOR: Final = 0.6
"""A song that is surely liked ranks like one whose match is e to this times better, 1.8; one that
is surely disliked, as much worse."""
_RERANKED: Final = 5_000
"""Taste changes the ranks of so many best matches."""
_LIKED_NAMED: Final = 100
_NEUTRAL_SHARE: Final = 0.5


@dataclass(frozen=True, slots=True)
class Listener:
    """A listener who gave feedback. `snapshot` is everywhere what `snapshot_of` returned."""

    profile: Profile

    @property
    def liked(self) -> tuple[int, ...]:
        """The latest likes, which reasons may name."""
        return self.profile.liked[:_LIKED_NAMED]

    @property
    def needed(self) -> tuple[int, ...]:
        """The songs whose rows a list of this listener needs."""
        return (*self.liked, *self.profile.moved)

    def snapshot_of(self, snapshot: IndexSnapshot) -> IndexSnapshot:
        """Return the songs where the listener places them."""
        if self.profile.calibration is None and not self.profile.moved:
            return snapshot
        return HeardSnapshot.of(snapshot, self.profile)

    def ranked(
        self, scores: NDArray[np.float64], snapshot: IndexSnapshot, rows: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return values, 0 or more, by which rows with scores are ranked; highest first."""
        best = np.arange(len(rows))
        if len(rows) > _RERANKED:
            best = np.sort(np.argpartition(-scores, _RERANKED - 1)[:_RERANKED])
        found = scores.copy()
        found[best] *= np.exp(self._preference(snapshot, rows[best]))
        return found

    def likings(self, snapshot: IndexSnapshot, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return how well the listener likes rows, compared with the best liked of them: 0 to 1."""
        liked = np.exp(self._preference(snapshot, rows))
        return np.asarray(liked / liked.max(initial=0.0)) if len(rows) else liked

    def tastes(self, snapshot: IndexSnapshot, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return how much the listener likes rows, from -1 to 1; 0: nothing is known."""
        if self.profile.taste is None:
            return np.zeros(len(rows))
        return self.profile.taste.of(songs_at(snapshot, rows))

    def moved(self, snapshot: IndexSnapshot, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which rows the listener moved on the plane."""
        return self.profile.where_moved(snapshot.recordings[rows])[0]

    def _preference(self, snapshot: IndexSnapshot, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        said = self.profile.nudges_of(snapshot.recordings[rows])
        return TASTE_FACTOR * self.tastes(snapshot, rows) + said


def listener_of(user: User | AnonymousUser | None, snapshot: IndexSnapshot) -> Listener | None:
    """Return the listener, with all feedback about songs up to now; None without any."""
    profile = profile_of(user, snapshot)
    return None if profile is None else Listener(profile)


@dataclass(frozen=True)
class HeardSnapshot(View):
    """The songs of a snapshot, where one listener places them on the plane.

    The distribution of the catalogue stays: a song has the share that a song at its new place has.
    Quadrants stay, too: lists were worse where they followed the plane (docs/results/playlists.md).
    A moved song has the quadrants of its place, and the emotions of a median song, because the
    listener said that those predicted are wrong.
    """

    profile: Profile = field(repr=False, kw_only=True)

    @classmethod
    def of(cls, snapshot: IndexSnapshot, profile: Profile) -> HeardSnapshot:
        """Return the songs of `snapshot` for a listener."""
        return cls.over(snapshot, profile=profile)

    def _again(self, under: IndexSnapshot) -> IndexSnapshot:
        return self.of(under, self.profile)

    def _asked(self, query: Query) -> Query:
        if isinstance(query, Nearest) and query.weights is not None:
            return replace(query, target=self._source(query.target))
        return query

    def _source(self, target: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return where the catalogue has what the listener has at a target in affect."""
        found = target.copy()
        if self.profile.calibration is not None:
            found[:2] = self.profile.calibration.sources(target[:2])
        return found

    def search_affect(
        self,
        target: NDArray[np.float32],
        weights: NDArray[np.float32],
        k: int,
        allowed: NDArray[np.bool_],
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return weighted distances and rows of the `k` allowed songs nearest in affect.

        The search goes to where the catalogue has the songs that the listener places at the target;
        moved songs are found, too. So the distances are near those on the listener's plane.
        """
        distances, rows = self.under.search_affect(self._source(target), weights, k, allowed)
        moved = self.rows_of(self.profile.moved)
        moved = moved[allowed[moved]]
        off = np.sqrt(((self.affect[moved] - target) ** 2 * weights).sum(axis=1))
        is_other = ~np.isin(rows, moved)
        distances = np.concatenate([distances[is_other], off.astype(np.float32)])
        rows = np.concatenate([rows[is_other], moved])
        best = np.lexsort((self.song_ids[rows], distances))[:k]
        return distances[best], rows[best]

    def _places(self, rows: Rows) -> NDArray[np.floating]:
        """Return where the listener places rows, (rows, 2)."""
        is_moved, at = self.profile.where_moved(self.recordings[rows])
        calibration = self.profile.calibration
        held = np.array(self.under.affect[rows, :2])
        found = held if calibration is None else calibration.places(held)
        found[is_moved] = self.profile.felt[at]
        return found

    @property
    def felt(self) -> Computed:
        """What listeners feel; not known of songs that the listener moved."""
        return Computed(len(self), self._felt)

    def _felt(self, rows: Rows, dimension: int | None) -> NDArray[np.float16]:
        held = np.array(self.under.felt[rows])
        held[self.profile.where_moved(self.recordings[rows])[0]] = np.nan
        return held if dimension is None else held[:, dimension]

    def _quadrants(self, rows: Rows, dimension: int | None) -> NDArray[np.float32]:
        column = self.under.quadrants
        held = np.array(column[rows] if dimension is None else column.dimension(dimension)[rows])
        is_moved, at = self.profile.where_moved(self.recordings[rows])
        felt = quadrant_weights(self.profile.felt[at])
        held[is_moved] = felt if dimension is None else felt[:, dimension]
        return held

    def _shares(self, rows: Rows, dimension: int | None) -> NDArray[np.float32]:
        if dimension is None:
            raise ValueError("shares are read one dimension at a time")
        held = np.array(self.under.shares(dimension)[rows])
        is_moved, at = self.profile.where_moved(self.recordings[rows])
        if dimension > 1:
            held[is_moved] = _NEUTRAL_SHARE
        elif self.profile.calibration is not None:
            held[:] = self._share_at(self._places(rows)[:, dimension], dimension)
        else:
            held[is_moved] = self._share_at(self.profile.felt[at, dimension], dimension)
        return held
