"""
Amazon S3 Vectors: one bucket, one index per collection, through boto3.

The limits are those of "Limitations and restrictions" in the Amazon S3 User Guide. What a space is, an
index tells by the names of two of its non-filterable metadata keys: they are fixed when it is created, so
that of two writers with different models one is always refused.
"""

from __future__ import annotations

import difflib
import json
import re
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from botocore import exceptions as aws

from vragd.backends.aws.connect import make_client
from vragd.backends.aws.errors import BadCredentials, Outage, Unreachable, from_elsewhere, from_library
from vragd.backends.base import (
    Among,
    Batch,
    CollectionInfo,
    Entry,
    Match,
    Matches,
    Stored,
    Traits,
)
from vragd.backends.budget import Budget
from vragd.backends.checks import check_identity, check_shape, check_traits, checked_query, checked_rows, refuse
from vragd.backends.s3vectors import wire
from vragd.backends.s3vectors.errors import TITLE, Conflict, Invalid, TooMuch, check_answer, from_answer
from vragd.backends.s3vectors.settings import Settings
from vragd.backends.scores import prepared
from vragd.errors import (
    AGAIN,
    BackendRefused,
    BackendUnavailable,
    CollectionMismatch,
    StoreMismatch,
    UnknownCollection,
    Unsupported,
    VectorsRefused,
    VragdError,
)
from vragd.system.alive import progress
from vragd.system.failpoints import reach
from vragd.terms.filter import Filter, split
from vragd.terms.metric import Metric

log = structlog.get_logger()

DELETE_KEYS = 500
GET_KEYS = 100
PAGE = 1_000
TOP_K = 100
MAX_DIMENSION = 4_096
# Per index AWS takes 1,000 writes and 2,500 vectors a second, from all machines together.
REQUESTS_PER_S, VECTORS_PER_S = 800.0, 2_000.0


def create(settings: Settings, data_dir: Path) -> S3VectorsBackend:
    """A backend over the bucket. Contacts nobody; keeps nothing below `data_dir`."""
    return S3VectorsBackend(settings)


def places(how: Mapping[str, str]) -> list[str]:
    """The vector buckets that there are, sorted; `how` has settings such as the region. Raises what a backend does."""
    backend = S3VectorsBackend(Settings.model_validate({"type": "s3vectors", "bucket": "none-of-them", **how}))
    try:
        return backend.buckets()
    finally:
        backend.close()


TRAITS = Traits(
    private=False, networked=True, keeps_payload=True, durable=True, patches=False, value_error=1e-6,
    metrics=frozenset({"cosine", "euclidean"}), max_dimension=MAX_DIMENSION, max_matches=TOP_K, max_among=0,
)  # fmt: skip


