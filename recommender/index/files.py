"""Vectors of songs in immutable directories of files; the only module that imports FAISS.

A build searches two spaces:

==========  ==========  ==================================  ==================  ===========
space       dimensions  holds                               distance            search
==========  ==========  ==================================  ==================  ===========
`fused`     256         the fused embedding                 cosine              FAISS
`affect`    10          valence, arousal, eight emotions    weighted Euclidean  exact scan
==========  ==========  ==================================  ==================  ===========

It also holds each song's quadrant probabilities. Its directory contains::

    song_ids.npy   (songs,) int64, ascending, each once
    revisions.npy  (songs,) int64, differs when the song's emotion has changed
    fused.npy      (songs, 256) float32, unit norm
    affect.npy     (songs, 10) float32
    quadrants.npy  (songs, 4) float32, probabilities
    fused.faiss    the FAISS index over the rows of fused.npy
    manifest.json  format, model version, counts, recall, SHA-256 of each file and of itself

Up to `EXACT_ROWS` songs the FAISS index is exact. Above, it is IVF over 8-bit vectors: a search
fetches four times as many songs as wanted and ranks them by their exact similarity.

An open build is in memory. Mapped files would be shared between processes, but a mapped file that
is truncated kills every process that reads it (SIGBUS).
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import math
import os
import shutil
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

import faiss
import numpy as np

from mer.prediction import EMBEDDING_DIM
from recommender.errors import (
    DiskShortError,
    IndexCorruptError,
    IndexMissingError,
    IndexUnreadableError,
    IndexVersionError,
)
from recommender.index.rows import AFFECT_DIM, IndexRows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any, Self

    from numpy.typing import NDArray

FORMAT_VERSION: Final = 2
EXACT_ROWS: Final = 50_000
"""Up to this many rows an exact scan takes a few milliseconds."""
RECALL_K: Final = 20
RECALL_WANTED: Final = 0.98
_RECALL_QUERIES: Final = 200
_OVERFETCH: Final = 4
_SELECTIVE_ROWS: Final = 20_000
"""Up to this many allowed rows an exact scan is faster than IVF."""
PART_SUFFIX: Final = ".part"
"""Ending of the folder that a build is written in."""
_MANIFEST: Final = "manifest.json"
_FUSED: Final = "fused.faiss"
_DISK_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_ARRAYS: Final = ("song_ids", "revisions", "fused", "affect", "quadrants")


@dataclass(frozen=True, slots=True)
class IndexManifest:
    """The content of a build's `manifest.json`, but for its own checksum."""

    format_version: int
    model_version: str
    row_count: int
    embedding_dim: int
    affect_dim: int
    index_type: str
    nprobe: int
    """Cells that a search visits; 0 for an exact index."""
    recall_at_20: float
    """Measured while building, against an exact scan."""
    watermark: str
    """ISO 8601 time; rows that changed before it are in the build."""
    files: dict[str, str]
    """SHA-256 of each file."""

    def to_bytes(self) -> bytes:
        """Return the bytes of `manifest.json`; the same manifest always gives the same bytes."""
        plain = asdict(self)
        digest = hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
        return json.dumps({**plain, "sha256": digest}, sort_keys=True, indent=1).encode()

    @property
    def sha256(self) -> str:
        """Checksum of `manifest.json`, which holds the checksums of all other files."""
        return hashlib.sha256(self.to_bytes()).hexdigest()


