"""MERGE: songs as clips of 30 s and lyrics, with a Russell quadrant and fixed splits.

This reads the complete bimodal part (2,216 songs) of release 1.1.0 [1]_. The quadrant is that of
the editors' mood words, checked by listeners. Valence and arousal are computed from those words.

The layout is known from the page of the release and from public code that reads it; no copy is at
hand. Not verified: whether the splits name a song by its clip or by its lyrics (both are read),
whether an artist is in two parts, and the terms of use. Ids that begin with ``MT`` are AllMusic's,
as in ``panda4q``, so the sets share songs: `overlaps.check_transfer` refuses such a pair.

References
----------
.. [1] https://zenodo.org/records/13939205
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mer.affect import UNIT, Quadrant
from mer.errors import DatasetError
from mer.research.datasets.base import AffectLabels, AnnotationKind, Split, Track, read_table
from mer.research.datasets.layout import find_audio, find_lyrics, name_key, unit_rating

if TYPE_CHECKING:
    from pathlib import Path

LICENCE: Final = "see the page of the release; clips and lyrics under copyright"
CITATION: Final = (
    "Louro, Redinho, Santos, Malheiro, Panda & Paiva (2024), MERGE - a bimodal audio-lyrics "
    "dataset for static music emotion recognition, arXiv:2407.06060."
)
SCALE: Final = UNIT
ANNOTATION_KIND: Final[AnnotationKind] = "editorial"

_IDS: Final = ("Audio_Song", "Lyric_Song")
_PARTS: Final[dict[str, Split]] = {"train": "train", "validate": "val", "test": "test"}


def load(root: Path, *, shares: str = "70_15_15") -> list[Track]:
    """Songs with quadrant, valence and arousal, in a fixed split.

    Parameters
    ----------
    root : Path
        Holds ``merge/MERGE_Bimodal_Complete/`` as released: ``merge_bimodal_complete_metadata.csv``
        and ``..._av_values.csv``, ``tvt_dataframes/``, and optionally ``audio/Q1/ID.mp3`` and
        ``lyrics/Q1/ID.txt``.
    shares : {'70_15_15', '40_30_30'}
        Which of the two fixed splits.

    Raises
    ------
    DatasetError
        If a table is absent, a cell is not as expected, or a song is in no part of the split.
    """
    folder = root / "merge" / "MERGE_Bimodal_Complete"
    path = folder / "merge_bimodal_complete_metadata.csv"
    points = _read_points(folder / "merge_bimodal_complete_av_values.csv")
    splits = _read_splits(folder / "tvt_dataframes" / f"tvt_{shares}", shares)
    tracks = []
    columns = (*_IDS, "Quadrant", "Artist", "Title")
    for number, row in enumerate(read_table(path, columns, licence=LICENCE), start=2):
        where = f"{path}, line {number}"
        clip, words = (row[name] for name in _IDS)
        split = splits.get(clip) or splits.get(words)
        if row["Quadrant"] not in set(Quadrant):
            raise DatasetError(f"{where}, column Quadrant: {row['Quadrant']!r} is not Q1 to Q4")
        if split is None:
            raise DatasetError(f"{where}: {clip} is in no part of the split {shares}")
        if (clip, words) not in points:
            raise DatasetError(f"{where}: {clip} has no valence and arousal")
        valence, arousal = points[clip, words]
        tracks.append(
            Track(
                dataset="merge",
                track_id=clip,
                split=split,
                labels=AffectLabels(
                    quadrant=Quadrant(row["Quadrant"]), valence=valence, arousal=arousal
                ),
                audio_path=find_audio(folder / "audio" / row["Quadrant"], clip),
                lyrics=find_lyrics(folder / "lyrics" / row["Quadrant"], words),
                title=row["Title"] or None,
                artist=row["Artist"] or None,
                artist_group=name_key(row["Artist"]) or None,
            )
        )
    return tracks


def _read_points(path: Path) -> dict[tuple[str, str], tuple[float, float]]:
    """Valence and arousal of every song; the release has arousal first."""
    points = {}
    columns = (*_IDS, "Arousal", "Valence")
    for number, row in enumerate(read_table(path, columns, licence=LICENCE), start=2):
        where = f"{path}, line {number}"
        points[row["Audio_Song"], row["Lyric_Song"]] = (
            unit_rating(row, "Valence", scale=SCALE, where=where),
            unit_rating(row, "Arousal", scale=SCALE, where=where),
        )
    return points


def _read_splits(folder: Path, shares: str) -> dict[str, Split]:
    """Part of every song, by the id of its clip or its lyrics, whichever the tables have."""
    splits: dict[str, Split] = {}
    for name, split in _PARTS.items():
        path = folder / f"tvt_{shares}_{name}_bimodal_complete.csv"
        for row in read_table(path, (), licence=LICENCE):
            ids = [row[column] for column in ("Song", *_IDS) if row.get(column)]
            if not ids:
                raise DatasetError(f"{path} lacks the column 'Song'; its columns are {[*row]}")
            splits |= dict.fromkeys(ids, split)
    return splits
