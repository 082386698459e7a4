"""Whether gates and the timeline say what they should of songs that no network has met.

Gates are watched while lyrics lie or are absent and while noise lies over the sound; the timeline
is held to the whole song, before and after it is anchored there, and to the seam between two clips
of opposite quadrants.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from mer.affect import QUADRANTS
from mer.explain import anchored, passages
from mer.metrics import bootstrap_ci, pearson
from mer.prediction import MODALITIES
from mer.research.evaluation.deletion import mean_of
from mer.research.house.validation import predict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from mer.affect import Quadrant
    from mer.network import AffettiNetwork, AffettiOutput
    from mer.research.house.validation import FoldNetwork
    from mer.research.inputs.features import TrackFeatures

    Floats = NDArray[np.float64]

AXES: Final = ("valence", "arousal")
OPPOSITES: Final = ((0, 2), (1, 3))
"""Places in `QUADRANTS` of those that lie across the plane from each other."""
PAIRS: Final = 50
"""Pairs of clips for each of `OPPOSITES`, at most."""
_MOVED: Final = 1e-4
"""Least change of a song's gate that counts as one."""


def chosen(folds: Sequence[FoldNetwork], dataset: str, modality: str) -> list[list[TrackFeatures]]:
    """Songs of a set that have a modality, in the order of a hash, those of each fold apart."""
    return [
        sorted(
            (
                song
                for song in fold.held_out
                if song.track.dataset == dataset and getattr(song, modality) is not None
            ),
            key=by_hash,
        )
        for fold in folds
    ]


