"""LGFN-style: lyrics aligned to the audio's time steps, and a gate between the two.

This is a reconstruction, not a reproduction. Only the abstract of the lyrics-aware gate fusion
network [LGFN] is public, without equations or numbers. It names these parts: a ResNet on the mel
and a 1-D CNN on the waveform, BERT for the lyrics, an attentional alignment layer (AAL) against the
misalignment of lyrics and audio, and a dynamic gate (DGFM) that weights the modalities by
reliability. The rest is ours:

- A = Linear([A1; A2]). A1 is a ResNet-18 (transformers' `ResNetModel`, one input channel, random
  weights), pooled over frequency. A2 is four strided convolutions, pooled to A1's T steps. T is
  frames / 32, about one step a second with our front end. Related networks have two steps a second,
  but our labels are one a song.
- L = Linear(tokens) + sinusoidal positions. The tokens are frozen; context and lyrics are one text.
- AAL: softmax(A Wq (L Wk)^T / sqrt(d)) L Wv, one head. The bias from time stamps is omitted,
  because a batch has none. The residual is the lyrics' mean, not the audio query. Otherwise the
  lyrics' side of the gate would contain audio, and the gate could not be interpreted.
- r_A depends on A, energy and spectral flatness. The log-mel is standardised, so both describe the
  shape of the standardised spectrum, not decibels. r_L depends on L~, on the entropy of the
  attention divided by the logarithm of the number of tokens, and on whether there are lyrics in
  addition to title and artist.
- g = sigma(W_g [A; L~; A * L~; r_A; r_L] + b), H = g * A + (1 - g) * L~. g is exactly 1 without a
  text and exactly 0 without audio, also in ``no-gate``, where it is 0.5 otherwise.
- A song without audio has one step, a learned null state, which is the query of the alignment.
- Head: BiLSTM over the real steps, then valence, arousal and classes at every step, and their means
  over time.
- With the musicnn front end, A is the stem, the energies are mean and deviation of every patch, and
  there is no waveform, so ``no-waveform`` equals ``full``.
- ``no-aal`` gives every step the lyrics' mean. ``concat`` replaces the gate by Linear([A; L~]).
- Optimiser, rates and sizes are ours. The rate, 5e-4 from scratch, was not tuned.

``small`` keeps every part, has 5-second windows, and costs 230 MFLOP forward and backward with 200
tokens. The numbers of both sizes are in `SIZES`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from transformers import ResNetConfig, ResNetModel

from mer.errors import InputError
from mer.network import masked_mean
from mer.research.architectures.base import Architecture, ModelOutput, TrainingDefaults
from mer.research.architectures.blocks import (
    CrossAttention,
    MusicnnStem,
    real_keys,
    sinusoidal_positions,
)

if TYPE_CHECKING:
    from torch import Tensor

    from mer.research.architectures.base import BuildOptions, Size, SongBatch

VARIANTS: Final = ("full", "no-aal", "no-gate", "concat", "no-waveform")
_KERNELS: Final = ((64, 16), (8, 4), (8, 4), (8, 4))
"""Width and stride of the waveform's convolutions; a step of the last has 1,024 samples."""


@dataclass(frozen=True, slots=True)
class LgfnSize:
    """Numbers of one size of `Lgfn`.

    Parameters
    ----------
    width : int
        Of A, L~ and the gate; even.
    recurrent : int
        Of the BiLSTM, one direction.
    stem : int
        Channels after the ResNet's first convolution.
    channels, blocks : tuple of int
        Of the ResNet's four stages.
    waveform : tuple of int
        Channels of the waveform's four convolutions.
    dropout : float in [0, 1)
        Before the heads.
    """

    width: int
    recurrent: int
    stem: int
    channels: tuple[int, int, int, int]
    blocks: tuple[int, int, int, int]
    waveform: tuple[int, int, int, int]
    dropout: float = 0.3


SIZES: Final[dict[Size, LgfnSize]] = {
    "paper": LgfnSize(256, 128, 64, (64, 128, 256, 512), (2, 2, 2, 2), (64, 128, 128, 256)),
    "small": LgfnSize(64, 32, 16, (16, 32, 64, 128), (1, 1, 1, 1), (16, 32, 64, 64)),
}


