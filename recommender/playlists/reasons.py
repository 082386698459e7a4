"""Why a song is in a list, as numbers and as a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypedDict

import numpy as np

from mer.affect import EMOTIONS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from catalog.models import SongEmotion
    from recommender.index import IndexSnapshot
    from recommender.playlists.targets import Target

_SHARED_EMOTIONS: Final = 3
_SHARED_FROM: Final = 0.5
"""A song shares an emotion if more than this share of the catalogue has less of it."""
_REQUESTED_FROM: Final = 0.15
"""A target requests an emotion from this weight on: words give all eight a little."""
MODALITY_WORDS: Final = {
    "audio": "sound",
    "lyrics": "lyrics",
    "context": "title and artist",
}


class EntryReason(TypedDict):
    """Why a song is in a list; plain JSON."""

    distance: float
    """From the target on the valence-arousal plane, in [0, sqrt(2)]."""
    valence: float
    arousal: float
    shared_emotions: list[str]
    """Up to three of the eight emotions that the target requests and the song has, best first."""
    modality: str
    """The modality with the largest weight in the prediction: audio, lyrics or context."""
    sentence: str
    """The same in words, for people."""


def reason_of(
    target: Target, snapshot: IndexSnapshot, row: int, emotion: SongEmotion
) -> EntryReason:
    """Return why the song of a row is in a list for a target; `emotion` has the song's gates."""
    affect = snapshot.affect[row].astype(np.float64)
    shares = np.array([snapshot.shares(2 + number)[row] for number in range(len(EMOTIONS))])
    shared = _shared_emotions(target, shares)
    distance = float(np.linalg.norm(affect[:2] - target.place))
    modality = max(emotion.gates, key=lambda name: float(emotion.gates[name]))
    return EntryReason(
        distance=distance,
        valence=float(affect[0]),
        arousal=float(affect[1]),
        shared_emotions=[EMOTIONS[number] for number in shared],
        modality=modality,
        sentence=_sentence(distance, shared, shares, modality),
    )


def _shared_emotions(target: Target, shares: NDArray[np.float64]) -> list[int]:
    # A bare point requests no emotion: name those that stand out in the song.
    requested = np.where(target.emotions >= _REQUESTED_FROM, target.emotions, 0.0)
    worth = shares * requested if target.emotions.any() else shares
    return [
        number
        for number in np.argsort(-worth, kind="stable")[:_SHARED_EMOTIONS].tolist()
        if worth[number] > 0 and shares[number] > _SHARED_FROM
    ]


def _sentence(
    distance: float, shared: list[int], shares: NDArray[np.float64], modality: str
) -> str:
    words = []
    if shared:
        # Of 200 songs or more the first is above 99.5%, which would be rounded to all of them.
        share = min(shares[shared[0]], 0.99)
        words.append(f"More {EMOTIONS[shared[0]]} than {share:.0%} of the collection.")
    words.append(f"Distance on the map: {distance:.2f}.")
    words.append(f"Rated mostly by its {MODALITY_WORDS[modality]}.")
    return " ".join(words)
