from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recommender.errors import (
    DiskShortError,
    IndexCorruptError,
    IndexMissingError,
    IndexUnreadableError,
    IndexVersionError,
    RecommenderError,
)
from recommender.index import cells as cells_module
from recommender.index import directories, files
from recommender.index.arrays import smallest
from recommender.index.files import EmbeddingIndex
from recommender.index.rows import AFFECT_DIM, COLUMNS, Genres, Rows, rows_updated
from tests.recommender.index.made_rows import make_rows, rows_with

if TYPE_CHECKING:
    from collections.abc import Iterable


def write(
    directory: Path, chunks: Iterable[Rows], *, former: EmbeddingIndex | None = None
) -> EmbeddingIndex:
    genres = Genres(["pop", "rock", "jazz"])
    EmbeddingIndex.build(
        directory, chunks, genres, model_version="affetti-0", position="7", former=former
    )
    return EmbeddingIndex.open(directory)


def build(directory: Path, rows: Rows) -> EmbeddingIndex:
    return write(directory, [rows])


def open_checked(directory: Path) -> EmbeddingIndex:
    """Open a build and look at every byte."""
    opened = EmbeddingIndex.open(directory)
    for _ in opened.damage_check():
        pass
    return opened


def mapped_kib(path: Path) -> int:
    """Pages of a file that are in the page table of this process."""
    lines = Path("/proc/self/smaps").read_text().splitlines()
    start = next(n for n, line in enumerate(lines) if line.endswith(str(path)))
    return next(int(line.split()[1]) for line in lines[start:] if line.startswith("Rss:"))


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="Linux says what is mapped")
def test_after_the_check_the_embeddings_are_mapped(tmp_path: Path) -> None:
    rows = make_rows(2_000)
    opened = build(tmp_path / "b", rows)
    file = tmp_path / "b" / "fused.f32"
    before = mapped_kib(file)
    for _ in opened.damage_check():
        pass
    assert before < 2_000
    assert mapped_kib(file) == 2_000  # a row is a KiB
    np.testing.assert_array_equal(opened.fused(np.arange(2_000)), rows.fused)


def clusters(count: int, seed: int = 5) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((40, 256))
    fused = centres[rng.integers(40, size=count)] + 0.6 * rng.standard_normal((count, 256))
    return (fused / np.linalg.norm(fused, axis=1, keepdims=True)).astype(np.float32)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    count=st.integers(0, 60),
    distinct=st.one_of(st.none(), st.integers(1, 5)),
    k=st.integers(0, 80),
    seed=st.integers(0, 2**16),
    kept=st.one_of(st.none(), st.floats(0, 1)),
    without=st.sampled_from([0.0, 0.7, 1.0]),
)
def test_searches_equal_brute_force(
    tmp_path: Path,
    count: int,
    distinct: int | None,
    k: int,
    seed: int,
    kept: float | None,
    without: float,
) -> None:
    rows = make_rows(count, seed, distinct)
    directory = tmp_path / "build"
    shutil.rmtree(directory, ignore_errors=True)
    opened = build(directory, rows)
    rng = np.random.default_rng(seed)
    allowed = None if kept is None else rng.random(count) < kept
    mask = np.ones(count, bool) if allowed is None else allowed
    size = min(k, int(mask.sum()))

    query = make_rows(1, seed + 1).fused[0]
    scores = rows.fused @ query
    similarities, found = opened.search_fused(query, k, allowed)
    assert len(set(found.tolist())) == len(found) == size
    assert mask[found].all()
    np.testing.assert_allclose(similarities, scores[found], atol=1e-5)
    np.testing.assert_allclose(similarities, np.sort(scores[mask])[::-1][:size], atol=1e-5)

    target, weights = rng.random((2, AFFECT_DIM)).astype(np.float32)
    weights[rng.random(AFFECT_DIM) < without] = 0
    brute = np.sqrt(((rows.columns["affect"] - target) ** 2) @ weights)
    distances, found = opened.search_affect(target, weights, k, allowed)
    assert len(set(found.tolist())) == len(found) == size
    assert mask[found].all()
    np.testing.assert_allclose(distances, np.sort(brute[mask])[:size], atol=1e-5)
    np.testing.assert_allclose(distances, brute[found], atol=1e-5)
    # Equal distances, of which there are many, are in order of row.
    assert found.tolist() == opened.search_affect(target, weights, count, allowed)[1][:k].tolist()
    pairs = list(zip(distances.tolist(), found.tolist(), strict=True))
    assert pairs == sorted(pairs)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    count=st.integers(0, 40),
    low=st.one_of(st.none(), st.integers(1940, 2040)),
    high=st.one_of(st.none(), st.integers(1940, 2040)),
    any_of=st.one_of(st.none(), st.sets(st.integers(1940, 2040), max_size=8)),
)
def test_columns_are_kept_and_filtered(
    tmp_path: Path, count: int, low: int | None, high: int | None, any_of: set[int] | None
) -> None:
    rows = make_rows(count, seed=count)
    directory = tmp_path / "build"
    shutil.rmtree(directory, ignore_errors=True)
    opened = build(directory, rows)
    every = np.arange(count)
    for name, values in rows.columns.items():
        np.testing.assert_array_equal(opened.take(name, every), values)
    assert opened.genre_names == ("pop", "rock", "jazz")
    years = rows.columns["years"].tolist()
    assert opened.where("years", low=low, high=high, any_of=any_of).tolist() == [
        (low is None or year >= low)
        and (high is None or year <= high)
        and (any_of is None or year in any_of)
        for year in years
    ]
    unknown = np.isnan(rows.columns["durations"])
    assert not opened.where("durations", low=0.0)[unknown].any()
    song_ids = rows.columns["song_ids"]
    assert opened.rows_of(song_ids).tolist() == every.tolist()
    assert opened.rows_of(np.array([-5, 10**9])).tolist() == [-1, -1]
    recordings = rows.columns["recordings"]
    wanted = np.unique(recordings)[::2]
    files = np.flatnonzero(np.isin(recordings, wanted[wanted >= 0]))
    assert sorted(opened.rows_of_recordings(wanted).tolist()) == files.tolist()


