"""MSDD, as papers call Deezer's mood detection set, in the layout of its repository.

The rows are those of `mer.research.datasets.deezer_va`; the overlap guards know that the two are one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mer.research.datasets.deezer_va import ANNOTATION_KIND, CITATION, LICENCE, SCALE, read_release

if TYPE_CHECKING:
    from pathlib import Path

    from mer.research.datasets.base import Track

__all__ = ["ANNOTATION_KIND", "CITATION", "LICENCE", "SCALE", "load"]


def load(root: Path) -> list[Track]:
    """Songs with valence and arousal, in the official splits.

    Parameters
    ----------
    root : Path
        Holds ``deezer_mood_detection_dataset/``, a checkout of that repository; recordings and
        lyrics of yours are found in its ``audio/`` and ``lyrics/``, by MSD track id.

    Raises
    ------
    DatasetError
        If a table is absent or a cell is not as expected.
    """
    return read_release(root / "deezer_mood_detection_dataset", dataset="msdd")
