"""Inputs, outputs and registry of the architectures of the comparison.

An architecture is one file of this package with a mapping ``ARCHITECTURES`` from names to
`Architecture`. `architectures` finds all such files, so adding an architecture is adding a file.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch

from mer.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor

FrontEndKind = Literal["own", "musicnn"]
Size = Literal["paper", "small"]
InputName = Literal["log_mel", "waveform", "patches", "lyrics", "context", "words"]


class SongBatch(NamedTuple):
    """Inputs of some songs.

    A song without audio has zeros in all three audio inputs and False in `has_audio`. A song
    without a text has only False in its row of `lyrics_mask` or `context_mask`, and no words.
    Inputs that an architecture does not list are placeholders of length 1. Do not read them.

    Attributes
    ----------
    log_mel : (songs, n_mels, frames) float Tensor
        A window of the song, standardised. All windows have the same number of frames, because
        short clips are repeated, not padded.
    waveform : (songs, samples) float Tensor
        The same window.
    patches : (songs, patches, 1756) float Tensor
        Output of the frozen MusiCNN for the whole clip.
    patches_mask : (songs, patches) bool Tensor
    has_audio : (songs,) bool Tensor
    lyrics, context : (songs, tokens, text_dim) float Tensor
        Token states of the lyrics, and of title and artist, from the frozen text encoder.
    lyrics_mask, context_mask : (songs, tokens) bool Tensor
    words : tuple of tuple of str
        Cleaned words of the text, one tuple a song.
    """

    log_mel: Tensor
    waveform: Tensor
    patches: Tensor
    patches_mask: Tensor
    has_audio: Tensor
    lyrics: Tensor
    lyrics_mask: Tensor
    context: Tensor
    context_mask: Tensor
    words: tuple[tuple[str, ...], ...]

    def text(self) -> tuple[Tensor, Tensor]:
        """Concatenate context and lyrics, for architectures with one text input.

        Returns
        -------
        states : (songs, tokens, text_dim) float Tensor
        mask : (songs, tokens) bool Tensor
        """
        return (
            torch.cat([self.context, self.lyrics], dim=1),
            torch.cat([self.context_mask, self.lyrics_mask], dim=1),
        )


@dataclass(frozen=True, slots=True)
class ModelOutput:
    """Output of an architecture for some songs.

    Parameters
    ----------
    logits : (songs, classes) float Tensor
    affect : (songs, 2) float Tensor in (0, 1)
        Valence, arousal.
    auxiliary : mapping of str to () float Tensor
        Weighted losses of the architecture itself, added to the loss in training.
    gates : mapping of str to (songs,) float Tensor in [0, 1]
        Weights of the modalities; empty if the architecture has none.
    attention : (songs, heads, queries, keys) float Tensor or None
        Attention of the audio over the text, if the architecture has it.
    audio_mask : (songs, queries) bool Tensor or None
        True for the queries of `attention` that are real steps of the audio.
    text_mask : (songs, keys) bool Tensor or None
        True for the keys of `attention` that are real tokens.
    """

    logits: Tensor
    affect: Tensor
    auxiliary: Mapping[str, Tensor] = field(default_factory=dict)
    gates: Mapping[str, Tensor] = field(default_factory=dict)
    attention: Tensor | None = None
    audio_mask: Tensor | None = None
    text_mask: Tensor | None = None


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """Options with which the harness builds a network.

    Parameters
    ----------
    classes : int
        Number of classes.
    size : {'paper', 'small'}
        ``small`` is reduced so that two CPU cores can train it.
    front_end : {'own', 'musicnn'}
        ``musicnn`` replaces the architecture's audio encoder by frozen MusiCNN patches.
    variant : str
        Ablation, one of the architecture's `variants`. ``full`` has no ablation.
    text_dim : int
        Width of the text encoder's token states.
    documents : tuple of tuple of str
        Cleaned words of the training songs. Vocabularies are fitted on these only.
    patch_mean, patch_std : (1756,) float Tensor or None
        Moments of the training songs' patches.
    seed : int
        Seed of everything that is fitted outside torch.
    """

    classes: int
    size: Size = "small"
    front_end: FrontEndKind = "own"
    variant: str = "full"
    text_dim: int = 384
    documents: tuple[tuple[str, ...], ...] = ()
    patch_mean: Tensor | None = None
    patch_std: Tensor | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class TrainingDefaults:
    """Training of an architecture: the paper's values, or ours if the paper gives none.

    Parameters
    ----------
    learning_rate, weight_decay : float
        Of AdamW.
    batch_songs, epochs, patience : int
        Training ends after `epochs`, or after `patience` epochs without a better validation score.
    label_smoothing : float in [0, 1)
    affect_weight : float
        Weight of ``1 - CCC`` relative to the cross-entropy.
    """

    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    batch_songs: int = 32
    epochs: int = 30
    patience: int = 8
    label_smoothing: float = 0.0
    affect_weight: float = 0.5


@dataclass(frozen=True, slots=True)
class Architecture:
    """One row of the comparison.

    Parameters
    ----------
    name, title : str
        Name on the command line, and heading in tables.
    paper : str
        Name of the source in `mer`, or ``baseline``.
    modalities : tuple of str
        The modalities it uses, of ``audio``, ``lyrics`` and ``context``.
    inputs : mapping from front end to frozenset of str
        Fields of `SongBatch` that it reads.
    mel_preset : str or None
        Row of `front_ends.FRONT_ENDS`; None without a log-mel or waveform input.
    window_seconds : mapping from size to float
        Length of a training window.
    test_windows : int
        Number of windows spread over a clip at test. Their probabilities are averaged.
    build : callable
        From `BuildOptions` to a ``torch.nn.Module`` that maps a `SongBatch` to a `ModelOutput`.
        Every song of the batch has at least one of the `modalities`.
    variants : tuple of str
        Ablations that `build` accepts; ``full`` first.
    variant_modalities : mapping of str to tuple of str
        Modalities of the variants that use fewer than `modalities`.
    training : mapping from front end to TrainingDefaults
    """

    name: str
    title: str
    paper: str
    modalities: tuple[str, ...]
    inputs: Mapping[FrontEndKind, frozenset[InputName]]
    mel_preset: str | None
    window_seconds: Mapping[Size, float]
    test_windows: int
    build: Callable[[BuildOptions], torch.nn.Module]
    variants: tuple[str, ...] = ("full",)
    variant_modalities: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    training: Mapping[FrontEndKind, TrainingDefaults] = field(
        default_factory=lambda: {"own": TrainingDefaults(), "musicnn": TrainingDefaults()}
    )


@functools.cache
def architectures() -> Mapping[str, Architecture]:
    """Every architecture by name, in the order of their files."""
    found: dict[str, Architecture] = {}
    package = importlib.import_module("mer.research.architectures")
    for module in sorted(info.name for info in pkgutil.iter_modules(package.__path__)):
        found |= getattr(
            importlib.import_module(f"mer.research.architectures.{module}"), "ARCHITECTURES", {}
        )
    return found


def architecture(name: str) -> Architecture:
    """Look an architecture up.

    Raises
    ------
    InputError
        If there is no architecture of that name. The message lists the known names.
    """
    known = architectures()
    if name not in known:
        raise InputError(f"no architecture is called {name!r}; there are {', '.join(known)}")
    return known[name]


def pad(rows: Sequence[Tensor | None], width: int) -> tuple[Tensor, Tensor]:
    """Stack sequences of different lengths.

    Parameters
    ----------
    rows : sequence of (steps, width) float Tensor or None
    width : int

    Returns
    -------
    states : (songs, steps, width) float32 Tensor
        Padded with zeros; one step if no song has any.
    mask : (songs, steps) bool Tensor
    """
    steps = max(1, *(0 if row is None else len(row) for row in rows))
    states = torch.zeros(len(rows), steps, width)
    mask = torch.zeros(len(rows), steps, dtype=torch.bool)
    for song, row in enumerate(rows):
        if row is not None and len(row):
            states[song, : len(row)] = row
            mask[song, : len(row)] = True
    return states, mask
