"""Command-line options that training, comparison and experiments share."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, cast

from mer.research.harness.examples import Material
from mer.research.harness.run import SMALL_BATCH, SMALL_EPOCHS, SMALL_RATE, Run
from mer.research.house.training import add_data_arguments

if TYPE_CHECKING:
    from collections.abc import Callable

    from mer.research.architectures.base import FrontEndKind


def names(text: str) -> tuple[str, ...]:
    """Split ``a,b`` into names."""
    return tuple(name for name in text.split(",") if name)


def names_of(*known: str) -> Callable[[str], tuple[str, ...]]:
    """Make a reader of ``a,b`` that knows what the names may be; at least one is wanted."""

    def read(text: str) -> tuple[str, ...]:
        given = names(text)
        for name in given or ("",):
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r} is not one of {', '.join(known)}")
        return given

    return read


def positive(text: str) -> int:
    """Read a whole number of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {value}")
    return value


def add_data(parser: argparse.ArgumentParser) -> None:
    """Where data, features, decoded clips and trained networks are."""
    add_data_arguments(parser)
    add_sounds(parser)


def add_sounds(parser: argparse.ArgumentParser) -> None:
    """Where decoded clips are."""
    parser.add_argument(
        "--sounds",
        type=Path,
        default=Path("var/sounds"),
        metavar="DIR",
        help="where decoded clips are kept (default: %(default)s)",
    )


def add_training(parser: argparse.ArgumentParser) -> None:
    """How networks are trained."""
    parser.add_argument(
        "--seeds",
        type=positive,
        default=3,
        metavar="N",
        help="networks of each kind, seeds 0 to N-1 (default: %(default)s)",
    )
    parser.add_argument(
        "--size",
        choices=("small", "paper"),
        default="small",
        help="of the networks; paper wants a GPU (default: %(default)s)",
    )
    parser.add_argument(
        "--epochs-own",
        type=positive,
        metavar="N",
        help="with the architecture's own front end (default: its own number)",
    )
    parser.add_argument(
        "--epochs-musicnn",
        type=positive,
        metavar="N",
        help="with frozen MusiCNN (default: its own number)",
    )


def add_asking(parser: argparse.ArgumentParser) -> None:
    """Which front ends and which songs are asked about."""
    parser.add_argument(
        "--front-ends",
        type=names_of("own", "musicnn"),
        default=("own", "musicnn"),
        metavar="A,B",
        help="own, musicnn (default: both)",
    )
    parser.add_argument(
        "--split",
        choices=("val", "test"),
        default="val",
        help="songs that are asked about; test once, at the end (default: val)",
    )


def material(args: argparse.Namespace) -> Material:
    """Read the songs."""
    return Material.load(args.data, args.cache, args.sounds)


def runs_folder(args: argparse.Namespace) -> Path:
    """Say where trained networks are kept."""
    return Path(args.work) / "runs"


def run_of(
    args: argparse.Namespace, model: str, front_end: str, dataset: str, target: str, seed: int
) -> Run:
    """Build the run that the options ask for."""
    return Run(
        model=model,
        dataset=dataset,
        target=target,
        seed=seed,
        front_end=cast("FrontEndKind", front_end),
        size=args.size,
        epochs=epochs(args, front_end),
    )


def epochs(args: argparse.Namespace, front_end: str) -> int | None:
    """Epochs that the options ask for, or None for the architecture's own number."""
    chosen: int | None = args.epochs_own if front_end == "own" else args.epochs_musicnn
    return chosen


def command(args: argparse.Namespace) -> str:
    """Print the command line again, with what differs from the defaults."""
    return str(args.command_line)


def protocol(args: argparse.Namespace) -> str:
    """Say the split, seeds and sizes in one sentence."""
    own = "as many epochs as the architecture states"
    if args.epochs_own:
        own = f"{args.epochs_own} epochs"
    elif args.size == "small":
        own = f"{SMALL_EPOCHS} epochs at most (batches of {SMALL_BATCH}, rate {SMALL_RATE} or more)"
    frozen = f"{args.epochs_musicnn} epochs" if args.epochs_musicnn else "as many as it states"
    seeds = "seed 0" if args.seeds == 1 else f"seeds 0 to {args.seeds - 1}"
    return (
        f"{args.split} split, {seeds}, networks of size {args.size}; {own} with the own front end, "
        f"{frozen} with frozen MusiCNN, of which the one that validation songs like best."
    )
