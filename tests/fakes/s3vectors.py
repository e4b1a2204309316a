"""
Amazon S3 Vectors on 127.0.0.1: moto's server, with what moto lacks: exact queries, filters, paging, every
documented limit, and faults.

    with FakeS3Vectors() as fake:
        fake.fail(429, "TooManyRequestsException", times=3)
        ...

Knobs may be set at any time, from any thread. To try by hand: python -m tests.fakes.s3vectors 5999
"""

from __future__ import annotations

import datetime
import io
import json
import logging
import os
import socket
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from moto.core import DEFAULT_ACCOUNT_ID
from moto.moto_server.threaded_moto_server import ThreadedMotoServer
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.s3vectors.exceptions import IndexNotFound, VectorBucketNotFound
from moto.s3vectors.models import Index, S3VectorsBackend, s3vectors_backends
from werkzeug.serving import make_server

from tests.fakes.credentials import CREDENTIALS
from tests.fakes.s3vectors_rules import (
    Refused,
    check_body,
    check_create_index,
    check_filter,
    check_put,
    check_texts,
    found_by_words,
    matches,
    poisoned,
)
from tests.fakes.sockets import break_off

MUTATIONS = frozenset({"PutVectors", "DeleteVectors", "CreateIndex", "DeleteIndex", "CreateVectorBucket"})
WRITES = frozenset({"PutVectors", "DeleteVectors"})
REQUESTS_PER_S, VECTORS_PER_S = 1_000, 2_500
SAID = "said by the fake"
MOTO = DomainDispatcherApplication(create_backend_app)  # what it makes at a service's first request serves all fakes
LIST_PAGE = {"ListVectors": ("vectors", 1_000), "ListIndexes": ("indexes", 500),
             "ListVectorBuckets": ("vectorBuckets", 500)}  # fmt: skip

logging.getLogger("werkzeug").setLevel(logging.ERROR)


