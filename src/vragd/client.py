"""
The only code that opens the socket. Standard library and h11 only, so that a query costs few imports: those
of http.client, which brings ssl and email, take longer than an answer.

    Client("/run/user/1000/vragd/vragd.sock").request("POST", "/v1/query", {"text": "coffee"})
"""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

import h11

from vragd import errors
from vragd.errors import NoDaemon, VragdError

READ_BYTES = 65_536


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
        except (OSError, h11.RemoteProtocolError) as error:
            raise _unreachable(self.path, error) from error
        return _decode(status, raw)


def _exchange(connection: socket.socket, method: str, target: str, data: bytes) -> tuple[int, bytes]:
    """One request and its whole answer: status and body."""
    protocol = h11.Connection(h11.CLIENT)
    headers = [
        ("host", "localhost"),
        ("connection", "close"),
        ("content-type", "application/json"),
        ("content-length", str(len(data))),
    ]
    head = protocol.send(h11.Request(method=method, target=target, headers=headers))
    sent = (protocol.send(h11.Data(data=data)), protocol.send(h11.EndOfMessage()))
    try:
        connection.sendall(b"".join(part or b"" for part in (head, *sent)))
    except (BrokenPipeError, ConnectionResetError):
        pass  # refused while we were still sending: the answer says why
    status, parts = 0, []
    while type(event := protocol.next_event()) is not h11.EndOfMessage:
        if event is h11.NEED_DATA:
            protocol.receive_data(connection.recv(READ_BYTES))
        elif isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.Data):
            parts.append(event.data)
    return status, b"".join(parts)


def _unreachable(path: Path, error: Exception) -> NoDaemon:
    if isinstance(error, FileNotFoundError | ConnectionRefusedError):
        return NoDaemon(f"no vragd is running (nothing answers at {path})", hint="vragd run")
    if isinstance(error, PermissionError):
        return NoDaemon(f"the socket {path} belongs to another user", hint="run as the user whose daemon it is")
    reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else type(error).__name__
    return NoDaemon(f"the daemon at {path} broke off: {reason}", hint="see its log")


def _decode(status: int, raw: bytes) -> Any:
    try:
        answer = json.loads(raw)
    except ValueError:
        raise NoDaemon(f"what answers (status {status}) is not vragd", hint="check paths.socket") from None
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
