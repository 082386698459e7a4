"""MSDD, the papers' name of Deezer's mood detection set, in the layout of its repository.

The rows are the same as in `datasets.deezer_va`. `datasets.overlaps` treats the two as one set.
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
        Holds ``deezer_mood_detection_dataset/``, a checkout of that repository. Optional
        recordings and lyrics of yours are in its ``audio/`` and ``lyrics/``, by MSD track id.

    Raises
    ------
    DatasetError
        If a table is absent or a cell is not as expected.
    """
    return read_release(root / "deezer_mood_detection_dataset", dataset="msdd")
