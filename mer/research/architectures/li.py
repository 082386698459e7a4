"""Li: the audio frames of two seconds attend to the words; a Transformer block and a mean.

Built to [Li, eqs. 1-8]. Choices where the paper is incomplete or contradicts itself:

- *Sizes*: kernels, widths, heads and dropout are not printed. There are four convolutions of
  (3, 32), (5, 64), (7, 128), (9, 256) (bands, channels), three frames wide. Each is followed by a
  max pooling over two bands (40 -> 20 -> 10 -> 5 -> 2). d = 512, eight heads, inner layer 2048.
  Dropout is 0.3 in the head and 0.1 on the residual branches. Time is not pooled, because the paper
  demands "strict time alignment".
- *40 mels*, as in table 1 and section 3.1, not the 96 x 198 of section 4.1. A window has 198
  frames, the number of 25 ms frames every 10 ms in 2.0 s. Our frames are centred, theirs lie inside
  the window. `WINDOW_SECONDS` is therefore 1.97 s, the time from the first centre to the last.
- *Residual and feed-forward layer*: the equations have none. By eq. 6 alone the head depends on the
  values of the lyrics and not on the audio. Here ``x = LN(x + MHA)``, ``x = LN(x + FFN(x))``. The
  variant ``no-residual`` follows the equations.
- *Positions*: eq. 4 adds them to the words only. The audio has none.
- *Words*: "512-dimensional BERT" is implemented as W_p from the frozen encoder's width to d = 512.
  Li has one text. Here it is the context followed by the lyrics. Our data have no time stamps, so
  nothing is aligned by time.
- *Missing modalities*: without words eq. 5 is undefined, and the attention goes to a learned null
  token. Without audio one learned null frame is the query, so the words reach the head by eqs. 5-6.
- *Valence and arousal*: the paper evaluates them but defines no head. A second linear layer beside
  eq. 8 computes them from the same features.
- *Classes* are exclusive (softmax), although the paper's text says multi-label.

``small`` keeps every layer. Channels are 4, 8, 16, 16, d is 64, the inner layer 128, with four
heads. Cost of a window with 172 tokens:

=========  ====================  ========================
size       parameters (million)  GFLOP, forward, backward
=========  ====================  ========================
``small``  0.08                  0.17
``paper``  5.0                   12.4
=========  ====================  ========================
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import torch
from torch import nn

from mer.errors import InputError
from mer.network import masked_mean
from mer.research.architectures.base import Architecture, ModelOutput, TrainingDefaults
from mer.research.architectures.blocks import (
    CrossAttention,
    MusicnnStem,
    audio_steps,
    real_keys,
    sinusoidal_positions,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from mer.research.architectures.base import BuildOptions, Size, SongBatch

N_MELS: Final = 40
WINDOW_SECONDS: Final = 197 * 220 / 22_050
"""Duration of 198 centred frames."""
VARIANTS: Final = ("full", "no-residual", "no-lyrics", "no-positions")


@dataclass(frozen=True, slots=True)
class LiSizes:
    """Widths of `LiNetwork`.

    Parameters
    ----------
    channels : tuple of int
        Of the four convolutions.
    width, heads, hidden : int
        d, its heads, and the inner width of the feed-forward layer.
    """

    channels: tuple[int, int, int, int]
    width: int
    heads: int
    hidden: int


SIZES: Final[Mapping[Size, LiSizes]] = MappingProxyType(
    {
        "paper": LiSizes((32, 64, 128, 256), width=512, heads=8, hidden=2048),
        "small": LiSizes((4, 8, 16, 16), width=64, heads=4, hidden=128),
    }
)


class FrameEncoder(nn.Module):
    """Four convolutions whose kernels grow along frequency; time is not pooled [Li, eq. 2].

    ``ReLU(BN(W * f + b))``, then max pooling over two bands.

    Parameters
    ----------
    channels : sequence of int
    width : int
    """

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        taken, bands = 1, N_MELS
        for made, height in zip(channels, (3, 5, 7, 9), strict=True):
            layers += [
                nn.Conv2d(taken, made, (height, 3), padding="same"),
                nn.BatchNorm2d(made),
                nn.ReLU(),
                nn.MaxPool2d((2, 1)),
            ]
            taken, bands = made, bands // 2
        self.layers = nn.Sequential(*layers)
        self.project = nn.Linear(taken * bands, width)

    def forward(self, log_mel: Tensor) -> Tensor:
        """Map (songs, 40, frames) to (songs, frames, width)."""
        maps = self.layers(log_mel.unsqueeze(1))  # (songs, channels, 2, frames)
        states: Tensor = self.project(maps.flatten(1, 2).transpose(1, 2))
        return states


class LyricTokens(nn.Module):
    """``e_i = W_p h_i + p_i`` [Li, eq. 4].

    Parameters
    ----------
    text_dim, width : int
    has_positions : bool
    """

    def __init__(self, text_dim: int, width: int, *, has_positions: bool = True) -> None:
        super().__init__()
        self.project = nn.Linear(text_dim, width)
        self.has_positions = has_positions

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """Map (songs, tokens, text_dim) to (songs, tokens, width); `mask` is (songs, tokens)."""
        tokens: Tensor = self.project(states)
        if not self.has_positions:
            return tokens
        table = sinusoidal_positions(states.shape[1], tokens.shape[2]).to(tokens)
        # Positions count real tokens, so padding between context and lyrics does not change them.
        ranks = (mask.long().cumsum(dim=1) - 1).clamp(min=0)
        return tokens + table[ranks]


class LiBlock(nn.Module):
    """Attention from frames to tokens [Li, eqs. 5-6], with residuals and feed-forward layer.

    Parameters
    ----------
    sizes : LiSizes
    is_literal : bool
        True computes eq. 6 only, whose output depends on the tokens' values only.
    dropout : float in [0, 1)
        On each residual branch.
    """

    def __init__(self, sizes: LiSizes, *, is_literal: bool = False, dropout: float = 0.1) -> None:
        super().__init__()
        self.is_literal = is_literal
        self.attention = CrossAttention(sizes.width, sizes.heads)
        if not is_literal:
            self.attended_norm = nn.LayerNorm(sizes.width)
            self.feed_forward = nn.Sequential(
                nn.Linear(sizes.width, sizes.hidden),
                nn.ReLU(),
                nn.Linear(sizes.hidden, sizes.width),
            )
            self.out_norm = nn.LayerNorm(sizes.width)
            self.dropout = nn.Dropout(dropout)

    def forward(self, frames: Tensor, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Fuse the two sequences.

        Parameters
        ----------
        frames : (songs, frames, width) float Tensor
        tokens : (songs, tokens, width) float Tensor
        mask : (songs, tokens) bool Tensor

        Returns
        -------
        fused : (songs, frames, width) float Tensor
        weights : (songs, heads, frames, tokens + 1) float Tensor
        """
        attended, weights = self.attention(frames, tokens, mask)
        if self.is_literal:
            return attended, weights
        fused = self.attended_norm(frames + self.dropout(attended))
        return self.out_norm(fused + self.dropout(self.feed_forward(fused))), weights


