"""Calibration before and after temperature scaling.

The temperature is fitted on validation songs. If those are the predicted songs, each half of them
has the temperature of the other half.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from mer.research.evaluation.reliability import BINS, binned, perfect_ece, reliability
from mer.research.experiments.base import Experiment, Report
from mer.research.experiments.statistics import (
    BASELINE,
    ROW_COLUMNS,
    Draws,
    figures,
    predict_probabilities,
    shown,
    songs_of,
    trained_rows,
)
from mer.research.plots import new_figure
from mer.research.tables import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from mer.research.experiments.base import Setting
    from mer.research.experiments.statistics import Figures, Labels, Songs

    Floats = NDArray[np.float64]
    Measure = Callable[[Labels, Floats, Draws], Floats]

TASKS: Final[tuple[tuple[str, str, tuple[str, ...]], ...]] = (
    ("panda4q", "quadrant", ()),
    ("mirex", "cluster", ("lyrics",)),
)
"""Data set, target, and required modalities."""
_GRID: Final = np.exp(np.arange(-115, 231) / 50)  # 0.1 to 99
_FLOOR: Final = 1e-12


def scaled(probabilities: Floats, temperature: float) -> Floats:
    """Divide log-probabilities by a temperature.

    Parameters
    ----------
    probabilities : (songs, classes) float64 ndarray
        Rows sum to 1.
    temperature : float
        Above 0; values above 1 lower the confidence.

    Returns
    -------
    (songs, classes) float64 ndarray

    References
    ----------
    .. [1] Guo, Pleiss, Sun & Weinberger (2017), "On calibration of modern neural networks", ICML,
       eq. (9). Probabilities replace the logits, because windows of a clip are averaged.
    """
    scores = np.log(np.maximum(probabilities, _FLOOR)) / temperature
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: Floats = weights / weights.sum(axis=1, keepdims=True)
    return shares


def fit_temperature(labels: Labels, probabilities: Floats) -> float:
    """Find the temperature, 0.1 to 99, with the lowest negative log-likelihood of the labels.

    Parameters
    ----------
    labels : (songs,) int64 ndarray
    probabilities : (songs, classes) float64 ndarray

    Returns
    -------
    float
    """
    songs = np.arange(len(labels))
    losses = [
        -np.log(np.maximum(scaled(probabilities, t)[songs, labels], _FLOOR)).mean() for t in _GRID
    ]
    return float(_GRID[int(np.argmin(losses))])


def brier(labels: Labels, probabilities: Floats) -> Floats:
    """Squared distance of each song's probabilities from its label, (songs,) in [0, 2]."""
    wanted = np.eye(probabilities.shape[1])[labels]
    distances: Floats = ((probabilities - wanted) ** 2).sum(axis=1)
    return distances


def negative_log_likelihood(labels: Labels, probabilities: Floats) -> Floats:
    """Negative log-likelihood of each song's label in nats, (songs,)."""
    nats: Floats = -np.log(np.maximum(probabilities[np.arange(len(labels)), labels], _FLOOR))
    return nats


def _ece_drawn(labels: Labels, probabilities: Floats, draws: Draws) -> Floats:
    """`mer.metrics.ece` in all draws, (1 + resamples,)."""
    confidence, correct, bins = binned(labels, probabilities)
    gaps = (correct - confidence)[:, None] * np.eye(BINS)[bins]
    return draws.values(lambda counts: np.abs(counts @ gaps).sum(axis=1) / counts.sum(axis=1))


def _mean_of(each: Callable[[Labels, Floats], Floats]) -> Measure:
    def measure(labels: Labels, probabilities: Floats, draws: Draws) -> Floats:
        values = each(labels, probabilities)
        return draws.values(lambda counts: counts @ values / counts.sum(axis=1))

    return measure


def _correct(labels: Labels, probabilities: Floats) -> Floats:
    return binned(labels, probabilities)[1]


MEASURES: Final[Mapping[str, Measure]] = {
    "accuracy": _mean_of(_correct),
    "ece": _ece_drawn,
    "brier": _mean_of(brier),
    "nll": _mean_of(negative_log_likelihood),
}


