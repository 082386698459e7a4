r"""Gujar: a CRNN over log-mel, three text representations, and bilinear attention between the two.

Shapes at the paper's size, for ``S`` songs:

========================  =======================================================================
log-mel                   ``(S, 128, 256)``: 128 bins, 256 frames of 23.2 ms
four conv blocks          ``(S, 256, 8, 16)``; mean over frequency: ``(S, 16, 256)``
two-layer BiGRU           ``(S, 16, 256)``; mean over time, Linear, ReLU: ``f_a (S, 512)``
TF-IDF, Word2Vec, BERT    ``128 + 300 + 256 = 684``; two-layer MLP: ``f_t (S, 512)``
fusion                    ``f_fused (S, 512)`` and ``Linear(1024 -> 256)``: ``(S, 768)``
head                      256, 128, classes
========================  =======================================================================

Notes
-----
Choices where the paper is incomplete or contradicts itself:

- Input: the paper has both 128 frames and 128 x 256. Windows have 256 frames; the predictions of
  a clip's windows are averaged at test.
- Four poolings leave 8 frequencies of 256 channels, not 256 values. Their mean is used.
- BiGRU as in section 5.1, not LSTM as in algorithm 1. A block is convolution, normalisation, ReLU
  and pooling.
- BERT reads the raw lyrics and is frozen. The mean of its tokens replaces [CLS], because every
  sentence encoder has tokens.
- The compatibility is ``e_a = f_a^T W_a f_t + b_a`` and ``e_t = f_t^T W_t f_a + b_t``. W starts
  small, so the two alphas start near one half.
- 768 is ``f_fused`` concatenated with a projection of ``[f_a; f_t]``.
- The consistency loss is ``1 - cos(f_a, f_t)`` over the songs with both modalities, weight 0.1.
- Valence and arousal are ours: a second output of the head's last layer.
- A missing modality is a learned vector with alpha exactly 0.
- Adam with weight decay is AdamW here. The learning-rate schedule is the harness's.

``small`` has a quarter of the convolutions' channels and of `f`. Cost of a window:

=========  ======================  ===========================
size       multiply-adds, forward  GFLOP, forward and backward
=========  ======================  ===========================
``small``  31 million              0.19
``paper``  464 million             2.8
=========  ======================  ===========================
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
from mer.research.architectures.blocks import MusicnnStem
from mer.research.architectures.branches import (
    AttentionPool,
    AudioBranch,
    BiGru,
    ConvStem,
    LateFusion,
    SongNorm,
    TextBranch,
)
from mer.research.inputs.vocabulary import TermProjection, WordTable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from mer.research.architectures.base import BuildOptions, Size, SongBatch

TERMS_WIDTH: Final = 128
WORD_WIDTH: Final = 300
SENTENCE_WIDTH: Final = 256
DROPOUT: Final = 0.4
CONSISTENCY_WEIGHT: Final = 0.1
TEMPERATURE: Final = 0.07

VARIANTS: Final = (
    "full",
    "no-consistency",
    "infonce-consistency",
    "audio-only",
    "text-only",
    "late-fusion",
    "no-tfidf",
    "no-word2vec",
    "no-bert",
)


@dataclass(frozen=True, slots=True)
class Widths:
    """Widths that differ between the two sizes.

    Parameters
    ----------
    channels : tuple of int
        Of the convolutions.
    hidden : int
        Of the GRU, one direction.
    features : int
        Of `f_a` and `f_t`.
    concat : int
        Of the projection of ``[f_a; f_t]``.
    head : (int, int)
        Of the head's hidden layers.
    attention : int
        Of the hidden layer of the attention over word vectors.
    """

    channels: tuple[int, ...]
    hidden: int
    features: int
    concat: int
    head: tuple[int, int]
    attention: int


WIDTHS: Final[Mapping[Size, Widths]] = {
    "paper": Widths((32, 64, 128, 256), 128, 512, 256, (256, 128), 128),
    "small": Widths((8, 16, 32, 64), 32, 128, 64, (64, 32), 64),
}


class Crnn(nn.Module):
    """Convolutions or MusiCNN patches, BiGRU, mean over time, Linear and ReLU.

    Parameters
    ----------
    options : BuildOptions
    widths : Widths
    """

    def __init__(self, options: BuildOptions, widths: Widths) -> None:
        super().__init__()
        last = widths.channels[-1]
        musicnn = options.front_end == "musicnn"
        self.stem = MusicnnStem(options, last) if musicnn else ConvStem(widths.channels)
        self.rnn = BiGru(last, widths.hidden)
        self.project = nn.Linear(2 * widths.hidden, widths.features)

    def forward(self, batch: SongBatch) -> Tensor:
        """Map songs with audio to (songs, features)."""
        return F.relu(self.project(self.rnn(*self.stem(batch))))


class TextViews(nn.Module):
    """TF-IDF, pooled word vectors and pooled tokens, concatenated (684) and mapped to `features`.

    Parameters
    ----------
    options : BuildOptions
        ``no-tfidf``, ``no-word2vec`` and ``no-bert`` omit one of the three.
    widths : Widths
    """

    def __init__(self, options: BuildOptions, widths: Widths) -> None:
        super().__init__()
        variant = options.variant
        word_width = 0 if variant == "no-word2vec" else WORD_WIDTH
        self.table = WordTable.fit(options.documents, width=word_width, seed=options.seed)
        self.views = nn.ModuleDict()
        self.width = 0
        if variant != "no-tfidf":
            self.views["tfidf"] = TermProjection(max(1, len(self.table)), TERMS_WIDTH)
            self.width += TERMS_WIDTH
        if variant != "no-word2vec":
            self.views["word2vec"] = AttentionPool(WORD_WIDTH, widths.attention)
            self.width += WORD_WIDTH
        if variant != "no-bert":
            self.views["bert"] = nn.Linear(options.text_dim, SENTENCE_WIDTH)
            self.width += SENTENCE_WIDTH
        self.mlp = nn.Sequential(
            nn.Linear(self.width, widths.features),
            nn.ReLU(),
            nn.Dropout(DROPOUT),
            nn.Linear(widths.features, widths.features),
            nn.ReLU(),
        )

    def forward(self, batch: SongBatch) -> Tensor:
        """Map the songs' words and tokens to (songs, features)."""
        parts = []
        if "tfidf" in self.views:
            parts.append(self.views["tfidf"](self.table.tf_idf(batch.words)))
        if "word2vec" in self.views:
            parts.append(self.views["word2vec"](*self.table.look_up(batch.words)))
        if "bert" in self.views:
            parts.append(self.views["bert"](masked_mean(*batch.text())))
        features: Tensor = self.mlp(torch.cat(parts, dim=1))
        return features


