"""Poem Sentiment: verses from Project Gutenberg with a sentiment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mer.affect import UNIT
from mer.errors import DatasetError
from mer.research.datasets.base import AffectLabels, AnnotationKind, Track, parse_split, read_tsv

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LICENCE: Final = "CC BY 4.0"
CITATION: Final = (
    "Sheng & Uthus (2020), Investigating societal biases in a poetry composition system, "
    "Workshop on Gender Bias in Natural Language Processing."
)
SCALE: Final = UNIT
"""The labels are negative, neutral and positive, not ratings."""
ANNOTATION_KIND: Final[AnnotationKind] = "text"
CHECKSUMS: Final = {
    "text/poem_sentiment/data/train.tsv": (
        "09503a850796736a8e63504ae2c8de983f57dceebc2342ea93a7f7ad06af56d0"
    ),
    "text/poem_sentiment/data/dev.tsv": (
        "0770bd7b80e04c92da82e78f9f93ce35d38b334b4830fca2b9b4d7e174f152e5"
    ),
    "text/poem_sentiment/data/test.tsv": (
        "a406d87b62a6b7c9615468a8b66e69c027fa8f2f03a4f8f6c79df26c260de620"
    ),
}

_SENTIMENTS: Final = {"-1": -1, "0": 0, "1": 1, "2": None}
_SPLITS: Final = ("train", "dev", "test")


def load(root: Path) -> list[Track]:
    """Verses with a polarity, in the official splits; mixed verses (label 2) are left out.

    Raises
    ------
    DatasetError
        If a file is absent or a cell is not as expected.
    """
    folder = root / "text/poem_sentiment/data"
    return [track for split in _SPLITS for track in _read(folder / f"{split}.tsv", split)]


def _read(path: Path, split: str) -> Iterator[Track]:
    for number, row in enumerate(read_tsv(path, licence=LICENCE), start=1):
        if len(row) != 3:
            raise DatasetError(f"{path}, line {number}: expected an id, a verse and a label")
        verse_id, text, label = row
        if label not in _SENTIMENTS:
            raise DatasetError(
                f"{path}, line {number}, column 3: {label!r} is not one of -1, 0, 1, 2"
            )
        if (polarity := _SENTIMENTS[label]) is not None:
            yield Track(
                dataset="poem_sentiment",
                track_id=f"{split}-{verse_id}",
                split=parse_split(split, where=str(path)),
                labels=AffectLabels(polarity=polarity),
                lyrics=text,
            )
