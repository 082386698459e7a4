"""Comparison of the tables on disk with the copies that this project's numbers come from.

A data set's module lists its known copies in ``CHECKSUMS``, SHA-256 by path under the data folder.
Whether a publisher's own file has the same bytes was not checked. The tables of DEAM, emoMusic and
PMEmo are other projects' renamed copies.

No checksum is known for the official layouts of those three, for Emotify, MTG-Jamendo, EMOPIA,
MoodyLyrics and MSDD, or for the project's own ``songs.csv`` of panda4q and mirex.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mer.errors import DatasetError
from mer.research.datasets.registry import dataset

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class FileCheck:
    """Result of the comparison of one table.

    Parameters
    ----------
    path : Path
    status : {'matches', 'differs', 'absent'}
    expected : str
        SHA-256, in hexadecimal.
    found : str or None
        None if the file is absent.
    """

    path: Path
    status: Literal["matches", "differs", "absent"]
    expected: str
    found: str | None


def verify(name: str, root: Path) -> tuple[FileCheck, ...]:
    """Compare the tables of the data set `name` under `root` with their known checksums.

    Parameters
    ----------
    name : str
        A name of `datasets.registry`.
    root : Path
        The data folder.

    Returns
    -------
    tuple of FileCheck
        Empty if no checksum is known. This does not mean that the files are right.

    Raises
    ------
    DatasetError
        If there is no data set of that name, or a file exists but cannot be read.
    """
    known: Mapping[str, str] = getattr(dataset(name), "CHECKSUMS", {})
    return tuple(_check(root / path, expected) for path, expected in known.items())


def _check(path: Path, expected: str) -> FileCheck:
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return FileCheck(path, "absent", expected, None)
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error}") from error
    return FileCheck(path, "matches" if found == expected else "differs", expected, found)
