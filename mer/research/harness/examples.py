"""Songs with all inputs, their modifications, and the batches of the architectures."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from mer.errors import InputError
from mer.lyrics import context_text
from mer.research.architectures.base import BuildOptions, SongBatch, pad
from mer.research.datasets import mirex, panda4q
from mer.research.datasets.base import drop_overlaps
from mer.research.inputs.features import FeatureCache, TrackFeatures
from mer.research.inputs.front_ends import front_end as mel_front_end
from mer.research.inputs.sounds import Sounds
from mer.research.inputs.vocabulary import clean_words

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor

    from mer.research.architectures.base import Architecture, FrontEndKind, Size
    from mer.research.datasets.base import Split, Track

MODALITIES: Final = ("audio", "lyrics", "context")
SETS: Final = ("panda4q", "mirex")
"""Data sets with audio, on which every architecture can be compared."""


@dataclass(frozen=True, slots=True)
class Example:
    """A labelled song, its encoder features and its words.

    Parameters
    ----------
    features : TrackFeatures
    lyrics_words, context_words : tuple of str
        Cleaned, for TF-IDF and Word2Vec.
    """

    features: TrackFeatures
    lyrics_words: tuple[str, ...] = ()
    context_words: tuple[str, ...] = ()

    @property
    def track(self) -> Track:
        """The song itself."""
        return self.features.track

    @classmethod
    def of(cls, features: TrackFeatures) -> Example:
        """Make an example, with cleaned words, of a song's features."""
        track = features.track
        return cls(
            features,
            clean_words(track.lyrics or ""),
            clean_words(context_text(track.title, track.artist)),
        )


@dataclass(frozen=True, slots=True)
class Condition:
    """Modification of songs before a prediction; none by default.

    The dropped songs, tokens and frames depend on the song and `seed` alone, and those of a larger
    share include those of a smaller one.

    Parameters
    ----------
    snr_db : float or None
        Signal-to-noise ratio of white noise over the audio, in decibels.
    drop_songs : mapping of modality to float in [0, 1]
        Share of songs without the modality.
    token_drop, frame_drop : float in [0, 1]
        Share of a song's tokens, and of its frames or patches, that are dropped.
    shuffle : tuple of str
        Texts (``lyrics``, ``context``) that are exchanged between songs.
    seed : int
    """

    snr_db: float | None = None
    drop_songs: tuple[tuple[str, float], ...] = ()
    token_drop: float = 0.0
    frame_drop: float = 0.0
    shuffle: tuple[str, ...] = ()
    seed: int = 0

    def loses(self, track: Track, modality: str) -> bool:
        """Whether `modality` is dropped from `track`."""
        share = dict(self.drop_songs).get(modality, 0.0)
        return _chance(self.seed, modality, track.dataset, track.track_id) < share

    def kept_steps(self, track: Track, name: str, steps: int, share: float) -> Tensor:
        """Mask (steps,) of the kept steps; at least one unless `share` is 1."""
        if share <= 0 or steps == 0:
            return torch.ones(steps, dtype=torch.bool)
        seed = int(_chance(self.seed, name, track.dataset, track.track_id) * 2**32)
        order = np.random.default_rng(seed).permutation(steps)
        dropped = steps if share >= 1 else min(steps - 1, round(share * steps))
        mask = torch.ones(steps, dtype=torch.bool)
        mask[torch.from_numpy(order[:dropped])] = False
        return mask

    def shuffled(self, examples: Sequence[Example]) -> list[Example]:
        """Give each song the texts of the next one, in an order that depends on `seed`."""
        if not self.shuffle or len(examples) < 2:
            return list(examples)
        order = np.random.default_rng(self.seed).permutation(len(examples))
        donors = dict(zip(order.tolist(), np.roll(order, 1).tolist(), strict=True))
        return [self._with_texts(e, examples[donors[i]]) for i, e in enumerate(examples)]

    def _with_texts(self, example: Example, donor: Example) -> Example:
        if "lyrics" in self.shuffle:
            features = replace(example.features, lyrics=donor.features.lyrics)
            example = replace(example, features=features, lyrics_words=donor.lyrics_words)
        if "context" in self.shuffle:
            features = replace(example.features, context=donor.features.context)
            example = replace(example, features=features, context_words=donor.context_words)
        return example


CLEAN: Final = Condition()


