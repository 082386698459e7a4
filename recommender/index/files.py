"""An index in a directory of mapped files.

A build searches two spaces:

==========  ==========  ==================================  ==================  ===========
space       dimensions  holds                               distance            search
==========  ==========  ==================================  ==================  ===========
`fused`     256         the fused embedding                 cosine              FAISS
`affect`    10          valence, arousal, eight emotions    weighted Euclidean  exact scan
==========  ==========  ==================================  ==================  ===========

Its directory contains, for songs in order of their ids::

    NAME.npy             a column of `rows.COLUMNS`, (songs,) or (songs, width) in Fortran order
    shares.npy           (songs, 10) float32, the shares of the catalogue below the song's affect
    fused.f32            (songs, 256) float32, unit norm
    fused.faiss          the FAISS index over them, if there are more than `EXACT_ROWS`
    recording_order.npy  the rows that share a recording, by recording and rank
    genres.json          the genre tags, by their codes
    NAME_of_sample.npy   a part of the `Statistics` of the songs
    manifest.json        format, model version, counts, recall, size and SHA-256 of each file

Up to `EXACT_ROWS` songs a search compares all of them. Above, FAISS searches cells of 8-bit
vectors: it fetches four times as many songs as wanted, which are ranked by their exact similarity.

The files are mapped: a process opens them in milliseconds, and all processes share the pages. A
mapped file that is truncated would kill its readers (SIGBUS), so the files are read-only, and their
sizes are compared with the manifest when they are opened.
"""

from __future__ import annotations

import json
import mmap
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from mer.prediction import EMBEDDING_DIM
from recommender.errors import IndexCorruptError, IndexUnreadableError
from recommender.index.arrays import matches, most_similar, nearest_in_affect, places_in
from recommender.index.cells import OVERFETCH, Cells, cells_build, cells_updated
from recommender.index.directories import (
    FORMAT_VERSION,
    IndexManifest,
    checksums_check,
    files_of,
    manifest_read,
    manifest_write,
    written_aside,
)
from recommender.index.rows import AFFECT_DIM, COLUMNS, ColumnKind, Rows
from recommender.index.statistics import SAMPLED, Statistics, sample_of, statistics_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path
    from typing import Self

    from numpy.typing import NDArray

    from recommender.index.rows import Genres

_SELECTIVE_ROWS: Final = 10_000
"""Up to this many allowed rows an exact scan is faster than FAISS."""
_MOST_OVERFETCHED: Final = 200
"""More songs than this are not fetched beyond those wanted."""
_MADV_POPULATE_READ: Final = 22
"""Of Linux 5.14; the module `mmap` does not name it."""
_STEP_BYTES: Final = 16 * 2**20
_SHARES: Final = ColumnKind(np.float32, AFFECT_DIM)
_FUSED: Final = "fused.f32"
_CELLS: Final = "fused.faiss"
_GENRES: Final = "genres.json"
_RECORDINGS: Final = "recording_order"
_BLOCK_ROWS: Final = 20_000


