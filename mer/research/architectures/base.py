"""What every architecture of the comparison shares: its inputs, its outputs, its registry entry.

An architecture is one file of this package that defines ``ARCHITECTURES``, a mapping from names
to `Architecture`; `architectures` finds them all, so that adding one is adding a file.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

import torch

from mer.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor

FrontEndKind = Literal["own", "musicnn"]
Size = Literal["paper", "small"]
InputName = Literal["log_mel", "waveform", "patches", "lyrics", "context", "words"]


class SongBatch(NamedTuple):
    """Inputs of some songs; an architecture reads those that it names.

    A song without audio has zeros in all three audio inputs and False in `has_audio`; a song
    without a text has a row of `lyrics_mask` or `context_mask` that is all False and no words.
    What an architecture does not name is given with a step of one and may be anything.

    Attributes
    ----------
    log_mel : (songs, n_mels, frames) float Tensor
        A window of the song, standardised; every window has the same number of frames, because
        clips that are too short are repeated, never padded.
    waveform : (songs, samples) float Tensor
        The same window.
    patches : (songs, patches, 1756) float Tensor
        Frozen MusiCNN over the whole clip.
    patches_mask : (songs, patches) bool Tensor
    has_audio : (songs,) bool Tensor
    lyrics, context : (songs, tokens, text_dim) float Tensor
        Token states of the lyrics, and of title and artist, by the frozen text encoder.
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
        """Context and then lyrics, for architectures that know one text only.

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
    """What an architecture says of some songs.

    Parameters
    ----------
    logits : (songs, classes) float Tensor
    affect : (songs, 2) float Tensor in (0, 1)
        Valence, arousal.
    auxiliary : mapping of str to () float Tensor
        Losses of the architecture's own, already weighted; added in training.
    gates : mapping of str to (songs,) float Tensor in [0, 1]
        Readable weights of modalities; empty where the architecture has none.
    attention : (songs, heads, queries, keys) float Tensor or None
        Of the audio over the text, where there is such a thing.
    audio_mask : (songs, queries) bool Tensor or None
        Which queries of `attention` are real steps of the audio.
    text_mask : (songs, keys) bool Tensor or None
        Which keys of `attention` are real tokens.
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
    """What the harness asks of an architecture when it builds a network.

    Parameters
    ----------
    classes : int
        Of the classification head.
    size : {'paper', 'small'}
        ``small`` is the stated reduction that two CPU cores can train.
    front_end : {'own', 'musicnn'}
        ``musicnn`` puts frozen MusiCNN patches in place of the architecture's audio encoder.
    variant : str
        Ablation, of the architecture's `variants`; ``full`` is the architecture itself.
    text_dim : int
        Width of the text encoder's token states.
    documents : tuple of tuple of str
        Cleaned words of the training songs, for vocabularies; fitted on nothing else.
    patch_mean, patch_std : (1756,) float Tensor or None
        Of the training songs' patches.
    seed : int
        For what is fitted outside torch.
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


class Network(Protocol):
    """A torch module from `SongBatch` to `ModelOutput`."""

    def __call__(self, batch: SongBatch) -> ModelOutput:
        """Judge some songs; at least one modality of the architecture's in every song."""
        ...


@dataclass(frozen=True, slots=True)
class TrainingDefaults:
    """How the paper, or our resolution where it is silent, trains an architecture.

    Parameters
    ----------
    learning_rate, weight_decay : float
        Of AdamW.
    batch_songs, epochs, patience : int
        Training ends when `patience` epochs bring no better validation score.
    label_smoothing : float in [0, 1)
    affect_weight : float
        Of ``1 - CCC`` beside the cross-entropy.
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
        As typed on the command line, and as printed in tables.
    paper : str
        Name of the source in `mer`, or ``baseline``.
    modalities : tuple of str
        Of ``audio``, ``lyrics``, ``context``: what it can use.
    inputs : mapping from front end to frozenset of str
        Inputs of `SongBatch` that it reads.
    mel_preset : str or None
        Row of `mer.research.inputs.front_ends.FRONT_ENDS`; None where it takes no log-mel and no waveform.
    window_seconds : mapping from size to float
        Length of a training window.
    test_windows : int
        Windows spread over a clip at test; their probabilities are averaged.
    build : callable
        Takes `BuildOptions`, returns a ``torch.nn.Module`` that is a `Network`.
    variants : tuple of str
        Ablations that `build` knows; ``full`` first.
    variant_modalities : mapping of str to tuple of str
        What a variant can use, where that is less than `modalities`.
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
    """Every architecture by name: the papers' five and the baselines."""
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
        If there is none of that name; the message lists them.
    """
    known = architectures()
    if name not in known:
        raise InputError(f"no architecture is called {name!r}; there are {', '.join(known)}")
    return known[name]


def pad(rows: Sequence[Tensor | None], width: int) -> tuple[Tensor, Tensor]:
    """Stack sequences of different length.

    Parameters
    ----------
    rows : sequence of (steps, width) float Tensor or None
    width : int

    Returns
    -------
    states : (songs, steps, width) float32 Tensor
        Zero where padded; one step where no song has any.
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
