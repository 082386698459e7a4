"""White noise over the audio [Li, section 4; figure 6]."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mer.research.experiments.base import Experiment, Report
from mer.research.experiments.curves import Curve, panels_of, plot
from mer.research.experiments.statistics import (
    BASELINE,
    ROW_COLUMNS,
    Draws,
    area,
    figures,
    predict_probabilities,
    rows_of,
    sampled,
    shown,
    songs_of,
    trained_rows,
)
from mer.research.harness.examples import Condition
from mer.research.tables import Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure

    from mer.research.experiments.base import Setting
    from mer.research.experiments.statistics import Figures, Floats, Row, Songs
    from mer.research.harness.run import Trained

LEVELS: Final = (20.0, 15.0, 10.0, 5.0, 0.0)
"""Signal-to-noise ratios in decibels, after the clean songs."""
MEASURES: Final = {"accuracy": "Accuracy", "macro_f1": "Macro-F1"}
_CLEAN: Final = "clean"

PRINTED: Final = Table(
    "As printed [Li, figure 6; the text states this level alone]",
    ("Model", "SNR", "Accuracy", "Macro-F1"),
    (("Li", "0 dB", 0.58, 0.55),),
)
NOTES: Final = (
    (
        "White Gaussian noise, fixed by clip and level. The ratio refers to the power of the "
        "clip where it is not silent (the paper does not define it). The sum is rescaled only "
        "if it would clip. Lyrics and context are unchanged, and networks are not trained "
        "again."
    ),
    (
        "The area is the mean height of the curve from 0 to 20 dB by trapezoids, without the "
        "clean songs. The drop is clean less 0 dB. Their intervals resample the same songs at "
        "all levels."
    ),
    (
        "Difference from the paper: four quadrants of panda4q, from audio with title and "
        "artist, replace Li's eight classes from audio with lyrics. None of the sets that the "
        "paper names has lyrics or those eight classes."
    ),
    (
        "The printed .58 can therefore not be reproduced, and is not comparable with these "
        "rows: chance is one in four here and one in eight there."
    ),
    (
        "Title and artist are without noise, and contribute to the scores at 0 dB. The "
        "modality-drop experiment shows how much."
    ),
)


def predict_levels(
    setting: Setting, trained: Mapping[Row, Sequence[Trained]], songs: Songs
) -> dict[Row, dict[str, Floats]]:
    """Probabilities of every row at every level, clean first.

    Levels are the outer loop: noisy MusiCNN patches are slow to compute and shared by all rows.
    """
    probabilities = {
        row: {_CLEAN: predict_probabilities(networks, songs)} for row, networks in trained.items()
    }
    for level in LEVELS:
        for row, networks in trained.items():
            probabilities[row][_name(level)] = predict_probabilities(
                networks, songs, Condition(snr_db=level)
            )
    return probabilities


def measured(name: str, songs: Songs, probabilities: Mapping[str, Floats]) -> dict[str, Figures]:
    """One measure at every level, with the area under its curve and its drop."""
    draws = Draws.of(len(songs.examples))
    values = {
        level: sampled(name, songs.labels, these, draws) for level, these in probabilities.items()
    }
    curve = [values[_name(level)] for level in reversed(LEVELS)]
    result = {level: figures(these) for level, these in values.items()}
    result["area"] = figures(area(LEVELS[::-1], curve))
    result["drop"] = figures(values[_CLEAN] - values[_name(0.0)])
    return result


def run(setting: Setting) -> Report:
    """Predict the same songs at every level with every network."""
    songs = songs_of(setting, "panda4q", "quadrant")
    trained = dict(trained_rows(setting, "panda4q", "quadrant"))
    probabilities = predict_levels(setting, trained, songs)
    guess = dict.fromkeys((_CLEAN, *map(_name, LEVELS)), songs.baseline)
    found = {
        name: {
            "baseline": measured(name, songs, guess),
            **{row.name: measured(name, songs, these) for row, these in probabilities.items()},
        }
        for name in MEASURES
    }
    return Report(
        tables=tuple(_table(name, found[name], rows_of(setting)) for name in MEASURES),
        printed=PRINTED,
        notes=(f"{len(songs.examples)} songs.", *NOTES),
        figures={"songs": len(songs.examples), **found},
        plot=_plot(found["accuracy"], rows_of(setting)),
    )


def _name(level: float) -> str:
    return f"{level:g} dB"


def _table(name: str, found: Mapping[str, Mapping[str, Figures]], rows: Sequence[Row]) -> Table:
    columns = (_CLEAN, *map(_name, LEVELS), "area", "drop")
    heads = [(BASELINE, "baseline"), *((row.cells, row.name) for row in rows)]
    return Table(
        f"{MEASURES[name]} under noise",
        (*ROW_COLUMNS, *columns),
        tuple((*cells, *(shown(found[key][column]) for column in columns)) for cells, key in heads),
    )


def _plot(found: Mapping[str, Mapping[str, Figures]], rows: Sequence[Row]) -> Figure:
    models = list(dict.fromkeys(row.model for row in rows))

    def curves(row: Row) -> list[Curve]:
        points = tuple(found[row.name][_name(level)] for level in LEVELS)
        return [Curve(row.model, LEVELS, points, models.index(row.model))]

    return plot(panels_of(rows, curves), "signal-to-noise ratio (dB)", "accuracy")


EXPERIMENT: Final = Experiment(
    name="noise",
    title="Noise",
    question="How far does the score of each architecture fall with white noise over the audio?",
    source="Li, section 4, figure 6",
    run=run,
)
