"""Simple baselines of the comparison, with one modality or several.

================  =================================================================
``cnn``           audio: four conv blocks, mean over time
``crnn``          audio: Gujar's convolutions and BiGRU
``transformer``   audio: a Transformer encoder over stacked frames
``text-only``     context and lyrics as one text, attention pooling
``late-fusion``   mean of the softmaxes of ``cnn`` and ``text-only``
``early-concat``  pooled audio, lyrics and context concatenated before an MLP
================  =================================================================

The papers name such baselines but do not describe them. Layers and sizes are ours.

Cost of a window, forward and backward, in GFLOP:

=========  =======  ============  ===========
size       window   convolutions  Transformer
=========  =======  ============  ===========
``small``  6 s      0.19          0.05
``paper``  10 s     4.7           2.2
=========  =======  ============  ===========
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch
import torch.nn.functional as F
from torch import nn

from mer.errors import InputError
from mer.network import masked_mean
from mer.research.architectures.base import Architecture, ModelOutput, TrainingDefaults
from mer.research.architectures.blocks import MusicnnStem, sinusoidal_positions
from mer.research.architectures.branches import (
    AttentionPool,
    AudioBranch,
    ConvStem,
    LateFusion,
    TextBranch,
)
from mer.research.architectures.gujar import WIDTHS, Crnn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor

    from mer.research.architectures.base import BuildOptions, InputName, Size, SongBatch

MEL_PRESET: Final = "wang"
N_MELS: Final = 128
WINDOW_SECONDS: Final[Mapping[Size, float]] = {"paper": 10.0, "small": 6.0}
TEST_WINDOWS: Final = 3
DROPOUT: Final = 0.3

STACKED_FRAMES: Final = 4
"""Frames of log-mel in one step of the Transformer: 93 ms at 23 ms a frame."""


@dataclass(frozen=True, slots=True)
class Widths:
    """Numbers that differ between the two sizes.

    Parameters
    ----------
    channels : tuple of int
        Of the convolutions.
    features : int
        Output width of a branch.
    width, heads, layers : int
        Of the Transformer.
    """

    channels: tuple[int, ...]
    features: int
    width: int
    heads: int
    layers: int


SIZES: Final[Mapping[Size, Widths]] = {
    "paper": Widths((32, 64, 128, 256), 256, 256, 8, 4),
    "small": Widths((8, 16, 32, 64), 64, 64, 4, 2),
}


class PooledAudio(nn.Module):
    """Convolutions or MusiCNN patches, mean over time, Linear and ReLU.

    Parameters
    ----------
    options : BuildOptions
    channels : tuple of int
    features : int
    """

    def __init__(self, options: BuildOptions, channels: tuple[int, ...], features: int) -> None:
        super().__init__()
        musicnn = options.front_end == "musicnn"
        self.stem = MusicnnStem(options, channels[-1]) if musicnn else ConvStem(channels)
        self.project = nn.Linear(channels[-1], features)

    def forward(self, batch: SongBatch) -> Tensor:
        """Map songs with audio to (songs, features)."""
        return F.relu(self.project(masked_mean(*self.stem(batch))))


class StackedFrames(nn.Module):
    """Map the log-mel to projected steps of four frames each.

    Parameters
    ----------
    width : int
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.project = nn.Linear(N_MELS * STACKED_FRAMES, width)

    def forward(self, batch: SongBatch) -> tuple[Tensor, Tensor]:
        """Return states (songs, steps, width), the last padded with 0, and an all-True mask."""
        missing = -batch.log_mel.shape[2] % STACKED_FRAMES
        frames = F.pad(batch.log_mel, (0, missing)).transpose(1, 2)
        steps = self.project(frames.reshape(len(frames), -1, self.project.in_features))
        return steps, torch.ones(steps.shape[:2], dtype=torch.bool, device=steps.device)