class AudioSteps(NamedTuple):
    """Audio by time step.

    Attributes
    ----------
    states : (songs, T, width) float Tensor
        A. A song without audio has the null state in its first step.
    energies : (songs, T, 2) float Tensor
        Energy and flatness; 0 without audio.
    mask : (songs, T) bool Tensor
        True for real steps and the null step. Real steps have no gap between them.
    has_audio : (songs,) bool Tensor
    """

    states: Tensor
    energies: Tensor
    mask: Tensor
    has_audio: Tensor


def mel_energies(log_mel: Tensor, steps: int) -> Tensor:
    """Log-energy and log-flatness of the frames, averaged over time to `steps`.

    Parameters
    ----------
    log_mel : (songs, n_mels, frames) float Tensor
    steps : int

    Returns
    -------
    (songs, steps, 2) float Tensor
        First the logarithm of the arithmetic mean over bands. Then the logarithm of the geometric
        divided by the arithmetic mean; it is at most 0, the value of a flat spectrum.
    """
    energy = log_mel.logsumexp(dim=1) - math.log(log_mel.shape[1])
    flatness = log_mel.mean(dim=1) - energy
    both = torch.stack([energy, flatness], dim=1)  # (songs, 2, frames)
    return F.adaptive_avg_pool1d(both, steps).transpose(1, 2)


