"""Playlists as files for other players: one module of this package a format.

To add a format, write a module here with a `FORMAT`. Addresses, the API, the page and the command
offer every format that is found.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, Final

from recommender.exports.format import ExportFormat

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FORMATS", "ExportFormat"]


def _found() -> dict[str, ExportFormat]:
    modules = [
        importlib.import_module(f"{__name__}.{module.name}")
        for module in pkgutil.iter_modules(__path__)
    ]
    formats = [module.FORMAT for module in modules if hasattr(module, "FORMAT")]
    return {form.suffix: form for form in formats}


FORMATS: Final[Mapping[str, ExportFormat]] = _found()
"""Every format by its suffix."""