class FakeS3Vectors:
    """A service that is absent until `start()` or `with`; its port and what it holds stay over restarts."""

    def __init__(self, port: int = 0) -> None:
        if not port:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.calls: Counter[str] = Counter()
        self.n_put = self.n_deleted = 0
        self.violations: list[str] = []
        """Requests beyond a documented limit: they were refused, and a correct client sends none."""

        self.every_second: tuple[int, str] | None = None
        """(status, code): every second request is answered so and does nothing."""
        self.denied: frozenset[str] = frozenset()
        """Operations the caller has no permission for."""
        self.expired = False
        """The credentials have expired."""
        self.only_key: str | None = None
        """The one access key that has not expired."""
        self.apply_then_drop = 0
        """So many requests of `drop_operations` are applied, and their connections cut before an answer."""
        self.drop_operations: frozenset[str] = WRITES
        """Any of `MUTATIONS`."""
        self.poison: str | None = None
        """PutVectors with this in a key or in a string of metadata is refused whole: for a limit nobody knows."""
        self.list_page: int | None = None
        """A list is answered in pages of at most so many."""
        self.query_page: int | None = None
        """A question is answered in pages of so many."""
        self.latency_s = 0.0
        """Every request takes so much longer, those at the same time together."""
        self.builds = False
        """A full text that is configured is not built yet."""
        self.visible_after_s = 0.0
        """Writes are acknowledged at once and seen so much later."""
        self.on_call: Callable[[str, str], None] = lambda operation, when: None
        """Called with ('PutVectors', 'before') and ('PutVectors', 'after') around each mutation."""

        self.refuses: Callable[[Sequence[Mapping[str, Any]], str], bool] = poisoned
        """Whether vectors are refused for the poison."""
        self._faults: deque[tuple[int, str, str, frozenset[str]]] = deque()
        self._lock = threading.RLock()
        self._unseen: deque[tuple[float, str, dict[str, Any]]] = deque()
        self._recent: deque[tuple[float, int]] = deque()
        self._matrices: dict[str, tuple[list[str], np.ndarray]] = {}
        self._server: _Server | None = None
        s3vectors_backends.reset()

    def start(self) -> FakeS3Vectors:
        self._server = _Server(self)
        self._server.start()
        return self

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()
            self._server = None

    def __enter__(self) -> FakeS3Vectors:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # -- knobs and views ---------------------------------------------------------------------------

    def fail(
        self, status: int, code: str, *, times: int = 1, operations: Iterable[str] = (), message: str = SAID
    ) -> None:
        """Answer the next `times` requests (of these operations) with an error, doing nothing."""
        self._faults.extend([(status, code, message, frozenset(operations))] * times)

    def n_failing(self) -> int:
        """How many requests are yet to fail."""
        return len(self._faults)

    def fail_no_more(self) -> None:
        self._faults.clear()

    @property
    def moto(self) -> S3VectorsBackend:
        backend: S3VectorsBackend = s3vectors_backends[DEFAULT_ACCOUNT_ID]["aws"]
        return backend

    def keys(self, bucket: str, index: str) -> set[str]:
        """What an index holds, past the network and past every fault."""
        return set(self.moto.get_index(bucket, index, "").vectors)

    def metadata(self, bucket: str, index: str) -> dict[str, dict[str, Any]]:
        return {key: vector.metadata for key, vector in self.moto.get_index(bucket, index, "").vectors.items()}

    def moved(self) -> None:
        """What moto holds was replaced behind its back: nothing that was computed from it holds."""
        self._matrices.clear()

    def forget_calls(self) -> None:
        self.calls.clear()
        self.n_put = self.n_deleted = 0

    # -- requests ----------------------------------------------------------------------------------

    def handle(self, operation: str, raw: bytes, environ: dict[str, Any], pass_on: Callable[[], Any]) -> _Answer | None:
        """The answer to a request; None to have moto answer it by `pass_on`'s rules."""
        with self._lock:
            self.calls[operation] += 1
            if fault := self._fault(operation, environ.get("HTTP_AUTHORIZATION", "")):
                return _error(*fault)
            body = json.loads(raw or b"{}")
            try:
                check_body(operation, body, len(raw))
                self._show_what_is_due()
                return self._apply(operation, body, environ, pass_on)
            except Refused as error:
                self.violations.append(f"{operation}: {error}")
                return _error(400, "ValidationException", str(error))

    def _fault(self, operation: str, signed: str) -> tuple[int, str] | tuple[int, str, str] | None:
        if self.every_second and sum(self.calls.values()) % 2 == 0:
            return self.every_second
        for i, (status, code, message, operations) in enumerate(self._faults):
            if not operations or operation in operations:
                del self._faults[i]
                return status, code, message
        if self.expired or (self.only_key and f"Credential={self.only_key}/" not in signed):
            return 403, "ExpiredTokenException"
        if operation in self.denied:
            return 403, "AccessDeniedException"
        return None

    def _apply(
        self, operation: str, body: dict[str, Any], environ: dict[str, Any], pass_on: Callable[[], Any]
    ) -> _Answer | None:
        if operation == "UpdateMetadataConfiguration":
            return self._configure(body)
        if operation not in MUTATIONS:
            return self._read(operation, body, pass_on)
        self.on_call(operation, "before")
        answer = self._mutate(operation, body, pass_on)
        self.on_call(operation, "after")
        if self.apply_then_drop and operation in self.drop_operations and answer is not None and answer.status == 200:
            self.apply_then_drop -= 1
            break_off([environ["werkzeug.socket"]])
        return answer

    def _mutate(self, operation: str, body: dict[str, Any], pass_on: Callable[[], Any]) -> _Answer | None:
        if operation == "CreateIndex":
            check_create_index(body)
            if self._index(body) is not None:
                return _error(409, "ConflictException", "An index with the specified name already exists")
            shape = body["dataType"], body["dimension"], body["distanceMetric"]
            try:  # not by way of moto's own check, which refuses 4,096 dimensions
                self.moto.create_index(body["vectorBucketName"], "", body["indexName"], *shape)
            except VectorBucketNotFound:
                return _error(404, "NotFoundException", "The specified vector bucket could not be found")
            index = self.moto.get_index(body["vectorBucketName"], body["indexName"], "")
            index.creation_time = datetime.datetime.now(datetime.UTC)  # type: ignore[attr-defined]
            index.metadata_configuration = body.get("metadataConfiguration", {})  # type: ignore[attr-defined]
            return _Answer(200, {"indexArn": index.index_arn})
        if operation in WRITES:
            if (index := self._index(body)) is None:
                return _error(404, "NotFoundException", "The specified index could not be found")
            if operation == "PutVectors":
                check_put(body["vectors"], index, non_filterable(index))
                if self.poison is not None and self.refuses(body["vectors"], self.poison):
                    return _error(400, "ValidationException", "Invalid record")
            n = len(body.get("vectors", body.get("keys", ())))
            if not self._within_rate(n):
                return _error(429, "TooManyRequestsException")
            self.n_put += n if operation == "PutVectors" else 0
            self.n_deleted += n if operation == "DeleteVectors" else 0
            self._unseen.append((time.monotonic() + self.visible_after_s, operation, body))
            self._show_what_is_due()
            return _Answer(200, {})
        return pass_on()  # type: ignore[no-any-return]

    def _read(self, operation: str, body: dict[str, Any], pass_on: Callable[[], Any]) -> _Answer | None:
        if operation == "QueryVectors":
            return self._query(body)
        answer: _Answer = pass_on()
        if operation in LIST_PAGE and answer.status == 200:
            field, most = LIST_PAGE[operation]
            rows = answer.body[field]
            most = min(most, self.list_page or most)
            start, size = int(body.get("nextToken") or 0), min(most, body.get("maxResults", 500))
            answer.body = {field: rows[start : start + size]}
            if start + size < len(rows):
                answer.body["nextToken"] = str(start + size)
        return answer

    def _configure(self, body: dict[str, Any]) -> _Answer:
        """Full texts are built at once, unless `builds` says otherwise."""
        if (index := self._index(body)) is None:
            return _error(404, "NotFoundException", "The specified index could not be found")
        told: dict[str, Any] = index.metadata_configuration  # type: ignore[attr-defined]
        status = {"status": "BUILDING" if self.builds else "ACTIVE"}
        told["textSearchConfigurations"] = [one | status for one in body["add"]["textSearchConfigurations"]]
        return _Answer(200, {})

    def _query(self, body: dict[str, Any]) -> _Answer:
        if (index := self._index(body)) is None:
            return _error(404, "NotFoundException", "The specified index could not be found")
        where, texts = body.get("filter"), body.get("queryTexts")
        if (where or texts or body.get("returnMetadata")) and "GetVectors" in self.denied:
            return _error(403, "AccessDeniedException")
        if where:
            check_filter(where, non_filterable(index))
        if texts is not None and "queryVector" not in body:
            check_texts(texts, getattr(index, "metadata_configuration", {}))
            return self._page(index, body, found_by_words(index, body))
        query = np.array(body["queryVector"]["float32"], dtype=np.float32).astype(np.float64)
        if query.shape != (index.dimension,):
            raise Refused(f"the query must have length {index.dimension}")
        keys, rows = self._matrix(index)
        chosen = [i for i, k in enumerate(keys) if not where or matches(where, index.vectors[k].metadata or {})]
        if index.distance_metric == "cosine":
            if not query.any():
                raise Refused("zero vectors have no cosine")
            some = rows[chosen]
            lengths = np.linalg.norm(some, axis=1) * np.linalg.norm(query)
            distances = 1 - (some @ query) / lengths
        else:
            distances = np.linalg.norm(rows[chosen] - query, axis=1)
        order = np.argsort(distances, kind="stable")[: body["topK"]]
        found: list[dict[str, Any]] = []
        for place in order:
            item: dict[str, Any] = {"key": keys[chosen[place]]}
            if body.get("returnDistance"):
                item["distance"] = float(distances[place])
            if body.get("returnMetadata"):
                item["metadata"] = index.vectors[item["key"]].metadata
            found.append(item)
        return self._page(index, body, found)

    def _page(self, index: Index, body: dict[str, Any], found: list[dict[str, Any]]) -> _Answer:
        start = int(body.get("nextToken") or 0)
        end = start + (self.query_page or len(found))
        more = {"nextToken": str(end)} if end < len(found) else {}
        return _Answer(200, {"vectors": found[start:end], "distanceMetric": index.distance_metric, **more})

    def _matrix(self, index: Index) -> tuple[list[str], np.ndarray]:
        if index.index_arn not in self._matrices or len(self._matrices[index.index_arn][0]) != len(index.vectors):
            keys = list(index.vectors)
            rows = np.array([index.vectors[key].data["float32"] for key in keys], dtype=np.float32)
            self._matrices[index.index_arn] = keys, rows.reshape(len(keys), index.dimension).astype(np.float64)
        return self._matrices[index.index_arn]

    def _show_what_is_due(self) -> None:
        while self._unseen and self._unseen[0][0] <= time.monotonic():
            _, operation, body = self._unseen.popleft()
            if (index := self._index(body)) is None:
                continue
            self._matrices.pop(index.index_arn, None)
            bucket, name = body["vectorBucketName"], body["indexName"]
            if operation == "PutVectors":
                self.moto.put_vectors(bucket, name, "", body["vectors"])
            else:
                self.moto.delete_vectors(bucket, name, "", body["keys"])

    def _within_rate(self, n_vectors: int) -> bool:
        now = time.monotonic()
        while self._recent and self._recent[0][0] < now - 1:
            self._recent.popleft()
        if len(self._recent) >= REQUESTS_PER_S or sum(n for _, n in self._recent) + n_vectors > VECTORS_PER_S:
            return False
        self._recent.append((now, n_vectors))
        return True

    def _index(self, body: dict[str, Any]) -> Index | None:
        try:
            return self.moto.get_index(body["vectorBucketName"], body["indexName"], "")
        except IndexNotFound:
            return None


