"""Parts of the networks of one or two branches: Gujar's and the baselines'."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from mer.network import masked_mean
from mer.research.architectures.base import ModelOutput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from mer.research.architectures.base import SongBatch


def conv_blocks(channels: tuple[int, ...]) -> nn.Sequential:
    """Blocks of convolution 3 x 3, normalisation, ReLU and pool 2 x 2.

    Takes ``(songs, 1, n_mels, frames)`` to ``(songs, channels[-1], n_mels / 2^b, frames / 2^b)``,
    rounded up, for ``b`` blocks.
    """
    layers: list[nn.Module] = []
    for inputs, outputs in zip((1, *channels), channels, strict=False):
        layers += [
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.MaxPool2d(2, ceil_mode=True),
        ]
    return nn.Sequential(*layers)


class ConvStem(nn.Module):
    """Log-mel to a sequence: conv blocks, mean over frequency.

    Parameters
    ----------
    channels : tuple of int
    """

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.blocks = conv_blocks(channels)

    def forward(self, batch: SongBatch) -> tuple[Tensor, Tensor]:
        """Give states (songs, steps, channels[-1]) and a (songs, steps) mask that keeps all."""
        states = self.blocks(batch.log_mel.unsqueeze(1)).mean(dim=2).transpose(1, 2)
        return states, torch.ones(states.shape[:2], dtype=torch.bool, device=states.device)


class BiGru(nn.Module):
    """A bidirectional GRU that does not see padding; mean over the real steps.

    Parameters
    ----------
    inputs, hidden : int
        The answer is ``2 * hidden`` wide.
    layers : int
    """

    def __init__(self, inputs: int, hidden: int, layers: int = 2) -> None:
        super().__init__()
        self.gru = nn.GRU(inputs, hidden, layers, batch_first=True, bidirectional=True)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """Take (songs, steps, inputs) and (songs, steps) to (songs, 2 hidden).

        A song without a real step answers as to its first, padded one.
        """
        order = (~mask).to(torch.uint8).argsort(dim=1, stable=True)  # real steps to the front
        states = states.gather(1, order.unsqueeze(-1).expand_as(states))
        lengths = mask.sum(dim=1).clamp(min=1)
        packed = pack_padded_sequence(states, lengths.cpu(), batch_first=True, enforce_sorted=False)
        outputs, _ = pad_packed_sequence(self.gru(packed)[0], batch_first=True)
        steps = torch.arange(outputs.shape[1], device=lengths.device)
        return masked_mean(outputs, steps < lengths.unsqueeze(1))


class AttentionPool(nn.Module):
    """Weighted mean with weights ``softmax(w^T tanh(W x_i))`` [Gujar, section 3].

    Parameters
    ----------
    inputs, hidden : int
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.score = nn.Sequential(
            nn.Linear(inputs, hidden), nn.Tanh(), nn.Linear(hidden, 1, bias=False)
        )

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """Take (songs, steps, inputs) to (songs, inputs); 0 where `mask` keeps no step."""
        scores = self.score(states).squeeze(-1).masked_fill(~mask, -torch.inf)
        weights = torch.nan_to_num(scores.softmax(dim=1))
        return torch.einsum("st,stw->sw", weights, states * mask.unsqueeze(-1))


def encode_present(encoder: nn.Module, batch: SongBatch, null: Tensor) -> Tensor:
    """Encode the songs that have audio; silence in place of a song would enter BatchNorm's moments.

    Parameters
    ----------
    encoder : nn.Module
        Takes songs that have audio to (songs, width).
    batch : SongBatch
    null : (width,) float Tensor
        Of songs without audio.

    Returns
    -------
    (songs, width) float Tensor
    """
    present = batch.has_audio
    # With none at all everything is encoded and dropped: each parameter is in every graph, as
    # training on several devices needs it.
    rows = present if bool(present.any()) else torch.ones_like(present)
    heard = batch._replace(
        log_mel=batch.log_mel[rows],
        patches=batch.patches[rows],
        patches_mask=batch.patches_mask[rows],
    )
    encoded: Tensor = encoder(heard)
    nulls = null.to(encoded.dtype).expand(len(present), -1)
    return nulls.masked_scatter(present.unsqueeze(1), encoded)


