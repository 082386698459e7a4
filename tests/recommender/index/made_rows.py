"""Random rows of an index, without a database."""

from __future__ import annotations

import numpy as np

from recommender.index.rows import AFFECT_DIM, COLUMNS, FELT_DIM, QUADRANT_DIM, Rows


def make_rows(count: int, seed: int = 0, distinct: int | None = None) -> Rows:
    """Random rows; with `distinct`, only so many different vectors among them."""
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((distinct or count, 256)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    affect = rng.random((distinct or count, AFFECT_DIM)).astype(np.float32)
    pick = np.arange(count) if distinct is None else rng.integers(distinct, size=count)
    song_ids = np.sort(rng.choice(10 * count + 1, size=count, replace=False)).astype(np.int64)
    return rows_with(song_ids, vectors[pick], affect=affect[pick], rng=rng)


def rows_with(
    song_ids: np.ndarray, fused: np.ndarray, *, rng: np.random.Generator, **columns: np.ndarray
) -> Rows:
    """Rows of some songs; the columns that are not given are random."""
    count = len(song_ids)
    recordings = rng.integers(1, max(2, count), size=count)
    made = {
        "song_ids": song_ids,
        "affect": rng.random((count, AFFECT_DIM)),
        "quadrants": rng.dirichlet(np.ones(QUADRANT_DIM), count),
        "years": rng.integers(1950, 2030, size=count),
        "genres": rng.integers(3, size=count),
        "recordings": np.where(rng.random(count) < 0.5, recordings, -song_ids - 1),
        "recording_ranks": rng.integers(3, size=count),
        "by_sound": _some_missing(rng, count),
        "by_words": _some_missing(rng, count),
        "felt": _some_missing(rng, count, FELT_DIM),
        "durations": np.where(rng.random(count) < 0.2, np.nan, rng.random(count) * 300),
    }
    made |= {
        name: rng.integers(100, size=(count, kind.width)[: 1 + (kind.width > 1)])
        for name, kind in COLUMNS.items()
        if name not in made
    }
    made |= columns
    return Rows(
        {name: np.asarray(made[name]).astype(kind.dtype) for name, kind in COLUMNS.items()},
        fused.astype(np.float32),
    )


def _some_missing(rng: np.random.Generator, count: int, width: int = 2) -> np.ndarray:
    """Places of the plane, or other values, a fifth of them unknown."""
    places = rng.random((count, width))
    places[rng.random(count) < 0.2] = np.nan
    return places