class EmbeddingIndex:
    """An open build, a `VectorIndex`; still readable after its files are deleted."""

    def __init__(self, directory: Path, manifest: IndexManifest) -> None:
        self.manifest = manifest
        self._directory = directory
        rows = manifest.row_count
        self._columns = {
            name: _mapped(directory, name, rows, kind)
            for name, kind in {**COLUMNS, "shares": _SHARES}.items()
        }
        self._fused = _mapped_fused(directory / _FUSED, rows)
        self._recording_order = np.asarray(_load(directory, _RECORDINGS))
        self._recordings = self._columns["recordings"][self._recording_order]
        self.statistics = Statistics(
            *(_load(directory, name) for name in Statistics.__dataclass_fields__)
        )
        self.genre_names: tuple[str, ...] = tuple(json.loads((directory / _GENRES).read_text()))
        self.cells = (
            Cells.open(
                directory / _CELLS,
                nprobe=manifest.nprobe,
                trained_rows=manifest.trained_rows,
                recall_at_20=manifest.recall_at_20,
            )
            if manifest.nprobe
            else None
        )
        if self.cells is not None and len(self.cells) != rows:
            raise ValueError(f"{_CELLS} holds {len(self.cells)} rows, not {rows}")

    def __len__(self) -> int:
        return self.manifest.row_count

    @classmethod
    def build(
        cls,
        directory: Path,
        chunks: Iterable[Rows],
        genres: Genres,
        *,
        model_version: str,
        position: str,
        former: EmbeddingIndex | None = None,
    ) -> IndexManifest:
        """Write a build to `directory`, which appears complete or not at all.

        The chunks ascend in song ids; only one of them and one column are in memory at a time.
        With a `former` build of mostly the same songs, its cells are used again.

        Raises
        ------
        FileExistsError
            If `directory` exists; builds are never changed.
        DiskShortError
            If the disk is full before the build is complete.
        ValueError
            If the song ids do not ascend.
        """
        with written_aside(directory) as aside:
            rows = _stream(aside, chunks)
            fused = _mapped_fused(aside / _FUSED, rows)
            _derived_write(aside, rows, fused)
            (aside / _GENRES).write_text(json.dumps(genres.names))
            cells = _cells(aside, rows, fused, former)
            if cells is not None:
                cells.save(aside / _CELLS)
            manifest = IndexManifest(
                format_version=FORMAT_VERSION,
                model_version=model_version,
                row_count=rows,
                embedding_dim=EMBEDDING_DIM,
                affect_dim=AFFECT_DIM,
                index_type="exact" if cells is None else cells.index_type,
                nprobe=0 if cells is None else cells.nprobe,
                trained_rows=0 if cells is None else cells.trained_rows,
                recall_at_20=1.0 if cells is None else cells.recall_at_20,
                position=position,
                files=files_of(aside),
            )
            manifest_write(aside, manifest)
        return manifest

    @classmethod
    def open(cls, directory: Path) -> Self:
        """Map the build in `directory`, after a look at the sizes of its files.

        Raises
        ------
        IndexMissingError
            If the directory or a file is absent.
        IndexVersionError
            If the build has another format.
        IndexCorruptError
            If a file has changed since the build was written; `damage_check` finds the rest.
        IndexUnreadableError
            If this process cannot read it now: no file can be opened, memory or permission lacks.
        """
        manifest = manifest_read(directory)
        try:
            return cls(directory, manifest)
        except (MemoryError, OSError) as error:
            raise IndexUnreadableError(f"{directory} cannot be read now: {error}") from error
        except Exception as error:  # NumPy and FAISS raise what a damaged header leads to
            raise IndexCorruptError(f"{directory} is damaged: {error}") from error

    def damage_check(self) -> Iterator[None]:
        """Compare the checksum of every file; see `VectorIndex.damage_check`.

        The embeddings have been read by then. Their pages are mapped, so that requests need not:
        the first search of each would take thousands of page faults.
        """
        yield from checksums_check(self._directory, self.manifest)
        yield from _pages_map(self._fused)

    def take(
        self, column: str, rows: NDArray[np.int64] | slice, dimension: int | None = None
    ) -> NDArray[Any]:
        """Return the values of rows in a column; see `VectorIndex.take`."""
        values = self._columns[column]
        return values[rows] if dimension is None else values[:, dimension][rows]

    def fused(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the fused embeddings of rows; see `VectorIndex.fused`."""
        return self._fused[rows]

    def rows_of(self, song_ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the row of each song, or -1; see `VectorIndex.rows_of`."""
        return places_in(self._columns["song_ids"], song_ids)

    def rows_of_recordings(self, recordings: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows of all songs of recordings; see `VectorIndex.rows_of_recordings`."""
        first = np.searchsorted(self._recordings, recordings, side="left")
        last = np.searchsorted(self._recordings, recordings, side="right")
        parts = [
            self._recording_order[low:high]
            for low, high in zip(first.tolist(), last.tolist(), strict=True)
            if low < high
        ]
        return np.concatenate([np.empty(0, np.int64), *parts])

    def where(
        self,
        column: str,
        *,
        low: float | None = None,
        high: float | None = None,
        any_of: Collection[int] | None = None,
    ) -> NDArray[np.bool_]:
        """Return which rows have a value in a column; see `VectorIndex.where`."""
        return matches(self._columns[column], low=low, high=high, any_of=any_of)

    def search_fused(
        self, query: NDArray[np.float32], k: int, allowed: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Find the songs most similar to a query; see `VectorIndex.search_fused`."""
        query = np.ascontiguousarray(query, np.float32)
        count = len(self) if allowed is None else int(np.count_nonzero(allowed))
        rows = self._candidates(query, min(k, count), count, allowed)
        if rows is None:
            return most_similar(self._fused, query, k, allowed)
        similarities, best = most_similar(self._fused[rows], query, k)
        return similarities, rows[best]

    def search_affect(
        self,
        target: NDArray[np.float32],
        weights: NDArray[np.float32],
        k: int,
        allowed: NDArray[np.bool_] | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Find the songs nearest in affect by an exact scan; see `VectorIndex.search_affect`."""
        return nearest_in_affect(self._columns["affect"], target, weights, k, allowed)

    def _candidates(
        self, query: NDArray[np.float32], k: int, count: int, allowed: NDArray[np.bool_] | None
    ) -> NDArray[np.int64] | None:
        """Return rows, in order, with the best `k` of the allowed ones among them, or None."""
        fetched = min(OVERFETCH * k, k + _MOST_OVERFETCHED)
        if self.cells is not None and count > max(_SELECTIVE_ROWS, 2 * fetched):
            found = self.cells.search(query[np.newaxis], fetched, allowed)[0]
            if np.count_nonzero(found >= 0) >= k:
                return np.sort(found[found >= 0])
        return None

    def blocks(self) -> Iterator[Rows]:
        """Yield the songs in order of their ids, some thousands at a time."""
        for start in range(0, len(self), _BLOCK_ROWS):
            part = slice(start, start + _BLOCK_ROWS)
            yield Rows({name: self._columns[name][part] for name in COLUMNS}, self._fused[part])


class _Part(NamedTuple):
    """A file to which a column is appended."""

    name: str
    path: Path


def _stream(aside: Path, chunks: Iterable[Rows]) -> int:
    """Write fused embeddings and columns; return the number of songs."""
    rows, last = 0, -(2**63)
    parts = [_Part(name, aside / f"{name}.rows") for name in COLUMNS]
    with ExitStack() as stack:
        fused = stack.enter_context((aside / _FUSED).open("wb"))
        files = {part.name: stack.enter_context(part.path.open("wb")) for part in parts}
        for chunk in chunks:
            song_ids = chunk.columns["song_ids"]
            if len(chunk) and (song_ids[0] <= last or np.any(np.diff(song_ids) <= 0)):
                raise ValueError("song ids must ascend, each once")
            last = song_ids[-1] if len(chunk) else last
            rows += len(chunk)
            fused.write(np.ascontiguousarray(chunk.fused, "<f4").data)
            for name, file in files.items():
                file.write(np.ascontiguousarray(chunk.columns[name], COLUMNS[name].dtype).data)
    for part in parts:
        kind = COLUMNS[part.name]
        shape = (rows,) if kind.width == 1 else (rows, kind.width)
        values = np.fromfile(part.path, kind.dtype).reshape(shape)
        np.save(aside / f"{part.name}.npy", np.asfortranarray(values))
        part.path.unlink()
    return rows


def _derived_write(aside: Path, rows: int, fused: NDArray[np.float32]) -> None:
    """Write what follows from the columns: statistics, shares, and the order of recordings."""
    held = {name: _mapped(aside, name, rows, COLUMNS[name]) for name in SAMPLED}
    sample = sample_of(np.arange(rows))
    statistics = statistics_of(
        {name: column[sample] for name, column in held.items()}, fused[sample]
    )
    for name in Statistics.__dataclass_fields__:
        np.save(aside / f"{name}_of_sample.npy", getattr(statistics, name))
    np.save(aside / "shares.npy", statistics.shares(held["affect"]))
    recordings = _mapped(aside, "recordings", rows, COLUMNS["recordings"])
    ranks = _mapped(aside, "recording_ranks", rows, COLUMNS["recording_ranks"])
    several = np.flatnonzero(recordings >= 0)
    order = np.lexsort((several, ranks[several], recordings[several]))
    np.save(aside / f"{_RECORDINGS}.npy", several[order])


def _cells(
    aside: Path, rows: int, fused: NDArray[np.float32], former: EmbeddingIndex | None
) -> Cells | None:
    if former is not None and former.cells is not None:
        new_rows = _rows_in_new_build(aside, rows, fused, former)
        cells = cells_updated(former.cells, fused, new_rows)
        if cells is not None:
            return cells
    return cells_build(fused)


def _rows_in_new_build(
    aside: Path, rows: int, fused: NDArray[np.float32], former: EmbeddingIndex
) -> NDArray[np.int64]:
    """Return where each song of the former build is now; -1 where its embedding has changed."""
    known = _mapped(aside, "song_ids", rows, COLUMNS["song_ids"])
    new_rows = np.full(len(former), -1)
    for start in range(0, len(former), _BLOCK_ROWS):
        part = slice(start, min(start + _BLOCK_ROWS, len(former)))
        ids = former.take("song_ids", np.arange(part.start, part.stop))
        at = np.minimum(np.searchsorted(known, ids), rows - 1)
        is_same = known[at] == ids
        is_same &= np.all(fused[at] == former.fused(np.arange(part.start, part.stop)), axis=1)
        new_rows[part] = np.where(is_same, at, -1)
    return new_rows


def _load(directory: Path, name: str) -> NDArray[Any]:
    stem = f"{name}_of_sample" if name in Statistics.__dataclass_fields__ else name
    array: NDArray[Any] = np.load(directory / f"{stem}.npy", allow_pickle=False)
    return array


def _mapped(directory: Path, name: str, rows: int, kind: ColumnKind) -> NDArray[Any]:
    path = directory / f"{name}.npy"
    shape = (rows,) if kind.width == 1 else (rows, kind.width)
    # A file without values cannot be mapped.
    mapped = np.load(path, mmap_mode="r" if rows else None, allow_pickle=False)
    # Requests scan columns whole: the disk begins to read them before the first one does.
    _advise(mapped, "MADV_WILLNEED")
    if mapped.shape != shape or mapped.dtype != kind.dtype:
        raise ValueError(f"{path} has shape {mapped.shape} and type {mapped.dtype}")
    # Not as `np.memmap`, whose every part is a slow object of its own.
    return np.asarray(mapped)


def _mapped_fused(path: Path, rows: int) -> NDArray[np.float32]:
    shape = (rows, EMBEDDING_DIM)
    if not rows:
        return np.empty(shape, np.float32)
    mapped = np.memmap(path, np.dtype("<f4"), "r", shape=shape)
    # Rows are read one by one. Reading ahead would fetch most of a cold file for one list.
    _advise(mapped, "MADV_RANDOM")
    return np.asarray(mapped)


def _advise(array: NDArray[Any], advice: str) -> None:
    """Tell the system how a memory-mapped array will be read; where it takes advice."""
    if (mapped := _mapping(array)) is not None and hasattr(mmap, advice):
        mapped.madvise(getattr(mmap, advice))


def _mapping(array: Any) -> mmap.mmap | None:
    """Return the mapping that an array is a view of."""
    while array is not None and not isinstance(array, mmap.mmap):
        array = getattr(array, "base", None)
    return array


def _pages_map(vectors: NDArray[np.float32]) -> Iterator[None]:
    """Map the pages of a memory-mapped array, some megabytes a step; where the system can."""
    if (mapped := _mapping(vectors)) is None:
        return
    for start in range(0, len(mapped), _STEP_BYTES):
        try:
            mapped.madvise(_MADV_POPULATE_READ, start, min(_STEP_BYTES, len(mapped) - start))
        except (OSError, ValueError):  # before Linux 5.14, or another system
            return
        yield