class WaveformBranch(nn.Sequential):
    """A2: four strided convolutions over the samples.

    Parameters
    ----------
    channels : tuple of int
    """

    def __init__(self, channels: tuple[int, ...]) -> None:
        layers: list[nn.Module] = []
        for before, after, (kernel, stride) in zip(
            (1, *channels), channels, _KERNELS, strict=False
        ):
            layers += [
                nn.Conv1d(before, after, kernel, stride, padding=kernel // 2, bias=False),
                nn.BatchNorm1d(after),
                nn.ReLU(),
            ]
        super().__init__(*layers)


class OwnAudio(nn.Module):
    """A = Linear([A1; A2]) of the log-mel and the waveform.

    Parameters
    ----------
    size : LgfnSize
    waveform : bool
        False omits A2.
    """

    def __init__(self, size: LgfnSize, *, waveform: bool) -> None:
        super().__init__()
        self.resnet = ResNetModel(
            ResNetConfig(
                num_channels=1,
                embedding_size=size.stem,
                hidden_sizes=list(size.channels),
                depths=list(size.blocks),
                layer_type="basic",
            )
        )
        self.waveform = WaveformBranch(size.waveform) if waveform else None
        joined = size.channels[-1] + (size.waveform[-1] if waveform else 0)
        self.join = nn.Linear(joined, size.width)

    def forward(self, batch: SongBatch) -> tuple[Tensor, Tensor, Tensor]:
        """Return states (songs, T, width), energies (songs, T, 2) and mask (songs, T)."""
        has_audio = batch.has_audio
        songs, width = len(has_audio), self.join.out_features
        if not bool(has_audio.any()):
            empty = batch.log_mel.new_zeros(songs, 1, width)
            return empty, empty[..., :2], has_audio.unsqueeze(1)
        # Songs without audio stay out of the encoder: they would change BatchNorm's statistics.
        log_mel = batch.log_mel[has_audio]
        parts = [self.resnet(log_mel.unsqueeze(1)).last_hidden_state.mean(dim=2)]  # A1
        steps = parts[0].shape[2]
        if self.waveform is not None:
            samples = self.waveform(batch.waveform[has_audio].unsqueeze(1))
            parts.append(F.adaptive_avg_pool1d(samples, steps))  # A2
        rows = self.join(torch.cat(parts, dim=1).transpose(1, 2))
        states, energies = rows.new_zeros(songs, steps, width), log_mel.new_zeros(songs, steps, 2)
        states[has_audio] = rows
        energies[has_audio] = mel_energies(log_mel, steps)
        return states, energies, has_audio.unsqueeze(1).expand(-1, steps)


class MusicnnAudio(nn.Module):
    """A from the frozen MusiCNN patches.

    Parameters
    ----------
    options : BuildOptions
    width : int
    """

    def __init__(self, options: BuildOptions, width: int) -> None:
        super().__init__()
        self.stem = MusicnnStem(options, width)

    def forward(self, batch: SongBatch) -> tuple[Tensor, Tensor, Tensor]:
        """Return states (songs, T, width), energies (songs, T, 2) and mask (songs, T)."""
        states, mask = self.stem(batch)
        patches = (batch.patches - self.stem.mean) / self.stem.std
        energies = torch.stack([patches.mean(dim=2), patches.std(dim=2)], dim=2)
        # Real patches first, because packing for the BiLSTM keeps the first steps.
        order = (~mask).to(torch.uint8).argsort(dim=1, stable=True)
        states, energies = (x.take_along_dim(order[..., None], 1) for x in (states, energies))
        return states, energies, mask.take_along_dim(order, 1)


class Alignment(nn.Module):
    """AAL: the lyrics at the audio's time steps.

    Parameters
    ----------
    text_dim, width : int
    attend : bool
        False gives every step the lyrics' mean.
    """

    def __init__(self, text_dim: int, width: int, *, attend: bool) -> None:
        super().__init__()
        self.tokens = nn.Linear(text_dim, width)
        self.attention = CrossAttention(width, heads=1) if attend else None
        self.norm = nn.LayerNorm(width)

    def forward(
        self, audio: Tensor, text: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Compute the lyrics of every time step.

        Parameters
        ----------
        audio : (songs, T, width) float Tensor
        text : (songs, tokens, text_dim) float Tensor
        mask : (songs, tokens) bool Tensor

        Returns
        -------
        aligned : (songs, T, width) float Tensor
            L~.
        entropy : (songs, T, 1) float Tensor in [0, 1]
            Relative entropy of the attention; 1 if the weights are equal.
        weights : (songs, 1, T, tokens + 1) float Tensor or None
        """
        lyrics = self.tokens(text)
        # Positions count real tokens, so the padding of the context does not change the lyrics.
        table = sinusoidal_positions(mask.shape[1], lyrics.shape[2]).to(lyrics)
        lyrics = lyrics + table[(mask.cumsum(dim=1) - 1).clamp(min=0)]
        aligned = masked_mean(lyrics, mask).unsqueeze(1).expand_as(audio)
        entropy, weights = torch.ones_like(audio[..., :1]), None
        if self.attention is not None:
            attended, weights = self.attention(audio, lyrics, mask)
            aligned = aligned + attended
            # The floor keeps the gradient of 0 log 0 finite.
            nats = -(weights * weights.clamp(min=1e-9).log()).sum(dim=3).transpose(1, 2)
            most = mask.sum(dim=1).clamp(min=2).log()
            entropy = nats / most[:, None, None]
        return self.norm(aligned), entropy, weights


class Gate(nn.Module):
    """DGFM: the weight of the audio at every step and coordinate.

    Parameters
    ----------
    width : int
    fixed : bool
        True gives 0.5 to songs with both modalities.
    """

    def __init__(self, width: int, *, fixed: bool) -> None:
        super().__init__()
        self.fixed = fixed
        if not fixed:
            half = width // 2
            self.audio, self.lyrics = (
                nn.Sequential(nn.Linear(width + 2, half), nn.ReLU(), nn.Linear(half, 1))
                for _ in range(2)
            )
            self.gate = nn.Linear(3 * width + 2, width)

    def forward(
        self,
        steps: AudioSteps,
        aligned: Tensor,
        entropy: Tensor,
        has_text: Tensor,
        has_lyrics: Tensor,
    ) -> Tensor:
        """Compute the weight of the audio.

        Parameters
        ----------
        steps : AudioSteps
        aligned : (songs, T, width) float Tensor
        entropy : (songs, T, 1) float Tensor
        has_text, has_lyrics : (songs,) bool Tensors
            Whether a song has any text, and whether it has lyrics.

        Returns
        -------
        (songs, T, width) float Tensor in [0, 1]
            g; exactly 1 without a text, and otherwise exactly 0 without audio.
        """
        audio = steps.states
        gate = torch.full_like(audio, 0.5)
        if not self.fixed:
            lyrics_flag = has_lyrics[:, None, None].to(audio).expand_as(entropy)
            r_audio = self.audio(torch.cat([audio, steps.energies], dim=2)).sigmoid()
            r_lyrics = self.lyrics(torch.cat([aligned, entropy, lyrics_flag], dim=2)).sigmoid()
            parts = [audio, aligned, audio * aligned, r_audio, r_lyrics]
            gate = self.gate(torch.cat(parts, dim=2)).sigmoid()
        gate = gate.masked_fill(~steps.has_audio[:, None, None], 0.0)
        return gate.masked_fill(~has_text[:, None, None], 1.0)


class Lgfn(nn.Module):
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
            raise InputError(f"lgfn has no variant {options.variant!r}; try {', '.join(VARIANTS)}")
        size, variant = SIZES[options.size], options.variant
        width = size.width
        self.audio = (
            OwnAudio(size, waveform=variant != "no-waveform")
            if options.front_end == "own"
            else MusicnnAudio(options, width)
        )
        self.null_audio = nn.Parameter(torch.zeros(width))
        self.align = Alignment(options.text_dim, width, attend=variant != "no-aal")
        if self.align.attention is not None and variant != "concat":
            # The gate gives a missing text the weight 0, so its null token gets no gradient.
            self.align.attention.null.requires_grad = False
        self.mix = (
            nn.Linear(2 * width, width)
            if variant == "concat"
            else Gate(width, fixed=variant == "no-gate")
        )
        self.recurrent = nn.LSTM(width, size.recurrent, batch_first=True, bidirectional=True)
        self.dropout = nn.Dropout(size.dropout)
        self.affect = nn.Linear(2 * size.recurrent, 2)
        self.classify = nn.Linear(2 * size.recurrent, options.classes)

    def encode_audio(self, batch: SongBatch) -> AudioSteps:
        """Encode the audio; songs without audio get the null state as their only step."""
        states, energies, mask = self.audio(batch)
        mask = mask & batch.has_audio.unsqueeze(1)
        has_audio = mask.any(dim=1)
        empty = F.pad(~has_audio.unsqueeze(1), (0, mask.shape[1] - 1))
        states = torch.where(empty.unsqueeze(-1), self.null_audio, states)
        energies = energies.masked_fill(~mask.unsqueeze(-1), 0.0)
        return AudioSteps(states, energies, mask | empty, has_audio)

    def fuse(
        self, batch: SongBatch, steps: AudioSteps
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Align the lyrics and mix both: H and g (songs, T, width), and the attention."""
        text, mask = batch.text()
        aligned, entropy, attention = self.align(steps.states, text, mask)
        if isinstance(self.mix, nn.Linear):
            return self.mix(torch.cat([steps.states, aligned], dim=2)), None, attention
        has_lyrics = batch.lyrics_mask.any(dim=1)
        gate = self.mix(steps, aligned, entropy, mask.any(dim=1), has_lyrics)
        return gate * steps.states + (1.0 - gate) * aligned, gate, attention

    def forward(self, batch: SongBatch) -> ModelOutput:
        """Predict.

        Parameters
        ----------
        batch : SongBatch

        Returns
        -------
        ModelOutput
            The gates ``audio`` and ``lyrics`` are the means of g and of 1 - g; ``concat`` has none.
            `attention` is None in ``no-aal``.
        """
        audio = self.encode_audio(batch)
        mixed, gate, attention = self.fuse(batch, audio)
        lengths = audio.mask.sum(dim=1).cpu()
        # float32, because not every device has an LSTM of half precision.
        with torch.autocast(mixed.device.type, enabled=False):
            packed = pack_padded_sequence(
                mixed.float(), lengths, batch_first=True, enforce_sorted=False
            )
            states, _ = pad_packed_sequence(self.recurrent(packed)[0], batch_first=True)
        states, steps = self.dropout(states), audio.mask[:, : states.shape[1]]
        gates = {}
        if gate is not None:
            weight = masked_mean(gate, audio.mask).mean(dim=1)
            gates = {"audio": weight, "lyrics": 1.0 - weight}
        return ModelOutput(
            logits=masked_mean(self.classify(states), steps),
            affect=masked_mean(self.affect(states).sigmoid(), steps),
            gates=gates,
            attention=attention,
            audio_mask=audio.mask,
            text_mask=None if attention is None else real_keys(batch.text()[1]),
        )


ARCHITECTURES: Final = {
    "lgfn": Architecture(
        name="lgfn",
        title="LGFN-style: aligned lyrics, dynamic gate",
        paper="LGFN",
        modalities=("audio", "lyrics", "context"),
        inputs={
            "own": frozenset({"log_mel", "waveform", "lyrics", "context"}),
            "musicnn": frozenset({"patches", "lyrics", "context"}),
        },
        mel_preset="lgfn",
        window_seconds={"paper": 10.0, "small": 5.0},
        test_windows=5,
        build=Lgfn,
        variants=VARIANTS,
        training={
            "own": TrainingDefaults(learning_rate=5e-4),
            "musicnn": TrainingDefaults(weight_decay=2e-2),
        },
    )
}