class SongNorm(nn.BatchNorm1d):
    """BatchNorm over songs; a batch of one has no moments, and is measured by the running ones."""

    def forward(self, states: Tensor) -> Tensor:
        """Take (songs, width) to (songs, width)."""
        if self.training and len(states) == 1:
            return F.batch_norm(
                states, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(states)


def mean_of_softmaxes(logits: Tensor, present: Tensor) -> Tensor:
    """Log of the mean probability over the modalities that are there.

    Parameters
    ----------
    logits : (songs, modalities, classes) float Tensor
    present : (songs, modalities) bool Tensor
        At least one in every song.

    Returns
    -------
    (songs, classes) float Tensor
        Their softmax is the mean of the softmaxes.
    """
    logs = logits.log_softmax(dim=2).masked_fill(~present.unsqueeze(2), -torch.inf)
    return logs.logsumexp(dim=1) - present.sum(dim=1, keepdim=True).log()


def _add_null(branch: nn.Module, width: int, *, learned: bool) -> None:
    if learned:
        branch.register_parameter("null", nn.Parameter(0.02 * torch.randn(width)))
    else:
        branch.register_buffer("null", torch.zeros(width), persistent=False)


class AudioBranch(nn.Module):
    """What a song sounds like; a learned vector for songs without audio.

    Parameters
    ----------
    encoder : nn.Module
        Takes the songs that have audio to (songs, width).
    width : int
    alone : bool
        Nothing is fused with it, so that no song of the training lacks it: zeros stand for it.
    """

    null: Tensor

    def __init__(self, encoder: nn.Module, width: int, *, alone: bool = False) -> None:
        super().__init__()
        self.encoder = encoder
        _add_null(self, width, learned=not alone)

    def forward(self, batch: SongBatch) -> tuple[Tensor, Tensor]:
        """Give (songs, width) and which (songs,) have audio."""
        return encode_present(self.encoder, batch, self.null), batch.has_audio


class TextBranch(nn.Module):
    """What a song's text says; a learned vector for songs without one.

    Parameters
    ----------
    encoder : nn.Module
        Takes songs to (songs, width).
    width : int
    texts : sequence of str
        Of ``lyrics`` and ``context``: one of them must be there.
    alone : bool
        As of `AudioBranch`.
    """

    null: Tensor

    def __init__(
        self,
        encoder: nn.Module,
        width: int,
        texts: Sequence[str] = ("lyrics", "context"),
        *,
        alone: bool = False,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.texts = tuple(texts)
        _add_null(self, width, learned=not alone)

    def forward(self, batch: SongBatch) -> tuple[Tensor, Tensor]:
        """Give (songs, width) and which (songs,) have the text."""
        masks = {"lyrics": batch.lyrics_mask, "context": batch.context_mask}
        present = torch.stack([masks[text].any(dim=1) for text in self.texts]).any(dim=0)
        return torch.where(present.unsqueeze(1), self.encoder(batch), self.null), present


class LateFusion(nn.Module):
    """Branches that judge alone; the mean of their softmaxes, valences and arousals.

    Parameters
    ----------
    branches : sequence of nn.Module
        As `AudioBranch` and `TextBranch`, made `alone`, for what a song lacks is not averaged; one
        branch is that modality's own network.
    heads : sequence of nn.Module
        One a branch: features to logits (songs, classes) and affect (songs, 2).
    """

    def __init__(self, branches: Sequence[nn.Module], heads: Sequence[nn.Module]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.heads = nn.ModuleList(heads)

    def forward(self, batch: SongBatch) -> ModelOutput:
        """Judge some songs by the branches that each has."""
        logits, affects, presence = [], [], []
        for branch, head in zip(self.branches, self.heads, strict=True):
            features, present = branch(batch)
            said, felt = head(features)
            logits.append(said)
            affects.append(felt)
            presence.append(present)
        there = torch.stack(presence, dim=1)
        there = there | ~there.any(dim=1, keepdim=True)  # without any, all that was learned of it
        return ModelOutput(
            mean_of_softmaxes(torch.stack(logits, dim=1), there),
            masked_mean(torch.stack(affects, dim=1), there),
        )
