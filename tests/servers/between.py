"""What stands between a daemon and its server, and has faults when it is told to. Knobs may be set from any thread."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Self

from tests.fakes.answering import Answering
from tests.fakes.sockets import break_off


class Faults:
    """Those that both kinds have."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.throttles = False
        """Every second call is answered that the server is busy, and does nothing."""
        self.apply_then_drop = 0
        """So many writes are carried out, and their connections cut before an answer."""
        self.before_write: Callable[[], object] = lambda: None
        """Called with each write, before it is passed on."""
        self._n_calls = 0
        self._counting = threading.Lock()

    def is_throttled(self) -> bool:
        """Whether the call that comes now is to be refused."""
        with self._counting:
            self._n_calls += 1
            return self.throttles and self._n_calls % 2 == 0

    def is_dropped(self) -> bool:
        """Whether nothing is to be said of the write that comes now."""
        with self._counting:
            self.apply_then_drop -= (drops := self.apply_then_drop > 0)
            return drops


class BetweenHttp(Answering):
    """Before a node of OpenSearch or Elasticsearch. `calls` counts by the last part of the path, such as `_bulk`."""

    def __init__(self, upstream: str) -> None:
        super().__init__()
        self.faults = Faults()
        self.refuses = False
        """Whoever asks is told that the credentials are not accepted."""
        self._upstream = upstream

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> tuple[int, Any]:
        name = target.partition("?")[0].rpartition("/")[2]
        self.faults.calls[name if name.startswith("_") else method] += 1
        if self.refuses:
            return 401, {"error": {"type": "security_exception", "reason": "planted"}, "status": 401}
        if self.faults.is_throttled():
            return 429, {"error": {"type": "circuit_breaking_exception", "reason": "planted"}, "status": 429}
        if name == "_bulk":
            self.faults.before_write()
        try:
            status, said = self._passed_on(method, target, headers, body)
        except (OSError, http.client.HTTPException):
            return 0, None
        return (0, None) if name == "_bulk" and self.faults.is_dropped() else (status, said)

    def _passed_on(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        kept = {name: value for name, value in headers.items() if name.lower() in ("content-type", "accept")}
        connection = http.client.HTTPConnection(self._upstream, timeout=60)
        try:
            connection.request(method, target, body or None, kept)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


ENCRYPTION = (80877103, 80877104)  # SSLRequest, GSSENCRequest
BUSY = b"SERROR\0VERROR\0C53300\0Mplanted\0\0"


class BetweenPostgres:
    """
    Before a PostgreSQL, message by message; between `with` and its end. A call is a transaction; `calls` counts by the
    first word of a statement.
    """

    def __init__(self, port: int) -> None:
        self.faults = Faults()
        self._upstream = port
        self._door = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._door.getsockname()[1]}"
        self._open = list[socket.socket]()

    def __enter__(self) -> Self:
        threading.Thread(target=self._welcome, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()
        break_off(self._open)

    def _welcome(self) -> None:
        while True:
            try:
                client, _ = self._door.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._upstream), 10)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            self._open += [client, server]
            threading.Thread(target=_Session(self.faults, client, server).run, daemon=True).start()


class _Session:
    def __init__(self, faults: Faults, client: socket.socket, server: socket.socket) -> None:
        self._faults, self._client, self._server = faults, client, server
        self._status = b"I"
        self._has_written = self._drops = False

    def run(self) -> None:
        back = threading.Thread(target=self._back, daemon=True)
        with self._client, self._server:
            with suppress(OSError):
                self._begin()
                back.start()
                self._forth()
            self._cut()
            if back.ident is not None:
                back.join()

    def _begin(self) -> None:
        """What has no kind: to encrypt, which this server does not, and who it is."""
        while True:
            length = _exactly(self._client, 4)
            packet = _exactly(self._client, struct.unpack("!i", length)[0] - 4)
            self._server.sendall(length + packet)
            if struct.unpack("!i", packet[:4])[0] not in ENCRYPTION:
                return
            self._client.sendall(_exactly(self._server, 1))

    def _forth(self) -> None:
        unit = b""
        while True:
            kind, body = _message(self._client)
            unit += kind + struct.pack("!i", len(body) + 4) + body
            if kind in b"QP":
                self._count(body if kind == b"Q" else body.partition(b"\0")[2])
            if kind == b"Q" and body.startswith(b"BEGIN") and self._faults.is_throttled():
                self._client.sendall(_packed(b"E", BUSY) + _packed(b"Z", self._status))
                unit = b""
            if kind in b"QSHpdcfX":  # else more belongs to it
                self._server.sendall(unit)
                unit = b""

    def _count(self, statement: bytes) -> None:
        word = statement.split(None, 1)[0].rstrip(b";\0").decode("ascii", "replace").upper()
        self._faults.calls[word] += 1
        if word in ("INSERT", "COPY", "DELETE", "UPDATE"):
            self._has_written = True
            self._faults.before_write()
        elif word == "COMMIT" and self._has_written:
            self._has_written, self._drops = False, self._faults.is_dropped()

    def _back(self) -> None:
        with suppress(OSError):
            while True:
                kind, body = _message(self._server)
                if kind == b"Z":
                    self._status = body
                if not self._drops:
                    self._client.sendall(_packed(kind, body))
                elif kind == b"Z":
                    break
        self._cut()

    def _cut(self) -> None:
        break_off({self._client, self._server})


def _packed(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def _message(source: socket.socket) -> tuple[bytes, bytes]:
    """Its kind, and what it says. Raises OSError at the end of the conversation."""
    head = _exactly(source, 5)
    return head[:1], _exactly(source, struct.unpack("!i", head[1:])[0] - 4)


def _exactly(source: socket.socket, n: int) -> bytes:
    found = b""
    while len(found) < n:
        if not (some := source.recv(n - len(found))):
            raise ConnectionResetError("the end")
        found += some
    return found
