"""Input and output of the emotion model, as plain values; no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
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
"""Below this confidence the other three quadrants together are more probable."""

UNFAMILIAR_FROM: Final = 0.5
"""From this novelty on, the place of a song is a guess."""

MODES: Final = ("major", "minor")
"""The two modes of a key."""

KEYS: Final = tuple(
    (tonic, mode)
    for mode, tonics in (
        ("major", ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")),
        ("minor", ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B")),
    )
    for tonic in tonics
)
"""Tonic and mode of the 24 keys, each spelled with the fewer accidentals."""

SURE_FROM: Final = 0.5
"""Tempo and key of less confidence count as unknown (docs/results/tempo-and-key.md)."""

TOLD_SHIFT: Final = 0.01
"""Smallest shift of a lyric line that is shown. Smaller ones are 0.00 in two decimals."""


@dataclass(frozen=True, slots=True)
class SongInput:
    """One song as input. Any part may be missing, but not all.

    Parameters
    ----------
    path : Path or None
        Audio file.
    lyrics : str or None
        Plain or timed (LRC) lyrics.
    title, artist : str or None
        The context.
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
    """A line of the lyrics and its contribution to the prediction for the song.

    Parameters
    ----------
    line : int
        Index of its first occurrence in `mer.lyrics.lyric_lines` of the lyrics.
    text : str
    valence, arousal : float in (-1, 1)
        The prediction for the song, minus the one without the line and its repetitions.
    """

    line: int
    text: str
    valence: float
    arousal: float

    @property
    def shift(self) -> float:
        """Distance that the line moves the prediction on the plane; lines are ranked by it.

        The plane is used rather than quadrant probabilities for two reasons. The distance has the
        unit of the values that are shown, so the ranking can be checked. Texts in the training
        data are rated on the plane, while quadrant labels mostly belong to audio.
        """
        return math.hypot(self.valence, self.arousal)


@dataclass(frozen=True, slots=True)
class TempoAndKey:
    """Tempo and key of a song, estimated from its sound.

    Parameters
    ----------
    tempo_bpm : float or None
        Beats a minute, from 40 to 240. None if nothing in the sound repeats.
    tempo_confidence : float in [0, 1)
    tonic : int or None
        Semitones above C, 0 to 11. None if all pitch classes are equally strong.
    mode : str
        One of `MODES`; empty without a tonic.
    key_confidence : float in [0, 1)
    """

    tempo_bpm: float | None
    tempo_confidence: float
    tonic: int | None
    mode: str
    key_confidence: float


@dataclass(frozen=True, slots=True)
class EmotionPrediction:
    """The prediction of the model for one song.

    Parameters
    ----------
    model_version : str
        Configuration name and eight hex digits of the checkpoint's sha256.
    valence, arousal : float in [0, 1]
    valence_spread, arousal_spread : float above 0
        Expected error: its standard deviation.
    quadrant : Quadrant
        The most probable quadrant.
    quadrants : mapping of Quadrant to float
        Probabilities that sum to 1.
    emotions : mapping of str to float
        Probabilities of the eight `EMOTIONS` that sum to 1.
    confidence : float in [0, 1]
        Probability of `quadrant`.
    gates : mapping of str to float
        Weight of each of `MODALITIES` in the fused embedding. They sum to 1; a missing
        modality has 0.
    timeline : tuple of TimelinePoint
        In order of time. Their mean is `valence` and `arousal`. Empty without audio.
    fused_embedding : (256,) float32 ndarray
        Unit norm.
    duration_seconds : float or None
        Length of the recording; None without audio.
    alone : mapping of str to (float, float)
        Valence and arousal by each present one of `MODALITIES` alone.
    lyric_lines : tuple of LyricLine
        Up to three lines that move the prediction most, the strongest first. Empty if the lyrics
        have fewer than two different lines.
    felt : mapping of str to float in [0, 1]
        For each of the nine `mer.affect.GEMS`, the expected share of listeners who feel it.
        Empty if the checkpoint does not predict it.
    kinds : mapping of str to float in [0, 1]
        Share of each kind of music, such as "solo piano"; they sum to 1. Empty without audio, or
        if the checkpoint knows no kinds.
    novelty : float in [0, 1] or None
        How unlike the training music the audio is. None without audio, or if the checkpoint does
        not measure it.
    valence_interval, arousal_interval : (low, high) floats in [0, 1], or None
        They contain the true value for nine songs in ten. None if the checkpoint has none.
    lyrics_language : str or None
        ISO 639 code of the language of most of the lyrics. None without lyrics, or if it is not
        clear.
    are_lyrics_withheld : bool
        Whether lyrics, or lines of them, were left out because of their language. The gate of the
        lyrics is 0 if nothing is left.
    tempo_and_key : TempoAndKey or None
        Estimated without the network. None without audio.
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
    alone: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    felt: Mapping[str, float] = field(default_factory=dict)
    kinds: Mapping[str, float] = field(default_factory=dict)
    novelty: float | None = None
    valence_interval: tuple[float, float] | None = None
    arousal_interval: tuple[float, float] | None = None
    lyrics_language: str | None = None
    are_lyrics_withheld: bool = False
    tempo_and_key: TempoAndKey | None = None

    @property
    def is_ambiguous(self) -> bool:
        """Whether the song is more likely outside `quadrant` than in it."""
        return self.confidence < AMBIGUOUS_BELOW

    @property
    def is_unfamiliar(self) -> bool:
        """Whether the audio is so unlike the training music that the prediction is a guess."""
        return self.novelty is not None and self.novelty >= UNFAMILIAR_FROM
