"""Deezer's mood detection set: songs of the Million Song Dataset with valence and arousal.

The values are weak: listeners' tags at Last.fm, placed by a lexicon of words and z-scored; an R²
of 0.2 to 0.3 is good here. The release has neither audio nor lyrics. `mer.research.datasets.msdd` is the
same set in the layout of its repository.
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
"""Z-scores, from -2.3 to 2.8 in the release; the mean of the training songs is neutral, 0.5."""
ANNOTATION_KIND: Final[AnnotationKind] = "tags"

_COLUMNS: Final = ("MSD_track_id", "valence", "arousal", "artist_name", "track_name")


def load(root: Path) -> list[Track]:
    """Songs with valence and arousal, in the official splits.

    A few artists are in two of them; whoever needs disjoint artists divides by `artist_group`.

    Parameters
    ----------
    root : Path
        Holds ``deezer_va/`` with ``train.csv``, ``validation.csv`` and ``test.csv``; recordings
        and lyrics of yours are found there as ``audio/MSD_TRACK_ID.mp3`` (or another ending) and
        ``lyrics/MSD_TRACK_ID.txt``.

    Raises
    ------
    DatasetError
        If a table is absent or a cell is not as expected.
    """
    return read_release(root / "deezer_va", dataset="deezer_va")


def read_release(folder: Path, *, dataset: str) -> list[Track]:
    """Songs of the three tables in `folder`, called `dataset`.

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
