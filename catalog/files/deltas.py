"""What turns one version of a file into another, and back: the bytes that differ, no more.

A delta is a compressed list of steps: so many bytes of the source from a place on, then some bytes
of its own. Two versions that differ by their tags share their audio, so a delta holds the tags that
differ, and, in Ogg, the numbers and checksums of pages.

Equal ranges are found as in rsync. The common beginning and the common end come first. Between
them, every window of one version is looked up among blocks of the other. The work grows with the
size of the files, not with the number of differences.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from catalog.errors import FileUnusableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from numpy.typing import NDArray

MOST_BACK_BYTES: Final = 4 * 1024**2
"""A larger way back fills the database; a picture of a file stays in the file."""
_STEP: Final = struct.Struct("<QQQ")
"""Where bytes of the source begin, how many they are, and how many of the delta follow."""
_BLOCK: Final = 32
"""So many equal bytes begin a common run."""
_NEAR: Final = 512
"""So far behind a difference of equal length, such as a checksum, a common run is looked for."""
_MOST_BLOCKS: Final = 2 * 1024**2
_MOST_OWN_BYTES: Final = 32 * 1024**2
_MOST_RUNS: Final = 1024**2
_FIRST_LOOK: Final = 4096
_COPIED_AT_ONCE: Final = 1024**2
_MULTIPLIERS: Final = (
    *(0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F),
    *(0x165667B19E3779F9, 0xD6E8FEB86659FD93),
)
_TOO_DIFFERENT: Final = "writing its tags would change too much of it, so none are written"

_Run = tuple[int, int, int]
"""Where a common run begins in the source and in what is made of it, and its length."""


def deltas_between(old: bytes, new: bytes) -> tuple[bytes, bytes]:
    """Return the delta that makes `new` of `old`, and the one that makes `old` of `new`.

    Raises FileUnusableError if they differ so much that the way back is no small part of a file.
    """
    forward, back = _delta(old, new), _delta(new, old)
    if len(back) > MOST_BACK_BYTES:
        raise _too_different()
    return forward, back


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


def _delta(source: bytes, made: bytes) -> bytes:
    """Return the delta that makes `made` of `source`."""
    steps: list[bytes] = []
    place = start = length = own = 0
    for begin, target, count in [*_runs(source, made), (0, len(made), 0)]:
        own += target - place
        if own > _MOST_OWN_BYTES or len(steps) > _MOST_RUNS:
            raise _too_different()
        steps.append(_STEP.pack(start, length, target - place) + made[place:target])
        place, start, length = target + count, begin, count
    return zlib.compress(b"".join(steps), 9)


def _runs(source: bytes, made: bytes) -> Iterator[_Run]:
    """Yield the common runs in the order of `made`; none overlaps another there."""
    ours, theirs = np.frombuffer(source, np.uint8), np.frombuffer(made, np.uint8)
    head = _common(ours, theirs)
    tail = _common(ours[head:][::-1], theirs[head:][::-1])
    yield 0, 0, head
    yield from _runs_between(ours, theirs, head, tail)
    yield len(source) - tail, len(made) - tail, tail


def _runs_between(
    source: NDArray[np.uint8], made: NDArray[np.uint8], head: int, tail: int
) -> Iterator[_Run]:
    """Yield the common runs between the common beginning and the common end."""
    i = j = head
    last, blocks = len(made) - tail, None
    while j < last:
        step = _step_near(source[i : i + _NEAR], made[j : min(last, j + _NEAR)])
        if step is not None:
            i, j = i + step, j + step
        else:
            blocks = blocks or _Blocks(source, head, len(source) - tail)
            found = blocks.find(made, j, last)
            if found is None:
                return
            i, j = found
        length = _common(source[i:], made[j:last])
        yield i, j, length
        i, j = i + length, j + length


def _step_near(ours: NDArray[np.uint8], theirs: NDArray[np.uint8]) -> int | None:
    """Return how far behind both places a common run begins; None if not near."""
    length = min(len(ours), len(theirs))
    differs = np.flatnonzero(ours[:length] != theirs[:length])
    ends = np.concatenate([[-1], differs, [length]])
    long = np.flatnonzero(np.diff(ends) > _BLOCK)
    return int(ends[long[0]]) + 1 if len(long) else None


class _Blocks:
    """The blocks of a range of bytes, by which any window of others is found in it."""

    def __init__(self, source: NDArray[np.uint8], first: int, end: int) -> None:
        self._source, self._first, self._end = source, first, end
        count = max(0, end - first) // _BLOCK
        self._stride = _BLOCK * max(1, -(-count // _MOST_BLOCKS))
        keys, is_told = _keys(source[first:end], self._stride)
        places = np.flatnonzero(is_told)
        # Stable, so that the first one of equal blocks is found.
        order = places[np.argsort(keys[places], kind="stable")]
        self._keys, self._places = keys[order], first + order * self._stride

    def find(self, made: NDArray[np.uint8], start: int, last: int) -> tuple[int, int] | None:
        """Return where the first common run of `made` from `start` on begins, in both."""
        begin, look = start, _FIRST_LOOK
        while len(self._keys) and begin + _BLOCK <= last:
            end = min(last, begin + look + _BLOCK - 1)
            keys, is_told = _keys(made[begin:end], 1)
            at = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
            for hit in np.flatnonzero(is_told & (self._keys[at] == keys)):
                i, j = int(self._places[at[hit]]), begin + int(hit)
                if np.array_equal(self._source[i : i + _BLOCK], made[j : j + _BLOCK]):
                    back = _common(self._source[self._first : i][::-1], made[start:j][::-1])
                    return i - back, j - back
            if begin - start > _MOST_OWN_BYTES:
                raise _too_different()
            begin, look = end - _BLOCK + 1, min(2 * look, _COPIED_AT_ONCE)
        return None


def _keys(data: NDArray[np.uint8], stride: int) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """Return a hash of each window, and whether it tells a place: padding is found anywhere."""
    count = max(0, (len(data) - _BLOCK) // stride + 1)
    words: list[NDArray[Any]] = [
        np.ndarray((count,), "<u8", data, offset=8 * n if count else 0, strides=(stride,))
        for n in range(4)
    ]
    key = np.zeros(count, np.uint64)
    for word, multiplier in zip(words, _MULTIPLIERS, strict=True):
        key = (key ^ (key >> np.uint64(29))) + word * np.uint64(multiplier)
    is_told = (words[0] != words[1]) | (words[1] != words[2]) | (words[2] != words[3])
    return key, is_told


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


def _too_different() -> FileUnusableError:
    return FileUnusableError("TAGS_TOO_DIFFERENT", _TOO_DIFFERENT)