class S3VectorsBackend:
    """Writes have retries and a budget; queries have short timeouts and connections of their own."""

    traits = TRAITS

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings, self._outage = settings, Outage(clock)
        self._place = f"s3vectors {settings.endpoint_url or 'aws'} text={settings.remote_text}"
        self._lock = threading.Lock()
        self._clients: dict[str, Any] = {}
        self._shapes: dict[str, wire.Shape] = {}
        self._budget = Budget(REQUESTS_PER_S, VECTORS_PER_S)

    # -- collections -------------------------------------------------------------------------------

    def create_collection(
        self, name: str, dimension: int, metric: Metric, *, space: str = "", model: str = ""
    ) -> CollectionInfo:  # fmt: skip
        check_traits(self.traits, dimension, metric, "S3 Vectors")
        asked = CollectionInfo(name, dimension, metric, None, space, model)
        try:
            have = self._describe(name).info
        except UnknownCollection:
            self._create_index(asked)
            have = self._describe(name).info  # which is somebody else's if that was quicker
        if asked.space and not have.space:
            raise CollectionMismatch(
                f"index {name!r} of bucket {self._settings.bucket!r} was not made by vragd",
                what="owner",
                hint="use another store name, or another bucket",
            )
        check_shape(asked, have)
        return have

    def _create_index(self, asked: CollectionInfo) -> None:
        """Make the index unless it is there already, and the bucket if need be."""
        hidden = [wire.PACKED, *wire.marks(asked.space, asked.model)]
        parameters: dict[str, Any] = {
            "dataType": "float32",
            "dimension": asked.dimension,
            "distanceMetric": asked.metric,
            "metadataConfiguration": {"nonFilterableMetadataKeys": hidden},
        }
        try:
            try:
                self._call("CreateIndex", asked.name, **parameters)
            except UnknownCollection:
                try:
                    self._call("CreateVectorBucket")
                    reach("s3.bucket_created")
                    log.info("backend.bucket_created", bucket=self._settings.bucket)
                except Conflict:
                    pass
                self._call("CreateIndex", asked.name, **parameters)
        except Conflict:
            return
        reach("s3.index_created")
        log.info("backend.index_created", bucket=self._settings.bucket, store=asked.name, dimension=asked.dimension)

    def delete_collection(self, name: str, *, identity: str) -> None:
        try:
            check_identity(name, self._describe(name).info.identity, identity)
            self._call("DeleteIndex", name)
            reach("s3.index_deleted")
        except UnknownCollection:
            return

    def list_collections(self) -> list[str]:
        try:
            return sorted(index["indexName"] for index in self._pages("ListIndexes", "indexes", None, maxResults=500))
        except UnknownCollection as error:
            raise UnknownCollection(error.message, hint=self._other_buckets() or error.hint) from None

    def buckets(self) -> list[str]:
        """All of them in the region, sorted, whichever is the one of the settings."""
        pages = self._pages("ListVectorBuckets", "vectorBuckets", None, maxResults=500)
        return sorted(bucket["vectorBucketName"] for bucket in pages)

    def _other_buckets(self) -> str:
        """Which there are instead of one that is not there; empty for who may not ask."""
        with suppress(VragdError):
            names = self.buckets()
            if near := difflib.get_close_matches(self._settings.bucket, names, 1):
                return f"did you mean {near[0]!r}?"
            return f"there are: {', '.join(names[:5])}{', …' if len(names) > 5 else ''}" if names else ""
        return ""

    def collection_info(self, name: str) -> CollectionInfo:
        return self._describe(name).info

    def _describe(self, name: str, *, for_query: bool = False) -> wire.Shape:
        index = self._call("GetIndex", name, for_query=for_query)["index"]
        shape = self._shapes[name] = wire.shape(name, index, self._settings.bucket, self._place)
        return shape

    def _shape(self, name: str) -> wire.Shape:
        return self._shapes.get(name) or self._describe(name)

    # -- vectors -----------------------------------------------------------------------------------

    def put_vectors(self, name: str, batch: Batch, *, visible: bool = True) -> None:
        shape = self._shape(name)
        rows = prepared(checked_rows(batch, shape.info.dimension), shape.info.metric)
        last = {key: i for i, key in enumerate(batch.keys)}
        entries = (
            Entry(key, rows[i], batch.metadata[i], batch.payload[i], batch.versions[i]) for key, i in last.items()
        )
        with_text = self._settings.remote_text
        refused: dict[str, Invalid] = {}
        for some in wire.batches(wire.item(entry, with_text=with_text, packed=shape.packed) for entry in entries):
            self._put(shape, some, refused)
        if refused:
            error = next(iter(refused.values()))
            if len(refused) == len(last) and all(isinstance(one, TooMuch) for one in refused.values()):
                raise BackendUnavailable(error.message, hint=f"check proxy and endpoint_url; {AGAIN}")
            raise VectorsRefused(error.message, keys=tuple(refused), part="values", hint=error.hint) from error

    def _put(
        self, shape: wire.Shape, batch: list[dict[str, Any]], refused: dict[str, Invalid], *, again: bool = False
    ) -> None:  # fmt: skip
        """
        Put a batch. Where AWS finds fault with it, the vector at fault is found and put with less metadata:
        how AWS counts that is not documented to the byte, and one note must not keep the others out. It has to be
        refused twice as it is. What is `refused` with the least, too, is noted there.
        """
        name = shape.info.name
        self._budget.take(len(batch))
        try:
            self._call("PutVectors", name, vectors=batch)
            reach("s3.put")
        except Invalid as error:
            if len(batch) > 1:
                self._put(shape, batch[: len(batch) // 2], refused)
                self._put(shape, batch[len(batch) // 2 :], refused)
                return
            if isinstance(error, TooMuch):  # that is not about what is in it: nothing may be cut
                refused[batch[0]["key"]] = error
                return
            if not again:
                self._put(shape, batch, refused, again=True)
                return
            kept = wire.least(batch[0]["metadata"])
            if kept == batch[0]["metadata"]:
                self._check_same(shape)
                refused[batch[0]["key"]] = error
                return
            log.warning("backend.metadata_cut", store=name, n_bytes=len(json.dumps(batch[0]["metadata"])))
            self._put(shape, [{**batch[0], "metadata": kept}], refused)

    def _check_same(self, was: wire.Shape) -> None:
        """Raise CollectionMismatch for what the index has otherwise by now: then nothing that was sent is at fault."""
        now = self._describe(was.info.name)
        for what, before, by_now in (
            ("dimension", was.info.dimension, now.info.dimension), ("metric", was.info.metric, now.info.metric),
            ("data type", was.data_type, now.data_type),
        ):  # fmt: skip
            if before != by_now:
                raise CollectionMismatch(
                    f"the {what} of index {was.info.name!r} is {by_now} by now, it was {before}", what=what,
                    hint="somebody deleted it and made it anew; delete it, and vragd makes and fills it again",
                )  # fmt: skip

    def put_metadata(self, name: str, batch: Batch) -> frozenset[str]:
        raise Unsupported("S3 Vectors replaces whole vectors only", condition="put_metadata")

    def delete_vectors(self, name: str, keys: Collection[str]) -> None:
        unique = sorted(set(keys))
        for start in range(0, len(unique), DELETE_KEYS):
            some = unique[start : start + DELETE_KEYS]
            self._budget.take(len(some))
            self._call("DeleteVectors", name, keys=some)
            reach("s3.deleted")

    def get(
        self, name: str, keys: Collection[str], *, values: bool = True, metadata: bool = False
    ) -> dict[str, Stored]:  # fmt: skip
        unique = sorted(set(keys))
        found: dict[str, Stored] = {}
        for start in range(0, len(unique), GET_KEYS):
            answer = self._call(
                "GetVectors", name, keys=unique[start : start + GET_KEYS], returnData=values, returnMetadata=metadata
            )
            found |= {item["key"]: wire.stored(item) for item in answer["vectors"]}
        return found

    def list_keys(
        self, name: str, prefix: str = "", after: str = "", *, versions: bool = False
    ) -> Iterator[tuple[str, str]]:  # fmt: skip
        items = self._pages("ListVectors", "vectors", name, maxResults=PAGE, returnMetadata=versions)
        found = ((item["key"], wire.stored(item).version) for item in items if item["key"].startswith(prefix))
        return iter(sorted(pair for pair in found if pair[0] > after)) if after else found

    def bulk(self, name: str, expect: int) -> AbstractContextManager[None]:
        return nullcontext()

    def split(self, name: str, where: Filter | None) -> tuple[Filter | None, Filter | None]:
        return split(where, wire.can)

    def query(
        self, name: str, vector: np.ndarray, top_k: int, *, among: Among | None = None, where: Filter | None = None,
        payload: bool = False, cursor: str | None = None, timeout_s: float | None = None,
    ) -> Matches:  # fmt: skip
        if among is not None:
            raise Unsupported("S3 Vectors cannot be narrowed to keys", condition="among")

        def asked(shape: wire.Shape) -> dict[str, Any]:
            values = checked_query(vector, shape.info.dimension, shape.info.metric)
            return {"queryVector": {"float32": values.tolist()}, "returnDistance": True, "returnMetadata": payload}

        return self._ask(name, asked, wire.match, top_k, where)

    def query_words(
        self, name: str, text: str, top_k: int, *, where: Filter | None = None, timeout_s: float | None = None
    ) -> Matches:  # fmt: skip
        return self._ask(name, partial(wire.words, text=text), wire.match_of_words, top_k, where)

    def _ask(
        self, name: str, asked: Callable[[wire.Shape], Mapping[str, Any]],
        read: Callable[[Mapping[str, Any], Metric], Match], top_k: int, where: Filter | None,
    ) -> Matches:  # fmt: skip
        """What QueryVectors answers to what is `asked` of an index of that shape, in as many pages as there are."""
        refuse(self.split(name, where)[1], "S3 Vectors")
        self._outage.check()
        try:
            shape = self._shapes.get(name) or self._describe(name, for_query=True)
            question = asked(shape)
            if top_k <= 0:
                return Matches((), "more")
            if where is not None and wire.never(where):
                return Matches((), "exhausted")  # AWS takes no empty list
            found: dict[str, Match] = {}
            ends = set()
            for condition in [{}] if where is None else wire.conditions(where):
                narrowed = {"filter": condition} if condition else {}
                pages = self._pages(
                    "QueryVectors", "vectors", name, topK=min(top_k, TOP_K), for_query=True, **question, **narrowed
                )
                some = {item["key"]: read(item, shape.info.metric) for item in pages}
                found |= some
                ends.add(wire.end(len(some), top_k, TOP_K, where))
        except Unreachable as error:
            self._outage.note(error)
            raise
        except Invalid:
            self._check_same(shape)
            raise
        best = sorted(found.values(), key=lambda match: (-match.score, match.key))[:top_k]
        return Matches(best, next(end for end in ("limit", "more", "exhausted") if end in ends))

    def tend(self, name: str) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        with self._lock:
            clients, self._clients = self._clients, {}
        for client in clients.values():
            client.close()

    # -- calls -------------------------------------------------------------------------------------

    def _pages(self, operation: str, field: str, name: str | None, **parameters: Any) -> Iterator[dict[str, Any]]:
        token: dict[str, Any] = {}
        while True:
            answer = self._call(operation, name, **parameters, **token)
            yield from answer[field]
            if not answer.get("nextToken"):
                return
            token = {"nextToken": answer["nextToken"]}

    def _call(
        self, operation: str, name: str | None = None, *, for_query: bool = False, **parameters: Any
    ) -> dict[str, Any]:
        """One request, its errors turned into ours: what the user must do, or that a retry may help."""
        progress()
        place = {} if operation == "ListVectorBuckets" else {"vectorBucketName": self._settings.bucket}
        if name is not None:
            place["indexName"] = name
        try:
            ask = partial(self._answer, "query" if for_query else "write", operation, place | parameters)
            longest_s = self._settings.longest_query_s if for_query else None
            answer: dict[str, Any] = self._outage.in_time(ask, longest_s, TITLE)
        except BackendRefused:  # the endpoint is none that anything may be sent to
            raise
        except aws.ClientError as error:
            ours = from_answer(error, operation, self._settings.bucket, name, parameters.get("vectors", ()))
            cause: Exception = error
        except aws.BotoCoreError as error:
            ours = from_library(error, self._settings.region, self._settings.endpoint_url, TITLE)
            cause = error
        except (OSError, ValueError) as error:
            ours = from_elsewhere(error)
            cause = error
        else:
            check_answer(answer, operation)
            return answer
        if isinstance(ours, UnknownCollection | StoreMismatch) and name is not None:
            self._shapes.pop(name, None)  # it may be another index by now
        if isinstance(ours, BadCredentials):
            with self._lock:
                self._clients.clear()  # they keep what they once read of a file: the next call reads it again
        raise ours from cause

    def _answer(self, purpose: str, operation: str, parameters: dict[str, Any]) -> Any:
        return getattr(self._client(purpose), re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower())(**parameters)

    def _client(self, purpose: str) -> Any:
        with self._lock:
            if purpose not in self._clients:
                self._clients[purpose] = make_client("s3vectors", TITLE, self._settings, for_query=purpose == "query")
            return self._clients[purpose]
