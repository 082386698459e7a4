"""One module a data set; each knows its licence, citation, scale and layout on disk.

Nothing is fetched: `load(root)` reads what is already under `root`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mer.research.datasets import (
    deam,
    deezer_va,
    emobank,
    emomusic,
    emopia,
    emotify,
    gems_lyrics,
    goemotions,
    mirex,
    moodylyrics,
    msdd,
    mtg_jamendo,
    panda4q,
    pmemo,
    poem_sentiment,
    warriner,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

DATASETS: Final[Mapping[str, ModuleType]] = {
    "panda4q": panda4q,
    "mirex": mirex,
    "deam": deam,
    "emomusic": emomusic,
    "pmemo": pmemo,
    "emotify": emotify,
    "mtg_jamendo": mtg_jamendo,
    "emopia": emopia,
    "moodylyrics": moodylyrics,
    "msdd": msdd,
    "deezer_va": deezer_va,
    "gems_lyrics": gems_lyrics,
    "emobank": emobank,
    "goemotions": goemotions,
    "poem_sentiment": poem_sentiment,
    "warriner": warriner,
}
"""Every data set by name; a module has ``load(root)``, ``LICENCE``, ``CITATION`` and ``SCALE``."""
