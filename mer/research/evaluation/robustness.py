"""``python -m mer.research robustness``: the house network on distorted audio.

Each song is predicted by the network of the cross-validation that was not trained on its artist,
first with clean audio and then with each of `mer.research.inputs.distortions.DISTORTIONS`. Lyrics,
title and artist are not changed. The test split is not used.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from mer.metrics import bootstrap_ci, ece, paired_bootstrap
from mer.research.evaluation.evaluate import held_out_folds
from mer.research.evaluation.explanation_checks import by_hash
from mer.research.evaluation.tasks import TASKS, compare, predict_task, scores
from mer.research.files import write_json, write_page
from mer.research.house.training import add_data_arguments
from mer.research.house.validation import out_of_fold
from mer.research.inputs.distortions import DISTORTIONS
from mer.research.inputs.features import FeatureCache
from mer.research.packages import research_package
from mer.research.plots import new_figure
from mer.research.tables import Table, bullet, command_block, interval, markdown

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from mer.research.evaluation.tasks import Classes, Predictions, Predictor, Task
    from mer.research.inputs.distortions import Distortion
    from mer.research.inputs.features import TrackFeatures

    Distort = Callable[[Sequence[TrackFeatures], Distortion], Sequence[TrackFeatures]]
    Figures = dict[str, Any]

SONGS: Final = 120
CLEAN: Final = "clean"
PICTURE: Final = "robustness.png"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``python -m mer.research robustness``."""
    add_data_arguments(parser)
    parser.add_argument(
        "--songs",
        type=int,
        default=SONGS,
        metavar="N",
        help="songs of each data set, drawn by hash; 0 takes all (default: %(default)s)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("docs/results"),
        metavar="DIR",
        help="where robustness.md, .json and the plot go (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Cross-validate or read the kept networks, predict, and write the report."""
    research_package("matplotlib", "draws the plot")  # fail now rather than after an hour
    material, folds = held_out_folds(args)
    cache = FeatureCache(args.cache, is_wide=True, adapter=material.adapter)
    figures = measure(
        partial(out_of_fold, folds),
        [song for fold in folds for song in fold.held_out],
        lambda songs, distortion: cache.features([song.track for song in songs], distortion),
        args.songs,
    )
    write_json(args.out / "robustness.json", figures, indent=1)
    plot(figures, args.out / PICTURE)
    write_page(args.out / "robustness.md", report(figures, args.command_line))
    return 0


def measure(
    predictor: Predictor, examples: Sequence[TrackFeatures], distort: Distort, count: int
) -> Figures:
    """Predict all tasks under all conditions, from sets of inputs with audio.

    Parameters
    ----------
    predictor : callable
        From songs and modalities to an `AffettiOutput`.
    examples : sequence of TrackFeatures
        Songs on which the networks of `predictor` were not trained.
    distort : callable
        Distorts the audio of songs; keeps their order.
    count : int
        Largest number of songs of each task; 0 takes all.

    Returns
    -------
    dict
        By the task's name: ``songs``, and ``given``: figures by inputs and condition.
    """
    found: Figures = {}
    for task in map(_with_audio, TASKS):
        songs = sorted(task.songs(examples), key=by_hash)[: count or None]
        clean = predict_task(task, songs, [predictor])
        by_inputs: Figures = {
            inputs: {CLEAN: _figures(task, clean.labels, output)}
            for inputs, output in clean.by_inputs.items()
        }
        for distortion in DISTORTIONS.values():
            predictions = predict_task(task, distort(songs, distortion), [predictor])
            for inputs, output in predictions.by_inputs.items():
                by_inputs[inputs][distortion.name] = {
                    **_figures(task, clean.labels, output),
                    **_changes(task, clean.labels, output, clean.by_inputs[inputs]),
                }
        found[task.name] = {"songs": len(songs), "given": by_inputs}
    return found


def _with_audio(task: Task) -> Task:
    """Drop the sets of inputs without audio; the songs stay the same."""
    return replace(task, modalities=tuple(m for m in task.modalities if "audio" in m))


def _figures(task: Task, labels: Classes, output: Predictions) -> Figures:
    return {
        **scores(labels, output.predicted, task.classes),
        "audio_gate": asdict(bootstrap_ci(np.mean, output.gates[:, :, 0])),
        "ece": asdict(bootstrap_ci(ece, labels, output.probabilities[:, 0])),
    }


def _changes(task: Task, labels: Classes, output: Predictions, clean: Predictions) -> Figures:
    """Differences of the same songs, distorted less clean."""
    moved = np.abs(output.affect - clean.affect)[:, 0]
    less_clean = compare(labels, output.predicted, clean.predicted, task.classes)
    for name, statistic, first, second in (
        ("audio_gate", _mean_gate, output.gates[:, :, 0], clean.gates[:, :, 0]),
        ("ece", ece, output.probabilities[:, 0], clean.probabilities[:, 0]),
    ):
        less_clean[name] = asdict(paired_bootstrap(statistic, labels, first, second))
    return {
        "valence_shift": asdict(bootstrap_ci(np.mean, moved[:, 0])),
        "arousal_shift": asdict(bootstrap_ci(np.mean, moved[:, 1])),
        "less_clean": less_clean,
    }


def _mean_gate(labels: Classes, gates: NDArray[np.float64]) -> float:
    return float(gates.mean())


_TITLES: Final = {
    "quadrant": "Quadrants of panda4q (chance .25)",
    "cluster": "MIREX clusters, songs with lyrics (chance .20)",
}
_MEASURES: Final = {
    "accuracy": "Accuracy",
    "macro_f1": "Macro-F1",
    "ece": "Calibration error",
    "audio_gate": "Audio gate",
}


def report(figures: Mapping[str, Any], command: str) -> str:
    """Page of the figures of `measure`.

    Parameters
    ----------
    figures : mapping
    command : str
        Command line.

    Returns
    -------
    str
        Markdown that ends with a newline.
    """
    counts = " and ".join(f"{figures[name]['songs']} of {q}" for name, q in _SETS.items())
    lines = [
        "# Robustness: distorted audio",
        "",
        *command_block(command),
        "The command above writes this page, the plot, and `robustness.json` with all numbers and",
        "p-values.",
        f"The songs are of the training and validation splits: {counts}.",
        "Each is predicted by the network of the cross-validation that was not trained on its",
        "artist.",
        "Brackets are 95% bootstrap intervals over songs. *Less clean* is paired by song.",
        "",
        f"![accuracy lost by distortion]({PICTURE})",
        "",
    ]
    for name, found in figures.items():
        for inputs, conditions in found["given"].items():
            title = f"{_TITLES[name]}, {found['songs']} songs: {inputs.replace('+', ' + ')}"
            lines += markdown(_table(title, conditions, has_gate="+" in inputs))
    for note in _READING:
        lines += bullet(note)
    return "\n".join(lines) + "\n"


_SETS: Final = {task.name: task.dataset for task in TASKS}


def _table(title: str, conditions: Mapping[str, Any], *, has_gate: bool) -> Table:
    measures = list(_MEASURES)[: None if has_gate else -1]
    rows = []
    for condition, figures in conditions.items():
        changes = figures.get("less_clean")
        cells = [condition]
        for name in measures:
            cells.append(interval(figures[name]))
            cells.append(interval(changes[name]["difference"]) if changes else "")
        for axis in ("valence_shift", "arousal_shift"):
            cells.append(interval(figures[axis]) if changes else "")
        rows.append(tuple(cells))
    pairs = [column for name in measures for column in (_MEASURES[name], "less clean")]
    return Table(title, ("Audio", *pairs, "Valence change", "Arousal change"), tuple(rows))


_READING: Final = (
    (
        "Noise: Gaussian; the ratio refers to the power of the song where it is not silent. "
        "Low-pass: Butterworth, order 8. MP3: mono at 16 kHz, constant rate, without the codec's "
        "delay; a stereo file at 44.1 kHz sounds worse at the same rate. Gain above 0 dB clips at "
        "full scale. Excerpts: the middle of a clip of 30 s, which is the whole song here. Pitch: "
        "phase vocoder, same tempo."
    ),
    (
        "Valence and arousal change: mean absolute difference from the prediction for the clean "
        "song, between 0 and 1."
    ),
    (
        "Calibration error has ten bins, and is never 0 on so few songs. Each network is "
        "calibrated on clean songs of the other folds. Bootstrap samples bias the error upwards."
    ),
    (
        "Training uses distorted copies of other songs "
        "(`mer.research.inputs.distortions.augment`): noise of 0 to 30 dB, low-passes from 2.5 "
        "kHz, MP3, -9 to +3 dB, and pitches within 2 semitones. It uses neither +6 dB nor excerpts."
    ),
    "Intervals are not corrected for the number of conditions.",
)
"""Notes under the tables."""


def plot(figures: Mapping[str, Any], path: Path) -> None:
    """Draw the change of accuracy by condition, one panel per task.

    Parameters
    ----------
    figures : mapping
        From `measure`.
    path : Path
        Of the PNG.

    Raises
    ------
    PackageMissingError
        If matplotlib is not installed.
    """
    figure = new_figure(5 * len(figures), 6)
    names = list(DISTORTIONS)
    axes = figure.subplots(1, len(figures), sharey=True, squeeze=False)[0]
    for axis, (name, found) in zip(axes, figures.items(), strict=True):
        _draw(axis, found["given"], names)
        axis.set(title=_TITLES[name], xlabel="accuracy less that of clean audio")
        axis.legend(fontsize="small")
    axes[0].set_yticks(np.arange(len(names)), names)
    axes[0].invert_yaxis()
    figure.savefig(path, dpi=110)


def _draw(axis: Any, by_inputs: Mapping[str, Any], names: Sequence[str]) -> None:
    """Draw a point with its interval for each condition and set of inputs."""
    axis.axvline(0, color="grey", linewidth=0.8)
    for row, (modalities, conditions) in enumerate(by_inputs.items()):
        each = [conditions[name]["less_clean"]["accuracy"]["difference"] for name in names]
        middle, low, high = (
            np.array([point[key] for point in each]) for key in ("estimate", "low", "high")
        )
        axis.errorbar(
            middle,
            np.arange(len(names)) + 0.2 * row,
            # A percentile interval may exclude its estimate.
            xerr=np.maximum(0, [middle - low, high - middle]),
            fmt="o",
            markersize=4,
            label=modalities.replace("+", " + "),
        )
