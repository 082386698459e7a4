"""Parts that several architectures share."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import nn

from mer.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from mer.research.architectures.base import BuildOptions, SongBatch


def sinusoidal_positions(steps: int, width: int) -> Tensor:
    """Encode absolute positions as sines and cosines.

    Parameters
    ----------
    steps, width : int
        `width` is even.

    Returns
    -------
    (steps, width) float Tensor in [-1, 1]

    References
    ----------
    .. [1] Vaswani et al. (2017), "Attention is all you need", NeurIPS, section 3.5.
    """
    rates = torch.exp(torch.arange(0, width, 2) * (-math.log(10_000.0) / width))
    angles = torch.arange(steps).unsqueeze(1) * rates
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)


class CrossAttention(nn.Module):
    """Multi-head attention that returns its weights, with a learned null token after the keys.

    ``softmax(Q K^T / sqrt(d_head)) V``, heads concatenated and projected [Li, eqs. 5-6; Wang,
    eqs. 6-13; HCMA, eqs. 1-2]. The papers do not define attention over an empty text. Here the
    queries then attend to the null token, which is masked if there is a real key.

    Parameters
    ----------
    width, heads : int
        `heads` divides `width`.
    dropout : float in [0, 1)
        Applied to the weights.
    """

    def __init__(self, width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        self.null = nn.Parameter(torch.zeros(1, 1, width))
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, queries: Tensor, keys: Tensor, mask: Tensor, bias: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Attend from `queries` to `keys`.

        Parameters
        ----------
        queries : (songs, queries, width) float Tensor
        keys : (songs, keys, width) float Tensor
        mask : (songs, keys) bool Tensor
            Real keys.
        bias : (songs, queries, keys) float Tensor or None
            Added to the scores of every head.

        Returns
        -------
        attended : (songs, queries, width) float Tensor
        weights : (songs, heads, queries, keys + 1) float Tensor
            Rows sum to 1. The last key is the null token; its weight is 0 if a key is real.
        """
        songs, _, width = queries.shape
        keys = torch.cat([keys, self.null.expand(songs, -1, -1)], dim=1)
        mask = torch.cat([mask, ~mask.any(dim=1, keepdim=True)], dim=1)
        q, k, v = (
            layer(states).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for layer, states in ((self.query, queries), (self.key, keys), (self.value, keys))
        )
        scores = q @ k.transpose(2, 3) / math.sqrt(width // self.heads)
        if bias is not None:
            scores = scores + F.pad(bias, (0, 1)).unsqueeze(1)
        weights = scores.masked_fill(~mask[:, None, None], -torch.inf).softmax(dim=-1)
        attended = (self.dropout(weights) @ v).transpose(1, 2).flatten(2)
        return self.out(attended), weights


class MusicnnStem(nn.Module):
    """Frozen MusiCNN patches, as a replacement of an architecture's own audio encoder.

    Parameters
    ----------
    options : BuildOptions
        With the moments of the training songs' patches.
    width : int
    dropout : float in [0, 1)
        Applied to the standardised patches.

    Raises
    ------
    InputError
        If the moments are missing.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, options: BuildOptions, width: int, dropout: float = 0.5) -> None:
        super().__init__()
        if options.patch_mean is None or options.patch_std is None:
            raise InputError("the musicnn front end needs patch_mean and patch_std of its songs")
        self.register_buffer("mean", options.patch_mean.clone())
        self.register_buffer("std", options.patch_std.clone())
        self.dropout = nn.Dropout(dropout)
        self.project = nn.Linear(len(self.mean), width)

    def forward(self, batch: SongBatch) -> tuple[Tensor, Tensor]:
        """Map patches to states (songs, patches, width) and their mask (songs, patches)."""
        patches = (batch.patches - self.mean) / self.std
        return self.project(self.dropout(patches)), batch.patches_mask


def real_keys(mask: Tensor) -> Tensor:
    """Extend a mask (songs, keys) by the null token of `CrossAttention`: (songs, keys + 1).

    The null token is the last key. It is True for songs without a real key.
    """
    return torch.cat([mask, ~mask.any(dim=1, keepdim=True)], dim=1)


def audio_steps(encoder: nn.Module, batch: SongBatch, null: Tensor) -> tuple[Tensor, Tensor]:
    """Encode the songs with audio; the others get one learned null step.

    Songs without audio stay out of the encoder: in training they would change its batch statistics.

    Parameters
    ----------
    encoder : Module
        `MusicnnStem`, or from (songs, n_mels, frames) to (songs, steps, width).
    batch : SongBatch
    null : (width,) float Tensor

    Returns
    -------
    states : (songs, steps, width) float Tensor
    mask : (songs, steps) bool Tensor
        At least one step in every song.
    """
    if isinstance(encoder, MusicnnStem):
        states, mask = encoder(batch)
    elif bool(batch.has_audio.any()):
        encoded: Tensor = encoder(batch.log_mel[batch.has_audio])
        states = encoded.new_zeros(len(batch.has_audio), *encoded.shape[1:])
        states[batch.has_audio] = encoded
        mask = batch.has_audio.unsqueeze(1).expand(-1, states.shape[1])
    else:
        states = null.expand(len(batch.has_audio), 1, -1)
        mask = batch.has_audio.unsqueeze(1)
    encoded_any = mask.any(dim=1, keepdim=True)
    states = torch.where(encoded_any.unsqueeze(2), states, null)
    first = F.one_hot(torch.zeros_like(mask[:, 0], dtype=torch.long), mask.shape[1]).bool()
    return states, mask | (first & ~encoded_any)
