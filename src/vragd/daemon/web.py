"""`vragd web`: the page's door, for as long as the command runs. The daemon has no part in it but to be asked."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from dataclasses import replace

from vragd.client import Client
from vragd.server.door import loopback
from vragd.server.http import Limits, Server
from vragd.server.web.guard import ENTER, HEADERS, Guard, Keys
from vragd.server.web.serving import PATIENCE_S, Web
from vragd.system.log import set_up


class Addresses:
    """Where the page is. Each address that is given works once."""

    def __init__(self, port: int, keys: Keys) -> None:
        self.port, self._keys = port, keys

    def typed(self) -> str:
        """One to be typed, pasted or clicked on in a terminal. By number: what `localhost` is, others may choose."""
        return f"http://127.0.0.1:{self.port}/#{self._keys.ticket()}"

    def from_file(self) -> str:
        """One that a file which only its owner can read may lead to."""
        return f"http://127.0.0.1:{self.port}{ENTER}{self._keys.ticket()}"


def serve(client: Client, port: int, ready: Callable[[Addresses], None], asked: Callable[[], bool] | None) -> None:
    """
    Serve the page on this machine's `port`, 0 for any, until SIGINT or SIGTERM. Blocks. Raises ConfigError.

    `ready` is called once it is served; `asked`, if any, whenever standard input has something to read, until it says
    that it had the last of it. Neither may block.
    """
    set_up(level="error")
    asyncio.run(_serve(client, port, ready, asked))


async def _serve(
    client: Client, port: int, ready: Callable[[Addresses], None], asked: Callable[[], bool] | None
) -> None:  # fmt: skip
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    listener, door = loopback(f"127.0.0.1:{port}")
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    keys = Keys()
    server = Server(
        Web(client, keys).answer, Limits(), lambda *_: PATIENCE_S, replace(door, guard=Guard(keys), headers=HEADERS)
    )
    server.start(listener)
    try:
        ready(Addresses(listener.getsockname()[1], keys))
        if asked is not None:
            loop.add_reader(0, lambda: asked() or loop.remove_reader(0))
        await ended.wait()
    finally:
        loop.remove_reader(0)
        await server.stop(0)
