"""DEAM: royalty-free excerpts with listeners' ratings of valence and arousal.

One rating a song is read. The ratings over time, which are on another scale, are not.

The released tables have two traps:

- DEAM contains all 744 songs of `datasets.emomusic` under the same ids, 1 to 1000. Training on one
  set and testing on the other is refused (`datasets.overlaps`).
- For these songs the valence of DEAM is the arousal of emoMusic (r > 0.999), and the reverse. One
  of the two releases is mislabelled. The mean ratings of genres favour emoMusic but do not prove
  it. The ratings are loaded as released unless `swap_disputed` is given. Report both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mer.affect import NINE_POINT
from mer.errors import DatasetError
from mer.research.datasets.base import AffectLabels, AnnotationKind, Track, read_table
from mer.research.datasets.layout import (
    find_audio,
    hash_split,
    name_key,
    plain_id,
    unit_deviation,
    unit_rating,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LICENCE: Final = "none stated for the ratings; music under Creative Commons; research use"
CITATION: Final = (
    "Aljanaki, Yang & Soleymani (2017), Developing a benchmark for emotional analysis of music, "
    "PLoS ONE 12(3), e0173392."
)
SCALE: Final = NINE_POINT
ANNOTATION_KIND: Final[AnnotationKind] = "perceived"
CHECKSUMS: Final = {
    "annotations/deam/static_annotations.csv": (
        "96e8406f323f0d2be39fba7e90c514c64017975392e87fd293455c2655b0d1a3"
    ),
}


DIVIDED_BY_N: Final = True
"""The standard deviations were divided by the number of ratings n, not by n - 1."""

DISPUTED_UP_TO: Final = 1000
"""Largest id of the songs that emoMusic contains."""

_TEN_RATERS_UP_TO: Final = 2000

_SONG_LEVEL: Final = "deam/annotations/annotations averaged per song/song_level"
_OFFICIAL: Final = (
    f"{_SONG_LEVEL}/static_annotations_averaged_songs_1_2000.csv",
    f"{_SONG_LEVEL}/static_annotations_averaged_songs_2000_2058.csv",
)
_MERGED: Final = "annotations/deam/static_annotations.csv"
_COLUMNS: Final = ("song_id", "valence_mean", "valence_std", "arousal_mean", "arousal_std")
_METADATA: Final = ("metadata_2013.csv", "metadata_2014.csv", "metadata_2015.csv")


def load(root: Path, *, swap_disputed: bool = False) -> list[Track]:
    """Excerpts with valence and arousal, their standard deviations, and a split by artist.

    The release does not state the number of raters. It is inferred from the tables: of the songs
    up to id 2000, 99% have a mean and deviation that only ten whole ratings can give. Of the later
    songs, 86% fit five.

    There is no official split of the whole set. `layout.hash_split` divides the artists, or the
    songs if the metadata are absent.

    Parameters
    ----------
    root : Path
        Holds ``deam/`` as released: ``annotations/``, and optionally ``metadata/`` and
        ``MEMD_audio/``. Without ``deam/``, the merged tables in ``annotations/deam/`` are read.
    swap_disputed : bool
        For ids up to 1000, read valence from the arousal column and arousal from the valence
        column, as in emoMusic.

    Raises
    ------
    DatasetError
        If a table is absent or a cell is not as expected.
    """
    folder = root / "deam"
    merged = (root / _MERGED).is_file() and not folder.is_dir()
    names = _read_names(folder / "metadata")
    tracks = []
    for path in [root / name for name in ((_MERGED,) if merged else _OFFICIAL)]:
        for number, row in enumerate(read_table(path, _COLUMNS, licence=LICENCE), start=2):
            where = f"{path}, line {number}"
            song_id = plain_id(row["song_id"], where=f"{where}, column song_id")
            artist, title = names.get(song_id, (None, None))
            group = name_key(artist) if artist else None
            swap = swap_disputed and int(song_id) <= DISPUTED_UP_TO
            tracks.append(
                Track(
                    dataset="deam",
                    track_id=song_id,
                    split=hash_split(group or f"deam {song_id}"),
                    labels=_labels(
                        row,
                        where=where,
                        swap=swap,
                        raters=10 if int(song_id) <= _TEN_RATERS_UP_TO else 5,
                    ),
                    audio_path=find_audio(folder / "MEMD_audio", song_id),
                    title=title,
                    artist=artist,
                    artist_group=group,
                )
            )
    return tracks


def _labels(row: Mapping[str, str], *, where: str, swap: bool, raters: int) -> AffectLabels:
    valence, arousal = ("arousal", "valence") if swap else ("valence", "arousal")
    return AffectLabels(
        valence=unit_rating(row, f"{valence}_mean", scale=SCALE, where=where),
        arousal=unit_rating(row, f"{arousal}_mean", scale=SCALE, where=where),
        valence_sd=unit_deviation(row, f"{valence}_std", scale=SCALE, where=where),
        arousal_sd=unit_deviation(row, f"{arousal}_std", scale=SCALE, where=where),
        raters=raters,
    )


def _read_names(folder: Path) -> dict[str, tuple[str | None, str | None]]:
    """Artist and title of every song; the three years name their columns differently."""
    names: dict[str, tuple[str | None, str | None]] = {}
    for path in [folder / name for name in _METADATA if (folder / name).is_file()]:
        for number, cells in enumerate(read_table(path, (), licence=LICENCE), start=2):
            row = {name.casefold(): value.strip('" ') for name, value in cells.items()}
            column = "song_id" if "song_id" in row else "id"
            if column not in row:
                raise DatasetError(f"{path} lacks a column song_id or id; its columns: {[*cells]}")
            if not row[column]:  # empty last rows of a spreadsheet
                continue
            song_id = plain_id(row[column], where=f"{path}, line {number}, column {column}")
            title = row.get("song title") or row.get("track") or row.get("title")
            names[song_id] = (row.get("artist") or None, title or None)
    return names
