"""A song as a row of the index's arrays."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np

from mer.affect import EMOTIONS, QUADRANTS
from mer.prediction import EMBEDDING_DIM

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from catalog.models import SongEmotion

AFFECT_DIM: Final = 2 + len(EMOTIONS)
QUADRANT_DIM: Final = len(QUADRANTS)
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

SONG_DTYPE: Final = np.dtype(
    [
        ("song_id", np.int64),
        ("revision", np.int64),
        ("song_revision", np.int64),
        ("artist", np.int64),
        ("genre", np.int64),
        ("year", np.int64),
        ("recording", np.int64),
        ("recording_rank", np.int64),
    ]
)
"""The fields of a song that filters use, with the revisions of its two database rows."""


@dataclass(frozen=True, slots=True)
class IndexRows:
    """The arrays of a build: aligned, ascending in `song_ids`, each song once.

    Parameters
    ----------
    song_ids, revisions : (songs,) int64
        `revisions` as of `revision_of`.
    fused : (songs, 256) float32
        Unit norm.
    affect : (songs, 10) float32
        As of `affect_of`.
    quadrants : (songs, 4) float32
        As of `quadrants_of`.

    Raises
    ------
    ValueError
        If a shape differs, or if `song_ids` do not ascend.
    """

    song_ids: NDArray[np.int64]
    revisions: NDArray[np.int64]
    fused: NDArray[np.float32]
    affect: NDArray[np.float32]
    quadrants: NDArray[np.float32]

    def __post_init__(self) -> None:
        rows = len(self.song_ids)
        shapes = {
            "song_ids": (rows,),
            "revisions": (rows,),
            "fused": (rows, EMBEDDING_DIM),
            "affect": (rows, AFFECT_DIM),
            "quadrants": (rows, QUADRANT_DIM),
        }
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} has shape {getattr(self, name).shape}, not {shape}")
        if not np.all(np.diff(self.song_ids) > 0):
            raise ValueError("song_ids must ascend, each once")


def revision_of(moment: datetime) -> int:
    """Return the microseconds from 1970 to `moment`, a row's `updated_at`."""
    return (moment - EPOCH) // _MICROSECOND


def affect_of(emotion: SongEmotion) -> tuple[float, ...]:
    """Return valence, arousal and the probabilities of the eight emotions, in `EMOTIONS` order."""
    return (
        emotion.valence,
        emotion.arousal,
        *(emotion.emotions.get(name, 0.0) for name in EMOTIONS),
    )


def quadrants_of(emotion: SongEmotion) -> tuple[float, ...]:
    """Return the probabilities of Q1 to Q4; all equal if the row lacks one of the four."""
    held = emotion.quadrants
    if any(held.get(name) is None for name in QUADRANTS):
        return (1 / QUADRANT_DIM,) * QUADRANT_DIM
    return tuple(float(held[name]) for name in QUADRANTS)
