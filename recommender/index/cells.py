"""Approximate search in the fused space; the only module that imports FAISS.

The vectors lie in cells (IVF), each as 256 numbers of eight bits. A search compares the query with
those of a few cells. The caller ranks what is found by exact similarity.

With faiss-gpu and a card, the card chooses the cells, finds the cell of each row, and scans for the
truth of the recall. The index itself stays on the CPU, so its bytes and its searches are the same.
"""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeVar

import faiss
import numpy as np

from mer.prediction import EMBEDDING_DIM

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

T = TypeVar("T")
logger = logging.getLogger(__name__)

EXACT_ROWS: Final = 20_000
"""Up to this many rows an exact scan takes about a millisecond, and there are no cells."""
RECALL_K: Final = 20
RECALL_WANTED: Final = 0.99
OVERFETCH: Final = 4
"""A search fetches so many times the songs wanted, to be ranked by their exact similarity."""
_RECALL_QUERIES: Final = 200
_FIRST_NPROBE: Final = 4
_CELLS_PER_ROOT: Final = 2
"""So many times the square root of the rows is the number of cells. At a million rows, searches of
one recall take as long with twice as many cells, which take four times as long to choose."""
_TRAINED_PER_CELL: Final = 32
_ITERATIONS: Final = 6
_ADDED_ROWS: Final = 50_000
_CARD_SCRATCH_BYTES: Final = 256 * 2**20
_CARD_VECTORS_BYTES: Final = 2 * 2**30
"""More vectors than this are copied to the card in parts; networks may use it too."""
_GROWTH: Final = 2.0
"""Cells are chosen anew when there are so many times the songs that they were chosen for."""


class Cells:
    """An inverted file over the rows of a build; safe to share between threads."""

    def __init__(
        self,
        index: faiss.Index,
        nprobe: int,
        trained_rows: int,
        recall_at_20: float,
        path: Path | None = None,
    ) -> None:
        self._index = index
        self.path = path
        self.nprobe = nprobe
        self.trained_rows = trained_rows
        self.recall_at_20 = recall_at_20
        """The mean share of the true nearest 20 that searches find, by an exact scan."""

    def __len__(self) -> int:
        return int(self._index.ntotal)

    @property
    def index_type(self) -> str:
        """The class of the FAISS index."""
        return type(self._index).__name__

    @classmethod
    def open(cls, path: Path, *, nprobe: int, trained_rows: int, recall_at_20: float) -> Cells:
        """Map a file; raises RuntimeError if it is none of FAISS."""
        index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
        return cls(index, nprobe, trained_rows, recall_at_20, path)

    def save(self, path: Path) -> None:
        """Write the file; raises OSError, such as ENOSPC."""
        path.write_bytes(memoryview(faiss.serialize_index(self._index)))

    def search(
        self, queries: NDArray[np.float32], k: int, allowed: NDArray[np.bool_] | None = None
    ) -> NDArray[np.int64]:
        """Return (queries, k) rows, the most similar first; -1 where none was found.

        Under a filter the nearest songs lie in more cells, so more are searched; likewise so many
        that they hold about twice `k` songs.
        """
        count = len(self) if allowed is None else max(1, int(np.count_nonzero(allowed)))
        share = count / len(self)
        nprobe = max(
            int(self.nprobe * min(share**-0.5, 8.0)), int(2 * k * self._index.nlist / count)
        )
        return _search(self._index, min(nprobe, int(self._index.nlist)), queries, k, allowed)


def cells_build(fused: NDArray[np.float32]) -> Cells | None:
    """Return cells for (rows, 256) vectors, with the least `nprobe` that reaches `RECALL_WANTED`.

    None if there are so few that an exact scan is as good. The same rows give the same cells.
    """
    if len(fused) <= EXACT_ROWS:
        return None
    count = int(_CELLS_PER_ROOT * np.sqrt(len(fused)))
    index = faiss.index_factory(EMBEDDING_DIM, f"IVF{count},SQ8", faiss.METRIC_INNER_PRODUCT)
    index.cp.max_points_per_centroid, index.cp.niter = _TRAINED_PER_CELL, _ITERATIONS
    index.cp.min_points_per_centroid = 1  # says nothing of fewer
    with _half_of_the_cores():
        sample = np.linspace(0, len(fused) - 1, min(len(fused), _TRAINED_PER_CELL * count))
        _train(index, np.ascontiguousarray(fused[np.unique(sample.astype(np.int64))]))
        _add(index, fused, np.arange(len(fused)))
        return _tuned(index, fused, len(fused))


def cells_updated(
    former: Cells, fused: NDArray[np.float32], new_rows: NDArray[np.int64]
) -> Cells | None:
    """Return cells for other vectors from those of a former build; None if it must start anew.

    `new_rows` holds, for each row of the former build, its row among `fused`; -1 if it is gone. The
    other rows of `fused` are new.
    """
    if not EXACT_ROWS < len(fused) <= _GROWTH * former.trained_rows:
        return None
    index = faiss.read_index(str(former.path))  # what is mapped cannot be emptied
    index.reset()
    lists = former._index.invlists
    for cell in range(former._index.nlist):
        size = lists.list_size(cell)
        if size:
            rows = new_rows[faiss.rev_swig_ptr(lists.get_ids(cell), size)]
            codes = faiss.rev_swig_ptr(lists.get_codes(cell), size * lists.code_size)
            kept = rows >= 0
            rows = rows[kept]
            codes = codes.reshape(size, -1)[kept]
            if len(rows):
                index.invlists.add_entries(
                    cell, len(rows), faiss.swig_ptr(rows), faiss.swig_ptr(codes)
                )
    is_new = np.ones(len(fused), bool)
    is_new[new_rows[new_rows >= 0]] = False
    index.ntotal = int(len(fused) - np.count_nonzero(is_new))
    with _half_of_the_cores():
        _add(index, fused, np.flatnonzero(is_new))
        return _tuned(index, fused, former.trained_rows)


