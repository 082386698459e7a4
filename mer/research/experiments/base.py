"""What every experiment shares: what it is given, what it reports, and how that is written down.

An experiment is one file of this package that defines ``EXPERIMENT``; `experiments` finds them.
Its report becomes JSON, a Markdown page and a plot, each with the command that makes it.
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
from mer.research.tables import markdown

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
    """What an experiment is run with.

    Parameters
    ----------
    material : Material
    data : Path
        Folder of the data sets, for what is not in `material`.
    work : Path
        Keeps trained networks; experiments that ask for the same run share it.
    split : {'val', 'test'}
        Songs that are asked about; ``test`` is for the final figures alone.
    models : tuple of str
    front_ends : tuple of {'own', 'musicnn'}
    seeds : tuple of int
    size : {'paper', 'small'}
    epochs : mapping from front end to int or None
        In place of the architectures' own numbers.
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
        """Train, or read, one network; arguments of `run` are used as they are."""
        return fit(run, self.material, self.work)


@dataclass(frozen=True, slots=True)
class Report:
    """What an experiment found.

    Parameters
    ----------
    tables : tuple of Table
    printed : Table or None
        The paper's own figures, which stand beside ours and never instead of them.
    notes : tuple of str
        Sentences: the protocol, its departures from the paper, what the printed figures cannot be.
    figures : mapping of str to anything that JSON holds
        All numbers, unrounded.
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
        As typed on the command line.
    title, question : str
        Heading, and in one sentence what it asks.
    source : str
        Which paper and section asks it.
    run : callable
        Takes `Setting`, returns `Report`.
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
    """Look an experiment up.

    Raises
    ------
    InputError
        If there is none of that name; the message lists them.
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
        What was typed, and in one sentence the split, seeds and sizes.
    out : Path

    Returns
    -------
    Path
        Of the page.
    """
    out.mkdir(parents=True, exist_ok=True)
    lines = [f"# {entry.title}", "", entry.question, f"Asked by {entry.source}.", ""]
    lines += [f"Written by `{command}`; {protocol}", f"All numbers: `{entry.name}.json`.", ""]
    if report.plot is not None:
        report.plot.savefig(out / f"{entry.name}.png", dpi=110, bbox_inches="tight")
        lines += [f"![{entry.title}]({entry.name}.png)", ""]
    for table in report.tables:
        lines += markdown(table)
    if report.printed is not None:
        lines += markdown(report.printed)
    lines += [f"- {note}" for note in report.notes]
    page = out / f"{entry.name}.md"
    write_json(
        out / f"{entry.name}.json",
        {"command": command, "protocol": protocol, **report.figures},
        indent=1,
    )
    write_page(page, "\n".join(lines).rstrip() + "\n")
    return page
