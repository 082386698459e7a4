"""Imports of the packages of the ``research`` extra, which only research needs."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from mer.errors import PackageMissingError

if TYPE_CHECKING:
    from types import ModuleType


def research_package(module: str, purpose: str) -> ModuleType:
    """Import a module of the research extra.

    Parameters
    ----------
    module : str
    purpose : str
        A verb and its object for the message, as in "gensim, which fits Word2Vec".

    Returns
    -------
    ModuleType

    Raises
    ------
    PackageMissingError
        If it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        raise PackageMissingError(
            f"{package}, which {purpose}, is not installed; "
            "pip install --constraint constraints.txt --editable '.[research]'"
        ) from error
