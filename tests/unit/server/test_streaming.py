"""Answers without an end: they end with the client, with the server, or with a client that does not read."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from vragd.server.http import Limits, Server
from vragd.server.socket import Peer
from vragd.server.table import Reply


class Told:
    """A stream whose parts are given by the test, and what became of it."""

    def __init__(self) -> None:
        self.parts: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.n_open, self.closed = 0, asyncio.Event()

    async def stream(self) -> AsyncGenerator[bytes, None]:
        self.n_open += 1
        try:
            while (part := await self.parts.get()) is not None:
                yield part
        finally:
            self.n_open -= 1
            self.closed.set()


Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Check = Callable[[Told, Callable[[], Awaitable[Client]], Server], Awaitable[None]]


def serve(place: Path, check: Check, **limits: Any) -> None:
    async def main() -> None:
        told = Told()

        async def answer(method: str, target: str, body: bytes, peer: Peer) -> Reply:
            if target == "/stream":
                return Reply(200, b"", "text/event-stream", parts=told.stream())
            return Reply(200, b"{}")

        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(place / "s"))
        listener.listen()
        listener.setblocking(False)
        server = Server(answer, Limits(**limits), lambda *_: 5.0)
        server.start(listener)
        clients = list[asyncio.StreamWriter]()

        async def client() -> Client:
            reader, writer = await asyncio.open_unix_connection(str(place / "s"), limit=1 << 16)
            clients.append(writer)
            return reader, writer

        try:
            await asyncio.wait_for(check(told, client, server), 30)
        finally:
            await server.stop(0.1)
            for writer in clients:
                writer.close()

    asyncio.run(main())


async def asked(client: Client, target: str = "/stream", method: str = "GET") -> bytes:
    """The head of the answer."""
    client[1].write(f"{method} {target} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
    return await client[0].readuntil(b"\r\n\r\n")


async def part(client: Client) -> bytes:
    """The next chunk of a body in the chunked coding (RFC 9112, 7.1)."""
    size = int(await client[0].readuntil(b"\r\n"), 16)
    return (await client[0].readexactly(size + 2))[:-2]


def test_parts_come_as_they_are_made_and_the_last_ends_it(tmp_path: Path) -> None:
    async def check(told: Told, client: Callable[[], Awaitable[Client]], server: Server) -> None:
        one = await client()
        head = await asked(one)
        assert b" 200 " in head and b"text/event-stream" in head
        assert b"content-length" not in head.lower() and b"keep-alive" not in head
        for text in (b"first", b"second"):
            told.parts.put_nowait(text)
            assert await part(one) == text
        told.parts.put_nowait(None)
        assert await one[0].read() == b"0\r\n\r\n"

    serve(tmp_path, check)


@pytest.mark.parametrize("leaves", [lambda w: w.close(), lambda w: w.write(b"GET"), lambda w: w.transport.abort()])
def test_a_client_that_leaves_or_says_more_ends_it(tmp_path: Path, leaves: Callable[[Any], None]) -> None:
    async def check(told: Told, client: Callable[[], Awaitable[Client]], server: Server) -> None:
        one = await client()
        await asked(one)
        told.parts.put_nowait(b"x")
        await part(one)
        leaves(one[1])
        await told.closed.wait()
        assert told.n_open == 0

    serve(tmp_path, check)


def test_who_does_not_read_is_dropped(tmp_path: Path) -> None:
    async def check(told: Told, client: Callable[[], Awaitable[Client]], server: Server) -> None:
        one = await client()
        await asked(one)
        for _ in range(64):
            told.parts.put_nowait(b"x" * 100_000)  # more than socket and buffers take
        await told.closed.wait()

    serve(tmp_path, check, write_s=0.1)


def test_so_many_streams_and_no_more_and_other_requests_are_answered(tmp_path: Path) -> None:
    async def check(told: Told, client: Callable[[], Awaitable[Client]], server: Server) -> None:
        first = await client()
        for one in (first, await client()):
            assert b" 200 " in await asked(one)
        third = await client()
        head = await asked(third)
        assert b" 503 " in head and b"retry-after" in head
        assert b" 200 " in await asked(await client(), "/other")
        first[1].close()
        await told.closed.wait()
        while b" 503 " in (head := await asked(await client())):
            await asyncio.sleep(0)
        assert b" 200 " in head

    serve(tmp_path, check, max_streams=2)


def test_a_server_that_stops_ends_them_at_once(tmp_path: Path) -> None:
    async def check(told: Told, client: Callable[[], Awaitable[Client]], server: Server) -> None:
        one = await client()
        await asked(one)
        told.parts.put_nowait(b"x")
        await part(one)
        await asyncio.wait_for(server.stop(grace_s=60), 20)
        assert told.n_open == 0
        assert await one[0].read() == b""

    serve(tmp_path, check)


def test_head_begins_no_stream(tmp_path: Path) -> None:
    async def check(told: Told, client: Callable[[], Awaitable[Client]], server: Server) -> None:
        one = await client()
        assert b" 200 " in await asked(one, method="HEAD")
        assert await one[0].read() == b""
        assert told.n_open == 0

    serve(tmp_path, check)
