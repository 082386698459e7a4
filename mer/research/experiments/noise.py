"""What white noise over the audio costs [Li, section 4; its figure 6]."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mer.research.experiments.base import Experiment, Report
from mer.research.experiments.curves import Curve, panels_of, plot
from mer.research.experiments.statistics import (
    BASELINE,
    ROW_COLUMNS,
    Draws,
    area,
    chances,
    figures,
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
    "As Li prints it (figure 6; only this level is stated in words)",
    ("Model", "SNR", "Accuracy", "Macro-F1"),
    (("Li", "0 dB", 0.58, 0.55),),
)
NOTES: Final = (
    (
        "White Gaussian noise, fixed by clip and level, over the samples' power where the clip is "
        "not silent (the paper does not say over what); rescaled only where the sum would clip. "
        "Lyrics and context are as they were, and no network is trained again."
    ),
    (
        "The area is the mean height of the curve from 0 to 20 dB by trapezoids, without the clean "
        "songs; the drop is clean less 0 dB. Their intervals resample the same songs at all levels."
    ),
    (
        "Departure: four quadrants of panda4q, audio with title and artist, stand for Li's eight "
        "classes of audio with lyrics, because none of the sets that the paper names carries "
        "lyrics or those eight classes."
    ),
    (
        "The printed .58 can therefore not be reproduced as written and is no bar for these rows: "
        "chance is one in four here and one in eight there."
    ),
    (
        "Title and artist are untouched by noise, so what is left at 0 dB is in part what they "
        "alone can tell; the modality-drop experiment shows how much that is."
    ),
)


def heard(
    setting: Setting, trained: Mapping[Row, Sequence[Trained]], songs: Songs
) -> dict[Row, dict[str, Floats]]:
    """Probabilities of every row at every level, clean first.

    Levels are the outer loop: noisy MusiCNN patches are slow to make, and all rows share them.
    """
    said = {row: {_CLEAN: chances(networks, songs)} for row, networks in trained.items()}
    for level in LEVELS:
        for row, networks in trained.items():
            said[row][_name(level)] = chances(networks, songs, Condition(snr_db=level))
    return said


def measured(name: str, songs: Songs, said: Mapping[str, Floats]) -> dict[str, Figures]:
    """One measure at every level, its area and its drop, from probabilities by level."""
    draws = Draws.of(len(songs.examples))
    values = {level: sampled(name, songs.labels, these, draws) for level, these in said.items()}
    curve = [values[_name(level)] for level in reversed(LEVELS)]
    result = {level: figures(these) for level, these in values.items()}
    result["area"] = figures(area(LEVELS[::-1], curve))
    result["drop"] = figures(values[_CLEAN] - values[_name(0.0)])
    return result


def run(setting: Setting) -> Report:
    """Ask every network about the same songs at every level."""
    songs = songs_of(setting, "panda4q", "quadrant")
    trained = dict(trained_rows(setting, "panda4q", "quadrant"))
    said = heard(setting, trained, songs)
    guess = dict.fromkeys((_CLEAN, *map(_name, LEVELS)), songs.guess)
    found = {
        name: {
            "baseline": measured(name, songs, guess),
            **{row.name: measured(name, songs, these) for row, these in said.items()},
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
    title="Noise over the audio",
    question="How much worse does each architecture hear when white noise lies over the songs?",
    source="Li, section 4, figure 6",
    run=run,
)
