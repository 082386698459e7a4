"""The house network: audio patches ask the lyrics, the context comes last, a gate weighs them.

What is taken from whom: audio patches query lyric tokens [Li, eqs. 5-6] with a residual on the
audio (query) stream [HCMA]; a global and a local summary of each modality meet [Wang]; title and
artist are fused last [HCMA]; a readable reliability gate weighs the modalities [LGFN]. Ours is
that every modality may be missing, so that a bare sentence passes through the same network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from mer.affect import EMOTIONS, QUADRANTS
from mer.errors import ShapeError
from mer.models.blocks import masked_mean
from mer.prediction import EMBEDDING_DIM, MODALITIES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


@dataclass(frozen=True, slots=True)
class AffettiConfig:
    """Sizes and calibration of `AffettiNetwork`; all that a checkpoint needs beside its weights.

    Parameters
    ----------
    audio_dim, text_dim : int
        Width of one audio patch and of one text token as the frozen encoders give them.
    width, heads : int
        Width and number of heads of the attention over lyrics.
    clusters : int
        MIREX clusters.
    dropout : float in [0, 1)
        On every summary before it is projected.
    quadrant_temperature, cluster_temperature, emotion_temperature : float > 0
        The logits are divided by them (temperature scaling, fit on held-out songs).
    affect_scale, affect_shift : (valence, arousal) floats
        Slope and shift before the sigmoid of valence and arousal, fit on held-out songs.
    """

    audio_dim: int = 1756
    text_dim: int = 384
    width: int = 32
    heads: int = 4
    clusters: int = 5
    dropout: float = 0.5
    quadrant_temperature: float = 1.0
    cluster_temperature: float = 1.0
    emotion_temperature: float = 1.0
    affect_scale: tuple[float, float] = (1.0, 1.0)
    affect_shift: tuple[float, float] = (0.0, 0.0)


class AffettiBatch(NamedTuple):
    """Encoder features of some songs; a row whose mask is all False is a missing modality.

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
    """What the network says of some songs.

    Attributes
    ----------
    fused_embedding : (songs, 256) float Tensor, unit norm
    quadrant_logits : (songs, 4) float Tensor, calibrated
    cluster_logits : (songs, 5) float Tensor, calibrated
    affect : (songs, 2) float Tensor in (0, 1), valence first, calibrated
    emotion_logits : (songs, 8) float Tensor, calibrated
    gates : (songs, 3) float Tensor
        Weights of audio, lyrics and context; they sum to 1, a missing one has exactly 0.
    """

    fused_embedding: Tensor
    quadrant_logits: Tensor
    cluster_logits: Tensor
    affect: Tensor
    emotion_logits: Tensor
    gates: Tensor


def collate(
    audio: Sequence[Tensor | None],
    lyrics: Sequence[Tensor | None],
    context: Sequence[Tensor | None],
    config: AffettiConfig,
) -> AffettiBatch:
    """Pad some songs' encoder features into one batch.

    Parameters
    ----------
    audio : sequence of (patches, audio_dim) float Tensor or None
        One a song; None or no rows is a missing modality.
    lyrics, context : sequence of (tokens, text_dim) float Tensor or None
    config : AffettiConfig

    Returns
    -------
    AffettiBatch
        float32; one padding step where no song has the modality.
    """
    parts: list[Tensor] = []
    for column, width in (
        (audio, config.audio_dim),
        (lyrics, config.text_dim),
        (context, config.text_dim),
    ):
        steps = max(1, *(0 if rows is None else len(rows) for rows in column))
        states = torch.zeros(len(column), steps, width)
        mask = torch.zeros(len(column), steps, dtype=torch.bool)
        for song, rows in enumerate(column):
            if rows is not None:
                states[song, : len(rows)] = rows
                mask[song, : len(rows)] = True
        parts += [states, mask]
    return AffettiBatch(*parts)