@dataclass(frozen=True, slots=True)
class Calibrated:
    """Probabilities of one row of the table, before and after scaling.

    Parameters
    ----------
    cells : (str, str)
        Model and front end.
    before, after : (songs, seeds, classes) float64 ndarray
    temperatures : tuple of float
        One per network; the mean of two if each half has its own.
    """

    cells: tuple[str, str]
    before: Floats
    after: Floats
    temperatures: tuple[float, ...]


def calibrated(
    songs: Songs, probabilities: Floats, held: Songs | None, held_probabilities: Floats | None
) -> tuple[Floats, tuple[float, ...]]:
    """Scale probabilities by temperatures that are fitted on other songs.

    Parameters
    ----------
    songs : Songs
    probabilities : (songs, seeds, classes) float64 ndarray
    held : Songs or None
        Songs for the fit; without them, each half of `songs` has the temperature of the other.
    held_probabilities : (held, seeds, classes) float64 ndarray or None

    Returns
    -------
    (songs, seeds, classes) float64 ndarray
    tuple of float
    """
    after, temperatures = np.empty_like(probabilities), []
    half = np.arange(len(probabilities)) % 2 == 0
    for seed in range(probabilities.shape[1]):
        one = probabilities[:, seed]
        if held is not None and held_probabilities is not None:
            temperatures.append(fit_temperature(held.labels, held_probabilities[:, seed]))
            after[:, seed] = scaled(one, temperatures[-1])
            continue
        fitted = []
        for part in (half, ~half):
            fitted.append(fit_temperature(songs.labels[part], one[part]))
            after[~part, seed] = scaled(one[~part], fitted[-1])
        temperatures.append(float(np.mean(fitted)))
    return after, tuple(temperatures)


def run(setting: Setting) -> Report:
    """Predict both data sets with every network, before and after scaling."""
    tables: list[Table] = []
    kept: dict[str, object] = {}
    panels: dict[str, tuple[Songs, list[Calibrated]]] = {}
    for dataset, target, having in TASKS:
        songs = songs_of(setting, dataset, target, having=having)
        rows = _rows(setting, dataset, target, having, songs)
        draws = Draws.of(len(songs.labels))
        measured = [_measured(songs, row, draws) for row in rows]
        title = f"{dataset}, {target}, {setting.split}: {len(songs.labels)} songs"
        tables.append(_table(title, rows, measured))
        models = {" / ".join(row.cells): found for row, found in zip(rows, measured, strict=True)}
        kept[dataset] = {"songs": len(songs.labels), "models": models}
        panels[f"{dataset}, {target}"] = (songs, rows)
    notes = (FITTED_BY_HALVES if setting.split == "val" else FITTED_ELSEWHERE, *NOTES)
    return Report(tuple(tables), None, notes, kept, _plot(panels))


def _rows(
    setting: Setting, dataset: str, target: str, having: tuple[str, ...], songs: Songs
) -> list[Calibrated]:
    held = None
    if setting.split != "val":
        held = songs_of(replace(setting, split="val"), dataset, target, having=having)
    rows = [Calibrated(BASELINE, songs.baseline, songs.baseline, (1.0,))]
    for row, trained in trained_rows(setting, dataset, target):
        probabilities = predict_probabilities(trained, songs)
        held_probabilities = None if held is None else predict_probabilities(trained, held)
        rows.append(
            Calibrated(
                row.cells,
                probabilities,
                *calibrated(songs, probabilities, held, held_probabilities),
            )
        )
    return rows


def _measured(songs: Songs, row: Calibrated, draws: Draws) -> dict[str, object]:
    """Figures of one row: before, after, and their paired difference."""
    found: dict[str, object] = {"temperatures": row.temperatures}
    parts: dict[str, dict[str, Figures]] = {"before": {}, "after": {}, "after_less_before": {}}
    for name, measure in MEASURES.items():
        before, after = (
            np.stack(
                [
                    measure(songs.labels, probabilities[:, seed], draws)
                    for seed in range(probabilities.shape[1])
                ]
            )
            for probabilities in (row.before, row.after)
        )
        parts["before"][name], parts["after"][name] = figures(before), figures(after)
        parts["after_less_before"][name] = figures(after - before)
    seeds = range(row.after.shape[1])
    found["ece_if_perfect"] = float(np.mean([perfect_ece(row.after[:, seed]) for seed in seeds]))
    return found | parts


