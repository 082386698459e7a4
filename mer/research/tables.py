"""Markdown of the result pages: tables, numbers, intervals and wrapped paragraphs."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Cell = str | float

LINE_WIDTH: Final = 120
"""Longest line of prose in a page, in characters."""


@dataclass(frozen=True, slots=True)
class Table:
    """A titled table.

    Parameters
    ----------
    title : str
    columns : tuple of str
    rows : tuple of tuples of str or float
        As long as `columns`; floats are printed with three digits.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def markdown(table: Table) -> list[str]:
    """Lines of a table, with its title before and an empty line after."""
    return [f"## {table.title}", "", *grid(table.columns, table.rows), ""]


def grid(columns: Sequence[str], rows: Iterable[Sequence[Cell | None]]) -> list[str]:
    """Lines of a table without a title; a missing cell is printed as ``-``."""
    return [
        _row(columns),
        f"|{'---|' * len(columns)}",
        *(_row([cell if isinstance(cell, str) else number(cell) for cell in row]) for row in rows),
    ]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def interval(figure: Mapping[str, float] | None, *, signed: bool = False) -> str:
    """Estimate and 95% interval, as every table prints them: ``.707 [.634, .780]``.

    Parameters
    ----------
    figure : mapping or None
        With ``estimate``, ``low`` and ``high``; None is printed as ``-``.
    signed : bool
        Print ``+`` before positive numbers.
    """
    if figure is None:
        return "-"
    keys = ("estimate", "low", "high")
    estimate, low, high = (number(figure[key], signed=signed) for key in keys)
    return f"{estimate} [{low}, {high}]"


def number(value: float | None, *, signed: bool = False) -> str:
    """Three digits without a leading zero; ``-`` for None."""
    if value is None:
        return "-"
    text = f"{value:{'+' if signed else ''}.3f}"
    return text.replace("0.", ".", 1) if text.lstrip("+-").startswith("0.") else text


def paragraph(text: str) -> list[str]:
    """Lines of a paragraph, none longer than `LINE_WIDTH`."""
    return _wrapped(text, "")


def bullet(text: str) -> list[str]:
    """Lines of an item of a list, none longer than `LINE_WIDTH`."""
    return _wrapped(f"- {text}", "  ")


def command_block(command: str) -> list[str]:
    """Lines of a code block that holds a command line, with an empty line after."""
    return ["```console", f"$ {command}", "```", ""]


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text,
        LINE_WIDTH,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
