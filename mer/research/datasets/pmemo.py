"""PMEmo: choruses of pop songs with listeners' ratings of valence and arousal; many have lyrics.

The official table has arousal before valence, on a scale from 0 to 1. Other projects distribute a
renamed table with means on 1 to 9 but standard deviations on 0 to 1. One rating a song is read. The
ratings over time and the physiological signals are not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mer.affect import NINE_POINT, UNIT
from mer.errors import DatasetError
from mer.research.datasets.base import AffectLabels, AnnotationKind, Track, read_table
from mer.research.datasets.layout import (
    find_audio,
    find_lyrics,
    hash_split,
    name_key,
    plain_id,
    unit_deviation,
    unit_rating,
)

if TYPE_CHECKING:
    from pathlib import Path

LICENCE: Final = "none stated for the data; research use"
CITATION: Final = (
    "Zhang, Zhang, Li, Yang & Sun (2018), The PMEmo dataset for music emotion recognition, ICMR."
)
SCALE: Final = UNIT
ANNOTATION_KIND: Final[AnnotationKind] = "induced"
CHECKSUMS: Final = {
    "annotations/pmemo/static_annotations.csv": (
        "c0ae369b41a0a9e012bb83a2dded30d1370267564352771f16b9eb5a9eca0a91"
    ),
}
RATERS: Final = 10
"""Inferred: only ten ratings on nine points can give the mean and deviation of 97% of the songs."""
DIVIDED_BY_N: Final = True
"""The standard deviations were divided by the number of ratings n, not by n - 1."""

_RENAMED: Final = ("song_id", "valence_mean", "valence_std", "arousal_mean", "arousal_std")


def load(root: Path) -> list[Track]:
    """Choruses with valence and arousal, their standard deviations, and a split by artist.

    There is no official split. `layout.hash_split` divides the artists, or the songs if the
    metadata are absent.

    Parameters
    ----------
    root : Path
        Holds ``pmemo/`` with the contents of ``PMEmo2019/``: ``annotations/``, and optionally
        ``metadata.csv``, ``chorus/`` and ``lyrics/``. Without ``pmemo/``, the renamed table in
        ``annotations/pmemo/`` is read.

    Raises
    ------
    DatasetError
        If a table is absent or a cell is not as expected.
    """
    folder = root / "pmemo"
    renamed = root / "annotations/pmemo/static_annotations.csv"
    use_renamed = renamed.is_file() and not folder.is_dir()
    labels = _read_renamed(renamed) if use_renamed else _read_official(folder / "annotations")
    names = _read_names(folder / "metadata.csv")
    tracks = []
    for song_id, label in labels.items():
        title, artist = names.get(song_id, ("", ""))
        group = name_key(artist) if artist else None
        tracks.append(
            Track(
                dataset="pmemo",
                track_id=song_id,
                split=hash_split(group or f"pmemo {song_id}"),
                labels=label,
                audio_path=find_audio(folder / "chorus", song_id),
                lyrics=find_lyrics(folder / "lyrics", song_id),
                title=title or None,
                artist=artist or None,
                artist_group=group,
            )
        )
    return tracks


def _read_official(folder: Path) -> dict[str, AffectLabels]:
    means, deviations = folder / "static_annotations.csv", folder / "static_annotations_std.csv"
    spread = {}
    columns = ("musicId", "Arousal(std)", "Valence(std)")
    for number, row in enumerate(read_table(deviations, columns, licence=LICENCE), start=2):
        where = f"{deviations}, line {number}"
        song_id = plain_id(row["musicId"], where=f"{where}, column musicId")
        spread[song_id] = (
            unit_deviation(row, "Valence(std)", scale=UNIT, where=where),
            unit_deviation(row, "Arousal(std)", scale=UNIT, where=where),
        )
    labels = {}
    columns = ("musicId", "Arousal(mean)", "Valence(mean)")
    for number, row in enumerate(read_table(means, columns, licence=LICENCE), start=2):
        where = f"{means}, line {number}"
        song_id = plain_id(row["musicId"], where=f"{where}, column musicId")
        if song_id not in spread:
            raise DatasetError(f"{where}, column musicId: {song_id} is not in {deviations}")
        labels[song_id] = AffectLabels(
            valence=unit_rating(row, "Valence(mean)", scale=UNIT, where=where),
            arousal=unit_rating(row, "Arousal(mean)", scale=UNIT, where=where),
            valence_sd=spread[song_id][0],
            arousal_sd=spread[song_id][1],
            raters=RATERS,
        )
    return labels


def _read_renamed(path: Path) -> dict[str, AffectLabels]:
    labels = {}
    for number, row in enumerate(read_table(path, _RENAMED, licence=LICENCE), start=2):
        where = f"{path}, line {number}"
        song_id = plain_id(row["song_id"], where=f"{where}, column song_id")
        labels[song_id] = AffectLabels(
            valence=unit_rating(row, "valence_mean", scale=NINE_POINT, where=where),
            arousal=unit_rating(row, "arousal_mean", scale=NINE_POINT, where=where),
            valence_sd=unit_deviation(row, "valence_std", scale=UNIT, where=where),
            arousal_sd=unit_deviation(row, "arousal_std", scale=UNIT, where=where),
            raters=RATERS,
        )
    return labels


def _read_names(path: Path) -> dict[str, tuple[str, str]]:
    """Title and artist of every song; empty if the file is absent."""
    if not path.is_file():
        return {}
    names = {}
    rows = read_table(path, ("musicId", "title", "artist"), licence=LICENCE)
    for number, row in enumerate(rows, start=2):
        song_id = plain_id(row["musicId"], where=f"{path}, line {number}, column musicId")
        names[song_id] = (row["title"], row["artist"])
    return names
