"""Training on one data set, testing on another [Li, section 4.5; table 2]."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from mer.research.datasets.overlaps import check_transfer
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
from mer.research.harness.examples import tracks
from mer.research.plots import new_figure
from mer.research.tables import Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure

    from mer.research.experiments.base import Setting
    from mer.research.experiments.statistics import Figures, Floats, Row, Songs

DIRECTIONS: Final = (("panda4q", "mirex"), ("mirex", "panda4q"))
"""Training set and test set."""
OVERLAPS: Final = "song_overlaps.csv"
"""File of the data folder: songs that are in several sets."""
MEASURES: Final = {"macro_auc": "AUC", "kappa": "kappa"}

PRINTED: Final = Table(
    "As printed [Li, table 2]: trained on DEAM",
    ("Model", "EmoMusic AUC", "EmoMusic kappa", "GTZAN AUC", "GTZAN kappa"),
    (
        ("CNN", 0.763, 0.318, 0.718, 0.263),
        ("CRNN", 0.674, 0.351, 0.612, 0.289),
        ("Transformer", 0.698, 0.376, 0.635, 0.304),
        ("Li", 0.832, 0.452, 0.887, 0.387),
    ),
)
NOTES: Final = (
    (
        "Networks are trained on the quadrants of one set and tested on the other without "
        "further training. The same networks are also tested on the same split of their own "
        "set. AUC is the mean over the classes, each against the rest."
    ),
    (
        "mirex has no quadrants. They are derived from the one adjective of each song by word "
        "norms, relative to the mean of the training songs, and are noisy: the norms make "
        "*bittersweet* and *fiery* happy. A low figure on mirex, or after training on it, may "
        "be due to these labels. A mirex song may have different quadrants in the two tables, "
        "because the mean comes from the training songs."
    ),
    (
        "No test song is among the training songs, by id, artist and title, text, or the list "
        "of songs in several sets. No test song of the other set selected the epoch. The "
        "experiment stops otherwise."
    ),
    (
        "The printed EmoMusic figures are no transfer: all 744 songs of emoMusic are songs of "
        "DEAM, so the test songs were in the training set. GTZAN has genres and no emotions. "
        "None of the three sets has lyrics, which the paper's network takes as input."
    ),
    (
        "Two other printed claims conflict: the CNN is the best baseline by AUC and the worst "
        "by kappa, and Li's AUC rises on the set that the paper calls harder, while its kappa "
        "falls. Both are computed from the same predictions here."
    ),
)


def test_songs(setting: Setting, source: str, other: str) -> dict[str, Songs]:
    """Test songs of the training set and of the other set.

    Raises
    ------
    DatasetError
        If a song that trains the networks or selects their epoch is among them (except validation
        songs of `source`, if those are the test songs); or if the data folder has no list of songs
        in several sets.
    """
    songs = {
        name: songs_of(setting, name, "quadrant", trained_on=source) for name in (source, other)
    }
    training, chosen_by = (
        tracks(setting.material.songs(source, split)) for split in ("train", "val")
    )
    for name, these in songs.items():
        known = training if (name, setting.split) == (source, "val") else [*training, *chosen_by]
        check_transfer(known, tracks(these.examples), overlaps=setting.data / OVERLAPS)
    return songs


def measured(
    songs: Mapping[str, Songs], probabilities: Mapping[str, Floats]
) -> dict[str, dict[str, Figures]]:
    """All measures by data set, from probabilities by data set."""
    result = {}
    for name, these in songs.items():
        draws = Draws.of(len(these.examples))
        result[name] = {
            measure: figures(sampled(measure, these.labels, probabilities[name], draws))
            for measure in MEASURES
        }
    return result


def run(setting: Setting) -> Report:
    """Train on each set, test on both."""
    found: dict[str, dict[str, dict[str, dict[str, Figures]]]] = {}
    tables, counts = [], {}
    for source, other in DIRECTIONS:
        songs = test_songs(setting, source, other)
        of_rows = {"baseline": measured(songs, {name: s.baseline for name, s in songs.items()})}
        for row, networks in trained_rows(setting, source, "quadrant"):
            probabilities = {
                name: predict_probabilities(networks, these) for name, these in songs.items()
            }
            of_rows[row.name] = measured(songs, probabilities)
        found[f"{source} to {other}"] = of_rows
        counts[f"{source} to {other}"] = {name: len(s.examples) for name, s in songs.items()}
        tables.append(_table(songs, source, other, of_rows, rows_of(setting)))
    return Report(
        tables=tuple(tables),
        printed=PRINTED,
        notes=NOTES,
        figures={"songs": counts, **found},
        plot=_plot(found, rows_of(setting)),
    )


def _table(
    songs: Mapping[str, Songs],
    source: str,
    other: str,
    found: Mapping[str, Mapping[str, Mapping[str, Figures]]],
    rows: Sequence[Row],
) -> Table:
    columns = [f"{name} {MEASURES[m]}" for name in (other, source) for m in MEASURES]
    heads = [(BASELINE, "baseline"), *((row.cells, row.name) for row in rows)]
    return Table(
        f"Trained on {source}, tested on {len(songs[other].examples)} songs of {other} and "
        f"{len(songs[source].examples)} of {source}",
        (*ROW_COLUMNS, *columns),
        tuple(
            (*cells, *(shown(found[key][name][m]) for name in (other, source) for m in MEASURES))
            for cells, key in heads
        ),
    )


def _plot(
    found: Mapping[str, Mapping[str, Mapping[str, Mapping[str, Figures]]]], rows: Sequence[Row]
) -> Figure:
    figure = new_figure(10, 4.5)
    axes = figure.subplots(1, len(DIRECTIONS), sharey=True)
    for axis, (source, other) in zip(axes, DIRECTIONS, strict=True):
        for number, name in enumerate((source, other)):
            points = [found[f"{source} to {other}"][row.name][name]["macro_auc"] for row in rows]
            middle = np.array([point["estimate"] for point in points])
            low = np.array([point["low"] for point in points])
            high = np.array([point["high"] for point in points])
            axis.errorbar(
                np.arange(len(rows)) + 0.2 * (number - 0.5),
                middle,
                yerr=np.stack([middle - low, high - middle]).clip(min=0),
                fmt="o",
                label=f"tested on {name}",
            )
        axis.axhline(0.5, color="grey", linewidth=0.8)
        axis.set_title(f"trained on {source}")
        axis.set_xticks(range(len(rows)), [row.name for row in rows], rotation=40, ha="right")
        axis.legend(fontsize="small")
    axes[0].set_ylabel("macro ROC-AUC")
    return figure


EXPERIMENT: Final = Experiment(
    name="transfer",
    title="Transfer",
    question="How well do networks trained on one data set predict the quadrants of another?",
    source="Li, section 4.5, table 2",
    run=run,
)
