"""What turns one version of a file into another, and back: the bytes that differ, no more.

A delta is a compressed list of steps: so many bytes of the source from a place on, then some bytes
of its own. Two versions that differ by their tags share their audio, so a delta holds the tags that
differ, and, in Ogg, the numbers and checksums of pages.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from numpy.typing import NDArray

_STEP: Final = struct.Struct("<QQQ")
"""Where bytes of the source begin, how many they are, and how many of the delta follow."""
_BLOCK: Final = 32
"""So many equal bytes begin a common run."""
_LEAST_VALUES: Final = 8
"""A block with fewer different bytes is padding, which is found anywhere."""
_WINDOW: Final = 4 * 1024**2
"""The two places of a common run differ by at most so many bytes more than those of the last."""
_MOST_SEARCHED: Final = 4 * 1024**3
_COPIED_AT_ONCE: Final = 1024**2

_Run = tuple[int, int, int]
"""Where a common run begins in the old and in the new version, and its length."""


def deltas_between(old: bytes, new: bytes) -> tuple[bytes, bytes]:
    """Return the delta that makes `new` of `old`, and the one that makes `old` of `new`."""
    runs = list(_runs(old, new))
    back = [(theirs, ours, length) for ours, theirs, length in runs]
    return _delta(runs, new), _delta(back, old)


def delta_apply(delta: bytes, source: BinaryIO, target: BinaryIO | None = None) -> str:
    """Write what a delta makes of `source` to `target`, if any, and return the sha256 of it."""
    data, place = zlib.decompress(delta), 0
    digest = hashlib.sha256()

    def take(part: bytes) -> None:
        digest.update(part)
        if target is not None:
            target.write(part)

    while place < len(data):
        start, length, own = _STEP.unpack_from(data, place)
        place += _STEP.size
        source.seek(start)
        while length and (part := source.read(min(length, _COPIED_AT_ONCE))):
            take(part)
            length -= len(part)
        take(data[place : place + own])
        place += own
    return digest.hexdigest()


def _delta(runs: list[_Run], made: bytes) -> bytes:
    """Return the delta that makes `made`, with which the second places of `runs` are."""
    steps, place, start, length = [], 0, 0, 0
    for source, target, count in [*runs, (0, len(made), 0)]:
        steps.append(_STEP.pack(start, length, target - place) + made[place:target])
        place, start, length = target + count, source, count
    return zlib.compress(b"".join(steps), 9)


def _runs(old: bytes, new: bytes) -> Iterator[_Run]:
    """Yield the common runs in order; none begins before the end of another, in either version."""
    ours, theirs = np.frombuffer(old, np.uint8), np.frombuffer(new, np.uint8)
    i = j = 0
    searched = 0
    while i < len(old) and j < len(new):
        if (length := _common(ours[i:], theirs[j:])) >= _BLOCK or i + length == len(old):
            yield i, j, length
            i, j = i + length, j + length
            continue
        found = -1
        for start in range(i, len(old) - _BLOCK + 1, _BLOCK):
            block = old[start : start + _BLOCK]
            if len(set(block)) < _LEAST_VALUES:
                continue
            found = new.find(block, j, j + (start - i) + _WINDOW)
            searched += (found - j) if found >= 0 else _WINDOW
            if found >= 0 or searched > _MOST_SEARCHED:
                break
        if found < 0:
            return
        while start > i and found > j and old[start - 1] == new[found - 1]:
            start, found = start - 1, found - 1
        i, j = start, found


def _common(one: NDArray[np.uint8], two: NDArray[np.uint8]) -> int:
    """Return how many bytes at the beginning are equal."""
    length, done, size = min(len(one), len(two)), 0, 4096
    while done < length:
        end = min(length, done + size)
        differs = one[done:end] != two[done:end]
        if differs.any():
            return done + int(differs.argmax())
        done, size = end, min(2 * size, _COPIED_AT_ONCE)
    return length
