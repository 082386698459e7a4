"""Whether the tables on disk are those that this project's numbers come from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from mer.errors import DatasetError
from mer.research.datasets import DATASETS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_DEEZER: Final = {
    "train.csv": "28978309db0896e1e2fbcc495a5c20153e094b6c27eb92e0cf91858c5db810d9",
    "validation.csv": "d1f0122e5418d631d2c01c757bd697fe15fa595591e59ede9273e307dc768868",
    "test.csv": "dcc78f019ec4b773cbd0deae4fe889a25dacd3a9266315f65de1b5d2aa3500b2",
}

CHECKSUMS: Final[Mapping[str, Mapping[str, str]]] = {
    "deam": {
        "annotations/deam/static_annotations.csv": (
            "96e8406f323f0d2be39fba7e90c514c64017975392e87fd293455c2655b0d1a3"
        )
    },
    "emomusic": {
        "annotations/emomusic/static_annotations.csv": (
            "7defdc1c23f7a3199e5d5d4d433b71344451ea633be2f7b450f69d3199e1835a"
        )
    },
    "pmemo": {
        "annotations/pmemo/static_annotations.csv": (
            "c0ae369b41a0a9e012bb83a2dded30d1370267564352771f16b9eb5a9eca0a91"
        )
    },
    "deezer_va": {f"deezer_va/{name}": digest for name, digest in _DEEZER.items()},
    "gems_lyrics": {
        "gems_lyrics/OriginalAnnotations.csv": (
            "d45f453e1ebb2e84a801c12ef97a2a87022de7ecc4588c0c167a5c8e9b49956a"
        )
    },
    "emobank": {
        "text/emobank/corpus/emobank.csv": (
            "1ade4a4a453e880c0f39d0536d2b355e8a716e0cf88236c64cdb4d438cf9605b"
        )
    },
    "goemotions": {
        "text/goemotions/emotions.txt": (
            "45c3ef86782d2a4d7fedcd6d8c111aa0d0e94720689bd164fac94fefb4495a89"
        ),
        "text/goemotions/data/original/train.tsv": (
            "1c254a142be5c00e80d819b9ae1bbd36d94b2eeb8f4b1271846508d57e57d9c5"
        ),
        "text/goemotions/data/original/dev.tsv": (
            "575489c079c9de1097062a01738f998590d6b7ead66dd1c9fd1d2ba01fd8bc62"
        ),
        "text/goemotions/data/original/test.tsv": (
            "0587b2dd8b27b97352adbfc3fb083d46005c8946657fdc2b1ca8b1cc7f1f8be4"
        ),
    },
    "poem_sentiment": {
        "text/poem_sentiment/data/train.tsv": (
            "09503a850796736a8e63504ae2c8de983f57dceebc2342ea93a7f7ad06af56d0"
        ),
        "text/poem_sentiment/data/dev.tsv": (
            "0770bd7b80e04c92da82e78f9f93ce35d38b334b4830fca2b9b4d7e174f152e5"
        ),
        "text/poem_sentiment/data/test.tsv": (
            "a406d87b62a6b7c9615468a8b66e69c027fa8f2f03a4f8f6c79df26c260de620"
        ),
    },
    "warriner": {
        "text/warriner/Ratings_Warriner_et_al.csv": (
            "78ac8107c78e116bb96538fae4faa47281a155f5f8fe39f30bbc6ea3db05b446"
        )
    },
}
"""SHA-256 of the copies that this project's numbers come from, by path under the data folder.

Whether a publisher's own file has the same bytes was not checked; the tables of DEAM, emoMusic and
PMEmo are known to be other projects' renamed copies. No checksum is known for the official layouts
of those three, for Emotify, MTG-Jamendo, EMOPIA, MoodyLyrics and MSDD, or for the project's own
``songs.csv`` of panda4q and mirex.
"""


@dataclass(frozen=True, slots=True)
class FileCheck:
    """What became of one table.

    Parameters
    ----------
    path : Path
    status : {'matches', 'differs', 'absent'}
    expected : str
        SHA-256, in hexadecimal.
    found : str or None
        None where the file is absent.
    """

    path: Path
    status: Literal["matches", "differs", "absent"]
    expected: str
    found: str | None


def verify(name: str, root: Path) -> tuple[FileCheck, ...]:
    """Compare the tables of data set `name` under `root` with their known checksums.

    Parameters
    ----------
    name : str
        One of `DATASETS`.
    root : Path
        The data folder.

    Returns
    -------
    tuple of FileCheck
        Empty where no checksum is known, which says nothing of the files.

    Raises
    ------
    DatasetError
        If there is no data set of that name, or a file is there but cannot be read.
    """
    if name not in DATASETS:
        raise DatasetError(f"there is no data set {name!r}; there are {', '.join(DATASETS)}")
    return tuple(
        _check(root / path, expected) for path, expected in CHECKSUMS.get(name, {}).items()
    )


def _check(path: Path, expected: str) -> FileCheck:
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return FileCheck(path, "absent", expected, None)
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error}") from error
    return FileCheck(path, "matches" if found == expected else "differs", expected, found)
