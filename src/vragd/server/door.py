"""Who may come in, and how somebody is turned away."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass

import h11
import structlog

from vragd.errors import ConfigError, Forbidden, HeadTooLarge, Overloaded, UsageError
from vragd.server.socket import BACKLOG, Peer, peer_of
from vragd.server.table import error_reply

log = structlog.get_logger()


def no_pages(request: h11.Request) -> None:
    """Refuse what a browser sends for a page. Raises Forbidden."""
    if {b"origin", b"sec-fetch-site"} & {name for name, _ in request.headers}:
        raise Forbidden("requests from web pages are refused")


@dataclass(frozen=True, slots=True)
class Door:
    """
    `admit` says who is at the other end, None for nobody we serve; `hosts` are the only ones asked for, if any. `guard`
    looks at a request's head and raises VragdError for one that is not answered; `headers` go with every answer.
    """

    admit: Callable[[socket.socket], Peer | None]
    hosts: frozenset[bytes] = frozenset()
    guard: Callable[[h11.Request], None] = no_pages
    headers: tuple[tuple[str, str], ...] = ()

    def check(self, request: h11.Request, max_bytes: int) -> None:
        """Whether a request's head is one that is answered. Raises VragdError."""
        # h11 bounds only a head that is still incomplete: one that arrives at a stroke may be larger
        if len(request.target) + sum(len(name) + len(value) for name, value in request.headers) > max_bytes:
            raise HeadTooLarge(f"the request's head has more than {max_bytes} bytes")
        if request.http_version not in (b"1.0", b"1.1"):
            raise UsageError("vragd speaks HTTP/1.1")
        self.guard(request)
        if self.hosts and {value.lower() for name, value in request.headers if name == b"host"} - self.hosts:
            raise Forbidden("the request is for another host")  # a name that was made to lead here
        if not request.target.startswith(b"/"):
            raise UsageError("the request target must be a path")


def _our_own(connection: socket.socket) -> Peer | None:
    try:
        peer = peer_of(connection)
    except OSError:
        return None
    if peer.uid != os.geteuid():
        log.warning("server.peer_refused", uid=peer.uid)
        return None
    return peer


OWN_SOCKET = Door(_our_own)


def loopback_place(place: str) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]:
    """The address and port that `ADDRESS:PORT` means, of this machine alone. Raises ConfigError."""
    host, _, port = place.rpartition(":")
    try:
        address, number = ipaddress.ip_address(host.strip("[]")), int(port)
        if not address.is_loopback or not 0 <= number < 65_536:
            raise ValueError
    except ValueError:
        raise ConfigError(
            f"{place[:80]!r} is no address of this machine alone and a port", hint="for instance 127.0.0.1:9464"
        ) from None
    return address, number


def loopback(place: str) -> tuple[socket.socket, Door]:
    """A listening TCP socket at `ADDRESS:PORT` of this machine, and its door. Raises ConfigError."""
    address, number = loopback_place(place)
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    try:
        listener = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise _no_door(place, error) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((str(address), number))
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise _no_door(place, error) from error
    return listener, door_of(listener)


def _no_door(place: str, error: OSError) -> ConfigError:
    return ConfigError(f"cannot listen on {place}: {os.strerror(error.errno or 0)}", hint="another port")


def door_of(listener: socket.socket) -> Door:
    """That of a socket which listens on this machine alone."""
    address, bound = listener.getsockname()[:2]
    shown = f"[{address}]" if listener.family == socket.AF_INET6 else address
    hosts = frozenset(f"{name}:{bound}".encode() for name in (shown, "localhost"))
    return Door(lambda _: Peer(os.geteuid(), 0), hosts)


def has_spoken(connection: socket.socket) -> bool:
    """Whether the other end has said something that nobody has read."""
    try:
        return bool(connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    except OSError:
        return False


def refuse(connection: socket.socket) -> None:
    """Say that there are too many, and close."""
    reply = error_reply(Overloaded("too many connections", hint="close some; vragd takes limits.max_connections"))
    head = (
        f"HTTP/1.1 503 Service Unavailable\r\ncontent-type: {reply.media_type}\r\n"
        f"content-length: {len(reply.body)}\r\nconnection: close\r\nretry-after: 1\r\n\r\n"
    )
    with connection:
        connection.setblocking(False)
        try:
            connection.send(head.encode() + reply.body)
        except OSError:
            return
