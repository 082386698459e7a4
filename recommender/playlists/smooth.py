"""How far songs are apart in tempo and key, for an order whose neighbours go well together.

Tempi are compared by the octave: 60 and 120 beats a minute are one pulse. Keys are compared on the
circle of fifths, as the wheels of DJs do [1]_: a key, its relative and its two neighbours are near.

References
----------
.. [1] Gebhardt, Davies and Seeber (2016), "Psychoacoustic approaches for harmonic music mixing",
   Applied Sciences 6(5), for the circle of fifths as what DJ programs use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from recommender.playlists.sequencing import arrange

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from recommender.index import IndexSnapshot

TEMPO_WEIGHT: Final = 0.3
"""At `smooth` 1 the farthest tempo, half an octave away, is as far as this on the plane."""
KEY_WEIGHT: Final = 0.1
"""At `smooth` 1 the farthest key is as far as this on the plane."""
_FARTHEST_KEY: Final = 7
"""Six steps on the circle, and the other mode."""
_UNKNOWN: Final = 0.5


def arrange_smoothly(
    snapshot: IndexSnapshot,
    rows: NDArray[np.int64],
    credits: NDArray[np.int64],
    *,
    spacing: int,
    smooth: float,
) -> tuple[list[int], int]:
    """Return what `arrange` does of rows, with small steps of tempo and key as far as `smooth`."""
    points = snapshot.affect[rows, :2].astype(np.float64)
    if not smooth:
        return arrange(points, credits, spacing)
    tempi, keys = snapshot.tempos[rows], snapshot.keys[rows]
    jumps = TEMPO_WEIGHT * tempo_distances(tempi) + KEY_WEIGHT * key_distances(keys)
    return arrange(points, credits, spacing, jumps=smooth * jumps)


def tempo_distances(tempi: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the (songs, songs) distances of tempi, from 0 to 1, half an octave.

    An unknown tempo, NaN, is as far as .5 from any other.
    """
    octaves = np.log2(np.where(tempi > 0, tempi, np.nan).astype(np.float64))
    apart = np.abs(octaves[:, np.newaxis] - octaves)
    return _filled(2 * np.abs(apart - np.round(apart)))


def key_distances(keys: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return the (songs, songs) distances of keys, from 0 to 1, the farthest on the circle.

    `keys` are positions in `KEYS`, from 1: twelve major ones by semitones, then the minor ones. An
    unknown key, 0, is as far as .5 from any other.
    """
    codes = keys.astype(np.int64) - 1
    is_minor = codes >= 12
    # A minor key lies where its relative major does, three semitones above.
    fifths = np.where(is_minor, codes - 12 + 3, codes) * 7 % 12
    apart = np.abs(fifths[:, np.newaxis] - fifths)
    steps = np.minimum(apart, 12 - apart) + (is_minor[:, np.newaxis] != is_minor)
    distances = steps / _FARTHEST_KEY
    is_unknown = codes < 0
    distances[is_unknown] = np.nan
    distances[:, is_unknown] = np.nan
    return _filled(distances)


def _filled(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    filled = np.where(np.isnan(distances), _UNKNOWN, distances)
    np.fill_diagonal(filled, 0.0)
    return filled
