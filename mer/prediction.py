"""What goes into the emotion model and what comes out of it; plain values, no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from mer.affect import Quadrant

EMBEDDING_DIM: Final = 256
"""Length of the fused embedding."""

MODALITIES: Final = ("audio", "lyrics", "context")
"""The three modalities, in the order of every array that holds them."""

AMBIGUOUS_BELOW: Final = 0.5
"""Below this confidence the quadrants that are not the likeliest outweigh it together."""

TOLD_SHIFT: Final = 0.01
"""Least shift of a lyric line that people are told of: less shows as nothing in two decimals."""


@dataclass(frozen=True, slots=True)
class SongInput:
    """One song as the model takes it; any part may be missing, not all.

    Parameters
    ----------
    path : Path or None
        Audio file.
    lyrics : str or None
        Plain or timed (LRC) lyrics.
    title, artist : str or None
        Context.
    """

    path: Path | None = None
    lyrics: str | None = None
    title: str | None = None
    artist: str | None = None


@dataclass(frozen=True, slots=True)
class TimelinePoint:
    """Valence and arousal, each in [0, 1], of the passage that starts at `start_seconds`."""

    start_seconds: float
    valence: float
    arousal: float


@dataclass(frozen=True, slots=True)
class LyricLine:
    """A line of the lyrics, and what it adds to the prediction of its song.

    Parameters
    ----------
    line : int
        Place, from 0, of its first occurrence among the lines of the cleaned lyrics that are not
        blank, as `mer.lyrics.lyric_lines` gives them.
    text : str
    valence, arousal : float in (-1, 1)
        The prediction with the line less the one without it and its repetitions.
    """

    line: int
    text: str
    valence: float
    arousal: float

    @property
    def shift(self) -> float:
        """How far the line moves the song on the plane, by which lines are ranked.

        Distance on the plane, and not between the quadrants' chances: it is in the unit of what is
        shown, so anyone can check the ranking, and texts were rated on the plane, while what the
        network knows of quadrants it mostly learnt from sound.
        """
        return math.hypot(self.valence, self.arousal)


@dataclass(frozen=True, slots=True)
class EmotionPrediction:
    """What the model says of one song.

    Parameters
    ----------
    model_version : str
        Configuration name and eight hex digits of the checkpoint's sha256.
    valence, arousal : float in [0, 1]
    valence_spread, arousal_spread : float above 0
        How far the judgement is likely to be off: one standard deviation of its error.
    quadrant : Quadrant
        The most probable quadrant.
    quadrants : mapping of Quadrant to float
        Probabilities that sum to 1.
    emotions : mapping of str to float
        Probabilities of the eight `EMOTIONS` that sum to 1.
    confidence : float in [0, 1]
        Probability of `quadrant`.
    gates : mapping of str to float
        Weight of each of `MODALITIES` in the fused embedding; they sum to 1, and a
        missing modality has 0.
    timeline : tuple of TimelinePoint
        In order of time, with mean `valence` and `arousal`; empty without audio.
    fused_embedding : (256,) float32 ndarray
        Unit norm.
    duration_seconds : float or None
        Length of the recording; None without audio.
    lyric_lines : tuple of LyricLine
        The few that move the prediction most, the strongest first; empty unless the lyrics have
        two different lines.
    """

    model_version: str
    valence: float
    arousal: float
    valence_spread: float
    arousal_spread: float
    quadrant: Quadrant
    quadrants: Mapping[Quadrant, float]
    emotions: Mapping[str, float]
    confidence: float
    gates: Mapping[str, float]
    timeline: tuple[TimelinePoint, ...]
    fused_embedding: NDArray[np.float32]
    duration_seconds: float | None = None
    lyric_lines: tuple[LyricLine, ...] = ()

    @property
    def is_ambiguous(self) -> bool:
        """Whether the song is likelier to lie outside `quadrant` than in it."""
        return self.confidence < AMBIGUOUS_BELOW
