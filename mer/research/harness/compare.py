"""``python -m mer.research compare``: scores of all architectures and baselines.

Networks are trained on the training split; the validation split selects their epoch, and the
baseline with which all are compared. Per-song predictions are written, so that other figures can
be computed from them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from mer.errors import InputError
from mer.metrics import holm, macro_f1
from mer.research.architectures.base import architectures
from mer.research.evaluation.tasks import compare as paired
from mer.research.evaluation.tasks import scores
from mer.research.files import write_json, write_page
from mer.research.harness import options
from mer.research.harness.estimators import ESTIMATORS, fit_estimator
from mer.research.harness.examples import tracks
from mer.research.harness.labels import CLASS_NAMES
from mer.research.harness.run import Run, fit
from mer.research.tables import Table, command_block, interval, markdown, number, paragraph

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from mer.research.harness.estimators import Estimator
    from mer.research.harness.examples import Example, Material
    from mer.research.harness.run import Trained

TASKS: Final = (("panda4q", "quadrant"), ("mirex", "cluster"))
"""Data sets and targets; of mirex, only the songs with lyrics are used."""


@dataclass(frozen=True, slots=True)
class Entrant:
    """A model with one front end: a row of the table.

    Parameters
    ----------
    model, title : str
    front_end : {'own', 'musicnn'} or None
        None for baselines that are not networks.
    is_baseline : bool
    """

    model: str
    title: str
    front_end: str | None
    is_baseline: bool

    @property
    def key(self) -> str:
        """Unique name."""
        return self.model if self.front_end in (None, "own") else f"{self.model}+{self.front_end}"


def entrants(models: Sequence[str], front_ends: Sequence[str]) -> list[Entrant]:
    """Rows of the table: baselines that are not networks, then architectures by front end."""
    rows = [
        Entrant(name, title, None, is_baseline=True)
        for name, (title, _) in ESTIMATORS.items()
        if not models or name in models
    ]
    for name, entry in architectures().items():
        if models and name not in models:
            continue
        rows += [
            Entrant(name, entry.title, front_end, is_baseline=entry.paper == "baseline")
            for front_end in front_ends
            if front_end in entry.inputs
        ]
    if unknown := set(models) - {row.model for row in rows}:
        known = [*ESTIMATORS, *architectures()]
        raise InputError(f"no model is called {sorted(unknown)[0]!r}; there are {', '.join(known)}")
    return rows


def task_songs(material: Material, dataset: str, split: Any) -> list[Example]:
    """Songs of a data set's split that the task uses."""
    songs = material.songs(dataset, split)
    return [s for s in songs if dataset != "mirex" or s.features.lyrics is not None]


def models_of(
    entrant: Entrant, dataset: str, target: str, material: Material, args: argparse.Namespace
) -> list[Trained | Estimator]:
    """Train or read one model per seed; a deterministic baseline is fitted once."""
    if entrant.front_end is None:
        return [fit_estimator(Run(entrant.model, dataset, target), material)]
    return [
        fit(
            options.run_of(args, entrant.model, entrant.front_end, dataset, target, seed),
            material,
            options.runs_folder(args),
        )
        for seed in range(args.seeds)
    ]


def measure(
    material: Material, dataset: str, target: str, args: argparse.Namespace
) -> dict[str, Any]:
    """Figures of every row on one task; also writes the per-song predictions."""
    songs = task_songs(material, dataset, args.split)
    validation = task_songs(material, dataset, "val")
    classes = len(CLASS_NAMES[target])
    predicted: dict[str, NDArray[np.int64]] = {}
    rows: dict[str, dict[str, Any]] = {}
    labels = np.zeros(0, dtype=np.int64)
    for entrant in entrants(args.models, args.front_ends):
        trained = models_of(entrant, dataset, target, material, args)
        labels = trained[0].labeller.labels(tracks(songs)).hard.numpy()
        probabilities = [model.predict(songs).probabilities for model in trained]
        predicted[entrant.key] = np.stack([p.argmax(axis=1) for p in probabilities], axis=1)
        truth = trained[0].labeller.labels(tracks(validation)).hard.numpy()
        chosen = [model.predict(validation).probabilities.argmax(axis=1) for model in trained]
        rows[entrant.key] = {
            **asdict(entrant),
            **scores(labels, predicted[entrant.key], classes),
            "validation_macro_f1": float(np.mean([macro_f1(truth, c, classes) for c in chosen])),
            "parameters": trained[0].parameters,
            "seconds": float(np.mean([model.seconds for model in trained])),
        }
        _keep_predictions(args.predictions, dataset, entrant, songs, labels, probabilities)
    baselines = [key for key, row in rows.items() if row["is_baseline"]]
    best = max(baselines, key=lambda key: rows[key]["validation_macro_f1"]) if baselines else None
    for name, rival in (("best_baseline", best), ("probe", "probe")):
        if rival in rows:
            _add_tests(rows, predicted, labels, classes, rival, f"against_{name}")
    return {"songs": len(songs), "best_baseline": best, "rows": rows}