class LiNetwork(nn.Module):
    """Li's cross-modal Transformer.

    Parameters
    ----------
    options : BuildOptions
        With a variant of `VARIANTS`. ``no-residual`` is eqs. 1-8 as printed, ``no-lyrics`` masks
        all words, ``no-positions`` omits p_i of eq. 4.

    Raises
    ------
    InputError
        If the variant is unknown, or the musicnn front end lacks the moments of the patches.
    """

    def __init__(self, options: BuildOptions) -> None:
        super().__init__()
        if options.variant not in VARIANTS:
            raise InputError(f"li has no variant {options.variant!r}; it has {', '.join(VARIANTS)}")
        sizes = SIZES[options.size]
        width = sizes.width
        self.audio: FrameEncoder | MusicnnStem = (
            MusicnnStem(options, width)
            if options.front_end == "musicnn"
            else FrameEncoder(sizes.channels, width)
        )
        self.null_audio = nn.Parameter(torch.zeros(width))
        self.uses_words = options.variant != "no-lyrics"
        self.tokens = LyricTokens(
            options.text_dim, width, has_positions=options.variant != "no-positions"
        )
        self.block = LiBlock(sizes, is_literal=options.variant == "no-residual")
        self.features = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Dropout(0.3))
        self.class_head = nn.Linear(width, options.classes)
        self.affect_head = nn.Linear(width, 2)

    def forward(self, batch: SongBatch) -> ModelOutput:
        """Predict for a window of each song; `attention` is from frames to context and lyrics."""
        states, mask = batch.text()
        if not self.uses_words:
            mask = torch.zeros_like(mask)
        frames, real = audio_steps(self.audio, batch, self.null_audio)
        fused, weights = self.block(frames, self.tokens(states, mask), mask)
        features = self.features(masked_mean(fused, real))  # [Li, eq. 7]
        return ModelOutput(
            logits=self.class_head(features),  # [Li, eq. 8] is their softmax
            affect=torch.sigmoid(self.affect_head(features)),
            attention=weights,
            audio_mask=real,
            text_mask=real_keys(mask),
        )


ARCHITECTURES: Final[Mapping[str, Architecture]] = MappingProxyType(
    {
        "li": Architecture(
            name="li",
            title="Li: cross-modal Transformer",
            paper="Li",
            modalities=("audio", "lyrics", "context"),
            inputs={
                "own": frozenset({"log_mel", "lyrics", "context"}),
                "musicnn": frozenset({"patches", "lyrics", "context"}),
            },
            mel_preset="li",
            window_seconds={"paper": WINDOW_SECONDS, "small": WINDOW_SECONDS},
            test_windows=8,
            build=LiNetwork,
            variants=VARIANTS,
            variant_modalities={"no-lyrics": ("audio",)},
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
