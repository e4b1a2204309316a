"""A daemon that knows names and nothing else, over the protocol of the real one."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        method, target, _ = self.rfile.readline().decode().split(" ", 2)
        length = 0
        while (line := self.rfile.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode().partition(":")
            length = int(value) if name.lower() == "content-length" else length
        server: Any = self.server
        body = json.dumps(server.answer(f"{method} {target}", json.loads(self.rfile.read(length) or b"{}"))).encode()
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


class Named(socketserver.ThreadingUnixStreamServer):
    """Answers `POST /v1/names` with those of `names`, by kind, that begin with what was asked for, in any case."""

    daemon_threads = True

    def __init__(self, path: Path, names: Mapping[str, Sequence[str]]) -> None:
        self.names, self.asked = names, list[dict[str, Any]]()
        super().__init__(str(path), _Handler)

    def answer(self, asked: str, body: dict[str, Any]) -> Any:
        assert asked == "POST /v1/names"
        self.asked.append(body)
        prefix = body["prefix"].lower()
        found = sorted(name for name in self.names.get(body["kind"], ()) if name.lower().startswith(prefix))
        return {"names": found[: body["limit"]], "whole": len(found) <= body["limit"]}


@contextmanager
def named(path: Path, names: Mapping[str, Sequence[str]]) -> Iterator[Named]:
    """One that answers at `path`."""
    with Named(path, names) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
