"""A million vectors in FAISS: on the card and on the CPU, with the product's cells."""

from __future__ import annotations

import importlib.util
import os
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Final

import faiss
import numpy as np

from benchmarks.gpu.section import started

if TYPE_CHECKING:
    from types import ModuleType

    from numpy.typing import NDArray

    from benchmarks.gpu.section import Section

WIDTH: Final = 256
K: Final = 20


def cells_module() -> ModuleType:
    """`recommender.index.cells`, by its file: its package needs Django, and it does not."""
    path = Path("recommender/index/cells.py")
    spec = importlib.util.spec_from_file_location("cells", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["cells"] = module
    spec.loader.exec_module(module)
    return module


def made_vectors(rows: int) -> NDArray[np.float32]:
    """Unit vectors (rows, 256) in a few thousand clusters of different sizes, as songs lie."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((max(8, rows // 250), WIDTH), dtype=np.float32)
    sizes = rng.pareto(1.2, len(centres)) + 0.1
    of = rng.choice(len(centres), rows, p=sizes / sizes.sum())
    vectors = np.empty((rows, WIDTH), np.float32)
    for start in range(0, rows, 100_000):
        part = of[start : start + 100_000]
        noise = rng.standard_normal((len(part), WIDTH), dtype=np.float32)
        vectors[start : start + 100_000] = centres[part] + 0.7 * noise
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def timed(work: object, *arguments: object, **options: object) -> tuple[object, float]:
    start = time.perf_counter()
    result = work(*arguments, **options)
    return result, time.perf_counter() - start


def product_builds(section: Section, cells: ModuleType, vectors: NDArray[np.float32]) -> object:
    """Say how long the product's build takes with the card, and without it."""
    has_card = hasattr(faiss, "get_num_gpus") and faiss.get_num_gpus() > 0
    section.table(("the product's build", "seconds", "cells", "nprobe", "recall@20"))
    found = {}
    for name, is_used in (("with the card", True), ("CPU alone", False)):
        if is_used and not has_card:
            continue
        if not is_used:
            cells._card = lambda: None
        built, took = timed(cells.cells_build, vectors)
        recall = cells._recall(built._index, built.nprobe, cells._Truth(vectors))
        section.row(name, f"{took:.1f}", built._index.nlist, built.nprobe, f"{recall:.4f}")
        found[name] = built
    return found


def searches(section: Section, index: object, nprobe: int, vectors: NDArray[np.float32]) -> None:
    """Say how long searches of one index take on both, and how many answers are the same."""
    rng = np.random.default_rng(1)
    count = 200 if section.is_quick else 2000
    queries = vectors[rng.integers(0, len(vectors), count)]
    queries = queries + 0.02 * rng.standard_normal(queries.shape, dtype=np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    index.nprobe = nprobe
    (_, on_cpu), batch_cpu = timed(index.search, queries, K)
    faiss.omp_set_num_threads(1)
    one_cpu = np.median([timed(index.search, query[None], K)[1] for query in queries[:200]])
    faiss.omp_set_num_threads(os.cpu_count() or 1)
    section.say(f"\nSearches of the {K} nearest among {len(vectors):,}, nprobe {nprobe}:\n")
    section.table(("", "one query, ms", f"{count} together, queries/s"))
    section.row("CPU", f"{one_cpu * 1e3:.2f}", f"{count / batch_cpu:,.0f}")
    resources = faiss.StandardGpuResources()
    there, moved = timed(faiss.index_cpu_to_gpu, resources, 0, index)
    there.nprobe = nprobe
    there.search(queries, K)
    (_, on_card), batch_card = timed(there.search, queries, K)
    one_card = np.median([timed(there.search, query[None], K)[1] for query in queries[:200]])
    section.row("card", f"{one_card * 1e3:.2f}", f"{count / batch_card:,.0f}")
    same = np.mean([len(np.intersect1d(a, b)) / K for a, b in zip(on_cpu, on_card, strict=True)])
    first = np.mean(on_cpu[:, 0] == on_card[:, 0])
    section.say(
        f"\nThe same songs: {same:.2%} of {K}; the same first song: {first:.2%}. "
        f"Moving the index to the card took {moved:.2f} s."
    )


def exact(section: Section, vectors: NDArray[np.float32]) -> None:
    """Say how long an exact scan takes on both, for the recall's truth."""
    queries = np.ascontiguousarray(vectors[:: max(1, len(vectors) // 200)][:200])
    metric = faiss.METRIC_INNER_PRODUCT
    (_, here), cpu = timed(faiss.knn, queries, vectors, K, metric=metric)
    resources = faiss.StandardGpuResources()
    faiss.knn_gpu(resources, queries, vectors[:1000], K, metric=metric)
    (_, there), card = timed(faiss.knn_gpu, resources, queries, vectors, K, metric=metric)
    same = np.mean([len(np.intersect1d(a, b)) / K for a, b in zip(here, there, strict=True)])
    section.say(
        f"\nExact scan for {len(queries)} queries (the truth of the recall): CPU {cpu:.2f} s, card "
        f"{card:.2f} s with the vectors copied to it; {same:.2%} the same songs."
    )


def main() -> None:
    section = started()
    rows = 30_000 if section.is_quick else 1_000_000
    vectors = made_vectors(rows)
    print("vectors made", flush=True)
    cells = cells_module()
    # `cells` leaves half of the cores to others; so do the figures of the CPU.
    built = product_builds(section, cells, vectors)
    some = next(iter(built.values()))
    for step in (
        lambda: exact(section, vectors),
        lambda: searches(section, some._index, some.nprobe, vectors),
    ):
        try:
            step()
        except Exception as error:  # a step fails alone
            traceback.print_exc()
            section.say(f"\nA step failed: {str(error)[:200]!r}")


if __name__ == "__main__":
    main()
