"""HCMA: audio attends to the lyrics, and the result attends to title and artist.

Built to [HCMA, eqs. 1-3]. Choices where the paper is incomplete:

- *Clip*: the paper does not print rate and length. 30 s at 44.1 kHz are used, as in Delbouys et al.
  (2018), whose front end the paper follows. This gives 1292 frames of 40 bands. Five poolings leave
  40 steps of one band, "flattened and spliced in the channel dimension" to 128 channels.
- *ReLU*: follows each batch normalisation. The paper prints none, probably by omission.
- *Width*: all three sequences are projected to d = 256, with eight heads. The root of d in eq. 1 is
  taken as the root of a head's width, as in Vaswani et al. (2017).
- *Residual*: the paper says that it helps gradients reach the ConvNet, so it is on the query
  stream: ``CMA(a, b) = LN(a + Drop(MHA(a, b, b)))``, with a dropout of 0.1.
- *Positions*: none are added. The tokens have those of their encoder, the steps have none.
- *Longer texts*: segments of 128 tokens are averaged position by position. They are segments of the
  encoder's output, whose context may be longer than 128 tokens.
- *Pooling and heads*: mean over steps, dropout 0.3, one linear layer for valence and arousal and
  one for the classes. The harness trains the first with the concordance, not the squared error.
- *Augmentation* (pitch, downsampling) is not part of the network and is not done.
- *Missing modalities*: the paper has none. If a text is missing, the attention goes to a learned
  null token. If the audio is missing, one learned null step is the query, so that the texts reach
  the head through the same two attentions.

Ablations:

====================  ==========================================================================
``non-hierarchical``  the two attentions in reverse order (the paper's "audio and context first")
``concat``            the three sequences, padded to one length and joined along the width, with a
                      linear layer in place of both attentions
``bi-modal``          without title and artist
====================  ==========================================================================

``small`` keeps every layer. Filters are 8, 16, 24, 48, 24, d is 64, with four heads.

=========  ====================  ===============================
size       parameters (million)  GFLOP a clip, forward, backward
=========  ====================  ===============================
``small``  0.11                  0.26
``paper``  1.4                   4.9
=========  ====================  ===============================
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import torch
import torch.nn.functional as F
from torch import nn

from mer.errors import InputError
from mer.network import masked_mean
from mer.research.architectures.base import Architecture, ModelOutput, TrainingDefaults
from mer.research.architectures.blocks import CrossAttention, MusicnnStem, audio_steps, real_keys

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from mer.research.architectures.base import BuildOptions, Size, SongBatch

N_MELS: Final = 40
SEGMENT: Final = 128
"""Number of tokens that the paper's text encoder takes at once."""
TEXT_ORDER: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "full": ("lyrics", "context"),
        "non-hierarchical": ("context", "lyrics"),
        "concat": (),
        "bi-modal": ("lyrics",),
    }
)
"""Texts that the audio attends to, in this order, by variant."""


@dataclass(frozen=True, slots=True)
class HcmaSizes:
    """Widths of `HcmaNetwork`.

    Parameters
    ----------
    filters : tuple of int
        Of the five convolutions.
    width, heads : int
        d, and its heads.
    """

    filters: tuple[int, int, int, int, int]
    width: int
    heads: int


SIZES: Final[Mapping[Size, HcmaSizes]] = MappingProxyType(
    {
        "paper": HcmaSizes((32, 64, 128, 256, 128), width=256, heads=8),
        "small": HcmaSizes((8, 16, 24, 48, 24), width=64, heads=4),
    }
)


