"""Calibration error by bins, and reliability diagrams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from mer.metrics import ece
from mer.research.plots import new_figure

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Labels = NDArray[np.int64]

BINS: Final = 10
_DRAWS: Final = 200


def binned(labels: Labels, probabilities: Floats) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Confidence, correctness and bin of each song's prediction.

    Parameters
    ----------
    labels : (songs,) int64 ndarray
    probabilities : (songs, classes) float64 ndarray

    Returns
    -------
    confidence, correct : (songs,) float64 ndarray
    bins : (songs,) int64 ndarray in [0, `BINS`)
        As those of `mer.metrics.ece`.
    """
    confidence = probabilities.max(axis=1)
    correct = (probabilities.argmax(axis=1) == labels).astype(np.float64)
    bins = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
    return confidence, correct, bins


def reliability(labels: Labels, probabilities: Floats) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Points of a reliability diagram, pooled over networks.

    Parameters
    ----------
    labels : (songs,) int64 ndarray
    probabilities : (songs, networks, classes) float64 ndarray

    Returns
    -------
    confidence, correct : (points,) float64 ndarray
        Means of the bins that are not empty.
    predictions : (points,) int64 ndarray
        Number of predictions in each of those bins.
    """
    every = [binned(labels, probabilities[:, network]) for network in range(probabilities.shape[1])]
    confident, correct, bins = (np.concatenate(column) for column in zip(*every, strict=True))
    count = np.bincount(bins, minlength=BINS)
    taken = count > 0
    means = [np.bincount(bins, each, BINS)[taken] / count[taken] for each in (confident, correct)]
    return means[0], means[1], count[taken].astype(np.int64)


def perfect_ece(probabilities: Floats, seed: int = 0) -> float:
    """Mean ECE of a perfectly calibrated network: labels are drawn from its probabilities.

    It is above 0 because bins hold few songs.

    Parameters
    ----------
    probabilities : (songs, classes) float64 ndarray
    seed : int

    Returns
    -------
    float in [0, 1]
    """
    generator = np.random.default_rng(seed)
    cumulated = probabilities.cumsum(axis=1)
    last = probabilities.shape[1] - 1
    drawn = (generator.random((_DRAWS, len(probabilities), 1)) > cumulated).sum(axis=2)
    return float(np.mean([ece(np.minimum(labels, last), probabilities, BINS) for labels in drawn]))


def measure(labels: Labels, probabilities: Floats) -> dict[str, Any]:
    """Calibration error, its value under perfect calibration, and the points of the diagram.

    Parameters
    ----------
    labels : (songs,) int64 ndarray
    probabilities : (songs, networks, classes) float64 ndarray

    Returns
    -------
    dict
        ``ece`` and ``ece_if_perfect``, means over networks; ``points``.
    """
    each = [probabilities[:, network] for network in range(probabilities.shape[1])]
    names = ("confidence", "right", "answers")
    return {
        "ece": float(np.mean([ece(labels, one, BINS) for one in each])),
        "ece_if_perfect": float(np.mean([perfect_ece(one) for one in each])),
        "points": [
            dict(zip(names, (float(confident), float(correct), int(count)), strict=True))
            for confident, correct, count in zip(*reliability(labels, probabilities), strict=True)
        ],
    }


def plot(rows: Mapping[str, Mapping[str, Mapping[str, Any]]], path: Path) -> None:
    """Draw a row of reliability diagrams for each entry, with the number of predictions per bin.

    Parameters
    ----------
    rows : mapping of str to mapping of str to mapping
        By title and then by inputs: as `measure` returns.
    path : Path
        Of the PNG.

    Raises
    ------
    PackageMissingError
        If matplotlib is not installed.
    """
    columns = max(len(row) for row in rows.values())
    figure = new_figure(2.3 * columns + 0.6, 2.5 * len(rows) + 0.5)
    grid = figure.subplots(len(rows), columns, sharex=True, sharey=True, squeeze=False)
    for line, (title, row) in zip(grid, rows.items(), strict=True):
        for axis, (inputs, figures) in zip(line, row.items(), strict=False):
            _draw(axis, inputs, figures)
        for axis in line[len(row) :]:
            axis.set_axis_off()
        line[0].set_ylabel(f"{title}\nshare correct", fontsize="small")
    figure.savefig(path, dpi=110)


def _draw(axis: Any, inputs: str, figures: Mapping[str, Any]) -> None:
    points = figures["points"]
    confident, correct, counts = (
        [point[name] for point in points] for name in ("confidence", "right", "answers")
    )
    axis.plot((0, 1), (0, 1), color="grey", linewidth=0.8)
    axis.bar(
        [(np.ceil(x * BINS) - 0.5) / BINS for x in confident], [n / sum(counts) for n in counts],
        width=0.9 / BINS, color="C7", alpha=0.3,
    )  # fmt: skip
    axis.plot(confident, correct, color="C0", linewidth=0.8, marker="o", markersize=4)
    for x, y, count in zip(confident, correct, counts, strict=True):
        axis.annotate(
            str(count), (x, y), (0, 5), textcoords="offset points", ha="center", fontsize="xx-small"
        )
    axis.set(xlim=(0, 1), ylim=(0, 1.1))
    axis.set_xlabel("probability", fontsize="small")
    title = f"{inputs}\nECE {figures['ece']:.3f}, if perfect {figures['ece_if_perfect']:.3f}"
    axis.set_title(title, fontsize="x-small")
