"""
Amazon S3 on 127.0.0.1, as far as segments need it: objects, conditions, listings in pages; and faults.

    with FakeS3("my-bucket") as fake:
        fake.fail(503, "SlowDown", times=3)
        ...

Small, and not moto's, because checks send thousands of requests; `tests/unit/backends/test_fake_s3.py` holds it against
moto's. Knobs may be set at any time, from any thread. To try by hand: python -m tests.fakes.s3 5998
"""

from __future__ import annotations

import hashlib
import os
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

from tests.fakes.credentials import CREDENTIALS

WRITES = frozenset({"PutObject", "DeleteObject"})
NAMES = {"GET": "GetObject", "PUT": "PutObject", "DELETE": "DeleteObject"}
PAGE = 1_000


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes = b""
    etag: str = ""


def refused(status: int, code: str) -> Answer:
    text = f"<Error><Code>{code}</Code><Message>said by the fake</Message></Error>" if code else "<html>no</html>"
    return Answer(status, b"" if status == 304 else text.encode())


class FakeS3:
    """A service with some buckets, absent until `start()` or `with`; port and objects stay over restarts."""

    def __init__(self, *buckets: str, port: int = 0) -> None:
        self.buckets: dict[str, dict[str, bytes]] = {name: {} for name in buckets}
        self.calls: Counter[str] = Counter()
        self.n_bytes: Counter[str] = Counter()
        """Of bodies that were sent here by PutObject, and from here by GetObject."""
        self.every_second: tuple[int, str] | None = None
        """(status, code): every second request is answered so and does nothing."""
        self.denied: frozenset[str] = frozenset()
        """Operations the caller has no permission for."""
        self.only_key: str | None = None
        """The one access key whose credentials have not expired."""
        self.apply_then_drop = 0
        """So many of `WRITES` are applied, and their connections cut before an answer."""
        self.drop_key = ""
        """Only on keys that end so."""
        self.broken_off = 0
        """So many bodies of GetObject end in the middle."""
        self.honours_conditions = True
        self.has_conditions = True
        """Else a request with one is answered that it is not implemented."""
        self.page = PAGE
        self.latency_s = 0.0
        self.on_call: Callable[[str, str], None] = lambda operation, key: None
        """Called with ('PutObject', key) before it is done."""
        self._faults: deque[tuple[int, str, frozenset[str], str]] = deque()
        self._lock = threading.RLock()
        self._server: _Server | None = None
        with _Server(("127.0.0.1", port), _Handler) as probe:
            self.port = probe.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self) -> FakeS3:
        self._server = _Server(("127.0.0.1", self.port), _Handler)
        self._server.fake = self
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server.cut()
            self._server = None

    def __enter__(self) -> FakeS3:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def fail(
        self, status: int, code: str, *, times: int = 1, operations: Iterable[str] = (), key: str = ""
    ) -> None:  # fmt: skip
        """Answer the next `times` requests (of these operations, on keys that end so) with an error, doing nothing."""
        with self._lock:
            self._faults.extend([(status, code, frozenset(operations), key)] * times)

    def fail_no_more(self) -> None:
        with self._lock:
            self._faults.clear()

    def n_failing(self) -> int:
        return len(self._faults)

    # -- requests ----------------------------------------------------------------------------------

    def answer(self, method: str, url: str, headers: Any, body: bytes) -> tuple[Answer, bool]:
        """What to answer, and whether to cut the connection instead."""
        parts = urlsplit(url)
        bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
        asked = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        operation = "ListObjectsV2" if "list-type" in asked else NAMES.get(method, method)
        time.sleep(self.latency_s)
        if not (fault := self._fault(operation, key, headers.get("Authorization", ""))):
            self.on_call(operation, key)
        with self._lock:
            self.calls[operation] += 1
            if fault:
                return fault, False
            if bucket not in self.buckets:
                return refused(404, "NoSuchBucket"), False
            answer = self._done(operation, self.buckets[bucket], key, headers, body, asked)
            if operation in WRITES and answer.status < 300 and self.apply_then_drop and key.endswith(self.drop_key):
                self.apply_then_drop -= 1
                return answer, True
            return answer, False

    def _fault(self, operation: str, key: str, signed: str) -> Answer | None:
        with self._lock:
            if self.every_second and sum(self.calls.values()) % 2:
                return refused(*self.every_second)
            for i, (status, code, operations, ends) in enumerate(self._faults):
                if (not operations or operation in operations) and key.endswith(ends):
                    del self._faults[i]
                    return refused(status, code)
        if self.only_key and f"Credential={self.only_key}/" not in signed:
            return refused(400, "ExpiredToken")
        return refused(403, "AccessDenied") if operation in self.denied else None

    def _done(
        self, operation: str, objects: dict[str, bytes], key: str, headers: Any, body: bytes, asked: dict[str, str]
    ) -> Answer:  # fmt: skip
        held = objects.get(key)
        if operation == "ListObjectsV2":
            return self._listed(objects, asked)
        if operation == "PutObject":
            if clash := self._clash(held, headers.get("If-Match"), headers.get("If-None-Match")):
                return clash
            objects[key] = body
            self.n_bytes[operation] += len(body)
            return Answer(200, etag=etag(body))
        if operation == "DeleteObject":
            objects.pop(key, None)
            return Answer(204)
        if held is None:
            return refused(404, "NoSuchKey")
        if headers.get("If-None-Match") == etag(held):
            return Answer(304, etag=etag(held))
        self.n_bytes[operation] += len(held)
        return Answer(200, held, etag(held))

    def _clash(self, held: bytes | None, match: str | None, none_match: str | None) -> Answer | None:
        if not (match or none_match) or not self.honours_conditions:
            return None
        if not self.has_conditions:
            return refused(501, "NotImplemented")
        if match and held is None:
            return refused(404, "NoSuchKey")
        clashes = (none_match and held is not None) or (match and held is not None and match != etag(held))
        return refused(412, "PreconditionFailed") if clashes else None

    def _listed(self, objects: dict[str, bytes], asked: dict[str, str]) -> Answer:
        prefix, delimiter = asked.get("prefix", ""), asked.get("delimiter", "")
        rows: dict[str, int | None] = {}
        for key in sorted(key for key in objects if key.startswith(prefix)):
            inside, found, _ = key[len(prefix) :].partition(delimiter) if delimiter else (key, "", "")
            if found:
                rows[prefix + inside + delimiter] = None
            else:
                rows[key] = len(objects[key])
        after = unquote(asked.get("continuation-token", ""))
        left = [name for name in rows if name > after]
        shown, more = left[: self.page], left[self.page :]
        xml = "".join(
            f"<CommonPrefixes><Prefix>{coded(name)}</Prefix></CommonPrefixes>"
            if rows[name] is None
            else f"<Contents><Key>{coded(name)}</Key><Size>{rows[name]}</Size></Contents>"
            for name in shown
        )
        if more:
            xml += f"<NextContinuationToken>{coded(shown[-1])}</NextContinuationToken>"
        head = f"<EncodingType>url</EncodingType><IsTruncated>{str(bool(more)).lower()}</IsTruncated>"
        return Answer(200, f"<ListBucketResult>{head}{xml}</ListBucketResult>".encode())