def test_equal_vectors_come_in_order_of_song_id(tmp_path: Path) -> None:
    opened = build(tmp_path / "build", make_rows(12, distinct=1))
    query = opened.fused(np.array([0]))[0]
    assert opened.search_fused(query, 12)[1].tolist() == list(range(12))


@pytest.mark.parametrize("count", [0, 1, 100, 70_000])
def test_the_smallest_of_many_values_are_exact(count: int) -> None:
    rng = np.random.default_rng(count)
    values = rng.integers(5_000, size=count).astype(np.float32)
    values[rng.random(count) < 0.5] = np.inf
    ids = rng.permutation(count)
    finite = np.flatnonzero(np.isfinite(values))
    for k in (0, 1, 30, 6_000, count + 1):
        wanted = finite[np.lexsort((ids[finite], values[finite]))][:k]
        np.testing.assert_array_equal(smallest(values, k, ids), wanted)


def test_large_build_has_cells_and_finds_nearly_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cells_module, "EXACT_ROWS", 1_000)
    monkeypatch.setattr(files, "_SELECTIVE_ROWS", 100)
    fused, rng = clusters(4_000), np.random.default_rng(5)
    ids = np.arange(4_000)
    opened = build(tmp_path / "build", rows_with(ids, fused, rng=rng))
    assert opened.manifest.index_type == "IndexIVFScalarQuantizer"
    assert opened.manifest.recall_at_20 >= 0.98
    assert_finds_nearly_everything(opened, fused)
    assert len(opened.search_fused(fused[0], 3_999)[0]) == 3_999


def assert_finds_nearly_everything(opened: EmbeddingIndex, fused: np.ndarray) -> None:
    ids = np.arange(len(fused))
    allowed = np.random.default_rng(6).random(len(fused)) < 0.5
    for mask in (None, allowed, ids < 50):
        hits = []
        for query in fused[:50]:
            similarities, found = opened.search_fused(query, 20, mask)
            scores = fused @ query
            # Whatever is found is scored exactly.
            np.testing.assert_allclose(similarities, scores[found], atol=1e-5)
            if mask is not None:
                assert mask[found].all()
                scores = np.where(mask, scores, -np.inf)
            hits.append(len({*found.tolist()} & {*np.argsort(-scores)[:20].tolist()}) / 20)
        assert np.mean(hits) >= 0.95


