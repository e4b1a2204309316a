"""
An Ollama server on 127.0.0.1 that speaks the real one's JSON (0.17), with knobs for its real faults.

    with FakeOllama() as fake:
        fake.poison = "cursed"
        ...

Knobs are plain attributes and may be set at any time, from any thread.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import select
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, ClassVar, cast

from tests.fakes.ollama_rules import full_name, not_found, texts_of, unreadable
from tests.fakes.sockets import break_off

_LOOKED_AT = ("/", "/api/version", "/api/tags")
_ROUTES = dict.fromkeys(_LOOKED_AT, ("GET", "HEAD")) | dict.fromkeys(("/api/show", "/api/embed"), ("POST",))

Answer = tuple[int, Any]  # status; JSON, or bytes to send as they are

NAN = "embedding contains NaN or Inf values"
TOO_LONG = "the input length exceeds the context length"
FIRST_DIGEST = "a" * 64


@dataclass(frozen=True)
class Request:
    """One request as it came, before any fault."""

    path: str
    body: Mapping[str, Any]


@dataclass
class FakeOllama:
    """A server that is absent until `start()` or `with`; its port stays the same over restarts."""

    embed_path: ClassVar[str] = "/api/embed"
    vectors_key: ClassVar[str] = "embeddings"
    routes: ClassVar[Mapping[str, tuple[str, ...]]] = _ROUTES

    port: int = 0
    dimension: int = 64
    models: set[str] = field(default_factory=lambda: {"fake-embed:latest"})
    digest: str = FIRST_DIGEST
    """Of the weights behind every name: others make other vectors."""
    context_chars: int | None = None
    """Longest text the model takes, prompt included; longer is cut, or refused when truncate is false."""

    stubborn: str | None = None
    """A text with this word that is longer is refused even where it may be cut, as of many symbols."""
    load_s: float | None = None
    """How long an unloaded model takes to load; whoever waits for it and leaves ends the load. None: it is loaded."""

    delay_s: float = 0.0
    """Every answer comes this much later."""
    hang: bool | str = False
    """No request, or none to this path, is answered until `release()` or `stop()`."""
    hang_word: str | None = None
    """As `hang`, for requests to embed a text with this word."""
    poison: str | None = None
    """A text with this word fails its whole batch, as a NaN does in Ollama."""
    wrong_count: bool = False
    """The last vector is missing."""
    wrong_dimension: bool = False
    """Every vector is one number short."""
    nan: bool = False
    """The first vector holds a NaN."""
    zero: bool = False
    """The first vector is all zeros."""
    null: bool = False
    """The first vector is null."""
    garbage: bytes | None = None
    """This is the body of every answer, with status 200."""
    redirect_to: str | None = None
    """Every answer is a redirect to the same path of this server."""
    error_page: tuple[int, bytes] | None = None
    """Every request to embed is answered with this status and body, as by a proxy before Ollama."""
    truncated: bool = False
    """Every answer with vectors ends in the middle, and its length says that this is all."""
    reset: bool = False
    """The connection of every answer with vectors is reset in the middle of it."""
    on_embed: Callable[[Sequence[str]], None] = lambda texts: None
    """Called with the texts of a request to embed before anything is made of it; may turn knobs."""

    requests: list[Request] = field(default_factory=list)
    embedded_texts: list[str] = field(default_factory=list)
    """Texts that got a vector, prompts included, in the order of the answers."""
    extra_headers: dict[str, str] = field(default_factory=dict)
    """Sent with every answer that is no success."""
    headers: list[Mapping[str, str]] = field(default_factory=list)
    """Those of every request, names in lower case."""
    loaded: bool = False
    """Whether the model is in memory; set to False it is unloaded, as after `keep_alive`."""
    n_loads: int = 0
    n_loads_aborted: int = 0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._failures: deque[tuple[str, Answer]] = deque()
        self._released = threading.Event()
        self._stopped = threading.Event()
        self._hanging = threading.Event()
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        if not self.port:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.port = probe.getsockname()[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> FakeOllama:
        self._released.clear()
        self._stopped.clear()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="fake-ollama")
        self._thread.start()
        return self

    def stop(self) -> None:
        """Gone, as after a kill: open connections break off, unanswered requests stay unanswered."""
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._thread.join()
        self._server.break_off()
        self._released.set()
        self._stopped.set()
        self._server.server_close()  # joins the handlers
        self._server = None

    def __enter__(self) -> FakeOllama:
        return self if self._server else self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def fail_next(self, n: int, status: int, error: str | bytes, *, path: str = "") -> None:
        """The next `n` requests to `path` (to embed) fail: a str is put in JSON, bytes are sent as they are."""
        body = error if isinstance(error, bytes) else {"error": error}
        with self._lock:
            self._failures.extend([(path or self.embed_path, (status, body))] * n)

    def n_failing(self) -> int:
        """How many requests are yet to fail."""
        return len(self._failures)

    def fail_no_more(self) -> None:
        self._failures.clear()

    def forget_requests(self) -> None:
        """What it was asked so far."""
        with self._lock:
            self.requests.clear()
            self.embedded_texts.clear()

    def release(self) -> None:
        """Answer what hangs, and let nothing hang from now on."""
        self.hang, self.hang_word = False, None
        self._released.set()
        self._hanging.clear()

    def wait_until_hanging(self, timeout_s: float = 10.0) -> None:
        """Return when a request hangs; AssertionError after `timeout_s`."""
        assert self._hanging.wait(timeout_s), "no request came to hang"

    def count(self, path: str) -> int:
        """How many requests came to `path`."""
        with self._lock:
            return sum(request.path == path for request in self.requests)

    def embed_batches(self) -> list[list[str]]:
        """The texts of every request to embed, also of those that failed."""
        with self._lock:
            bodies = [request.body for request in self.requests if request.path == self.embed_path]
        return [texts_of(body) for body in bodies]

    def vector(self, text: str, digest: str | None = None) -> list[float]:
        """The unit vector of `text` by the weights of `digest`: its hashed words, so texts that share some are near."""
        row = [0.0] * self.dimension
        weights = digest or self.digest
        salt = b"" if weights == FIRST_DIGEST else weights.encode()[:16]
        for word in ["", *re.findall(r"\w+", text.lower())]:  # "": no text is a zero vector
            hashed = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8, salt=salt).digest(), "big")
            row[hashed % self.dimension] += 0.1 if not word else 1.0
        norm = math.sqrt(sum(value * value for value in row))
        return [value / norm for value in row]

    def answer(self, path: str, body: Mapping[str, Any]) -> Answer:
        """What to send for a request. Called by the handlers' threads."""
        with self._lock:
            self.requests.append(Request(path, body))
        if path == self.embed_path:
            self.on_embed(texts_of(body))
        self._dawdle(path, body)
        with self._lock:
            for index, (failing, failure) in enumerate(self._failures):
                if failing == path:
                    del self._failures[index]
                    return failure
        if self.redirect_to is not None:
            return 307, b""
        if self.garbage is not None:
            return 200, self.garbage
        if self.error_page is not None and path == self.embed_path:
            return self.error_page
        return self.answered(path, body)

    def answered(self, path: str, body: Mapping[str, Any]) -> Answer:
        """What to send where nothing is wrong."""
        if path == "/":
            return 200, b"Ollama is running"
        if path == "/api/version":
            return 200, {"version": "0.17.4"}
        if path == "/api/tags":
            return 200, {"models": [self._described(name) for name in sorted(self.models)]}
        if path not in ("/api/show", "/api/embed"):
            return 404, b"404 page not found"
        if path == "/api/embed" and (error := unreadable(body)):
            return 400, {"error": error}
        model = str(body.get("model", ""))
        if full_name(model) not in {full_name(known) for known in self.models}:
            return not_found(path, model)
        return (200, self._shown()) if path == "/api/show" else self._embed(model, body)

    def wait_for_load(self, path: str, body: Mapping[str, Any], connection: socket.socket) -> bool:
        """
        Load the model a request needs; False if its client left before that was done, and the load with it.

        As the real one: after the request was understood and its model found, before anything is embedded.
        """
        known = full_name(str(body.get("model", ""))) in {full_name(name) for name in self.models}
        if self.load_s is None or self.loaded or path != self.embed_path or not known or unreadable(body):
            return True
        with self._lock:
            self.n_loads += 1
        end = time.monotonic() + self.load_s
        while time.monotonic() < end and not self._stopped.is_set():
            readable, _, _ = select.select([connection], [], [], 0.02)
            if readable and not connection.recv(1, socket.MSG_PEEK):
                with self._lock:
                    self.n_loads_aborted += 1
                return False
        self.loaded = True
        return True

    def _dawdle(self, path: str, body: Mapping[str, Any]) -> None:
        word, hangs = self.hang_word, self.hang in (True, path)
        if hangs or (word and path == self.embed_path and any(word in text for text in texts_of(body))):
            self._released.clear()
            self._hanging.set()
            self._released.wait()
        elif self.delay_s:
            self._stopped.wait(self.delay_s)

    def _embed(self, model: str, body: Mapping[str, Any]) -> Answer:
        texts = texts_of(body)
        if not texts:
            return 200, {"model": model, "embeddings": []}
        limit = self.context_chars
        if limit is not None and any(len(text) > limit for text in texts):
            stubborn = self.stubborn is not None and any(self.stubborn in text for text in texts)
            if body.get("truncate") is False or stubborn:
                return 400, {"error": TOO_LONG}
            texts = [text[:limit] for text in texts]
        if self.poison and any(self.poison in text for text in texts):
            return 400, {"error": NAN}
        vectors = self.spoilt([self.vector(text) for text in texts])
        with self._lock:
            self.embedded_texts.extend(texts)
        durations = {"total_duration": 14143917, "load_duration": 1019500, "prompt_eval_count": 8}
        return 200, {"model": model, "embeddings": vectors, **durations}

    def spoilt(self, vectors: list[list[float]]) -> Sequence[list[float] | None]:
        if self.nan:
            vectors[0][0] = math.nan
        if self.zero:
            vectors[0] = [0.0] * self.dimension
        if self.wrong_dimension:
            vectors = [row[:-1] for row in vectors]
        if self.wrong_count:
            vectors = vectors[:-1]
        return [None, *vectors[1:]] if self.null else vectors

    def _described(self, name: str) -> dict[str, Any]:
        return {
            "name": name,
            "model": name,
            "modified_at": "2026-01-02T03:04:05.678901234+01:00",
            "size": 274302450,
            "digest": self.digest,
            "details": self._details(),
        }

    def _shown(self) -> dict[str, Any]:
        info = {"general.architecture": "bert", "bert.embedding_length": self.dimension}
        return {"details": self._details(), "model_info": info, "capabilities": ["embedding"]}

    def _details(self) -> dict[str, Any]:
        family = {"family": "bert", "families": ["bert"], "parameter_size": "23M"}
        return {"parent_model": "", "format": "gguf", "quantization_level": "F16", **family}


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that server_close() joins them

    def __init__(self, fake: FakeOllama) -> None:
        self.fake = fake
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__(("127.0.0.1", fake.port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._open_lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def break_off(self) -> None:
        with self._open_lock:
            break_off(self._open)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Quiet: a client that gave up is what the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one write for an answer, or a delayed ACK costs 40 ms
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._serve({})

    def do_HEAD(self) -> None:
        self._serve({})

    def do_POST(self) -> None:
        self._serve(json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}"))

    def _serve(self, body: Mapping[str, Any]) -> None:
        fake = cast(_Server, self.server).fake
        fake.headers.append({name.lower(): value for name, value in self.headers.items()})
        if (self.path in fake.routes) and self.command not in fake.routes[self.path]:
            status, answer = 405, b"405 method not allowed"
        elif not fake.wait_for_load(self.path, body, self.connection):
            self.close_connection = True
            return
        else:
            status, answer = fake.answer(self.path, body)
        content = answer if isinstance(answer, bytes) else json.dumps(answer, separators=(",", ":")).encode()
        is_vectors = isinstance(answer, dict) and fake.vectors_key in answer
        if fake.truncated and is_vectors:
            content = content[: len(content) // 2]
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if isinstance(answer, bytes) else "application/json")
        self.send_header("Content-Length", str(len(content)))
        for name, value in fake.extra_headers.items() if status != 200 else ():
            self.send_header(name, value)
        if fake.redirect_to is not None:
            self.send_header("Location", fake.redirect_to + self.path)
        self.end_headers()
        if self.command == "HEAD":
            return
        if fake.reset and is_vectors:
            self.wfile.write(content[: len(content) // 2])
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()  # lingering for no time, which sends a reset
            self.close_connection = True
            return
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Quiet."""
