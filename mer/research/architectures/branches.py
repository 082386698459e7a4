"""Parts of networks with one or two branches: Gujar's and the baselines."""

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
    """Blocks of 3 x 3 convolution, normalisation, ReLU and 2 x 2 pooling.

    ``b`` blocks map ``(songs, 1, n_mels, frames)`` to
    ``(songs, channels[-1], n_mels / 2^b, frames / 2^b)``, rounded up.
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
    """Map the log-mel to a sequence: conv blocks, then a mean over frequency.

    Parameters
    ----------
    channels : tuple of int
    """

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.blocks = conv_blocks(channels)

    def forward(self, batch: SongBatch) -> tuple[Tensor, Tensor]:
        """Return states (songs, steps, channels[-1]) and an all-True mask (songs, steps)."""
        states = self.blocks(batch.log_mel.unsqueeze(1)).mean(dim=2).transpose(1, 2)
        return states, torch.ones(states.shape[:2], dtype=torch.bool, device=states.device)


class BiGru(nn.Module):
    """A bidirectional GRU over the real steps, then their mean.

    Parameters
    ----------
    inputs, hidden : int
        The output is ``2 * hidden`` wide.
    layers : int
    """

    def __init__(self, inputs: int, hidden: int, layers: int = 2) -> None:
        super().__init__()
        self.gru = nn.GRU(inputs, hidden, layers, batch_first=True, bidirectional=True)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """Map states (songs, steps, inputs) and mask (songs, steps) to (songs, 2 hidden).

        The output of a song without a real step is that of its first padded step.
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
        """Map (songs, steps, inputs) to (songs, inputs); 0 if `mask` keeps no step."""
        scores = self.score(states).squeeze(-1).masked_fill(~mask, -torch.inf)
        weights = torch.nan_to_num(scores.softmax(dim=1))
        return torch.einsum("st,stw->sw", weights, states * mask.unsqueeze(-1))


def encode_present(encoder: nn.Module, batch: SongBatch, null: Tensor) -> Tensor:
    """Encode the songs with audio; the others get `null`.

    Songs without audio stay out of the encoder, because they would change BatchNorm's moments.

    Parameters
    ----------
    encoder : nn.Module
        Maps the songs with audio to (songs, width).
    batch : SongBatch
    null : (width,) float Tensor
        Output for songs without audio.

    Returns
    -------
    (songs, width) float Tensor
    """
    present = batch.has_audio
    # If no song has audio, all are encoded and dropped: training on several devices needs every
    # parameter in every graph.
    rows = present if bool(present.any()) else torch.ones_like(present)
    with_audio = batch._replace(
        log_mel=batch.log_mel[rows],
        patches=batch.patches[rows],
        patches_mask=batch.patches_mask[rows],
    )
    encoded: Tensor = encoder(with_audio)
    nulls = null.to(encoded.dtype).expand(len(present), -1)
    return nulls.masked_scatter(present.unsqueeze(1), encoded)


class SongNorm(nn.BatchNorm1d):
    """BatchNorm over songs; a batch of one song is normalised by the running moments."""

    def forward(self, states: Tensor) -> Tensor:
        """Map (songs, width) to (songs, width)."""
        if self.training and len(states) == 1:
            return F.batch_norm(
                states, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(states)


def mean_of_softmaxes(logits: Tensor, present: Tensor) -> Tensor:
    """Log of the mean probability over the modalities that are present.

    Parameters
    ----------
    logits : (songs, modalities, classes) float Tensor
    present : (songs, modalities) bool Tensor
        At least one in every song.

    Returns
    -------
    (songs, classes) float Tensor
        The softmax of the result is the mean of the modalities' softmaxes.
    """
    logs = logits.log_softmax(dim=2).masked_fill(~present.unsqueeze(2), -torch.inf)
    return logs.logsumexp(dim=1) - present.sum(dim=1, keepdim=True).log()


def _add_null(branch: nn.Module, width: int, *, learned: bool) -> None:
    if learned:
        branch.register_parameter("null", nn.Parameter(0.02 * torch.randn(width)))
    else:
        branch.register_buffer("null", torch.zeros(width), persistent=False)


class AudioBranch(nn.Module):
    """Encoded audio; songs without audio get a learned vector.

    Parameters
    ----------
    encoder : nn.Module
        Maps the songs with audio to (songs, width).
    width : int
    alone : bool
        True if the branch is not fused with others. Then songs without audio get zeros, because
        nothing would train a learned vector.
    """

    null: Tensor

    def __init__(self, encoder: nn.Module, width: int, *, alone: bool = False) -> None:
        super().__init__()
        self.encoder = encoder
        _add_null(self, width, learned=not alone)

    def forward(self, batch: SongBatch) -> tuple[Tensor, Tensor]:
        """Return features (songs, width) and `has_audio` (songs,)."""
        return encode_present(self.encoder, batch, self.null), batch.has_audio


class TextBranch(nn.Module):
    """Encoded text; songs without a text get a learned vector.

    Parameters
    ----------
    encoder : nn.Module
        Maps songs to (songs, width).
    width : int
    texts : sequence of str
        Of ``lyrics`` and ``context``. A song has a text if it has one of them.
    alone : bool
        As for `AudioBranch`.
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
        """Return features (songs, width) and which (songs,) have a text."""
        masks = {"lyrics": batch.lyrics_mask, "context": batch.context_mask}
        present = torch.stack([masks[text].any(dim=1) for text in self.texts]).any(dim=0)
        return torch.where(present.unsqueeze(1), self.encoder(batch), self.null), present


class LateFusion(nn.Module):
    """Mean of the softmaxes, valences and arousals of separate branches.

    Only the branches whose modality a song has are averaged.

    Parameters
    ----------
    branches : sequence of nn.Module
        As `AudioBranch` and `TextBranch` with `alone`. A single branch is a unimodal network.
    heads : sequence of nn.Module
        One a branch, from features to logits (songs, classes) and affect (songs, 2).
    """

    def __init__(self, branches: Sequence[nn.Module], heads: Sequence[nn.Module]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.heads = nn.ModuleList(heads)

    def forward(self, batch: SongBatch) -> ModelOutput:
        """Predict from the branches whose modality each song has."""
        logits, affects, presence = [], [], []
        for branch, head in zip(self.branches, self.heads, strict=True):
            features, has_modality = branch(batch)
            branch_logits, branch_affect = head(features)
            logits.append(branch_logits)
            affects.append(branch_affect)
            presence.append(has_modality)
        present = torch.stack(presence, dim=1)
        present = present | ~present.any(dim=1, keepdim=True)  # a song without any uses all
        return ModelOutput(
            mean_of_softmaxes(torch.stack(logits, dim=1), present),
            masked_mean(torch.stack(affects, dim=1), present),
        )