def by_hash(song: TrackFeatures) -> str:
    """Key that puts songs in an order that means nothing and never changes."""
    name = f"explanations {song.track.dataset} {song.track.track_id}"
    return hashlib.sha256(name.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Disturbance:
    """Songs as something was done to them.

    Parameters
    ----------
    songs : sequence of TrackFeatures
    gate : str
        Of `MODALITIES`: the one that should lose weight.
    must_be_zero : bool
        Whether it should lose all.
    """

    songs: Sequence[TrackFeatures]
    gate: str
    must_be_zero: bool = False


def disturbances(
    songs: Sequence[TrackFeatures], noisy: Sequence[TrackFeatures]
) -> dict[str, Disturbance]:
    """Disturb songs that have everything.

    Parameters
    ----------
    songs : sequence of TrackFeatures
        At least two.
    noisy : sequence of TrackFeatures
        The same under white noise at 0 dB.

    Returns
    -------
    dict of str to Disturbance
    """
    others = [*songs[1:], songs[0]]
    strange = [
        replace(song, lyrics=other.lyrics) for song, other in zip(songs, others, strict=True)
    ]
    deaf = [replace(song, audio=None) for song in songs]
    return {
        "another song's lyrics": Disturbance(strange, "lyrics"),
        "no lyrics": Disturbance(
            [replace(song, lyrics=None) for song in songs], "lyrics", must_be_zero=True
        ),
        "white noise at 0 dB": Disturbance(noisy, "audio"),
        "no audio": Disturbance(deaf, "audio", must_be_zero=True),
    }


def gate_figures(
    ask: Callable[[Sequence[TrackFeatures]], AffettiOutput],
    songs: Sequence[TrackFeatures],
    disturbed: Mapping[str, Disturbance],
) -> dict[str, Any]:
    """Compare the gates of the same songs before and after.

    Parameters
    ----------
    ask : callable
        Takes songs, gives what networks say of them.
    songs : sequence of TrackFeatures
        As they are.
    disturbed : mapping of str to Disturbance
        Of the same songs in the same order.

    Returns
    -------
    dict
        ``before``, and by disturbance the mean ``gates``, the ``change`` of the one that should
        fall, the share of songs where it did (``expected``), and whether it ``holds`` that a
        missing modality has no weight at all.
    """
    before = ask(songs).gates.double().numpy()
    found: dict[str, Any] = {"before": dict(zip(MODALITIES, before.mean(axis=0), strict=True))}
    for name, each in disturbed.items():
        after = ask(each.songs).gates.double().numpy()
        place = MODALITIES.index(each.gate)
        change = after[:, place] - before[:, place]
        found[name] = {
            "gates": dict(zip(MODALITIES, after.mean(axis=0), strict=True)),
            "gate": each.gate,
            "change": mean_of(change),
            "expected": mean_of(change < -_MOVED),
            "holds": bool((after[:, place] == 0).all()) if each.must_be_zero else None,
        }
    return found


def timeline(network: AffettiNetwork, song: TrackFeatures) -> Floats:
    """Valence and arousal of each passage of a song, (patches, 2), as the pipeline shows it."""
    whole, heard = _heard(network, song)
    points: Floats = anchored(heard, whole).numpy()
    return points


def _heard(network: AffettiNetwork, song: TrackFeatures) -> tuple[Tensor, Tensor]:
    """Ask about a song, (2,), and about each of its passages, (patches, 2)."""
    parts = [] if song.audio is None else passages(song.audio)
    affect = predict(network, [song, *(replace(song, audio=part) for part in parts)]).affect
    return affect[0].double(), affect[1:].double()


def whole_figures(heard: Sequence[tuple[AffettiNetwork, TrackFeatures]]) -> dict[str, Any]:
    """Hold the mean of each song's timeline to what is said of the whole song.

    Patches lie in the middle of equal parts of a song, so each of them weighs the same.

    Parameters
    ----------
    heard : sequence of (AffettiNetwork, TrackFeatures)
        Songs with audio.

    Returns
    -------
    dict
        By axis: before anchoring, mean ``distance``, ``bias`` (timeline less whole) and
        ``correlation`` with intervals; after it, the largest distance (``anchored``); and standard
        deviations ``within`` timelines, as they are shown, and ``between`` songs.
    """
    asked = [_heard(network, song) for network, song in heard]
    lines = [anchored(points, song) for song, points in asked]
    whole = torch.stack([song for song, _ in asked]).numpy()
    means = torch.stack([points.mean(dim=0) for _, points in asked]).numpy()
    left = torch.stack([points.mean(dim=0) for points in lines]).numpy() - whole
    within = torch.stack([points.std(dim=0, correction=0) for points in lines]).numpy()
    return {
        axis: {
            "distance": mean_of(np.abs(means - whole)[:, i]),
            "bias": mean_of((means - whole)[:, i]),
            "correlation": asdict(bootstrap_ci(pearson, means[:, i], whole[:, i])),
            "anchored": float(np.abs(left[:, i]).max()),
            "within": float(within[:, i].mean()),
            "between": float(whole[:, i].std()),
        }
        for i, axis in enumerate(AXES)
    }


def opposite_pairs(songs: Sequence[TrackFeatures]) -> list[tuple[TrackFeatures, TrackFeatures]]:
    """Pair the songs of opposite quadrants, in their order: Q1 with Q3, Q2 with Q4."""
    by = {
        quadrant: [song for song in songs if song.track.labels.quadrant == quadrant]
        for quadrant in QUADRANTS
    }
    return [
        pair
        for one, other in OPPOSITES
        for pair in zip(by[QUADRANTS[one]], by[QUADRANTS[other]], strict=False)
    ]


def directions(first: Quadrant | None, second: Quadrant | None) -> Floats:
    """Give +1 to each axis on which the first quadrant is higher, -1 where the second is, (2,)."""
    pleasant, aroused = (QUADRANTS[0], QUADRANTS[3]), (QUADRANTS[0], QUADRANTS[1])
    sides = [[quadrant in pleasant, quadrant in aroused] for quadrant in (first, second)]
    signs: Floats = np.subtract(*np.array(sides, dtype=np.float64))
    return signs


@dataclass(frozen=True, slots=True)
class Splice:
    """By how much the first of two clips lies further to its side than the second.

    Parameters
    ----------
    apart : (2,) float64 ndarray
        By the means of their own timelines; positive is the right side.
    spliced : (2, 2) float64 ndarray
        By the halves of one timeline: of first before second, and of second before first.
    unspliced : (2, 2) float64 ndarray
        Unsigned difference between the halves of each clip by itself.
    """

    apart: Floats
    spliced: Floats
    unspliced: Floats


def splice(network: AffettiNetwork, first: TrackFeatures, second: TrackFeatures) -> Splice:
    """Join the sound of two clips, both ways, and look at the halves of the timeline.

    Parameters
    ----------
    network : AffettiNetwork
    first, second : TrackFeatures
        With audio and quadrants; title and artist are not given to the network.

    Returns
    -------
    Splice
    """
    signs = directions(first.track.labels.quadrant, second.track.labels.quadrant)
    clips = [replace(song, lyrics=None, context=None) for song in (first, second)]
    sounds = [clip.audio for clip in clips if clip.audio is not None]
    points = [timeline(network, clip) for clip in clips]
    spliced = []
    for order, sign in (((0, 1), 1), ((1, 0), -1)):
        joined = timeline(
            network, replace(clips[0], audio=torch.cat([sounds[place] for place in order]))
        )
        spliced.append(sign * signs * _between(joined, len(sounds[order[0]])))
    return Splice(
        apart=signs * (points[0].mean(axis=0) - points[1].mean(axis=0)),
        spliced=np.stack(spliced),
        unspliced=np.stack([np.abs(_between(each, len(each) // 2)) for each in points]),
    )


def _between(points: Floats, seam: int) -> Floats:
    """Mean before the seam less the mean after it."""
    difference: Floats = points[:seam].mean(axis=0) - points[seam:].mean(axis=0)
    return difference


def splice_figures(splices: Sequence[Splice]) -> dict[str, Any]:
    """Average splices, axis by axis.

    Parameters
    ----------
    splices : sequence of Splice

    Returns
    -------
    dict
        By axis: share of pairs on the right side ``apart`` and ``spliced``, share of splices that
        lie as the clips do apart (``kept``), the mean differences, and what is left of the one
        apart (``left``).
    """
    apart = np.stack([each.apart for each in splices])  # (pairs, axes)
    spliced = np.stack([each.spliced for each in splices])  # (pairs, orders, axes)
    unspliced = np.stack([each.unspliced for each in splices])
    kept = np.sign(spliced) == np.sign(apart)[:, None]
    return {
        axis: {
            "right_apart": mean_of(apart[:, i] > 0),
            "right_spliced": mean_of((spliced[:, :, i] > 0).mean(axis=1)),
            "kept": mean_of(kept[:, :, i].mean(axis=1)),
            "difference_apart": mean_of(apart[:, i]),
            "difference_spliced": mean_of(spliced[:, :, i].mean(axis=1)),
            "size_spliced": mean_of(np.abs(spliced[:, :, i]).mean(axis=1)),
            "size_unspliced": mean_of(unspliced[:, :, i].mean(axis=1)),
            "left": float(np.abs(spliced[:, :, i]).mean() / np.abs(apart[:, i]).mean()),
        }
        for i, axis in enumerate(AXES)
    }


def measure_splices(folds: Sequence[FoldNetwork]) -> dict[str, Any]:
    """Splice clips of panda4q that one network has met neither artist of."""
    songs = chosen(folds, "panda4q", "audio")
    pairs = [
        (fold.network, *pair)
        for fold, mine in zip(folds, songs, strict=True)
        for pair in opposite_pairs(mine)
    ]
    figures: dict[str, Any] = {}
    for one, other in OPPOSITES:
        mine = [p for p in pairs if p[1].track.labels.quadrant == QUADRANTS[one]]
        mine = sorted(mine, key=lambda pair: by_hash(pair[1]))[:PAIRS]
        splices = [splice(*pair) for pair in mine]
        name = f"{QUADRANTS[one]} and {QUADRANTS[other]}"
        figures[name] = {"pairs": len(splices), **splice_figures(splices)}
    return figures
