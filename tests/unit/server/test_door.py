"""The door on this machine alone: which addresses, which hosts, and what is answered behind it."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

import pytest

from vragd.errors import ConfigError
from vragd.server.door import loopback
from vragd.server.http import Limits, Server
from vragd.server.socket import Peer
from vragd.server.table import Reply


@pytest.mark.parametrize(
    "place",
    ["0.0.0.0:9464", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000", "localhost:80", "[::]:80", ":80",
     "192.0.2.1:80", ""],
)  # fmt: skip
def test_what_others_could_reach_or_is_no_address_is_refused(place: str) -> None:
    with pytest.raises(ConfigError, match="no address of this machine alone"):
        loopback(place)


def test_a_port_that_is_taken_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ConfigError, match=r"cannot listen on 127\.0"):
        loopback(f"127.0.0.1:{taken.getsockname()[1]}")


def has_ipv6() -> bool:
    with suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        return True
    return False


@pytest.mark.parametrize(
    "address", ["127.0.0.1", pytest.param("[::1]", marks=pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here"))]
)
def test_only_requests_for_this_very_place_are_answered(address: str) -> None:
    async def answer(method: str, target: str, body: bytes, peer: Peer) -> Reply:
        return Reply(200, b"{}")

    async def main() -> None:
        listener, door = loopback(f"{address}:0")
        port = listener.getsockname()[1]
        server = Server(answer, Limits(), lambda *_: 5.0, door)
        server.start(listener)

        async def status(host: str, *more: str) -> int:
            reader, writer = await asyncio.open_connection(address.strip("[]"), port)
            lines = ["GET /metrics HTTP/1.1", f"host: {host}", *more, "connection: close", "", ""]
            writer.write("\r\n".join(lines).encode())
            said = await reader.read()
            writer.close()
            return int(said.split()[1])

        try:
            assert await status(f"{address}:{port}") == 200
            assert await status(f"LocalHost:{port}") == 200
            assert await status("evil.example") == 403
            assert await status(f"evil.example:{port}") == 403
            assert await status(f"{address}:{port}", "origin: http://evil.example") == 403
            assert await status(f"{address}:{port}", "sec-fetch-site: same-origin") == 403
        finally:
            await server.stop(0)

    asyncio.run(main())
