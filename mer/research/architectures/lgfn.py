"""LGFN-style: lyrics brought to the audio's clock, and a gate between the two.

A reconstruction, never a reproduction: of the lyrics-aware gate fusion network only the abstract
[LGFN] is public, without an equation or a number. From it come a ResNet on the mel and a 1-D CNN
on the waveform, BERT for the lyrics, an attentional alignment layer (AAL) against the misalignment
of lyrics and audio, and a dynamic gate (DGFM) that weighs modalities by reliability. Ours are:

- A = Linear([A1; A2]): A1 is a ResNet-18 (transformers' `ResNetModel`, one input channel, random
  weights), pooled over frequency; A2 is four strided convolutions, pooled to A1's T steps.
  T is frames / 32, about one step a second with our front end, where its ancestors answer twice a
  second; our labels are one a song.
- L = Linear(tokens) + sinusoidal positions; the tokens come frozen, context and lyrics one text.
- AAL: softmax(A Wq (L Wk)^T / sqrt(d)) L Wv, one head. Its bias from time stamps is left out: a
  batch carries none. The residual is the lyrics' mean and not the audio that asks, which would
  put audio into the lyrics' side of the gate, whose reading would then mean nothing.
- r_A reads A, energy and spectral flatness; the log-mel is standardised, so both are the shape of
  the standardised spectrum, not decibels. r_L reads L~, the entropy of the attention over the
  logarithm of the number of tokens, and whether there are lyrics beside title and artist.
- g = sigma(W_g [A; L~; A * L~; r_A; r_L] + b), H = g * A + (1 - g) * L~, with g exactly 1 without
  a text and exactly 0 without audio, in ``no-gate`` (0.5 where both are there) too.
- A song without audio is one step of a learned null state, which asks the lyrics.
- Head: BiLSTM over the real steps, then V(t), A(t) and classes at every step; means over time.
- With the musicnn front end A is the stem, the energies are mean and deviation of every patch, and
  there is no waveform: ``no-waveform`` is then ``full``.
- ``no-aal`` gives every step the lyrics' mean; ``concat`` is Linear([A; L~]) in place of the gate.
- Optimiser, rates and sizes are ours; the rate, 5e-4 from scratch, was chosen and not tuned.

``paper`` has width 256 and a BiLSTM of 128; ``small`` keeps every part: ResNet 16/(16, 32, 64, 128)
with one block a stage, convolutions of (16, 32, 64, 64), width 64, BiLSTM 32, 5-second windows;
230 MFLOP forward and backward with 200 tokens.
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
"""Width and stride of the waveform's convolutions: 1,024 samples a step in the end."""


@dataclass(frozen=True, slots=True)
class LgfnSize:
    """Numbers of one size of `Lgfn`.

    Parameters
    ----------
    width : int
        Of A, L~ and the gate; even.
    recurrent : int
        Of the BiLSTM, a direction.
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


class Clock(NamedTuple):
    """Audio on its own clock.

    Attributes
    ----------
    states : (songs, T, width) float Tensor
        A; a song without audio has the null state in its first step.
    energies : (songs, T, 2) float Tensor
        Loudness and flatness; 0 without audio.
    mask : (songs, T) bool Tensor
        Real steps and the null one, never a gap before a real step.
    heard : (songs,) bool Tensor
    """

    states: Tensor
    energies: Tensor
    mask: Tensor
    heard: Tensor


def mel_energies(log_mel: Tensor, steps: int) -> Tensor:
    """Log-energy and log-flatness of the frames, averaged to `steps`.

    Parameters
    ----------
    log_mel : (songs, n_mels, frames) float Tensor
    steps : int

    Returns
    -------
    (songs, steps, 2) float Tensor
        Logarithm of the arithmetic mean over bands; logarithm of the geometric over the arithmetic
        mean, at most 0, which a flat spectrum reaches.
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
        False leaves A2 out.
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
        """Turn a batch into states (songs, T, width), energies (songs, T, 2), mask (songs, T)."""
        heard = batch.has_audio
        songs, width = len(heard), self.join.out_features
        if not bool(heard.any()):
            empty = batch.log_mel.new_zeros(songs, 1, width)
            return empty, empty[..., :2], heard.unsqueeze(1)
        # Silent rows stay out of the batch normalisation, whose statistics they would bend.
        log_mel = batch.log_mel[heard]
        parts = [self.resnet(log_mel.unsqueeze(1)).last_hidden_state.mean(dim=2)]  # A1
        steps = parts[0].shape[2]
        if self.waveform is not None:
            samples = self.waveform(batch.waveform[heard].unsqueeze(1))
            parts.append(F.adaptive_avg_pool1d(samples, steps))  # A2
        rows = self.join(torch.cat(parts, dim=1).transpose(1, 2))
        states, energies = rows.new_zeros(songs, steps, width), log_mel.new_zeros(songs, steps, 2)
        states[heard] = rows
        energies[heard] = mel_energies(log_mel, steps)
        return states, energies, heard.unsqueeze(1).expand(-1, steps)


class MusicnnAudio(nn.Module):
    """A of the frozen MusiCNN patches.

    Parameters
    ----------
    options : BuildOptions
    width : int
    """

    def __init__(self, options: BuildOptions, width: int) -> None:
        super().__init__()
        self.stem = MusicnnStem(options, width)

    def forward(self, batch: SongBatch) -> tuple[Tensor, Tensor, Tensor]:
        """Turn a batch into states (songs, T, width), energies (songs, T, 2), mask (songs, T)."""
        states, mask = self.stem(batch)
        patches = (batch.patches - self.stem.mean) / self.stem.std
        energies = torch.stack([patches.mean(dim=2), patches.std(dim=2)], dim=2)
        # A patch that was dropped leaves no gap: the BiLSTM packs what comes first.
        order = (~mask).to(torch.uint8).argsort(dim=1, stable=True)
        states, energies = (x.take_along_dim(order[..., None], 1) for x in (states, energies))
        return states, energies, mask.take_along_dim(order, 1)


