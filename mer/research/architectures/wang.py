"""Wang: bidirectional cross-attention of text and mel image, then a Transformer over both.

DeBERTa and ResNet-50 with bidirectional cross-attention [Wang, eqs. 1-23]. The paper's equations
contradict one another and its text. Choices:

- *BiLSTM*: only the abstract has it. Section 2 and its equations, with DeBERTa and ResNet-50, are
  built.
- *Eq. 1*: the token states of the batch are frozen, of DeBERTa or any BERT. Fine-tuning on a
  thousand songs would dominate the differences that are compared. Context and lyrics are one text.
- *Eq. 3*: ResNet-50 is transformers' `ResNetModel` with one input channel, so the mel is not copied
  three times. Its weights are random, because nothing is downloaded. M = H'W' cells of the last
  stage.
- *Eq. 5*: the Conv2d of the audio's MLP is 1 x 1, a Linear at every cell, which keeps M positions.
- *Eqs. 6-13*: cross-attention keeps the length of its queries; the paper's shapes differ.
- *Eq. 14*: g1 and g2 are means over positions, which are vectors; the paper's are sequences.
- *Eqs. 2, 4, 15-18*: self-attention over the pooled summaries s_T and s_A would have one token and
  no effect, so its input is T and A. Only ``infonce`` uses the summaries, and only there they
  exist.
- *Eq. 19*: (+) concatenates along time. A learned embedding marks the modality of a position. No
  positions are added: the token states contain theirs, and no equation has any.
- *Eqs. 20-21*: D is pooled after the encoder, by a mean over its real positions.
- *Eq. 22*: a softmax of a sum of two softmaxes is nearly flat, so the two heads' logits are
  averaged. ``literal-head`` is the equation; its W_o starts as the identity.
- *Eq. 23*: the equation is cross-entropy only, but the paper claims a discrete and continuous loss.
  Valence and arousal have their own head, with a weight of its loss in the harness. Weight 0 is the
  paper's equation.
- *Mutual information*: claimed without an equation. ``infonce`` adds InfoNCE between s_T and s_A, a
  lower bound of it, with temperature 0.07 and weight 0.1.
- *Sizes*: width, heads, depth and optimiser are not printed. They are 256, 8, 2 layers,
  feed-forward 1024, dropout 0.1.
- *Rate*: the paper's rates (2e-5, and 1e-4 for the rest) are for fine-tuning. Here the ResNet
  starts from random weights and the text is frozen, so the rate is 3e-4. It was not tuned.
- *Missing modalities*: a missing modality is one learned null position. As the key of the other
  modality it is the null token of `CrossAttention`.

``small`` keeps every part, has 5-second windows, and costs 240 MFLOP forward and backward with 200
tokens. The numbers of both sizes are in `SIZES`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch
import torch.nn.functional as F
from torch import nn
from transformers import ResNetConfig, ResNetModel

from mer.errors import InputError
from mer.network import masked_mean
from mer.research.architectures.base import Architecture, ModelOutput, TrainingDefaults
from mer.research.architectures.blocks import CrossAttention, MusicnnStem, real_keys

if TYPE_CHECKING:
    from torch import Tensor

    from mer.research.architectures.base import BuildOptions, Size, SongBatch

VARIANTS: Final = (
    "full",
    "no-cross-attention",
    "no-self-attention",
    "no-transformer",
    "literal-head",
    "infonce",
)
TEMPERATURE: Final = 0.07
INFONCE_WEIGHT: Final = 0.1


@dataclass(frozen=True, slots=True)
class WangSize:
    """Numbers of one size of `Wang`.

    Parameters
    ----------
    width, heads : int
        Of all attention; `heads` divides `width`.
    layers, feedforward : int
        Of the Transformer encoder.
    stem : int
        Channels after the ResNet's first convolution.
    channels, blocks : tuple of int
        Of the ResNet's four stages.
    dropout : float in [0, 1)
    """

    width: int
    heads: int
    layers: int
    feedforward: int
    stem: int
    channels: tuple[int, int, int, int]
    blocks: tuple[int, int, int, int]
    dropout: float = 0.1


SIZES: Final[dict[Size, WangSize]] = {
    "paper": WangSize(256, 8, 2, 1024, 64, (256, 512, 1024, 2048), (3, 4, 6, 3)),
    "small": WangSize(48, 4, 1, 192, 12, (32, 64, 128, 256), (1, 1, 1, 1)),
}


def with_null(states: Tensor, mask: Tensor, null: Tensor) -> tuple[Tensor, Tensor]:
    """Put a null state in the first position of the songs without a real state.

    Parameters
    ----------
    states : (songs, steps, width) float Tensor
    mask : (songs, steps) bool Tensor
    null : (width,) float Tensor

    Returns
    -------
    states : (songs, steps, width) float Tensor
    mask : (songs, steps) bool Tensor
        At least one True in every row.
    """
    empty = F.pad(~mask.any(dim=1, keepdim=True), (0, mask.shape[1] - 1))
    return torch.where(empty.unsqueeze(-1), null, states), mask | empty


class MelGrid(nn.Module):
    """Cells of a ResNet's last stage over the log-mel, H_A [Wang, eq. 3].

    Parameters
    ----------
    size : WangSize
    """

    def __init__(self, size: WangSize) -> None:
        super().__init__()
        self.width = size.channels[-1]
        self.resnet = ResNetModel(
            ResNetConfig(
                num_channels=1,
                embedding_size=size.stem,
                hidden_sizes=list(size.channels),
                depths=list(size.blocks),
                layer_type="bottleneck",
            )
        )

    def forward(self, batch: SongBatch) -> tuple[Tensor, Tensor]:
        """Map log-mels to cells (songs, M, channels) and their mask (songs, M)."""
        has_audio = batch.has_audio
        if not bool(has_audio.any()):
            return batch.log_mel.new_zeros(len(has_audio), 1, self.width), has_audio.unsqueeze(1)
        # Songs without audio stay out of the encoder: they would change BatchNorm's statistics.
        grid = self.resnet(batch.log_mel[has_audio].unsqueeze(1)).last_hidden_state
        rows = grid.flatten(2).transpose(1, 2)
        cells = rows.new_zeros(len(has_audio), *rows.shape[1:])
        cells[has_audio] = rows
        return cells, has_audio.unsqueeze(1).expand(-1, rows.shape[1])


class BidirectionalAttention(nn.Module):
    """Attention from text to audio and from audio to text, and a mean of each [Wang, eqs. 6-14].

    Parameters
    ----------
    size : WangSize
    """

    def __init__(self, size: WangSize) -> None:
        super().__init__()
        self.text_asks = CrossAttention(size.width, size.heads, size.dropout)
        self.audio_asks = CrossAttention(size.width, size.heads, size.dropout)

    def forward(
        self, text: Tensor, text_mask: Tensor, audio: Tensor, audio_mask: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Attend in both directions.

        Parameters
        ----------
        text : (songs, V, width) float Tensor
        audio : (songs, M, width) float Tensor
            Each has a null state in the first position of songs without the modality.
        text_mask, audio_mask : (songs, V) and (songs, M) bool Tensors
            Real positions, without the null states.

        Returns
        -------
        g1, g2 : (songs, width) float Tensors
            Means over the positions of the text and of the audio [Wang, eq. 14].
        weights : (songs, heads, M, V + 1) float Tensor
            Attention of the audio over the text.
        """
        to_text, _ = self.text_asks(text, audio, audio_mask)  # (songs, V, width) [eqs. 6-9]
        to_audio, weights = self.audio_asks(audio, text, text_mask)  # (songs, M, width) [10-13]
        return _mean_or_null(to_text, text_mask), _mean_or_null(to_audio, audio_mask), weights


