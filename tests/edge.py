"""Qdrant's own engine inside this process, in the place of a server."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import qdrant_edge as qdrant

from recommender.index.points import INDEXED, NEEDED, SCORED, VECTORS, Found

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from recommender.index.points import Json

INDEXED_FROM_KILOBYTES = 1_000
"""A segment of 1,000 fused embeddings is indexed, so that small tests search a graph, too."""
_SHARDS_OPEN: dict[Path, qdrant.EdgeShard] = {}
"""A folder is opened once in a process, as a server is one process."""


@contextmanager
def edge_folder() -> Iterator[Path]:
    """Yield an empty folder, in memory if there is one: the engine waits for the disk often."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)
        for path in [path for path in _SHARDS_OPEN if Path(folder) in path.parents]:
            _SHARDS_OPEN.pop(path).close()


class EdgeCollections:
    """The `recommender.index.points.Collections` in a folder.

    The requests and answers are those of a server, as is the engine below; what a server adds is
    the way to it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.aliases: dict[str, str] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def names(self) -> list[str]:
        return [path.name for path in self._folder.iterdir() if path.is_dir()]

    def create(self, name: str) -> None:
        path = self._folder / name
        path.mkdir()
        shard = qdrant.EdgeShard.create(
            str(path),
            qdrant.EdgeConfig(
                vectors={
                    vector: qdrant.EdgeVectorParams(size, qdrant.Distance.Dot)
                    for vector, size in VECTORS.items()
                },
                optimizers=qdrant.EdgeOptimizersConfig(
                    indexing_threshold=INDEXED_FROM_KILOBYTES, default_segment_number=2
                ),
            ),
        )
        kinds = {one: getattr(qdrant.PayloadSchemaType, one.title()) for one in INDEXED.values()}
        schemas: dict[str, Any] = {field: kinds[kind] for field, kind in INDEXED.items()}
        for field in SCORED:
            schemas[field] = qdrant.FloatIndexParams(enable_hnsw=False)
        for field, schema in schemas.items():
            shard.update(qdrant.UpdateOperation.create_field_index(field, schema))
        _SHARDS_OPEN[path] = shard

    def drop(self, name: str) -> None:
        if shard := _SHARDS_OPEN.pop(self._folder / name, None):
            shard.close()
        shutil.rmtree(self._folder / name, ignore_errors=True)

    def point_alias(self, alias: str, name: str) -> None:
        self.aliases[alias] = name

    def upsert(
        self,
        name: str,
        ids: Sequence[int],
        vectors: Mapping[str, NDArray[np.float32]],
        payloads: Sequence[Json],
    ) -> None:
        held = {vector: values.tolist() for vector, values in vectors.items()}
        points = [
            qdrant.Point(song_id, {vector: held[vector][row] for vector in held}, payloads[row])
            for row, song_id in enumerate(ids)
        ]
        shard = self._shard(name)
        shard.update(qdrant.UpdateOperation.upsert_points(points))
        shard.flush()

    def remove(self, name: str, ids: Sequence[int]) -> None:
        self._shard(name).update(qdrant.UpdateOperation.delete_points(list(ids)))

    def settle(self, name: str) -> None:
        self._shard(name).optimize()

    def search(
        self,
        name: str,
        queries: Sequence[tuple[str, list[float], int]],
        query_filter: Json | None,
        *,
        is_exact: bool = False,
    ) -> list[list[Found]]:
        answers = []
        for using, vector, k in queries:
            request = qdrant.QueryRequest(
                limit=k,
                query=qdrant.Query.Nearest(vector, using=using),
                filter=_filter(query_filter),
                params=qdrant.SearchParams(exact=is_exact, hnsw_ef=128),
                with_payload=[*NEEDED],
            )
            points = self._shard(name).query(request)
            answers.append([Found(point.id, point.score, point.payload) for point in points])
        return answers

    def search_ranked(
        self,
        name: str,
        queries: Sequence[tuple[str, list[float], int]],
        query_filter: Json | None,
        formula: Json,
        k: int,
    ) -> list[Found]:
        request = qdrant.QueryRequest(
            limit=k,
            query=qdrant.Formula(_expression(formula)),
            prefetches=[
                qdrant.Prefetch(
                    limit=most,
                    query=qdrant.Query.Nearest(vector, using=using),
                    filter=_filter(query_filter),
                    params=qdrant.SearchParams(hnsw_ef=128),
                )
                for using, vector, most in queries
            ],
            with_payload=[*NEEDED],
        )
        points = self._shard(name).query(request)
        return [Found(point.id, point.score, point.payload) for point in points]

    def matching(self, name: str, query_filter: Json | None, limit: int) -> list[Found]:
        records, _ = self._shard(name).scroll(
            qdrant.ScrollRequest(
                limit=limit, filter=_filter(query_filter), with_payload=[*NEEDED], with_vector=False
            )
        )
        return [Found(record.id, 0.0, record.payload) for record in records]

    def points(self, name: str, ids: Sequence[int]) -> list[Found]:
        records = self._shard(name).retrieve(list(ids), [*NEEDED], False)
        return [Found(record.id, 0.0, record.payload) for record in records]

    def fused(self, name: str, ids: Sequence[int]) -> dict[int, list[float]]:
        records = self._shard(name).retrieve(list(ids), False, ["fused"])
        return {record.id: record.vector["fused"] for record in records}

    def count(self, name: str) -> int:
        return self._shard(name).count(qdrant.CountRequest(exact=True))

    def counts(self, name: str, key: str) -> dict[Any, int]:
        found = self._shard(name).facet(qdrant.FacetRequest(key, limit=100_000, exact=True))
        return {hit.value: hit.count for hit in found}

    def _shard(self, name: str) -> qdrant.EdgeShard:
        path = self._folder / name
        if path not in _SHARDS_OPEN:
            _SHARDS_OPEN[path] = qdrant.EdgeShard.load(str(path))
        return _SHARDS_OPEN[path]


def _filter(query_filter: Json | None) -> qdrant.Filter | None:
    if query_filter is None:
        return None
    return qdrant.Filter(
        **{key: [_condition(part) for part in parts] for key, parts in query_filter.items()}
    )


def _condition(part: Json) -> Any:
    if "key" not in part:
        if "has_id" in part:
            return qdrant.HasIdCondition({*part["has_id"]})
        return _filter(part)
    if "match" in part:
        return qdrant.FieldCondition(part["key"], match=qdrant.MatchAny(part["match"]["any"]))
    return qdrant.FieldCondition(part["key"], range=qdrant.RangeFloat(**part["range"]))


def _expression(formula: Json | str | float) -> qdrant.Expression:
    if isinstance(formula, str):
        return qdrant.Expression.Variable(formula)
    if isinstance(formula, int | float):
        return qdrant.Expression.Constant(formula)
    ((name, value),) = formula.items()
    make = getattr(qdrant.Expression, name.title())
    return make(
        [_expression(one) for one in value] if isinstance(value, list) else _expression(value)
    )
