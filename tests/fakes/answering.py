"""What stand-ins of servers share that answer HTTP with JSON on 127.0.0.1."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections import deque
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from tests.fakes.sockets import break_off


class Answering:
    """A server that is absent until `start()` or `with`; its port and what it holds stay over restarts."""

    def __init__(self, port: int = 0) -> None:
        if not port:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
        self.port, self.host = port, f"127.0.0.1:{port}"
        self.tls: ssl.SSLContext | None = None
        """Before `start`: it speaks TLS."""
        self.lock = threading.RLock()
        self._faults: deque[tuple[int, bytes]] = deque()
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> Self:
        self._server = _Server(("127.0.0.1", self.port), _handler(self))
        if self.tls is not None:
            self._server.socket = self.tls.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def fail(self, status: int, body: object, times: int = 1) -> None:
        """The next requests are answered so and do nothing. `body`: JSON, or bytes."""
        with self.lock:
            self._faults.extend([(status, body if isinstance(body, bytes) else json.dumps(body).encode())] * times)

    def forgive(self) -> None:
        """No request fails any more that was to."""
        with self.lock:
            self._faults.clear()

    def planted(self) -> tuple[int, bytes] | None:
        """How this request is to fail."""
        with self.lock:
            return self._faults.popleft() if self._faults else None

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> tuple[int, Any]:
        """Status, and what is sent as JSON, or as it is where it is bytes. 0: the connection is cut."""
        raise NotImplementedError


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.open: set[socket.socket] = set()

    def server_close(self) -> None:
        super().server_close()
        break_off(self.open)

    def handle_error(self, *_: object) -> None:
        """A client that has gone is none of ours."""


def _handler(node: Answering) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def setup(self) -> None:
            super().setup()
            self.server.open.add(self.connection)  # type: ignore[attr-defined]

        def finish(self) -> None:
            self.server.open.discard(self.connection)  # type: ignore[attr-defined]
            super().finish()

        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, found = node.answer(self.command, self.path, dict(self.headers), body)
            if not status:
                self.close_connection = True
                return
            content = found if isinstance(found, bytes) else json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_POST = do_DELETE = _any

        def log_message(self, *_: object) -> None:
            """Nothing on the terminal."""

    return Handler
