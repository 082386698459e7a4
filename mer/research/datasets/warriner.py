"""Warriner's norms of valence, arousal and dominance for English lemmas, as one-word texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mer.affect import NINE_POINT
from mer.research.datasets.base import AffectLabels, AnnotationKind, Track, parse_rating, read_table
from mer.research.datasets.crosswalk import WordNorm

if TYPE_CHECKING:
    from pathlib import Path

LICENCE: Final = "CC BY-NC-ND 3.0"
CITATION: Final = (
    "Warriner, Kuperman & Brysbaert (2013), Norms of valence, arousal, and dominance for 13,915 "
    "English lemmas, Behavior Research Methods 45, 1191-1207."
)
SCALE: Final = NINE_POINT
ANNOTATION_KIND: Final[AnnotationKind] = "text"
CHECKSUMS: Final = {
    "text/warriner/Ratings_Warriner_et_al.csv": (
        "78ac8107c78e116bb96538fae4faa47281a155f5f8fe39f30bbc6ea3db05b446"
    ),
}

_TABLE: Final = "text/warriner/Ratings_Warriner_et_al.csv"
_COLUMNS: Final = ("V.Mean.Sum", "A.Mean.Sum", "D.Mean.Sum")


def load_norms(root: Path) -> dict[str, WordNorm]:
    """Mean ratings of every lemma, lower case, on the unit scale.

    Raises
    ------
    DatasetError
        If the table is absent or a cell is not as expected.
    """
    path = root / _TABLE
    norms: dict[str, WordNorm] = {}
    for number, row in enumerate(read_table(path, ("Word", *_COLUMNS), licence=LICENCE), start=2):
        ratings = (
            parse_rating(
                row[column],
                low=SCALE.low,
                high=SCALE.high,
                where=f"{path}, line {number}, column {column}",
            )
            for column in _COLUMNS
        )
        norm = WordNorm(*(SCALE.to_unit(rating) for rating in ratings))
        # A few lemmas are also listed as a name (Bill and bill); the common word has precedence.
        if row["Word"].islower() or row["Word"].lower() not in norms:
            norms[row["Word"].lower()] = norm
    return norms


def load(root: Path) -> list[Track]:
    """Every lemma as a text of one word; the set has no splits, so all are training tracks.

    Raises
    ------
    DatasetError
        If the table is absent or a cell is not as expected.
    """
    return [
        Track(
            dataset="warriner",
            track_id=word,
            split="train",
            labels=AffectLabels(valence=norm.valence, arousal=norm.arousal),
            lyrics=word,
        )
        for word, norm in load_norms(root).items()
    ]
