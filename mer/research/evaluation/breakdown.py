"""Errors of the house network by class, genre and confidence, and its valence and arousal."""

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
    from mer.research.evaluation.tasks import Classes, Floats, Predictions, TaskPredictions
    from mer.research.house.mixture import Plane
    from mer.research.inputs.features import TrackFeatures

    Bools = NDArray[np.bool_]

FEWEST: Final = 10
"""Least number of songs of a genre with its own row; all other songs are *other*."""
_MISTAKES: Final = 10
_TIMED: Final = 32
_BATCH: Final = 64


def measure(
    predictions: TaskPredictions, plane: Plane, genres: Mapping[str, Sequence[str]] | None = None
) -> dict[str, Any]:
    """Compute all breakdowns of one task.

    Parameters
    ----------
    predictions : TaskPredictions
    plane : Plane
        Maps the labels to valence and arousal.
    genres : mapping of track id to sequence of str, or None
        None if the data set has no genres.

    Returns
    -------
    dict
        ``classes``, ``confusion``, ``genres`` and ``mistakes`` from all inputs; ``reliability``,
        ``ambiguous`` and ``place`` for each set of inputs.
    """
    labels, output = predictions.labels, predictions.by_inputs[predictions.task.all_inputs]
    names = predictions.task.class_names
    norms = _norm_points(predictions.songs, plane)
    result: dict[str, Any] = {
        "classes": by_class(labels, output.predicted, names),
        "confusion": mean_confusion(labels, output.predicted, len(names)).tolist(),
        "mistakes": confident_errors(predictions),
        "reliability": {},
        "ambiguous": {},
        "place": {},
    }
    if genres is not None:
        listed = [genres.get(song.track.track_id, ()) for song in predictions.songs]
        result["genres"] = by_genre(labels, output.predicted, listed)
    for inputs, part in predictions.by_inputs.items():
        result["reliability"][inputs] = reliability.measure(labels, part.probabilities)
        result["ambiguous"][inputs] = by_confidence(labels, part)
        result["place"][inputs] = affect_figures(part, norms)
    return result


def by_class(labels: Classes, predicted: Classes, names: Sequence[str]) -> dict[str, Any]:
    """Precision, recall and F1 of each class: means over networks, intervals over songs.

    Parameters
    ----------
    labels : (songs,) int64 ndarray
    predicted : (songs, networks) int64 ndarray
    names : sequence of str
    """

    def statistic(index: int, column: int, labels: Classes, predicted: Classes) -> float:
        each = [precision_recall_f1(labels, one, len(names))[index, column] for one in predicted.T]
        return float(np.mean(each))

    measures = ("precision", "recall", "f1")
    return {
        name: {
            "songs": int(np.sum(labels == index)),
            **{
                measure_: asdict(bootstrap_ci(partial(statistic, index, column), labels, predicted))
                for column, measure_ in enumerate(measures)
            },
        }
        for index, name in enumerate(names)
    }


def mean_confusion(labels: Classes, predicted: Classes, classes: int) -> Floats:
    """Confusion matrix, mean over networks: label by row, predicted class by column."""
    each = [confusion(labels, one, classes) for one in predicted.T]
    mean: Floats = np.mean(each, axis=0)
    return mean


def by_genre(
    labels: Classes, predicted: Classes, genres: Sequence[Sequence[str]]
) -> dict[str, dict[str, Any]]:
    """Accuracy and share of the largest class in each genre, the largest genre first.

    Parameters
    ----------
    labels : (songs,) int64 ndarray
    predicted : (songs, networks) int64 ndarray
    genres : sequence of sequences of str
        Genres of each song; a song counts in all of them.
    """
    names = sorted({name for listed in genres for name in listed})
    members = {name: np.array([name in listed for listed in genres]) for name in names}
    kept = {name: mask for name, mask in members.items() if mask.sum() >= FEWEST}
    kept = dict(sorted(kept.items(), key=lambda item: -int(item[1].sum())))
    rest = ~np.any([*kept.values(), np.zeros(len(labels), dtype=bool)], axis=0)
    if rest.any():
        kept["other"] = rest
    correct = (predicted == labels[:, None]).mean(axis=1)
    return {
        name: {
            "songs": int(mask.sum()),
            "accuracy": asdict(bootstrap_ci(_mean, correct[mask])),
            "commonest": float(np.bincount(labels[mask]).max() / mask.sum()),
        }
        for name, mask in kept.items()
    }


