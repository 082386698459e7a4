"""One module a data set; each knows its licence, citation, scale and layout on disk.

Nothing is fetched: `load(root)` reads what is already under `root`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mer.datasets import emobank, goemotions, mirex, panda4q, warriner

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

DATASETS: Final[Mapping[str, ModuleType]] = {
    "panda4q": panda4q,
    "mirex": mirex,
    "emobank": emobank,
    "goemotions": goemotions,
    "warriner": warriner,
}
"""Every data set by name; a module has ``load(root)``, ``LICENCE``, ``CITATION`` and ``SCALE``."""
