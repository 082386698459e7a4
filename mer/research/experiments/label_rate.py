"""Valence and arousal from a share of the labels [Li, section 4; table 3]."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from mer.research.datasets import deam, emomusic, pmemo
from mer.research.datasets.ceilings import ceilings
from mer.research.experiments.base import Experiment, Report
from mer.research.experiments.curves import Curve, panels_of, plot
from mer.research.experiments.statistics import (
    BASELINE,
    ROW_COLUMNS,
    Draws,
    concordance,
    figures,
    rows_of,
    runs_of,
    shown,
    songs_of,
)
from mer.research.tables import Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure

    from mer.research.experiments.base import Setting
    from mer.research.experiments.statistics import Figures, Floats, Row, Songs
    from mer.research.harness.run import Trained

RATES: Final = (0.3, 0.5, 0.7, 1.0)
"""Shares of the training songs; the last is the full training split."""
MEASURES: Final = {"mean": "Mean", "valence": "Valence", "arousal": "Arousal"}

PRINTED: Final = Table(
    "As printed [Li, table 3]: CCC, of a quantity that is not stated",
    ("Model", "30%", "50%", "70%"),
    (
        ("CNN", 0.512, 0.598, 0.653),
        ("CRNN", 0.541, 0.627, 0.679),
        ("Transformer", 0.568, 0.643, 0.691),
        ("Li", 0.635, 0.712, 0.758),
        ("Human raters, as printed (ICR)", 0.584, 0.584, 0.584),
    ),
)
NOTES: Final = (
    (
        "CCC of valence, of arousal, and their mean, on all songs of the split. A larger "
        "share of the training songs includes every smaller one. The validation songs, which "
        "select the epoch, keep all their labels, so a share of 30% is slightly too "
        "favourable."
    ),
    (
        "Difference from the paper: Li defines a classifier of eight classes without outputs "
        "for valence and arousal, and prints a CCC. Here every architecture has such outputs, "
        "with the loss 1 - CCC plus half the squared error."
    ),
    (
        "The human ceiling of panda4q is unknown, because no listener rated these songs. "
        "Valence and arousal are derived from word norms of the editors' mood words. Figures "
        "are therefore not comparable with those on DEAM."
    ),
    (
        "DEAM, emoMusic and PMEmo have listeners' ratings with their deviation. The ceiling "
        "is the CCC of the mean of all possible raters. The number of raters is inferred from "
        "the ratings (ten per song, five for DEAM's last). DEAM's columns are used as "
        "released, although for 744 songs emoMusic has valence and arousal the other way "
        "round. No model is evaluated on these sets, because their audio is not available."
    ),
    (
        "The paper uses .584 for two things: the abstract gives it as the network's ICC, and "
        "the results plot it as ICR, the agreement of human raters and therefore the ceiling. "
        "It is no ceiling: the text says that the network approaches it, and in table 3 every "
        "network with 50% of the labels or more, including the CNN, is above it. On this page "
        "ceilings have a table of their own and are not a model's score."
    ),
    (
        "The baseline predicts the mean of the training songs for every song. Its CCC is 0, "
        "because it is constant."
    ),
)


def human_ceilings(setting: Setting) -> dict[str, dict[str, float]]:
    """Highest CCC that raters' disagreement allows; data sets that are missing are left out.

    Raises
    ------
    DatasetError
        If a table is damaged.
    """
    found: dict[str, dict[str, float]] = {}
    for name, rated in {"deam": deam, "emomusic": emomusic, "pmemo": pmemo}.items():
        if any((setting.data / folder).is_dir() for folder in (name, f"annotations/{name}")):
            tracks = rated.load(setting.data)
            valence, arousal = ceilings(tracks, divided_by_n=rated.DIVIDED_BY_N)
            found[name] = {
                "songs": len(tracks),
                "mean": (valence.ccc + arousal.ccc) / 2,
                "valence": valence.ccc,
                "arousal": arousal.ccc,
            }
    return found


def predicted_affect(trained: Sequence[Trained], songs: Songs) -> Floats:
    """Valence and arousal predicted by networks of several seeds, (songs, seeds, 2)."""
    return np.stack([network.predict(songs.examples).affect for network in trained], axis=1)


def measured(songs: Songs, predicted: Floats) -> dict[str, Figures]:
    """CCC of valence, of arousal, and their mean, of predictions (songs, seeds, 2)."""
    draws = Draws.of(len(songs.examples))

    def values(axis: int, seed: int) -> Floats:
        truth, column = songs.affect[:, axis], predicted[:, seed, axis]
        return draws.values(lambda counts: concordance(truth, column, counts))

    seeds = range(predicted.shape[1])
    valence, arousal = (np.stack([values(axis, seed) for seed in seeds]) for axis in range(2))
    return {
        "mean": figures((valence + arousal) / 2),
        "valence": figures(valence),
        "arousal": figures(arousal),
    }


def guess(setting: Setting, songs: Songs) -> Floats:
    """Mean valence and arousal of the training songs, (songs, 1, 2)."""
    points = [
        (track.labels.valence, track.labels.arousal)
        for track in (e.track for e in setting.material.songs("panda4q", "train"))
        if track.labels.valence is not None and track.labels.arousal is not None
    ]
    return np.tile(np.mean(points, axis=0), (len(songs.examples), 1, 1))


def run(setting: Setting) -> Report:
    """Train every network on every share of the training songs."""
    songs = songs_of(setting, "panda4q", "va")
    baseline = measured(songs, guess(setting, songs))
    found = {"baseline": {_name(rate): baseline for rate in RATES}}
    for row in rows_of(setting):
        runs = runs_of(setting, row, "panda4q", "va")
        found[row.name] = {
            _name(rate): measured(
                songs,
                predicted_affect(
                    [setting.train(replace(run, label_rate=rate)) for run in runs], songs
                ),
            )
            for rate in RATES
        }
    humans = human_ceilings(setting)
    tables = [_table(measure, found, rows_of(setting)) for measure in MEASURES]
    return Report(
        tables=tuple([*tables, _ceilings_table(humans)] if humans else tables),
        printed=PRINTED,
        notes=(f"{len(songs.examples)} songs.", *NOTES),
        figures={"songs": len(songs.examples), "human_ceilings": humans, **found},
        plot=_plot(found, rows_of(setting)),
    )


def _name(rate: float) -> str:
    return f"{rate:.0%}"


def _table(
    measure: str, found: Mapping[str, Mapping[str, Mapping[str, Figures]]], rows: Sequence[Row]
) -> Table:
    heads = [(("Mean of the training songs", BASELINE[1]), "baseline")]
    heads += [(row.cells, row.name) for row in rows]
    return Table(
        f"CCC by share of labels: {MEASURES[measure].lower()}",
        (*ROW_COLUMNS, *map(_name, RATES)),
        tuple(
            (*cells, *(shown(found[key][_name(rate)][measure]) for rate in RATES))
            for cells, key in heads
        ),
    )


def _ceilings_table(humans: Mapping[str, Mapping[str, float]]) -> Table:
    return Table(
        "Highest CCC that raters' disagreement allows on other data sets (no model)",
        ("Set", "Songs", *MEASURES.values()),
        tuple(
            (name, f"{row['songs']:.0f}", *(row[measure] for measure in MEASURES))
            for name, row in humans.items()
        ),
    )


def _plot(found: Mapping[str, Mapping[str, Mapping[str, Figures]]], rows: Sequence[Row]) -> Figure:
    models = list(dict.fromkeys(row.model for row in rows))

    def curves(row: Row) -> list[Curve]:
        points = tuple(found[row.name][_name(rate)]["mean"] for rate in RATES)
        return [Curve(row.model, RATES, points, models.index(row.model))]

    return plot(panels_of(rows, curves), "share of labels", "CCC, mean of valence and arousal")


EXPERIMENT: Final = Experiment(
    name="label-rate",
    title="Share of the labels",
    question="How well do the architectures predict valence and arousal from few labelled songs?",
    source="Li, section 4, table 3",
    run=run,
)
