"""``python -m mer.research train``: train the house network or any other architecture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch

from mer.errors import InputError
from mer.research.architectures.base import architectures
from mer.research.harness import options
from mer.research.harness.devices import accelerator
from mer.research.harness.examples import MODALITIES, SETS
from mer.research.harness.labels import CLASS_NAMES
from mer.research.harness.run import Run, fit
from mer.research.house import training

if TYPE_CHECKING:
    import argparse

HOUSE: Final = "affetti"
"""Name of the house network; see `mer.research.house.training`."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``python -m mer.research train``."""
    training.add_arguments(parser)
    options.add_sounds(parser)
    parser.add_argument(
        "--model",
        default=HOUSE,
        metavar="NAME",
        help=f"one of {', '.join((HOUSE, *architectures()))} (default: {HOUSE}, the house network "
        "and its checkpoint). The options below are for the other architectures",
    )
    parser.add_argument("--dataset", choices=SETS, default="panda4q", help="default: %(default)s")
    parser.add_argument(
        "--target", choices=tuple(CLASS_NAMES), default="quadrant", help="default: %(default)s"
    )
    parser.add_argument(
        "--seeds",
        type=options.positive,
        default=1,
        metavar="N",
        help="networks, seeds from --seed on (default: %(default)s)",
    )
    parser.add_argument(
        "--front-end", choices=("own", "musicnn"), default="own", help="default: %(default)s"
    )
    parser.add_argument("--variant", default="full", help="ablation (default: %(default)s)")
    parser.add_argument(
        "--size", choices=("small", "paper"), default="small", help="default: %(default)s"
    )
    parser.add_argument(
        "--modalities",
        type=options.names_of(*MODALITIES),
        default=MODALITIES,
        metavar="A,B",
        help="inputs of the network (default: audio,lyrics,context)",
    )
    parser.add_argument(
        "--label-rate",
        type=float,
        default=1.0,
        metavar="SHARE",
        help="of the training songs (default: %(default)s)",
    )
    parser.add_argument(
        "--precision",
        choices=("no", "fp16", "bf16"),
        default="no",
        help="mixed precision (default: %(default)s)",
    )
    parser.add_argument("--cpu", action="store_true", help="even where there is a GPU")


def run(args: argparse.Namespace) -> int:
    """Train, and print the score on the validation songs."""
    if args.model == HOUSE:
        return training.run(args)
    if args.model not in architectures():
        known = ", ".join([HOUSE, *architectures()])
        raise InputError(f"no architecture is called {args.model!r}; there are {known}")
    if args.epochs is not None and args.epochs < 1:
        raise InputError(f"--epochs must be at least 1, not {args.epochs}")
    if not 0 < args.label_rate <= 1:
        raise InputError(f"--label-rate is a share of the songs, not {args.label_rate}")
    torch.set_num_threads(args.threads or torch.get_num_threads())
    device = accelerator(args.precision, cpu=args.cpu)
    material = options.material(args)
    for seed in range(args.seed, args.seed + args.seeds):
        wanted = Run(
            model=args.model,
            dataset=args.dataset,
            target=args.target,
            seed=seed,
            variant=args.variant,
            front_end=args.front_end,
            size=args.size,
            modalities=tuple(args.modalities),
            epochs=args.epochs,
            label_rate=args.label_rate,
        )
        trained = fit(wanted, material, options.runs_folder(args), device=device)
        best = max(epoch["score"] for epoch in trained.history)
        print(  # noqa: T201
            f"{args.model} seed {seed}: {len(trained.history)} epochs, {trained.seconds:.0f} s, "
            f"{trained.parameters:,} parameters, validation score {best:.3f}"
        )
    return 0
