"""Searches over plain arrays: filters, exact nearest rows; no files, no database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

BLOCK_ROWS: Final = 32_768
"""Rows whose distances are computed together, in the processor's cache."""
_SAMPLE: Final = 20_000
_TABLE: Final = 1_000_000
"""Below this, membership is looked up in a table instead of searched."""


def places_in(ascending: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the place of each wanted value among ascending ones; -1 where it is missing."""
    if not len(ascending):
        return np.full(len(wanted), -1)
    at = np.minimum(np.searchsorted(ascending, wanted), len(ascending) - 1)
    return np.where(ascending[at] == wanted, at, -1)


def matches(
    values: NDArray[Any],
    *,
    low: float | None = None,
    high: float | None = None,
    any_of: Collection[int] | None = None,
) -> NDArray[np.bool_]:
    """Return which of (rows,) values pass; see `VectorIndex.where`.

    Of (rows, width) values, one of each row has to pass.
    """
    if values.ndim > 1:
        every = [matches(column, low=low, high=high, any_of=any_of) for column in values.T]
        return np.asarray(np.logical_or.reduce(every))
    found = np.ones(len(values), bool) if low is None else values >= low
    if high is not None:
        found &= values <= high
    if any_of is not None:
        found &= _is_any_of(values, np.fromiter(any_of, np.int64, len(any_of)))
    return np.asarray(found)


def _is_any_of(values: NDArray[Any], wanted: NDArray[np.int64]) -> NDArray[np.bool_]:
    if not len(wanted) or not len(values):
        return np.zeros(len(values), bool)
    if len(wanted) <= 3:
        return np.asarray(np.logical_or.reduce([values == one for one in wanted.tolist()]))
    if values.dtype.itemsize <= 4 and wanted.min() >= 0 and wanted.max() < _TABLE:
        table = np.zeros(int(max(wanted.max(), values.max())) + 1, bool)
        table[wanted] = True
        return np.asarray(table[values])
    return np.isin(values, wanted)


def most_similar(
    fused: NDArray[np.float32],
    query: NDArray[np.float32],
    k: int,
    allowed: NDArray[np.bool_] | None = None,
    ids: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return cosines and numbers of the `k` (rows, 256) vectors most similar to a query; exact.

    Equal ones are in order of `ids`, or of their numbers.
    """
    rows = None if allowed is None else np.flatnonzero(allowed)
    if rows is not None and len(rows) < len(fused) / 4:
        found = -(fused[rows] @ query)
        best = smallest(found, k, None if ids is None else ids[rows])
        return -found[best], rows[best]
    found = -(fused @ query)
    if allowed is not None:
        np.putmask(found, ~allowed, np.inf)
    best = smallest(found, k, ids)
    return -found[best], best


def nearest_in_affect(
    affect: NDArray[np.float32],
    target: NDArray[np.float32],
    weights: NDArray[np.float32],
    k: int,
    allowed: NDArray[np.bool_] | None = None,
    ids: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return weighted distances and numbers of the `k` rows nearest to a target; exact.

    `affect` is (rows, 10) in Fortran order: only dimensions with a weight are read, one after the
    other. Equal distances are in order of `ids`, or of their numbers.
    """
    squares = _square_distances(affect, target, weights)
    if allowed is not None:
        np.putmask(squares, ~allowed, np.inf)
    rows = smallest(squares, k, ids)
    return np.sqrt(squares[rows]), rows


def _square_distances(
    affect: NDArray[np.float32], target: NDArray[np.float32], weights: NDArray[np.float32]
) -> NDArray[np.float32]:
    squares = np.zeros(len(affect), np.float32)
    step = np.empty(BLOCK_ROWS, np.float32)
    weighted = np.flatnonzero(weights).tolist()
    for start in range(0, len(affect), BLOCK_ROWS):
        block = squares[start : start + BLOCK_ROWS]
        part = step[: len(block)]
        for dimension in weighted:
            column = affect[start : start + BLOCK_ROWS, dimension]
            np.subtract(column, target[dimension], out=part)
            np.multiply(part, part, out=part)
            np.multiply(part, weights[dimension], out=part)
            np.add(block, part, out=block)
    return squares


def parts_filled(
    by_sound: NDArray[np.float32], by_words: NDArray[np.float32], whole: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return values by sound and by words; where one is NaN the other one, else that of `whole`."""
    sound = np.where(np.isnan(by_sound), by_words, by_sound)
    words = np.where(np.isnan(by_words), by_sound, by_words)
    is_unknown = np.isnan(sound)
    return np.where(is_unknown, whole, sound), np.where(is_unknown, whole, words)


def smallest(
    values: NDArray[np.float32], k: int, ids: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """Return the numbers of the `k` smallest finite values, smallest first.

    Equal ones are in order of `ids`, or of their numbers. Most values are left out by a bound from
    a sample, which is much faster than sorting them all.
    """
    step = max(1, len(values) // _SAMPLE)
    sample = values[::step]
    place = int(1.2 * k / step) + 20
    bound = np.partition(sample, place)[place] if place < len(sample) else np.inf
    rows = np.flatnonzero(values <= bound) if np.isfinite(bound) else np.empty(0, np.int64)
    if len(rows) < k:
        rows = np.flatnonzero(np.isfinite(values))
    found = values[rows]
    if 0 < k < len(rows):
        # All that equal the k-th, so that equal values are chosen by their order.
        rows = rows[found <= np.partition(found, k - 1)[k - 1]]
    return rows[np.lexsort((rows if ids is None else ids[rows], values[rows]))][:k]