def test_a_build_copies_from_the_former_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cells_module, "EXACT_ROWS", 1_000)
    monkeypatch.setattr(files, "_BLOCK_ROWS", 300)
    rng = np.random.default_rng(8)
    fused, ids = clusters(4_000), np.arange(0, 8_000, 2)
    before = rows_with(ids, fused, rng=rng)
    former = build(tmp_path / "former", before)
    # Some songs have changed, some are gone, some are new: before, between and after the others.
    changed = np.sort(rng.choice(np.arange(-40, 8_200), 900, replace=False))
    there = changed[rng.random(len(changed)) < 0.7]
    fresh = rows_with(there, clusters(len(there), seed=9), rng=rng)
    trained: list[int] = []
    monkeypatch.setattr(files, "cells_build", lambda fused: trained.append(len(fused)))
    chunks = rows_updated(former.blocks(), [fresh], changed.tolist())
    after = write(tmp_path / "after", chunks, former=former)
    assert trained == []

    kept = ~np.isin(ids, changed)
    song_ids = np.concatenate([ids[kept], there])
    order = np.argsort(song_ids)
    assert len(after) == len(song_ids)
    every = np.arange(len(after))
    for name in COLUMNS:
        wanted = np.concatenate([before.columns[name][kept], fresh.columns[name]])[order]
        np.testing.assert_array_equal(after.take(name, every), wanted)
    wanted = np.concatenate([fused[kept], fresh.fused])[order]
    np.testing.assert_array_equal(after.fused(every), wanted)
    assert after.manifest.recall_at_20 >= 0.98
    assert_finds_nearly_everything(after, wanted)
    open_checked(tmp_path / "after")


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_changed_byte_is_detected(tmp_path: Path, data: st.DataObject) -> None:
    directory = tmp_path / "build"
    if not directory.exists():
        build(directory, make_rows(5))
    path = data.draw(st.sampled_from(sorted(directory.iterdir())))
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    flip = data.draw(st.integers(1, 255))
    path.chmod(0o600)
    path.write_bytes(whole[:at] + bytes([whole[at] ^ flip]) + whole[at + 1 :])
    try:
        with pytest.raises(RecommenderError):
            open_checked(directory)
    finally:
        path.write_bytes(whole)
    assert len(open_checked(directory)) == 5


def test_truncated_and_missing_files_are_detected(tmp_path: Path) -> None:
    directory = tmp_path / "build"
    build(directory, make_rows(5))
    for path in sorted(directory.iterdir()):
        whole = path.read_bytes()
        path.chmod(0o600)
        path.write_bytes(whole[: len(whole) // 2])
        with pytest.raises((IndexCorruptError, IndexMissingError)):
            EmbeddingIndex.open(directory)
        path.unlink()
        with pytest.raises(IndexMissingError):
            EmbeddingIndex.open(directory)
        path.write_bytes(whole)
    with pytest.raises(IndexMissingError, match="build the index again"):
        EmbeddingIndex.open(tmp_path / "nowhere")


def test_files_are_read_only(tmp_path: Path) -> None:
    """A mapped file that is truncated kills its readers."""
    build(tmp_path / "build", make_rows(5))
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "build").iterdir()} == {0o400}


def test_another_format_is_told_from_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(files, "FORMAT_VERSION", 99)
        patch.setattr(directories, "FORMAT_VERSION", 99)
        build(tmp_path / "build", make_rows(2))
    with pytest.raises(IndexVersionError, match="99"):
        EmbeddingIndex.open(tmp_path / "build")


def test_build_appears_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = tmp_path / "build"
    with monkeypatch.context() as patch:
        patch.setattr(files, "cells_build", _fail)
        with pytest.raises(DiskShortError, match="disk full"):
            build(directory, make_rows(3))
    assert list(tmp_path.iterdir()) == []
    assert len(build(directory, make_rows(4))) == 4
    assert not (tmp_path / "build.part").exists()
    with pytest.raises(FileExistsError):
        build(directory, make_rows(4))


def test_open_build_outlives_its_directory(tmp_path: Path) -> None:
    rows = make_rows(30)
    opened = build(tmp_path / "build", rows)
    shutil.rmtree(tmp_path / "build")
    similarities, found = opened.search_fused(rows.fused[3], 1)
    assert found.tolist() == [3]
    assert similarities[0] == pytest.approx(1.0, abs=1e-5)
    for _ in opened.damage_check():  # it was replaced, not damaged
        pass


def test_song_ids_that_do_not_ascend_are_refused(tmp_path: Path) -> None:
    rows = make_rows(3)
    with pytest.raises(ValueError, match="ascend"):
        write(tmp_path / "build", [rows, rows])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="no limit on the size of files here")