class TransformerAudio(nn.Module):
    """A Transformer encoder over log-mel frames or MusiCNN patches, mean over time.

    Parameters
    ----------
    options : BuildOptions
    widths : Widths
    """

    def __init__(self, options: BuildOptions, widths: Widths) -> None:
        super().__init__()
        width = widths.width
        musicnn = options.front_end == "musicnn"
        self.stem = MusicnnStem(options, width) if musicnn else StackedFrames(width)
        layer = nn.TransformerEncoderLayer(
            width, widths.heads, 4 * width, dropout=0.1, batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(
            layer, widths.layers, norm=nn.LayerNorm(width), enable_nested_tensor=False
        )
        self.project = nn.Linear(width, widths.features)

    def forward(self, batch: SongBatch) -> Tensor:
        """Map songs with audio to (songs, features)."""
        states, mask = self.stem(batch)
        states = states + sinusoidal_positions(*states.shape[1:]).to(states)
        padding = ~mask & mask.any(dim=1, keepdim=True)  # a fully masked row gives nan
        states = self.encoder(states, src_key_padding_mask=padding)
        return F.relu(self.project(masked_mean(states, mask)))


class PooledText(nn.Module):
    """Token states of the frozen text encoder, attention pooling, Linear and ReLU.

    Parameters
    ----------
    text_dim, features : int
    texts : sequence of str
        Of ``lyrics`` and ``context``; both are concatenated to one text.
    """

    def __init__(
        self, text_dim: int, features: int, texts: Sequence[str] = ("lyrics", "context")
    ) -> None:
        super().__init__()
        self.texts = tuple(texts)
        self.pool = AttentionPool(text_dim, features)
        self.dropout = nn.Dropout(DROPOUT)
        self.project = nn.Linear(text_dim, features)

    def forward(self, batch: SongBatch) -> Tensor:
        """Map songs to (songs, features)."""
        if self.texts == ("lyrics",):
            states, mask = batch.lyrics, batch.lyrics_mask
        elif self.texts == ("context",):
            states, mask = batch.context, batch.context_mask
        else:
            states, mask = batch.text()
        return F.relu(self.project(self.dropout(self.pool(states, mask))))


class MlpHead(nn.Module):
    """One hidden layer, then outputs for the classes and for valence and arousal.

    Parameters
    ----------
    inputs, hidden, classes : int
    """

    def __init__(self, inputs: int, hidden: int, classes: int) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Dropout(DROPOUT))
        self.classes = nn.Linear(hidden, classes)
        self.affect = nn.Linear(hidden, 2)

    def forward(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """Map (songs, inputs) to logits (songs, classes) and affect (songs, 2) in (0, 1)."""
        states = self.trunk(states)
        return self.classes(states), torch.sigmoid(self.affect(states))


class ConcatNetwork(nn.Module):
    """Concatenated branches before one head; with one branch, a unimodal network.

    Parameters
    ----------
    branches : sequence of nn.Module
        As `AudioBranch`: features (songs, width) and presence.
    head : nn.Module
        Maps all features to logits and affect.
    """

    def __init__(self, branches: Sequence[nn.Module], head: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.head = head

    def forward(self, batch: SongBatch) -> ModelOutput:
        """Predict; a missing modality is replaced by its branch's learned vector."""
        return ModelOutput(*self.head(torch.cat([part(batch)[0] for part in self.branches], dim=1)))


def text_branch(
    options: BuildOptions,
    features: int,
    texts: Sequence[str] = ("lyrics", "context"),
    *,
    alone: bool = False,
) -> TextBranch:
    """Pooled tokens of the named texts; `alone` as for `TextBranch`."""
    encoder = PooledText(options.text_dim, features, texts)
    return TextBranch(encoder, features, texts, alone=alone)


def _cnn_branch(options: BuildOptions, *, alone: bool) -> AudioBranch:
    widths = SIZES[options.size]
    encoder = PooledAudio(options, widths.channels, widths.features)
    return AudioBranch(encoder, widths.features, alone=alone)


def _head(options: BuildOptions, branches: int) -> MlpHead:
    features = SIZES[options.size].features
    return MlpHead(branches * features, features, options.classes)


def build_cnn(options: BuildOptions) -> nn.Module:
    """Audio alone: four conv blocks and global mean pooling."""
    return ConcatNetwork([_cnn_branch(options, alone=True)], _head(options, 1))


def build_crnn(options: BuildOptions) -> nn.Module:
    """Audio alone: Gujar's convolutions and BiGRU."""
    widths = WIDTHS[options.size]
    branch = AudioBranch(Crnn(options, widths), widths.features, alone=True)
    return ConcatNetwork([branch], MlpHead(widths.features, widths.head[0], options.classes))


def build_transformer(options: BuildOptions) -> nn.Module:
    """Audio alone: a Transformer encoder over stacked frames."""
    widths = SIZES[options.size]
    branch = AudioBranch(TransformerAudio(options, widths), widths.features, alone=True)
    return ConcatNetwork([branch], _head(options, 1))


def build_text_only(options: BuildOptions) -> nn.Module:
    """Text alone: context and lyrics as one text, attention pooling."""
    features = SIZES[options.size].features
    return ConcatNetwork([text_branch(options, features, alone=True)], _head(options, 1))


def build_late_fusion(options: BuildOptions) -> nn.Module:
    """Mean of the softmaxes of `build_cnn` and `build_text_only`, trained together."""
    text = text_branch(options, SIZES[options.size].features, alone=True)
    branches = [_cnn_branch(options, alone=True), text]
    return LateFusion(branches, [_head(options, 1) for _ in branches])


def build_early_concat(options: BuildOptions) -> nn.Module:
    """Pooled audio, lyrics and context, concatenated before one MLP."""
    features = SIZES[options.size].features
    texts = [text_branch(options, features, [text]) for text in ("lyrics", "context")]
    return ConcatNetwork([_cnn_branch(options, alone=False), *texts], _head(options, 3))


def without_variants(
    name: str, build: Callable[[BuildOptions], nn.Module]
) -> Callable[[BuildOptions], nn.Module]:
    """Wrap `build` so that every variant but ``full`` raises an `InputError`."""

    def checked(options: BuildOptions) -> nn.Module:
        if options.variant != "full":
            raise InputError(f"{name} has no variant {options.variant!r}; it has only full")
        return build(options)

    return checked


AUDIO_INPUTS: Final[frozenset[InputName]] = frozenset({"log_mel"})
PATCH_INPUTS: Final[frozenset[InputName]] = frozenset({"patches"})
TEXT_INPUTS: Final[frozenset[InputName]] = frozenset({"lyrics", "context"})


def _baseline(
    name: str,
    title: str,
    build: Callable[[BuildOptions], nn.Module],
    modalities: tuple[str, ...],
    learning_rate: float = 1e-3,
) -> Architecture:
    has_audio = "audio" in modalities
    texts: frozenset[InputName] = TEXT_INPUTS if "lyrics" in modalities else frozenset()
    return Architecture(
        name=name,
        title=title,
        paper="baseline",
        modalities=modalities,
        inputs={"own": AUDIO_INPUTS | texts, "musicnn": PATCH_INPUTS | texts}
        if has_audio
        else {"own": texts},
        mel_preset=MEL_PRESET if has_audio else None,
        window_seconds=WINDOW_SECONDS,
        test_windows=TEST_WINDOWS if has_audio else 1,
        build=without_variants(name, build),
        training={
            "own": TrainingDefaults(learning_rate=learning_rate),
            "musicnn": TrainingDefaults(learning_rate=learning_rate, weight_decay=2e-2),
        },
    )


_TEXT: Final = ("lyrics", "context")

ARCHITECTURES: Final = {
    entry.name: entry
    for entry in (
        _baseline("cnn", "CNN (audio)", build_cnn, ("audio",)),
        _baseline("crnn", "CRNN (audio)", build_crnn, ("audio",)),
        _baseline("transformer", "Transformer (audio)", build_transformer, ("audio",), 5e-4),
        _baseline("text-only", "Text only", build_text_only, _TEXT),
        _baseline("late-fusion", "Late fusion", build_late_fusion, ("audio", *_TEXT)),
        _baseline("early-concat", "Early concatenation", build_early_concat, ("audio", *_TEXT)),
    )
}