def confident_errors(predictions: TaskPredictions) -> list[dict[str, Any]]:
    """Most confident errors of the networks' mean prediction; songs are given by track id."""
    names, labels = predictions.task.class_names, predictions.labels
    mean = predictions.by_inputs[predictions.task.all_inputs].probabilities.mean(axis=1)
    predicted = mean.argmax(axis=1)
    wrong = np.flatnonzero(predicted != labels)
    wrong = wrong[np.argsort(-mean[wrong].max(axis=1), kind="stable")][:_MISTAKES]
    return [
        {
            "song": predictions.songs[index].track.track_id,
            "label": names[labels[index]],
            "said": names[predicted[index]],
            "confidence": float(mean[index].max()),
            "of_the_label": float(mean[index, labels[index]]),
        }
        for index in wrong
    ]


def by_confidence(labels: Classes, output: Predictions) -> dict[str, Any]:
    """Share and accuracy of the ambiguous predictions, and accuracy of the others.

    Returns
    -------
    dict
        An accuracy is None if there is no such prediction.
    """
    ambiguous = output.confidence < AMBIGUOUS_BELOW
    correct = output.predicted == labels[:, None]
    return {
        "share": asdict(bootstrap_ci(_mean, ambiguous)),
        "accuracy_ambiguous": _share_among(correct, ambiguous),
        "accuracy_sure": _share_among(correct, ~ambiguous),
    }


def _share_among(correct: Bools, chosen: Bools) -> dict[str, float] | None:
    if not chosen.any():
        return None

    def share(correct: Bools, chosen: Bools) -> float:
        return float(correct[chosen].mean()) if chosen.any() else float("nan")

    return asdict(bootstrap_ci(share, correct, chosen))


def affect_figures(output: Predictions, norms: Floats) -> dict[str, Any]:
    """Agreement of valence and arousal with the quadrant head and with the labels' word norms.

    Parameters
    ----------
    output : Predictions
    norms : (songs, 2) float64 ndarray
        Valence and arousal by word norms; NaN if no word is known.

    Returns
    -------
    dict
        ``agreement``: share of songs whose point lies in the most probable quadrant. For each axis:
        ``spearman`` and ``rmse`` against the norms, the shares of norms within one and two
        spreads, the mean ``spread`` and its rank correlation with the error. An axis is None
        if fewer than two songs have norms.
    """
    known = np.isfinite(norms).all(axis=1)
    result: dict[str, Any] = {
        "agreement": asdict(bootstrap_ci(_mean, quadrant_of(output.affect) == output.quadrants)),
        "songs": int(known.sum()),
    }
    for axis, name in enumerate(("valence", "arousal")):
        columns = (norms[known, axis], output.affect[known, :, axis], output.spread[known, :, axis])
        result[name] = _axis(*columns) if known.sum() > 1 else None
    return result


def _axis(true: Floats, estimated: Floats, spread: Floats) -> dict[str, Any]:
    error = np.abs(estimated - true[:, None])

    def each(statistic: Callable[..., float]) -> Callable[..., float]:
        """Mean over networks of a statistic of two columns."""

        def mean(first: Floats, second: Floats) -> float:
            columns = first.T if first.ndim == 2 else [first] * second.shape[1]
            return float(np.mean([statistic(a, b) for a, b in zip(columns, second.T, strict=True)]))

        return mean

    return {
        "spearman": asdict(bootstrap_ci(each(spearman), true, estimated)),
        "rmse": asdict(bootstrap_ci(each(rmse), true, estimated)),
        "within_one_spread": asdict(bootstrap_ci(_mean, error <= spread)),
        "within_two_spreads": asdict(bootstrap_ci(_mean, error <= 2 * spread)),
        "spread": float(spread.mean()),
        "spread_with_error": asdict(bootstrap_ci(each(spearman), error, spread)),
    }


def quadrant_of(affect: Floats) -> Classes:
    """Quadrant of each (valence, arousal); 0.5 is high, as in `mer.affect.AffectPoint`.

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


def _norm_points(songs: Sequence[TrackFeatures], plane: Plane) -> Floats:
    points = [plane.place(song.track.dataset, song.track.labels) for song in songs]
    return np.array([point or (np.nan, np.nan) for point in points])


def _mean(values: Floats | Bools) -> float:
    return float(np.mean(values))


def cost(network: AffettiNetwork, songs: Sequence[TrackFeatures]) -> dict[str, Any]:
    """Size of the network and its time per song; encoder features are computed beforehand.

    Parameters
    ----------
    network : AffettiNetwork
    songs : sequence of TrackFeatures
        With all modalities.

    Returns
    -------
    dict
        ``parameters``, ``threads``, and seconds per song: the median ``one_at_a_time`` and
        ``in_batches`` of 64.
    """
    predict(network, songs[:1])  # the first call includes set-up time
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
