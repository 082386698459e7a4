"""Song lyrics with counts on the nine factors of GEMS; the annotation protocol is not published."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mer.affect import GEMS, UNIT
from mer.lyrics import clean_lyrics
from mer.research.datasets.base import AffectLabels, AnnotationKind, Track, parse_rating, read_table
from mer.research.datasets.layout import hash_split, name_key

if TYPE_CHECKING:
    from pathlib import Path

LICENCE: Final = "none stated; lyrics under copyright; research use"
CITATION: Final = "Song lyrics annotated with GEMS-9 (OriginalAnnotations.csv); authors not stated."
SCALE: Final = UNIT
"""The labels are distributions of counts, not ratings."""
ANNOTATION_KIND: Final[AnnotationKind] = "perceived"
CHECKSUMS: Final = {
    "gems_lyrics/OriginalAnnotations.csv": (
        "d45f453e1ebb2e84a801c12ef97a2a87022de7ecc4588c0c167a5c8e9b49956a"
    ),
}

_COLUMNS: Final = {name: name.replace("_", " ").capitalize() for name in GEMS}
_MOST: Final = 1000.0


def load(root: Path) -> list[Track]:
    """Lyrics with the distribution of the counts over `GEMS`, without the songs without a count.

    There is no official split. `layout.hash_split` divides the artists. The sum of a song's counts,
    1 to 44, is not the number of raters, so `raters` stays None.

    Raises
    ------
    DatasetError
        If the table is absent or a cell is not as expected. The message counts rows, not lines,
        because a row of lyrics has many lines.
    """
    path = root / "gems_lyrics/OriginalAnnotations.csv"
    columns = ("", "artist", "title", "lyrics", *_COLUMNS.values())
    tracks = []
    for number, row in enumerate(read_table(path, columns, licence=LICENCE), start=2):
        where = f"{path}, row {number}"
        counts = [
            parse_rating(row[column], low=0.0, high=_MOST, where=f"{where}, column {column}")
            for column in _COLUMNS.values()
        ]
        group = name_key(row["artist"])
        if total := sum(counts):
            tracks.append(
                Track(
                    dataset="gems_lyrics",
                    track_id=row[""],
                    split=hash_split(group),
                    labels=AffectLabels(gems=tuple(count / total for count in counts)),
                    lyrics=clean_lyrics(row["lyrics"]),
                    title=row["title"] or None,
                    artist=row["artist"] or None,
                    artist_group=group or None,
                )
            )
    return tracks
