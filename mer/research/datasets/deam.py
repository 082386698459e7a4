"""DEAM: royalty-free excerpts with listeners' valence and arousal of the whole excerpt.

Two traps, both from comparing the released tables:

- All 744 songs of `mer.research.datasets.emomusic` are in DEAM under the same ids, 1 to 1000: a model
  trained on the one has seen the other (`mer.research.datasets.overlaps` refuses that).
- For these songs the two sets disagree on which column is valence: DEAM's valence is emoMusic's
  arousal (r > 0.999) and the other way round. One release is mislabelled; the mean ratings of
  genres favour emoMusic, but that is no proof. The ratings are loaded as released unless
  `swap_disputed` is given; report both.
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
STATIC: Final = True
"""One rating a song is read; the ratings over time, on another scale, are not."""

DIVIDED_BY_N: Final = True
"""The standard deviations were divided by the number of ratings, not by one less."""

DISPUTED_UP_TO: Final = 1000
"""Songs with ids up to this one come from emoMusic."""

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
    """Excerpts with valence and arousal, their spread, and a split by artist.

    How many raters there were is not told, but the means and deviations of 99% of the songs up to
    id 2000 fit ten whole ratings and no other number, and those of 86% of the later songs fit five.

    There is no official split of the whole set; artists, or songs where the metadata are absent,
    are divided by `mer.research.datasets.layout.hash_split`.

    Parameters
    ----------
    root : Path
        Holds ``deam/`` with ``annotations/``, and if at hand ``metadata/`` and ``MEMD_audio/``, as
        released; or the tables merged, without audio, in ``annotations/deam/``.
    swap_disputed : bool
        Take emoMusic's side for ids up to 1000: valence from the column called arousal, and
        arousal from the one called valence.

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
            if not row[column]:  # a spreadsheet's empty last rows
                continue
            song_id = plain_id(row[column], where=f"{path}, line {number}, column {column}")
            title = row.get("song title") or row.get("track") or row.get("title")
            names[song_id] = (row.get("artist") or None, title or None)
    return names
