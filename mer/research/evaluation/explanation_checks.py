"""Checks of the gates and the timeline on held-out songs.

Gates are compared before and after lyrics are exchanged or removed, and audio is noisy or removed.
Timelines are compared with the prediction for the whole song, before and after they are anchored to
it, and with the boundary between two joined clips of opposite quadrants.
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
    from mer.batches import AffettiOutput
    from mer.network import AffettiNetwork
    from mer.research.house.validation import FoldNetwork
    from mer.research.inputs.features import TrackFeatures

    Floats = NDArray[np.float64]

AXES: Final = ("valence", "arousal")
OPPOSITES: Final = ((0, 2), (1, 3))
"""Indices in `QUADRANTS` of opposite quadrants."""
PAIRS: Final = 50
"""Largest number of clip pairs for each of `OPPOSITES`."""
_MOVED: Final = 1e-4
"""Smallest change of a song's gate that is counted."""


def chosen(folds: Sequence[FoldNetwork], dataset: str, modality: str) -> list[list[TrackFeatures]]:
    """Held-out songs of a data set that have a modality, by fold, in the order of `by_hash`."""
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
    """Sort key: a fixed arbitrary order of songs."""
    name = f"explanations {song.track.dataset} {song.track.track_id}"
    return hashlib.sha256(name.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Modification:
    """Modified songs.

    Parameters
    ----------
    songs : sequence of TrackFeatures
    gate : str
        The modality of `MODALITIES` whose weight should fall.
    must_be_zero : bool
        Whether its weight should become 0.
    """

    songs: Sequence[TrackFeatures]
    gate: str
    must_be_zero: bool = False


def modifications(
    songs: Sequence[TrackFeatures], noisy: Sequence[TrackFeatures]
) -> dict[str, Modification]:
    """Exchange or remove the lyrics of songs, and add noise to or remove their audio.

    Parameters
    ----------
    songs : sequence of TrackFeatures
        At least two, with all modalities.
    noisy : sequence of TrackFeatures
        The same songs with white noise at 0 dB.

    Returns
    -------
    dict of str to Modification
    """
    others = [*songs[1:], songs[0]]
    exchanged = [
        replace(song, lyrics=other.lyrics) for song, other in zip(songs, others, strict=True)
    ]
    silent = [replace(song, audio=None) for song in songs]
    return {
        "another song's lyrics": Modification(exchanged, "lyrics"),
        "no lyrics": Modification(
            [replace(song, lyrics=None) for song in songs], "lyrics", must_be_zero=True
        ),
        "white noise at 0 dB": Modification(noisy, "audio"),
        "no audio": Modification(silent, "audio", must_be_zero=True),
    }


def gate_figures(
    predict_songs: Callable[[Sequence[TrackFeatures]], AffettiOutput],
    songs: Sequence[TrackFeatures],
    modified: Mapping[str, Modification],
) -> dict[str, Any]:
    """Compare the gates of unmodified and modified songs.

    Parameters
    ----------
    predict_songs : callable
        Predicts songs.
    songs : sequence of TrackFeatures
        Unmodified.
    modified : mapping of str to Modification
        Of the same songs in the same order.

    Returns
    -------
    dict
        ``before``, and for each disturbance the mean ``gates``, the ``change`` of the gate that
        should fall, the share of songs whose gate falls (``expected``), and whether a missing
        modality has weight 0 in all songs (``holds``).
    """
    before = predict_songs(songs).gates.double().numpy()
    found: dict[str, Any] = {"before": dict(zip(MODALITIES, before.mean(axis=0), strict=True))}
    for name, each in modified.items():
        after = predict_songs(each.songs).gates.double().numpy()
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
    """Anchored valence and arousal of each passage of a song, (patches, 2)."""
    whole, parts = _song_and_passages(network, song)
    points: Floats = anchored(parts, whole).numpy()
    return points


def _song_and_passages(network: AffettiNetwork, song: TrackFeatures) -> tuple[Tensor, Tensor]:
    """Valence and arousal of a song, (2,), and of each of its passages, (patches, 2)."""
    parts = [] if song.audio is None else passages(song.audio)
    affect = predict(network, [song, *(replace(song, audio=part) for part in parts)]).affect
    return affect[0].double(), affect[1:].double()


def whole_figures(
    networks_and_songs: Sequence[tuple[AffettiNetwork, TrackFeatures]],
) -> dict[str, Any]:
    """Compare the mean of each song's timeline with the prediction for the whole song.

    Patches lie in the middle of equal parts of a song, so all have the same weight.

    Parameters
    ----------
    networks_and_songs : sequence of (AffettiNetwork, TrackFeatures)
        Songs with audio.

    Returns
    -------
    dict
        By axis: before anchoring, mean ``distance``, ``bias`` (timeline less whole) and
        ``correlation`` with intervals; after it, the largest distance (``anchored``); and standard
        deviations ``within`` anchored timelines and ``between`` songs.
    """
    predictions = [_song_and_passages(network, song) for network, song in networks_and_songs]
    lines = [anchored(points, song) for song, points in predictions]
    whole = torch.stack([song for song, _ in predictions]).numpy()
    means = torch.stack([points.mean(dim=0) for _, points in predictions]).numpy()
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
    """Pair songs of opposite quadrants in their order: Q1 with Q3, Q2 with Q4."""
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
    """Sign of the first quadrant less the second on each axis, (2,)."""
    pleasant, aroused = (QUADRANTS[0], QUADRANTS[3]), (QUADRANTS[0], QUADRANTS[1])
    sides = [[quadrant in pleasant, quadrant in aroused] for quadrant in (first, second)]
    signs: Floats = np.subtract(*np.array(sides, dtype=np.float64))
    return signs


@dataclass(frozen=True, slots=True)
class Splice:
    """Differences between two clips, positive if they have the sign that their quadrants imply.

    Parameters
    ----------
    apart : (2,) float64 ndarray
        Between the means of their own timelines.
    spliced : (2, 2) float64 ndarray
        Between the halves of the timeline of both clips joined, in either order.
    unspliced : (2, 2) float64 ndarray
        Absolute difference between the halves of each clip's own timeline.
    """

    apart: Floats
    spliced: Floats
    unspliced: Floats


def splice(network: AffettiNetwork, first: TrackFeatures, second: TrackFeatures) -> Splice:
    """Join the audio of two clips in both orders and compare the halves of the timelines.

    Parameters
    ----------
    network : AffettiNetwork
    first, second : TrackFeatures
        With audio and quadrants; the network has no title and artist.

    Returns
    -------
    Splice
    """
    signs = directions(first.track.labels.quadrant, second.track.labels.quadrant)
    clips = [replace(song, lyrics=None, context=None) for song in (first, second)]
    audio = [clip.audio for clip in clips if clip.audio is not None]
    points = [timeline(network, clip) for clip in clips]
    spliced = []
    for order, sign in (((0, 1), 1), ((1, 0), -1)):
        joined = timeline(
            network, replace(clips[0], audio=torch.cat([audio[place] for place in order]))
        )
        spliced.append(sign * signs * _between(joined, len(audio[order[0]])))
    return Splice(
        apart=signs * (points[0].mean(axis=0) - points[1].mean(axis=0)),
        spliced=np.stack(spliced),
        unspliced=np.stack([np.abs(_between(each, len(each) // 2)) for each in points]),
    )


def _between(points: Floats, boundary: int) -> Floats:
    """Mean before the boundary less the mean after it."""
    difference: Floats = points[:boundary].mean(axis=0) - points[boundary:].mean(axis=0)
    return difference


def splice_figures(splices: Sequence[Splice]) -> dict[str, Any]:
    """Average splices, axis by axis.

    Parameters
    ----------
    splices : sequence of Splice

    Returns
    -------
    dict
        By axis: share of pairs with the expected sign, for separate clips (``right_apart``) and for
        joined ones (``right_spliced``), share of splices whose sign is that of the separate clips
        (``kept``), mean differences, and the size of spliced over separate differences (``left``).
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
    """Splice clips of panda4q whose artists are both held out from the same network."""
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