def non_filterable(index: Index) -> frozenset[str]:
    """The metadata keys the index was created with as not filterable."""
    return frozenset(getattr(index, "metadata_configuration", {}).get("nonFilterableMetadataKeys", ()))


class _Answer:
    def __init__(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        self.status, self.body, self.headers = status, body, headers or {}


def _error(status: int, code: str, message: str = SAID) -> _Answer:
    return _Answer(status, {"message": message}, {"x-amzn-ErrorType": code})


class _Server(ThreadedMotoServer):
    """moto's threaded server with our handler before it."""

    def __init__(self, fake: FakeS3Vectors) -> None:
        super().__init__("127.0.0.1", fake.port, verbose=False)
        self._fake = fake
        self._moto_app = MOTO

    def _server_entry(self) -> None:
        self._server = make_server("127.0.0.1", self._port, self._wsgi, True, request_handler=MotoRequestHandler)
        self._server_ready_event.set()
        self._server.serve_forever(poll_interval=0.02)
        self._server.server_close()

    def _wsgi(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        operation = environ["PATH_INFO"].strip("/")
        raw = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))

        def pass_on() -> _Answer:
            environ["wsgi.input"] = io.BytesIO(raw)
            said: dict[str, Any] = {}

            def remember(status: str, headers: list[tuple[str, str]], *_: Any) -> None:
                said.update(status=int(status.split()[0]), headers=dict(headers))

            body = b"".join(self._moto_app(environ, remember))
            kept = {k: v for k, v in said["headers"].items() if k.lower().startswith("x-amzn")}
            return _Answer(said["status"], json.loads(body or b"{}"), kept)

        time.sleep(self._fake.latency_s)
        answer = self._fake.handle(operation, raw, environ, pass_on)
        assert answer is not None
        payload = json.dumps(answer.body).encode()
        headers = {"content-type": "application/json", "content-length": str(len(payload)), **answer.headers}
        start_response(f"{answer.status} -", list(headers.items()))
        return [payload]


if __name__ == "__main__":
    with FakeS3Vectors(int(sys.argv[1]) if len(sys.argv) > 1 else 0) as service:
        print(f"endpoint: {service.url}   (what it holds is forgotten when it ends)")
        for name, value in CREDENTIALS.items():
            print(f"export {name}={os.environ.get(name, value)}")
        sys.stdout.flush()
        threading.Event().wait()
