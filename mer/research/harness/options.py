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
    """Parser of ``a,b`` that accepts at least one name, and only known ones."""

    def read(text: str) -> tuple[str, ...]:
        parsed = names(text)
        for name in parsed or ("",):
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r} is not one of {', '.join(known)}")
        return parsed

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
        help="of the networks; paper needs a GPU (default: %(default)s)",
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


def add_prediction(parser: argparse.ArgumentParser) -> None:
    """Front ends and split of the predictions."""
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
        help="songs to predict; test only for final figures (default: val)",
    )


def material(args: argparse.Namespace) -> Material:
    """Read the songs."""
    return Material.load(args.data, args.cache, args.sounds)


def runs_folder(args: argparse.Namespace) -> Path:
    """Folder of the trained networks."""
    return Path(args.work) / "runs"


def run_of(
    args: argparse.Namespace, model: str, front_end: str, dataset: str, target: str, seed: int
) -> Run:
    """Run that the options specify."""
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
    """Epochs that the options specify, or None for the architecture's own number."""
    chosen: int | None = args.epochs_own if front_end == "own" else args.epochs_musicnn
    return chosen


def command(args: argparse.Namespace) -> str:
    """Command line of this run."""
    return str(args.command_line)


def protocol(args: argparse.Namespace) -> str:
    """Sentences on the split, the seeds, the sizes and the epochs."""
    default = "the architecture's own number of epochs"
    own = f"{args.epochs_own} epochs" if args.epochs_own else default
    if args.size == "small" and not args.epochs_own:
        own = (
            f"at most {SMALL_EPOCHS} epochs, batches of {SMALL_BATCH} songs, "
            f"a learning rate of at least {SMALL_RATE}"
        )
    frozen = f"{args.epochs_musicnn} epochs" if args.epochs_musicnn else default
    seeds = "seed 0" if args.seeds == 1 else f"seeds 0 to {args.seeds - 1}"
    return (
        f"The figures are of the {args.split} split, with networks of {seeds} and size "
        f"{args.size}. Training with the own front end: {own}. Training with frozen MusiCNN: "
        f"{frozen}. The weights are those of the epoch with the best score on the validation songs."
    )
