"""Test sets with a majority class [Li, section 4; figure 7]."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from mer.errors import InputError
from mer.research.experiments.base import Experiment, Report
from mer.research.experiments.statistics import (
    BASELINE,
    ROW_COLUMNS,
    Draws,
    figures,
    predict_probabilities,
    rows_of,
    sampled,
    shown,
    songs_of,
    trained_rows,
)
from mer.research.harness.labels import CLASS_NAMES
from mer.research.plots import new_figure
from mer.research.tables import Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from mer.research.experiments.base import Setting
    from mer.research.experiments.statistics import Figures, Floats, Labels, Row

SHARE: Final = 0.7
"""Share of the majority class; the other classes have equal shares of the rest."""
DRAWS: Final = 200
"""Number of subsets over which figures are averaged."""
RESAMPLES: Final = 1000
EACH: Final = 10
"""Number of bootstrap samples, and of the subsets that are drawn from each."""
MEASURES: Final = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "macro_f1": "Macro-F1",
    "weighted_f1": "Weighted F1",
    "macro_ap": "Macro AP",
}

PRINTED: Final = Table(
    "As printed [Li, figure 7]: range over six subsets of eight classes",
    ("Model", "Weighted F1", "Average precision"),
    (("Li", ".74 to .81", ".72 to .79"),),
)
NOTES: Final = (
    (
        "Each network predicts all songs once. Subsets of its predictions are drawn without "
        f"replacement, {DRAWS} for each majority class, as large as the classes allow. Figures "
        "are means over the subsets. As in the paper, nothing is trained on imbalanced songs."
    ),
    (
        f"For the interval, the songs of each class are drawn with replacement, {RESAMPLES:,} "
        f"times, and {EACH} subsets of each such sample are averaged."
    ),
    (
        "Difference from the paper: it has eight classes and tests six of them, without a "
        "reason for leaving out disgust and anticipation. Here every class with songs is the "
        "majority class once."
    ),
    (
        "Weighted F1 and accuracy give the majority class a weight of seven tenths. Always "
        "predicting it has .70 accuracy and .58 weighted F1. Balanced accuracy and macro-F1 "
        "do not reward that."
    ),
    (
        "The paper does not define its average precision. Here it is the mean over classes, "
        "each against the rest. It depends on the class shares: that of the baseline is their "
        "mean."
    ),
    "The baseline uses the majority class as an input; the networks do not.",
)


def sizes(labels: Labels, majority: int, classes: int) -> dict[int, int]:
    """Songs of each class in a subset.

    Parameters
    ----------
    labels : (songs,) int64 ndarray
    majority : int
        The majority class.
    classes : int

    Returns
    -------
    dict
        The largest possible subset; classes without songs are left out.

    Raises
    ------
    InputError
        If there are too few songs for one of every other class.
    """
    support = np.bincount(labels, minlength=classes)
    others = [index for index in np.flatnonzero(support).tolist() if index != majority]
    ratio = SHARE / (1 - SHARE) * len(others)  # songs of the majority class per one of another
    smallest = min((int(support[index]) for index in others), default=0)
    each = min(smallest, int(support[majority] / ratio + 1e-9)) if others else 0
    if each == 0:
        raise InputError(
            f"class {majority} has {support[majority]} songs and the smallest other one "
            f"{smallest}; a subset of 70% needs at least {ratio:.0f} and 1"
        )
    return {majority: round(each * ratio), **dict.fromkeys(others, each)}


def subsets(
    labels: Labels, wanted: Mapping[int, int], draws: int, seed: int, *, resampled: bool
) -> NDArray[np.float64]:
    """Draw subsets.

    Parameters
    ----------
    labels : (songs,) int64 ndarray
    wanted : mapping from class to songs
    draws, seed : int
    resampled : bool
        Draw a bootstrap sample of each class before every `EACH` subsets.

    Returns
    -------
    (draws, songs) float64 ndarray
        Number of times that each song counts.
    """
    generator = np.random.default_rng(seed)
    counts = np.zeros((draws, len(labels)))
    rows = np.arange(draws)[:, None]
    for index, size in wanted.items():
        pool = np.flatnonzero(labels == index)
        drawn = np.tile(pool, (draws, 1))
        if resampled:
            samples = generator.choice(pool, (draws // EACH, len(pool)))
            drawn = np.repeat(samples, EACH, axis=0)
        chosen = generator.random(drawn.shape).argsort(axis=1)[:, :size]
        np.add.at(counts, (rows, np.take_along_axis(drawn, chosen, axis=1)), 1)
    return counts


def run(setting: Setting) -> Report:
    """Predict all songs once with every network, and score the predictions of each subset."""
    songs = songs_of(setting, "panda4q", "quadrant")
    names = CLASS_NAMES["quadrant"]
    probabilities = {
        row.name: predict_probabilities(networks, songs)
        for row, networks in trained_rows(setting, "panda4q", "quadrant")
    }
    found: dict[str, dict[str, dict[str, Figures]]] = {}
    composition: dict[str, dict[str, int]] = {}
    for majority in np.unique(songs.labels).tolist():
        wanted = sizes(songs.labels, majority, len(names))
        draws = Draws(
            subsets(songs.labels, wanted, DRAWS, majority, resampled=False),
            subsets(songs.labels, wanted, RESAMPLES * EACH, majority, resampled=True),
            EACH,
        )
        always = np.zeros((len(songs.labels), 1, len(names)))
        always[:, :, majority] = 1
        found[names[majority]] = {
            key: measured(songs.labels, these, draws)
            for key, these in {"baseline": always, **probabilities}.items()
        }
        composition[names[majority]] = {names[i]: size for i, size in wanted.items()}
    return Report(
        tables=tuple(
            _table(name, found[name], composition[name], rows_of(setting)) for name in found
        ),
        printed=PRINTED,
        notes=NOTES,
        figures={"subsets": composition, **found},
        plot=_plot(found, rows_of(setting)),
    )


def measured(labels: Labels, probabilities: Floats, draws: Draws) -> dict[str, Figures]:
    """All measures of probabilities (songs, seeds, classes)."""
    return {name: figures(sampled(name, labels, probabilities, draws)) for name in MEASURES}


def _table(
    name: str,
    found: Mapping[str, Mapping[str, Figures]],
    composition: Mapping[str, int],
    rows: Sequence[Row],
) -> Table:
    heads = [(("Always the majority class", BASELINE[1]), "baseline")]
    heads += [(row.cells, row.name) for row in rows]
    held = ", ".join(f"{size} {label}" for label, size in composition.items())
    return Table(
        f"Majority class {name} ({held})",
        (*ROW_COLUMNS, *MEASURES.values()),
        tuple((*cells, *(shown(found[key][each]) for each in MEASURES)) for cells, key in heads),
    )


def _plot(found: Mapping[str, Mapping[str, Mapping[str, Figures]]], rows: Sequence[Row]) -> Figure:
    figure = new_figure(9, 4.5)
    axis = figure.subplots()
    width = 0.8 / len(found)
    for number, (name, of_rows) in enumerate(found.items()):
        points = [of_rows[row.name]["macro_f1"] for row in rows]
        heights = [point["estimate"] for point in points]
        below = [max(0.0, point["estimate"] - point["low"]) for point in points]
        above = [max(0.0, point["high"] - point["estimate"]) for point in points]
        places = np.arange(len(rows)) + (number - (len(found) - 1) / 2) * width
        axis.bar(places, heights, width, yerr=(below, above), label=f"majority class {name}")
    axis.set_xticks(range(len(rows)), [row.name for row in rows], rotation=30, ha="right")
    axis.set_ylabel("macro-F1")
    axis.legend(fontsize="small")
    return figure


EXPERIMENT: Final = Experiment(
    name="imbalance",
    title="Majority class",
    question="How do the architectures score if seven in ten songs are of one class?",
    source="Li, section 4, figure 7",
    run=run,
)
