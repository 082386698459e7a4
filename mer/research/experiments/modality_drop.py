"""Songs, tokens and frames that lose a modality [Wang, figures 5 and 6]."""

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
    chances,
    figures,
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
    **{name: f"songs that lose their {name}" for name in MODALITIES},
    "tokens": "tokens lost, of lyrics and of context",
    "frames": "frames of audio lost",
}
DROPOUTS: Final[Mapping[str, float | None]] = {"trained with dropout": None, "without": 0.0}
"""Chance of withholding a modality in training; None leaves a run's own."""

PRINTED: Final = Table(
    "As Wang prints it (figures 5 and 6: three polarities; read off in the text)",
    ("Lost", "Drop ratio", "F1 of Wang", "F1 of the others"),
    (("text", "0.8", "about .50", "below .40"), ("audio", "0.6", "about .60", "not stated")),
)
NOTES: Final = (
    (
        "Clips of mirex that have lyrics, five clusters. Which songs, tokens and frames are lost "
        "follows from the song alone, and a larger share loses all that a smaller one does; how "
        "many songs a share is, is beside it, for each song is lost or kept by its own draw."
    ),
    (
        "The paper does not say what its drop ratio is a share of. Songs that lose a modality "
        "altogether are the main reading; tokens and frames are the other."
    ),
    (
        "Departure: Wang has three polarities of songs that come with no text and no polarity "
        "labels at all (Emotify), and a set that it does not describe (MUSIC); its points cannot "
        "be reproduced and stand for the shape of the curve alone. Its full model prints fusion "
        "(72.36) below its own text (82.36), so losing the audio should have helped it."
    ),
    (
        "Networks trained with dropout had each modality of a song withheld one time in five, "
        "never all; those without had not, and show what the dropout is worth."
    ),
    (
        "Token loss takes the same share of the words for TF-IDF and Word2Vec, and frame loss the "
        "samples under the frames from the waveform beside a log-mel."
    ),
)


def conditions(sweep: str) -> dict[float, Condition]:
    """How songs are disturbed at each of `SHARES`."""
    if sweep == "tokens":
        return {share: Condition(token_drop=share) for share in SHARES}
    if sweep == "frames":
        return {share: Condition(frame_drop=share) for share in SHARES}
    return {share: Condition(drop_songs=((sweep, share),)) for share in SHARES}


def lost(songs: Songs, sweep: str) -> dict[float, list[bool]]:
    """Which songs lose the modality `sweep` at each of `SHARES`."""
    return {
        share: [condition.loses(example.track, sweep) for example in songs.examples]
        for share, condition in conditions(sweep).items()
    }


def swept(trained: Sequence[Trained], songs: Songs) -> dict[str, list[Floats]]:
    """Probabilities, (songs, seeds, classes), of each sweep at each of `SHARES`.

    A song is asked about with a modality and without it; every share of songs that lose it is
    put together from these two answers, for no song's answer depends on its neighbours.
    """
    whole = chances(trained, songs)
    said: dict[str, list[Floats]] = {}
    for sweep in SWEEPS:
        if sweep in MODALITIES:
            without = chances(trained, songs, conditions(sweep)[1.0])
            said[sweep] = [
                np.where(np.array(gone)[:, None, None], without, whole)
                for gone in lost(songs, sweep).values()
            ]
        else:
            disturbed = [
                chances(trained, songs, condition)
                for share, condition in conditions(sweep).items()
                if share
            ]
            said[sweep] = [whole, *disturbed]
    return said


def measured(songs: Songs, said: Mapping[str, Sequence[Floats]]) -> dict[str, Sweep]:
    """Measures of every sweep at each of `SHARES`."""
    draws = Draws.of(len(songs.examples))
    return {
        sweep: {
            name: [figures(sampled(name, songs.labels, these, draws)) for these in curve]
            for name in MEASURES
        }
        for sweep, curve in said.items()
    }


def run(setting: Setting) -> Report:
    """Ask every network, trained with and without modality dropout, in every sweep."""
    songs = songs_of(setting, "mirex", "cluster", having=MODALITIES)
    found = {"baseline": measured(songs, {sweep: [songs.guess] * len(SHARES) for sweep in SWEEPS})}
    for row in rows_of(setting):
        for name, chance in DROPOUTS.items():
            runs = runs_of(setting, row, "mirex", "cluster")
            if chance is not None:
                runs = [replace(each, modality_dropout=chance) for each in runs]
            trained = [setting.train(each) for each in runs]
            found[f"{row.name} {name}"] = measured(songs, swept(trained, songs))
    counts = {sweep: [sum(gone) for gone in lost(songs, sweep).values()] for sweep in MODALITIES}
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
        "Accuracy with everything, and with all of one thing lost",
        (*ROW_COLUMNS, "Modality dropout", "nothing lost", *SWEEPS),
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
    """Lyrics and audio, the two that Wang drops; dashed without dropout in training."""
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
    title="Modalities that are missing",
    question="What is left of each architecture's answers when lyrics, audio or context go?",
    source="Wang, figures 5 and 6",
    run=run,
)
