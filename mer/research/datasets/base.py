"""Tracks and labels, the result of every loader, and checks that the loaders share."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from mer.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path
    from typing import TextIO

    from mer.affect import Quadrant

Split = Literal["train", "val", "test"]
SPLITS: Final[tuple[Split, ...]] = get_args(Split)
_MOST_CELL_CHARS: Final = 128 * 1024

AnnotationKind = Literal["perceived", "induced", "editorial", "tags", "lexicon", "text", "composed"]
"""Source of the labels.

``perceived``: listeners rate what a song expresses; ``induced``: what they feel; ``editorial``:
editors' mood words; ``tags``: tags of listeners or uploaders; ``lexicon``: computed from lyrics;
``text``: readers rate a text; ``composed``: what a program meant to express.
"""

Emotions = tuple[float, float, float, float, float, float, float, float]
"""A distribution over `mer.affect.EMOTIONS`, in their order; it sums to 1."""


@dataclass(frozen=True, slots=True)
class AffectLabels:
    """Labels of a track; None where the data set has no such label.

    Parameters
    ----------
    quadrant : Quadrant or None
    cluster : int or None
        MIREX mood cluster, 0 to 4 for C1 to C5.
    valence, arousal : float in [0, 1] or None
    emotions : tuple of 8 float or None
        Distribution over `mer.affect.EMOTIONS`.
    mood_words : tuple of str
        Mood words or tags as released, in lower case.
    gems : tuple of 9 float or None
        Distribution over `mer.affect.GEMS`, from listeners' counts.
    felt : tuple of 9 float in [0, 1] or None
        Share of the listeners who marked each of `mer.affect.GEMS`. A listener may mark several.
    polarity : {-1, 0, 1} or None
        Sentiment of a text.
    valence_sd, arousal_sd : float or None
        Standard deviation of the ratings behind `valence` and `arousal`, on the unit scale.
    raters : int or None
        Number of people who labelled the track.
    """

    quadrant: Quadrant | None = None
    cluster: int | None = None
    valence: float | None = None
    arousal: float | None = None
    emotions: Emotions | None = None
    mood_words: tuple[str, ...] = ()
    gems: tuple[float, ...] | None = None
    felt: tuple[float, ...] | None = None
    polarity: int | None = None
    valence_sd: float | None = None
    arousal_sd: float | None = None
    raters: int | None = None


@dataclass(frozen=True, slots=True)
class Track:
    """One labelled recording or text.

    Parameters
    ----------
    dataset, track_id : str
        Together they identify the track.
    split : {'train', 'val', 'test'}
    labels : AffectLabels
    audio_path : Path or None
        An existing file.
    lyrics : str or None
        Cleaned lyrics; the text itself in text-only sets.
    title, artist : str or None
    artist_group : str or None
        Tracks of one group are in one split. None if the artist is unknown.
    genres : tuple of str
        As released; empty if the set has none.
    """

    dataset: str
    track_id: str
    split: Split
    labels: AffectLabels
    audio_path: Path | None = None
    lyrics: str | None = None
    title: str | None = None
    artist: str | None = None
    artist_group: str | None = None
    genres: tuple[str, ...] = ()


def read_table(
    path: Path, columns: Sequence[str], *, licence: str, delimiter: str = ","
) -> list[dict[str, str]]:
    """Read the rows of the table at `path`; strip names and cells.

    Parameters
    ----------
    path : Path
    columns : sequence of str
        The columns that the caller reads.
    licence : str
        Part of the message about a missing file.
    delimiter : str

    Returns
    -------
    list of dict
        Missing cells of a short row are empty. Cells beyond the last column are dropped.

    Raises
    ------
    DatasetError
        If the file is absent, empty or not UTF-8, or lacks a column.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = _cells(file, delimiter=delimiter)
            present = [name.strip() for name in next(reader, [])]
            rows = [
                dict(zip_longest(present, map(str.strip, cells[: len(present)]), fillvalue=""))
                for cells in reader
                if cells
            ]
    except FileNotFoundError as error:
        raise DatasetError(
            f"{path} is missing; put the data set there (licence: {licence})"
        ) from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path} cannot be read: {error}; fetch it again") from error
    if missing := [column for column in columns if column not in present]:
        raise DatasetError(f"{path} lacks the column {missing[0]!r}; its columns are {present}")
    if not rows:
        raise DatasetError(f"{path} has no rows; fetch it again")
    return rows


