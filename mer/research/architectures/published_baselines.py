"""Two published fusions of audio and lyrics, rebuilt for the comparison [HCMA, section 4].

Delbouys et al. (2018), "Music mood detection based on audio and lyrics with deep neural net",
ISMIR. Audio: 40 mel bands of 1024-sample windows without overlap, convolutions along time. Lyrics:
word vectors, convolutions and a recurrent layer. Both are concatenated before the last dense
layers.

Pyrovolakis, Tzouveli & Stamou (2022), "Multi-modal song mood detection with deep learning",
Sensors 22(3), 1065. A CNN over log-mel and BERT over the lyrics, with late fusion.

Notes
-----
These are reconstructions from the papers' descriptions, not ports. These choices are ours:

- the numbers of channels and units;
- the second output for valence and arousal;
- a mean over time, where the papers flatten to a fixed length;
- the learned vector for a missing modality;
- Word2Vec is fitted on the training songs, because Delbouys' corpus of lyrics is not public;
- the text encoder is frozen;
- title and artist precede the lyrics, as in all text networks of the comparison.

Cost of a window, forward and backward, in GFLOP. Delbouys has one size. The ``small`` Pyrovolakis
has a quarter of the channels.

=============  ==============  ==============
..             ``small``       ``paper``
=============  ==============  ==============
Delbouys       0.06 (30 s)     0.06 (30 s)
Pyrovolakis    0.22 (6 s)      5.4 (10 s)
=============  ==============  ==============
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
import torch.nn.functional as F
from torch import nn

from mer.network import masked_mean
from mer.research.architectures.base import Architecture, TrainingDefaults
from mer.research.architectures.baselines import (
    AUDIO_INPUTS,
    MEL_PRESET,
    PATCH_INPUTS,
    SIZES,
    TEST_WINDOWS,
    TEXT_INPUTS,
    WINDOW_SECONDS,
    ConcatNetwork,
    MlpHead,
    PooledAudio,
    text_branch,
    without_variants,
)
from mer.research.architectures.blocks import MusicnnStem
from mer.research.architectures.branches import AudioBranch, BiGru
from mer.research.inputs.vocabulary import WordTable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from mer.research.architectures.base import (
        BuildOptions,
        FrontEndKind,
        InputName,
        Size,
        SongBatch,
    )

DELBOUYS_MELS: Final = 40
DELBOUYS_WORD_WIDTH: Final = 100
DELBOUYS_FEATURES: Final = 64
DELBOUYS_HIDDEN: Final = 100


class TimeConvolutions(nn.Module):
    """Two pairs of convolution along time and pooling, over all bands [Delbouys].

    For 30 s the shape changes from ``(songs, 40, 1292)`` to ``(songs, 82, 16)``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(DELBOUYS_MELS, 32, 8, padding=4, bias=False),
            nn.BatchNorm1d(32),
            nn.ReLU(),
            nn.MaxPool1d(4, ceil_mode=True),
            nn.Conv1d(32, 16, 8, padding=4, bias=False),
            nn.BatchNorm1d(16),
            nn.ReLU(),
            nn.MaxPool1d(4, ceil_mode=True),
        )

    def forward(self, batch: SongBatch) -> tuple[Tensor, Tensor]:
        """Return states (songs, steps, 16) and an all-True mask (songs, steps)."""
        states = self.layers(batch.log_mel).transpose(1, 2)
        return states, torch.ones(states.shape[:2], dtype=torch.bool, device=states.device)


class DelbouysAudio(nn.Module):
    """The convolutions, or MusiCNN patches, pooled over time.

    Parameters
    ----------
    options : BuildOptions
    """

    def __init__(self, options: BuildOptions) -> None:
        super().__init__()
        musicnn = options.front_end == "musicnn"
        self.stem = MusicnnStem(options, 16) if musicnn else TimeConvolutions()
        self.project = nn.Linear(16, DELBOUYS_FEATURES)

    def forward(self, batch: SongBatch) -> Tensor:
        """Map songs with audio to (songs, 64)."""
        return F.relu(self.project(masked_mean(*self.stem(batch))))


