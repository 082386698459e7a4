"""Plots of curves with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mer.research.experiments.statistics import BOUNDS
from mer.research.plots import new_figure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

    from mer.research.experiments.statistics import Figures, Row


@dataclass(frozen=True, slots=True)
class Curve:
    """A line of a plot, with the intervals of its points."""

    label: str
    x: tuple[float, ...]
    points: tuple[Figures, ...]
    color: int
    style: str = "-"


def plot(panels: Mapping[str, Sequence[Curve]], x_label: str, y_label: str) -> Figure:
    """Draw curves with their intervals, one panel per title and a common legend.

    Parameters
    ----------
    panels : mapping from title to curves
    x_label, y_label : str
    """
    figure = new_figure(4.2 * len(panels) + 1.5, 4.2)
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axis, (title, curves) in zip(axes, panels.items(), strict=True):
        for curve in curves:
            middle, low, high = (np.array([point[key] for point in curve.points]) for key in BOUNDS)
            color = f"C{curve.color % 10}"
            axis.plot(curve.x, middle, curve.style, marker=".", color=color, label=curve.label)
            axis.fill_between(curve.x, low, high, color=color, alpha=0.08, linewidth=0)
        axis.set(title=title, xlabel=x_label)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel(y_label)
    named: dict[str, Artist] = {}
    for axis in axes:
        handles, texts = axis.get_legend_handles_labels()
        named |= dict(zip(texts, handles, strict=True))
    figure.legend([*named.values()], [*named], loc="outside right upper", fontsize="small")
    return figure


def panels_of(
    rows: Sequence[Row], curve: Callable[[Row], Sequence[Curve]]
) -> dict[str, list[Curve]]:
    """Curves of all rows, a panel for each front end."""
    panels: dict[str, list[Curve]] = {}
    for row in rows:
        title = {"own": "own front end", "musicnn": "frozen MusiCNN"}[row.front_end]
        panels.setdefault(title, []).extend(curve(row))
    return panels
