"""Helpers of the loaders of official layouts: cells, files beside a table, hashed splits."""

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
        If it is not a number on `scale`. `where` names the file and row in the message.
    """
    rating = parse_rating(
        row[column], low=scale.low, high=scale.high, where=f"{where}, column {column}"
    )
    return scale.to_unit(rating)


def unit_deviation(row: Mapping[str, str], column: str, *, scale: AffectScale, where: str) -> float:
    """Read the standard deviation in `column` of `row`, as a fraction of the scale's width.

    Raises
    ------
    DatasetError
        If it is not a number from 0 to the width of `scale`.
    """
    width = scale.high - scale.low
    place = f"{where}, column {column}"
    return parse_rating(row[column], low=0.0, high=width, where=place) / width


def plain_id(value: str, *, where: str) -> str:
    """Write a song number without leading zeros and without a fraction.

    Raises
    ------
    DatasetError
        If it is not a whole number. `where` names the file, row and column in the message.
    """
    try:
        number = float(value)
    except ValueError as error:
        raise DatasetError(f"{where}: {value!r} is not a song number") from error
    if not number.is_integer():
        raise DatasetError(f"{where}: {value!r} is not a song number")
    return str(int(number))


def find_audio(folder: Path, stem: str) -> Path | None:
    """Find ``folder/stem`` with one of `AUDIO_ENDINGS`; None if there is none."""
    if not folder.is_dir():  # saves one look-up a song and ending for sets without recordings
        return None
    paths = (folder / f"{stem}{ending}" for ending in AUDIO_ENDINGS)
    return next((path for path in paths if path.is_file()), None)


def find_lyrics(folder: Path, stem: str) -> str | None:
    """Read and clean the lyrics in ``folder/stem.lrc`` or ``.txt``; None if there are none.

    Raises
    ------
    DatasetError
        If the file exists but is not text.
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
    """Remove case, accents, articles, brackets, guests and punctuation from an artist or title.

    ``The Jam``, ``Jam, The`` and ``jam`` have one key. A name without any letter or digit keeps
    its other characters.
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
    """Choose the split of a group of tracks: train 70%, val 15%, test 15% in expectation.

    The split depends on the name of the group and the seed only. It stays the same when tracks are
    added, and an artist is in the same split of every set that is divided like this.

    Parameters
    ----------
    group : str
        The artist's `name_key`, or another name if the artist is unknown.
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
