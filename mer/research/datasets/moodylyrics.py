"""MoodyLyrics: artist and title of songs with a quadrant that was computed from their lyrics.

The labels come from a lexicon of affect applied to the lyrics, not from listeners. A model with
lyrics as input scores very high. Do not draw conclusions from these scores, and do not compare them
with scores on labels by people.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mer.affect import UNIT, Quadrant
from mer.errors import DatasetError
from mer.research.datasets.base import AffectLabels, AnnotationKind, Track
from mer.research.datasets.layout import find_audio, find_lyrics, hash_split, name_key
from mer.research.datasets.spreadsheet import read_sheet

if TYPE_CHECKING:
    from pathlib import Path

LICENCE: Final = "none stated; research use"
CITATION: Final = (
    "Çano & Morisio (2017), MoodyLyrics: a sentiment annotated lyrics dataset, ISMSI, 118-124."
)
SCALE: Final = UNIT
"""The labels are quadrants, not ratings."""
ANNOTATION_KIND: Final[AnnotationKind] = "lexicon"

MOODS: Final = {
    "happy": Quadrant.Q1,
    "angry": Quadrant.Q2,
    "sad": Quadrant.Q3,
    "relaxed": Quadrant.Q4,
}
_COLUMNS: Final = ("Index", "Artist", "Title", "Mood")


def load(root: Path) -> list[Track]:
    """Songs with a quadrant; the release has neither audio nor lyrics.

    There is no official split. `layout.hash_split` divides the artists.

    Parameters
    ----------
    root : Path
        Holds ``moodylyrics/`` with ``ml_balanced.xlsx``, as released. Optional recordings of yours
        are ``audio/INDEX.mp3`` (or another ending), and lyrics ``lyrics/INDEX.txt``. INDEX is the
        index in the table, for example ML1.

    Raises
    ------
    DatasetError
        If the table is absent or a cell is not as expected.
    """
    folder = root / "moodylyrics"
    path = folder / "ml_balanced.xlsx"
    tracks = []
    for number, row in read_sheet(path, _COLUMNS, licence=LICENCE):
        mood = row["Mood"].lower()
        if mood not in MOODS:
            raise DatasetError(
                f"{path}, line {number}, column Mood: {row['Mood']!r} is not one of "
                f"{', '.join(MOODS)}"
            )
        group = name_key(row["Artist"])
        tracks.append(
            Track(
                dataset="moodylyrics",
                track_id=row["Index"],
                split=hash_split(group or f"moodylyrics {row['Index']}"),
                labels=AffectLabels(quadrant=MOODS[mood], mood_words=(mood,)),
                audio_path=find_audio(folder / "audio", row["Index"]),
                lyrics=find_lyrics(folder / "lyrics", row["Index"]),
                title=row["Title"] or None,
                artist=row["Artist"] or None,
                artist_group=group or None,
            )
        )
    return tracks
