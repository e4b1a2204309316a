"""
Amazon S3 Vectors: one bucket, one index per store, through boto3.

The limits are those of "Limitations and restrictions" in the Amazon S3 User Guide. What a space is, an
index tells by the names of two of its non-filterable metadata keys: they are fixed when it is created, so
that of two writers with different models one is always refused.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from botocore import exceptions as aws

from vragd.backends.base import (
    PAYLOAD_KEYS,
    Filter,
    Match,
    Metric,
    StoreInfo,
    Vector,
    check_metric,
    check_query,
    check_shape,
    matrix,
)
from vragd.backends.budget import Budget
from vragd.backends.memory.backend import prepared
from vragd.backends.s3vectors import wire as wire
from vragd.backends.s3vectors.connect import make_client
from vragd.backends.s3vectors.errors import (
    BadCredentials,
    Conflict,
    Invalid,
    Unreachable,
    from_answer,
    from_elsewhere,
    from_library,
)
from vragd.config.settings import S3VectorsBackend as Settings
from vragd.errors import BackendRefused, StoreMismatch, UnknownStore, VragdError
from vragd.system.failpoints import reach
from vragd.system.lanes import progress

log = structlog.get_logger()

DELETE_KEYS = 500
GET_KEYS = 100
PAGE = 1_000
TOP_K = 100
MAX_DIMENSION = 4_096
LEAST_METADATA = frozenset({"source", "source_name", "line_from", "line_to"})
# Per index AWS takes 1,000 writes and 2,500 vectors a second, from all machines together.
REQUESTS_PER_S, VECTORS_PER_S = 800.0, 2_000.0
QUERY_PAUSE_S = 5.0  # after a query that could not reach AWS, others do not wait for the same


def create(settings: Settings, data_dir: Path) -> S3VectorsBackend:
    """A backend over the bucket. Contacts nobody; keeps nothing below `data_dir`."""
    return S3VectorsBackend(settings)


class S3VectorsBackend:
    """Writes have retries and a budget; queries have short timeouts and connections of their own."""

    durable = True
    remote = True
    metrics: frozenset[Metric] = frozenset({"cosine", "euclidean"})
    max_top_k = TOP_K

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.place = f"s3vectors {settings.endpoint_url or 'aws'} text={settings.remote_text}"
        self._lock = threading.Lock()
        self._clients: dict[str, Any] = {}
        self._shapes: dict[str, StoreInfo] = {}
        self._budget = Budget(REQUESTS_PER_S, VECTORS_PER_S)
        self._query_failed: tuple[float, VragdError] | None = None

    # -- stores ------------------------------------------------------------------------------------

    def create_store(
        self, store: str, dimension: int, metric: Metric, *, space: str = "", model: str = ""
    ) -> StoreInfo:  # fmt: skip
        check_metric(metric, self.metrics, "S3 Vectors")
        if dimension > MAX_DIMENSION:
            raise StoreMismatch(f"S3 Vectors takes up to {MAX_DIMENSION} dimensions, asked for {dimension}")
        asked = StoreInfo(store, dimension, metric, None, space, model)
        try:
            have = self._describe(store)
        except UnknownStore:
            self._create_index(asked)
            have = self._describe(store)  # which is somebody else's if that was quicker
        if asked.space and not have.space:
            raise StoreMismatch(
                f"index {store!r} of bucket {self._settings.bucket!r} was not made by vragd",
                hint="use another store name, or another bucket",
            )
        check_shape(asked, have)
        return have

    def _create_index(self, asked: StoreInfo) -> None:
        """Make the index unless it is there already, and the bucket if need be."""
        parameters: dict[str, Any] = {
            "dataType": "float32",
            "dimension": asked.dimension,
            "distanceMetric": asked.metric,
            "metadataConfiguration": {
                "nonFilterableMetadataKeys": [*PAYLOAD_KEYS, *wire.marks(asked.space, asked.model)]
            },
        }
        try:
            try:
                self._call("CreateIndex", asked.store, **parameters)
            except UnknownStore:
                try:
                    self._call("CreateVectorBucket")
                    reach("s3.bucket_created")
                    log.info("backend.bucket_created", bucket=self._settings.bucket)
                except Conflict:
                    pass
                self._call("CreateIndex", asked.store, **parameters)
        except Conflict:
            return
        reach("s3.index_created")
        log.info("backend.index_created", bucket=self._settings.bucket, store=asked.store, dimension=asked.dimension)

    def delete_store(self, store: str) -> None:
        try:
            self._call("DeleteIndex", store)
            reach("s3.index_deleted")
        except UnknownStore:
            return

    def list_stores(self) -> list[str]:
        return sorted(index["indexName"] for index in self._pages("ListIndexes", "indexes", None, maxResults=500))

    def store_exists(self, store: str) -> bool:
        try:
            self._describe(store)
        except UnknownStore:
            return False
        return True

    def get_store_info(self, store: str) -> StoreInfo:
        return self._describe(store)

    def _describe(self, store: str, *, for_query: bool = False) -> StoreInfo:
        index = self._call("GetIndex", store, for_query=for_query)["index"]
        marks = index.get("metadataConfiguration", {}).get("nonFilterableMetadataKeys", [])
        shape = StoreInfo(
            store,
            index["dimension"],
            index["distanceMetric"],
            None,
            *wire.of_marks(marks),
            f"{index.get('indexArn')} {index.get('creationTime')}",
            {"bucket": self._settings.bucket, "created": str(index.get("creationTime", ""))},
        )
        self._shapes[store] = shape
        return shape

    def _shape(self, store: str) -> StoreInfo:
        return self._shapes.get(store) or self._describe(store)

    # -- vectors -----------------------------------------------------------------------------------

    def put_vectors(self, store: str, vectors: Sequence[Vector]) -> int:
        shape = self._shape(store)
        rows = prepared(matrix(vectors, shape.dimension), shape.metric)
        last = {vector.key: i for i, vector in enumerate(vectors)}
        for batch in wire.batches(self._item(vectors[i], rows[i]) for i in last.values()):
            self._put(store, batch)
        return len(last)

    def _put(self, store: str, batch: list[dict[str, Any]]) -> None:
        """
        Put a batch. Where AWS finds fault with it, the vector at fault is found and put with less metadata:
        how AWS counts that is not documented to the byte, and one note must not keep the others out.
        """
        self._budget.take(len(batch))
        try:
            self._call("PutVectors", store, vectors=batch)
            reach("s3.put")
        except Invalid:
            if len(batch) > 1:
                self._put(store, batch[: len(batch) // 2])
                self._put(store, batch[len(batch) // 2 :])
                return
            kept = {key: value for key, value in batch[0]["metadata"].items() if key in LEAST_METADATA}
            if kept == batch[0]["metadata"]:
                raise
            log.warning("backend.metadata_cut", store=store, n_bytes=len(json.dumps(batch[0]["metadata"])))
            self._put(store, [{**batch[0], "metadata": kept}])

    def _item(self, vector: Vector, row: np.ndarray) -> dict[str, Any]:
        # nine digits are every bit of a float32, and two thirds of the bytes a double would take
        values = [float(f"{value:.9g}") for value in row.tolist()]
        metadata = wire.filterable(vector.metadata) | wire.payload(vector.payload, self._settings.remote_text)
        return {"key": vector.key, "data": {"float32": values}, "metadata": metadata}

    def delete_vectors(self, store: str, keys: Collection[str]) -> int:
        unique = sorted(set(keys))
        for start in range(0, len(unique), DELETE_KEYS):
            some = unique[start : start + DELETE_KEYS]
            self._budget.take(len(some))
            self._call("DeleteVectors", store, keys=some)
            reach("s3.deleted")
        return len(unique)

    def get_vectors(self, store: str, keys: Collection[str]) -> dict[str, np.ndarray]:
        unique = sorted(set(keys))
        found: dict[str, np.ndarray] = {}
        for start in range(0, len(unique), GET_KEYS):
            answer = self._call("GetVectors", store, keys=unique[start : start + GET_KEYS], returnData=True)
            found |= {item["key"]: np.array(item["data"]["float32"], dtype=np.float32) for item in answer["vectors"]}
        return found

    def list_keys(self, store: str) -> Iterator[str]:
        for item in self._pages("ListVectors", "vectors", store, maxResults=PAGE):
            yield item["key"]

    def query(
        self, store: str, vector: np.ndarray, top_k: int, filter: Filter | None = None, *, payload: bool = False  # noqa: A002
    ) -> list[Match]:  # fmt: skip
        self._wait_out_an_outage()
        try:
            shape = self._shapes.get(store) or self._describe(store, for_query=True)
            values = check_query(vector, shape.dimension)
            if shape.metric == "cosine" and not values.any():
                raise StoreMismatch("the query is zero, and has no direction to compare")
            if top_k <= 0 or (filter and not all(filter.values())):
                return []  # nothing wanted, or wanted of nothing: AWS takes no empty list
            parameters: dict[str, Any] = {"filter": wire.condition(filter)} if filter else {}
            answer = self._call(
                "QueryVectors", store, queryVector={"float32": values.tolist()}, topK=min(top_k, TOP_K),
                returnDistance=True, returnMetadata=payload, for_query=True, **parameters,
            )  # fmt: skip
        except Unreachable as error:
            self._query_failed = (time.monotonic(), error)
            raise
        matches = [wire.match(item, shape.metric) for item in answer["vectors"]]
        return sorted(matches, key=lambda match: (-match.score, match.key))

    def _wait_out_an_outage(self) -> None:
        if self._query_failed is not None:
            at, error = self._query_failed
            if time.monotonic() - at < QUERY_PAUSE_S:
                raise type(error)(error.message, hint=error.hint)
            self._query_failed = None

    def flush(self, store: str) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        with self._lock:
            clients, self._clients = self._clients, {}
        for client in clients.values():
            client.close()

    # -- calls -------------------------------------------------------------------------------------

    def _pages(self, operation: str, field: str, store: str | None, **parameters: Any) -> Iterator[dict[str, Any]]:
        token: dict[str, Any] = {}
        while True:
            answer = self._call(operation, store, **parameters, **token)
            yield from answer[field]
            if not answer.get("nextToken"):
                return
            token = {"nextToken": answer["nextToken"]}

    def _call(
        self, operation: str, store: str | None = None, *, for_query: bool = False, **parameters: Any
    ) -> dict[str, Any]:
        """One request, its errors turned into ours: what the user must do, or that a retry may help."""
        progress()
        place = {"indexName": store} if store is not None else {}
        try:
            client = self._client("query" if for_query else "write")
            method = getattr(client, re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower())
            answer: dict[str, Any] = method(vectorBucketName=self._settings.bucket, **place, **parameters)
        except BackendRefused:  # the endpoint is none that anything may be sent to
            raise
        except aws.ClientError as error:
            ours = from_answer(error, operation, self._settings.bucket, store)
            cause: Exception = error
        except aws.BotoCoreError as error:
            ours = from_library(error, self._settings.region, self._settings.endpoint_url)
            cause = error
        except (OSError, ValueError) as error:
            ours = from_elsewhere(error)
            cause = error
        else:
            return answer
        if isinstance(ours, UnknownStore | StoreMismatch) and store is not None:
            self._shapes.pop(store, None)  # it may be another index by now
        if isinstance(ours, BadCredentials):
            with self._lock:
                self._clients.clear()  # they keep what they once read of a file: the next call reads it again
        raise ours from cause

    def _client(self, purpose: str) -> Any:
        with self._lock:
            if purpose not in self._clients:
                self._clients[purpose] = make_client(self._settings, for_query=purpose == "query")
            return self._clients[purpose]