class ConvNet(nn.Module):
    """Five blocks of convolution, normalisation, ReLU and 2 x 2 pooling [HCMA].

    Parameters
    ----------
    filters : sequence of int
    width : int
    """

    def __init__(self, filters: Sequence[int], width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        taken, bands = 1, N_MELS
        for made in filters:
            layers += [
                nn.Conv2d(taken, made, 3, padding="same"),
                nn.BatchNorm2d(made),
                nn.ReLU(),
                nn.MaxPool2d(2),
            ]
            taken, bands = made, bands // 2
        self.layers = nn.Sequential(*layers)
        self.project = nn.Linear(taken * bands, width)

    def forward(self, log_mel: Tensor) -> Tensor:
        """Map (songs, 40, frames) to (songs, frames // 32, width); at least 32 frames."""
        maps = self.layers(log_mel.unsqueeze(1))  # (songs, filters, 1, steps)
        states: Tensor = self.project(maps.flatten(1, 2).transpose(1, 2))
        return states


def average_segments(states: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Split a text into segments of `SEGMENT` tokens and average them position by position.

    Parameters
    ----------
    states : (songs, tokens, text_dim) float Tensor
    mask : (songs, tokens) bool Tensor

    Returns
    -------
    states : (songs, positions, text_dim) float Tensor
        At most `SEGMENT` positions; 0 if none of a song's segments has a token there.
    mask : (songs, positions) bool Tensor
    """
    # Real tokens first, so that a token's segment does not depend on padding.
    order = torch.argsort((~mask).to(torch.uint8), dim=1, stable=True)
    mask = mask.gather(1, order)
    states = states.gather(1, order.unsqueeze(2).expand_as(states))
    songs, tokens, width = states.shape
    positions = min(SEGMENT, tokens)
    excess = -tokens % positions
    mask = F.pad(mask, (0, excess)).reshape(songs, -1, positions)
    states = F.pad(states, (0, 0, 0, excess)).reshape(songs, -1, positions, width)
    weights = mask.unsqueeze(3).to(states.dtype)  # (songs, segments, positions, 1)
    return (states * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1.0), mask.any(dim=1)


class CrossModalAttention(nn.Module):
    """``CMA(a, b) = LN(a + Drop(MHA(a, b, b)))`` [HCMA, eqs. 1-3].

    Parameters
    ----------
    width, heads : int
    dropout : float in [0, 1)
    """

    def __init__(self, width: int, heads: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.attention = CrossAttention(width, heads)
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(width)

    def forward(self, queries: Tensor, keys: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Attend from one modality to another.

        Parameters
        ----------
        queries : (songs, queries, width) float Tensor
        keys : (songs, keys, width) float Tensor
        mask : (songs, keys) bool Tensor

        Returns
        -------
        fused : (songs, queries, width) float Tensor
        weights : (songs, heads, queries, keys + 1) float Tensor
        """
        attended, weights = self.attention(queries, keys, mask)
        return self.norm(queries + self.dropout(attended)), weights


class SplicedFusion(nn.Module):
    """Ablation without attention: three sequences of one length, joined along the width.

    Parameters
    ----------
    width : int
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.project = nn.Linear(3 * width, width)

    def forward(self, sequences: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        """Join states (songs, steps, width) with masks (songs, steps); lengths may differ.

        Returns
        -------
        fused : (songs, steps, width) float Tensor
            As long as the longest sequence.
        mask : (songs, steps) bool Tensor
            True where at least one sequence has a real step.
        """
        steps = max(mask.shape[1] for _, mask in sequences)
        masks = [F.pad(mask, (0, steps - mask.shape[1])) for _, mask in sequences]
        padded = [
            F.pad(states * mask.unsqueeze(2), (0, 0, 0, steps - mask.shape[1]))
            for states, mask in sequences
        ]
        return self.project(torch.cat(padded, dim=2)), torch.stack(masks).any(dim=0)


class HcmaNetwork(nn.Module):
    """Hierarchical cross-modal attention: ``Z1 = CMA(audio, lyrics)``, ``Z2 = CMA(Z1, context)``.

    Parameters
    ----------
    options : BuildOptions
        With a variant of `TEXT_ORDER`.

    Raises
    ------
    InputError
        If the variant is unknown, or the musicnn front end lacks the moments of the patches.
    """

    def __init__(self, options: BuildOptions) -> None:
        super().__init__()
        if options.variant not in TEXT_ORDER:
            raise InputError(
                f"hcma has no variant {options.variant!r}; it has {', '.join(TEXT_ORDER)}"
            )
        sizes = SIZES[options.size]
        width = sizes.width
        self.text_order = TEXT_ORDER[options.variant]
        self.audio: ConvNet | MusicnnStem = (
            MusicnnStem(options, width)
            if options.front_end == "musicnn"
            else ConvNet(sizes.filters, width)
        )
        self.null_audio = nn.Parameter(torch.zeros(width))
        texts = self.text_order or ("lyrics", "context")
        self.text_in = nn.ModuleDict({name: nn.Linear(options.text_dim, width) for name in texts})
        self.ask = nn.ModuleDict(
            {name: CrossModalAttention(width, sizes.heads) for name in self.text_order}
        )
        self.splice = None if self.text_order else SplicedFusion(width)
        self.dropout = nn.Dropout(0.3)
        self.class_head = nn.Linear(width, options.classes)
        self.affect_head = nn.Linear(width, 2)

    def forward(self, batch: SongBatch) -> ModelOutput:
        """Predict for a clip of each song; `attention` is from audio to averaged lyrics."""
        fused, real = audio_steps(self.audio, batch, self.null_audio)
        texts = {
            "lyrics": average_segments(batch.lyrics, batch.lyrics_mask),
            "context": average_segments(batch.context, batch.context_mask),
        }
        tokens = {
            name: (layer(texts[name][0]), texts[name][1]) for name, layer in self.text_in.items()
        }
        weights: dict[str, Tensor] = {}
        for name in self.text_order:
            fused, weights[name] = self.ask[name](fused, *tokens[name])
        if self.splice is not None:
            fused, real = self.splice(((fused, real), *tokens.values()))
        features = self.dropout(masked_mean(fused, real))
        return ModelOutput(
            logits=self.class_head(features),
            affect=torch.sigmoid(self.affect_head(features)),
            attention=weights.get("lyrics"),
            audio_mask=real,
            text_mask=real_keys(texts["lyrics"][1]) if self.text_order else None,
        )


ARCHITECTURES: Final[Mapping[str, Architecture]] = MappingProxyType(
    {
        "hcma": Architecture(
            name="hcma",
            title="HCMA: hierarchical cross-modal attention",
            paper="HCMA",
            modalities=("audio", "lyrics", "context"),
            inputs={
                "own": frozenset({"log_mel", "lyrics", "context"}),
                "musicnn": frozenset({"patches", "lyrics", "context"}),
            },
            mel_preset="hcma",
            window_seconds={"paper": 30.0, "small": 30.0},
            test_windows=1,
            build=HcmaNetwork,
            variants=tuple(TEXT_ORDER),
            variant_modalities={"bi-modal": ("audio", "lyrics")},
            training={
                "own": TrainingDefaults(
                    learning_rate=1e-4, weight_decay=1e-2, batch_songs=32, epochs=50, patience=10
                ),
                "musicnn": TrainingDefaults(
                    learning_rate=1e-3, weight_decay=5e-2, batch_songs=32, epochs=30, patience=8
                ),
            },
        )
    }
)
