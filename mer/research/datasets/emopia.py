"""EMOPIA: clips of pop piano music with a Russell quadrant, from four annotators.

The release holds transcriptions; the recordings are on YouTube. Clips may also be renders of the
transcriptions.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from mer.affect import UNIT, Quadrant
from mer.errors import DatasetError
from mer.research.datasets.base import (
    AffectLabels,
    AnnotationKind,
    Split,
    Track,
    audio_file,
    parse_split,
    read_table,
)
from mer.research.datasets.layout import find_audio, hash_split

if TYPE_CHECKING:
    from pathlib import Path

LICENCE: Final = "CC BY 4.0 (labels, transcriptions); recordings under copyright"
CITATION: Final = (
    "Hung, Ching, Doh, Kim, Nam & Yang (2021), EMOPIA: a multi-modal pop piano dataset for emotion "
    "recognition and emotion-based music generation, ISMIR."
)
SCALE: Final = UNIT
"""The labels are quadrants, not ratings."""
ANNOTATION_KIND: Final[AnnotationKind] = "perceived"

_CLIP: Final = re.compile(r"Q[1-4]_(?P<song>.+)_\d+")


def load(root: Path) -> list[Track]:
    """Clips with a quadrant; the clips of one song are in one split.

    The split of the authors' classification experiment is used if its tables are present. All
    other clips are divided by `hash_split` of the song. A table of renders has its own split.

    Parameters
    ----------
    root : Path
        Holds ``emopia/`` with one of two layouts. As released: ``label.csv``. Optional are
        ``split/`` with ``train.csv``, ``val.csv`` and ``test.csv`` of the repository EMOPIA_cls,
        and recordings of yours as ``audio/CLIP.mp3`` (or another ending). As renders of the
        transcriptions: ``songs.csv`` and ``audio/CLIP.opus``; it is used where both are present.

    Raises
    ------
    DatasetError
        If the table or a render is absent or a cell is not as expected.
    """
    folder = root / "emopia"
    return _renders(folder) if (folder / "songs.csv").is_file() else _released(folder)


def _renders(folder: Path) -> list[Track]:
    path = folder / "songs.csv"
    tracks = []
    columns = ("id", "quadrant", "song_group", "split")
    for number, row in enumerate(read_table(path, columns, licence=LICENCE), start=2):
        where = f"{path}, line {number}"
        _song(row["id"], row["quadrant"], where=where)
        tracks.append(
            Track(
                dataset="emopia",
                track_id=row["id"],
                split=parse_split(row["split"], where=f"{where}, column split"),
                labels=AffectLabels(quadrant=Quadrant(row["quadrant"])),
                audio_path=audio_file(folder / "audio" / f"{row['id']}.opus"),
                artist_group=row["song_group"] or None,
            )
        )
    return tracks


def _released(folder: Path) -> list[Track]:
    path = folder / "label.csv"
    songs, clips = _read_splits(folder / "split")
    tracks = []
    for number, row in enumerate(read_table(path, ("ID", "4Q"), licence=LICENCE), start=2):
        clip = row["ID"]
        song = _song(clip, f"Q{row['4Q'].removeprefix('Q')}", where=f"{path}, line {number}")
        tracks.append(
            Track(
                dataset="emopia",
                track_id=clip,
                split=clips.get(clip) or songs.get(song) or hash_split(f"emopia {song}"),
                labels=AffectLabels(quadrant=Quadrant(clip[:2])),
                audio_path=find_audio(folder / "audio", clip),
                artist_group=song,
            )
        )
    return tracks


def _song(clip: str, quadrant: str, *, where: str) -> str:
    """Song of a clip, whose name begins with its quadrant."""
    if not (match := _CLIP.fullmatch(clip)):
        raise DatasetError(f"{where}: {clip!r} is not Q1 to Q4, a song and a number")
    if clip[:2] != quadrant:
        raise DatasetError(f"{where}, column 4Q: {quadrant!r} is not the quadrant of {clip}")
    return match["song"]


def _read_splits(folder: Path) -> tuple[dict[str, Split], dict[str, Split]]:
    """Split of every song and clip in the three tables; empty if there are no tables."""
    songs: dict[str, Split] = {}
    clips: dict[str, Split] = {}
    if not folder.is_dir():
        return songs, clips
    for name in ("train", "val", "test"):
        path = folder / f"{name}.csv"
        for number, row in enumerate(read_table(path, ("fname",), licence=LICENCE), start=2):
            if not (match := _CLIP.fullmatch(row["fname"])):
                raise DatasetError(f"{path}, line {number}, column fname: {row['fname']!r}")
            split = parse_split(name, where=str(path))
            clips[row["fname"]] = songs[match["song"]] = split
    return songs, clips
