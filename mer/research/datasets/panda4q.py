"""4Q Audio Emotion Dataset: clips with a Russell quadrant and the editors' mood words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mer.affect import UNIT, Quadrant
from mer.errors import DatasetError
from mer.research.datasets import warriner
from mer.research.datasets.base import (
    AffectLabels,
    AnnotationKind,
    Track,
    audio_file,
    parse_split,
    read_table,
)
from mer.research.datasets.crosswalk import Crosswalk

if TYPE_CHECKING:
    from pathlib import Path

LICENCE: Final = "none stated; research use"
CITATION: Final = (
    "Panda, Malheiro & Paiva (2018), Novel audio features for music emotion recognition, "
    "IEEE Transactions on Affective Computing 11(4), 614-626."
)
SCALE: Final = UNIT
"""Valence and arousal are mean norms of the mood words, on this scale, not ratings."""
ANNOTATION_KIND: Final[AnnotationKind] = "editorial"

_COLUMNS: Final = (
    *("id", "artist", "title", "quadrant", "moods", "genres", "split", "artist_group"),
)


def load(root: Path) -> list[Track]:
    """Clips with quadrant and mood words, and the words' valence, arousal and emotions.

    Parameters
    ----------
    root : Path
        Holds ``panda4q/`` and the Warriner norms.

    Raises
    ------
    DatasetError
        If a table or clip is absent or a cell is not as expected.
    """
    folder = root / "panda4q"
    path = folder / "songs.csv"
    crosswalk = Crosswalk(warriner.load_norms(root))
    tracks = []
    for number, row in enumerate(read_table(path, _COLUMNS, licence=LICENCE), start=2):
        where = f"{path}, line {number}"
        if row["quadrant"] not in set(Quadrant):
            raise DatasetError(f"{where}, column quadrant: {row['quadrant']!r} is not Q1 to Q4")
        words = tuple(word.strip().lower() for word in row["moods"].split(";") if word.strip())
        point = crosswalk.point(words)
        tracks.append(
            Track(
                dataset="panda4q",
                track_id=row["id"],
                split=parse_split(row["split"], where=f"{where}, column split"),
                labels=AffectLabels(
                    quadrant=Quadrant(row["quadrant"]),
                    valence=point.valence if point else None,
                    arousal=point.arousal if point else None,
                    emotions=crosswalk.emotions(words),
                    mood_words=words,
                ),
                audio_path=audio_file(folder / "audio" / f"{row['id']}.opus"),
                title=row["title"] or None,
                artist=row["artist"] or None,
                artist_group=row["artist_group"] or None,
                genres=_names(row["genres"]),
            )
        )
    return tracks


def genres(root: Path) -> dict[str, tuple[str, ...]]:
    """Genres of every clip from the editors' table; most clips have several.

    Parameters
    ----------
    root : Path
        Holds ``panda4q/``.

    Raises
    ------
    DatasetError
        If the table is absent or has no genres.
    """
    rows = read_table(root / "panda4q" / "songs.csv", ("id", "genres"), licence=LICENCE)
    return {row["id"]: _names(row["genres"]) for row in rows}


def _names(cell: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in cell.split(";") if name.strip())
