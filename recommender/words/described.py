"""What the text network adds: the place of a description that no rule knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from recommender.words.understood import Understood

_SAYS_NOTHING: Final = ((0.40, 0.66), (0.0, 0.42))
"""Valence and arousal that the network predicts for words without emotion, such as "table"."""
PHRASE_SHARE: Final = 1 / 3
"""Weight of a description beside words that rules know."""


def is_telling(phrase: str, valence: float, arousal: float) -> bool:
    """Return whether the network's prediction for a description means something.

    One word without emotion, such as "table", gets the same prediction as any other. Several words
    describe a situation; their prediction counts, and its doubt is shown.
    """
    if len(phrase.split()) > 1:
        return True
    return not all(
        low <= x <= high for x, (low, high) in zip((valence, arousal), _SAYS_NOTHING, strict=True)
    )


def with_phrase(understood: Understood, place: tuple[float, float]) -> tuple[float, float]:
    """Return the target of a text whose description the network places there."""
    if understood.place is None:
        return place
    kept = 1 - PHRASE_SHARE
    return (
        kept * understood.place[0] + PHRASE_SHARE * place[0],
        kept * understood.place[1] + PHRASE_SHARE * place[1],
    )
