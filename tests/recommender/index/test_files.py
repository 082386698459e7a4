from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
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
from recommender.index import files as index_module
from recommender.index.files import EmbeddingIndex
from recommender.index.rows import AFFECT_DIM, QUADRANT_DIM, IndexRows

if TYPE_CHECKING:
    from pathlib import Path

WATERMARK = "2026-01-01T00:00:00+00:00"


def make_rows(count: int, seed: int = 0, distinct: int | None = None) -> IndexRows:
    """Random rows; with `distinct`, only so many different vectors among them."""
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((distinct or count, 256)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    affect = rng.random((distinct or count, AFFECT_DIM)).astype(np.float32)
    pick = np.arange(count) if distinct is None else rng.integers(distinct, size=count)
    song_ids = np.sort(rng.choice(10 * count + 1, size=count, replace=False)).astype(np.int64)
    quadrants = rng.dirichlet(np.ones(QUADRANT_DIM), count).astype(np.float32)
    return IndexRows(song_ids, song_ids * 7, vectors[pick], affect[pick], quadrants)


def build(directory: Path, rows: IndexRows) -> EmbeddingIndex:
    EmbeddingIndex.build(directory, rows, model_version="affetti-0", watermark=WATERMARK)
    return EmbeddingIndex.open(directory)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    count=st.integers(0, 60),
    distinct=st.one_of(st.none(), st.integers(1, 5)),
    k=st.integers(0, 80),
    seed=st.integers(0, 2**16),
    kept=st.one_of(st.none(), st.floats(0, 1)),
)
def test_searches_equal_brute_force(
    tmp_path: Path, count: int, distinct: int | None, k: int, seed: int, kept: float | None
) -> None:
    rows = make_rows(count, seed, distinct)
    directory = tmp_path / "build"
    shutil.rmtree(directory, ignore_errors=True)
    opened = build(directory, rows)
    rng = np.random.default_rng(seed)
    allowed = None if kept is None else rng.random(count) < kept
    queries = make_rows(3, seed + 1).fused
    similarities, song_ids = opened.search_fused(queries, k, allowed)

    mask = np.ones(count, bool) if allowed is None else allowed
    size = min(k, int(mask.sum()))
    assert similarities.shape == song_ids.shape == (3, size)
    scores = queries @ rows.fused.T
    for query, found, ids in zip(scores, similarities, song_ids, strict=True):
        assert len(set(ids.tolist())) == size
        at = np.searchsorted(rows.song_ids, ids)
        assert mask[at].all()
        np.testing.assert_allclose(found, query[at], atol=1e-5)
        np.testing.assert_allclose(found, np.sort(query[mask])[::-1][:size], atol=1e-5)

    target, weights = rng.random(AFFECT_DIM), rng.random(AFFECT_DIM)
    distances, ids = opened.search_affect(
        target.astype(np.float32), weights.astype(np.float32), k, allowed
    )
    brute = np.sqrt(((rows.affect - target) ** 2) @ weights)
    at = np.searchsorted(rows.song_ids, ids)
    assert len(set(ids.tolist())) == len(ids) == size
    assert mask[at].all()
    np.testing.assert_allclose(distances, np.sort(brute[mask])[:size], atol=1e-5)
    np.testing.assert_allclose(distances, brute[at], atol=1e-5)


def test_equal_vectors_come_in_order_of_song_id(tmp_path: Path) -> None:
    opened = build(tmp_path / "build", make_rows(12, distinct=1))
    _, song_ids = opened.search_fused(opened.rows.fused[:1], 12)
    assert song_ids[0].tolist() == sorted(opened.rows.song_ids.tolist())


def test_large_build_is_ivf_and_finds_nearly_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_module, "EXACT_ROWS", 1_000)
    monkeypatch.setattr(index_module, "_SELECTIVE_ROWS", 100)
    rng = np.random.default_rng(5)
    centres = rng.standard_normal((40, 256))
    fused = centres[rng.integers(40, size=4_000)] + 0.6 * rng.standard_normal((4_000, 256))
    fused = (fused / np.linalg.norm(fused, axis=1, keepdims=True)).astype(np.float32)
    ids = np.arange(4_000, dtype=np.int64)
    affect = rng.random((4_000, AFFECT_DIM)).astype(np.float32)
    quadrants = np.full((4_000, QUADRANT_DIM), 0.25, np.float32)
    opened = build(tmp_path / "build", IndexRows(ids, ids, fused, affect, quadrants))
    assert opened.manifest.index_type == "IndexIVFScalarQuantizer"
    assert opened.manifest.recall_at_20 >= 0.98

    allowed = rng.random(4_000) < 0.5
    for mask in (None, allowed, ids < 50):
        similarities, found = opened.search_fused(fused[:50], 20, mask)
        scores = fused[:50] @ fused.T
        if mask is not None:
            scores[:, ~mask] = -np.inf
            assert mask[found].all()
        exact = np.argsort(-scores, axis=1)[:, :20]
        recall = np.mean(
            [len(set(a) & set(b)) / 20 for a, b in zip(found.tolist(), exact.tolist(), strict=True)]
        )
        assert recall >= 0.95
        # Whatever is found is scored exactly.
        np.testing.assert_allclose(
            similarities, np.take_along_axis(fused[:50] @ fused.T, found, axis=1), atol=1e-5
        )
    similarities, _ = opened.search_fused(fused[:2], 3_999)
    assert similarities.shape == (2, 3_999)


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
    path.write_bytes(whole[:at] + bytes([whole[at] ^ flip]) + whole[at + 1 :])
    try:
        with pytest.raises(RecommenderError):
            EmbeddingIndex.open(directory)
    finally:
        path.write_bytes(whole)
    assert len(EmbeddingIndex.open(directory)) == 5


