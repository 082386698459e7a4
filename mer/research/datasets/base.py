"""What every data set gives: tracks with some of the labels, and the guards all loaders share."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Final, Literal, get_args

from mer.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from mer.affect import Quadrant
    from mer.research.datasets.crosswalk import Emotions

Split = Literal["train", "val", "test"]
SPLITS: Final[tuple[Split, ...]] = get_args(Split)

AnnotationKind = Literal["perceived", "induced", "editorial", "tags", "lexicon", "text"]
"""What was labelled: the emotion heard in a song or felt at it, or what stands in for listeners."""


@dataclass(frozen=True, slots=True)
class AffectLabels:
    """What a data set says of a track; None where it says nothing.

    Parameters
    ----------
    quadrant : Quadrant or None
    cluster : int or None
        MIREX mood cluster, 0 to 4 for C1 to C5.
    valence, arousal : float in [0, 1] or None
    emotions : tuple of 8 float or None
        Distribution over `mer.affect.EMOTIONS`.
    mood_words : tuple of str
        The editors' words, lower case, as written.
    gems : tuple of 9 float or None
        Distribution over `mer.affect.GEMS`, from listeners' counts.
    polarity : {-1, 0, 1} or None
        Sentiment of a text.
    valence_sd, arousal_sd : float or None
        Standard deviation of the ratings behind `valence` and `arousal`, on the unit scale.
    raters : int or None
        How many people labelled the track.
    """

    quadrant: Quadrant | None = None
    cluster: int | None = None
    valence: float | None = None
    arousal: float | None = None
    emotions: Emotions | None = None
    mood_words: tuple[str, ...] = ()
    gems: tuple[float, ...] | None = None
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
        Together they name the track.
    split : {'train', 'val', 'test'}
    labels : AffectLabels
    audio_path : Path or None
        Exists when given.
    lyrics : str or None
        Cleaned lyrics; the text itself in text-only sets.
    title, artist : str or None
    artist_group : str or None
        Tracks of one group are never in two splits; None where the artist is unknown.
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


def read_table(
    path: Path, columns: Sequence[str], *, licence: str, delimiter: str = ","
) -> list[dict[str, str]]:
    """Rows of the table at `path`; names and cells lose the blanks around them.

    Parameters
    ----------
    path : Path
    columns : sequence of str
        The columns that the caller reads.
    licence : str
        Named in the message, so that whoever fetches the data knows its terms.
    delimiter : str

    Returns
    -------
    list of dict
        Cells that a short row lacks are empty; those beyond the last column are left out.

    Raises
    ------
    DatasetError
        If the file is absent, empty, no UTF-8, or lacks a column.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=delimiter)
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


def read_tsv(path: Path, *, licence: str) -> list[list[str]]:
    """Cells of every line of the tab-separated file at `path`; quotation marks are plain signs.

    Raises
    ------
    DatasetError
        If the file is absent or no UTF-8 text.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
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
        If it is none of them; `where` says which file, row and column it came from.
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
        If it is no number or outside the range; `where` says which file, row and column.
    """
    try:
        rating = float(value)
    except ValueError as error:
        raise DatasetError(f"{where}: {value!r} is not a number") from error
    if not low <= rating <= high:
        raise DatasetError(f"{where}: {rating} is outside {low} to {high}")
    return rating


def audio_file(path: Path) -> Path:
    """Return `path` when a file is there.

    Raises
    ------
    DatasetError
        If not.
    """
    if not path.is_file():
        raise DatasetError(f"the clip {path} is missing; fetch the data set's audio again")
    return path


def drop_overlaps(tracks: Iterable[Track], root: Path) -> list[Track]:
    """Take out the training tracks that are also in another track's validation or test split.

    Two tracks are the same when ``song_overlaps.csv`` says so or their texts are equal but for
    case and spacing.

    Parameters
    ----------
    tracks : iterable of Track
        Of all the sets that are trained on or measured together.
    root : Path
        Folder that holds ``song_overlaps.csv``.

    Returns
    -------
    list of Track
        In the same order; validation and test tracks are all kept.

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
