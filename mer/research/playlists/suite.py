"""Songs, queries and lists of a suite, read from tables; the gain of a song for a query.

::

    SUITE/songs.csv     one row per labelled song
    SUITE/queries.csv   one row per query
    SUITE/vectors.csv   optional: vectors of the songs, in which the diversity of lists is measured
    RUN.csv             one row per song of a list; any number of runs, each of one recommender
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np

from mer.affect import Quadrant
from mer.errors import DatasetError
from mer.files import written_aside
from mer.research.datasets.base import read_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path
    from typing import TypeVar

    from numpy.typing import NDArray

    T = TypeVar("T")

LISTENER_SPREAD: Final = 0.19
"""Standard deviation of the ratings of one song by different listeners, on each axis."""
KINDS: Final = ("song", "mood", "point", "journey")
PAGE: Final = "docs/playlist-suite.md"
_SONG_COLUMNS: Final = (
    "song", "catalogue", "group", "quadrant", "cluster", "valence", "arousal", "words", "profile",
    "genres", "year", "title", "artist",
)  # fmt: skip
_QUERY_COLUMNS: Final = (
    "query", "catalogue", "kind", "group", "song", "mood", "quadrant", "valence", "arousal", "path",
)  # fmt: skip
_RUN_COLUMNS: Final = ("query", "rank", "song", "position", "score")


@dataclass(frozen=True, slots=True)
class Labels:
    """What listeners or editors said of a song, or what a query asks for.

    Parameters
    ----------
    quadrants : frozenset of str
        Of `mer.affect.QUADRANTS`; a query may ask for several. Empty if unknown.
    cluster : str
        Any class of songs; empty if unknown.
    place : (valence, arousal) in [0, 1] or None
    words : frozenset of str
        Mood words; empty if unknown.
    profile : tuple of float
        Shares of raters who chose each of several emotions; empty if unknown.
    """

    quadrants: frozenset[str] = frozenset()
    cluster: str = ""
    place: tuple[float, float] | None = None
    words: frozenset[str] = frozenset()
    profile: tuple[float, ...] = ()

    def same_class(self, other: Labels) -> bool | None:
        """Whether both have a quadrant in common, else the cluster; None if neither is known."""
        if self.quadrants and other.quadrants:
            return bool(self.quadrants & other.quadrants)
        return self.cluster == other.cluster if self.cluster and other.cluster else None


@dataclass(frozen=True, slots=True)
class LabelledSong:
    """A song of a suite; `group` is equal for the songs of one artist."""

    name: str
    catalogue: str
    group: str
    labels: Labels
    genres: frozenset[str] = frozenset()
    year: int | None = None
    title: str = ""
    artist: str = ""


@dataclass(frozen=True, slots=True)
class Query:
    """A request for a list from the songs of one catalogue.

    Parameters
    ----------
    name, catalogue : str
    kind : str
        Of `KINDS`.
    group : str
        Queries of one group are not independent: they are drawn together by the bootstrap.
    labels : Labels
        What songs should be like; for a seed song, its own labels.
    song : str
        The seed song. Neither it nor another song of its group may be in the list.
    mood : str
        The named mood.
    path : tuple of (valence, arousal)
        Waypoints of a journey.
    """

    name: str
    catalogue: str
    kind: str
    group: str
    labels: Labels = Labels()
    song: str = ""
    mood: str = ""
    path: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Listed:
    """A song of a list: its place in the playing order and the score in [0, 1], if stated."""

    song: str
    position: int
    score: float | None = None


Run = dict[str, tuple[Listed, ...]]
"""The lists of a recommender by query, best song first."""


@dataclass(frozen=True)
class Suite:
    """Labelled songs, queries, and vectors by space and song."""

    songs: Mapping[str, LabelledSong]
    queries: Mapping[str, Query]
    vectors: Mapping[str, Mapping[str, NDArray[np.float64]]] = field(default_factory=dict)

    @cached_property
    def catalogues(self) -> dict[str, list[LabelledSong]]:
        """Songs of each catalogue."""
        found: dict[str, list[LabelledSong]] = {}
        for song in self.songs.values():
            found.setdefault(song.catalogue, []).append(song)
        return found

    def candidates(self, query: Query) -> list[LabelledSong]:
        """Songs that may be in the list of a query."""
        songs = self.catalogues.get(query.catalogue, [])
        if not query.song:
            return songs
        group = self.songs[query.song].group
        return [song for song in songs if song.name != query.song and song.group != group]

    def gains(self, query: Query) -> dict[str, float]:
        """Gain in [0, 1] of each candidate."""
        centre = self._centres.get(query.catalogue, ())
        return {
            song.name: gain(query.labels, song.labels, centre) for song in self.candidates(query)
        }

    @cached_property
    def _centres(self) -> dict[str, tuple[float, ...]]:
        """Mean profile of each catalogue."""
        found = {}
        for name, songs in self.catalogues.items():
            profiles = [song.labels.profile for song in songs if song.labels.profile]
            if profiles:
                found[name] = tuple(np.mean(profiles, axis=0).tolist())
        return found


def gain(wanted: Labels, song: Labels, centre: Sequence[float] = ()) -> float:
    r"""Worth of a song for a query: the mean of the parts that are known of both.

    - class: 1 if the quadrant, else the cluster, is the same; 0 otherwise;
    - place: :math:`\exp(-d^2 / 2\sigma^2)` with the distance d on the plane and
      :math:`\sigma` = `LISTENER_SPREAD`;
    - words: the number of common mood words by that of all words of both;
    - profile: the cosine of both profiles less `centre`, at least 0.

    Parameters
    ----------
    wanted, song : Labels
    centre : sequence of float
        Mean profile of the catalogue.

    Returns
    -------
    float in [0, 1]
        0 if no part is known of both.
    """
    parts: list[float] = []
    same = wanted.same_class(song)
    if same is not None:
        parts.append(float(same))
    if wanted.place is not None and song.place is not None:
        squared = math.dist(wanted.place, song.place) ** 2
        parts.append(math.exp(-squared / (2 * LISTENER_SPREAD**2)))
    if wanted.words and song.words:
        parts.append(len(wanted.words & song.words) / len(wanted.words | song.words))
    if wanted.profile and song.profile:
        parts.append(_centred_cosine(wanted.profile, song.profile, centre))
    return sum(parts) / len(parts) if parts else 0.0


def _centred_cosine(one: Sequence[float], other: Sequence[float], centre: Sequence[float]) -> float:
    middle = np.asarray(centre or [0.0] * len(one))
    first, second = np.asarray(one) - middle, np.asarray(other) - middle
    norm = float(np.linalg.norm(first) * np.linalg.norm(second))
    return max(0.0, float(first @ second) / norm) if norm else 0.0


def read_suite(folder: Path) -> Suite:
    """Read the songs, queries and vectors of a suite.

    Raises
    ------
    DatasetError
        If a table is absent, or a cell is not as the page of the format says.
    """
    songs: dict[str, LabelledSong] = {}
    for where, row in _rows(folder / "songs.csv", ("song",)):
        song = LabelledSong(
            name=row["song"],
            catalogue=row.get("catalogue", ""),
            group=row.get("group") or row["song"],
            labels=_labels(row, where),
            genres=_names(row, "genres"),
            year=_parsed(row, "year", int, where),
            title=row.get("title", ""),
            artist=row.get("artist", ""),
        )
        _once(songs, song.name, where)
        songs[song.name] = song
    queries: dict[str, Query] = {}
    for where, row in _rows(folder / "queries.csv", ("query", "kind")):
        query = _query(row, songs, where)
        _once(queries, query.name, where)
        queries[query.name] = query
    path = folder / "vectors.csv"
    return Suite(songs, queries, _read_vectors(path, songs) if path.is_file() else {})


def _query(row: dict[str, str], songs: Mapping[str, LabelledSong], where: str) -> Query:
    kind, seed = row["kind"], row.get("song", "")
    if kind not in KINDS:
        raise DatasetError(f"{where}, column kind: {kind!r} is not one of {', '.join(KINDS)}")
    if seed and seed not in songs:
        raise DatasetError(f"{where}, column song: {seed!r} is not in songs.csv; add it there")
    if kind == "song" and not seed:
        raise DatasetError(f"{where}, column song is empty; name the seed song")
    parts = [part.strip() for part in row.get("path", "").split(";")]
    path = tuple(_point(part, where) for part in parts if part)
    if kind == "journey" and len(path) < 2:
        raise DatasetError(f"{where}, column path: give two waypoints or more, as 0.2 0.3; 0.8 0.7")
    catalogue = row.get("catalogue") or (songs[seed].catalogue if seed else "")
    group = row.get("group") or (songs[seed].group if seed else row["query"])
    labels = songs[seed].labels if seed else _labels(row, where)
    return Query(row["query"], catalogue, kind, group, labels, seed, row.get("mood", ""), path)


def read_run(path: Path, suite: Suite) -> Run:
    """Read the lists of a recommender.

    Raises
    ------
    DatasetError
        If the table is absent, or a list has an unknown song, one of another catalogue, one twice,
        two songs of one rank, or, for a seed song, a song of its artist.
    """
    ranked: dict[str, dict[int, Listed]] = {}
    candidates: dict[str, set[str]] = {}
    for where, row in _rows(path, ("query", "rank", "song")):
        name, song = row["query"], row["song"]
        if name not in suite.queries:
            raise DatasetError(f"{where}, column query: {name!r} is not in queries.csv")
        if name not in candidates:
            candidates[name] = {each.name for each in suite.candidates(suite.queries[name])}
        if song not in candidates[name]:
            raise DatasetError(
                f"{where}, column song: {song!r} may not be in the list of {name!r}; list songs of "
                "the query's catalogue, without the seed song and others of its group"
            )
        rank = _parsed(row, "rank", int, where) or 0
        held = ranked.setdefault(name, {})
        if rank < 1 or rank in held:
            raise DatasetError(f"{where}, column rank: {row['rank']!r}; count each list from 1")
        if any(other.song == song for other in held.values()):
            raise DatasetError(f"{where}, column song: {song!r} is in the list of {name!r} twice")
        position = _parsed(row, "position", int, where)
        score = _parsed(row, "score", float, where)
        held[rank] = Listed(song, rank if position is None else position, score)
    return {
        name: tuple(listed for _, listed in sorted(lists.items())) for name, lists in ranked.items()
    }


def write_suite(folder: Path, suite: Suite) -> None:
    """Write the tables that `read_suite` reads."""
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "songs.csv", _SONG_COLUMNS, (_song_row(song) for song in suite.songs.values()))
    _write(folder / "queries.csv", _QUERY_COLUMNS, map(_query_row, suite.queries.values()))
    _write(
        folder / "vectors.csv",
        ("song", "space", "values"),
        (
            (song, space, " ".join(f"{value:.5g}" for value in vector))
            for space, vectors in suite.vectors.items()
            for song, vector in vectors.items()
        ),
    )


def write_run(path: Path, run: Run) -> None:
    """Write the table that `read_run` reads."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(
        path,
        _RUN_COLUMNS,
        (
            (query, rank, each.song, each.position, "" if each.score is None else each.score)
            for query, listed in run.items()
            for rank, each in enumerate(listed, start=1)
        ),
    )


