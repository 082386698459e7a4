"""Out-of-fold predictions, and the calibration that is fitted on them.

Folds have disjoint artists, so that no network predicts an artist on which it was trained.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

import torch
import torch.nn.functional as F

from mer.batches import AffettiOutput
from mer.network import AffettiNetwork
from mer.prediction import MODALITIES
from mer.research.house.mixture import SONG_SETS, TASKS, Plane, targets
from mer.research.house.trainer import Trainer, feature_batch

if TYPE_CHECKING:
    from collections.abc import Sequence
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

    Returns
    -------
    list of FoldNetwork
    """
    networks = []
    for fold in range(folds if first is None else min(first, folds)):
        # Texts by an artist or about a song (its mood words are its label) are held out with it.
        # Of the nine clips of unknown artists, only the songs are held out.
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


def calibrate(
    config: AffettiConfig, networks: Sequence[FoldNetwork], plane: Plane
) -> AffettiConfig:
    """Fit temperatures and the spread of valence and arousal on held-out songs.

    A temperature minimises the cross-entropy of its head. Each set of modalities has its own,
    because predictions from fewer modalities should be less confident. Regression shrinks valence
    and arousal of uncertain songs towards the mean; slope and shift before the sigmoid restore the
    labels' mean and deviation. Spreads are scaled so that errors, divided by them, have a mean
    square of 1.

    Parameters
    ----------
    config : AffettiConfig
        Of `networks`, without calibration.
    networks : sequence of FoldNetwork
    plane : Plane

    Returns
    -------
    AffettiConfig
    """
    songs = [song for fold in networks for song in fold.held_out]
    output = out_of_fold(networks, songs)
    wanted = targets([song.track for song in songs], plane)
    clips = torch.tensor([song.track.dataset == "panda4q" for song in songs])
    predicted, true = output.affect[clips].logit(), wanted.affect[clips].logit()
    scale = true.std(dim=0) / predicted.std(dim=0)
    shift = true.mean(dim=0) - scale * predicted.mean(dim=0)
    fitted = [_temperatures(networks, songs, plane, parts) for parts in SETS]
    has_emotions = wanted.weights[:, TASKS.index("emotions")] > 0
    config = replace(
        config,
        quadrant_temperatures=_filled([quadrant for quadrant, _ in fitted], 1.0),
        cluster_temperatures=_filled([cluster for _, cluster in fitted], 1.0),
        emotion_temperature=_temperature(
            output.emotion_logits[has_emotions], wanted.emotions[has_emotions]
        ),
        affect_scale=_pair(scale),
        affect_shift=_pair(shift),
    )
    networks = [replace(fold, network=recalibrated(fold.network, config)) for fold in networks]
    spreads = [_spread_scale(networks, songs, plane, parts) for parts in SETS]
    return replace(config, spread_scales=_filled(spreads, (1.0, 1.0)))


def recalibrated(network: AffettiNetwork, config: AffettiConfig) -> AffettiNetwork:
    """Copy of a network with another calibration."""
    copy = AffettiNetwork(config).eval()
    copy.load_state_dict(network.state_dict())
    return copy


SETS: Final = tuple(
    tuple(name for bit, name in enumerate(MODALITIES) if number >> bit & 1) for number in range(8)
)
"""Sets of modalities, in the order of `AffettiConfig`; the first is empty."""
_FEWEST: Final = 20


def _having(songs: Sequence[TrackFeatures], parts: Sequence[str]) -> list[TrackFeatures]:
    return [s for s in songs if parts and all(getattr(s, part) is not None for part in parts)]


def _temperatures(
    networks: Sequence[FoldNetwork],
    songs: Sequence[TrackFeatures],
    plane: Plane,
    parts: tuple[str, ...],
) -> tuple[float | None, float | None]:
    """Temperatures of quadrants and clusters for the inputs `parts`; None with too few songs."""
    songs = _having(songs, parts)
    if not songs:
        return None, None
    output = out_of_fold(networks, songs, parts)
    wanted = targets([song.track for song in songs], plane)
    quadrant, cluster = (wanted.weights[:, TASKS.index(t)] > 0 for t in ("quadrant", "cluster"))
    return (
        _fitted(output.quadrant_logits, wanted.quadrant, quadrant),
        _fitted(output.cluster_logits, wanted.cluster, cluster),
    )


def _spread_scale(
    networks: Sequence[FoldNetwork],
    songs: Sequence[TrackFeatures],
    plane: Plane,
    parts: tuple[str, ...],
) -> tuple[float, float] | None:
    songs = _having(songs, parts)
    if len(songs) < _FEWEST:
        return None
    output = out_of_fold(networks, songs, parts)
    wanted = targets([song.track for song in songs], plane)
    known = wanted.weights[:, TASKS.index("valence")] > 0
    errors = ((output.affect - wanted.affect) / output.affect_spread)[known]
    return _pair((errors**2).mean(dim=0).sqrt())


def _fitted(logits: Tensor, wanted: Tensor, rows: Tensor) -> float | None:
    return _temperature(logits[rows], wanted[rows]) if int(rows.sum()) >= _FEWEST else None


def _filled(by_set: Sequence[T | None], otherwise: T) -> tuple[T, ...]:
    """Replace the missing value of a set of modalities by that of the most similar set."""
    known = {number: found for number, found in enumerate(by_set) if found is not None}

    def nearest(number: int) -> T:
        most_similar = sorted(known, key=lambda other: ((other ^ number).bit_count(), other))
        return known[most_similar[0]] if most_similar else otherwise

    return tuple(nearest(number) for number in range(len(by_set)))


def _pair(both: Tensor) -> tuple[float, float]:
    valence, arousal = both.tolist()
    return valence, arousal


def _temperature(logits: Tensor, wanted: Tensor) -> float:
    """Minimise the cross-entropy over a fine grid."""
    grid = [math.exp(step / 50) for step in range(-100, 101)]  # 0.14 to 7.4
    return min(grid, key=lambda t: float(F.cross_entropy(logits / t, wanted)))
