"""``python -m mer.research robustness``: what distorted audio does to the house network.

Networks of the cross-validation are asked about songs that they were not trained on, first as they
are and then under each of `mer.research.inputs.distortions.DISTORTIONS`; no test song is. Whatever else the network
is given, lyrics or title and artist, stays as it was.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from mer.metrics import bootstrap_ci, ece, paired_bootstrap
from mer.research.evaluation.evaluate import unmet_songs
from mer.research.evaluation.explanation_checks import by_hash
from mer.research.evaluation.questions import QUESTIONS, ask, compare, scores
from mer.research.files import write_json, write_page
from mer.research.house.training import add_data_arguments
from mer.research.house.validation import out_of_fold
from mer.research.inputs.distortions import DISTORTIONS
from mer.research.inputs.features import FeatureCache
from mer.research.packages import research_package
from mer.research.plots import new_figure
from mer.research.tables import Table, interval, markdown

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from mer.research.evaluation.questions import Answerer, Classes, Question, Said
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
    """Cross-validate, or read what is cross-validated; ask; and write the report."""
    research_package("matplotlib", "draws the plot")  # missed now rather than after an hour
    material, folds = unmet_songs(args)
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
    answerer: Answerer, examples: Sequence[TrackFeatures], distort: Distort, count: int
) -> Figures:
    """Ask every question that audio is part of, under every condition.

    Parameters
    ----------
    answerer : callable
        Takes songs and modalities, gives an `AffettiOutput`.
    examples : sequence of TrackFeatures
        Songs that `answerer` was not trained on.
    distort : callable
        Gives songs as they are under a distortion, in their order.
    count : int
        Songs of each question, at most; 0 takes all.

    Returns
    -------
    dict
        By the question's name: ``songs`` and ``given``, figures by modalities and condition.
    """
    found: Figures = {}
    for question in map(_heard, QUESTIONS):
        songs = sorted(question.songs(examples), key=by_hash)[: count or None]
        clean = ask(question, songs, [answerer])
        given: Figures = {
            name: {CLEAN: _figures(question, clean.labels, said)}
            for name, said in clean.said.items()
        }
        for distortion in DISTORTIONS.values():
            asked = ask(question, distort(songs, distortion), [answerer])
            for name, said in asked.said.items():
                given[name][distortion.name] = {
                    **_figures(question, clean.labels, said),
                    **_changes(question, clean.labels, said, clean.said[name]),
                }
        found[question.name] = {"songs": len(songs), "given": given}
    return found


def _heard(question: Question) -> Question:
    """Leave out what would be asked without audio; the songs stay the same."""
    return replace(question, modalities=tuple(m for m in question.modalities if "audio" in m))


def _figures(question: Question, labels: Classes, said: Said) -> Figures:
    return {
        **scores(labels, said.answers, question.classes),
        "audio_gate": asdict(bootstrap_ci(np.mean, said.gates[:, :, 0])),
        "ece": asdict(bootstrap_ci(ece, labels, said.probabilities[:, 0])),
    }


def _changes(question: Question, labels: Classes, said: Said, clean: Said) -> Figures:
    """Differences to the same songs as they are: distorted less clean, paired by song."""
    moved = np.abs(said.affect - clean.affect)[:, 0]
    less_clean = compare(labels, said.answers, clean.answers, question.classes)
    for name, statistic, first, second in (
        ("audio_gate", _mean_gate, said.gates[:, :, 0], clean.gates[:, :, 0]),
        ("ece", ece, said.probabilities[:, 0], clean.probabilities[:, 0]),
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
    """Tables of what `measure` found.

    Parameters
    ----------
    figures : mapping
    command : str
        What was typed.

    Returns
    -------
    str
        Markdown that ends with a newline.
    """
    counts = " and ".join(f"{figures[name]['songs']} of {q}" for name, q in _SETS.items())
    lines = [
        "# Robustness: distorted audio",
        "",
        (
            f"Written by `{command}`; all numbers, with p-values, in `robustness.json`. Songs of "
            f"the training and validation splits, {counts}, each judged by the network of the "
            "cross-validation that has not met its artist. Brackets: 95% bootstrap intervals over "
            "songs; 'less clean' is paired by song."
        ),
        "",
        f"![what distortions cost]({PICTURE})",
        "",
    ]
    for name, found in figures.items():
        for given, conditions in found["given"].items():
            title = f"{_TITLES[name]}, {found['songs']} songs: {given.replace('+', ' + ')}"
            lines += markdown(_table(title, conditions, has_gate="+" in given))
    return "\n".join([*lines, *_READING]) + "\n"


_SETS: Final = {question.name: question.dataset for question in QUESTIONS}


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
    return Table(title, ("Audio", *pairs, "Valence moves", "Arousal moves"), tuple(rows))


_READING: Final = (
    (
        "- Noise: Gaussian, at a ratio to the power where the song is not silent. "
        "Low-pass: Butterworth, order 8. MP3: mono at 16 kHz, constant rate, without "
        "the codec's delay; a stereo file at 44.1 kHz sounds worse at the same rate. Gain up "
        "clips at full scale. Excerpts are the middle of a clip of 30 s, which is the whole "
        "song here. Pitch: phase vocoder, same tempo."
    ),
    (
        "- Valence and arousal move: mean distance of the prediction from that of the clean song, "
        "whichever way, between 0 and 1."
    ),
    (
        "- Calibration error has ten bins, and is never 0 on so few songs; each network is "
        "calibrated on clean songs of the other folds. Bootstrap samples bias it upwards."
    ),
    (
        "- Training on distorted copies (`mer.research.inputs.distortions.augment`) meets noise of 0 to 30 dB, "
        "low-passes from 2.5 kHz, MP3, -9 to +3 dB and pitches within 2 semitones, of other "
        "songs; never +6 dB or excerpts."
    ),
    "- Intervals are not widened for how many conditions there are.",
)


def plot(figures: Mapping[str, Any], path: Path) -> None:
    """Draw what every condition adds to accuracy, a panel for each question.

    Parameters
    ----------
    figures : mapping
        As `measure` returns.
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


def _draw(axis: Any, given: Mapping[str, Any], names: Sequence[str]) -> None:
    """Draw a point with its interval for each condition, modalities side by side."""
    axis.axvline(0, color="grey", linewidth=0.8)
    for row, (modalities, conditions) in enumerate(given.items()):
        each = [conditions[name]["less_clean"]["accuracy"]["difference"] for name in names]
        middle, low, high = (
            np.array([point[key] for point in each]) for key in ("estimate", "low", "high")
        )
        axis.errorbar(
            middle,
            np.arange(len(names)) + 0.2 * row,
            # A percentile interval need not hold its estimate.
            xerr=np.maximum(0, [middle - low, high - middle]),
            fmt="o",
            markersize=4,
            label=modalities.replace("+", " + "),
        )
