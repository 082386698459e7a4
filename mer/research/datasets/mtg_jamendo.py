"""MTG-Jamendo mood/theme: full songs under Creative Commons with their uploaders' mood tags.

The official tables are read directly, without mirdata; see ``docs/decisions/006-mirdata.md``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mer.affect import UNIT
from mer.errors import DatasetError
from mer.research.datasets.base import AffectLabels, AnnotationKind, Track, parse_split, read_tsv

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LICENCE: Final = "CC BY-NC-SA 4.0 (tables); music under the Creative Commons licence of each song"
CITATION: Final = (
    "Bogdanov, Won, Tovstogan, Porter & Serra (2019), The MTG-Jamendo dataset for automatic music "
    "tagging, Machine Learning for Music Discovery Workshop, ICML."
)
SCALE: Final = UNIT
"""The labels are tags, not ratings."""
ANNOTATION_KIND: Final[AnnotationKind] = "tags"

SPLIT_NUMBERS: Final = range(5)
_HEADER: Final = ["TRACK_ID", "ARTIST_ID", "ALBUM_ID", "PATH", "DURATION", "TAGS"]
_PREFIX: Final = "mood/theme---"


def load(root: Path, *, split_number: int = 0) -> list[Track]:
    """Songs with their mood/theme tags, in one of the five official splits by artist.

    Parameters
    ----------
    root : Path
        Holds ``mtg_jamendo/`` with ``data/splits/split-N/`` of the official repository. Optional
        recordings of autotagging_moodtheme are in ``audio/``, as ``48/948.mp3``.
    split_number : int
        0 to 4. Most published results use 0.

    Raises
    ------
    DatasetError
        If a table is absent, a cell is not as expected, or there is no such split.
    """
    if split_number not in SPLIT_NUMBERS:
        raise DatasetError(f"MTG-Jamendo has splits 0 to 4, not {split_number}")
    folder = root / "mtg_jamendo"
    tables = folder / f"data/splits/split-{split_number}"
    return [
        track
        for split in ("train", "validation", "test")
        for track in _read(tables / f"autotagging_moodtheme-{split}.tsv", split, folder / "audio")
    ]


def _read(path: Path, split: str, audio: Path) -> Iterator[Track]:
    rows = read_tsv(path, licence=LICENCE)
    present = rows[0] if rows else []
    if missing := [column for column in _HEADER if column not in present]:
        raise DatasetError(f"{path} lacks the column {missing[0]!r}; its columns are {present}")
    for number, row in enumerate(rows[1:], start=2):
        # Every cell from the sixth on is a tag.
        if len(row) < len(_HEADER):
            raise DatasetError(f"{path}, line {number}, column TAGS: the song has no tag")
        track_id, artist, _, recording, _, *tags = row
        for tag in tags:
            if not tag.startswith(_PREFIX):
                raise DatasetError(
                    f"{path}, line {number}, column TAGS: {tag!r} does not begin with {_PREFIX}"
                )
        yield Track(
            dataset="mtg_jamendo",
            track_id=track_id,
            split=parse_split(split, where=str(path)),
            labels=AffectLabels(mood_words=tuple(tag.removeprefix(_PREFIX) for tag in tags)),
            audio_path=_recording(audio / recording),
            artist_group=artist,
        )


def _recording(path: Path) -> Path | None:
    # The low-quality release calls 948.mp3 948.low.mp3.
    paths = (path, path.with_suffix(".low.mp3"))
    return next((candidate for candidate in paths if candidate.is_file()), None)
