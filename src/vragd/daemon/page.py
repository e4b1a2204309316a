"""
The page that `web: true` keeps: a process of its own, which ends with the daemon and is begun anew when it ended. Its
port is the daemon's to hold, so that nobody else can take it meanwhile. Loaded where there is one alone.
"""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import structlog

from vragd.server.door import loopback
from vragd.system.child import Child, ChildEnded
from vragd.system.clock import Clock

log = structlog.get_logger()

MODULE, NEW = "vragd.daemon.web", b"new"
LOOK_S, MOST_S = 2.0, 300.0
"""How often it is looked whether it answers; longer, each time twice, while it ends again and again."""
ANSWER_S, ANSWER_BYTES = 20.0, 4096


def page_of(path: Path, clock: Clock) -> Page:
    """That of the daemon at `path`, not begun. Raises ConfigError where no port is to be had."""
    listener, _ = loopback("127.0.0.1:0")
    descriptor = listener.fileno()
    return Page(listener, Child(MODULE, str(descriptor), str(path), passed=(descriptor,)), clock)


class Page:
    """One that a process serves on `listener`, from `begin` to `end`. On the event loop."""

    def __init__(self, listener: socket.socket, child: Child, clock: Clock) -> None:
        self._listener, self._child, self._clock = listener, child, clock
        self._minding: asyncio.Task[None] | None = None
        self.trouble: str | None = None
        """Why it does not answer."""

    @property
    def url(self) -> str:
        """Its address, by number: what `localhost` is, others may choose."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def begin(self) -> None:
        """From now on it is served."""
        self._minding = asyncio.get_running_loop().create_task(self._mind())

    async def end(self) -> None:
        """It is no longer."""
        if self._minding is not None:
            self._minding.cancel()
        await asyncio.to_thread(self._child.close)
        self._listener.close()

    async def ticket(self, still: str) -> str:
        """A new ticket; or `still`, if that is one which is good yet, else nothing. Nothing while it is not served."""
        return (await self._ask(still.encode() or NEW) or b"").decode("latin-1")

    async def _mind(self) -> None:
        wait_s, pid = LOOK_S, None
        while True:
            answered = await self._ask(b"") is not None
            stayed = answered and pid in (None, self._child.pid)
            wait_s = LOOK_S if stayed else min(2 * wait_s, MOST_S)
            if not stayed:
                log.warning("page.process_ended", reason=self.trouble, again_s=wait_s)
            pid = self._child.pid or pid
            await self._clock.sleep(wait_s)

    async def _ask(self, question: bytes) -> bytes | None:
        """What it says, begun if need be; None, and `trouble`, if it says nothing."""
        try:
            answer = await asyncio.to_thread(self._child.ask, question, ANSWER_S, ANSWER_BYTES)
        except ChildEnded as error:
            self.trouble = error.reason
        except OSError as error:
            self.trouble = os.strerror(error.errno or 0)
        else:
            self.trouble = None
            return answer
        return None
