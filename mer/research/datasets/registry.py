"""The registry of data sets: adding one is adding its module to this package."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from typing import TYPE_CHECKING, Protocol, cast

from mer.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mer.affect import AffectScale
    from mer.research.datasets.base import AnnotationKind, Track

_PACKAGE = "mer.research.datasets"


class DataSet(Protocol):
    """A module that loads one data set; its last name is the name of the set.

    Attributes
    ----------
    LICENCE, CITATION : str
    SCALE : AffectScale
        Of the ratings as released. Tracks are always on the unit scale.
    ANNOTATION_KIND : AnnotationKind

    A module may also have ``CHECKSUMS``, a mapping from paths under the data folder to SHA-256 in
    hexadecimal (`datasets.checksums`).
    """

    LICENCE: str
    CITATION: str
    SCALE: AffectScale
    ANNOTATION_KIND: AnnotationKind

    def load(self, root: Path) -> list[Track]:
        """Read the set under the data folder `root`.

        Raises
        ------
        DatasetError
            If a file is missing or not as expected.
        """
        ...


@functools.cache
def datasets() -> Mapping[str, DataSet]:
    """Every data set by name, in alphabetical order."""
    package = importlib.import_module(_PACKAGE)
    names = sorted(info.name for info in pkgutil.iter_modules(package.__path__))
    modules = {name: importlib.import_module(f"{_PACKAGE}.{name}") for name in names}
    return {
        name: cast("DataSet", module) for name, module in modules.items() if hasattr(module, "load")
    }


def dataset(name: str) -> DataSet:
    """Look a data set up.

    Raises
    ------
    DatasetError
        If there is no data set of that name. The message lists the known names.
    """
    known = datasets()
    if name not in known:
        raise DatasetError(f"there is no data set {name!r}; there are {', '.join(known)}")
    return known[name]