def _train(index: faiss.Index, sample: NDArray[np.float32]) -> None:
    """Choose the cells; each sample's nearest centre is found on the card."""

    def on_card(resources: faiss.GpuResources) -> None:
        flat = faiss.index_cpu_to_gpu(resources, 0, faiss.IndexFlatIP(EMBEDDING_DIM))
        index.clustering_index = flat
        try:
            index.train(sample)
        finally:
            index.clustering_index = None

    _by_card(on_card, lambda: index.train(sample))


def _add(index: faiss.Index, fused: NDArray[np.float32], rows: NDArray[np.int64]) -> None:
    """Add rows; the cell of each is found on the card."""
    centres = index.quantizer.reconstruct_n(0, index.nlist)

    def on_card(resources: faiss.GpuResources) -> NDArray[np.int64]:
        return _nearest_by(resources, vectors, centres, 1)

    def here() -> NDArray[np.int64]:
        cells: NDArray[np.int64] = index.quantizer.search(vectors, 1)[1]
        return cells

    for start in range(0, len(rows), _ADDED_ROWS):
        part = np.ascontiguousarray(rows[start : start + _ADDED_ROWS])
        vectors = np.ascontiguousarray(fused[part])
        cells = _by_card(on_card, here)
        pointers = map(faiss.swig_ptr, (vectors, part, np.ascontiguousarray(cells)))
        index.add_core(len(part), *pointers)


def _nearest(
    queries: NDArray[np.float32], vectors: NDArray[np.float32], k: int
) -> NDArray[np.int64]:
    """Return the true nearest (queries, k) rows of `vectors`, by an exact scan."""

    def here() -> NDArray[np.int64]:
        rows: NDArray[np.int64] = faiss.knn(queries, vectors, k, metric=faiss.METRIC_INNER_PRODUCT)[
            1
        ]
        return rows

    return _by_card(lambda resources: _nearest_by(resources, queries, vectors, k), here)


def _nearest_by(
    resources: faiss.GpuResources,
    queries: NDArray[np.float32],
    vectors: NDArray[np.float32],
    k: int,
) -> NDArray[np.int64]:
    rows: NDArray[np.int64] = faiss.knn_gpu(
        resources,
        queries,
        vectors,
        k,
        metric=faiss.METRIC_INNER_PRODUCT,
        vectorsMemoryLimit=_CARD_VECTORS_BYTES,
    )[1]
    return rows


def _by_card(work: Callable[[faiss.GpuResources], T], otherwise: Callable[[], T]) -> T:
    """Return what `work` gives on a card, or `otherwise`: there is none, or it fails."""
    resources = _card()
    if resources is not None:
        try:
            return work(resources)
        except RuntimeError as error:  # its memory is full, or this FAISS has no code for it
            logger.warning("The GPU failed at the index, so the CPU is used: %s", error)
    return otherwise()


def _card() -> faiss.GpuResources | None:
    """Return the resources of the first card; None without one, or without faiss-gpu."""
    if not hasattr(faiss, "StandardGpuResources") or faiss.get_num_gpus() == 0:
        return None
    resources = faiss.StandardGpuResources()
    resources.setTempMemory(_CARD_SCRATCH_BYTES)
    return resources


def _tuned(index: faiss.Index, fused: NDArray[np.float32], trained_rows: int) -> Cells:
    truth, nprobe = _Truth(fused), min(_FIRST_NPROBE, int(index.nlist))
    while (recall := _recall(index, nprobe, truth)) < RECALL_WANTED and nprobe < index.nlist:
        nprobe = min(3 * nprobe // 2, int(index.nlist))
    return Cells(index, nprobe, trained_rows, recall)


class _Truth:
    """Some rows, and the rows that are really nearest to them."""

    def __init__(self, fused: NDArray[np.float32]) -> None:
        rows = np.arange(0, len(fused), max(1, len(fused) // _RECALL_QUERIES))[:_RECALL_QUERIES]
        self.queries = np.ascontiguousarray(fused[rows])
        self.nearest = _nearest(self.queries, fused, RECALL_K)


def _recall(index: faiss.Index, nprobe: int, truth: _Truth) -> float:
    found = _search(index, nprobe, truth.queries, RECALL_K * OVERFETCH, None)
    hits = [len(np.intersect1d(a, b)) for a, b in zip(truth.nearest, found, strict=True)]
    return float(np.mean(hits) / RECALL_K)


def _search(
    index: faiss.Index,
    nprobe: int,
    queries: NDArray[np.float32],
    k: int,
    allowed: NDArray[np.bool_] | None,
) -> NDArray[np.int64]:
    selector = None
    if allowed is not None:
        bits = np.packbits(allowed, bitorder="little")
        selector = faiss.IDSelectorBitmap(bits)
    parameters = faiss.SearchParametersIVF(sel=selector, nprobe=nprobe)
    rows: NDArray[np.int64] = index.search(queries, k, params=parameters)[1]
    return rows


@contextmanager
def _half_of_the_cores() -> Iterator[None]:
    """Leave the other cores to those who wait for an answer."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(max(1, min(before, (os.cpu_count() or 1) // 2)))
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
