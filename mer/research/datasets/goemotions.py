"""GoEmotions: comments with 27 emotions or neutral, mapped to the eight emotions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mer.affect import UNIT
from mer.errors import DatasetError
from mer.research.datasets import warriner
from mer.research.datasets.base import AffectLabels, AnnotationKind, Track, parse_split, read_tsv
from mer.research.datasets.crosswalk import GOEMOTIONS, Crosswalk, mix

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LICENCE: Final = "Apache-2.0"
CITATION: Final = (
    "Demszky, Movshovitz-Attias, Ko, Cowen, Nemade & Ravi (2020), GoEmotions: a dataset of "
    "fine-grained emotions, ACL."
)
SCALE: Final = UNIT
"""The labels are distributions, not ratings."""
ANNOTATION_KIND: Final[AnnotationKind] = "text"
CHECKSUMS: Final = {
    "text/goemotions/emotions.txt": (
        "45c3ef86782d2a4d7fedcd6d8c111aa0d0e94720689bd164fac94fefb4495a89"
    ),
    "text/goemotions/data/original/train.tsv": (
        "1c254a142be5c00e80d819b9ae1bbd36d94b2eeb8f4b1271846508d57e57d9c5"
    ),
    "text/goemotions/data/original/dev.tsv": (
        "575489c079c9de1097062a01738f998590d6b7ead66dd1c9fd1d2ba01fd8bc62"
    ),
    "text/goemotions/data/original/test.tsv": (
        "0587b2dd8b27b97352adbfc3fb083d46005c8946657fdc2b1ca8b1cc7f1f8be4"
    ),
}


def load(root: Path, *, has_norms: bool = True) -> list[Track]:
    """Comments with a distribution over the eight emotions, in the official splits.

    Valence and arousal are the word norms of the emotions' names, not ratings of the comment.
    Without `has_norms` comments have neither, and the norms are not read.
    Comments without any of the eight emotions are left out. Their only labels are neutral,
    surprise, confusion or realization.

    Raises
    ------
    DatasetError
        If a file is absent or a cell is not as expected.
    """
    folder = root / "text/goemotions"
    names = _label_names(folder / "emotions.txt")
    crosswalk = Crosswalk(warriner.load_norms(root)) if has_norms else None
    return [
        track
        for split in ("train", "dev", "test")
        for track in _load_split(
            folder / "data" / "original" / f"{split}.tsv", split, names, crosswalk
        )
    ]


def _label_names(path: Path) -> list[str]:
    names = [cell for row in read_tsv(path, licence=LICENCE) for cell in row]
    if unknown := sorted(set(names) ^ set(GOEMOTIONS)):
        raise DatasetError(f"{path}: the labels differ from the expected 28: {', '.join(unknown)}")
    return names


def _load_split(
    path: Path, split: str, names: list[str], crosswalk: Crosswalk | None
) -> Iterator[Track]:
    known_ids = {str(index): name for index, name in enumerate(names)}
    for number, row in enumerate(read_tsv(path, licence=LICENCE), start=1):
        try:
            text, ids, track_id = row
            labels = [known_ids[label] for label in ids.split(",")]
        except (ValueError, KeyError) as error:
            raise DatasetError(
                f"{path}, line {number}: expected text, label ids 0-27 and an id, in three columns"
            ) from error
        known = [label for label in labels if GOEMOTIONS[label]]
        if known:
            point = crosswalk.point(known) if crosswalk else None
            yield Track(
                dataset="goemotions",
                track_id=track_id,
                split=parse_split(split, where=str(path)),
                labels=AffectLabels(
                    valence=point.valence if point else None,
                    arousal=point.arousal if point else None,
                    emotions=mix(GOEMOTIONS[label] for label in known),
                    mood_words=tuple(known),
                ),
                lyrics=text,
            )
