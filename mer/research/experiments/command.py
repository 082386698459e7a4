"""``python -m mer.research experiment NAME``: train networks and write an experiment's page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from mer.research.architectures.base import architecture
from mer.research.experiments.base import PAPERS, Setting, experiment, experiments, write
from mer.research.harness import options
from mer.research.packages import research_package

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``python -m mer.research experiment``."""
    parser.add_argument(
        "name", choices=tuple(experiments()), metavar="NAME", help=", ".join(experiments())
    )
    options.add_data(parser)
    options.add_training(parser)
    parser.add_argument(
        "--models",
        type=options.names,
        default=PAPERS,
        metavar="A,B",
        help="default: the five papers",
    )
    options.add_prediction(parser)
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("docs/results/experiments"),
        metavar="DIR",
        help="where its page goes (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Train missing networks, run the experiment, and write its page."""
    torch.set_num_threads(args.threads or torch.get_num_threads())
    for model in args.models:
        architecture(model)
    research_package("matplotlib", "draws the plots")
    entry = experiment(args.name)
    setting = Setting(
        material=options.material(args),
        data=args.data,
        work=options.runs_folder(args),
        split=args.split,
        models=tuple(args.models),
        front_ends=tuple(args.front_ends),
        seeds=tuple(range(args.seeds)),
        size=args.size,
        epochs={name: options.epochs(args, name) for name in ("own", "musicnn")},
    )
    write(entry, entry.run(setting), options.command(args), options.protocol(args), args.out)
    return 0