class BilinearFusion(nn.Module):
    """Weight audio and text by their bilinear compatibility.

    Parameters
    ----------
    features : int
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.audio = nn.Linear(features, features, bias=False)  # W_a
        self.text = nn.Linear(features, features, bias=False)  # W_t
        self.bias = nn.Parameter(torch.zeros(2))  # b_a, b_t
        for layer in (self.audio, self.text):
            nn.init.normal_(layer.weight, std=1 / features)

    def forward(self, audio: Tensor, text: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Fuse audio and text.

        Parameters
        ----------
        audio, text : (songs, features) float Tensor
        present : (songs, 2) bool Tensor
            Which songs have audio, and which a text.

        Returns
        -------
        fused : (songs, features) float Tensor
            ``alpha_a f_a + alpha_t f_t``.
        alphas : (songs, 2) float Tensor
            Softmax over the present modalities; exactly 0 for a missing one.
        """
        # f_a^T W_a f_t and f_t^T W_t f_a, with layers that support mixed precision
        products = (audio * self.audio(text), text * self.text(audio))
        scores = torch.stack([product.sum(dim=1) for product in products], dim=1) + self.bias
        alphas = torch.nan_to_num(scores.masked_fill(~present, -torch.inf).softmax(dim=1))
        return alphas[:, :1] * audio + alphas[:, 1:] * text, alphas


def consistency_loss(audio: Tensor, text: Tensor, both: Tensor) -> Tensor:
    """Mean of ``1 - cos(f_a, f_t)`` over the songs with both modalities; 0 if there are none.

    Parameters
    ----------
    audio, text : (songs, features) float Tensor
    both : (songs,) bool Tensor

    Returns
    -------
    () float Tensor in [0, 2]
    """
    distances = 1 - F.cosine_similarity(audio, text, dim=1)
    return (distances * both).sum() / both.sum().clamp(min=1)


def infonce_loss(audio: Tensor, text: Tensor, both: Tensor) -> Tensor:
    """Contrast a song's audio and text with those of the other songs, in both directions.

    Parameters
    ----------
    audio, text : (songs, features) float Tensor
    both : (songs,) bool Tensor
        Songs with both modalities; the others are ignored.

    Returns
    -------
    () float Tensor, not negative
        0 for fewer than two songs with both.
    """
    pairs = torch.where(both.unsqueeze(1) & both, 0.0, -torch.inf).fill_diagonal_(0.0)
    similarity = F.normalize(audio, dim=1) @ F.normalize(text, dim=1).T / TEMPERATURE + pairs
    own = torch.arange(len(both), device=both.device)
    losses = F.cross_entropy(similarity, own, reduction="none") + F.cross_entropy(
        similarity.T, own, reduction="none"
    )
    return (losses * both).sum() / (2 * both.sum().clamp(min=1))


