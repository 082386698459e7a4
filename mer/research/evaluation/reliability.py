"""Whether what is said with 70% is right seven times in ten: errors by bins, and a plot."""

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
_GUESSED: Final = 200


def binned(labels: Labels, said: Floats) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Tell how sure and how right each song's answer is, and its bin.

    Parameters
    ----------
    labels : (songs,) int64 ndarray
    said : (songs, classes) float64 ndarray

    Returns
    -------
    confidence, right : (songs,) float64 ndarray
    bins : (songs,) int64 ndarray in [0, `BINS`)
        As those of `mer.metrics.ece`.
    """
    confidence = said.max(axis=1)
    right = (said.argmax(axis=1) == labels).astype(np.float64)
    bins = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
    return confidence, right, bins


def reliability(labels: Labels, said: Floats) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Points of a reliability diagram, over all networks.

    Parameters
    ----------
    labels : (songs,) int64 ndarray
    said : (songs, networks, classes) float64 ndarray

    Returns
    -------
    confidence, right : (points,) float64 ndarray
        Means in the bins that are not empty.
    answers : (points,) int64 ndarray
        How many lie in each.
    """
    every = [binned(labels, said[:, network]) for network in range(said.shape[1])]
    sure, right, bins = (np.concatenate(column) for column in zip(*every, strict=True))
    count = np.bincount(bins, minlength=BINS)
    taken = count > 0
    means = [np.bincount(bins, each, BINS)[taken] / count[taken] for each in (sure, right)]
    return means[0], means[1], count[taken].astype(np.int64)


def guessed_ece(said: Floats, seed: int = 0) -> float:
    """Mean ECE of a network that is perfectly calibrated: its labels are drawn from what it says.

    Few songs leave few in a bin, so that even then it is not 0.

    Parameters
    ----------
    said : (songs, classes) float64 ndarray
    seed : int

    Returns
    -------
    float in [0, 1]
    """
    generator = np.random.default_rng(seed)
    cumulated = said.cumsum(axis=1)
    last = said.shape[1] - 1
    drawn = (generator.random((_GUESSED, len(said), 1)) > cumulated).sum(axis=2)
    return float(np.mean([ece(np.minimum(labels, last), said, BINS) for labels in drawn]))


def measure(labels: Labels, said: Floats) -> dict[str, Any]:
    """Calibration error, what it would be at best, and the points of the diagram.

    Parameters
    ----------
    labels : (songs,) int64 ndarray
    said : (songs, networks, classes) float64 ndarray

    Returns
    -------
    dict
        ``ece`` and ``ece_if_perfect``, means over networks; ``points``.
    """
    each = [said[:, network] for network in range(said.shape[1])]
    names = ("confidence", "right", "answers")
    return {
        "ece": float(np.mean([ece(labels, one, BINS) for one in each])),
        "ece_if_perfect": float(np.mean([guessed_ece(one) for one in each])),
        "points": [
            dict(zip(names, (float(sure), float(right), int(count)), strict=True))
            for sure, right, count in zip(*reliability(labels, said), strict=True)
        ],
    }


def plot(rows: Mapping[str, Mapping[str, Mapping[str, Any]]], path: Path) -> None:
    """Draw a row of reliability diagrams for each entry, and how many answers lie where.

    Parameters
    ----------
    rows : mapping of str to mapping of str to mapping
        By title and then by what was given: as `measure` returns.
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
        for axis, (given, figures) in zip(line, row.items(), strict=False):
            _draw(axis, given, figures)
        for axis in line[len(row) :]:
            axis.set_axis_off()
        line[0].set_ylabel(f"{title}\nshare right", fontsize="small")
    figure.savefig(path, dpi=110)


def _draw(axis: Any, given: str, figures: Mapping[str, Any]) -> None:
    points = figures["points"]
    sure, right, answers = (
        [point[name] for point in points] for name in ("confidence", "right", "answers")
    )
    axis.plot((0, 1), (0, 1), color="grey", linewidth=0.8)
    axis.bar(
        [(np.ceil(x * BINS) - 0.5) / BINS for x in sure], [n / sum(answers) for n in answers],
        width=0.9 / BINS, color="C7", alpha=0.3,
    )  # fmt: skip
    axis.plot(sure, right, color="C0", linewidth=0.8, marker="o", markersize=4)
    for x, y, count in zip(sure, right, answers, strict=True):
        axis.annotate(
            str(count), (x, y), (0, 5), textcoords="offset points", ha="center", fontsize="xx-small"
        )
    axis.set(xlim=(0, 1), ylim=(0, 1.1))
    axis.set_xlabel("probability said", fontsize="small")
    title = f"{given}\nECE {figures['ece']:.3f}, if perfect {figures['ece_if_perfect']:.3f}"
    axis.set_title(title, fontsize="x-small")
