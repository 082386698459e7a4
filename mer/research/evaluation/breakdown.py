"""Where the house network errs: by class, genre and confidence, and what its place is worth."""

from __future__ import annotations

import time
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from mer.metrics import bootstrap_ci, confusion, precision_recall_f1, rmse, spearman
from mer.prediction import AMBIGUOUS_BELOW
from mer.research.evaluation import reliability
from mer.research.house.validation import predict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from mer.network import AffettiNetwork
    from mer.research.evaluation.questions import Asked, Classes, Floats, Said
    from mer.research.house.mixture import Plane
    from mer.research.inputs.features import TrackFeatures

    Bools = NDArray[np.bool_]

FEWEST: Final = 10
"""Songs of a genre that is measured by itself; songs of no such genre are *other*."""
_MISTAKES: Final = 10
_TIMED: Final = 32
_BATCH: Final = 64


def measure(
    asked: Asked, plane: Plane, genres: Mapping[str, Sequence[str]] | None = None
) -> dict[str, Any]:
    """All of this module for one question.

    Parameters
    ----------
    asked : Asked
    plane : Plane
        Of the labels' places.
    genres : mapping of track id to sequence of str, or None
        Of a set that has them.

    Returns
    -------
    dict
        ``classes``, ``confusion``, ``genres`` and ``mistakes`` given everything; ``reliability``,
        ``ambiguous`` and ``place`` by what was given.
    """
    labels, said = asked.labels, asked.said[asked.question.everything]
    names = asked.question.class_names
    places = _places(asked.songs, plane)
    result: dict[str, Any] = {
        "classes": by_class(labels, said.answers, names),
        "confusion": mean_confusion(labels, said.answers, len(names)).tolist(),
        "mistakes": mistakes(asked),
        "reliability": {},
        "ambiguous": {},
        "place": {},
    }
    if genres is not None:
        listed = [genres.get(song.track.track_id, ()) for song in asked.songs]
        result["genres"] = by_genre(labels, said.answers, listed)
    for given, part in asked.said.items():
        result["reliability"][given] = reliability.measure(labels, part.probabilities)
        result["ambiguous"][given] = by_confidence(labels, part)
        result["place"][given] = placed(part, places)
    return result


def by_class(labels: Classes, answers: Classes, names: Sequence[str]) -> dict[str, Any]:
    """Precision, recall and F1 of each class, means over networks, with intervals over songs.

    Parameters
    ----------
    labels : (songs,) int64 ndarray
    answers : (songs, networks) int64 ndarray
    names : sequence of str
    """

    def statistic(index: int, column: int, labels: Classes, answers: Classes) -> float:
        each = [precision_recall_f1(labels, one, len(names))[index, column] for one in answers.T]
        return float(np.mean(each))

    measures = ("precision", "recall", "f1")
    return {
        name: {
            "songs": int(np.sum(labels == index)),
            **{
                measure_: asdict(bootstrap_ci(partial(statistic, index, column), labels, answers))
                for column, measure_ in enumerate(measures)
            },
        }
        for index, name in enumerate(names)
    }


def mean_confusion(labels: Classes, answers: Classes, classes: int) -> Floats:
    """Songs by label (row) and answer (column), mean over networks."""
    each = [confusion(labels, one, classes) for one in answers.T]
    mean: Floats = np.mean(each, axis=0)
    return mean


def by_genre(
    labels: Classes, answers: Classes, genres: Sequence[Sequence[str]]
) -> dict[str, dict[str, Any]]:
    """Accuracy in each genre, the largest first, beside the share of its commonest class.

    Parameters
    ----------
    labels : (songs,) int64 ndarray
    answers : (songs, networks) int64 ndarray
    genres : sequence of sequences of str
        One a song, which counts in each of its genres.
    """
    names = sorted({name for listed in genres for name in listed})
    members = {name: np.array([name in listed for listed in genres]) for name in names}
    kept = {name: mask for name, mask in members.items() if mask.sum() >= FEWEST}
    kept = dict(sorted(kept.items(), key=lambda item: -int(item[1].sum())))
    rest = ~np.any([*kept.values(), np.zeros(len(labels), dtype=bool)], axis=0)
    if rest.any():
        kept["other"] = rest
    right = (answers == labels[:, None]).mean(axis=1)
    return {
        name: {
            "songs": int(mask.sum()),
            "accuracy": asdict(bootstrap_ci(_mean, right[mask])),
            "commonest": float(np.bincount(labels[mask]).max() / mask.sum()),
        }
        for name, mask in kept.items()
    }


def mistakes(asked: Asked) -> list[dict[str, Any]]:
    """Wrong answers that the networks' mean is surest of, by track id alone."""
    names, labels = asked.question.class_names, asked.labels
    mean = asked.said[asked.question.everything].probabilities.mean(axis=1)
    answers = mean.argmax(axis=1)
    wrong = np.flatnonzero(answers != labels)
    wrong = wrong[np.argsort(-mean[wrong].max(axis=1), kind="stable")][:_MISTAKES]
    return [
        {
            "song": asked.songs[index].track.track_id,
            "label": names[labels[index]],
            "said": names[answers[index]],
            "confidence": float(mean[index].max()),
            "of_the_label": float(mean[index, labels[index]]),
        }
        for index in wrong
    ]


