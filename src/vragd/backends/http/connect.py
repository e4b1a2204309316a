"""
Requests over connections of our own, which `pool` keeps.

The servers' own clients are bound to versions of the server, repeat a bulk at once and many times, tell passwords in
what they print, or bring a second protocol along; of HTTP next to nothing is needed here. Proxies of the environment
are not used.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from vragd.backends.http.settings import HttpSettings
from vragd.backends.pool import Pool, Unreachable, said_something
from vragd.errors import AGAIN, BackendRefused, BackendUnavailable
from vragd.terms.hosts import is_loopback

CONNECT_TIMEOUT_S = 5.0
JSON, LINES = "application/json", "application/x-ndjson"


class Credentials(Protocol):
    """Who we say we are. Thread-safe."""

    shown: str
    """What was shown last, for people, such as "the API key"; empty for nothing."""

    def headers(self, method: str, url: str, body: bytes, content_type: str) -> Mapping[str, str]:
        """What a request carries. Raises BackendRefused where there is none of what was asked for."""

    def forget(self) -> None:
        """They were refused: what was read of files is read again."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`body` is None where the answer is no JSON: then it is not the server's that was meant."""

    status: int
    body: Any


class Connections:
    """Thread-safe. `ask` is the only way out."""

    def __init__(
        self, settings: HttpSettings, credentials: Credentials, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings, self._credentials = settings, credentials
        self._hosts, self.where = settings.hosts(), settings.where()
        self._first = 0  # the host that answered last
        self._pool = Pool(settings.pool_size, self.where, self._connected, _is_alive, _cut, clock)
        self._tls: ssl.SSLContext | None = None

    def ask(self, method: str, path: str, body: bytes, timeout_s: float, content_type: str = JSON) -> Answer:
        """
        What the server answers, whatever that is. It is sent again if a connection that was kept turns out to be dead:
        all that is done here may be done twice.
        """

        def exchange(connection: http.client.HTTPConnection) -> Answer:
            try:
                return self._exchange(connection, method, path, body, timeout_s, content_type)
            except BaseException:
                connection.close()  # an answer may be on its way
                raise

        return self._pool.run(exchange, timeout_s)

    def _exchange(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: bytes, timeout_s: float,
        content_type: str,
    ) -> Answer:  # fmt: skip
        url = f"{self._settings.scheme}://{connection.host}:{connection.port}{path}"
        try:
            headers = {"Content-Type": content_type, **self._credentials.headers(method, url, body, content_type)}
            assert connection.sock is not None
            connection.sock.settimeout(timeout_s)
            connection.request(method, path, body or None, headers)
            response = connection.getresponse()
            content = response.read()
        except TimeoutError:
            raise BackendUnavailable(
                f"{self._settings.title} takes too long: {self.where}", hint=f"raise timeout_s; {AGAIN}"
            ) from None
        except (OSError, http.client.HTTPException):
            raise Unreachable(f"the connection to {self._settings.title} broke: {self.where}", hint=AGAIN) from None
        except ValueError:  # its words quote the header
            raise BackendRefused(
                f"the credentials for {self._settings.title} are none that a header can carry",
                hint="see where they are",
            ) from None
        if response.status in (401, 403):
            self._credentials.forget()
        # what is kept there may say the same, and is read as it is
        is_refusal = response.status >= http.HTTPStatus.BAD_REQUEST
        said = _parsed(content)
        return Answer(response.status, _without(said, headers) if is_refusal else said)

    def _connected(self, timeout_s: float) -> http.client.HTTPConnection:
        """A new connection to the first host that takes one. Raises BackendRefused where others could listen."""
        error: BackendUnavailable | None = None
        for i in range(len(self._hosts)):
            at = (self._first + i) % len(self._hosts)
            try:
                connection = self._connect(*self._hosts[at], min(CONNECT_TIMEOUT_S, timeout_s))
            except BackendUnavailable as failed:
                error = error or failed
                continue
            self._first = at
            return connection
        assert error is not None
        raise error

    def _connect(self, host: str, port: int, timeout_s: float) -> http.client.HTTPConnection:
        title = self._settings.title
        try:
            if self._settings.scheme == "https":
                connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                    host, port, timeout=timeout_s, context=self._context()
                )
            else:
                connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
            connection.connect()
        except ssl.SSLCertVerificationError:
            raise BackendRefused(f"the certificate of {host} is not trusted", hint="see ca_file") from None
        except ssl.SSLError:
            raise BackendRefused(
                f"{title} does not speak TLS: {self.where}", hint="on this machine http:// may do"
            ) from None
        except (OSError, UnicodeError):
            raise Unreachable(
                f"{title} cannot be reached: {self.where}", hint=f"check network, host and port; {AGAIN}"
            ) from None
        if self._settings.scheme == "http" and not is_loopback(connection.sock.getpeername()[0]):
            connection.close()
            raise BackendRefused(f"vectors would leave this machine unencrypted: {self.where}", hint="use https")
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            try:
                self._tls = ssl.create_default_context(cafile=self._settings.ca_file)
            except (OSError, ssl.SSLError):
                raise BackendRefused("ca_file cannot be read, or holds no certificate", hint="check ca_file") from None
        return self._tls

    def close(self) -> None:
        """Close what is idle, and cut off what is not: whoever waits there gets BackendUnavailable."""
        self._pool.close()


def _is_alive(connection: http.client.HTTPConnection) -> bool:
    return connection.sock is not None and not said_something(connection.sock.fileno())


def _cut(connection: http.client.HTTPConnection) -> None:
    waiting = connection.sock
    try:
        if waiting is not None:
            waiting.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


def _without(body: Any, shown: Mapping[str, str]) -> Any:
    """What a refusal says without the secrets that were shown, which who stands in between may quote."""
    if isinstance(body, dict):
        return {key: _without(value, shown) for key, value in body.items()}
    if isinstance(body, list):
        return [_without(value, shown) for value in body]
    if isinstance(body, str):
        for name, value in shown.items():
            if name != "Content-Type":
                body = body.replace(value.rpartition(" ")[2], "...")
    return body


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return None
