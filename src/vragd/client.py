"""
The only code that opens the socket. Standard library only, and little of it: importing http.client, with ssl and
email, or h11 takes several times as long as an answer.

    Client("/run/user/1000/vragd/vragd.sock").request("POST", "/v1/query", {"text": "coffee"})
"""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

from vragd import errors
from vragd.errors import NoDaemon, VragdError

_LINE_BYTES = 65_536


class Client:
    """Talks to the daemon at `path`. One connection a request; safe to use from several threads."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    def request(self, method: str, target: str, body: Any = None, *, timeout_s: float = 35.0) -> Any:
        """
        The decoded answer. Raises NoDaemon when nobody answers, and the error the daemon answered with.
        """
        data = b"" if body is None else json.dumps(body).encode()
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(timeout_s)
                connection.connect(str(self.path))
                status, raw = _exchange(connection, method, target, data)
        except TimeoutError as error:
            raise NoDaemon(
                f"the daemon at {self.path} did not answer within {timeout_s:g} s", hint="see its log"
            ) from error
        except OSError as error:
            raise _unreachable(self.path, error) from error
        except (ValueError, IndexError) as error:
            raise _stranger("no HTTP") from error
        return _decode(status, raw)


def _exchange(connection: socket.socket, method: str, target: str, data: bytes) -> tuple[int, bytes]:
    """One request and its whole answer: status and body. Raises ValueError for what is not HTTP."""
    head = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    try:
        connection.sendall(head.encode("ascii") + data)
    except (BrokenPipeError, ConnectionResetError):
        pass  # refused while we were still sending: the answer says why
    with connection.makefile("rb") as answer:
        line = answer.readline(_LINE_BYTES)
        if not line:
            raise ConnectionResetError
        status, length = int(line.split(b" ")[1]), -1
        while (line := answer.readline(_LINE_BYTES)) not in (b"\r\n", b""):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        body = answer.read(length)
    if length < 0 or len(body) < length:
        raise ConnectionResetError
    return status, body


def _unreachable(path: Path, error: Exception) -> NoDaemon:
    if isinstance(error, FileNotFoundError | ConnectionRefusedError):
        return NoDaemon(f"no vragd is running (nothing answers at {path})", hint="vragd run")
    if isinstance(error, PermissionError):
        return NoDaemon(f"the socket {path} belongs to another user", hint="run as the user whose daemon it is")
    reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else type(error).__name__
    return NoDaemon(f"the daemon at {path} broke off: {reason}", hint="see its log")


def _stranger(answered: str) -> NoDaemon:
    return NoDaemon(f"what answers ({answered}) is not vragd", hint="check paths.socket")


def _decode(status: int, raw: bytes) -> Any:
    try:
        answer = json.loads(raw)
    except ValueError:
        raise _stranger(f"status {status}") from None
    if status == 200:
        return answer
    found = answer.get("error", {}) if isinstance(answer, dict) else {}
    raise error_of(found.get("code", "failed"), found.get("message", f"status {status}"), found.get("hint", ""))


def error_of(code: str, message: str, hint: str) -> VragdError:
    """The error an answer names, as the class it was before it crossed the socket."""
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, VragdError) and kind.code == code:
            return kind(message, hint=hint)
    return VragdError(message, hint=hint)
