"""The client of a Qdrant server; the only module that imports `qdrant_client`."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import ApiException

from recommender.errors import IndexMissingError, IndexUnreadableError
from recommender.index.points import INDEXED, NEEDED, SCORED, VECTORS, Found

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from recommender.index.points import Json

_TIMEOUT_SECONDS: Final = 10
_LONG_SECONDS: Final = 120
"""For writes and counts of a whole collection, which no request of a listener waits for."""
_SETTLE_SECONDS: Final = 2.0
_SETTLED: Final = 3
"""A server plans its optimisations a moment after a write: it is green so many times in a row."""
_MOST_VALUES: Final = 100_000
_BEAM: Final = 128
"""Points that a search keeps in view; with the default of 100 the recall was measured lower."""


def client_of(url: str, api_key: str = "") -> QdrantClient:
    """Return the client of a server, over gRPC at the next port, as the server has it."""
    return QdrantClient(
        url=url,
        api_key=api_key or None,
        prefer_grpc=True,
        timeout=_TIMEOUT_SECONDS,
        check_compatibility=False,  # it warns in a thread; compose names the tested version
    )


class ServerCollections:
    """The `recommender.index.points.Collections` of a server; safe to share between threads.

    Parameters
    ----------
    client : QdrantClient
    shards : int
        Parts of a new collection, which a cluster spreads over its nodes.
    """

    def __init__(self, client: QdrantClient, shards: int = 1) -> None:
        self._client = client
        self._shards = shards

    def names(self) -> list[str]:
        """Return the names of all collections."""
        with _answers():
            return [one.name for one in self._client.get_collections().collections]

    def create(self, name: str) -> None:
        """Make an empty collection."""
        with _answers():
            self._client.create_collection(
                name,
                vectors_config={
                    vector: models.VectorParams(size=size, distance=models.Distance.DOT)
                    for vector, size in VECTORS.items()
                },
                shard_number=self._shards,
                timeout=_LONG_SECONDS,
            )
            schemas: dict[str, Any] = {
                field: models.PayloadSchemaType(kind) for field, kind in INDEXED.items()
            }
            for field in SCORED:
                schemas[field] = models.FloatIndexParams(
                    type=models.FloatIndexType.FLOAT, enable_hnsw=False
                )
            for field, schema in schemas.items():
                self._client.create_payload_index(name, field, schema, timeout=_LONG_SECONDS)

    def drop(self, name: str) -> None:
        """Delete a collection, if there is one of that name."""
        with _answers():
            self._client.delete_collection(name, timeout=_LONG_SECONDS)

    def point_alias(self, alias: str, name: str) -> None:
        """Let an alias stand for a collection, in one step."""
        with _answers():
            known = {one.alias_name for one in self._client.get_aliases().aliases}
            steps: list[Any] = []
            if alias in known:
                gone = models.DeleteAlias(alias_name=alias)
                steps.append(models.DeleteAliasOperation(delete_alias=gone))
            made = models.CreateAlias(collection_name=name, alias_name=alias)
            steps.append(models.CreateAliasOperation(create_alias=made))
            self._client.update_collection_aliases(steps)

    def upsert(
        self,
        name: str,
        ids: Sequence[int],
        vectors: Mapping[str, NDArray[np.float32]],
        payloads: Sequence[Json],
    ) -> None:
        """Write points, and wait until they are."""
        batch = models.Batch(
            ids=list(ids),
            vectors={vector: values.tolist() for vector, values in vectors.items()},
            payloads=list(payloads),
        )
        with _answers():
            self._client.upsert(name, batch, wait=True, timeout=_LONG_SECONDS)

    def remove(self, name: str, ids: Sequence[int]) -> None:
        """Delete points, and wait until they are gone."""
        points = models.PointIdsList(points=list(ids))
        with _answers():
            self._client.delete(name, points, wait=True, timeout=_LONG_SECONDS)

    def settle(self, name: str) -> None:
        """Wait until the server has optimised the collection."""
        settled = 0
        while settled < _SETTLED:
            with _answers():
                status = self._client.get_collection(name).status
            if status == models.CollectionStatus.RED:
                raise IndexUnreadableError(f"Qdrant cannot optimise {name}; its log says why")
            settled = settled + 1 if status == models.CollectionStatus.GREEN else 0
            time.sleep(_SETTLE_SECONDS)

    def search(
        self,
        name: str,
        queries: Sequence[tuple[str, list[float], int]],
        query_filter: Json | None,
        *,
        is_exact: bool = False,
    ) -> list[list[Found]]:
        """Return the points that are nearest to each query, in one request."""
        requests = [
            models.QueryRequest(
                query=vector,
                using=using,
                limit=k,
                filter=_filter(query_filter),
                params=models.SearchParams(exact=is_exact, hnsw_ef=_BEAM),
                with_payload=[*NEEDED],
            )
            for using, vector, k in queries
        ]
        with _answers():
            answers = self._client.query_batch_points(name, requests)
        return [[_found(point) for point in answer.points] for answer in answers]

    def search_ranked(
        self,
        name: str,
        queries: Sequence[tuple[str, list[float], int]],
        query_filter: Json | None,
        formula: Json,
        k: int,
    ) -> list[Found]:
        """Return the `k` best by a formula of all points that the queries find."""
        prefetch = [
            models.Prefetch(
                query=vector,
                using=using,
                limit=most,
                filter=_filter(query_filter),
                params=models.SearchParams(hnsw_ef=_BEAM),
            )
            for using, vector, most in queries
        ]
        with _answers():
            answer = self._client.query_points(
                name,
                prefetch=prefetch,
                query=models.FormulaQuery.model_validate({"formula": formula}),
                limit=k,
                with_payload=[*NEEDED],
            )
        return [_found(point) for point in answer.points]

    def matching(self, name: str, query_filter: Json | None, limit: int) -> list[Found]:
        """Return at most `limit` points that pass a filter, in order of their ids."""
        with _answers():
            records, _ = self._client.scroll(
                name, _filter(query_filter), limit=limit, with_payload=[*NEEDED]
            )
        return [_found(record) for record in records]

    def points(self, name: str, ids: Sequence[int]) -> list[Found]:
        """Return the points of some ids, without those that are missing."""
        with _answers():
            records = self._client.retrieve(name, list(ids), with_payload=[*NEEDED])
        return [_found(record) for record in records]

    def fused(self, name: str, ids: Sequence[int]) -> dict[int, list[float]]:
        """Return the fused embeddings of points by their ids."""
        with _answers():
            records = self._client.retrieve(
                name, list(ids), with_payload=False, with_vectors=["fused"]
            )
        found: dict[int, list[float]] = {}
        for record in records:
            vectors: Any = record.vector
            found[int(record.id)] = vectors["fused"]
        return found

    def count(self, name: str) -> int:
        """Return the number of points."""
        with _answers():
            return self._client.count(name, exact=True, timeout=_LONG_SECONDS).count

    def counts(self, name: str, key: str) -> dict[Any, int]:
        """Return how many points have each value of a field."""
        with _answers():
            answer = self._client.facet(
                name, key, limit=_MOST_VALUES, exact=True, timeout=_LONG_SECONDS
            )
        return {hit.value: hit.count for hit in answer.hits}


def _filter(query_filter: Json | None) -> models.Filter | None:
    return None if query_filter is None else models.Filter.model_validate(query_filter)


def _found(point: models.ScoredPoint | models.Record) -> Found:
    score = point.score if isinstance(point, models.ScoredPoint) else 0.0
    return Found(int(point.id), score, point.payload or {})


@contextmanager
def _answers() -> Iterator[None]:
    """Say in plain words what a server did not do.

    The client raises errors of three libraries: its own, of gRPC and of HTTP.
    """
    try:
        yield
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        if "doesn't exist" in text or "not found" in text.lower():
            raise IndexMissingError(f"Qdrant lacks a collection of the index ({text})") from error
        if isinstance(error, ApiException | OSError) or _is_of_grpc(error):
            raise IndexUnreadableError(
                f"Qdrant does not answer ({text}). See whether it runs, and AFFETTI_QDRANT_URL"
            ) from error
        raise


def _is_of_grpc(error: Exception) -> bool:
    return type(error).__module__.startswith(("grpc", "httpx", "httpcore"))
