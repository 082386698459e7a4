"""EmoBank: sentences rated for valence, arousal and dominance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mer.affect import FIVE_POINT
from mer.research.datasets.base import (
    AffectLabels,
    AnnotationKind,
    Track,
    parse_rating,
    parse_split,
    read_table,
)

if TYPE_CHECKING:
    from pathlib import Path

LICENCE: Final = "CC BY-SA 4.0"
CITATION: Final = (
    "Buechel & Hahn (2017), EmoBank: studying the impact of annotation perspective and "
    "representation format on dimensional emotion analysis, EACL."
)
SCALE: Final = FIVE_POINT
ANNOTATION_KIND: Final[AnnotationKind] = "text"
CHECKSUMS: Final = {
    "text/emobank/corpus/emobank.csv": (
        "1ade4a4a453e880c0f39d0536d2b355e8a716e0cf88236c64cdb4d438cf9605b"
    ),
}


def load(root: Path) -> list[Track]:
    """Sentences with valence and arousal, in the official splits.

    Raises
    ------
    DatasetError
        If the table is absent or a cell is not as expected.
    """
    path = root / "text/emobank/corpus/emobank.csv"
    tracks = []
    rows = read_table(path, ("id", "split", "V", "A", "text"), licence=LICENCE)
    for number, row in enumerate(rows, start=2):
        where = f"{path}, row {number}"
        valence, arousal = (
            SCALE.to_unit(
                parse_rating(
                    row[column], low=SCALE.low, high=SCALE.high, where=f"{where}, column {column}"
                )
            )
            for column in ("V", "A")
        )
        tracks.append(
            Track(
                dataset="emobank",
                track_id=row["id"],
                split=parse_split(row["split"], where=f"{where}, column split"),
                labels=AffectLabels(valence=valence, arousal=arousal),
                lyrics=row["text"],
            )
        )
    return tracks