COLUMNS: Final = (
    *ROW_COLUMNS, "Accuracy", "ECE before", "ECE after", "after less before", "ECE if perfect",
    "Brier before", "after", "NLL before", "after", "Temperature",
)  # fmt: skip


def _table(title: str, rows: Sequence[Calibrated], measured: Sequence[dict[str, Any]]) -> Table:
    lines = [
        (
            *row.cells,
            shown(found["before"]["accuracy"]),
            shown(found["before"]["ece"]),
            shown(found["after"]["ece"]),
            shown(found["after_less_before"]["ece"]),
            found["ece_if_perfect"],
            *(
                shown(found[when][name])
                for name in ("brier", "nll")
                for when in ("before", "after")
            ),
            " ".join(f"{temperature:.2f}" for temperature in row.temperatures),
        )
        for row, found in zip(rows, measured, strict=True)
    ]
    return Table(title, COLUMNS, tuple(lines))


NOTES: Final = (
    (
        "ECE has ten equal bins. 'ECE if perfect' is its mean, on as many songs, if the "
        "scaled probabilities were correct. It is never 0 on few songs."
    ),
    (
        "Brier is the squared distance from the label over all classes (0 to 2). NLL is in "
        "nats. The temperature does not change the most probable class, so there is one "
        "accuracy."
    ),
    (
        "The baseline is nearly calibrated although it uses no input. A low ECE alone is "
        "therefore no merit; Brier and NLL complement it."
    ),
    (
        "Brackets are 95% bootstrap intervals over songs, means over seeds. The ECE of a "
        "bootstrap sample is biased upwards, so that an estimate can lie low in its interval, "
        "or below it."
    ),
    "None of the five papers prints figures on calibration.",
)
FITTED_ELSEWHERE: Final = (
    "The temperature is fitted on the validation songs, which also selected the epoch. None of "
    "them is among the predicted songs."
)
FITTED_BY_HALVES: Final = (
    "The predicted songs are validation songs: the temperature of each half is fitted on the other "
    "half. They also selected the epoch, so that the figures here are too favourable."
)


def _plot(panels: Mapping[str, tuple[Songs, list[Calibrated]]]) -> Figure:
    columns = max(len(rows) for _, rows in panels.values()) - 1
    figure = new_figure(2.3 * columns + 0.6, 2.5 * len(panels) + 0.5)
    grid = figure.subplots(len(panels), columns, sharex=True, sharey=True, squeeze=False)
    for line, (title, (songs, rows)) in zip(grid, panels.items(), strict=True):
        for axis, row in zip(line, rows[1:], strict=False):
            axis.plot((0, 1), (0, 1), color="grey", linewidth=0.8)
            for name, probabilities, color in (
                ("before", row.before, "C1"),
                ("after", row.after, "C0"),
            ):
                confidence, correct, counts = reliability(songs.labels, probabilities)
                share = counts / counts.sum()
                axis.plot(confidence, correct, color=color, linewidth=0.8, label=name)
                axis.scatter(
                    confidence, correct, s=120 * share, color=color, alpha=0.7, linewidths=0
                )
            axis.set_title(f"{row.cells[0].split(':')[0]}, {row.cells[1]}", fontsize="small")
        line[0].set_ylabel(f"{title}\nshare correct", fontsize="small")
    for axis in grid[-1]:
        axis.set_xlabel("probability", fontsize="small")
    grid[0, 0].legend(fontsize="x-small")
    return figure


EXPERIMENT: Final = Experiment(
    name="calibration",
    title="Calibration",
    question="How far is confidence from accuracy, and does temperature scaling correct it?",
    source="none of the papers; a product that displays probabilities needs it",
    run=run,
)
