"""Out-of-fold predictions, and networks that were trained without a domain.

Folds have disjoint artists, so that no network predicts an artist on which it was trained.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

import torch

from mer.batches import AffettiOutput
from mer.network import AffettiNetwork
from mer.prediction import MODALITIES
from mer.research.house.mixture import SONG_SETS, Plane
from mer.research.house.trainer import Trainer, feature_batch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from torch import Tensor

    from mer.batches import AffettiConfig
    from mer.research.house.trainer import Recipe
    from mer.research.inputs.features import TrackFeatures

T = TypeVar("T")

FOLDS: Final = 5
_PREDICT_BATCH: Final = 64


@dataclass(frozen=True, slots=True)
class FoldNetwork:
    """A network and its held-out songs.

    Parameters
    ----------
    network : AffettiNetwork
    held_out : tuple of TrackFeatures
    """

    network: AffettiNetwork
    held_out: tuple[TrackFeatures, ...]


def group_of(example: TrackFeatures) -> str:
    """Group of a track that is held out as one: its artist, or the track if that is unknown."""
    track = example.track
    return track.artist_group or f"{track.dataset} {track.track_id}"


def fold_of(artist_group: str | None, folds: int = FOLDS) -> int:
    """Fold, from 0, in which an artist's songs are held out; determined by a hash."""
    return int.from_bytes(hashlib.sha256(f"{artist_group}".encode()).digest()[:4], "big") % folds


def cross_validate(
    recipe: Recipe,
    config: AffettiConfig,
    examples: Sequence[TrackFeatures],
    plane: Plane,
    folder: Path | None = None,
    folds: int = FOLDS,
    first: int | None = None,
    start: Mapping[str, Tensor] | None = None,
) -> list[FoldNetwork]:
    """Train one network per fold, on all data without the fold's artists.

    Parameters
    ----------
    recipe : Recipe
    config : AffettiConfig
    examples : sequence of TrackFeatures
        Songs and texts outside the test splits.
    plane : Plane
    folder : Path or None
        For the states, one folder per fold; a finished fold is not trained again.
    folds : int
    first : int or None
        Train the first folds only; None trains all.
    start : mapping of str to Tensor or None
        As `Trainer`.

    Returns
    -------
    list of FoldNetwork
    """
    networks = []
    for fold in range(folds if first is None else min(first, folds)):
        # Texts by an artist or about a song (its mood words are its label) are held out with it.
        held = [
            (is_song(e) or e.track.artist_group is not None) and fold_of(group_of(e), folds) == fold
            for e in examples
        ]
        kept = [e for e, h in zip(examples, held, strict=True) if not h]
        place = folder / f"fold-{fold}" if folder else None
        network = trained(recipe, config, kept, plane, place, start)
        songs = tuple(e for e, h in zip(examples, held, strict=True) if h and is_song(e))
        networks.append(FoldNetwork(network, songs))
    return networks


DOMAINS: Final = {
    "popular music": ("panda4q", "mirex", "mood_words"),
    "solo piano": ("emopia",),
    "four genres, felt": ("emotify",),
    "composed pieces": ("composed",),
}
"""Domains that are left out one at a time, and their sets."""


def leave_domains_out(
    recipe: Recipe,
    config: AffettiConfig,
    examples: Sequence[TrackFeatures],
    plane: Plane,
    folder: Path | None = None,
    start: Mapping[str, Tensor] | None = None,
) -> dict[str, FoldNetwork]:
    """Train a network without each domain; its songs are the held-out ones.

    Parameters
    ----------
    recipe, config, examples, plane, folder, start
        As `cross_validate`.

    Returns
    -------
    dict of str to FoldNetwork
        By the names in `DOMAINS`; domains without songs are left out.
    """
    networks = {}
    for name, sets in DOMAINS.items():
        kept = [e for e in examples if e.track.dataset not in sets]
        held = tuple(e for e in examples if e.track.dataset in sets and is_song(e))
        if held:
            network = trained(
                recipe,
                config,
                kept,
                plane,
                folder / f"without-{sets[0]}" if folder else None,
                start,
            )
            networks[name] = FoldNetwork(network, held)
    return networks


def trained(
    recipe: Recipe,
    config: AffettiConfig,
    examples: Sequence[TrackFeatures],
    plane: Plane,
    folder: Path | None = None,
    start: Mapping[str, Tensor] | None = None,
) -> AffettiNetwork:
    """Train one network on songs and texts; `folder` is for its own state."""
    songs = [example for example in examples if is_song(example)]
    texts = [example for example in examples if not is_song(example)]
    return Trainer(recipe, config, songs, texts, plane, folder, start).train()


def is_song(example: TrackFeatures) -> bool:
    """Whether it is a song of the mixture rather than a text."""
    return example.track.dataset in SONG_SETS


def predict(
    network: AffettiNetwork,
    examples: Sequence[TrackFeatures],
    modalities: Sequence[str] = MODALITIES,
) -> AffettiOutput:
    """Predict `examples` from some modalities.

    Parameters
    ----------
    network : AffettiNetwork
    examples : sequence of TrackFeatures
        Each with at least one of `modalities`.
    modalities : sequence of str
        Of `mer.prediction.MODALITIES`.

    Returns
    -------
    AffettiOutput
        Without gradients.
    """
    dropped: dict[str, Any] = {name: None for name in MODALITIES if name not in modalities}
    outputs = []
    with torch.no_grad():
        for start in range(0, len(examples), _PREDICT_BATCH):
            part = examples[start : start + _PREDICT_BATCH]
            masked = [replace(example, **dropped) for example in part]
            outputs.append(network(feature_batch(masked, network.config)))
    return AffettiOutput(*(torch.cat(column) for column in zip(*outputs, strict=True)))


def out_of_fold(
    networks: Sequence[FoldNetwork],
    examples: Sequence[TrackFeatures],
    modalities: Sequence[str] = MODALITIES,
) -> AffettiOutput:
    """Predict each of `examples` with the network that was not trained on its artist.

    Parameters
    ----------
    networks : sequence of FoldNetwork
    examples : sequence of TrackFeatures
        Each held out by one of `networks`.
    modalities : sequence of str

    Returns
    -------
    AffettiOutput
        In the order of `examples`.
    """
    order: list[int] = []
    outputs = []
    for fold in networks:
        keys = {(song.track.dataset, song.track.track_id) for song in fold.held_out}
        members = [
            i
            for i, example in enumerate(examples)
            if (example.track.dataset, example.track.track_id) in keys
        ]
        if members:
            outputs.append(predict(fold.network, [examples[i] for i in members], modalities))
            order += members
    back = torch.tensor(order).argsort()
    return AffettiOutput(*(torch.cat(column)[back] for column in zip(*outputs, strict=True)))


def recalibrated(network: AffettiNetwork, config: AffettiConfig) -> AffettiNetwork:
    """Copy of a network with another calibration."""
    copy = AffettiNetwork(config).eval()
    copy.load_state_dict(network.state_dict())
    return copy
