"""Clients that mean harm or do not care, and what of a daemon they could use up."""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from tests.harness import Vragd

CHUNKED = b"POST /v1/query HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
LISTENING = "01"


def connect(daemon: Vragd) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(30)
    connection.connect(str(daemon.socket))
    return connection


def rest(connection: socket.socket) -> bytes:
    """What comes until the daemon closes, or breaks off because it was not listening any longer."""
    parts = []
    try:
        while part := connection.recv(65_536):
            parts.append(part)
    except ConnectionResetError:
        pass
    answer = b"".join(parts)
    assert b"Traceback" not in answer
    return answer


def post(body: bytes, target: str = "/v1/query", *, length: int | None = None) -> bytes:
    head = f"POST {target} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body) if length is None else length}\r\n\r\n"
    return head.encode() + body


def ask(daemon: Vragd, raw: bytes) -> bytes:
    with connect(daemon) as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        return rest(connection)


def pump(connection: socket.socket, parts: Iterator[bytes]) -> int:
    """Send until all is sent or the daemon has enough; how many bytes it took."""
    sent = 0
    try:
        for part in parts:
            connection.sendall(part)
            sent += len(part)
    except (BrokenPipeError, ConnectionResetError):
        pass
    return sent


class Slow:
    """A client that says `first`, then `drip` again and again, and reads what comes if it `reads`."""

    def __init__(self, daemon: Vragd, first: bytes, drip: bytes = b"", *, reads: bool = True) -> None:
        self.connection, self.drip, self.reads = connect(daemon), drip, reads
        self.connection.setblocking(False)
        self.answer, self.ended_s = b"", 0.0
        self.began = time.monotonic()
        self._say(first)

    def _say(self, what: bytes) -> None:
        try:
            while what:
                what = what[self.connection.send(what) :]
        except BlockingIOError:
            return
        except (BrokenPipeError, ConnectionResetError):
            self.ended_s = time.monotonic() - self.began

    def step(self) -> bool:
        """Whether the daemon has ended it."""
        if self.ended_s:
            return True
        if self.reads and select.select([self.connection], [], [], 0)[0]:
            try:
                part = self.connection.recv(65_536)
            except ConnectionResetError:
                part = b""
            self.answer += part
            if not part:
                self.ended_s = time.monotonic() - self.began
                return True
        self._say(self.drip)
        return False


def n_fds(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def n_connections(path: Path) -> int:
    """How many are connected to the socket at `path`, or wait for that, as the kernel lists them."""
    lines = Path("/proc/net/unix").read_text().splitlines()
    return sum(line.split()[5] != LISTENING and line.endswith(f" {path}") for line in lines[1:])


def rss_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
