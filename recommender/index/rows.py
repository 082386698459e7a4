"""A song as a row: its columns, and how they are read from the database."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from catalog.models import Library, SongCredit
from catalog.results import embedding_from_bytes
from mer.affect import EMOTIONS, GEMS, QUADRANTS
from mer.prediction import EMBEDDING_DIM, SURE_FROM

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from django.db.models import QuerySet
    from numpy.typing import NDArray

    from catalog.models import SongEmotion

AFFECT_DIM: Final = 2 + len(EMOTIONS)
QUADRANT_DIM: Final = len(QUADRANTS)
FELT_DIM: Final = len(GEMS)
CREDITS: Final = 7
"""A row names at most so many artists."""
CHUNK_ROWS: Final = 2_000
_QUERY_IDS: Final = 900
"""SQLite takes at most 999 parameters a query."""


class ColumnKind(NamedTuple):
    """The type of a column, and the number of its values for one song."""

    dtype: type[np.generic]
    width: int = 1


COLUMNS: Final[Mapping[str, ColumnKind]] = {
    "song_ids": ColumnKind(np.int64),
    "affect": ColumnKind(np.float32, AFFECT_DIM),
    "quadrants": ColumnKind(np.float32, QUADRANT_DIM),
    "spreads": ColumnKind(np.float32, 2),
    "by_sound": ColumnKind(np.float32, 2),
    "by_words": ColumnKind(np.float32, 2),
    "felt": ColumnKind(np.float16, FELT_DIM),
    "confidences": ColumnKind(np.float32),
    "artists": ColumnKind(np.int64),
    "credits": ColumnKind(np.int64, CREDITS),
    "albums": ColumnKind(np.int64),
    "genres": ColumnKind(np.int32),
    "years": ColumnKind(np.int32),
    "durations": ColumnKind(np.float32),
    "tempos": ColumnKind(np.float32),
    "keys": ColumnKind(np.int32),
    "libraries": ColumnKind(np.int64),
    "recordings": ColumnKind(np.int64),
    "recording_ranks": ColumnKind(np.int32),
}
"""What a request needs of a song; `IndexSnapshot` says what each column holds."""

Columns = dict[str, "NDArray[Any]"]
"""One array a column, (songs,) or (songs, width)."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Songs in order of their ids.

    Attributes
    ----------
    columns : dict of str to array
        One a column of `COLUMNS`.
    fused : (songs, 256) float32
        Fused embeddings of unit norm.
    """

    columns: Columns
    fused: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.fused)


class Genres:
    """The genre tags of songs, each with a code that never changes."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._codes = {name: code for code, name in enumerate(names)}

    def code(self, name: str) -> int:
        """Return the code of a tag, which may be new."""
        return self._codes.setdefault(name, len(self._codes))

    @property
    def names(self) -> tuple[str, ...]:
        """The tags in the order of their codes."""
        return tuple(self._codes)


_VALUES: Final = (
    *("song_id", "valence", "arousal", "valence_spread", "arousal_spread", "confidence"),
    *("emotions", "quadrants", "alone", "felt", "fused_embedding"),
    *("song__artist_key", "song__album_entry_id", "song__genre", "song__year"),
    *("song__duration_seconds", "song__library_id", "song__library__kind"),
    *("song__bpm", "song__estimated_bpm", "song__tempo_confidence"),
    *("song__estimated_key", "song__key_confidence"),
    *("song__recording_id", "song__recording_rank"),
)


def rows_in(emotions: QuerySet[SongEmotion], genres: Genres) -> Iterator[Rows]:
    """Yield the songs of a query in order of their ids, `CHUNK_ROWS` at a time.

    The database sends them as they are read: only one chunk is in memory.
    """
    values = emotions.order_by("song_id").values_list(*_VALUES).iterator(chunk_size=CHUNK_ROWS)
    while chunk := list(itertools.islice(values, CHUNK_ROWS)):
        yield _rows(chunk, genres)


def rows_of_songs(
    emotions: QuerySet[SongEmotion], song_ids: Sequence[int], genres: Genres
) -> Iterator[Rows]:
    """Yield those songs of a query that have one of the ids, which ascend."""
    for start in range(0, len(song_ids), _QUERY_IDS):
        wanted = emotions.filter(song_id__in=song_ids[start : start + _QUERY_IDS])
        yield from rows_in(wanted, genres)


def rows_updated(
    blocks: Iterable[Rows], fresh: Iterable[Rows], changed: Sequence[int]
) -> Iterator[Rows]:
    """Yield the songs of `blocks`, in order, with `fresh` ones in the place of the `changed`."""
    parts = [*fresh]
    new = _joined(parts) if parts else None
    at = 0
    for block in blocks:
        song_ids = block.columns["song_ids"]
        merged = [_part(block, ~np.isin(song_ids, changed))]
        if new is not None:
            end = int(np.searchsorted(new.columns["song_ids"], song_ids[-1], side="right"))
            merged.append(_part(new, slice(at, end)))
            at = end
        joined = _joined(merged)
        yield _part(joined, np.argsort(joined.columns["song_ids"]))
    if new is not None and at < len(new):
        yield _part(new, slice(at, None))


