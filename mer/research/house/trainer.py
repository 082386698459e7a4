"""Resumable training of the house network: masked multi-task losses, averaged weights.

The data sets are those of `mer.research.house.mixture`. Each step has a batch of songs and one of
texts. Modalities and patches of songs are dropped at random, because they may be missing later. The
result is a running average of the weights.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, replace
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

import torch
import torch.nn.functional as F
from tqdm import trange

from mer.batches import AffettiBatch, AffettiConfig, AffettiOutput, collate
from mer.errors import CheckpointCorruptError
from mer.files import written_aside
from mer.network import AffettiNetwork, MemberStates, masked_mean_and_std
from mer.research.house import kinds
from mer.research.house.mixture import (
    LOSS_WEIGHTS,
    Plane,
    Targets,
    drawn_texts,
    targets,
    text_sets,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from torch import Tensor

    from mer.research.inputs.features import TrackFeatures

_AFFECT_LOSS_SCALE: Final = 8.0
"""Scales a squared error on the unit square to the size of a cross-entropy."""

GRADIENT_NORM: Final = 2.0
_FALL: Final = 0.2
"""Required fall of a gate's logarithm for a modified modality."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Training settings of a network; equal recipes give equal networks on a CPU.

    Parameters
    ----------
    seed, epochs : int
        An epoch is one pass over the songs.
    batch_songs, batch_texts : int
        Per step; the sets of texts contribute by `mixture.text_sets`.
    learning_rate, weight_decay : float
        Of AdamW, with a cosine to zero.
    label_smoothing : float in [0, 1)
    modality_dropout : float in [0, 1)
        Probability of dropping each modality of a song, never the last one.
    patch_dropout : float in [0, 1)
        Probability of dropping each patch, never the last one.
    copies : int
        Distorted copies of each song (`mer.research.inputs.distortions.augmentation`).
    copy_share : float in [0, 1]
        Probability that a song's audio is that of one of its copies.
    text_weight : float
        Weight of the texts' loss relative to the songs'.
    consistency : float
        Weight of the loss between the quadrants and valence and arousal.
    wariness : float
        Weight of the gate loss (distorted audio and another song's lyrics).
    averaging : float in [0, 1)
        Decay per step of the running average of weights.
    reading_steps, reading_texts : int
        Steps of `house.reading.read_texts`, which precedes the training of all networks, and
        texts in each.
    """

    seed: int = 0
    epochs: int = 14
    batch_songs: int = 64
    batch_texts: int = 640
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    label_smoothing: float = 0.1
    modality_dropout: float = 0.3
    patch_dropout: float = 0.3
    copies: int = 1
    copy_share: float = 0.3
    text_weight: float = 1.75
    consistency: float = 0.3
    wariness: float = 0.3
    averaging: float = 0.99
    reading_steps: int = 450
    reading_texts: int = 1344


class ContrastiveCues(NamedTuple):
    """Cues of songs, and of the same songs with distorted audio and another song's lyrics.

    Attributes
    ----------
    original, modified : (songs, 2) float Tensors
        From `AffettiNetwork.cues`.
    is_modified : (songs, 2) bool Tensor
        Whether the song has a distorted copy, and lyrics that can be exchanged.
    """

    original: Tensor
    modified: Tensor
    is_modified: Tensor


def loss(
    network: AffettiNetwork,
    batch: AffettiBatch,
    wanted: Targets,
    recipe: Recipe,
    *,
    contrast: ContrastiveCues | None = None,
    are_texts: bool = False,
) -> Tensor:
    """Loss of a batch: each member has its own loss; the mean over members and songs.

    Parameters
    ----------
    network : AffettiNetwork
    batch : AffettiBatch
    wanted : Targets
        Of the same songs.
    recipe : Recipe
    contrast : ContrastiveCues or None
        Of the same songs, for the gate loss.
    are_texts : bool
        See `AffettiNetwork.members`.

    Returns
    -------
    () float Tensor
    """
    states = network.states(batch, are_texts=are_texts)
    output = network.fuse(states)
    error = _error(output, wanted, recipe.label_smoothing)
    error = error + recipe.consistency * _disagreement(output)
    if contrast is not None:
        error = error + recipe.wariness * _gate_loss(network, states, contrast)
    return error.mean()


def _error(output: AffettiOutput, wanted: Targets, smooth: float) -> Tensor:
    """Weighted sum over tasks, (members, songs)."""
    squared = (output.affect - wanted.affect) ** 2
    valence, arousal = (_AFFECT_LOSS_SCALE * squared).unbind(dim=-1)
    errors = torch.stack(
        [
            _cross_entropy(output.quadrant_logits, wanted.quadrant, smooth),
            _cross_entropy(output.cluster_logits, wanted.cluster, smooth),
            valence,
            arousal,
            _cross_entropy(output.emotion_logits, wanted.emotions, 0.0),
            _share_error(output.gems_logits, wanted.gems),
        ],
        dim=-1,
    )  # (members, songs, tasks)
    return (errors * wanted.weights).sum(dim=-1)


def _gate_loss(network: AffettiNetwork, states: MemberStates, contrast: ContrastiveCues) -> Tensor:
    """Loss (members, songs) of gates that stay high for distorted audio or exchanged lyrics.

    One cue at a time is replaced: by that of distorted audio, or by that of another song's lyrics.
    The logarithm of the modality's weight should then fall by `_FALL`. Only the `doubt` layer
    receives gradients from this loss. If the whole gate did, it would memorise which training songs
    are modified.
    """
    scores = network.scores(states).detach()

    def log_gates(cues: Tensor) -> Tensor:
        adjusted = scores + network.doubt(cues)
        return F.log_softmax(adjusted.masked_fill(~states.present, -1e4), dim=-1)

    before = log_gates(contrast.original)
    error = torch.zeros_like(before[..., 0])
    for place, is_modified in enumerate(contrast.is_modified.unbind(dim=1)):
        cues = contrast.original.clone()
        cues[:, place] = contrast.modified[:, place]
        fall = (before - log_gates(cues))[..., place]
        is_counted = is_modified & states.present[:, place] & (states.present.sum(dim=1) > 1)
        error = error + F.relu(_FALL - fall) * is_counted
    return error


def _disagreement(output: AffettiOutput) -> Tensor:
    """Cross-entropies between the quadrant head and the quadrants of valence and arousal.

    Valence and arousal are taken as probabilities of being high. Each side is a constant target of
    the other, so that neither becomes more confident.
    """
    valence, arousal = output.affect.clamp(0.01, 0.99).unbind(dim=-1)
    place = torch.stack(
        [
            valence * arousal,
            (1 - valence) * arousal,
            (1 - valence) * (1 - arousal),
            valence * (1 - arousal),
        ],
        dim=-1,
    )
    head = F.log_softmax(output.quadrant_logits, dim=-1)
    towards_head = -(head.exp().detach() * place.log()).sum(dim=-1)
    towards_place = -(place.detach() * head).sum(dim=-1)
    return towards_head + towards_place


def _cross_entropy(logits: Tensor, wanted: Tensor, smooth: float) -> Tensor:
    """Cross-entropy (members, songs) of (members, songs, classes) and (songs, classes)."""
    smoothed = (1 - smooth) * wanted + smooth / wanted.shape[-1]
    return -(smoothed * F.log_softmax(logits, dim=-1)).sum(dim=-1)


def _share_error(logits: Tensor, wanted: Tensor) -> Tensor:
    """Sum of binary cross-entropies (members, songs) between logits and shares."""
    shares = wanted.expand_as(logits)
    return F.binary_cross_entropy_with_logits(logits, shares, reduction="none").sum(dim=-1)


def withhold(batch: AffettiBatch, recipe: Recipe) -> AffettiBatch:
    """Modality dropout and patch dropout; every song keeps a modality and a patch.

    Parameters
    ----------
    batch : AffettiBatch
    recipe : Recipe

    Returns
    -------
    AffettiBatch
        The same states with smaller masks.
    """
    masks = (batch.audio_mask, batch.lyrics_mask, batch.context_mask)
    present = torch.stack([mask.any(dim=1) for mask in masks], dim=1)
    kept = present & (torch.rand(present.shape) >= recipe.modality_dropout)
    kept = torch.where(kept.any(dim=1, keepdim=True), kept, present)
    patches = batch.audio_mask & (torch.rand(batch.audio_mask.shape) >= recipe.patch_dropout)
    patches = torch.where(patches.any(dim=1, keepdim=True), patches, batch.audio_mask)
    return batch._replace(
        audio_mask=patches & kept[:, :1],
        lyrics_mask=batch.lyrics_mask & kept[:, 1:2],
        context_mask=batch.context_mask & kept[:, 2:],
    )


class Trainer:
    """Trains one network; a killed training resumes at its last epoch.

    Parameters
    ----------
    recipe : Recipe
    config : AffettiConfig
    songs, texts : sequence of TrackFeatures
        Training data, of `SONG_SETS` and `TEXT_SETS`.
    plane : Plane
    folder : Path or None
        For the state and the history (one JSON object per epoch), with file names that contain a
        digest of all other arguments. None keeps neither.
    start : mapping of str to Tensor or None
        Weights of `house.reading.read_texts` to start from. None starts from random weights.
    """

    def __init__(
        self,
        recipe: Recipe,
        config: AffettiConfig,
        songs: Sequence[TrackFeatures],
        texts: Sequence[TrackFeatures],
        plane: Plane,
        folder: Path | None = None,
        start: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.recipe = recipe
        self.songs, self.texts = list(songs), condensed(texts)
        self._song_targets = targets([song.track for song in songs], plane)
        self._text_targets = targets([text.track for text in texts], plane)
        self.plane = plane
        self._folder = folder
        torch.manual_seed(recipe.seed)
        self.network = AffettiNetwork(config)
        if start is not None:
            self.network.load_state_dict(start)
        self._digest = self._fingerprint(config)
        fit_statistics(self.network, self.songs)
        self.averaged = torch.optim.swa_utils.AveragedModel(
            self.network,
            multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(  # type: ignore[no-untyped-call]
                recipe.averaging
            ),
        )
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        self.epoch = 0
        self._resume()

    def train(self) -> AffettiNetwork:
        """Train to the recipe's last epoch.

        Returns
        -------
        AffettiNetwork
            With the averaged weights, in evaluation mode.
        """
        epochs = trange(self.epoch, self.recipe.epochs, desc="training", unit="epoch")
        for _ in epochs:
            error = self._train_epoch()
            self.epoch += 1
            self._save(error)
            epochs.set_postfix(loss=f"{error:.3f}")
        return cast("AffettiNetwork", self.averaged.module).eval()

    def _train_epoch(self) -> float:
        # The seed depends on the epoch, so that a resumed run equals an uninterrupted one.
        torch.manual_seed(self.recipe.seed * 100_003 + self.epoch + 1)
        self.network.train()
        errors = []
        steps = list(self._steps())
        for step, (songs, texts) in enumerate(steps):
            progress = (self.epoch + step / len(steps)) / self.recipe.epochs
            for group in self.optimizer.param_groups:
                group["lr"] = self.recipe.learning_rate * cosine(progress)
            whole, is_copy = self._with_copies(songs)
            batch = withhold(whole, self.recipe)
            wanted = chosen_targets(self._song_targets, songs)
            contrast = self._contrast(batch, songs, is_copy) if self.recipe.wariness else None
            error = loss(self.network, batch, wanted, self.recipe, contrast=contrast)
            if len(texts):
                batch, wanted = (
                    self._batch(self.texts, texts),
                    chosen_targets(self._text_targets, texts),
                )
                error = error + self.recipe.text_weight * loss(
                    self.network, batch, wanted, self.recipe, are_texts=True
                )
            self.optimizer.zero_grad()
            error.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), GRADIENT_NORM)
            self.optimizer.step()
            self.averaged.update_parameters(self.network)
            errors.append(error.item())
        return sum(errors) / len(errors)

    def _steps(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches of songs in a random order, each with random texts of every set."""
        sets = text_sets([text.track for text in self.texts])
        for songs in torch.split(torch.randperm(len(self.songs)), self.recipe.batch_songs):
            yield songs, drawn_texts(sets, self.recipe.batch_texts)

    def _with_copies(self, chosen: Tensor) -> tuple[AffettiBatch, Tensor]:
        """Batch of songs, some with the audio of a distorted copy, and whether each is a copy."""
        songs, is_copy = [], []
        for song in (self.songs[i] for i in chosen.tolist()):
            is_copy.append(bool(song.copies) and float(torch.rand(())) < self.recipe.copy_share)
            songs.append(replace(song, audio=_any_copy(song)) if is_copy[-1] else song)
        return feature_batch(songs, self.network.config), torch.tensor(is_copy)

    def _contrast(self, batch: AffettiBatch, chosen: Tensor, is_copy: Tensor) -> ContrastiveCues:
        """Cues of the batch's songs, and of those with a copy's audio and another song's lyrics.

        A song whose audio is already a copy has no modified audio. Cues are of all patches, because
        the cue of a few patches is higher.
        """
        songs = [self.songs[i] for i in chosen.tolist()]
        has_audio, has_lyrics = batch.audio_mask.any(dim=1), batch.lyrics_mask.any(dim=1)
        with_lyrics = has_lyrics.nonzero().squeeze(1)
        order = torch.arange(len(songs)).index_copy(0, with_lyrics, with_lyrics.roll(1))

        def cues(audio: Sequence[Tensor | None], order: Tensor) -> Tensor:
            missing = [None] * len(songs)
            whole = collate(audio, missing, missing, self.network.config)
            return self.network.cues(
                batch._replace(
                    audio=whole.audio,
                    audio_mask=whole.audio_mask & has_audio.unsqueeze(1),
                    lyrics=batch.lyrics[order],
                    lyrics_mask=batch.lyrics_mask[order],
                )
            )

        has_copy = torch.tensor([bool(song.copies) for song in songs])
        has_context = batch.context_mask.any(dim=1) & (len(with_lyrics) > 1)
        return ContrastiveCues(
            cues([song.audio for song in songs], torch.arange(len(songs))),
            cues([_any_copy(song) if song.copies else song.audio for song in songs], order),
            torch.stack([has_copy & has_audio & ~is_copy, has_lyrics & has_context], dim=1),
        )

    def _batch(self, examples: Sequence[TrackFeatures], chosen: Tensor) -> AffettiBatch:
        return feature_batch([examples[i] for i in chosen.tolist()], self.network.config)

    def _fingerprint(self, config: AffettiConfig) -> str:
        """Digest of all settings and data, in the file name of the state."""
        examples = (*self.songs, *self.texts)
        tracks = [(e.track.dataset, e.track.track_id, e.track.labels) for e in examples]
        shapes = [(name, tuple(part.shape)) for name, part in self.network.state_dict().items()]
        parts = (self.recipe, config, self.plane, LOSS_WEIGHTS, tracks, shapes)
        digest = hashlib.sha256(repr(parts).encode())
        for part in self.network.state_dict().values():
            digest.update(part.contiguous().numpy().tobytes())
        for example in examples:
            for rows in (example.audio, example.lyrics, example.context, *example.copies):
                digest.update(b"-" if rows is None else rows.contiguous().numpy().tobytes())
        return digest.hexdigest()[:12]

    def _resume(self) -> None:
        if self._folder is None or not (path := self._folder / f"{self._digest}.pt").is_file():
            return
        try:
            state = torch.load(path, weights_only=True)
            self.network.load_state_dict(state["network"])
            self.averaged.load_state_dict(state["averaged"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.epoch = state["epoch"]
        except (RuntimeError, ValueError, EOFError, KeyError, TypeError, UnpicklingError) as error:
            raise CheckpointCorruptError(
                f"{path} is damaged or of another network; delete it to train anew"
            ) from error

    def _save(self, error: float) -> None:
        if self._folder is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        state: dict[str, Any] = {
            "network": self.network.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "epoch": self.epoch,
        }
        path = self._folder / f"{self._digest}.pt"
        with written_aside(path) as part:
            torch.save(state, part)
        with path.with_suffix(".jsonl").open("a") as history:
            history.write(json.dumps({"epoch": self.epoch, "loss": error}) + "\n")


def fit_statistics(network: AffettiNetwork, songs: Sequence[TrackFeatures]) -> None:
    """Fit the audio statistics of `network` to the songs that have audio (`house.kinds`)."""
    sounding = [(song.track, song.audio) for song in songs if song.audio is not None]
    pooled = torch.stack([_pooled(audio) for _, audio in sounding])
    tracks = [track for track, _ in sounding]
    kinds.fit(network.statistics, pooled, tracks, network.config.descriptor_dim)


def _pooled(rows: Tensor) -> Tensor:
    """Mean and deviation over patches, as the network pools them."""
    there = torch.ones(1, len(rows), dtype=torch.bool)
    return torch.cat(masked_mean_and_std(rows.float().unsqueeze(0), there), dim=1).squeeze(0)


def _any_copy(song: TrackFeatures) -> Tensor:
    return song.copies[int(torch.randint(len(song.copies), ()))]


def condensed(examples: Sequence[TrackFeatures]) -> list[TrackFeatures]:
    """Replace the tokens of each text by their mean, which is all that the network uses."""
    return [
        replace(example, lyrics=_mean_row(example.lyrics), context=_mean_row(example.context))
        for example in examples
    ]


def _mean_row(states: Tensor | None) -> Tensor | None:
    return None if states is None else states.float().mean(dim=0, keepdim=True)


def chosen_targets(wanted: Targets, songs: Tensor) -> Targets:
    """Targets of the songs with these indices."""
    return Targets(*(part[songs] for part in wanted))


def feature_batch(examples: Sequence[TrackFeatures], config: AffettiConfig) -> AffettiBatch:
    """Pad the features of some tracks into one batch."""
    return collate(
        [example.audio for example in examples],
        [example.lyrics for example in examples],
        [example.context for example in examples],
        config,
    )


def cosine(progress: float) -> float:
    """Fall from 1 to 0 along half a cosine, for `progress` from 0 to 1."""
    return 0.5 * (1 + math.cos(math.pi * progress))
