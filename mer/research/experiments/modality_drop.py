"""Missing modalities, tokens and frames [Wang, figures 5 and 6]."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from mer.research.experiments.base import Experiment, Report
from mer.research.experiments.curves import Curve, panels_of, plot
from mer.research.experiments.statistics import (
    BASELINE,
    ROW_COLUMNS,
    Draws,
    figures,
    predict_probabilities,
    rows_of,
    runs_of,
    sampled,
    shown,
    songs_of,
)
from mer.research.harness.examples import MODALITIES, Condition
from mer.research.tables import Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure

    from mer.research.experiments.base import Setting
    from mer.research.experiments.statistics import Figures, Floats, Row, Songs
    from mer.research.harness.run import Trained

    Sweep = dict[str, list[Figures]]

SHARES: Final = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
MEASURES: Final = {"macro_f1": "Macro-F1", "accuracy": "Accuracy"}
SWEEPS: Final = {
    **{name: f"songs without {name}" for name in MODALITIES},
    "tokens": "missing tokens of lyrics and context",
    "frames": "missing frames of audio",
}
DROPOUTS: Final[Mapping[str, float | None]] = {"trained with dropout": None, "without": 0.0}
"""Modality dropout in training; None keeps that of the run."""

PRINTED: Final = Table(
    "As printed [Wang, figures 5 and 6, as stated in the text]: three polarities",
    ("Lost", "Drop ratio", "F1 of Wang", "F1 of other models"),
    (("text", "0.8", "about .50", "below .40"), ("audio", "0.6", "about .60", "not stated")),
)
NOTES: Final = (
    (
        "Clips of mirex that have lyrics, five clusters. The dropped songs, tokens and frames "
        "depend on the song alone, and a larger share includes every smaller one. Songs are "
        "dropped independently, so the number of songs is in brackets after the share."
    ),
    (
        "The paper does not define its drop ratio. Songs without a modality are the main "
        "reading; tokens and frames are the other."
    ),
    (
        "Difference from the paper: Wang has three polarities of songs without text and "
        "polarity labels (Emotify), and a set that it does not describe (MUSIC). Its points "
        "cannot be reproduced; only the shape of the curve is comparable. Its full model "
        "prints a lower F1 for the fusion (72.36) than for its own text part (82.36), so that "
        "removing the audio should have raised it."
    ),
    (
        "Networks trained with dropout had each modality of a song withheld with probability "
        ".2, never all. Networks without dropout show its effect."
    ),
    (
        "Token loss also drops the same share of the words for TF-IDF and Word2Vec. Frame "
        "loss also drops the samples under the frames from the waveform."
    ),
)


def conditions(sweep: str) -> dict[float, Condition]:
    """Condition at each of `SHARES`."""
    if sweep == "tokens":
        return {share: Condition(token_drop=share) for share in SHARES}
    if sweep == "frames":
        return {share: Condition(frame_drop=share) for share in SHARES}
    return {share: Condition(drop_songs=((sweep, share),)) for share in SHARES}


def lost(songs: Songs, sweep: str) -> dict[float, list[bool]]:
    """Whether each song loses the modality `sweep`, at each of `SHARES`."""
    return {
        share: [condition.loses(example.track, sweep) for example in songs.examples]
        for share, condition in conditions(sweep).items()
    }


def swept(trained: Sequence[Trained], songs: Songs) -> dict[str, list[Floats]]:
    """Probabilities, (songs, seeds, classes), of each sweep at each of `SHARES`.

    Each song is predicted with and without a modality. The predictions of every share of songs are
    composed of these two, because no prediction depends on the other songs.
    """
    whole = predict_probabilities(trained, songs)
    probabilities: dict[str, list[Floats]] = {}
    for sweep in SWEEPS:
        if sweep in MODALITIES:
            without = predict_probabilities(trained, songs, conditions(sweep)[1.0])
            probabilities[sweep] = [
                np.where(np.array(is_missing)[:, None, None], without, whole)
                for is_missing in lost(songs, sweep).values()
            ]
        else:
            modified = [
                predict_probabilities(trained, songs, condition)
                for share, condition in conditions(sweep).items()
                if share
            ]
            probabilities[sweep] = [whole, *modified]
    return probabilities


def measured(songs: Songs, probabilities: Mapping[str, Sequence[Floats]]) -> dict[str, Sweep]:
    """Measures of every sweep at each of `SHARES`."""
    draws = Draws.of(len(songs.examples))
    return {
        sweep: {
            name: [figures(sampled(name, songs.labels, these, draws)) for these in curve]
            for name in MEASURES
        }
        for sweep, curve in probabilities.items()
    }


def run(setting: Setting) -> Report:
    """Predict all sweeps with every network, trained with and without modality dropout."""
    songs = songs_of(setting, "mirex", "cluster", having=MODALITIES)
    found = {
        "baseline": measured(songs, {sweep: [songs.baseline] * len(SHARES) for sweep in SWEEPS})
    }
    for row in rows_of(setting):
        for name, chance in DROPOUTS.items():
            runs = runs_of(setting, row, "mirex", "cluster")
            if chance is not None:
                runs = [replace(each, modality_dropout=chance) for each in runs]
            trained = [setting.train(each) for each in runs]
            found[f"{row.name} {name}"] = measured(songs, swept(trained, songs))
    counts = {
        sweep: [sum(is_missing) for is_missing in lost(songs, sweep).values()]
        for sweep in MODALITIES
    }
    return Report(
        tables=(
            *(_table(sweep, counts, found, rows_of(setting)) for sweep in SWEEPS),
            _accuracies(found, rows_of(setting)),
        ),
        printed=PRINTED,
        notes=(f"{len(songs.examples)} songs.", *NOTES),
        figures={
            "songs": len(songs.examples),
            "shares": SHARES,
            "songs_that_lose": counts,
            **found,
        },
        plot=_plot(found, rows_of(setting)),
    )


def _heads(rows: Sequence[Row]) -> list[tuple[tuple[str, ...], str]]:
    """First three cells of every row, and its key in the figures."""
    heads: list[tuple[tuple[str, ...], str]] = [((*BASELINE, ""), "baseline")]
    heads += [((*row.cells, name), f"{row.name} {name}") for row in rows for name in DROPOUTS]
    return heads


def _table(
    sweep: str,
    counts: Mapping[str, Sequence[int]],
    found: Mapping[str, Mapping[str, Sweep]],
    rows: Sequence[Row],
) -> Table:
    columns = [f"{share:.0%}" for share in SHARES]
    if sweep in counts:
        columns = [f"{c} ({songs})" for c, songs in zip(columns, counts[sweep], strict=True)]
    return Table(
        f"Macro-F1 by share of {SWEEPS[sweep]}",
        (*ROW_COLUMNS, "Modality dropout", *columns),
        tuple(
            (*cells, *(shown(point) for point in found[key][sweep]["macro_f1"]))
            for cells, key in _heads(rows)
        ),
    )


def _accuracies(found: Mapping[str, Mapping[str, Sweep]], rows: Sequence[Row]) -> Table:
    return Table(
        "Accuracy with all inputs, and without one of them",
        (*ROW_COLUMNS, "Modality dropout", "all inputs", *(f"no {name}" for name in SWEEPS)),
        tuple(
            (
                *cells,
                shown(found[key]["audio"]["accuracy"][0]),
                *(shown(found[key][sweep]["accuracy"][-1]) for sweep in SWEEPS),
            )
            for cells, key in _heads(rows)
        ),
    )


def _plot(found: Mapping[str, Mapping[str, Sweep]], rows: Sequence[Row]) -> Figure:
    """Plot lyrics and audio, the modalities that Wang drops; dashed without dropout."""
    models = list(dict.fromkeys(row.model for row in rows))
    panels: dict[str, list[Curve]] = {}
    for sweep in ("lyrics", "audio"):

        def curves(row: Row, sweep: str = sweep) -> list[Curve]:
            return [
                Curve(
                    f"{row.model}, {name}",
                    SHARES,
                    tuple(found[f"{row.name} {name}"][sweep]["macro_f1"]),
                    models.index(row.model),
                    style,
                )
                for name, style in zip(DROPOUTS, ("-", "--"), strict=True)
            ]

        for title, these in panels_of(rows, curves).items():
            panels[f"{title}, no {sweep}"] = these
    return plot(panels, "share of songs", "macro-F1")


EXPERIMENT: Final = Experiment(
    name="modality-drop",
    title="Missing modalities",
    question="How far does the score fall without lyrics, audio or context?",
    source="Wang, figures 5 and 6",
    run=run,
)