def by_confidence(labels: Classes, said: Said) -> dict[str, Any]:
    """Share and accuracy of the answers that are ambiguous, and accuracy of those that are sure.

    Returns
    -------
    dict
        An accuracy is None where no answer is of the kind.
    """
    ambiguous = said.confidence < AMBIGUOUS_BELOW
    right = said.answers == labels[:, None]
    return {
        "share": asdict(bootstrap_ci(_mean, ambiguous)),
        "accuracy_ambiguous": _share_among(right, ambiguous),
        "accuracy_sure": _share_among(right, ~ambiguous),
    }


def _share_among(right: Bools, chosen: Bools) -> dict[str, float] | None:
    if not chosen.any():
        return None

    def share(right: Bools, chosen: Bools) -> float:
        return float(right[chosen].mean()) if chosen.any() else float("nan")

    return asdict(bootstrap_ci(share, right, chosen))


def placed(said: Said, places: Floats) -> dict[str, Any]:
    """How the place on the plane agrees with the quadrant head and with the labels' words.

    Parameters
    ----------
    said : Said
    places : (songs, 2) float64 ndarray
        By word norms; NaN where no word is known.

    Returns
    -------
    dict
        ``agreement``: share of songs whose place lies in the likeliest quadrant. For each axis
        ``spearman`` and ``rmse`` against the norms, the shares of norms within one and two
        spreads, the mean ``spread`` and its rank correlation with the error; None where norms
        know fewer than two songs.
    """
    known = np.isfinite(places).all(axis=1)
    result: dict[str, Any] = {
        "agreement": asdict(bootstrap_ci(_mean, quadrant_of(said.affect) == said.quadrants)),
        "songs": int(known.sum()),
    }
    for axis, name in enumerate(("valence", "arousal")):
        columns = (places[known, axis], said.affect[known, :, axis], said.spread[known, :, axis])
        result[name] = _axis(*columns) if known.sum() > 1 else None
    return result


def _axis(true: Floats, given: Floats, spread: Floats) -> dict[str, Any]:
    error = np.abs(given - true[:, None])

    def each(statistic: Callable[..., float]) -> Callable[..., float]:
        """Mean over networks of what `statistic` makes of two columns."""

        def mean(first: Floats, second: Floats) -> float:
            columns = first.T if first.ndim == 2 else [first] * second.shape[1]
            return float(np.mean([statistic(a, b) for a, b in zip(columns, second.T, strict=True)]))

        return mean

    return {
        "spearman": asdict(bootstrap_ci(each(spearman), true, given)),
        "rmse": asdict(bootstrap_ci(each(rmse), true, given)),
        "within_one_spread": asdict(bootstrap_ci(_mean, error <= spread)),
        "within_two_spreads": asdict(bootstrap_ci(_mean, error <= 2 * spread)),
        "spread": float(spread.mean()),
        "spread_with_error": asdict(bootstrap_ci(each(spearman), error, spread)),
    }


def quadrant_of(affect: Floats) -> Classes:
    """Quadrant that holds each (valence, arousal); 0.5 is high, as in `mer.affect.AffectPoint`.

    Parameters
    ----------
    affect : (..., 2) float64 ndarray

    Returns
    -------
    (...) int64 ndarray
        From 0 for Q1.
    """
    pleasant, aroused = affect[..., 0] >= 0.5, affect[..., 1] >= 0.5
    quadrants: Classes = np.where(aroused, np.where(pleasant, 0, 1), np.where(pleasant, 3, 2))
    return quadrants


def _places(songs: Sequence[TrackFeatures], plane: Plane) -> Floats:
    points = [plane.place(song.track.dataset, song.track.labels) for song in songs]
    return np.array([point or (np.nan, np.nan) for point in points])


def _mean(values: Floats | Bools) -> float:
    return float(np.mean(values))


def cost(network: AffettiNetwork, songs: Sequence[TrackFeatures]) -> dict[str, Any]:
    """Size of the network, and how long it takes itself, features given.

    Parameters
    ----------
    network : AffettiNetwork
    songs : sequence of TrackFeatures
        Given everything.

    Returns
    -------
    dict
        ``parameters``, ``threads``, and seconds a song: the median ``one_at_a_time`` and
        ``in_batches`` of 64.
    """
    predict(network, songs[:1])  # the first call pays for what is set up
    singles = [_seconds(partial(predict, network, [song])) for song in songs[:_TIMED]]
    batch = list(songs[:_BATCH])
    return {
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "threads": torch.get_num_threads(),
        "one_at_a_time": float(np.median(singles)),
        "in_batches": _seconds(partial(predict, network, batch)) / len(batch),
    }


def _seconds(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began
