"""
The only code that opens the socket. Standard library only, so that a query costs no imports.

    Client("/run/user/1000/vragd/vragd.sock").request("POST", "/v1/query", {"text": "coffee"})
"""

from __future__ import annotations

import http.client
import json
import os
import socket
from pathlib import Path
from typing import Any

from vragd import errors
from vragd.errors import NoDaemon, VragdError


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Client:
    """Talks to the daemon at `path`. One connection a request; safe to use from several threads."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    def request(self, method: str, target: str, body: Any = None, *, timeout_s: float = 35.0) -> Any:
        """
        The decoded answer. Raises NoDaemon when nobody answers, and the error the daemon answered with.
        """
        connection = _UnixConnection(self.path, timeout_s)
        try:
            data = None if body is None else json.dumps(body).encode()
            try:
                connection.request(method, target, data, {"content-type": "application/json"})
            except (BrokenPipeError, ConnectionResetError):
                pass  # refused while we were still sending: the answer says why
            response = connection.getresponse()
            status, raw = response.status, response.read()
        except TimeoutError as error:
            raise NoDaemon(
                f"the daemon at {self.path} did not answer within {timeout_s:g} s", hint="see its log"
            ) from error
        except (OSError, http.client.HTTPException) as error:
            raise _unreachable(self.path, error) from error
        finally:
            connection.close()
        return _decode(status, raw)


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
