"""emoMusic, the 1000 songs of MediaEval 2013: excerpts with ratings of valence and arousal.

The release has 744 songs after the removal of duplicates. All are in `datasets.deam` under the same
ids, with valence and arousal swapped. The official table has arousal before valence. One rating a
song is read. The ratings over time are not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mer.affect import NINE_POINT
from mer.errors import DatasetError
from mer.research.datasets.base import AffectLabels, AnnotationKind, Split, Track, read_table
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

LICENCE: Final = "none stated for the ratings; music from the Free Music Archive; research use"
CITATION: Final = (
    "Soleymani, Caro, Schmidt, Sha & Yang (2013), 1000 songs for emotional analysis of music, "
    "CrowdMM."
)
SCALE: Final = NINE_POINT
ANNOTATION_KIND: Final[AnnotationKind] = "perceived"
CHECKSUMS: Final = {
    "annotations/emomusic/static_annotations.csv": (
        "7defdc1c23f7a3199e5d5d4d433b71344451ea633be2f7b450f69d3199e1835a"
    ),
}
RATERS: Final = 10
"""Inferred: only ten whole ratings can give the mean and deviation of 99% of the songs."""
DIVIDED_BY_N: Final = False
"""The standard deviations were divided by n - 1, with n the number of ratings."""

_OFFICIAL: Final = {
    "valence": "mean_valence", "valence_sd": "std_valence",
    "arousal": "mean_arousal", "arousal_sd": "std_arousal",
}  # fmt: skip
_RENAMED: Final = {
    "valence": "valence_mean", "valence_sd": "valence_std",
    "arousal": "arousal_mean", "arousal_sd": "arousal_std",
}  # fmt: skip
_INFO_COLUMNS: Final = ("song_id", "Artist", "Song title", "Mediaeval 2013 set")
_HALVES: Final = ("development", "evaluation")


def load(root: Path) -> list[Track]:
    """Excerpts with valence and arousal, their standard deviations, and MediaEval's split.

    The evaluation songs are the test split. The release has no validation split: development songs
    whose artist's `layout.hash_split` is not ``train`` become ``val``. Without ``songs_info.csv``
    the hash of the song's id decides on all three splits.

    Parameters
    ----------
    root : Path
        Holds ``emomusic/`` as released: ``annotations/``, and optionally ``clips_45seconds/``.
        Without ``emomusic/``, the renamed table in ``annotations/emomusic/`` is read.

    Raises
    ------
    DatasetError
        If a table is absent or a cell is not as expected.
    """
    folder = root / "emomusic"
    path = folder / "annotations/static_annotations.csv"
    columns = _OFFICIAL
    renamed = root / "annotations/emomusic/static_annotations.csv"
    if renamed.is_file() and not folder.is_dir():
        path, columns = renamed, _RENAMED
    info = _read_info(folder / "annotations/songs_info.csv")
    tracks = []
    rows = read_table(path, ("song_id", *columns.values()), licence=LICENCE)
    for number, row in enumerate(rows, start=2):
        where = f"{path}, line {number}"
        song_id = plain_id(row["song_id"], where=f"{where}, column song_id")
        artist, title, half = info.get(song_id, ("", "", ""))
        group = name_key(artist) if artist else None
        tracks.append(
            Track(
                dataset="emomusic",
                track_id=song_id,
                split=_split(half, group or f"deam {song_id}"),
                labels=_labels(row, columns, where=where),
                audio_path=find_audio(folder / "clips_45seconds", song_id),
                title=title or None,
                artist=artist or None,
                artist_group=group,
            )
        )
    return tracks


def _labels(row: Mapping[str, str], columns: Mapping[str, str], *, where: str) -> AffectLabels:
    return AffectLabels(
        valence=unit_rating(row, columns["valence"], scale=SCALE, where=where),
        arousal=unit_rating(row, columns["arousal"], scale=SCALE, where=where),
        valence_sd=unit_deviation(row, columns["valence_sd"], scale=SCALE, where=where),
        arousal_sd=unit_deviation(row, columns["arousal_sd"], scale=SCALE, where=where),
        raters=RATERS,
    )


def _split(half: str, group: str) -> Split:
    if not half:
        return hash_split(group)
    if half == "evaluation":
        return "test"
    return "train" if hash_split(group) == "train" else "val"


def _read_info(path: Path) -> dict[str, tuple[str, str, str]]:
    """Artist, title and half of every song; empty if the file is absent."""
    if not path.is_file():
        return {}
    info = {}
    for number, row in enumerate(read_table(path, _INFO_COLUMNS, licence=LICENCE), start=2):
        where = f"{path}, line {number}"
        if (half := row["Mediaeval 2013 set"]) not in _HALVES:
            raise DatasetError(
                f"{where}, column Mediaeval 2013 set: {half!r} is not one of {', '.join(_HALVES)}"
            )
        song_id = plain_id(row["song_id"], where=f"{where}, column song_id")
        info[song_id] = (row["Artist"], row["Song title"], half)
    return info
