"""What a client of a bridge sends, and gets back: to one in this process, or by the official client to a daemon's."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from vragd.mcp.protocol import Peer, Resources, Tools
from vragd.mcp.stdio import serve
from vragd.mcp.versions import CAPABILITIES, VERSION, Refused

if TYPE_CHECKING:
    import mcp

    from tests.harness import Vragd

META = {VERSION: "2026-07-28", CAPABILITIES: {}}
Message = dict[str, Any]


def request(method: str, id_: Any = 1, **params: Any) -> Message:
    return {"jsonrpc": "2.0", "id": id_, "method": method, "params": params}


def stateless(method: str, id_: Any = 1, **params: Any) -> Message:
    return request(method, id_, **params, _meta=META)


def initialize(version: str = "2025-11-25", id_: Any = 0) -> Message:
    return request(
        "initialize", id_, protocolVersion=version, capabilities={}, clientInfo={"name": "t", "version": "1"}
    )


class Doing(Tools):
    """Tools that do what a test says."""

    instructions = "ask"

    def __init__(self, **does: Callable[[], object]) -> None:
        self._does = does

    def listed(self) -> list[Message]:
        return [{"name": name} for name in self._does]

    def refuse_unknown(self, name: str) -> None:
        if name not in self._does:
            raise Refused(-32602, "no such tool")

    def call(self, name: str, arguments: object) -> Message:
        return {"content": [], "said": self._does[name](), "arguments": arguments}


class Holding(Resources):
    """One note."""

    templates = [{"uriTemplate": "x:{y}", "name": "y"}]  # noqa: RUF012

    def listed(self, cursor: str | None) -> Message:
        return {"resources": [{"uri": "x:1", "name": "1"}], "nextCursor": cursor}

    def read(self, uri: str) -> Message:
        if uri != "x:1":
            raise Refused(-32602, f"no {uri}")
        return {"contents": [{"uri": uri, "text": "one"}]}


class Line:
    """Both ends that a client holds."""

    def __init__(self, tools: Tools) -> None:
        source, self.sending = os.pipe()
        self.receiving, out = os.pipe()
        self._got = os.fdopen(self.receiving, "rb", closefd=False)
        self._thread = threading.Thread(
            target=self._serve, args=(Peer(tools, Holding(), "1.2"), source, out), daemon=True
        )
        self._thread.start()

    @staticmethod
    def _serve(peer: Peer, source: int, out: int) -> None:
        serve(peer, source, out)
        nothing = os.open(os.devnull, os.O_RDWR)
        for fd in (source, out):  # closed, and the number not given to another pipe: a call may still run that has it
            os.dup2(nothing, fd)
        os.close(nothing)

    def send(self, *messages: object) -> None:
        self.send_raw(b"".join(json.dumps(message).encode() + b"\n" for message in messages))

    def send_raw(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self.sending, rest) :]

    def get(self) -> Any:
        return json.loads(self._got.readline())

    def rest(self) -> list[Any]:
        """What comes after the input has ended."""
        self.end()
        return [json.loads(line) for line in self._got]

    def end(self) -> None:
        if self.sending >= 0:
            os.close(self.sending)
            self.sending = -1

    def is_over(self, within_s: float) -> bool:
        self._thread.join(within_s)
        return not self._thread.is_alive()


@contextmanager
def line(**does: Callable[[], object]) -> Iterator[Line]:
    found = Line(Doing(**does))
    try:
        yield found
    finally:
        found.end()
        assert found.is_over(10)
        os.close(found.receiving)


def with_client(daemon: Vragd, mode: str, does: Callable[[mcp.Client], Awaitable[None]]) -> None:
    """What it does with `vragd mcp`, asked by the official client in this mode."""
    import mcp  # takes two seconds, in each worker

    async def main() -> None:
        how = mcp.StdioServerParameters(command=sys.executable, args=["-m", "vragd", "mcp"], env=daemon.env)
        async with mcp.Client(how, mode=mode) as client:
            await does(client)

    asyncio.run(main())