class DelbouysWords(nn.Module):
    """Word vectors, two pairs of convolution and pooling, a GRU [Delbouys].

    Parameters
    ----------
    options : BuildOptions
        Vocabulary and vectors are fitted on its documents.
    """

    def __init__(self, options: BuildOptions) -> None:
        super().__init__()
        self.table = WordTable.fit(options.documents, width=DELBOUYS_WORD_WIDTH, seed=options.seed)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(inputs, 16, 3, padding=1) for inputs in (DELBOUYS_WORD_WIDTH, 16)
        )
        self.gru = BiGru(16, 40, layers=1)
        self.project = nn.Linear(80, DELBOUYS_FEATURES)
        self.null = nn.Parameter(0.02 * torch.randn(DELBOUYS_FEATURES))

    def forward(self, batch: SongBatch) -> tuple[Tensor, Tensor]:
        """Return features (songs, 64) and which (songs,) have a word of the vocabulary."""
        states, mask = self.table.look_up(batch.words)
        present = mask.any(dim=1)
        for convolution in self.convolutions:
            # Padded steps are 0 before and after, so max pooling of ReLUs ignores them.
            states = F.relu(convolution(states.transpose(1, 2))) * mask.unsqueeze(1)
            states = F.max_pool1d(states, 2, ceil_mode=True).transpose(1, 2)
            mask = mask[:, ::2]
        features = F.relu(self.project(self.gru(states, mask)))
        return torch.where(present.unsqueeze(1), features, self.null), present


def build_delbouys(options: BuildOptions) -> nn.Module:
    """Time convolutions and word convolutions, concatenated before two dense layers.

    Raises
    ------
    PackageMissingError
        If Word2Vec must be fitted and gensim is not installed.
    """
    audio = AudioBranch(DelbouysAudio(options), DELBOUYS_FEATURES)
    head = MlpHead(2 * DELBOUYS_FEATURES, DELBOUYS_HIDDEN, options.classes)
    return ConcatNetwork([audio, DelbouysWords(options)], head)


def build_pyrovolakis(options: BuildOptions) -> nn.Module:
    """CNN over log-mel and pooled tokens of the text encoder, concatenated before an MLP."""
    widths = SIZES[options.size]
    # One block deeper than our CNN, for a longer receptive field of a step.
    channels = (*widths.channels, widths.channels[-1])
    audio = AudioBranch(PooledAudio(options, channels, widths.features), widths.features)
    text = text_branch(options, widths.features)
    head = MlpHead(2 * widths.features, widths.features, options.classes)
    return ConcatNetwork([audio, text], head)


_DELBOUYS_WINDOW: Final[Mapping[Size, float]] = {"paper": 30.0, "small": 30.0}
_WORDS: Final[frozenset[InputName]] = frozenset({"words"})
_TRAINING: Final[Mapping[FrontEndKind, TrainingDefaults]] = {
    "own": TrainingDefaults(),
    "musicnn": TrainingDefaults(weight_decay=2e-2),
}

ARCHITECTURES: Final = {
    "delbouys": Architecture(
        name="delbouys",
        title="Delbouys et al. 2018 (rebuilt)",
        paper="baseline",
        modalities=("audio", "lyrics", "context"),
        inputs={"own": AUDIO_INPUTS | _WORDS, "musicnn": PATCH_INPUTS | _WORDS},
        mel_preset="hcma",
        window_seconds=_DELBOUYS_WINDOW,
        test_windows=1,
        build=without_variants("delbouys", build_delbouys),
        training=_TRAINING,
    ),
    "pyrovolakis": Architecture(
        name="pyrovolakis",
        title="Pyrovolakis et al. 2022 (rebuilt)",
        paper="baseline",
        modalities=("audio", "lyrics", "context"),
        inputs={"own": AUDIO_INPUTS | TEXT_INPUTS, "musicnn": PATCH_INPUTS | TEXT_INPUTS},
        mel_preset=MEL_PRESET,
        window_seconds=WINDOW_SECONDS,
        test_windows=TEST_WINDOWS,
        build=without_variants("pyrovolakis", build_pyrovolakis),
        training=_TRAINING,
    ),
}
