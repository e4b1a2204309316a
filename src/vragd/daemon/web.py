"""
The page's door, in a process that is not the daemon's: `vragd web`, for as long as the command runs; or, where the
configuration keeps the page, one that `daemon.page` begins as `python -m vragd.daemon.web DESCRIPTOR SOCKET`.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from vragd.client import Client
from vragd.daemon.page import NEW
from vragd.server.door import Door, door_of, loopback
from vragd.server.http import Limits, Server
from vragd.server.web.guard import ENTER, HEADERS, Guard, Keys
from vragd.server.web.serving import PATIENCE_S, Web
from vragd.system import child
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


Asked = Callable[[], bool | None]
AGAIN_S = 1.0


def serve(client: Client, port: int, ready: Callable[[Addresses], None], asked: Asked | None) -> None:
    """
    Serve the page on this machine's `port`, 0 for any, until SIGINT, SIGTERM or SIGHUP. Blocks. Raises ConfigError.

    `ready` is called once it is served; `asked`, if any, as `Typed` has it of standard input. Neither may block.
    """
    set_up(level="error")
    asyncio.run(_serve(client, port, ready, asked))


class Typed:
    """
    Calls `asked` whenever a descriptor has something to read: until that says False, it had the last of it; and, where
    it says None, that is for others to read, not before so many seconds. On the event loop.
    """

    def __init__(self, descriptor: int, asked: Asked, again_s: float = AGAIN_S) -> None:
        self._descriptor, self._asked, self._again_s = descriptor, asked, again_s
        self._loop = asyncio.get_running_loop()
        self._later: asyncio.TimerHandle | None = None
        self._begin()

    def end(self) -> None:
        """Call no more."""
        self._loop.remove_reader(self._descriptor)
        if self._later is not None:
            self._later.cancel()

    def _begin(self) -> None:
        self._loop.add_reader(self._descriptor, self._look)

    def _look(self) -> None:
        said = self._asked()
        if not said:
            self._loop.remove_reader(self._descriptor)
        if said is None:  # it stays there to be read, and would be told of again and again
            self._later = self._loop.call_later(self._again_s, self._begin)


async def _serve(
    client: Client, port: int, ready: Callable[[Addresses], None], asked: Asked | None
) -> None:  # fmt: skip
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    listener, door = loopback(f"127.0.0.1:{port}")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
            loop.add_signal_handler(number, ended.set)
    keys = Keys()
    server = _opened(listener, door, client, keys)
    typed: Typed | None = None
    try:
        ready(Addresses(listener.getsockname()[1], keys))
        if asked is not None:
            typed = Typed(0, asked)
        await ended.wait()
    finally:
        if typed is not None:
            typed.end()
        await server.stop(0)


def _opened(listener: socket.socket, door: Door, client: Client, keys: Keys) -> Server:
    guarded = replace(door, guard=Guard(keys), headers=HEADERS)
    server = Server(Web(client, keys).answer, Limits(), lambda *_: PATIENCE_S, guarded)
    server.start(listener)
    return server


def told(keys: Keys, question: bytes) -> bytes:
    """What the daemon asks: for a new ticket (`NEW`), whether a ticket is still good, or nothing, to see us alive."""
    if question == NEW:
        return keys.ticket().encode()
    return question if keys.has(question.decode("latin-1")) else b""


async def keep(listener: socket.socket, client: Client, questions: Callable[[child.Answer], None]) -> None:
    """Serve the page on a socket that listens, until `questions`, which waits for them on a thread, returns."""
    loop, ended, keys = asyncio.get_running_loop(), asyncio.Event(), Keys()
    listener.setblocking(False)
    server = _opened(listener, door_of(listener), client, keys)

    async def answered(question: bytes) -> bytes:
        return told(keys, question)

    def listen() -> None:
        try:
            with suppress(BrokenPipeError):  # the daemon was killed, and nobody hears the answer
                questions(lambda question: asyncio.run_coroutine_threadsafe(answered(question), loop).result())
        finally:
            loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=listen, name="asked", daemon=True).start()
    await ended.wait()
    await server.stop(0)


if __name__ == "__main__":
    set_up(level="error")
    asyncio.run(keep(socket.socket(fileno=int(sys.argv[1])), Client(sys.argv[2]), child.serve))
