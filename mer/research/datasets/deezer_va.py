"""Deezer's mood detection set: songs of the Million Song Dataset with valence and arousal.

The values were computed from Last.fm tags with a lexicon of words, and z-scored. They are weak
labels: an R² of 0.2 to 0.3 is good. The release has neither audio nor lyrics. `datasets.msdd` reads
the same set in the layout of its repository.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mer.affect import AffectScale
from mer.research.datasets.base import AffectLabels, AnnotationKind, Track, parse_split, read_table
from mer.research.datasets.layout import find_audio, find_lyrics, name_key, unit_rating

if TYPE_CHECKING:
    from pathlib import Path

LICENCE: Final = "none stated; research use"
CITATION: Final = (
    "Delbouys, Hennequin, Piccoli, Royo-Letelier & Moussallam (2018), Music mood detection based "
    "on audio and lyrics with deep neural net, ISMIR."
)
SCALE: Final = AffectScale(-3.0, 3.0)
"""Z-scores, -2.3 to 2.8 in the release. The mean of the training songs becomes 0.5, neutral."""
ANNOTATION_KIND: Final[AnnotationKind] = "tags"
CHECKSUMS: Final = {
    "deezer_va/train.csv": "28978309db0896e1e2fbcc495a5c20153e094b6c27eb92e0cf91858c5db810d9",
    "deezer_va/validation.csv": "d1f0122e5418d631d2c01c757bd697fe15fa595591e59ede9273e307dc768868",
    "deezer_va/test.csv": "dcc78f019ec4b773cbd0deae4fe889a25dacd3a9266315f65de1b5d2aa3500b2",
}

_COLUMNS: Final = ("MSD_track_id", "valence", "arousal", "artist_name", "track_name")


def load(root: Path) -> list[Track]:
    """Songs with valence and arousal, in the official splits.

    A few artists are in two splits. For disjoint artists, split by `artist_group`.

    Parameters
    ----------
    root : Path
        Holds ``deezer_va/`` with ``train.csv``, ``validation.csv`` and ``test.csv``. Optional
        recordings of yours are ``audio/MSD_TRACK_ID.mp3`` (or another ending), and lyrics
        ``lyrics/MSD_TRACK_ID.txt``.

    Raises
    ------
    DatasetError
        If a table is absent or a cell is not as expected.
    """
    return read_release(root / "deezer_va", dataset="deezer_va")


def read_release(folder: Path, *, dataset: str) -> list[Track]:
    """Songs of the three tables in `folder`, as tracks of `dataset`.

    Raises
    ------
    DatasetError
        If a table is absent or a cell is not as expected.
    """
    tracks = []
    for name in ("train", "validation", "test"):
        path = folder / f"{name}.csv"
        for number, row in enumerate(read_table(path, _COLUMNS, licence=LICENCE), start=2):
            where = f"{path}, line {number}"
            track_id = row["MSD_track_id"]
            tracks.append(
                Track(
                    dataset=dataset,
                    track_id=track_id,
                    split=parse_split(name, where=str(path)),
                    labels=AffectLabels(
                        valence=unit_rating(row, "valence", scale=SCALE, where=where),
                        arousal=unit_rating(row, "arousal", scale=SCALE, where=where),
                    ),
                    audio_path=find_audio(folder / "audio", track_id),
                    lyrics=find_lyrics(folder / "lyrics", track_id),
                    title=row["track_name"] or None,
                    artist=row["artist_name"] or None,
                    artist_group=name_key(row["artist_name"]) or None,
                )
            )
    return tracks
