"""How the songs of a catalogue are distributed, from a sample of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from recommender.index.rows import Columns

SAMPLE_ROWS: Final = 20_000
"""Statistics use at most about this many songs, evenly spread over the rows."""
QUADRANT_ROWS: Final = 2_000
"""Of these, so many are kept with their quadrants."""
SAMPLED: Final = ("affect", "quadrants", "by_sound", "by_words", "felt")
"""The columns that statistics need."""


@dataclass(frozen=True)
class Statistics:
    """The distribution of a sample of songs.

    Parameters
    ----------
    quantiles : (10, m) float32
        The values of the sample in each affect dimension, ascending.
    quadrants : (m, 4) float32
        Quadrant probabilities of some songs of the sample.
    parts : (m, 4) float32
        Valence and arousal of the sample by the sound alone, then by the words; NaN where unknown.
    felt : (9, k) float32
        The shares of listeners who feel each of `mer.affect.GEMS`, ascending, of the songs of the
        sample of which they are known.
    mean_affect : (10,) float64
    mean_fused : (256,) float32
        Not of unit norm.
    """

    quantiles: NDArray[np.float32]
    quadrants: NDArray[np.float32]
    parts: NDArray[np.float32]
    felt: NDArray[np.float32]
    mean_affect: NDArray[np.float64]
    mean_fused: NDArray[np.float32]

    def share_below(self, values: NDArray[np.float32], dimension: int) -> NDArray[np.float64]:
        """Return the share of songs that lie below each value of an affect dimension.

        Equal values count half, so the median of the catalogue has the share 0.5.
        """
        return _share_below(self.quantiles[dimension], values)

    def felt_below(self, values: NDArray[np.float32], number: int) -> NDArray[np.float64]:
        """Return the share of songs, of those that are known, in which fewer listeners feel it."""
        return _share_below(self.felt[number], values)

    def shares(self, affect: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return `share_below` of each value of (songs, 10) affect, in every dimension."""
        shares = np.empty(affect.shape, np.float32, order="F")
        for dimension in range(affect.shape[1]):
            shares[:, dimension] = self.share_below(affect[:, dimension], dimension)
        return shares


def _share_below(column: NDArray[np.float32], values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the share of an ascending column below each value; equal ones count half."""
    # `searchsorted` is much faster on ascending values.
    order = np.argsort(values)
    ascending = values[order]
    low = np.searchsorted(column, ascending, side="left")
    high = np.searchsorted(column, ascending, side="right")
    shares = np.empty(len(values))
    shares[order] = (low + high) / max(1, 2 * len(column))
    return shares


def sample_of(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return at most about `SAMPLE_ROWS` of the rows, evenly spread."""
    return rows[:: max(1, len(rows) // SAMPLE_ROWS)]


def statistics_of(columns: Columns, fused: NDArray[np.float32]) -> Statistics:
    """Return the statistics of a sample: its `SAMPLED` columns and (m, 256) embeddings, aligned."""
    affect, quadrants, by_sound, by_words, felt = (columns[name] for name in SAMPLED)
    known = felt[~np.isnan(felt[:, 0])].astype(np.float32)
    felt = np.ascontiguousarray(np.sort(known, axis=0).T)
    parts = np.hstack([by_sound, by_words])
    if not len(affect):
        nothing = np.zeros(fused.shape[1], np.float32)
        return Statistics(affect.T, quadrants, parts, felt, np.zeros(affect.shape[1]), nothing)
    return Statistics(
        np.ascontiguousarray(np.sort(affect, axis=0).T),
        quadrants[:: max(1, len(quadrants) // QUADRANT_ROWS)],
        parts,
        felt,
        np.asarray(affect.mean(axis=0, dtype=np.float64)),
        np.asarray(fused.mean(axis=0)),
    )
