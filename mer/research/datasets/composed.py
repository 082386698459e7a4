"""Composed pieces: music computed by this repository with an intended valence and arousal.

``manage.py compose_dataset`` writes the set, in solo piano, strings, orchestra, chiptune and other
instrumentations. The labels are the composer's intention after cited literature, not ratings: they
train and test a model beside rated sets, never instead of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mer.affect import UNIT, AffectPoint
from mer.errors import DatasetError
from mer.research.datasets.base import (
    AffectLabels,
    AnnotationKind,
    Track,
    audio_file,
    parse_rating,
    parse_split,
    read_table,
)

if TYPE_CHECKING:
    from pathlib import Path

LICENCE: Final = "CC0 1.0; written by manage.py compose_dataset"
CITATION: Final = "This repository, catalog/composed."
SCALE: Final = UNIT
ANNOTATION_KIND: Final[AnnotationKind] = "composed"

_COLUMNS: Final = (
    "id", "file", "valence", "arousal", "quadrant", "instrumentation", "seed", "split",
)  # fmt: skip


def load(root: Path) -> list[Track]:
    """Pieces with the intended valence, arousal and quadrant.

    Parameters
    ----------
    root : Path
        Holds ``composed/`` with ``songs.csv`` and ``audio/``, as the command writes them.

    Raises
    ------
    DatasetError
        If the table or a piece is absent or a cell is not as expected.
    """
    folder = root / "composed"
    path = folder / "songs.csv"
    tracks = []
    for number, row in enumerate(read_table(path, _COLUMNS, licence=LICENCE), start=2):
        where = f"{path}, line {number}"
        point = AffectPoint(
            parse_rating(row["valence"], low=0, high=1, where=f"{where}, column valence"),
            parse_rating(row["arousal"], low=0, high=1, where=f"{where}, column arousal"),
        )
        if row["quadrant"] != point.quadrant:
            raise DatasetError(
                f"{where}, column quadrant: {row['quadrant']!r} is not that of the point, "
                f"{point.quadrant}"
            )
        tracks.append(
            Track(
                dataset="composed",
                track_id=row["id"],
                split=parse_split(row["split"], where=f"{where}, column split"),
                labels=AffectLabels(
                    quadrant=point.quadrant, valence=point.valence, arousal=point.arousal
                ),
                audio_path=audio_file(folder / row["file"]),
                artist_group=row["id"],
                genres=(row["instrumentation"],),
            )
        )
    return tracks


def instrumentations(root: Path) -> dict[str, str]:
    """Instrumentation of every piece, such as ``piano``.

    Raises
    ------
    DatasetError
        If the table is absent or has no instrumentations.
    """
    rows = read_table(root / "composed" / "songs.csv", ("id", "instrumentation"), licence=LICENCE)
    return {row["id"]: row["instrumentation"] for row in rows}