def test_truncated_and_missing_files_are_detected(tmp_path: Path) -> None:
    directory = tmp_path / "build"
    build(directory, make_rows(5))
    for path in sorted(directory.iterdir()):
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        with pytest.raises((IndexCorruptError, IndexMissingError)):
            EmbeddingIndex.open(directory)
        path.unlink()
        with pytest.raises(IndexMissingError):
            EmbeddingIndex.open(directory)
        path.write_bytes(whole)
    with pytest.raises(IndexMissingError, match="build the index again"):
        EmbeddingIndex.open(tmp_path / "nowhere")


def test_another_format_is_told_from_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(index_module, "FORMAT_VERSION", 99)
        EmbeddingIndex.build(
            tmp_path / "build", make_rows(2), model_version="m", watermark=WATERMARK
        )
    with pytest.raises(IndexVersionError, match="99"):
        EmbeddingIndex.open(tmp_path / "build")


def test_quadrants_are_kept_and_their_checksum_is_verified(tmp_path: Path) -> None:
    rows = make_rows(9)
    opened = build(tmp_path / "build", rows)
    np.testing.assert_array_equal(opened.rows.quadrants, rows.quadrants)
    assert "quadrants.npy" in opened.manifest.files
    np.save(tmp_path / "build" / "quadrants.npy", rows.quadrants[::-1])
    with pytest.raises(IndexCorruptError, match=r"quadrants\.npy is damaged"):
        EmbeddingIndex.open(tmp_path / "build")


def test_build_appears_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = tmp_path / "build"
    with monkeypatch.context() as patch:
        patch.setattr(index_module.faiss, "serialize_index", _fail)
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
    similarities, song_ids = opened.search_fused(rows.fused[3:4], 1)
    assert song_ids[0, 0] == rows.song_ids[3]
    assert similarities[0, 0] == pytest.approx(1.0, abs=1e-5)


def test_rows_that_do_not_fit_together_are_refused() -> None:
    rows = make_rows(3)
    with pytest.raises(ValueError, match="affect has shape"):
        replace(rows, affect=rows.affect[:2])
    with pytest.raises(ValueError, match="quadrants has shape"):
        replace(rows, quadrants=rows.quadrants[:, :3])
    with pytest.raises(ValueError, match="ascend"):
        replace(rows, song_ids=rows.song_ids[::-1])


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
        from recommender.index.files import EmbeddingIndex
        from tests.recommender.index.test_files import make_rows
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
        try:
            EmbeddingIndex.build(Path(sys.argv[1]), make_rows(50), model_version="m", watermark="")
        except DiskShortError as error:
            print(error.code)
        """
    )
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "recommender.settings"}
    for limit in (100, 20_000):  # cuts the ids, then the embeddings
        where = str(tmp_path / "build")
        command = [sys.executable, "-c", code, where, str(limit)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=env)
        assert done.stdout == "DISK_SHORT\n", limit
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [0, 100])
def test_open_build_outlives_truncated_files(tmp_path: Path, size: int) -> None:
    """A mapped file would kill the process here (SIGBUS)."""
    rows = make_rows(2_000)
    opened = build(tmp_path / "build", rows)
    for path in (tmp_path / "build").iterdir():
        os.truncate(path, size)
    similarities, song_ids = opened.search_fused(rows.fused[:50], 3)
    assert song_ids[:, 0].tolist() == rows.song_ids[:50].tolist()
    assert np.isfinite(similarities).all()
    np.testing.assert_array_equal(opened.rows.affect, rows.affect)
    with pytest.raises(IndexCorruptError):
        EmbeddingIndex.open(tmp_path / "build")


@pytest.mark.parametrize(
    "number", [errno.EMFILE, errno.ENFILE, errno.EACCES, errno.EPERM, errno.EIO, errno.ENOMEM]
)
@pytest.mark.parametrize("name", ["manifest.json", "fused.faiss", "affect.npy"])
def test_what_hinders_this_process_is_not_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, name: str
) -> None:
    directory = tmp_path / "build"
    build(directory, make_rows(3))
    read_bytes = type(tmp_path).read_bytes

    def hindered(path: Path) -> bytes:
        if path.name == name:
            raise OSError(number, os.strerror(number), str(path))
        return read_bytes(path)

    monkeypatch.setattr(type(tmp_path), "read_bytes", hindered)
    with pytest.raises(IndexUnreadableError, match=os.strerror(number)):
        EmbeddingIndex.open(directory)


def _fail(*_: object) -> None:
    raise OSError("disk full")
