"""What one listener's feedback comes to, for the songs of a snapshot."""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from recommender.feedback import feedback_of
from recommender.history import history_mark, history_weights
from recommender.personal.calibration import calibration_fit
from recommender.personal.evidence import evidence_of, nudges_of
from recommender.personal.taste import Songs, taste_fit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from django.contrib.auth.models import AnonymousUser, User
    from numpy.typing import NDArray

    from recommender.feedback import Feedback
    from recommender.index import IndexSnapshot
    from recommender.personal.calibration import Calibration
    from recommender.personal.taste import Taste

_KEPT: Final = 256
"""A process keeps the profiles of so many listeners."""


@dataclass(frozen=True, slots=True)
class Corrections:
    """The songs of a snapshot that a listener moved, as aligned arrays.

    (n, 2) `said` is where the catalogue has them, `felt` where the listener does; both are places
    (valence, arousal).
    """

    song_ids: tuple[int, ...]
    said: NDArray[np.float64]
    felt: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Profile:
    """What a listener's feedback comes to.

    Songs are identified by their recordings: `moved_keys` and `nudged_keys` are ascending values of
    the column `recordings`. `felt` and `nudges` are aligned with them; `nudges` are logarithms of
    factors. `liked` are songs of the snapshot, the latest like first. `spoken` are all songs with
    feedback or listens.
    """

    calibration: Calibration | None
    taste: Taste | None
    corrections: Corrections
    moved_keys: NDArray[np.int64]
    felt: NDArray[np.float64]
    nudged_keys: NDArray[np.int64]
    nudges: NDArray[np.float64]
    liked: tuple[int, ...]
    spoken: tuple[int, ...]

    @property
    def moved(self) -> tuple[int, ...]:
        """The songs of the snapshot that the listener moved."""
        return self.corrections.song_ids

    def where_moved(self, keys: NDArray[np.int64]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """Return which of some recordings were moved, and their places in `felt`."""
        return _found(self.moved_keys, keys)

    def nudges_of(self, keys: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return by how much some recordings move themselves, as logarithms of factors."""
        is_known, at = _found(self.nudged_keys, keys)
        nudges = np.zeros(len(keys))
        nudges[is_known] = self.nudges[at]
        return nudges


class _Kept(NamedTuple):
    revision: str
    heard: object
    snapshot: weakref.ref[IndexSnapshot]
    profile: Profile


_kept: OrderedDict[int, _Kept] = OrderedDict()
_lock: Final = threading.Lock()


def profile_of(user: User | AnonymousUser | None, snapshot: IndexSnapshot) -> Profile | None:
    """Return the profile of a listener, of all feedback up to now; None without any about songs.

    It is fitted where feedback, listens or songs have changed since the last call, in a few
    milliseconds: only rows of songs are read about which the listener said something.
    """
    feedback = feedback_of(user)
    if user is None or user.pk is None or not _says_of_songs(feedback):
        return None
    heard = history_mark(user=user)
    with _lock:
        kept = _kept.get(user.pk)
        if kept is not None:
            _kept.move_to_end(user.pk)
    if (
        kept is not None
        and (kept.revision, kept.heard) == (feedback.revision, heard)
        and kept.snapshot() is snapshot
    ):
        return kept.profile
    weights = history_weights(user=user) if heard is not None else {}
    profile = profile_fit(feedback, weights, snapshot.narrowed(songs_of(feedback, weights)))
    with _lock:
        _kept[user.pk] = _Kept(feedback.revision, heard, weakref.ref(snapshot), profile)
        while len(_kept) > _KEPT:
            _kept.popitem(last=False)
    return profile


def _says_of_songs(feedback: Feedback) -> bool:
    return any(
        (
            feedback.likes,
            feedback.banned_songs,
            feedback.ratings,
            feedback.skips,
            feedback.corrections,
        )
    )


def songs_of(feedback: Feedback, heard: Mapping[int, float]) -> tuple[int, ...]:
    """Return the songs of which something was said or heard."""
    corrected = [one.song_id for one in feedback.corrections]
    return tuple(
        {**evidence_of(feedback, heard), **nudges_of(feedback), **dict.fromkeys(corrected)}
    )


def profile_fit(feedback: Feedback, heard: Mapping[int, float], snapshot: IndexSnapshot) -> Profile:
    """Return the profile of feedback and of the weights of songs in the listening history."""
    corrections = _corrections(feedback, snapshot)
    moved_keys, first = np.unique(
        snapshot.recordings[snapshot.rows_of(corrections.song_ids)], return_index=True
    )
    nudges = nudges_of(feedback)
    nudged = _known(nudges, snapshot)
    nudged_keys, places = np.unique(
        snapshot.recordings[snapshot.rows_of(nudged)], return_index=True
    )
    evidence = evidence_of(feedback, heard)
    known = _known(evidence, snapshot)
    return Profile(
        calibration=calibration_fit(corrections.said, corrections.felt),
        taste=taste_fit(
            songs_at(snapshot, snapshot.rows_of(known)),
            np.array([evidence[song_id].liking for song_id in known]),
            np.array([evidence[song_id].weight for song_id in known]),
            snapshot.mean_fused,
        ),
        corrections=corrections,
        moved_keys=moved_keys,
        felt=corrections.felt[first],
        nudged_keys=nudged_keys,
        nudges=np.array([nudges[song_id] for song_id in nudged])[places],
        liked=tuple(_known([like.song_id for like in reversed(feedback.likes)], snapshot)),
        spoken=songs_of(feedback, heard),
    )


def songs_at(snapshot: IndexSnapshot, rows: NDArray[np.int64]) -> Songs:
    """Return what taste reads of some rows."""
    return Songs(
        fused=snapshot.fused(rows),
        artists=snapshot.artists[rows],
        genres=snapshot.genres[rows],
        tags=snapshot.genre_names,
    )


def _corrections(feedback: Feedback, snapshot: IndexSnapshot) -> Corrections:
    felt = {one.song_id: (one.valence, one.arousal) for one in feedback.corrections}
    known = _known(felt, snapshot)
    rows = snapshot.rows_of(known)
    return Corrections(
        tuple(known),
        snapshot.affect[rows, :2].astype(np.float64),
        np.array([felt[song_id] for song_id in known], np.float64).reshape(-1, 2),
    )


def _known(song_ids: Iterable[int], snapshot: IndexSnapshot) -> list[int]:
    """Return those of some songs that are in the snapshot, in the order given."""
    found: list[int] = snapshot.song_ids[snapshot.rows_of(song_ids)].tolist()
    return found


def _found(
    ascending: NDArray[np.int64], wanted: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Return which wanted values are among ascending ones, and the places of those."""
    if not len(ascending):
        return np.zeros(len(wanted), bool), np.empty(0, np.int64)
    at = np.minimum(np.searchsorted(ascending, wanted), len(ascending) - 1)
    is_known = ascending[at] == wanted
    return is_known, at[is_known]