def masked_mean_and_std(states: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and population standard deviation over the steps that `mask` keeps.

    Parameters
    ----------
    states : (songs, steps, width) float Tensor
    mask : (songs, steps) bool Tensor

    Returns
    -------
    mean, std : (songs, width) float Tensors
    """
    mean = masked_mean(states, mask)
    variance = masked_mean((states - mean.unsqueeze(1)) ** 2, mask)
    return mean, torch.sqrt(variance + 1e-8)


class AttentionPool(nn.Module):
    """One learned question asked of all steps; the local summary [Wang]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.score = nn.Linear(width, 1)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """Weighted mean over the kept steps; `states` (songs, steps, width) to (songs, width)."""
        scores = self.score(states).squeeze(-1).masked_fill(~mask, -torch.inf)
        # A missing modality keeps no step: nan becomes weight 0, and the gate drops the row.
        weights = torch.nan_to_num(F.softmax(scores, dim=1))
        return torch.einsum("st,stw->sw", weights, states)


class AffettiNetwork(nn.Module):
    """Frozen-encoder features to a unit-norm embedding, quadrant, cluster, affect and emotions.

    The audio's standardisation is part of the weights (buffers), so a checkpoint is whole.

    Parameters
    ----------
    config : AffettiConfig
    """

    patch_mean: Tensor
    patch_std: Tensor
    spread_mean: Tensor
    spread_std: Tensor
    affect_scale: Tensor
    affect_shift: Tensor

    def __init__(self, config: AffettiConfig) -> None:
        super().__init__()
        self.config = config
        width, audio_dim, text_dim = config.width, config.audio_dim, config.text_dim
        for name in ("patch_mean", "spread_mean"):
            self.register_buffer(name, torch.zeros(audio_dim))
        for name in ("patch_std", "spread_std"):
            self.register_buffer(name, torch.ones(audio_dim))
        self.register_buffer("affect_scale", torch.tensor(config.affect_scale), persistent=False)
        self.register_buffer("affect_shift", torch.tensor(config.affect_shift), persistent=False)
        self.dropout = nn.Dropout(config.dropout)
        self.audio_in = nn.Linear(audio_dim, width)
        self.lyrics_in = nn.Linear(text_dim, width)
        self.null_token = nn.Parameter(torch.zeros(1, 1, width))
        self.attention = nn.MultiheadAttention(width, config.heads, batch_first=True)
        self.attended_norm = nn.LayerNorm(width)
        self.audio_pool = AttentionPool(width)
        self.lyrics_pool = AttentionPool(width)
        self.audio_global = nn.Linear(2 * audio_dim, EMBEDDING_DIM)
        self.audio_local = nn.Linear(width, EMBEDDING_DIM)
        self.lyrics_global = nn.Linear(text_dim, EMBEDDING_DIM)
        self.lyrics_local = nn.Linear(width, EMBEDDING_DIM)
        self.context_global = nn.Linear(text_dim, EMBEDDING_DIM)
        self.null_parts = nn.Parameter(torch.zeros(len(MODALITIES), EMBEDDING_DIM))
        self.gate = nn.Linear(len(MODALITIES) * EMBEDDING_DIM, len(MODALITIES))
        self.quadrant_head = nn.Linear(EMBEDDING_DIM, len(QUADRANTS))
        self.cluster_head = nn.Linear(EMBEDDING_DIM, config.clusters)
        self.affect_head = nn.Linear(EMBEDDING_DIM, 2)
        self.emotion_head = nn.Linear(EMBEDDING_DIM, len(EMOTIONS))

    def standardise_to(self, audio: list[Tensor]) -> None:
        """Take the audio's standardisation from the patches of the training songs.

        Parameters
        ----------
        audio : list of (patches, audio_dim) float Tensors
            One a song.
        """
        patches = torch.cat(audio).float()
        self.patch_mean.copy_(patches.mean(dim=0))
        self.patch_std.copy_(patches.std(dim=0).clamp(min=1e-4))
        scaled = [(song.float() - self.patch_mean) / self.patch_std for song in audio]
        spread = torch.stack([song.std(dim=0, correction=0) for song in scaled])
        self.spread_mean.copy_(spread.mean(dim=0))
        self.spread_std.copy_(spread.std(dim=0).clamp(min=1e-2))

    def forward(self, batch: AffettiBatch) -> AffettiOutput:
        """Embed and judge some songs.

        Parameters
        ----------
        batch : AffettiBatch
            At least one modality present in every song.

        Returns
        -------
        AffettiOutput

        Raises
        ------
        ShapeError
            If a width is not the configured one, or a song has no modality at all.
        """
        masks = (batch.audio_mask, batch.lyrics_mask, batch.context_mask)
        present = torch.stack([mask.any(dim=1) for mask in masks], dim=1)  # (songs, 3)
        self._check(batch, present)
        tokens = self.lyrics_in(batch.lyrics)
        parts = torch.stack(
            [
                self._embed_audio(batch, tokens),
                self._embed_lyrics(batch, tokens),
                self.context_global(self.dropout(masked_mean(batch.context, batch.context_mask))),
            ],
            dim=1,
        )  # (songs, 3, 256)
        parts = torch.where(present.unsqueeze(-1), F.normalize(parts, dim=-1), self.null_parts)
        scores = self.gate(self.dropout(parts.flatten(1)))
        gates = F.softmax(scores.masked_fill(~present, -torch.inf), dim=-1)
        fused = F.normalize(torch.einsum("sm,sme->se", gates, parts), dim=-1)
        return self._judge(fused, gates)

    def _check(self, batch: AffettiBatch, present: Tensor) -> None:
        widths = (batch.audio.shape[-1], batch.lyrics.shape[-1], batch.context.shape[-1])
        expected = (self.config.audio_dim, self.config.text_dim, self.config.text_dim)
        if widths != expected:
            raise ShapeError(
                f"audio, lyrics and context have widths {widths}, the network takes {expected}"
            )
        if not bool(present.any(dim=1).all()):
            raise ShapeError("a song of the batch has neither audio, lyrics nor context")

    def _embed_audio(self, batch: AffettiBatch, tokens: Tensor) -> Tensor:
        """Patches, which have asked the lyrics, to (songs, 256)."""
        patches = (batch.audio - self.patch_mean) / self.patch_std
        mean, spread = masked_mean_and_std(patches, batch.audio_mask)
        # One patch has no spread: call it average rather than exceptionally even.
        several = (batch.audio_mask.sum(dim=1, keepdim=True) > 1).to(spread.dtype)
        spread = (spread - self.spread_mean) / self.spread_std * several
        queries = self.audio_in(self.dropout(patches))
        null = self.null_token.expand(len(tokens), -1, -1)  # what is heard when nothing is sung
        keys = torch.cat([null, tokens], dim=1)
        ignored = F.pad(~batch.lyrics_mask, (1, 0), value=False)
        answers, _ = self.attention(queries, keys, keys, key_padding_mask=ignored)
        local = self.audio_pool(self.attended_norm(queries + answers), batch.audio_mask)
        global_summary = self.dropout(torch.cat([mean, spread], dim=1))
        embedded: Tensor = self.audio_global(global_summary) + self.audio_local(self.dropout(local))
        return embedded

    def _embed_lyrics(self, batch: AffettiBatch, tokens: Tensor) -> Tensor:
        """Token states to (songs, 256)."""
        global_summary = self.dropout(masked_mean(batch.lyrics, batch.lyrics_mask))
        local = self.dropout(self.lyrics_pool(tokens, batch.lyrics_mask))
        embedded: Tensor = self.lyrics_global(global_summary) + self.lyrics_local(local)
        return embedded

    def _judge(self, fused: Tensor, gates: Tensor) -> AffettiOutput:
        config = self.config
        features = fused * EMBEDDING_DIM**0.5  # unit variance per coordinate, for the heads
        affect = self.affect_head(features) * self.affect_scale + self.affect_shift
        return AffettiOutput(
            fused_embedding=fused,
            quadrant_logits=self.quadrant_head(features) / config.quadrant_temperature,
            cluster_logits=self.cluster_head(features) / config.cluster_temperature,
            affect=torch.sigmoid(affect),
            emotion_logits=self.emotion_head(features) / config.emotion_temperature,
            gates=gates,
        )
