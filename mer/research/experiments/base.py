"""Settings, reports and registry of the experiments.

An experiment is one file of this package that defines ``EXPERIMENT``; `experiments` finds them.
Its report is written as JSON, a Markdown page and a plot.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from mer.errors import InputError
from mer.research.files import write_json, write_page
from mer.research.harness.run import fit
from mer.research.tables import bullet, command_block, markdown, paragraph

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from matplotlib.figure import Figure

    from mer.research.architectures.base import FrontEndKind, Size
    from mer.research.datasets.base import Split
    from mer.research.harness.examples import Material
    from mer.research.harness.run import Run, Trained
    from mer.research.tables import Table

PAPERS: Final = ("li", "wang", "gujar", "hcma", "lgfn")
"""The five architectures that every experiment runs."""


@dataclass(frozen=True, slots=True)
class Setting:
    """Settings of a run of an experiment.

    Parameters
    ----------
    material : Material
    data : Path
        Folder of the data sets.
    work : Path
        Folder of the trained networks; experiments share equal runs.
    split : {'val', 'test'}
        Songs that are predicted; ``test`` is only for final figures.
    models : tuple of str
    front_ends : tuple of {'own', 'musicnn'}
    seeds : tuple of int
    size : {'paper', 'small'}
    epochs : mapping from front end to int or None
        Replaces the architectures' own numbers.
    """

    material: Material
    data: Path
    work: Path
    split: Split
    models: tuple[str, ...]
    front_ends: tuple[FrontEndKind, ...]
    seeds: tuple[int, ...]
    size: Size
    epochs: Mapping[FrontEndKind, int | None]

    def train(self, run: Run) -> Trained:
        """Train a network, or read it if it is trained already."""
        return fit(run, self.material, self.work)


@dataclass(frozen=True, slots=True)
class Report:
    """Results of an experiment.

    Parameters
    ----------
    tables : tuple of Table
    printed : Table or None
        Figures printed in the paper.
    notes : tuple of str
        Protocol, differences from the paper, and comments on the printed figures.
    figures : mapping of str to JSON values
        All numbers, not rounded.
    plot : Figure or None
    """

    tables: tuple[Table, ...]
    printed: Table | None
    notes: tuple[str, ...]
    figures: Mapping[str, Any]
    plot: Figure | None = None


@dataclass(frozen=True, slots=True)
class Experiment:
    """One experiment.

    Parameters
    ----------
    name : str
        Its name on the command line.
    title, question : str
        Heading of the page, and its research question in one sentence.
    source : str
        Paper and section of the original experiment.
    run : callable
        From `Setting` to `Report`.
    """

    name: str
    title: str
    question: str
    source: str
    run: Callable[[Setting], Report]


@functools.cache
def experiments() -> Mapping[str, Experiment]:
    """Every experiment by name."""
    package = importlib.import_module("mer.research.experiments")
    found: dict[str, Experiment] = {}
    for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda info: info.name):
        module = importlib.import_module(f"mer.research.experiments.{info.name}")
        if (entry := getattr(module, "EXPERIMENT", None)) is not None:
            found[entry.name] = entry
    return found


def experiment(name: str) -> Experiment:
    """Experiment of a name.

    Raises
    ------
    InputError
        If the name is unknown; the message lists the known names.
    """
    known = experiments()
    if name not in known:
        raise InputError(f"no experiment is called {name!r}; there are {', '.join(known)}")
    return known[name]


def write(entry: Experiment, report: Report, command: str, protocol: str, out: Path) -> Path:
    """Write ``NAME.json``, ``NAME.md`` and ``NAME.png`` under `out`.

    Parameters
    ----------
    entry : Experiment
    report : Report
    command, protocol : str
        Command line, and sentences on split, seeds and sizes.
    out : Path

    Returns
    -------
    Path
        The page.
    """
    out.mkdir(parents=True, exist_ok=True)
    lines = [*head(entry, command, protocol), ""]
    if report.plot is not None:
        report.plot.savefig(out / f"{entry.name}.png", dpi=110, bbox_inches="tight")
        lines += [f"![{entry.title}]({entry.name}.png)", ""]
    for table in report.tables:
        lines += markdown(table)
    if report.printed is not None:
        lines += markdown(report.printed)
    for note in report.notes:
        lines += bullet(note)
    page = out / f"{entry.name}.md"
    write_json(
        out / f"{entry.name}.json",
        {"command": command, "protocol": protocol, **report.figures},
        indent=1,
    )
    write_page(page, "\n".join(lines).rstrip() + "\n")
    return page


def head(entry: Experiment, command: str, protocol: str) -> list[str]:
    """First lines of an experiment's page: title, question, source, command and protocol."""
    return [
        f"# {entry.title}",
        "",
        entry.question,
        f"Source: {entry.source}.",
        "",
        *command_block(command),
        *paragraph(protocol),
        f"All numbers are in `{entry.name}.json`.",
    ]
