"""What the house network takes and gives: its configuration, batches of songs, its outputs."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch

from mer.affect import GEMS
from mer.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


@dataclass(frozen=True, slots=True)
class AffettiConfig:
    """Sizes and calibration of `AffettiNetwork`. With the weights, they make a checkpoint.

    Parameters
    ----------
    audio_dim, text_dim : int
        Width of one audio patch (MusiCNN and the descriptors) and of one text token.
    audio_columns : int
        Columns of pooled audio (mean and deviation of each) that vary; the others are not used.
    descriptor_dim : int
        Number of `mer.audio.descriptors` columns, the last ones of a patch.
    members : int
        Number of members, a divisor of 256.
    text_width : int
        Hidden units of a member between the mean token state and its embedding of the lyrics.
    clusters : int
        Number of MIREX clusters.
    dropout, text_dropout : float in [0, 1)
        Dropout rates in training, of pooled vectors of songs and of single texts.
    quadrant_temperatures, cluster_temperatures : 8 floats > 0
        Temperatures of the logits, fit on held-out songs. One for each set of modalities; its
        index is the sum of 1 for audio, 2 for lyrics and 4 for context.
    emotion_temperature : float > 0
        Temperature of the emotion logits, the same for every set of modalities.
    affect_blend : float in [0, 1]
        Share of valence and arousal that follows from the quadrants. The rest is from their head.
    affect_scale, affect_shift : (valence, arousal) floats
        Slope and shift of valence and arousal before the sigmoid, fit on held-out songs.
    spread_scales : 8 pairs (valence, arousal) of floats > 0
        Factors of the predicted spreads, indexed as the temperatures.
    interval_factors : (valence, arousal) floats > 0
        Half the width of the intervals, in predicted spreads: nine errors in ten are smaller.
    kinds : tuple of str
        Names of the columns of `AffettiOutput.kinds`.
    components : int
        Principal components of the novelty (`mer.kinds`).
    kind_temperatures : floats > 0
        Factor of the temperature of the quadrants for each kind of music.
    novelty_edge, novelty_width : float
        Novelty is 0.5 at the edge and 0.73 one width beyond it, in deviations of training songs.
    novelty_heat : float >= 0
        Rise of the temperature of the quadrants for each deviation of novelty above the mean.
    context_shift : float
        Added to the gate's score of the context, fit on held-out songs.
    felt_blend : float in [0, 1]
        Share of listeners' felt valence in the valence of audio.
    felt_valence : 10 floats
        Weights of the GEMS logits in felt valence, and a shift.
    felt_scale, felt_shift : 9 floats
        Slope and shift of the GEMS logits before the sigmoid, fit on held-out songs.
    """

    audio_dim: int = 1825
    text_dim: int = 384
    audio_columns: int = 1486
    descriptor_dim: int = 69
    members: int = 4
    text_width: int = 256
    clusters: int = 5
    dropout: float = 0.5
    text_dropout: float = 0.2
    quadrant_temperatures: tuple[float, ...] = (1.0,) * 8
    cluster_temperatures: tuple[float, ...] = (1.0,) * 8
    emotion_temperature: float = 1.0
    affect_blend: float = 0.25
    affect_scale: tuple[float, float] = (1.0, 1.0)
    affect_shift: tuple[float, float] = (0.0, 0.0)
    spread_scales: tuple[tuple[float, float], ...] = ((1.0, 1.0),) * 8
    interval_factors: tuple[float, float] = (1.645, 1.645)
    kinds: tuple[str, ...] = KINDS
    components: int = 48
    kind_temperatures: tuple[float, ...] = (1.0,) * len(KINDS)
    novelty_edge: float = 2.0
    novelty_width: float = 1.0
    novelty_heat: float = 0.0
    context_shift: float = 0.0
    felt_blend: float = 0.0
    felt_valence: tuple[float, ...] = (0.0,) * (len(GEMS) + 1)
    felt_scale: tuple[float, ...] = (1.0,) * len(GEMS)
    felt_shift: tuple[float, ...] = (0.0,) * len(GEMS)


class AffettiBatch(NamedTuple):
    """Encoded songs. A modality is missing where a row of its mask is all False.

    Attributes
    ----------
    audio : (songs, patches, audio_dim) float Tensor
    audio_mask : (songs, patches) bool Tensor
    lyrics, context : (songs, tokens, text_dim) float Tensor
        Token states of the lyrics, and of title and artist.
    lyrics_mask, context_mask : (songs, tokens) bool Tensor
    """

    audio: Tensor
    audio_mask: Tensor
    lyrics: Tensor
    lyrics_mask: Tensor
    context: Tensor
    context_mask: Tensor


class AffettiOutput(NamedTuple):
    """Outputs of the network for a batch of songs.

    The last four have no columns if the checkpoint does not predict them, and in each member.

    Attributes
    ----------
    fused_embedding : (songs, 256) float Tensor, unit norm
    quadrant_logits : (songs, 4) float Tensor, calibrated
    cluster_logits : (songs, 5) float Tensor, calibrated
    affect : (songs, 2) float Tensor in (0, 1), valence first, calibrated
    affect_spread : (songs, 2) float Tensor above 0
        Expected standard deviation of the error of `affect`, calibrated.
    emotion_logits : (songs, 8) float Tensor, calibrated
    gems_logits : (songs, 9) float Tensor
        Geneva Emotional Music Scale, of lyrics and of audio, not calibrated; `felt` is.
    gates : (songs, 3) float Tensor
        Weights of audio, lyrics and context. They sum to 1; a missing modality has exactly 0.
    felt : (songs, 9) float Tensor in [0, 1]
        Expected shares of listeners who feel each of `mer.affect.GEMS`, calibrated. No columns if
        the configuration has no share of felt valence (`felt_blend`): nothing calibrated them.
    kinds : (songs, kinds) float Tensor in [0, 1]
        Soft assignment of the audio to `AffettiConfig.kinds`; rows sum to 1.
    novelty : (songs, 1) float Tensor in [0, 1]
        How unlike the training music the audio is, calibrated.
    intervals : (songs, 4) float Tensor in [0, 1]
        Lowest and highest valence, then arousal, that hold for nine songs in ten.
    """

    fused_embedding: Tensor
    quadrant_logits: Tensor
    cluster_logits: Tensor
    affect: Tensor
    affect_spread: Tensor
    emotion_logits: Tensor
    gems_logits: Tensor
    gates: Tensor
    felt: Tensor
    kinds: Tensor
    novelty: Tensor
    intervals: Tensor


def collate(
    audio: Sequence[Tensor | None],
    lyrics: Sequence[Tensor | None],
    context: Sequence[Tensor | None],
    config: AffettiConfig,
) -> AffettiBatch:
    """Pad encoded songs into one batch.

    Parameters
    ----------
    audio, lyrics, context : sequence of (steps, width) float Tensor or None
        One for each song. None, or a tensor without rows, is a missing modality.
    config : AffettiConfig
        States the widths.

    Returns
    -------
    AffettiBatch
        float32. A modality that no song has consists of one padding step.
    """
    parts: list[Tensor] = []
    widths = (config.audio_dim, config.text_dim, config.text_dim)
    for column, width in zip((audio, lyrics, context), widths, strict=True):
        steps = max(1, *(0 if rows is None else len(rows) for rows in column))
        states = torch.zeros(len(column), steps, width)
        mask = torch.zeros(len(column), steps, dtype=torch.bool)
        for song, rows in enumerate(column):
            if rows is not None:
                states[song, : len(rows)] = rows
                mask[song, : len(rows)] = True
        parts += [states, mask]
    return AffettiBatch(*parts)


def like_lengths(lengths: Sequence[int], most: int) -> list[list[int]]:
    """Divide songs into batches of like length.

    Otherwise passages of a few patches are padded to whole songs, which takes four times as long.

    Parameters
    ----------
    lengths : sequence of int
        Patches of each song.
    most : int
        Songs of a batch, at most.

    Returns
    -------
    list of list of int
        Places in `lengths`. The longest of a batch is at most twice as long as the shortest.
    """

    def size(index: int) -> int:
        return lengths[index].bit_length()

    batches = []
    for _, group in itertools.groupby(sorted(range(len(lengths)), key=size), size):
        indices = list(group)
        batches += [indices[start : start + most] for start in range(0, len(indices), most)]
    return batches