def _chance(*parts: object) -> float:
    digest = hashlib.sha256(" ".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


@dataclass(frozen=True, slots=True)
class Material:
    """Songs of all splits, and their sounds.

    Parameters
    ----------
    examples : tuple of Example
    sounds : Sounds
    """

    examples: tuple[Example, ...]
    sounds: Sounds

    @classmethod
    def load(cls, data: Path, cache: Path, sounds: Path) -> Material:
        """Read the sets under `data`, with features from `cache` and clips kept in `sounds`.

        Raises
        ------
        DatasetError
            If a set is absent or damaged.
        """
        tracks = drop_overlaps([*panda4q.load(data), *mirex.load(data)], data)
        features = FeatureCache(cache).features(tracks)
        return cls(tuple(Example.of(row) for row in features), Sounds(sounds))

    def songs(self, dataset: str, split: Split) -> list[Example]:
        """Songs of a set's split.

        Raises
        ------
        InputError
            If no song is of that set.
        """
        of_set = [example for example in self.examples if example.track.dataset == dataset]
        if not of_set:
            raise InputError(f"no song of {dataset!r} is at hand; there are {', '.join(SETS)}")
        return [example for example in of_set if example.track.split == split]


@dataclass(frozen=True, slots=True)
class Batcher:
    """Makes the batches that one architecture takes.

    Parameters
    ----------
    architecture : Architecture
    front_end : {'own', 'musicnn'}
    size : {'paper', 'small'}
    sounds : Sounds
    mel_moments : (mean, deviation)
        Of the training songs' log-mels; windows are standardised by them.
    modalities : tuple of str
        Modalities in training and test; others are left out.
    """

    architecture: Architecture
    front_end: FrontEndKind
    size: Size
    sounds: Sounds
    mel_moments: tuple[float, float] = (0.0, 1.0)
    modalities: tuple[str, ...] = MODALITIES

    @property
    def needs(self) -> frozenset[str]:
        """Inputs of the architecture."""
        return frozenset(self.architecture.inputs[self.front_end])

    @property
    def windows(self) -> int:
        """Number of windows of a clip that are averaged at test."""
        return self.architecture.test_windows if self.needs & {"log_mel", "waveform"} else 1

    def present(self, examples: Sequence[Example], condition: Condition = CLEAN) -> Tensor:
        """Whether each song has each of `MODALITIES`, (songs, 3) bool."""
        rows = [
            [
                name in self.modalities
                and getattr(example.features, name) is not None
                and not condition.loses(example.track, name)
                for name in MODALITIES
            ]
            for example in examples
        ]
        return torch.tensor(rows, dtype=torch.bool)

    def batch(
        self,
        examples: Sequence[Example],
        present: Tensor,
        starts: Sequence[float],
        condition: Condition = CLEAN,
    ) -> SongBatch:
        """Gather the inputs of some songs; `condition` is applied without its exchange of texts.

        Parameters
        ----------
        examples : sequence of Example
        present : (songs, 3) bool Tensor
            Modalities of each song.
        starts : sequence of float in [0, 1]
            Position of the window, from the first possible one to the last.
        condition : Condition

        Returns
        -------
        SongBatch
        """
        mels, waves = self._windows(examples, present[:, 0], starts, condition)
        patches, patches_mask = self._patches(examples, present[:, 0], condition)
        lyrics, lyrics_mask = self._tokens(examples, "lyrics", present[:, 1], condition)
        context, context_mask = self._tokens(examples, "context", present[:, 2], condition)
        words = tuple(
            _kept_words(e, has, condition)
            for e, has in zip(examples, present.tolist(), strict=True)
        )
        return SongBatch(
            log_mel=mels,
            waveform=waves,
            patches=patches,
            patches_mask=patches_mask,
            has_audio=present[:, 0] & (condition.frame_drop < 1),
            lyrics=lyrics,
            lyrics_mask=lyrics_mask,
            context=context,
            context_mask=context_mask,
            words=words,
        )

    def _windows(
        self,
        examples: Sequence[Example],
        has_audio: Tensor,
        starts: Sequence[float],
        condition: Condition,
    ) -> tuple[Tensor, Tensor]:
        preset = self.architecture.mel_preset
        if preset is None or not self.needs & {"log_mel", "waveform"}:
            return torch.zeros(len(examples), 1, 1), torch.zeros(len(examples), 1)
        rows = mel_front_end(preset)
        samples = round(self.architecture.window_seconds[self.size] * rows.sample_rate)
        frames = 1 + samples // rows.hop_length
        mels = torch.zeros(len(examples), rows.n_mels, frames)
        waves = torch.zeros(len(examples), samples if "waveform" in self.needs else 1)
        mean, deviation = self.mel_moments
        for i, (example, place) in enumerate(zip(examples, starts, strict=True)):
            if not has_audio[i]:
                continue
            whole = _repeated(self.sounds.log_mel(example.track, preset, condition.snr_db), frames)
            first = int(place * (whole.shape[1] - frames))
            window = (whole[:, first : first + frames].float() - mean) / deviation
            kept = condition.kept_steps(example.track, "frames", frames, condition.frame_drop)
            mels[i] = window * kept
            if "waveform" in self.needs:
                wave = torch.from_numpy(
                    self.sounds.waveform(example.track, rows.sample_rate, condition.snr_db)
                )
                wave = _repeated(wave.unsqueeze(0), first * rows.hop_length + samples)[0]
                # Frame n is centred on sample n * hop; the samples nearest to it are dropped.
                audible = kept.repeat_interleave(rows.hop_length)[rows.hop_length // 2 :]
                waves[i] = wave[first * rows.hop_length :][:samples] * audible[:samples]
        return mels, waves

    def _patches(
        self, examples: Sequence[Example], has_audio: Tensor, condition: Condition
    ) -> tuple[Tensor, Tensor]:
        if "patches" not in self.needs:
            return torch.zeros(len(examples), 1, 1), has_audio.unsqueeze(1)
        rows: list[Tensor | None] = []
        for example, is_present in zip(examples, has_audio.tolist(), strict=True):
            audio = example.features.audio
            if not is_present or audio is None:
                rows.append(None)
                continue
            if condition.snr_db is not None:
                audio = self.sounds.noisy_patches(example.track, condition.snr_db)
            kept = condition.kept_steps(example.track, "frames", len(audio), condition.frame_drop)
            rows.append(audio[kept].float())
        width = next(e.features.audio for e in examples if e.features.audio is not None).shape[1]
        return pad(rows, width)

    def _tokens(
        self, examples: Sequence[Example], name: str, has_text: Tensor, condition: Condition
    ) -> tuple[Tensor, Tensor]:
        rows: list[Tensor | None] = []
        for example, is_present in zip(examples, has_text.tolist(), strict=True):
            tokens: Tensor | None = getattr(example.features, name)
            if not is_present or tokens is None:
                rows.append(None)
                continue
            kept = condition.kept_steps(example.track, name, len(tokens), condition.token_drop)
            rows.append(tokens[kept].float())
        return pad(rows, TEXT_DIM)


def _kept_words(example: Example, present: Sequence[bool], condition: Condition) -> tuple[str, ...]:
    """Words of the present texts, without the dropped tokens."""
    words = example.context_words if present[2] else ()
    words += example.lyrics_words if present[1] else ()
    kept = condition.kept_steps(example.track, "words", len(words), condition.token_drop)
    return tuple(word for word, is_kept in zip(words, kept.tolist(), strict=True) if is_kept)


TEXT_DIM: Final = 384
"""Width of MiniLM's token states."""


def _repeated(rows: Tensor, steps: int) -> Tensor:
    """Repeat (width, steps) to at least `steps` steps, which replaces padding of short clips."""
    times = -(-steps // max(1, rows.shape[1]))
    return rows.repeat(1, times) if times > 1 else rows


def patch_moments(examples: Sequence[Example]) -> tuple[Tensor, Tensor]:
    """Mean and deviation (1756,) of the songs' MusiCNN patches."""
    audio = [e.features.audio.float() for e in examples if e.features.audio is not None]
    patches = torch.cat(audio)
    return patches.mean(dim=0), patches.std(dim=0).clamp(min=1e-4)


def mel_moments(sounds: Sounds, examples: Sequence[Example], preset: str) -> tuple[float, float]:
    """Global mean and deviation of the songs' log-mels [Gujar, section 4]."""
    sums = np.zeros(3)
    for example in examples:
        if example.track.audio_path is not None:
            mel = sounds.log_mel(example.track, preset).double()
            sums += [mel.numel(), float(mel.sum()), float((mel**2).sum())]
    mean = sums[1] / max(1.0, sums[0])
    return mean, float(np.sqrt(max(1e-8, sums[2] / max(1.0, sums[0]) - mean**2)))


def build_options(
    examples: Sequence[Example],
    classes: int,
    size: Size,
    front_end: FrontEndKind,
    variant: str,
    seed: int,
) -> BuildOptions:
    """Options of an architecture, fitted on the training `examples` alone."""
    mean, deviation = patch_moments(examples)
    documents = tuple(e.context_words + e.lyrics_words for e in examples)
    return BuildOptions(
        classes=classes,
        size=size,
        front_end=front_end,
        variant=variant,
        text_dim=TEXT_DIM,
        documents=documents,
        patch_mean=mean,
        patch_std=deviation,
        seed=seed,
    )


def tracks(examples: Sequence[Example]) -> list[Track]:
    """Tracks of `examples`."""
    return [example.track for example in examples]


def withhold(present: Tensor, chance: float) -> Tensor:
    """Modality dropout over (songs, 3) presence; no song loses its last modality."""
    kept = present & (torch.rand(present.shape) >= chance)
    return torch.where(kept.any(dim=1, keepdim=True), kept, present)


def share_of(examples: Sequence[Example], share: float) -> list[Example]:
    """Take a share of songs; a larger share includes a smaller one."""
    if share >= 1:
        return list(examples)
    order = sorted(range(len(examples)), key=lambda i: _chance(examples[i].track.track_id))
    kept = set(order[: max(2, round(share * len(examples)))])
    return [example for i, example in enumerate(examples) if i in kept]
