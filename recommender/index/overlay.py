"""The songs that changed since the build, in memory: they lie over the build's rows.

Rows are only appended. A snapshot uses the rows that there were when it was made, so it never
changes while later rows are appended behind them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from mer.prediction import EMBEDDING_DIM
from recommender.index.rows import AFFECT_DIM, COLUMNS, ColumnKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from recommender.index.rows import Columns

_FIRST_ROOM: Final = 256
_KINDS: Final = {
    **COLUMNS,
    "shares": ColumnKind(np.float32, AFFECT_DIM),
    "fused": ColumnKind(np.float32, EMBEDDING_DIM),
}


class Overlay:
    """Growing columns; one thread appends."""

    def __init__(self) -> None:
        self._size = 0
        self._arrays = {name: _empty(kind, 0) for name, kind in _KINDS.items()}

    def __len__(self) -> int:
        return self._size

    def append(self, values: Columns) -> NDArray[np.int64]:
        """Add rows, with all columns, "shares" and "fused"; return their numbers."""
        count = len(values["song_ids"])
        end = self._size + count
        if end > len(self._arrays["song_ids"]):
            room = max(_FIRST_ROOM, 2 * end)
            for name, kind in _KINDS.items():
                # The former array stays as it is for the snapshots that use it.
                grown = _empty(kind, room)
                grown[: self._size] = self._arrays[name][: self._size]
                self._arrays[name] = grown
        for name in _KINDS:
            self._arrays[name][self._size : end] = values[name]
        rows = np.arange(self._size, end)
        self._size = end
        return rows

    def columns(self) -> Columns:
        """Return the present rows of every column, "shares" and "fused"."""
        return {name: array[: self._size] for name, array in self._arrays.items()}


def _empty(kind: ColumnKind, room: int) -> NDArray[Any]:
    shape = (room,) if kind.width == 1 else (room, kind.width)
    if kind.width == EMBEDDING_DIM:
        return np.empty(shape, kind.dtype)
    # One dimension after the other, as a scan of them reads.
    return np.asfortranarray(np.empty(shape, kind.dtype))