def test_a_build_on_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    """A limit on the size of files cuts a write short, as a full disk does."""
    code = textwrap.dedent(
        """
        import resource, signal, sys
        from pathlib import Path
        import django
        django.setup()
        from recommender.errors import DiskShortError
        from tests.recommender.index.made_rows import make_rows
        from tests.recommender.index.test_files import build
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
        try:
            build(Path(sys.argv[1]), make_rows(50))
        except DiskShortError as error:
            print(error.code)
        """
    )
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "recommender.settings"}
    for limit in (100, 20_000):  # cuts the columns, then the embeddings
        where = str(tmp_path / "build")
        command = [sys.executable, "-c", code, where, str(limit)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=env)
        assert done.stdout == "DISK_SHORT\n", limit
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "number", [errno.EMFILE, errno.ENFILE, errno.EACCES, errno.EPERM, errno.EIO, errno.ENOMEM]
)
@pytest.mark.parametrize("name", ["manifest.json", "genres.json", "affect.npy"])
def test_what_hinders_this_process_is_not_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, name: str
) -> None:
    directory = tmp_path / "build"
    build(directory, make_rows(3))

    def hindered(path: Path | str, *_: object, **__: object) -> object:
        if str(path).endswith(name):
            raise OSError(number, os.strerror(number), str(path))
        return original(path)

    if name == "affect.npy":
        original = np.load
        monkeypatch.setattr(files.np, "load", hindered)
    else:
        method = "read_bytes" if name == "manifest.json" else "read_text"
        original = getattr(type(tmp_path), method)
        monkeypatch.setattr(type(tmp_path), method, hindered)
    with pytest.raises(IndexUnreadableError, match=os.strerror(number)):
        EmbeddingIndex.open(directory)


def _fail(*_: object) -> None:
    raise OSError("disk full")


class FakeCard:
    """The part of faiss-gpu that builds use, computed on the CPU; it counts its calls."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, error: Exception | None = None) -> None:
        self.calls: list[str] = []
        self._error = error
        faiss = cells_module.faiss
        monkeypatch.setattr(faiss, "StandardGpuResources", lambda: self, raising=False)
        monkeypatch.setattr(faiss, "get_num_gpus", lambda: 1, raising=False)
        monkeypatch.setattr(faiss, "knn_gpu", self.knn, raising=False)
        monkeypatch.setattr(faiss, "index_cpu_to_gpu", self.moved, raising=False)

    def setTempMemory(self, size: int) -> None:  # FAISS's name
        assert size > 0

    def knn(
        self, resources: object, queries: np.ndarray, vectors: np.ndarray, k: int, **options: int
    ) -> tuple[np.ndarray, np.ndarray]:
        self._called("knn", resources)
        del options["vectorsMemoryLimit"]
        return cells_module.faiss.knn(queries, vectors, k, **options)

    def moved(self, resources: object, number: int, index: object) -> object:
        assert number == 0
        self._called("moved", resources)
        return index

    def _called(self, name: str, resources: object) -> None:
        assert resources is self
        self.calls.append(name)
        if self._error is not None:
            raise self._error


class TestCard:
    @pytest.fixture
    def few_rows(self, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
        monkeypatch.setattr(cells_module, "EXACT_ROWS", 1000)
        return clusters(3000)

    def test_builds_as_the_cpu_does(
        self, few_rows: np.ndarray, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        expected = cells_module.cells_build(few_rows)
        card = FakeCard(monkeypatch)
        found = cells_module.cells_build(few_rows)
        assert card.calls[0] == "moved"
        assert set(card.calls[1:]) == {"knn"}
        assert found.nprobe == expected.nprobe
        queries = few_rows[::100]
        np.testing.assert_array_equal(found.search(queries, 20), expected.search(queries, 20))

    def test_what_fails_on_the_card_is_done_by_the_cpu(
        self,
        few_rows: np.ndarray,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        expected = cells_module.cells_build(few_rows)
        card = FakeCard(monkeypatch, RuntimeError("no memory"))
        found = cells_module.cells_build(few_rows)
        assert card.calls
        assert "The GPU failed at the index" in caplog.text
        queries = few_rows[::100]
        np.testing.assert_array_equal(found.search(queries, 20), expected.search(queries, 20))