def _joined(parts: Sequence[Rows]) -> Rows:
    columns = {name: np.concatenate([part.columns[name] for part in parts]) for name in COLUMNS}
    return Rows(columns, np.concatenate([part.fused for part in parts]))


def _part(rows: Rows, wanted: slice | NDArray[Any]) -> Rows:
    return Rows({name: rows.columns[name][wanted] for name in COLUMNS}, rows.fused[wanted])


def _rows(chunk: Sequence[tuple[object, ...]], genres: Genres) -> Rows:
    held = dict(zip(_VALUES, zip(*chunk, strict=True), strict=True))
    song_ids: Sequence[int] = held["song_id"]
    recordings = zip(held["song__recording_id"], song_ids, strict=True)
    places = zip(held["valence"], held["arousal"], held["emotions"], strict=True)
    values: dict[str, Sequence[object]] = {
        "song_ids": song_ids,
        "affect": [(v, a, *(e.get(name, 0.0) for name in EMOTIONS)) for v, a, e in places],
        "quadrants": [_quadrants(row) for row in held["quadrants"]],
        "spreads": [
            (_or_nan(valence), _or_nan(arousal))
            for valence, arousal in zip(held["valence_spread"], held["arousal_spread"], strict=True)
        ],
        "by_sound": [_place_alone(alone, "audio") for alone in held["alone"]],
        "by_words": [_place_alone(alone, "lyrics") for alone in held["alone"]],
        "felt": [[_or_nan(felt.get(name)) for name in GEMS] for felt in held["felt"]],
        "confidences": held["confidence"],
        "artists": [
            artist_code(key) if key else -song_id
            for key, song_id in zip(held["song__artist_key"], song_ids, strict=True)
        ],
        "credits": _credits(song_ids),
        "albums": [album or 0 for album in held["song__album_entry_id"]],
        "genres": [genres.code(name) for name in held["song__genre"]],
        "years": [year or 0 for year in held["song__year"]],
        "durations": [_or_nan(seconds) for seconds in held["song__duration_seconds"]],
        "tempos": [
            _or_nan(bpm or (estimate if (confidence or 0.0) >= SURE_FROM else None))
            for bpm, estimate, confidence in zip(
                *(held[f"song__{name}"] for name in ("bpm", "estimated_bpm", "tempo_confidence")),
                strict=True,
            )
        ],
        "keys": [
            1 + key if key is not None and (confidence or 0.0) >= SURE_FROM else 0
            for key, confidence in zip(
                held["song__estimated_key"], held["song__key_confidence"], strict=True
            )
        ],
        "libraries": [
            -library_id if kind == Library.Kind.TABLE else library_id
            for library_id, kind in zip(
                held["song__library_id"], held["song__library__kind"], strict=True
            )
        ],
        "recordings": [-song_id if pk is None else pk for pk, song_id in recordings],
        "recording_ranks": held["song__recording_rank"],
    }
    fused = [embedding_from_bytes(data) for data in held["fused_embedding"]]
    return Rows(
        {name: np.array(values[name], kind.dtype) for name, kind in COLUMNS.items()},
        np.stack(fused).astype(np.float32).reshape(-1, EMBEDDING_DIM),
    )


def artist_code(key: str) -> int:
    """Return the value of the column `artists` for an artist's key, above 0.

    It is a hash, so every process and build has the same one. Among ten million artists two share
    one with a probability of about 1 in 100,000.
    """
    digest = hashlib.blake2b(key.encode(), digest_size=8).digest()
    return 1 + int.from_bytes(digest) // 4


def _credits(song_ids: Sequence[int]) -> list[tuple[int, ...]]:
    """Return the ids of the first `CREDITS` artists of each song, followed by zeros."""
    found: dict[int, list[int]] = {}
    for start in range(0, len(song_ids), _QUERY_IDS):
        credits = SongCredit.objects.filter(song_id__in=song_ids[start : start + _QUERY_IDS])
        for song_id, artist_id in credits.order_by("song_id", "position").values_list(
            "song_id", "artist_id"
        ):
            found.setdefault(song_id, []).append(artist_id)
    nobody = [0] * CREDITS
    return [tuple([*found.get(song_id, ()), *nobody][:CREDITS]) for song_id in song_ids]


def _quadrants(held: Mapping[str, float | None]) -> tuple[float, ...]:
    """Return the probabilities of Q1 to Q4; all equal if the row lacks one of the four."""
    values = [held.get(name) for name in QUADRANTS]
    if any(value is None for value in values):
        return (1 / QUADRANT_DIM,) * QUADRANT_DIM
    return tuple(float(value) for value in values if value is not None)


def _place_alone(alone: Mapping[str, Mapping[str, float]], modality: str) -> tuple[float, float]:
    """Return valence and arousal by one modality alone, NaN where the song lacks it."""
    place = alone.get(modality)
    nan = float("nan")
    return (nan, nan) if place is None else (place["valence"], place["arousal"])


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value