class Alignment(nn.Module):
    """AAL: the lyrics on the audio's clock.

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
        """Resample the lyrics.

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
            Of the attention; 1 where it is spread evenly.
        weights : (songs, 1, T, tokens + 1) float Tensor or None
        """
        lyrics = self.tokens(text)
        # Positions count real tokens: how far the context is padded must not move the lyrics.
        table = sinusoidal_positions(mask.shape[1], lyrics.shape[2]).to(lyrics)
        lyrics = lyrics + table[(mask.cumsum(dim=1) - 1).clamp(min=0)]
        aligned = masked_mean(lyrics, mask).unsqueeze(1).expand_as(audio)
        entropy, weights = torch.ones_like(audio[..., :1]), None
        if self.attention is not None:
            answers, weights = self.attention(audio, lyrics, mask)
            aligned = aligned + answers
            # The floor keeps the gradient of 0 log 0 finite.
            nats = -(weights * weights.clamp(min=1e-9).log()).sum(dim=3).transpose(1, 2)
            most = mask.sum(dim=1).clamp(min=2).log()
            entropy = nats / most[:, None, None]
        return self.norm(aligned), entropy, weights


class Gate(nn.Module):
    """DGFM: how much of every step and coordinate is audio.

    Parameters
    ----------
    width : int
    fixed : bool
        True gives 0.5 wherever both modalities are there.
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
        self, clock: Clock, aligned: Tensor, entropy: Tensor, written: Tensor, sung: Tensor
    ) -> Tensor:
        """Weigh the audio.

        Parameters
        ----------
        clock : Clock
        aligned : (songs, T, width) float Tensor
        entropy : (songs, T, 1) float Tensor
        written, sung : (songs,) bool Tensors
            Whether there is a text at all, and whether there are lyrics in it.

        Returns
        -------
        (songs, T, width) float Tensor in [0, 1]
            g; exactly 1 without a text, and otherwise exactly 0 without audio.
        """
        audio = clock.states
        gate = torch.full_like(audio, 0.5)
        if not self.fixed:
            has_lyrics = sung[:, None, None].to(audio).expand_as(entropy)
            r_audio = self.audio(torch.cat([audio, clock.energies], dim=2)).sigmoid()
            r_lyrics = self.lyrics(torch.cat([aligned, entropy, has_lyrics], dim=2)).sigmoid()
            parts = [audio, aligned, audio * aligned, r_audio, r_lyrics]
            gate = self.gate(torch.cat(parts, dim=2)).sigmoid()
        gate = gate.masked_fill(~clock.heard[:, None, None], 0.0)
        return gate.masked_fill(~written[:, None, None], 1.0)


class Lgfn(nn.Module):
    """The whole architecture, from `SongBatch` to `ModelOutput`.

    Parameters
    ----------
    options : BuildOptions

    Raises
    ------
    InputError
        If there is no such variant, or the musicnn front end lacks the patches' moments.
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
            # A text that is not there weighs 0: nothing could teach its token.
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

    def listen(self, batch: SongBatch) -> Clock:
        """Bring the audio, or the null state in its place, on its clock."""
        states, energies, mask = self.audio(batch)
        mask = mask & batch.has_audio.unsqueeze(1)
        heard = mask.any(dim=1)
        empty = F.pad(~heard.unsqueeze(1), (0, mask.shape[1] - 1))
        states = torch.where(empty.unsqueeze(-1), self.null_audio, states)
        energies = energies.masked_fill(~mask.unsqueeze(-1), 0.0)
        return Clock(states, energies, mask | empty, heard)

    def fuse(self, batch: SongBatch, clock: Clock) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Bring the lyrics on the clock and mix: H, g (songs, T, width), attention."""
        text, mask = batch.text()
        aligned, entropy, attention = self.align(clock.states, text, mask)
        if isinstance(self.mix, nn.Linear):
            return self.mix(torch.cat([clock.states, aligned], dim=2)), None, attention
        sung = batch.lyrics_mask.any(dim=1)
        gate = self.mix(clock, aligned, entropy, mask.any(dim=1), sung)
        return gate * clock.states + (1.0 - gate) * aligned, gate, attention

    def forward(self, batch: SongBatch) -> ModelOutput:
        """Judge some songs.

        Parameters
        ----------
        batch : SongBatch

        Returns
        -------
        ModelOutput
            Gates ``audio`` and ``lyrics``, means of g and of 1 - g; none in ``concat``.
            `attention` unless the variant is ``no-aal``.
        """
        clock = self.listen(batch)
        mixed, gate, attention = self.fuse(batch, clock)
        lengths = clock.mask.sum(dim=1).cpu()
        # Not every processor has an LSTM of half precision, and this one is small.
        with torch.autocast(mixed.device.type, enabled=False):
            packed = pack_padded_sequence(
                mixed.float(), lengths, batch_first=True, enforce_sorted=False
            )
            states, _ = pad_packed_sequence(self.recurrent(packed)[0], batch_first=True)
        states, steps = self.dropout(states), clock.mask[:, : states.shape[1]]
        gates = {}
        if gate is not None:
            weight = masked_mean(gate, clock.mask).mean(dim=1)
            gates = {"audio": weight, "lyrics": 1.0 - weight}
        return ModelOutput(
            logits=masked_mean(self.classify(states), steps),
            affect=masked_mean(self.affect(states).sigmoid(), steps),
            gates=gates,
            attention=attention,
            audio_mask=clock.mask,
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
