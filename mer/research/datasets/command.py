"""The command ``datasets``: the data sets at hand, their terms, sizes and checksums."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from mer.errors import DatasetError
from mer.research.datasets.base import SPLITS
from mer.research.datasets.checksums import verify
from mer.research.datasets.registry import dataset, datasets

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``python -m mer.research datasets``."""
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"{', '.join(datasets())} (default: all)"
    )
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="folder of the data sets"
    )


def run(args: argparse.Namespace) -> int:
    """Print each data set's licence, citation, size and checksums.

    Returns
    -------
    int
        1 if a table differs from the copy that this project's numbers come from, else 0.

    Raises
    ------
    DatasetError
        If there is no data set of a given name.
    """
    differs = False
    for name in args.names or datasets():
        print("\n".join(_lines(name, args.data)))  # noqa: T201
        differs |= any(check.status == "differs" for check in verify(name, args.data))
    return int(differs)


def _lines(name: str, root: Path) -> Iterator[str]:
    module = dataset(name)
    scale = module.SCALE
    yield f"{name}: {module.ANNOTATION_KIND}, scale {scale.low:g} to {scale.high:g}"
    try:
        counts = Counter(track.split for track in module.load(root))
    except DatasetError as error:
        yield f"  not loaded: {error}"
    else:
        sizes = ", ".join(f"{split} {counts[split]}" for split in SPLITS)
        yield f"  {counts.total()} tracks: {sizes}"
    for check in verify(name, root):
        yield f"  {check.path.relative_to(root)}: {check.status}"
        if check.status == "differs":
            yield f"    expected SHA-256 {check.expected}, found {check.found}"
    yield f"  licence: {module.LICENCE}"
    yield f"  cite: {module.CITATION}"
