"""Whether the disk has room for one more build of the index."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from django.conf import settings

from mer.prediction import EMBEDDING_DIM
from recommender.errors import DiskShortError

_ROW_BYTES: Final = 5 * EMBEDDING_DIM + 200
"""A song's bytes in a build: its vector as floats and in the cells, and its columns."""
_MIB: Final = 1024**2


def space_check(songs: int) -> None:
    """Raise `DiskShortError` if a build of `songs` leaves less free than the setting says."""
    folder = Path(settings.AFFETTI_INDEX_DIR)
    folder.mkdir(parents=True, exist_ok=True)
    free, needed = shutil.disk_usage(folder).free, songs * _ROW_BYTES
    if free - needed < settings.AFFETTI_DISK_FREE_BYTES:
        raise DiskShortError(
            f"The disk of {folder} has {free // _MIB} MiB free. A build of {songs} songs takes "
            f"{needed // _MIB + 1} MiB and must leave {settings.AFFETTI_DISK_FREE_BYTES // _MIB} "
            "MiB. Make room, or lower AFFETTI_DISK_FREE_BYTES"
        )
