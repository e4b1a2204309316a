"""The server answers in time, whatever the work behind a request waits for."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.harness import until
from vragd.server.http import Limits, Server
from vragd.server.socket import Peer
from vragd.server.table import Reply
from vragd.system.lanes import Lane

Handle = Callable[[str], Awaitable[Reply]]


class Ask:
    """A client in a thread of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def _ask(self, target: str) -> tuple[int, Any]:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(20)
            connection.connect(str(self._path))
            connection.sendall(f"GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
            parts = []
            while part := connection.recv(65_536):
                parts.append(part)
        head, _, body = b"".join(parts).partition(b"\r\n\r\n")
        return int(head.split()[1]), json.loads(body)

    async def __call__(self, target: str) -> tuple[int, Any]:
        return await asyncio.to_thread(self._ask, target)


async def serve(place: Path, answer: Handle, check: Callable[[Ask, Server], Awaitable[None]], **limits: Any) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(place / "s"))
    listener.listen()
    listener.setblocking(False)

    async def handle(method: str, target: str, body: bytes, peer: Peer) -> Reply:
        return await answer(target)

    server = Server(handle, Limits(**limits), lambda method, target: 0.1 if target == "/hangs" else 20.0)
    server.start(listener)
    try:
        await check(Ask(place / "s"), server)
    finally:
        await server.stop(0.1)


async def eventually(condition: Callable[[], object], what: str) -> None:
    await asyncio.get_running_loop().run_in_executor(None, until, condition, what)


class Work:
    """What a lane does for `/hangs`: nothing until it is let go."""

    def __init__(self, error: Exception | None = None) -> None:
        self.lane, self.go, self.n_done = Lane("writer"), threading.Event(), 0
        self._error = error

    def _hang(self) -> None:
        self.go.wait(30)
        self.n_done += 1
        if self._error:
            raise self._error

    async def __call__(self, target: str) -> Reply:
        if target == "/hangs":
            await self.lane.run(self._hang)
        return Reply(200, b'{"ok":true}')


@pytest.mark.parametrize("error", [None, ValueError("nobody asks any longer")])
def test_a_request_that_hangs_on_a_lane_is_answered_in_time_and_its_work_goes_on(
    tmp_path: Path, error: Exception | None, caplog: pytest.LogCaptureFixture
) -> None:
    work = Work(error)

    async def check(ask: Ask, server: Server) -> None:
        status, body = await ask("/hangs")
        assert (status, body["error"]["code"]) == (503, "overloaded")
        assert work.n_done == 0
        assert await ask("/quick") == (200, {"ok": True})
        work.go.set()
        await eventually(lambda: work.n_done == 1 and not server._overdue, "the work to be done")

    asyncio.run(serve(tmp_path, work, check))
    work.lane.close()
    assert "never retrieved" not in caplog.text


def test_work_that_hangs_is_bounded_and_the_end_of_the_server_does_not_wait_for_it(tmp_path: Path) -> None:
    work = Work()

    async def check(ask: Ask, server: Server) -> None:
        for _ in range(3):
            assert (await ask("/hangs"))[0] == 503
        assert (await ask("/quick"))[0] == 503, "no more of it"

    async def main() -> None:
        await serve(tmp_path, work, check, max_overdue=3)
        assert work.n_done == 0
        work.go.set()
        await work.lane.run(lambda: None)

    asyncio.run(main())
    work.lane.close()
