"""Where every song lies on the plane, as the bytes that the map of the home page reads.

A song takes eight bytes before compression. The bytes are made once for each snapshot of the index,
and no row of the database is read for them. Drawings of the map are kept as long.
"""

from __future__ import annotations

import gzip
import hashlib
import struct
import threading
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import numpy as np

from recommender import selectors
from recommender.index import index_snapshot
from recommender.moods import MOODS

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from recommender.index import IndexSnapshot

MAP_SONGS: Final = 200_000
"""The most songs of a map; of a larger catalogue it has an even choice."""
TILE_SONGS: Final = 4_096
"""The most songs of a tile."""
MOST_ZOOM: Final = 16
"""A tile at this zoom is as wide as the smallest step of a place in a map."""
_T = TypeVar("_T")
_MAGIC: Final = b"ASM1"
_TILE_MAGIC: Final = b"AST1"
_FULL: Final = 65_535
_KEPT_ZOOM: Final = 3
"""Tiles up to this zoom, 85 in all, hold the most songs, and are made once for each snapshot."""
_BLOCK: Final = 20_000
"""Songs that are compared with all moods at once."""
_QUICK: Final = 1
"""A level of gzip that takes a fifth of the time of the usual one, for a twentieth more bytes."""


@dataclass(frozen=True, slots=True)
class SongMap:
    """The bytes of a map, as they are and compressed, with a tag that changes when they do.

    All numbers are little-endian. The header is ``ASM1``, the number of songs in the map and that
    of all songs. Then come three columns, each of one number a song, in the order of ids: the
    distance to the id before (uint32), valence and arousal (uint16, of which 65,535 is 1).
    """

    body: bytes
    compressed: bytes
    etag: str


class _Kept(Generic[_T]):
    """What was made of the newest snapshot that was asked for, by name."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._snapshot: weakref.ref[IndexSnapshot] | None = None
        self._made: dict[str, _T] = {}

    def of(self, snapshot: IndexSnapshot, name: str, make: Callable[[], _T]) -> _T:
        with self._lock:  # several visitors wait for one rather than make one each
            if self._snapshot is None or self._snapshot() is not snapshot:
                self._made.clear()
                self._snapshot = weakref.ref(snapshot)
            if name not in self._made:
                self._made[name] = make()
            return self._made[name]


@dataclass(frozen=True, slots=True)
class _Sorted:
    """Every song in the order of its Morton code, so that those of a tile lie side by side."""

    codes: NDArray[np.int64]
    ids: NDArray[np.int64]
    places: NDArray[np.floating]

    @classmethod
    def of(cls, ids: NDArray[np.int64], places: NDArray[np.floating]) -> _Sorted:
        """Return the songs with these ids and (songs, 2) valence and arousal in [0, 1]."""
        side = 2**MOST_ZOOM
        codes = _morton(np.clip(np.floor(places * side).astype(np.int64), 0, side - 1))
        order = np.argsort(codes, kind="stable")
        return cls(codes[order], ids[order], places[order])


_map: Final = _Kept[SongMap]()
_drawings: Final = _Kept[str]()
_tiles: Final = _Kept[SongMap]()
_sorted: Final = _Kept["_Sorted"]()
_mood_counts: Final = _Kept[Mapping[str, int]]()


def song_map() -> SongMap:
    """Return the map of the songs that can be recommended now."""
    snapshot = index_snapshot()
    return _map.of(snapshot, "", lambda: _made(*_places(snapshot)))


def map_drawing(name: str, draw: Callable[[NDArray[np.floating], int], str]) -> str:
    """Return what `draw` makes of the map, once for each snapshot and name; names must be few.

    It is given (songs, 2) valence and arousal of the map's songs, and the number of all songs.
    """
    snapshot = index_snapshot()

    def drawn() -> str:
        _, places, total = _places(snapshot)
        return draw(places, total)

    return _drawings.of(snapshot, name, drawn)


def map_tile(zoom: int, column: int, row: int) -> SongMap:
    """Return the songs of a tile of the plane, which has ``2 ** zoom`` tiles along each side.

    The `TILE_SONGS` with the lowest ranks are there. Ranks are drawn by the ids, so a song of a
    tile is also in the tile inside it. Of a vector database only the songs of the map have tiles.
    The numbers are laid out as those of a `SongMap`, with ``AST1`` and the songs of the tile.
    """
    snapshot = index_snapshot()
    if zoom <= _KEPT_ZOOM:
        name = f"{zoom}/{column}/{row}"
        return _tiles.of(snapshot, name, lambda: _tile(snapshot, zoom, column, row))
    return _tile(snapshot, zoom, column, row)


def _tile(snapshot: IndexSnapshot, zoom: int, column: int, row: int) -> SongMap:
    songs = _sorted.of(snapshot, "", lambda: _Sorted.of(*_every_place(snapshot)))
    # The codes of the steps of a tile follow one another.
    inside_bits = 2 * (MOST_ZOOM - zoom)
    first = int(_morton(np.array([[column, row]]))[0]) << inside_bits
    start, end = np.searchsorted(songs.codes, [first, first + (1 << inside_bits)])
    ids, places = songs.ids[start:end], songs.places[start:end]
    total = len(ids)
    if total > TILE_SONGS:
        chosen = np.argpartition(_ranks(ids), TILE_SONGS)[:TILE_SONGS]
        ids, places = ids[chosen], places[chosen]
    order = np.argsort(ids)
    return _made(ids[order], places[order], total, magic=_TILE_MAGIC)


def _morton(steps: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a number of each place that has the bits of both its steps in turn (Morton, 1966)."""
    codes = np.zeros(len(steps), np.int64)
    for bit in range(MOST_ZOOM):
        codes |= ((steps[:, 0] >> bit) & 1) << (2 * bit)
        codes |= ((steps[:, 1] >> bit) & 1) << (2 * bit + 1)
    return codes


