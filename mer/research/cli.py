"""``python -m mer.research``: compute features, train, evaluate and run the papers' experiments.

Exit codes are those of ``python -m mer``.
"""

from __future__ import annotations

import argparse
import importlib
import shlex
import sys
from typing import TYPE_CHECKING, Final

from mer.cli import run_command

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS: Final = {
    "datasets": (
        "mer.research.datasets.command",
        "list the data sets at hand with their terms, sizes and checksums",
    ),
    "features": ("mer.research.house.extraction", "compute and keep the encoder features"),
    "train": ("mer.research.harness.train", "train the house network, or any architecture"),
    "evaluate": ("mer.research.evaluation.evaluate", "measure the house network"),
    "domains": (
        "mer.research.evaluation.domains",
        "measure a packaged checkpoint on every set of songs, by audio alone",
    ),
    "compare": (
        "mer.research.harness.compare",
        "measure every architecture and baseline on the same songs",
    ),
    "experiment": ("mer.research.experiments.command", "run one experiment of the papers"),
    "explanations": (
        "mer.research.evaluation.explanations",
        "test gates, lyric lines and the timeline",
    ),
    "robustness": (
        "mer.research.evaluation.robustness",
        "measure the house network on distorted audio",
    ),
    "playlists": (
        "mer.research.playlists.command",
        "measure playlists on labelled songs, those of any recommender",
    ),
}
"""Each command's module and summary; the module has `add_arguments(parser)` and `run(options)`."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line.

    Parameters
    ----------
    argv : sequence of str or None
        Arguments after the program's name; those of this process by default.

    Returns
    -------
    int
        Exit code.
    """
    return run_command(_parse, list(sys.argv[1:] if argv is None else argv))


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m mer.research", description="How the house network is made and measured."
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (module_name, summary) in COMMANDS.items():
        description = f"{summary[0].upper()}{summary[1:]}."
        command = commands.add_parser(name, help=summary, description=description)
        # Their modules load PyTorch: only the requested one is imported.
        if name in arguments[:1]:
            module = importlib.import_module(module_name)
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    options = parser.parse_args(arguments)
    options.command_line = shlex.join(["python", "-m", "mer.research", *arguments])
    return options
