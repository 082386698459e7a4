"""What an engine does for a build of the index.

A `VectorIndex` has all its songs as rows: `recommender.index.files.EmbeddingIndex` does. It filters
(`where`), and finds candidates by a first-phase score (`search_fused`, `search_affect`). The exact
score is computed here, from the columns (`take`) and embeddings (`fused`) of what it found.

Ten million songs and more are too many for masks and columns of all rows. A `SongSource`, such as a
vector database, returns the songs that a request may need as a small `VectorIndex`. It is asked by
`Condition` and `Nearest` in place of masks and rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from recommender.index.statistics import Statistics


class VectorIndex(Protocol):
    """A fixed set of songs that can be searched; safe to share between threads.

    A song is known by its row, from 0 to the length of the index.
    """

    statistics: Statistics
    """Of the songs of the index."""
    genre_names: tuple[str, ...]
    """The genre tags, by their codes."""

    def __len__(self) -> int:
        """Return the number of songs."""
        ...

    def take(
        self, column: str, rows: NDArray[np.int64] | slice, dimension: int | None = None
    ) -> NDArray[Any]:
        """Return the values of rows in one of `rows.COLUMNS`, or in "shares".

        "shares" are those of `Statistics.shares`. With `dimension`, only that one of the values of
        each row is returned.
        """
        ...

    def fused(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the (rows, 256) fused embeddings of rows, of unit norm."""
        ...

    def rows_of(self, song_ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the row of each song; -1 where it is not here."""
        ...

    def rows_of_recordings(self, recordings: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows of all songs of some recordings; those of single files have none."""
        ...

    def where(
        self,
        column: str,
        *,
        low: float | None = None,
        high: float | None = None,
        any_of: Collection[int] | None = None,
    ) -> NDArray[np.bool_]:
        """Return which rows have a value in a column of one value a row.

        The value is at least `low`, at most `high` and one of `any_of`, as far as they are given.
        An unknown number (NaN) is never in a range.
        """
        ...

    def search_fused(
        self, query: NDArray[np.float32], k: int, allowed: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Find the songs whose fused embeddings are most similar to a query.

        Parameters
        ----------
        query : (256,) float32
            Unit norm.
        k : int
            The number of songs wanted.
        allowed : (songs,) bool, optional
            Rows that may be found; all by default.

        Returns
        -------
        similarities : (m,) float32
            Cosine, highest first; m is the smaller of `k` and the number of allowed rows.
        rows : (m,) int64
            Equal similarities are in order of row.
        """
        ...

    def search_affect(
        self,
        target: NDArray[np.float32],
        weights: NDArray[np.float32],
        k: int,
        allowed: NDArray[np.bool_] | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Find the songs whose affect is nearest to `target`.

        Parameters
        ----------
        target, weights : (10,) float32
            Point in the affect space, and the weight of each dimension (not negative).
        k : int
            The number of songs wanted.
        allowed : (songs,) bool, optional
            Rows that may be found; all by default.

        Returns
        -------
        distances : (m,) float32
            Weighted Euclidean, nearest first; m is the smaller of `k` and the number of allowed
            rows.
        rows : (m,) int64
            Equal distances are in order of row.
        """
        ...

    def damage_check(self) -> Iterator[None]:
        """Look for damage in small steps, so that requests hardly notice.

        Raises `IndexCorruptError`.
        """
        ...


SAME_RECORDING: Final = "same_recording"
"""Column of a `Condition` whose `any_of` are songs: it holds for all files of their recordings."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What a song of a list must be: its value in a column passes, as in `VectorIndex.where`.

    In a column of several values a song, one of them passes. With `is_refused` a song must not be
    so.
    """

    column: str
    low: float | None = None
    high: float | None = None
    any_of: tuple[int, ...] | None = None
    is_refused: bool = False


PLAYABLE: Final = Condition("libraries", low=0)
"""The condition of songs with audio: a table of songs has an id below 0 in this column."""


@dataclass(frozen=True, slots=True)
class Nearest:
    """The `k` songs that are nearest in one of the two spaces.

    In the fused space `target` is a (256,) unit vector. In the affect space it is a (10,) point,
    and `weights` are those of its dimensions.
    """

    target: NDArray[np.float32]
    k: int
    weights: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True)
class NearestByParts:
    """The `k` songs nearest to a (2,) place, with each song at ``(1 - words) s + words w``.

    s is its place by the sound alone, w that by the words alone. A song that lacks one of them is
    at the other one.
    """

    target: NDArray[np.float32]
    k: int
    words: float


@dataclass(frozen=True, slots=True)
class FarthestApart:
    """The `k` songs whose words are less pleasant than their sound by most; or more pleasant."""

    k: int
    is_sound_brighter: bool


Query = Nearest | NearestByParts | FarthestApart
"""What a vector database is asked for."""


@dataclass(frozen=True, slots=True)
class FirstPhase:
    """The terms of the score of `recommender.playlists.scoring` for one target.

    A song's score is the weighted mean of `closeness` times its quadrant match, of its shares in
    the emotions, of its likeness and of its quadrant match.

    Attributes
    ----------
    place, relative : (2,) float
        Valence and arousal, and the shares of the catalogue below them.
    tolerance : float
        The scale of closeness.
    lost : (4,) float
        What the probability of each quadrant takes from the quadrant match.
    full_match : float
        The quadrant match that counts as a full one.
    emotions : (8,) float
        Weights that sum to 1, or all 0.
    typical : float
        Cosine of the target and the average song.
    closeness, emotion, likeness, quadrants : float
        Weights of the four parts.
    """

    place: tuple[float, ...]
    relative: tuple[float, ...]
    tolerance: float
    lost: tuple[float, ...]
    full_match: float
    emotions: tuple[float, ...]
    typical: float
    closeness: float
    emotion: float
    likeness: float
    quadrants: float


class SongSource(Protocol):
    """A changing set of songs in a vector database; safe to share between threads."""

    def __len__(self) -> int:
        """Return the number of songs."""
        ...

    def counts(self, column: str) -> Mapping[int, int]:
        """Return how many songs have each value of the column "genres" or "years"."""
        ...

    def gathered(
        self,
        song_ids: Collection[int],
        nearest: Sequence[Query] = (),
        conditions: Sequence[Condition] = (),
        first_phase: FirstPhase | None = None,
    ) -> VectorIndex:
        """Return some songs: those with an id of `song_ids`, and those that are nearest.

        The nearest ones pass all conditions. With a first phase, only the best of them by its score
        are returned. All other files of their recordings are returned, too.
        Raises `IndexUnreadableError` if the engine does not answer.
        """
        ...