def _mean_or_null(states: Tensor, mask: Tensor) -> Tensor:
    """Mean over the real positions; without any, the first position, which has the null state."""
    return torch.where(mask.any(dim=1, keepdim=True), masked_mean(states, mask), states[:, 0])


class JointEncoder(nn.Module):
    """Self-attention in each modality, then a Transformer over both [Wang, eqs. 15-19].

    Parameters
    ----------
    size : WangSize
    self_attention, transformer : bool
        False omits eqs. 15-18, or the layers of eq. 19.
    """

    def __init__(self, size: WangSize, *, self_attention: bool, transformer: bool) -> None:
        super().__init__()
        self.types = nn.Parameter(0.02 * torch.randn(2, size.width))
        self.text_self = self.audio_self = self.encoder = None
        if self_attention:
            self.text_self, self.audio_self = (
                nn.MultiheadAttention(size.width, size.heads, size.dropout, batch_first=True)
                for _ in range(2)
            )
        if transformer:
            layer = nn.TransformerEncoderLayer(
                size.width, size.heads, size.feedforward, size.dropout, batch_first=True
            )
            self.encoder = nn.TransformerEncoder(layer, size.layers, enable_nested_tensor=False)

    def forward(self, text: Tensor, text_mask: Tensor, audio: Tensor, audio_mask: Tensor) -> Tensor:
        """Encode both modalities together and pool them.

        Parameters
        ----------
        text : (songs, V, width) float Tensor
        text_mask : (songs, V) bool Tensor
        audio : (songs, M, width) float Tensor
        audio_mask : (songs, M) bool Tensor
            Both masks have at least one True in every row.

        Returns
        -------
        (songs, width) float Tensor
            Mean of D over the real ones of its V + M positions.
        """
        if self.text_self is not None and self.audio_self is not None:
            # D_SS [Wang, eqs. 15-16], D_UU [Wang, eqs. 17-18]
            text, _ = self.text_self(text, text, text, ~text_mask, need_weights=False)
            audio, _ = self.audio_self(audio, audio, audio, ~audio_mask, need_weights=False)
        both = torch.cat([text + self.types[0], audio + self.types[1]], dim=1)
        mask = torch.cat([text_mask, audio_mask], dim=1)
        if self.encoder is not None:
            both = self.encoder(both, src_key_padding_mask=~mask)  # D [Wang, eq. 19]
        return masked_mean(both, mask)