class EmbeddingIndex:
    """An open build, a `VectorIndex`; still readable after its files are deleted."""

    def __init__(self, rows: IndexRows, manifest: IndexManifest, fused_index: faiss.Index) -> None:
        self.rows = rows
        self.manifest = manifest
        self._fused_index = fused_index

    def __len__(self) -> int:
        return len(self.rows.song_ids)

    @classmethod
    def build(
        cls, directory: Path, rows: IndexRows, *, model_version: str, watermark: str
    ) -> IndexManifest:
        """Write a build to `directory`, which appears complete or not at all.

        Raises
        ------
        FileExistsError
            If `directory` exists; builds are never changed.
        DiskShortError
            If the disk is full before the build is complete.
        """
        if directory.exists():
            raise FileExistsError(f"{directory} exists; a build is never written over")
        # `mer.files.written_aside` writes one file; this renames a whole directory.
        with _written_aside(directory) as aside:
            for name in _ARRAYS:
                np.save(aside / f"{name}.npy", getattr(rows, name))
            index, nprobe = _build_fused(rows.fused)
            (aside / _FUSED).write_bytes(memoryview(faiss.serialize_index(index)))
            manifest = IndexManifest(
                format_version=FORMAT_VERSION,
                model_version=model_version,
                row_count=len(rows.song_ids),
                embedding_dim=EMBEDDING_DIM,
                affect_dim=AFFECT_DIM,
                index_type=type(index).__name__,
                nprobe=nprobe,
                recall_at_20=_recall(index, nprobe, rows.fused),
                watermark=watermark,
                files={path.name: _sha256(path) for path in sorted(aside.iterdir())},
            )
            (aside / _MANIFEST).write_bytes(manifest.to_bytes())
        return manifest

    @classmethod
    def open(cls, directory: Path) -> Self:
        """Read the build in `directory` into memory, and compare the checksum of every file.

        Raises
        ------
        IndexMissingError
            If the directory or a file is absent.
        IndexVersionError
            If the build has another format.
        IndexCorruptError
            If a file has changed since the build was written.
        IndexUnreadableError
            If this process cannot read it now: no file can be opened, memory or permission lacks.
        """
        manifest = _read_manifest(directory)
        try:
            rows = IndexRows(
                **{name: _array(_verified(directory, manifest, f"{name}.npy")) for name in _ARRAYS}
            )
            data = np.frombuffer(_verified(directory, manifest, _FUSED), np.uint8)
            index = faiss.deserialize_index(data)
        except MemoryError as error:
            raise IndexUnreadableError(f"{directory} does not fit in memory") from error
        except (ValueError, RuntimeError) as error:
            raise IndexCorruptError(f"{directory} is damaged: {error}") from error
        if not len(rows.song_ids) == index.ntotal == manifest.row_count:
            raise IndexCorruptError(f"{directory} does not hold {manifest.row_count} rows")
        return cls(rows, manifest, index)

    def search_fused(
        self,
        queries: NDArray[np.float32],
        k: int,
        allowed: NDArray[np.bool_] | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Find the songs most similar to each query; see `VectorIndex.search_fused`."""
        allowed_count = len(self) if allowed is None else int(np.count_nonzero(allowed))
        k = min(k, allowed_count)
        if k == 0:
            return (
                np.empty((len(queries), 0), np.float32),
                np.empty((len(queries), 0), np.int64),
            )
        queries = np.ascontiguousarray(queries, np.float32)
        rows = self._candidate_rows(queries, k, allowed, allowed_count)
        similarities = np.empty((len(queries), k), np.float32)
        song_ids = np.empty((len(queries), k), np.int64)
        for number, (query, found) in enumerate(zip(queries, rows, strict=True)):
            scores = self.rows.fused[found] @ query
            ids = self.rows.song_ids[found]
            best = np.lexsort((ids, -scores))[:k]
            similarities[number], song_ids[number] = scores[best], ids[best]
        return similarities, song_ids

    def search_affect(
        self,
        target: NDArray[np.float32],
        weights: NDArray[np.float32],
        k: int,
        allowed: NDArray[np.bool_] | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Find the songs nearest in affect by an exact scan; see `VectorIndex.search_affect`."""
        found = np.arange(len(self)) if allowed is None else np.flatnonzero(allowed)
        distances = np.sqrt((self.rows.affect[found] - target) ** 2 @ weights)
        ids = self.rows.song_ids[found]
        best = np.lexsort((ids, distances))[:k]
        return distances[best], ids[best]

    def _candidate_rows(
        self,
        queries: NDArray[np.float32],
        k: int,
        allowed: NDArray[np.bool_] | None,
        allowed_count: int,
    ) -> list[NDArray[np.int64]]:
        """Return at least `k` rows for each query, the best `k` among them."""
        everything = np.arange(len(self)) if allowed is None else np.flatnonzero(allowed)
        nprobe = self.manifest.nprobe
        if nprobe and allowed_count <= _SELECTIVE_ROWS:
            return [everything] * len(queries)
        wanted = min(k * _OVERFETCH if nprobe else k, allowed_count)
        found = _search(self._fused_index, nprobe, queries, wanted, allowed)
        rows = [row[row >= 0] for row in found]
        return [row if len(row) >= k else everything for row in rows]


def _search(
    index: faiss.Index,
    nprobe: int,
    queries: NDArray[np.float32],
    k: int,
    allowed: NDArray[np.bool_] | None = None,
) -> NDArray[np.int64]:
    """Return (queries, k) rows; -1 where FAISS found none."""
    selector = None
    if allowed is not None:
        bits = np.packbits(allowed, bitorder="little")
        selector = faiss.IDSelectorBitmap(bits)
    if nprobe:
        parameters = faiss.SearchParametersIVF(sel=selector, nprobe=nprobe)
    else:
        parameters = faiss.SearchParameters(sel=selector)
    rows: NDArray[np.int64] = index.search(queries, k, params=parameters)[1]
    return rows


def _build_fused(fused: NDArray[np.float32]) -> tuple[faiss.Index, int]:
    """Return an index over `fused`, and the smallest nprobe that reaches `RECALL_WANTED`."""
    if len(fused) <= EXACT_ROWS:
        index = faiss.IndexFlatIP(EMBEDDING_DIM)
        index.add(fused)
        return index, 0
    cells = int(4 * np.sqrt(len(fused)))
    index = faiss.index_factory(EMBEDDING_DIM, f"IVF{cells},SQ8", faiss.METRIC_INNER_PRODUCT)
    # FAISS draws at most 256 training vectors a cell, with a fixed seed: the same rows always give
    # the same build.
    index.train(fused)
    index.add(fused)
    nprobe = min(32, cells)
    while nprobe < cells and _recall(index, nprobe, fused) < RECALL_WANTED:
        nprobe = min(2 * nprobe, cells)
    return index, nprobe


def _recall(index: faiss.Index, nprobe: int, fused: NDArray[np.float32]) -> float:
    """Return the mean share of the true nearest 20 that a search finds, for a sample of rows."""
    if not nprobe:
        return 1.0
    sample = fused[:: max(1, len(fused) // _RECALL_QUERIES)][:_RECALL_QUERIES]
    exact = faiss.knn(sample, fused, RECALL_K, metric=faiss.METRIC_INNER_PRODUCT)[1]
    found = _search(index, nprobe, sample, RECALL_K * _OVERFETCH)
    hits = [len(np.intersect1d(a, b)) for a, b in zip(exact, found, strict=True)]
    return float(np.mean(hits) / RECALL_K)


def _read_manifest(directory: Path) -> IndexManifest:
    path = directory / _MANIFEST
    raw = _read(path)
    try:
        plain = json.loads(raw)
        version = plain["format_version"]
        if version != FORMAT_VERSION:
            raise IndexVersionError(
                f"{path} has format {version}, not {FORMAT_VERSION}; build the index again"
            )
        plain.pop("sha256")
        manifest = IndexManifest(**plain)
        is_whole = manifest.to_bytes() == raw
    except (ValueError, TypeError, KeyError) as error:
        raise IndexCorruptError(f"{path} is damaged; build the index again") from error
    if not is_whole:
        raise IndexCorruptError(f"{path} is damaged; build the index again")
    return manifest


@contextmanager
def _written_aside(directory: Path) -> Iterator[Path]:
    """Like `mer.files.written_aside`, for a whole directory."""
    aside = directory.with_name(f"{directory.name}{PART_SUFFIX}")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        aside.mkdir(parents=True)
        yield aside
        for path in (*aside.iterdir(), aside):
            _fsync(path)
        aside.rename(directory)
        _fsync(directory.parent)
    except OSError as error:
        # A write of NumPy that was cut short has no error number.
        if error.errno is None or error.errno in _DISK_FULL:
            raise DiskShortError(f"{directory} cannot be written: {error}") from error
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _verified(directory: Path, manifest: IndexManifest, name: str) -> bytes:
    data = _read(directory / name)
    if hashlib.sha256(data).hexdigest() != manifest.files.get(name):
        raise IndexCorruptError(f"{directory / name} is damaged; build the index again")
    return data


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise IndexMissingError(f"{path} is missing; build the index again") from error
    except OSError as error:
        raise IndexUnreadableError(f"{path} cannot be read now: {error}") from error


def _array(data: bytes) -> NDArray[Any]:
    """Return the array of a ``.npy`` file, without a copy of `data`."""
    file = io.BytesIO(data)
    np.lib.format.read_magic(file)
    shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    return np.frombuffer(data, dtype, math.prod(shape), file.tell()).reshape(shape)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
