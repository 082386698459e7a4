"""How two versions of the model differ, over the songs that both have analysed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from recommender.index import index_snapshot_of
from recommender.moods import MOODS
from recommender.playlists.generate import playlist_generate
from recommender.playlists.request import PlaylistRequest

if TYPE_CHECKING:
    from recommender.index import IndexSnapshot

LIST_SONGS: Final = 20


@dataclass(frozen=True, slots=True)
class VersionComparison:
    """The differences from version `first` to version `second`.

    Attributes
    ----------
    songs : int
        Songs that both cover; the means and shares are over these.
    valence_shift, arousal_shift : float
        Mean of the second minus the first.
    valence_distance, arousal_distance : float
        Mean absolute difference.
    quadrant_changed : float
        Share of the songs whose likeliest quadrant differs.
    overlaps : dict of str to float
        For each named mood, the share of songs that its lists of `LIST_SONGS` have in common.
    """

    first: str
    second: str
    songs: int
    valence_shift: float
    arousal_shift: float
    valence_distance: float
    arousal_distance: float
    quadrant_changed: float
    overlaps: dict[str, float]

    @property
    def mean_overlap(self) -> float:
        """Mean over the named moods."""
        return float(np.mean(list(self.overlaps.values()) or [0.0]))


def versions_compare(first: str, second: str) -> VersionComparison:
    """Compare two versions; it reads every song of both, so it takes as long as two index reads."""
    one, two = index_snapshot_of(first), index_snapshot_of(second)
    shared = np.intersect1d(*(held.song_ids[np.flatnonzero(held.alive)] for held in (one, two)))
    rows, other = one.rows_of(shared.tolist()), two.rows_of(shared.tolist())
    shift = two.affect[other][:, :2].astype(np.float64) - one.affect[rows][:, :2]
    changed = one.quadrants[rows].argmax(axis=1) != two.quadrants[other].argmax(axis=1)
    valence, arousal = shift.mean(axis=0) if len(shared) else (0.0, 0.0)
    far_valence, far_arousal = np.abs(shift).mean(axis=0) if len(shared) else (0.0, 0.0)
    return VersionComparison(
        first=first,
        second=second,
        songs=len(shared),
        valence_shift=float(valence),
        arousal_shift=float(arousal),
        valence_distance=float(far_valence),
        arousal_distance=float(far_arousal),
        quadrant_changed=float(changed.mean()) if len(shared) else 0.0,
        overlaps={name: _overlap(name, one, two) for name in MOODS} if len(shared) else {},
    )


def _overlap(mood: str, one: IndexSnapshot, two: IndexSnapshot) -> float:
    request = PlaylistRequest(moods=((mood, 1.0),), count=LIST_SONGS, seed=0, min_match=0)
    lists = [
        {entry.song_id for entry in playlist_generate(request=request, snapshot=held).entries}
        for held in (one, two)
    ]
    return len(lists[0] & lists[1]) / max(1, *map(len, lists))