def _add_tests(
    rows: dict[str, dict[str, Any]],
    predicted: dict[str, NDArray[np.int64]],
    labels: NDArray[np.int64],
    classes: int,
    rival: str,
    name: str,
) -> None:
    """Compare every row with `rival` on the same songs; p is adjusted for their number."""
    others = [key for key in rows if key != rival]
    for key in others:
        rows[key][name] = paired(labels, predicted[key], predicted[rival], classes)
    adjusted = holm([rows[key][name]["macro_f1"]["p_value"] for key in others])
    for key, p_value in zip(others, adjusted, strict=True):
        rows[key][name]["macro_f1"]["p_holm"] = p_value


def _keep_predictions(
    folder: Path,
    dataset: str,
    entrant: Entrant,
    songs: Sequence[Example],
    labels: NDArray[np.int64],
    probabilities: Sequence[NDArray[np.float64]],
) -> None:
    kept = {
        "songs": [song.track.track_id for song in songs],
        "labels": labels.tolist(),
        "probabilities": [p.round(5).tolist() for p in probabilities],
    }
    write_json(folder / f"{dataset}-{entrant.key}.json", kept)


def table(dataset: str, target: str, figures: dict[str, Any]) -> Table:
    """Table of the figures of one task, sorted by macro-F1."""
    best = figures["best_baseline"]
    rows = []
    for row in sorted(figures["rows"].values(), key=lambda row: -row["macro_f1"]["estimate"]):
        rows.append(
            (
                f"{row['title']}{' (baseline)' if row['is_baseline'] else ''}",
                row["front_end"] or "-",
                interval(row["accuracy"]),
                interval(row["macro_f1"]),
                " ".join(number(each) for each in row["macro_f1"]["each"]),
                f"{row['parameters'] / 1e6:.2f} M",
                f"{row['seconds']:.0f}",
                _against(row, "against_best_baseline"),
                _against(row, "against_probe"),
            )
        )
    return Table(
        f"{dataset}, {target} ({figures['songs']} songs)",
        (
            "model",
            "audio front end",
            "accuracy",
            "macro-F1",
            "each seed",
            "trained parameters",
            "seconds",
            f"macro-F1 less {best}",
            "macro-F1 less the probe of all inputs",
        ),
        tuple(rows),
    )


def _against(row: dict[str, Any], name: str) -> str:
    if name not in row:
        return "-"
    figures = row[name]["macro_f1"]
    return f"{interval(figures['difference'], signed=True)}, p = {figures['p_holm']:.3f}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``python -m mer.research compare``."""
    options.add_data(parser)
    options.add_training(parser)
    parser.add_argument(
        "--models",
        type=options.names,
        default=(),
        metavar="A,B",
        help="of these alone (default: every architecture and baseline)",
    )
    options.add_prediction(parser)
    parser.add_argument(
        "--sets",
        type=options.names_of(*(dataset for dataset, _ in TASKS)),
        default=tuple(dataset for dataset, _ in TASKS),
        metavar="A,B",
        help="panda4q, mirex (default: both)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("docs/results"),
        metavar="DIR",
        help="where compare.md and compare.json go (default: %(default)s)",
    )
    parser.add_argument(
        "--predictions",
        type=Path,
        default=Path("var/compare"),
        metavar="DIR",
        help="where per-song predictions go (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Train missing networks, predict, and write the page."""
    torch.set_num_threads(args.threads or torch.get_num_threads())
    material = options.material(args)
    tasks = [task for task in TASKS if task[0] in args.sets]
    report: dict[str, Any] = {
        "command": options.command(args),
        "protocol": options.protocol(args),
        **{dataset: measure(material, dataset, target, args) for dataset, target in tasks},
    }
    write_json(args.out / "compare.json", report, indent=1)
    write_page(args.out / "compare.md", page(report))
    return 0


def page(report: Mapping[str, Any]) -> str:
    """Page of a report.

    Parameters
    ----------
    report : mapping
        As `run` writes it to JSON.

    Returns
    -------
    str
        Markdown that ends with a newline.
    """
    lines = [
        "# Every architecture on the same songs",
        "",
        *command_block(report["command"]),
        *paragraph(report["protocol"]),
        "Brackets are 95% bootstrap intervals over songs (2,000 draws), means over the seeds.",
        "Differences are paired. p is two-sided and adjusted for all rows of a table (Holm).",
        "Seconds are the training time on a shared machine; the first seed includes the log-mels.",
        "All numbers are in `compare.json`. [five-papers.md](five-papers.md) discusses them.",
        "",
    ]
    for dataset, target in TASKS:
        if dataset in report:
            lines += markdown(table(dataset, target, report[dataset]))
    return "\n".join(lines).rstrip() + "\n"
