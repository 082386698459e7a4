"""MIREX-like mood data set: clips with a mood cluster and one mood adjective; many have lyrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mer.affect import UNIT
from mer.errors import DatasetError, LyricsError
from mer.lyrics import clean_lyrics, read_lyrics
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
    "Panda, Malheiro, Rocha, Oliveira & Paiva (2013), Multi-modal music emotion recognition: a new "
    "dataset, methodology and comparative analysis, CMMR."
)
SCALE: Final = UNIT
"""Valence and arousal are norms of the adjective, on this scale, not ratings."""
ANNOTATION_KIND: Final[AnnotationKind] = "editorial"

CLUSTERS: Final = ("C1", "C2", "C3", "C4", "C5")

_COLUMNS: Final = (
    "id", "artist", "title", "cluster", "category", "has_lyrics", "split", "artist_group",
)  # fmt: skip


def load(root: Path) -> list[Track]:
    """Clips with cluster and adjective, and the adjective's valence, arousal and emotions.

    Clusters are not quadrants, so `quadrant` is None. Valence and arousal from one adjective are
    much less reliable than those from the many words of `datasets.panda4q`.

    Parameters
    ----------
    root : Path
        Holds ``mirex/`` and the Warriner norms.

    Raises
    ------
    DatasetError
        If a table, clip or lyrics file is absent or a cell is not as expected.
    """
    folder = root / "mirex"
    path = folder / "songs.csv"
    crosswalk = Crosswalk(warriner.load_norms(root))
    tracks = []
    for number, row in enumerate(read_table(path, _COLUMNS, licence=LICENCE), start=2):
        where = f"{path}, line {number}"
        if row["cluster"] not in CLUSTERS:
            raise DatasetError(f"{where}, column cluster: {row['cluster']!r} is not C1 to C5")
        words = (row["category"].strip().lower(),)
        point = crosswalk.point(words)
        tracks.append(
            Track(
                dataset="mirex",
                track_id=row["id"],
                split=parse_split(row["split"], where=f"{where}, column split"),
                labels=AffectLabels(
                    cluster=CLUSTERS.index(row["cluster"]),
                    valence=point.valence if point else None,
                    arousal=point.arousal if point else None,
                    emotions=crosswalk.emotions(words),
                    mood_words=words,
                ),
                audio_path=audio_file(folder / "audio" / f"{row['id']}.opus"),
                lyrics=_lyrics(folder, row["id"]) if row["has_lyrics"] == "1" else None,
                title=row["title"] or None,
                artist=_artist_name(row["artist"]) or None,
                artist_group=row["artist_group"] or None,
            )
        )
    return tracks


def _lyrics(folder: Path, track_id: str) -> str:
    try:
        return clean_lyrics(read_lyrics(folder / "lyrics" / f"{track_id}.txt"))
    except LyricsError as error:
        raise DatasetError(f"{error}; songs.csv says that {track_id} has lyrics") from error


def _artist_name(listed: str) -> str:
    """Turn ``Brown, Ruth`` into ``Ruth Brown``, the order of file tags."""
    family, comma, given = listed.partition(", ")
    return f"{given} {family}" if comma else listed