class Heads(nn.Module):
    """Two heads over D with g1 or g2, and their combination [Wang, eqs. 20-22].

    Parameters
    ----------
    inputs : int
        Width of each head's input.
    size : WangSize
    classes : int
    literal : bool
        True combines by eq. 22, False by the mean of the logits.
    """

    def __init__(self, inputs: int, size: WangSize, classes: int, *, literal: bool) -> None:
        super().__init__()
        self.hidden = nn.ModuleList(nn.Linear(inputs, size.width) for _ in range(2))
        self.classify = nn.ModuleList(nn.Linear(size.width, classes) for _ in range(2))
        self.affect = nn.Linear(2 * size.width, 2)
        self.combine = nn.Linear(classes, classes) if literal else None
        if self.combine is not None:
            # With a random W_o no sum of two softmaxes gives some of the classes.
            nn.init.eye_(self.combine.weight)
        self.dropout = nn.Dropout(size.dropout)

    def forward(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """Map two inputs (songs, inputs) to logits (songs, classes) and affect (songs, 2)."""
        inputs = (first, second)
        hidden = [
            self.dropout(layer(x).relu()) for layer, x in zip(self.hidden, inputs, strict=True)
        ]
        logits = [layer(x) for layer, x in zip(self.classify, hidden, strict=True)]
        affect = torch.sigmoid(self.affect(torch.cat(hidden, dim=1)))
        if self.combine is None:
            return (logits[0] + logits[1]) / 2, affect
        return self.combine(logits[0].softmax(dim=1) + logits[1].softmax(dim=1)), affect


class Contrast(nn.Module):
    """InfoNCE between the summaries s_T and s_A of the songs with both [Wang, eqs. 2, 4].

    Parameters
    ----------
    text_dim, audio_dim, width : int
    """

    def __init__(self, text_dim: int, audio_dim: int, width: int) -> None:
        super().__init__()
        self.text = nn.Linear(text_dim, width)
        self.audio = nn.Linear(audio_dim, width)

    def forward(self, text: Tensor, text_mask: Tensor, audio: Tensor, audio_mask: Tensor) -> Tensor:
        """Unweighted () loss of H_T and H_A (songs, steps, dim); 0 for fewer than two songs."""
        both = text_mask.any(dim=1) & audio_mask.any(dim=1)
        if int(both.sum()) < 2:
            return text.new_zeros(())
        summaries = (
            self.text(masked_mean(text, text_mask)[both]).relu(),  # s_T [Wang, eq. 2]
            self.audio(masked_mean(audio, audio_mask)[both]).relu(),  # s_A [Wang, eq. 4]
        )
        left, right = (F.normalize(summary, dim=1) for summary in summaries)
        scores = left @ right.T / TEMPERATURE
        own = torch.arange(len(scores), device=scores.device)
        return (F.cross_entropy(scores, own) + F.cross_entropy(scores.T, own)) / 2


class Wang(nn.Module):
    """The whole network, from `SongBatch` to `ModelOutput`.

    Parameters
    ----------
    options : BuildOptions

    Raises
    ------
    InputError
        If the variant is unknown, or the musicnn front end lacks the moments of the patches.
    """

    def __init__(self, options: BuildOptions) -> None:
        super().__init__()
        if options.variant not in VARIANTS:
            raise InputError(f"wang has no variant {options.variant!r}; try {', '.join(VARIANTS)}")
        size, variant = SIZES[options.size], options.variant
        width = size.width
        own = options.front_end == "own"
        audio_dim = size.channels[-1] if own else width
        self.audio = MelGrid(size) if own else MusicnnStem(options, width)
        self.audio_in = nn.Sequential(
            nn.Linear(audio_dim, width),  # the Conv2d, 1 x 1
            nn.Linear(width, width),
            nn.ReLU(),
        )
        self.text_in = nn.Sequential(nn.Linear(options.text_dim, width), nn.ReLU())
        self.null_text = nn.Parameter(torch.zeros(width))
        self.null_audio = nn.Parameter(torch.zeros(width))
        self.cross = None if variant == "no-cross-attention" else BidirectionalAttention(size)
        self.joint = JointEncoder(
            size,
            self_attention=variant != "no-self-attention",
            transformer=variant != "no-transformer",
        )
        inputs = width if self.cross is None else 2 * width
        self.heads = Heads(inputs, size, options.classes, literal=variant == "literal-head")
        self.contrast = None
        if variant == "infonce":
            self.contrast = Contrast(options.text_dim, audio_dim, width)

    def forward(self, batch: SongBatch) -> ModelOutput:
        """Predict.

        Parameters
        ----------
        batch : SongBatch

        Returns
        -------
        ModelOutput
            Without gates. `attention` is None in ``no-cross-attention``.
        """
        h_text, real_text = batch.text()  # H_T (songs, V, text_dim) [Wang, eq. 1]
        h_audio, real_audio = self.audio(batch)  # H_A (songs, M, audio_dim) [Wang, eq. 3]
        real_audio = real_audio & batch.has_audio.unsqueeze(1)
        # T and A (songs, V or M, width) [Wang, eq. 5]
        text, text_mask = with_null(self.text_in(h_text), real_text, self.null_text)
        audio, audio_mask = with_null(self.audio_in(h_audio), real_audio, self.null_audio)
        pooled = self.joint(text, text_mask, audio, audio_mask)  # [Wang, eqs. 15-19]
        attention = None
        first = second = pooled
        if self.cross is not None:
            # [Wang, eqs. 6-14]
            g1, g2, attention = self.cross(text, real_text, audio, real_audio)
            first, second = (torch.cat([pooled, g], dim=1) for g in (g1, g2))
        logits, affect = self.heads(first, second)  # [Wang, eqs. 20-22]
        losses = {}
        if self.contrast is not None:
            loss = self.contrast(h_text, real_text, h_audio, real_audio)
            losses["infonce"] = INFONCE_WEIGHT * loss
        return ModelOutput(
            logits,
            affect,
            losses,
            attention=attention,
            audio_mask=audio_mask,
            text_mask=None if attention is None else real_keys(real_text),
        )


ARCHITECTURES: Final = {
    "wang": Architecture(
        name="wang",
        title="Wang: bidirectional cross-attention",
        paper="Wang",
        modalities=("audio", "lyrics", "context"),
        inputs={
            "own": frozenset({"log_mel", "lyrics", "context"}),
            "musicnn": frozenset({"patches", "lyrics", "context"}),
        },
        mel_preset="wang",
        window_seconds={"paper": 10.0, "small": 5.0},
        test_windows=5,
        build=Wang,
        variants=VARIANTS,
        training={
            "own": TrainingDefaults(learning_rate=3e-4, batch_songs=16),
            "musicnn": TrainingDefaults(weight_decay=2e-2),
        },
    )
}