def _ranks(ids: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return a rank of each song that depends on its id alone (Steele et al., 2014, SplitMix)."""
    ranks = ids.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    ranks = (ranks ^ (ranks >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    return ranks ^ (ranks >> np.uint64(27))


def map_in_lists(made: SongMap) -> dict[str, Any]:
    """Return the numbers of a map as lists, by name; places have four digits."""
    count, total = struct.unpack_from("<II", made.body, 4)
    ids = np.frombuffer(made.body, "<u4", count, 12).cumsum(dtype=np.int64)
    places = np.frombuffer(made.body, "<u2", 2 * count, 12 + 4 * count) / _FULL
    valence, arousal = np.round(places, 4).reshape(2, count).tolist()
    return {"total": total, "ids": ids.tolist(), "valence": valence, "arousal": arousal}


def mood_counts() -> Mapping[str, int]:
    """Return how many songs lie nearer to each mood than to any other; together they are all.

    Of more than `MAP_SONGS` songs in a vector database it is an estimate by those of the map.
    """
    snapshot = index_snapshot()
    return _mood_counts.of(snapshot, "", lambda: _counted(snapshot))


def _every_place(snapshot: IndexSnapshot) -> tuple[NDArray[np.int64], NDArray[np.floating]]:
    """Return ids in order, and (songs, 2) places; of a vector database those of the map."""
    if snapshot.source is not None:
        return _places(snapshot)[:2]
    rows = np.flatnonzero(snapshot.alive)
    ids = snapshot.song_ids[rows]
    order = np.argsort(ids)
    return ids[order], np.clip(snapshot.affect[rows[order], :2], 0.0, 1.0)


def _counted(snapshot: IndexSnapshot) -> Mapping[str, int]:
    places = _every_place(snapshot)[1]
    total = len(places) if snapshot.source is None else snapshot.song_count
    moods = np.array([(mood.valence, mood.arousal) for mood in MOODS.values()], np.float32)
    counts = np.zeros(len(moods), np.int64)
    for start in range(0, len(places), _BLOCK):
        apart = places[start : start + _BLOCK, np.newaxis] - moods
        counts += np.bincount((apart**2).sum(axis=2).argmin(axis=1), minlength=len(moods))
    scale = total / (len(places) or 1)
    return dict(zip(MOODS, np.rint(counts * scale).astype(int).tolist(), strict=True))


def _places(snapshot: IndexSnapshot) -> tuple[NDArray[np.int64], NDArray[np.floating], int]:
    """Return ids in order, (songs, 2) valence and arousal, and the number of all songs."""
    if snapshot.source is not None:
        # A vector database has the songs; this process has none of their rows.
        total = snapshot.song_count
        found = selectors.song_places(
            model_version=snapshot.model_version, step=_step(total), most=MAP_SONGS
        )
        table = np.array(found, np.float64).reshape(-1, 3)
        return table[:, 0].astype(np.int64), table[:, 1:], total
    rows = np.flatnonzero(snapshot.alive)
    ids = snapshot.song_ids[rows]
    step = _step(len(ids))
    if step > 1:
        rows = rows[ids % step == 0][:MAP_SONGS]
        ids = snapshot.song_ids[rows]
    order = np.argsort(ids)
    return ids[order], snapshot.affect[rows[order], :2], int(np.count_nonzero(snapshot.alive))


def _step(total: int) -> int:
    """Return n of "every n-th id", by which the map of a large catalogue stays much the same."""
    return max(1, -(-total // MAP_SONGS))


def _made(
    ids: NDArray[np.int64],
    places: NDArray[np.floating],
    total: int,
    *,
    magic: bytes = _MAGIC,
) -> SongMap:
    whole = np.rint(np.clip(places, 0.0, 1.0) * _FULL).astype("<u2")
    body = b"".join(
        [
            struct.pack("<4sII", magic, len(ids), total),
            np.diff(ids, prepend=0).astype("<u4").tobytes(),
            whole[:, 0].tobytes(),
            whole[:, 1].tobytes(),
        ]
    )
    etag = hashlib.blake2b(body, digest_size=12).hexdigest()
    return SongMap(body, gzip.compress(body, _QUICK, mtime=0), etag)