def _cells(file: TextIO, **dialect: Any) -> Iterator[list[str]]:
    # The limit belongs to the whole process, where another reader may have set its own.
    csv.field_size_limit(_MOST_CELL_CHARS)
    return csv.reader(file, **dialect)


def read_tsv(path: Path, *, licence: str) -> list[list[str]]:
    """Read the cells of a tab-separated file; quotation marks have no special meaning.

    Raises
    ------
    DatasetError
        If the file is absent or not UTF-8 text.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return list(_cells(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    except FileNotFoundError as error:
        raise DatasetError(
            f"{path} is missing; put the data set there (licence: {licence})"
        ) from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path} cannot be read: {error}; fetch it again") from error


def parse_split(value: str, *, where: str) -> Split:
    """Turn a split's name into `Split`; ``dev`` and ``validation`` are ``val``.

    Raises
    ------
    DatasetError
        If `value` is no split's name. `where` names the file, row and column in the message.
    """
    name = {"dev": "val", "validation": "val"}.get(value, value)
    if name not in SPLITS:
        raise DatasetError(f"{where}: {value!r} is not one of {', '.join(SPLITS)}")
    return name


def parse_rating(value: str, *, low: float, high: float, where: str) -> float:
    """Turn a rating into a number in [`low`, `high`].

    Raises
    ------
    DatasetError
        If it is not a number in the range. `where` names the file, row and column in the message.
    """
    try:
        rating = float(value)
    except ValueError as error:
        raise DatasetError(f"{where}: {value!r} is not a number") from error
    if not low <= rating <= high:
        raise DatasetError(f"{where}: {rating} is outside {low} to {high}")
    return rating


def audio_file(path: Path) -> Path:
    """Return `path` if it is a file.

    Raises
    ------
    DatasetError
        If it is not.
    """
    if not path.is_file():
        raise DatasetError(f"the clip {path} is missing; fetch the data set's audio again")
    return path


def drop_overlaps(tracks: Iterable[Track], root: Path) -> list[Track]:
    """Remove the training tracks that are also validation or test tracks of another set.

    Two tracks are the same if ``song_overlaps.csv`` lists the pair, or if their texts are equal up
    to case and spacing.

    Parameters
    ----------
    tracks : iterable of Track
        All sets that are used together.
    root : Path
        Folder that holds ``song_overlaps.csv``.

    Returns
    -------
    list of Track
        In the same order, with every validation and test track.

    Raises
    ------
    DatasetError
        If the list of overlaps is absent or lacks a column.
    """
    kept = list(tracks)
    held_ids = {(track.dataset, track.track_id) for track in kept if track.split != "train"}
    held_texts = {_text_key(track) for track in kept if track.split != "train"} - {""}
    twins: defaultdict[tuple[str, str], set[tuple[str, str]]] = defaultdict(set)
    columns = ("ds_a", "id_a", "ds_b", "id_b")
    for row in read_table(root / "song_overlaps.csv", columns, licence="none stated"):
        one, other = (row["ds_a"], row["id_a"]), (row["ds_b"], row["id_b"])
        twins[one].add(other)
        twins[other].add(one)
    return [
        track
        for track in kept
        if track.split != "train"
        or not (twins[track.dataset, track.track_id] & held_ids or _text_key(track) in held_texts)
    ]


def _text_key(track: Track) -> str:
    return " ".join((track.lyrics or "").casefold().split())