def etag(content: bytes) -> str:
    return f'"{hashlib.md5(content).hexdigest()}"'


def coded(name: str) -> str:
    return escape(quote(name, safe="/"))


class _Server(ThreadingHTTPServer):
    fake: FakeS3
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, *given: Any) -> None:
        self._open: set[Any] = set()
        super().__init__(*given)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def cut(self) -> None:
        """End connections that clients keep: a service that is gone answers on none of them."""
        for request in list(self._open):
            super().shutdown_request(request)

    def handle_error(self, *_: object) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fake = self.server.fake
        answer, drop = fake.answer(self.command, self.path, self.headers, body)
        if drop:
            self.close_connection = True
            return
        lines = [f"HTTP/1.1 {answer.status} -", f"Content-Length: {len(answer.body)}", "Content-Type: application/xml"]
        lines += [f"ETag: {answer.etag}"] if answer.etag else []
        if self.command == "GET" and answer.etag and answer.body and fake.broken_off:
            fake.broken_off -= 1
            answer = Answer(answer.status, answer.body[: len(answer.body) // 2])
            self.close_connection = True
        self.wfile.write("\r\n".join([*lines, "", ""]).encode() + answer.body)

    do_GET = do_PUT = do_DELETE = do_HEAD = _serve

    def log_message(self, *_: object) -> None:
        """Nothing."""


if __name__ == "__main__":
    with FakeS3("my-bucket", port=int(sys.argv[1]) if len(sys.argv) > 1 else 0) as service:
        print(f"endpoint: {service.url}, bucket: my-bucket   (what it holds is forgotten when it ends)")
        for name, value in CREDENTIALS.items():
            print(f"export {name}={os.environ.get(name, value)}")
        sys.stdout.flush()
        threading.Event().wait()
