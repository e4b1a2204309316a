"""
The only code that opens the socket. Standard library only, and little of it: importing http.client, with ssl and
email, or h11 takes several times as long as an answer.

    Client("/run/user/1000/vragd/vragd.sock").request("POST", "/v1/query", {"text": "coffee"})
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from vragd import errors
from vragd.errors import Mistyped, NoDaemon, NotRunning, OtherVersion, UsageError, VragdError

_NOT_KNOWN = ("no such path", " is not for this path", "Extra inputs are not permitted")
"""How the message ends of a daemon that does not know a route, or a field of a request."""
_LINE_BYTES, _MOST_LINES, _MOST_BYTES = 65_536, 100, 1 << 30  # of an answer


def nowhere() -> Path | None:
    """No other place than the one that is named."""
    return None


class Answered(dict[str, Any]):
    """An object of an answer. What it lacks is a KeyError as of any dict, and says why: a daemon of before."""

    def __missing__(self, key: str) -> NoReturn:
        raise OtherVersion(
            f"the daemon's answer lacks {key!r}: it is of another version",
            hint="vragd restart: it was started before vragd was upgraded",
        )


class Client:
    """
    Talks to the daemon at `path`. One connection a request; safe to use from several threads.

    Where nobody is at `path`, `elsewhere` is asked for another one: None if there is none.
    """

    objects: type[dict[str, Any]] = Answered
    """What the objects of an answer are."""

    def __init__(self, path: Path | str, elsewhere: Callable[[], Path | None] = nowhere) -> None:
        self.path = Path(path)
        self._elsewhere = elsewhere

    def request(self, method: str, target: str, body: Any = None, *, timeout_s: float = 35.0) -> Any:
        """
        The decoded answer; that of `/metrics` is text. Raises NoDaemon when nobody answers, the error the daemon
        answered with, and UsageError for what cannot be asked so.
        """
        sent = message(method, target, body)
        with what_went_wrong(self.path, timeout_s), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout_s)
            self._connect(connection)
            answer = _exchange(connection, sent)
        return decoded(*answer, objects=self.objects)

    def connected(self, *, timeout_s: float = 5.0) -> socket.socket:
        """A connection to the daemon, for whoever speaks on it himself, and closes it. Raises NoDaemon."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with what_went_wrong(self.path, timeout_s):
                connection.settimeout(timeout_s)
                self._connect(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _connect(self, connection: socket.socket) -> None:
        try:
            connection.connect(str(self.path))
        except (FileNotFoundError, ConnectionRefusedError):
            other = self._elsewhere()
            if other is None or other == self.path:
                raise
            connection.connect(str(other))
            self.path = other


def message(method: str, target: str, body: Any) -> bytes:
    """A request as it is sent, the only one on its connection. Raises UsageError for a body that is no JSON."""
    if target.partition("?")[0] == "/v1/events":
        raise UsageError("/v1/events has no end to wait for", hint="Client.connected() gives a socket to read")
    data = encoded(body)
    target = _quoted(target)
    head = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    return head.encode("ascii") + data


def encoded(body: Any) -> bytes:
    """The body of a request; None is none. Raises UsageError for what is no JSON."""
    try:
        return b"" if body is None else json.dumps(body, default=_of_python, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        hint = "a name that is none has %XX for its bytes, as answers do"
        raise UsageError("the request holds text that is no UTF-8", hint=hint) from None
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"the request is no JSON: {error}", hint="text, numbers, lists and mappings") from None


def _of_python(value: Any) -> Any:
    """Numbers and arrays as NumPy has them, and whatever else is several, as JSON has them."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "__iter__") and not isinstance(value, bytes | bytearray):
        return list(value)
    raise TypeError(f"it has {type(value).__name__} in it")


def _quoted(target: str) -> str:
    """The target with what may not stand in a request line percent-encoded: names come as people write them."""
    if target.isascii() and target.isprintable() and " " not in target:
        return target
    raw = target.encode("utf-8", "surrogateescape")
    return "".join(chr(byte) if 0x21 <= byte <= 0x7E else f"%{byte:02X}" for byte in raw)


@contextmanager
def what_went_wrong(path: Path, timeout_s: float) -> Iterator[None]:
    """Turn what a connection and an answer fail with into NoDaemon. Raises UsageError for a time that is none."""
    if timeout_s is not None and not timeout_s > 0:
        raise UsageError(f"timeout_s is {timeout_s}, expected more than 0")
    try:
        yield
    except TimeoutError as error:
        raise NoDaemon(f"the daemon at {path} did not answer within {timeout_s:g} s", hint="see its log") from error
    except OSError as error:
        raise _unreachable(path, error) from error
    except ValueError as error:
        raise _stranger("no HTTP") from error


def _exchange(connection: socket.socket, request: bytes) -> tuple[int, bytes, bytes]:
    """One request and its whole answer: status, body and media type. Raises ValueError for what no vragd answers."""
    try:
        connection.sendall(request)
    except (BrokenPipeError, ConnectionResetError):
        pass  # refused while we were still sending: the answer says why
    with connection.makefile("rb") as answer:
        return received(answer)


def received(answer: BinaryIO) -> tuple[int, bytes, bytes]:
    """
    The status, the body and the media type of an answer. Raises ValueError for what no vragd answers, OSError for a
    part of it.
    """
    first, *lines = _head(answer)
    version, status, *_ = first.split(b" ")
    fields = [(name.lower(), value.strip()) for name, _, value in (line.partition(b":") for line in lines)]
    lengths = [int(value) for name, value in fields if name == b"content-length"]
    if not version.startswith(b"HTTP/1.") or len(lengths) != 1 or not 0 <= lengths[0] <= _MOST_BYTES:
        raise ValueError
    body = answer.read(lengths[0])
    if len(body) < lengths[0]:
        raise ConnectionResetError
    return int(status), body, dict(fields).get(b"content-type", b"")


def _head(answer: BinaryIO) -> list[bytes]:
    """The lines before the empty one."""
    lines: list[bytes] = []
    while len(lines) < _MOST_LINES:
        line = answer.readline(_LINE_BYTES)
        if not line:
            raise ConnectionResetError
        if line == b"\r\n":
            return lines
        lines.append(line)
    raise ValueError


def _unreachable(path: Path, error: Exception) -> NoDaemon:
    if isinstance(error, FileNotFoundError | ConnectionRefusedError):
        return NotRunning(f"no vragd is running (nothing answers at {path})", hint="vragd run")
    if (owner := _other_owner(path)) or isinstance(error, PermissionError):
        whose = f"user {owner}" if owner else "another user"
        return NoDaemon(f"the daemon at {path} is that of {whose}", hint=f"ask as {whose}: it answers nobody else")
    reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else type(error).__name__
    return NoDaemon(f"the daemon at {path} broke off: {reason}", hint="see its log")


def _other_owner(path: Path) -> str:
    """The name of the user whose socket that is, if it is not ours; empty where it is or nobody can tell."""
    try:
        uid = path.lstat().st_uid
    except OSError:
        return ""
    return user_name(uid) if uid != os.geteuid() else ""


def user_name(uid: int) -> str:
    """What the system calls a user; the number where it has no name."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _stranger(answered: str) -> NoDaemon:
    return NoDaemon(f"what answers ({answered}) is not vragd", hint="check paths.socket")


def decoded(status: int, raw: bytes, media_type: bytes = b"", *, objects: type[dict[str, Any]] = dict) -> Any:
    """What a body says; raises the error that it is."""
    if status == 200 and media_type.startswith(b"text/plain"):
        return raw.decode("utf-8", "replace")
    try:
        answer = json.loads(raw, object_hook=None if objects is dict else objects)
    except ValueError:
        raise _stranger(f"status {status}") from None
    if status == 200:
        return answer
    found = answer.get("error", {}) if isinstance(answer, dict) else {}
    at = found.get("at") or {}
    error = error_of(found.get("code", "failed"), found.get("message", f"status {status}"), found.get("hint", ""), at)
    if error.message.endswith(_NOT_KNOWN):
        error.hint = f"vragd restart, if it was upgraded since the daemon started; else {error.hint}"
        error.message = f"the daemon does not know what it is asked: {error.message}"
    raise error


def error_of(code: str, message: str, hint: str, at: Mapping[str, Any] | None = None) -> VragdError:
    """The error an answer names, as the class it was before it crossed the socket. `at`: the place of a mistake."""
    if code == Mistyped.code and at:
        return Mistyped(message, text=at["text"], span=tuple(at["span"]), hint=hint)
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, VragdError) and kind.code == code:
            return kind(message, hint=hint)
    return VragdError(message, hint=hint)