class EmotionHead(nn.Module):
    """MLP (256, 128) with BatchNorm and dropout 0.4; outputs for the classes and for affect.

    Parameters
    ----------
    inputs : int
    hidden : (int, int)
    classes : int
    """

    def __init__(self, inputs: int, hidden: tuple[int, int], classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width, outputs in ((inputs, hidden[0]), hidden):
            layers += [
                nn.Linear(width, outputs),
                SongNorm(outputs),
                nn.ReLU(),
                nn.Dropout(DROPOUT),
            ]
        self.trunk = nn.Sequential(*layers)
        self.classes = nn.Linear(hidden[1], classes)
        self.affect = nn.Linear(hidden[1], 2)

    def forward(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """Map (songs, inputs) to logits (songs, classes) and affect (songs, 2) in (0, 1)."""
        states = self.trunk(states)
        return self.classes(states), torch.sigmoid(self.affect(states))


class GujarNetwork(nn.Module):
    """The paper's network: attention fusion of audio and text.

    Parameters
    ----------
    options : BuildOptions
        Every variant but ``audio-only``, ``text-only`` and ``late-fusion``.
    """

    def __init__(self, options: BuildOptions) -> None:
        super().__init__()
        widths = WIDTHS[options.size]
        self.variant = options.variant
        self.audio = _audio_branch(options)
        self.text = _text_branch(options)
        self.fusion = BilinearFusion(widths.features)
        self.concat = nn.Linear(2 * widths.features, widths.concat)
        self.head = EmotionHead(widths.features + widths.concat, widths.head, options.classes)

    def forward(self, batch: SongBatch) -> ModelOutput:
        """Predict; `gates` are the alphas."""
        audio, has_audio = self.audio(batch)
        text, has_text = self.text(batch)
        fused, alphas = self.fusion(audio, text, torch.stack([has_audio, has_text], dim=1))
        joint = self.concat(torch.cat([audio, text], dim=1))
        logits, affect = self.head(torch.cat([fused, joint], dim=1))
        return ModelOutput(
            logits,
            affect,
            auxiliary=self._auxiliary(audio, text, has_audio & has_text),
            gates={"audio": alphas[:, 0], "lyrics": alphas[:, 1]},
        )

    def _auxiliary(self, audio: Tensor, text: Tensor, both: Tensor) -> dict[str, Tensor]:
        if self.variant == "no-consistency":
            return {}
        loss = infonce_loss if self.variant == "infonce-consistency" else consistency_loss
        return {"consistency": CONSISTENCY_WEIGHT * loss(audio, text, both)}


def _audio_branch(options: BuildOptions, *, alone: bool = False) -> AudioBranch:
    widths = WIDTHS[options.size]
    return AudioBranch(Crnn(options, widths), widths.features, alone=alone)


def _text_branch(options: BuildOptions, *, alone: bool = False) -> TextBranch:
    widths = WIDTHS[options.size]
    return TextBranch(TextViews(options, widths), widths.features, alone=alone)


def _own_baseline(options: BuildOptions) -> LateFusion:
    """Build one of the paper's baselines: audio only, text only, or late fusion of the two."""
    widths = WIDTHS[options.size]
    branches: list[nn.Module] = []
    if options.variant != "text-only":
        branches.append(_audio_branch(options, alone=True))
    if options.variant != "audio-only":
        branches.append(_text_branch(options, alone=True))
    heads = [EmotionHead(widths.features, widths.head, options.classes) for _ in branches]
    return LateFusion(branches, heads)


def build(options: BuildOptions) -> nn.Module:
    """Build a network; the vocabulary is fitted on ``options.documents``.

    Raises
    ------
    InputError
        If the variant is unknown.
    PackageMissingError
        If Word2Vec must be fitted and gensim is not installed.
    """
    if options.variant not in VARIANTS:
        raise InputError(f"gujar has no variant {options.variant!r}; it has {', '.join(VARIANTS)}")
    if options.variant in ("audio-only", "text-only", "late-fusion"):
        return _own_baseline(options)
    return GujarNetwork(options)


ARCHITECTURES: Final = {
    "gujar": Architecture(
        name="gujar",
        title="Gujar & Reha: CRNN, three text views, bilinear attention",
        paper="Gujar",
        modalities=("audio", "lyrics", "context"),
        inputs={
            "own": frozenset({"log_mel", "lyrics", "context", "words"}),
            "musicnn": frozenset({"patches", "lyrics", "context", "words"}),
        },
        mel_preset="gujar",
        window_seconds=dict.fromkeys(("paper", "small"), 255 * 512 / 22_050),  # 256 centred frames
        test_windows=4,
        build=build,
        variants=VARIANTS,
        variant_modalities={"audio-only": ("audio",), "text-only": ("lyrics", "context")},
        training={
            "own": TrainingDefaults(learning_rate=3e-4, weight_decay=1e-4, epochs=80, patience=10),
            "musicnn": TrainingDefaults(learning_rate=1e-3, weight_decay=2e-2),
        },
    )
}