def _song_row(song: LabelledSong) -> Sequence[object]:
    profile = " ".join(f"{share:.4f}" for share in song.labels.profile)
    return (
        song.name, song.catalogue, song.group, *_label_cells(song.labels),
        "; ".join(sorted(song.labels.words)), profile, "; ".join(sorted(song.genres)),
        song.year or "", song.title, song.artist,
    )  # fmt: skip


def _label_cells(labels: Labels) -> tuple[str, str, str, str]:
    place = [f"{value:.4f}" for value in labels.place] if labels.place else ["", ""]
    return ("; ".join(sorted(labels.quadrants)), labels.cluster, place[0], place[1])


def _query_row(query: Query) -> Sequence[object]:
    # A seed song has its labels in the other table.
    quadrants, _, valence, arousal = _label_cells(Labels() if query.song else query.labels)
    path = "; ".join(f"{valence:.4f} {arousal:.4f}" for valence, arousal in query.path)
    return (
        query.name, query.catalogue, query.kind, query.group, query.song, query.mood, quadrants,
        valence, arousal, path,
    )  # fmt: skip


def _write(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with written_aside(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(columns)
        table.writerows(rows)


def _rows(path: Path, columns: Sequence[str]) -> Iterable[tuple[str, dict[str, str]]]:
    """Rows of a table, each with its place for messages."""
    if not path.is_file():
        raise DatasetError(f"{path} is missing; {PAGE} describes it")
    for number, row in enumerate(read_table(path, columns, licence="that of your songs"), start=2):
        where = f"{path}, line {number}"
        for column in columns:
            if not row[column]:
                raise DatasetError(f"{where}, column {column} is empty; {PAGE} describes it")
        yield where, row


def _labels(row: Mapping[str, str], where: str) -> Labels:
    quadrants = _names(row, "quadrant")
    if unknown := quadrants - set(Quadrant):
        raise DatasetError(f"{where}, column quadrant: {min(unknown)!r} is not Q1 to Q4")
    place = [_parsed(row, axis, float, where) for axis in ("valence", "arousal")]
    valence, arousal = place
    if (valence is None) != (arousal is None):
        raise DatasetError(f"{where}: give both valence and arousal, or neither")
    if any(value is not None and not 0 <= value <= 1 for value in place):
        raise DatasetError(f"{where}: valence and arousal must be in 0 to 1; scale them")
    return Labels(
        quadrants,
        row.get("cluster", ""),
        None if valence is None or arousal is None else (valence, arousal),
        frozenset(word.lower() for word in _names(row, "words")),
        tuple(_number(part, where, "profile") for part in row.get("profile", "").split()),
    )


def _read_vectors(
    path: Path, songs: Mapping[str, LabelledSong]
) -> dict[str, dict[str, NDArray[np.float64]]]:
    spaces: dict[str, dict[str, NDArray[np.float64]]] = {}
    for where, row in _rows(path, ("song", "space", "values")):
        if row["song"] not in songs:
            raise DatasetError(f"{where}, column song: {row['song']!r} is not in songs.csv")
        values = np.array([_number(part, where, "values") for part in row["values"].split()])
        space = spaces.setdefault(row["space"], {})
        if space and len(next(iter(space.values()))) != len(values):
            raise DatasetError(f"{where}, column values: other rows have another number of them")
        space[row["song"]] = values
    return spaces


def _point(text: str, where: str) -> tuple[float, float]:
    values = [_number(part, where, "path") for part in text.split()]
    if len(values) != 2 or not all(0 <= value <= 1 for value in values):
        raise DatasetError(f"{where}, column path: {text!r} is not two numbers in 0 to 1")
    return values[0], values[1]


def _names(row: Mapping[str, str], column: str) -> frozenset[str]:
    return frozenset(name.strip() for name in row.get(column, "").split(";") if name.strip())


def _parsed(row: Mapping[str, str], column: str, kind: Callable[[str], T], where: str) -> T | None:
    text = row.get(column, "")
    if not text:
        return None
    try:
        value = kind(text)
    except ValueError as error:
        raise DatasetError(f"{where}, column {column}: {text!r} is not a number") from error
    if not math.isfinite(value):  # type: ignore[arg-type]
        raise DatasetError(f"{where}, column {column}: {text!r} is not a finite number")
    return value


def _number(text: str, where: str, column: str) -> float:
    value = _parsed({column: text}, column, float, where)
    return 0.0 if value is None else value


def _once(known: Mapping[str, object], name: str, where: str) -> None:
    if name in known:
        raise DatasetError(f"{where}: {name!r} is there twice; keep one row")
