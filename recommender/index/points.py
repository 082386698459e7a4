"""A song as a point of a vector database, and questions in the language of Qdrant's REST API.

A point has the id of its song and three vectors, which are compared by dot product:

``fused``   (256,) the fused embedding
``affect``  (20,) the affect and its squares, see `query_of`
``parts``   (10,) s, w, s², w² and s w for valence, then for arousal: by the sound alone s, by the
            words w; where one is unknown, the other stands for it

Its payload has a field for each column that a `Condition` may name, those that the first-phase
score needs, and in ``row`` the bytes of all columns but the genre.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import numpy as np

from mer.prediction import EMBEDDING_DIM
from recommender.index.arrays import parts_filled
from recommender.index.protocol import SAME_RECORDING, FarthestApart, NearestByParts
from recommender.index.rows import AFFECT_DIM, COLUMNS, QUADRANT_DIM

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from recommender.index.protocol import Condition, FirstPhase, Query
    from recommender.index.rows import Columns, Genres, Rows
    from recommender.index.statistics import Statistics

Json = dict[str, Any]
"""A part of a request or an answer of Qdrant."""


class Found(NamedTuple):
    """A point that was found; its payload has the fields `NEEDED`."""

    song_id: int
    score: float
    payload: Json


class Collections(Protocol):
    """The collections of points on a server.

    `recommender.index.qdrant` has the client of a server. All of its methods raise
    `IndexUnreadableError` if the server does not answer.
    """

    def names(self) -> list[str]:
        """Return the names of all collections."""
        ...

    def create(self, name: str) -> None:
        """Make an empty collection with the vectors and the indexes of this module."""
        ...

    def drop(self, name: str) -> None:
        """Delete a collection, if there is one of that name."""
        ...

    def point_alias(self, alias: str, name: str) -> None:
        """Let an alias stand for a collection, in place of the former one."""
        ...

    def upsert(
        self,
        name: str,
        ids: Sequence[int],
        vectors: Mapping[str, NDArray[np.float32]],
        payloads: Sequence[Json],
    ) -> None:
        """Write points, in place of those with the same ids; they are safe when it returns."""
        ...

    def remove(self, name: str, ids: Sequence[int]) -> None:
        """Delete points; ids without one are ignored."""
        ...

    def settle(self, name: str) -> None:
        """Wait until the indexes of a collection are built."""
        ...

    def search(
        self,
        name: str,
        queries: Sequence[tuple[str, list[float], int]],
        query_filter: Json | None,
        *,
        is_exact: bool = False,
    ) -> list[list[Found]]:
        """Return the points that are nearest to each query, (vector's name, vector, number)."""
        ...

    def search_ranked(
        self,
        name: str,
        queries: Sequence[tuple[str, list[float], int]],
        query_filter: Json | None,
        formula: Json,
        k: int,
    ) -> list[Found]:
        """Return the `k` best by a formula of all points that the queries find."""
        ...

    def matching(self, name: str, query_filter: Json | None, limit: int) -> list[Found]:
        """Return at most `limit` points that pass a filter, in order of their ids."""
        ...

    def points(self, name: str, ids: Sequence[int]) -> list[Found]:
        """Return the points of some ids, without those that are missing."""
        ...

    def fused(self, name: str, ids: Sequence[int]) -> dict[int, list[float]]:
        """Return the fused embeddings of points by their ids."""
        ...

    def count(self, name: str) -> int:
        """Return the number of points."""
        ...

    def counts(self, name: str, key: str) -> dict[Any, int]:
        """Return how many points have each value of a field."""
        ...


_PARTS: Final = 5
"""Numbers of the vector "parts" for each axis."""
VECTORS: Final[Mapping[str, int]] = {
    "fused": EMBEDDING_DIM,
    "affect": 2 * AFFECT_DIM,
    "parts": 2 * _PARTS,
}
"""The vectors of a point and their dimensions."""
INDEXED: Final[Mapping[str, str]] = {
    "genre": "keyword",
    "years": "integer",
    "libraries": "integer",
    "albums": "integer",
    "credits": "integer",
    "recordings": "integer",
    "durations": "float",
    "tempos": "float",
    "keys": "integer",
    "confidences": "float",
    "by_sound": "float",
    "by_words": "float",
    "likeliest": "integer",
    "strongest": "integer",
}
"""Fields that conditions name, with the types of their indexes."""
SCORED: Final = (
    *("valence", "arousal"),
    *(f"share_{number}" for number in range(AFFECT_DIM)),
    *(f"quadrant_{number}" for number in range(QUADRANT_DIM)),
)
"""Fields of numbers that formulas read. Without an index that takes many times as long.

No search filters by them, so their songs need no links of their own in the graphs.
"""
NEEDED: Final = ("row", "genre")
"""Fields that `columns_of` reads."""
_WHOLE: Final = ("years", "keys", "libraries", "albums", "recordings")
_NUMBERS: Final = ("durations", "tempos", "confidences")
_ROW: Final = np.dtype(
    [
        (name, np.dtype(kind.dtype).newbyteorder("<"), () if kind.width == 1 else (kind.width,))
        for name, kind in COLUMNS.items()
        if name != "genres"
    ]
)


def payloads_of(rows: Rows, names: Sequence[str], statistics: Statistics) -> list[Json]:
    """Return the payload of each row; `names` are the genre tags by their codes."""
    columns = rows.columns
    packed = np.zeros(len(rows), _ROW)
    for name in _ROW.names or ():
        packed[name] = columns[name]
    shares = statistics.shares(columns["affect"])
    quadrants = columns["quadrants"]
    fields: dict[str, list[Any]] = {
        **{name: columns[name].tolist() for name in _WHOLE},
        **{name: columns[name].astype(np.float64).tolist() for name in _NUMBERS},
        # The valence says whether the place is known.
        "by_sound": columns["by_sound"][:, 0].astype(np.float64).tolist(),
        "by_words": columns["by_words"][:, 0].astype(np.float64).tolist(),
        "genre": [names[code] for code in columns["genres"].tolist()],
        "credits": [[one for one in of if one] for of in columns["credits"].tolist()],
        "valence": columns["affect"][:, 0].tolist(),
        "arousal": columns["affect"][:, 1].tolist(),
        "likeliest": quadrants.argmax(axis=1).tolist(),
        "strongest": columns["affect"][:, 2:].argmax(axis=1).tolist(),
        "row": [base64.b64encode(one.tobytes()).decode() for one in packed],
        **{f"share_{number}": shares[:, number].tolist() for number in range(AFFECT_DIM)},
        **{f"quadrant_{number}": quadrants[:, number].tolist() for number in range(QUADRANT_DIM)},
    }
    return [
        # JSON has no NaN; a field that is missing is in no range, as it should be.
        {key: value for key, value in zip(fields, values, strict=True) if value == value}
        for values in zip(*fields.values(), strict=True)
    ]


def vectors_of(rows: Rows) -> dict[str, NDArray[np.float32]]:
    """Return the (rows, dimensions) vectors of rows by name."""
    affect = rows.columns["affect"]
    sound, words = parts_filled(rows.columns["by_sound"], rows.columns["by_words"], affect[:, :2])
    parts = np.stack([sound, words, sound**2, words**2, sound * words], axis=2)
    return {
        "fused": rows.fused,
        "affect": np.hstack([affect, affect**2]).astype(np.float32),
        "parts": parts.reshape(-1, 2 * _PARTS).astype(np.float32),
    }


def columns_of(payloads: Sequence[Json], genres: Genres) -> Columns:
    """Return the columns of points by their payloads."""
    data = b"".join(base64.b64decode(payload["row"]) for payload in payloads)
    packed = np.frombuffer(data, _ROW)
    columns = {name: packed[name].astype(COLUMNS[name].dtype) for name in _ROW.names or ()}
    codes = [genres.code(payload["genre"]) for payload in payloads]
    columns["genres"] = np.array(codes, COLUMNS["genres"].dtype)
    return columns


def query_of(nearest: Query) -> tuple[str, list[float]]:
    """Return the name of the vector that a search compares, and the vector that it asks for.

    The squared distance ``sum w (x - t)²`` is ``sum w x² - 2 sum w t x`` and a constant. So the
    nearest points have the largest dot product of ``(x, x²)`` with ``(2 w t, -w)``. By parts x is
    ``a s + b w``, whose square is ``a² s² + b² w² + 2 a b s w``.
    """
    if isinstance(nearest, FarthestApart):
        sign = 1.0 if nearest.is_sound_brighter else -1.0
        return "parts", [sign, -sign, *[0.0] * (2 * _PARTS - 2)]
    if isinstance(nearest, NearestByParts):
        a, b = 1.0 - nearest.words, nearest.words
        of_axes = [
            [2 * t * a, 2 * t * b, -a * a, -b * b, -2 * a * b] for t in nearest.target.tolist()
        ]
        return "parts", [number for axis in of_axes for number in axis]
    if nearest.weights is None:
        return "fused", nearest.target.tolist()
    weights = nearest.weights.astype(np.float64)
    return "affect", [*(2 * weights * nearest.target).tolist(), *(-weights).tolist()]


def filter_of(
    conditions: Sequence[Condition],
    names: Sequence[str],
    recordings: Mapping[Condition, Sequence[int]],
) -> Json | None:
    """Return the filter of points that pass all conditions; None if there is no condition.

    `names` are the genre tags by their codes. `recordings` are those of the songs of each condition
    on `SAME_RECORDING`.
    """
    found: dict[str, list[Json]] = {"must": [], "must_not": []}
    for condition in conditions:
        part = _condition(condition, names, recordings.get(condition, ()))
        found["must_not" if condition.is_refused else "must"].append(part)
    return {key: parts for key, parts in found.items() if parts} or None


def _condition(condition: Condition, names: Sequence[str], recordings: Sequence[int]) -> Json:
    wanted = condition.any_of
    if condition.column == SAME_RECORDING:
        songs = {"has_id": [one for one in wanted or () if one >= 0]}
        return {"should": [songs, _any_of("recordings", recordings)]}
    if condition.column == "genres":
        tags = [names[code] for code in wanted or () if 0 <= code < len(names)]
        return _any_of("genre", tags)
    parts = []
    if wanted is not None:
        parts.append(_any_of(condition.column, wanted))
    bounds = {"gte": condition.low, "lte": condition.high}
    if given := {key: value for key, value in bounds.items() if value is not None}:
        parts.append({"key": condition.column, "range": given})
    return parts[0] if len(parts) == 1 else {"must": parts}


def _any_of(key: str, values: Sequence[int] | Sequence[str]) -> Json:
    return {"key": key, "match": {"any": list(values)}}


def formula_of(first_phase: FirstPhase, fused_at: int | None) -> Json:
    """Return the score of a first phase as a formula over payloads and prefetched scores.

    `fused_at` is the place of the search in the fused space among the prefetched ones; a point that
    it did not find has a likeness of 0.
    """
    absolute = _distance(("valence", "arousal"), first_phase.place)
    relative = _distance(("share_0", "share_1"), first_phase.relative)
    distance = {"mult": [0.5, {"sum": [absolute, relative]}]}
    closeness = {"exp": {"mult": [-0.5 / first_phase.tolerance**2, _squared(distance)]}}
    lost = {
        "sum": [
            {"mult": [float(one), f"quadrant_{number}"]}
            for number, one in enumerate(first_phase.lost)
        ]
    }
    match = {"max": [0.0, {"sum": [1.0, {"neg": lost}]}]}
    full = {"min": [1.0, {"mult": [1 / first_phase.full_match, match]}]}
    quadrants = {"mult": [0.5, {"sum": [match, full]}]}
    parts: list[Json] = []
    if first_phase.closeness:
        parts.append({"mult": [float(first_phase.closeness), closeness, quadrants]})
    if first_phase.quadrants:
        parts.append({"mult": [float(first_phase.quadrants), quadrants]})
    parts += [
        {"mult": [float(first_phase.emotion * weight), f"share_{2 + number}"]}
        for number, weight in enumerate(first_phase.emotions)
        if first_phase.emotion * weight
    ]
    if first_phase.likeness and fused_at is not None:
        typical = first_phase.typical
        above = {"sum": [f"$score[{fused_at}]", -typical]}
        share = {"max": [0.0, {"mult": [1 / (1 - typical), above]}]}
        parts.append({"mult": [float(first_phase.likeness), share]})
    return {"sum": parts}


def _distance(keys: Sequence[str], place: Sequence[float]) -> Json:
    squares = [
        _squared({"sum": [key, -float(value)]}) for key, value in zip(keys, place, strict=True)
    ]
    # A rounding error below 0 has no root.
    return {"sqrt": {"max": [0.0, {"sum": squares}]}}


def _squared(expression: Json) -> Json:
    return {"mult": [expression, expression]}
