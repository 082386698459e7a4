"""Figures of the result pages; Matplotlib is loaded when one is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mer.research.packages import research_package

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def new_figure(width: float, height: float) -> Figure:
    """Empty figure of a size in inches.

    Raises
    ------
    PackageMissingError
        If Matplotlib is not installed.
    """
    pictures = research_package("matplotlib.figure", "draws plots")
    figure: Figure = pictures.Figure(figsize=(width, height), layout="constrained")
    return figure
