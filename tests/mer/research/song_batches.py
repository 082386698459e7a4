"""Synthetic songs for the tests of architectures.

Inputs that an architecture does not list are nan, so an architecture that reads them has nan
outputs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from mer.encoders.musicnn import AUDIO_EMBEDDING_DIM
from mer.research.architectures.base import BuildOptions, SongBatch, pad
from mer.research.inputs.front_ends import front_end as mel_front_end

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from torch import Tensor

    from mer.research.architectures.base import Architecture, FrontEndKind

EVERYTHING = ("audio", "lyrics", "context")
TEXT_DIM = 32
FRAMES = 64
VOCABULARY = tuple(
    first + last for first in ("lo", "ra", "ni", "su") for last in ("ve", "in", "ght")
)
UNKNOWN = "unheardof"


def song_batch(
    architecture: Architecture,
    songs: int = 4,
    *,
    front_end: FrontEndKind = "own",
    present: Sequence[Collection[str]] = (EVERYTHING,),
    frames: int = FRAMES,
    seed: int = 0,
) -> SongBatch:
    """Songs of different lengths, each with noise around its own mean.

    Parameters
    ----------
    architecture : Architecture
    songs : int
    front_end : {'own', 'musicnn'}
    present : sequence of collections of modalities
        Modalities of the first song, the second, and so on, repeated cyclically.
    frames : int
        Of the window.
    seed : int
    """
    generator = torch.Generator().manual_seed(seed)
    has = [present[song % len(present)] for song in range(songs)]
    named = architecture.inputs[front_end]
    log_mel, waveform = _windows(architecture, songs, frames, generator)
    heard = torch.tensor(["audio" in song for song in has])
    sequences: dict[str, Any] = {}
    for name, modality, width, longest in (
        ("patches", "audio", AUDIO_EMBEDDING_DIM, 4),
        ("lyrics", "lyrics", TEXT_DIM, 9),
        ("context", "context", TEXT_DIM, 5),
    ):
        rows = [
            _noise_around_mean((1 + (song * 3 + seed) % longest, width), generator)
            if modality in has[song]
            else None
            for song in range(songs)
        ]
        states, mask = pad(rows, width)
        if name not in named:
            states, mask = torch.full((songs, 1, width), torch.nan), torch.ones(songs, 1).bool()
        sequences |= {name: states, f"{name}_mask": mask}
    return SongBatch(
        log_mel=log_mel * heard[:, None, None] if "log_mel" in named else _nothing(songs, 1, 1),
        waveform=waveform * heard[:, None] if "waveform" in named else _nothing(songs, 1),
        has_audio=heard,
        words=_words(has, generator) if "words" in named else (("nan",),) * songs,
        **sequences,
    )


def options(
    architecture: Architecture,
    *,
    front_end: FrontEndKind = "own",
    variant: str = "full",
    classes: int = 4,
    seed: int = 0,
) -> BuildOptions:
    """Options of the harness for songs such as these, in the small size."""
    generator = torch.Generator().manual_seed(seed)
    words = "words" in architecture.inputs[front_end]
    return BuildOptions(
        classes=classes,
        front_end=front_end,
        variant=variant,
        text_dim=TEXT_DIM,
        documents=tuple(song[:-1] for song in _words([EVERYTHING] * 30, generator))
        if words
        else (),
        patch_mean=torch.full((AUDIO_EMBEDDING_DIM,), 0.1),
        patch_std=torch.full((AUDIO_EMBEDDING_DIM,), 1.5),
        seed=seed,
    )


def alone(batch: SongBatch, song: int) -> SongBatch:
    """One song of a batch, without the padding of the batch."""
    row = {name: value[song : song + 1] for name, value in batch._asdict().items()}
    for name in ("patches", "lyrics", "context"):
        steps = max(1, int(row[f"{name}_mask"].sum()))
        row |= {key: row[key][:, :steps] for key in (name, f"{name}_mask")}
    return SongBatch(**row)


def padded(batch: SongBatch, steps: int = 3) -> SongBatch:
    """Append masked steps with plausible values to every sequence."""
    longer: dict[str, Any] = {}
    for name in ("patches", "lyrics", "context"):
        states, mask = getattr(batch, name), getattr(batch, f"{name}_mask")
        generator = torch.Generator().manual_seed(7)
        extra = 3 * torch.randn(len(states), steps, states.shape[2], generator=generator)
        longer[name] = torch.cat([states, extra], dim=1)
        longer[f"{name}_mask"] = torch.cat([mask, torch.zeros(len(mask), steps).bool()], dim=1)
    return batch._replace(**longer)


def other(batch: SongBatch, another: SongBatch, modality: str) -> SongBatch:
    """Replace one modality of the songs by that of `another` batch."""
    fields = {
        "audio": ("log_mel", "waveform", "patches", "patches_mask", "has_audio"),
        "lyrics": ("lyrics", "lyrics_mask", "words"),
        "context": ("context", "context_mask", "words"),
    }[modality]
    return batch._replace(**{name: getattr(another, name) for name in fields})


def _noise_around_mean(shape: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Noise (steps, width) around the song's own mean."""
    return torch.randn(shape, generator=generator) * 0.7 + torch.randn(
        shape[1], generator=generator
    )


def _windows(
    architecture: Architecture, songs: int, frames: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Standardised log-mels (songs, n_mels, frames), and waveforms of the same duration."""
    if architecture.mel_preset is None:
        return _nothing(songs, 1, 1), _nothing(songs, 1)
    row = mel_front_end(architecture.mel_preset)
    log_mel = torch.stack(
        [_noise_around_mean((frames, row.n_mels), generator).T for _ in range(songs)]
    )
    samples = (frames - 1) * row.hop_length
    hertz = 80 * 2 ** (4 * torch.rand(songs, 1, generator=generator))
    tone = 0.3 * torch.sin(6.2832 * hertz * torch.arange(samples) / row.sample_rate)
    return log_mel, tone + 0.03 * torch.randn(songs, samples, generator=generator)


def _words(
    has: Sequence[Collection[str]], generator: torch.Generator
) -> tuple[tuple[str, ...], ...]:
    """Ten words a song, one of them unknown to every vocabulary; none without a text."""
    songs: list[tuple[str, ...]] = []
    for modalities in has:
        picks = torch.randint(len(VOCABULARY), (9,), generator=generator).tolist()
        has_text = "lyrics" in modalities or "context" in modalities
        songs.append((*(VOCABULARY[pick] for pick in picks), UNKNOWN) if has_text else ())
    return tuple(songs)


def _nothing(*shape: int) -> Tensor:
    return torch.full(shape, torch.nan)
