"""Out-of-fold predictions, and the calibration that is fit on them.

Songs are dealt to folds by artist, so that no network is asked about an artist it was trained on.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import torch
import torch.nn.functional as F

from mer.mixture import SONG_SETS, TASKS, Plane, Targets, targets
from mer.models.affetti import AffettiOutput
from mer.prediction import MODALITIES
from mer.trainer import Trainer, feature_batch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor

    from mer.features import TrackFeatures
    from mer.models.affetti import AffettiConfig, AffettiNetwork
    from mer.trainer import Recipe

FOLDS: Final = 5
_PREDICT_BATCH: Final = 64


@dataclass(frozen=True, slots=True)
class FoldNetwork:
    """A network and the songs that it was not trained on.

    Parameters
    ----------
    network : AffettiNetwork
    held_out : tuple of TrackFeatures
    """

    network: AffettiNetwork
    held_out: tuple[TrackFeatures, ...]


def fold_of(artist_group: str | None, folds: int = FOLDS) -> int:
    """Fold, from 0, that an artist's songs are held out in; by hash, so it never changes."""
    return int.from_bytes(hashlib.sha256(f"{artist_group}".encode()).digest()[:4], "big") % folds


def cross_validate(
    recipe: Recipe,
    config: AffettiConfig,
    examples: Sequence[TrackFeatures],
    plane: Plane,
    folder: Path | None = None,
    folds: int = FOLDS,
) -> list[FoldNetwork]:
    """Train one network a fold, on everything but the fold's artists.

    Parameters
    ----------
    recipe : Recipe
    config : AffettiConfig
    examples : sequence of TrackFeatures
        Songs and texts, none of them of a test split.
    plane : Plane
    folder : Path or None
        Where states are kept, one folder a fold; a finished fold is not trained again.
    folds : int

    Returns
    -------
    list of FoldNetwork
    """
    networks = []
    for fold in range(folds):
        # Texts by an artist, or about a song (its mood words are its label), are held out with it.
        held = [
            (is_song(e) or e.track.artist_group is not None)
            and fold_of(e.track.artist_group, folds) == fold
            for e in examples
        ]
        kept = [e for e, h in zip(examples, held, strict=True) if not h]
        network = Trainer(
            recipe,
            config,
            [e for e in kept if is_song(e)],
            [e for e in kept if not is_song(e)],
            plane,
            folder / f"fold-{fold}" if folder else None,
        ).train()
        songs = tuple(e for e, h in zip(examples, held, strict=True) if h and is_song(e))
        networks.append(FoldNetwork(network, songs))
    return networks


def is_song(example: TrackFeatures) -> bool:
    """Whether it is a song of the mixture rather than a text."""
    return example.track.dataset in SONG_SETS


def predict(
    network: AffettiNetwork,
    examples: Sequence[TrackFeatures],
    modalities: Sequence[str] = MODALITIES,
) -> AffettiOutput:
    """Ask `network` about `examples`, giving it some modalities alone.

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
    withheld: dict[str, Any] = {name: None for name in MODALITIES if name not in modalities}
    outputs = []
    with torch.no_grad():
        for start in range(0, len(examples), _PREDICT_BATCH):
            part = examples[start : start + _PREDICT_BATCH]
            seen = [replace(example, **withheld) for example in part]
            outputs.append(network(feature_batch(seen, network.config)))
    return AffettiOutput(*(torch.cat(column) for column in zip(*outputs, strict=True)))


def out_of_fold(
    networks: Sequence[FoldNetwork],
    examples: Sequence[TrackFeatures],
    modalities: Sequence[str] = MODALITIES,
) -> AffettiOutput:
    """Prediction of each of `examples` by the network that has not met its artist.

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
        mine = [
            i
            for i, example in enumerate(examples)
            if (example.track.dataset, example.track.track_id) in keys
        ]
        if mine:
            outputs.append(predict(fold.network, [examples[i] for i in mine], modalities))
            order += mine
    back = torch.tensor(order).argsort()
    return AffettiOutput(*(torch.cat(column)[back] for column in zip(*outputs, strict=True)))


def calibrate(
    config: AffettiConfig, networks: Sequence[FoldNetwork], plane: Plane
) -> AffettiConfig:
    """Fit temperatures and the spread of valence and arousal on held-out songs.

    A temperature minimises the cross-entropy of its head. Valence and arousal of uncertain songs
    shrink towards neutral, as every regression does, and a catalogue would use a patch of the
    plane; slope and shift before the sigmoid give the predictions the labels' mean and spread.

    Parameters
    ----------
    config : AffettiConfig
        Of `networks`; without calibration.
    networks : sequence of FoldNetwork
    plane : Plane

    Returns
    -------
    AffettiConfig
    """
    songs = [song for fold in networks for song in fold.held_out]
    output = out_of_fold(networks, songs)
    wanted = targets([song.track for song in songs], plane)
    known = dict(zip(TASKS, (wanted.weights > 0).unbind(dim=1), strict=True))
    clips = torch.tensor([song.track.dataset == "panda4q" for song in songs])
    scales, shifts = [], []
    for axis in range(2):
        predicted, true = output.affect[clips, axis].logit(), wanted.affect[clips, axis].logit()
        scale = float(true.std() / predicted.std())
        scales.append(scale)
        shifts.append(float(true.mean()) - scale * float(predicted.mean()))
    return replace(
        config,
        quadrant_temperature=_temperature(
            output.quadrant_logits[known["quadrant"]], wanted.quadrant[known["quadrant"]]
        ),
        cluster_temperature=_temperature(
            output.cluster_logits[known["cluster"]], wanted.cluster[known["cluster"]]
        ),
        emotion_temperature=_temperature(
            output.emotion_logits[known["emotions"]], wanted.emotions[known["emotions"]]
        ),
        affect_scale=(scales[0], scales[1]),
        affect_shift=(shifts[0], shifts[1]),
        spread_scale=_spread_scale(output, wanted, clips, scales, shifts),
    )


def _spread_scale(
    output: AffettiOutput, wanted: Targets, clips: Tensor, scales: list[float], shifts: list[float]
) -> tuple[float, float]:
    """Factors that give errors, in units of their predicted spread, a mean square of 1."""
    placed = output.affect[clips].logit() * torch.tensor(scales) + torch.tensor(shifts)
    errors = (placed.sigmoid() - wanted.affect[clips]) / output.affect_spread[clips]
    valence, arousal = (errors**2).mean(dim=0).sqrt().tolist()
    return valence, arousal


def _temperature(logits: Tensor, wanted: Tensor) -> float:
    """Minimise the cross-entropy over a fine grid; one number needs no optimiser."""
    grid = [math.exp(step / 50) for step in range(-100, 101)]  # 0.14 to 7.4
    return min(grid, key=lambda t: float(F.cross_entropy(logits / t, wanted)))
