"""The open checkpoint ``affetti-open``: what it is trained on, and where its training differs.

Only data whose licence permits commercial use and derived works is used:

============== ============ ===============================================
set            licence      labels used
============== ============ ===============================================
composed       CC0 1.0      intended valence, arousal and quadrant
emobank        CC BY-SA 4.0 valence and arousal
goemotions     Apache-2.0   emotions; not the norms of their names
poem_sentiment CC BY 4.0    polarity
============== ============ ===============================================

The text encoder is not adapted: that takes half an hour. EmoBank's test sentences correlate by .69
and .46 with their ratings; those of the house network by .72 and .48.

The frozen encoders permit it, too: MusiCNN (ISC) and all-MiniLM-L6-v2 (Apache-2.0). The weights
have the licence of EmoBank, whose terms are passed on to what is made from it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mer.research.datasets import composed, emobank, goemotions, poem_sentiment
from mer.research.house.mixture import some_comments
from mer.research.house.validation import FoldNetwork, is_song, trained

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from torch import Tensor

    from mer.batches import AffettiConfig
    from mer.research.datasets.base import Track
    from mer.research.house.mixture import Plane
    from mer.research.house.trainer import Recipe
    from mer.research.inputs.features import TrackFeatures

NAME: Final = "affetti-open"
LICENCE: Final = "CC BY-SA 4.0"
SETS: Final = ("composed", "emobank", "goemotions", "poem_sentiment")

_DOMAINS: Final = {
    "solo piano": ("piano",),
    "orchestral": ("strings", "orchestra"),
    "game music": ("chiptune", "game"),
    "electronic": ("electronic",),
    "band": ("band", "acoustic"),
}
"""Instrumentations that are left out together, for the confidence on unfamiliar music."""


def load_tracks(root: Path) -> list[Track]:
    """All tracks of `SETS`, without labels from other sources; no other set is read.

    Parameters
    ----------
    root : Path
        Folder of the data sets.

    Raises
    ------
    DatasetError
        If a data set is missing or damaged.
    """
    comments = some_comments(goemotions.load(root, has_norms=False))
    texts = (*emobank.load(root), *comments, *poem_sentiment.load(root))
    return [*composed.load(root), *texts]


def leave_instrumentations_out(
    recipe: Recipe,
    config: AffettiConfig,
    examples: Sequence[TrackFeatures],
    plane: Plane,
    folder: Path,
    start: Mapping[str, Tensor] | None = None,
) -> dict[str, FoldNetwork]:
    """Train a network without each group of instrumentations; its pieces are the held-out ones.

    Parameters
    ----------
    recipe, config, examples, plane, folder, start
        As `validation.cross_validate`.

    Returns
    -------
    dict of str to FoldNetwork
        Groups without pieces are left out.
    """
    networks = {}
    for name, genres in _DOMAINS.items():
        held = tuple(e for e in examples if is_song(e) and set(e.track.genres) & set(genres))
        kept = [e for e in examples if not is_song(e) or not set(e.track.genres) & set(genres)]
        if held and any(is_song(e) for e in kept):
            place = folder / f"without-{genres[0]}"
            network = trained(recipe, config, kept, plane, place, start)
            networks[name] = FoldNetwork(network, held)
    return networks
