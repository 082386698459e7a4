"""What the loaders of official layouts share: cells, files beside a table, hashed splits."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import TYPE_CHECKING, Final

from mer.errors import DatasetError, LyricsError
from mer.lyrics import clean_lyrics, read_lyrics
from mer.research.datasets.base import parse_rating

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mer.affect import AffectScale
    from mer.research.datasets.base import Split

AUDIO_ENDINGS: Final = (".mp3", ".wav", ".flac", ".ogg", ".opus", ".m4a")
LYRICS_ENDINGS: Final = (".lrc", ".txt")


def unit_rating(row: Mapping[str, str], column: str, *, scale: AffectScale, where: str) -> float:
    """Read the rating in `column` of `row`, in [0, 1].

    Raises
    ------
    DatasetError
        If it is no number or outside `scale`; `where` says which file and row.
    """
    rating = parse_rating(
        row[column], low=scale.low, high=scale.high, where=f"{where}, column {column}"
    )
    return scale.to_unit(rating)


def unit_deviation(row: Mapping[str, str], column: str, *, scale: AffectScale, where: str) -> float:
    """Read the standard deviation in `column` of `row`, in units of the whole scale.

    Raises
    ------
    DatasetError
        If it is no number, negative, or larger than the scale is wide.
    """
    width = scale.high - scale.low
    place = f"{where}, column {column}"
    return parse_rating(row[column], low=0.0, high=width, where=place) / width


def plain_id(value: str, *, where: str) -> str:
    """Song number without leading zeros or a fraction of zeros.

    Raises
    ------
    DatasetError
        If it is no whole number; `where` says which file, row and column.
    """
    try:
        number = float(value)
    except ValueError as error:
        raise DatasetError(f"{where}: {value!r} is not a song number") from error
    if not number.is_integer():
        raise DatasetError(f"{where}: {value!r} is not a song number")
    return str(int(number))


def find_audio(folder: Path, stem: str) -> Path | None:
    """Find ``folder/stem`` with any of `AUDIO_ENDINGS`, or None where there is none."""
    if not folder.is_dir():  # most sets come without recordings, and have many songs
        return None
    paths = (folder / f"{stem}{ending}" for ending in AUDIO_ENDINGS)
    return next((path for path in paths if path.is_file()), None)


def find_lyrics(folder: Path, stem: str) -> str | None:
    """Read and clean the lyrics in ``folder/stem.lrc`` or ``.txt``, or None where there are none.

    Raises
    ------
    DatasetError
        If the file is there but no text.
    """
    if not folder.is_dir():
        return None
    for ending in LYRICS_ENDINGS:
        path = folder / f"{stem}{ending}"
        if path.is_file():
            try:
                return clean_lyrics(read_lyrics(path)) or None
            except LyricsError as error:
                raise DatasetError(str(error)) from error
    return None


def name_key(name: str) -> str:
    """Artist or title without case, accents, articles, brackets, guests and punctuation.

    ``The Jam``, ``Jam, The`` and ``jam`` have one key; a name of other signs alone keeps them.
    """
    text = unicodedata.normalize("NFKD", name.casefold())
    text = "".join(sign for sign in text if not unicodedata.combining(sign))
    bare = re.sub(r"\([^)]*\)|\[[^\]]*\]", " ", text)
    bare = re.sub(r"\b(?:feat|ft|featuring)\b.*", " ", bare).replace("&", " and ")
    bare = re.sub("['`\u2019\u00b4]", "", bare)
    words = re.findall(r"\w+", bare)
    kept = [word for word in words if word not in {"the", "a", "an"}] or words
    return "".join(kept) or "".join(text.split())


def hash_split(group: str, *, seed: int = 0) -> Split:
    """Split of a group of tracks: 70% train, 15% val, 15% test in the long run.

    It follows from the name of the group and the seed alone, so that it stays when tracks are
    added, and one artist is in one split of every set that is divided like this.

    Parameters
    ----------
    group : str
        Artist's `name_key`, or what stands in for the artist.
    seed : int

    Returns
    -------
    {'train', 'val', 'test'}
    """
    digest = hashlib.sha256(f"{seed}:{group}".encode()).digest()
    chance = int.from_bytes(digest[:8], "big") / 2**64
    if chance < 0.70:
        return "train"
    return "val" if chance < 0.85 else "test"
