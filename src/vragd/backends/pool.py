"""
Connections to one server, a bounded number, made when they are needed and looked at before they are used again.

What a connection is, and how it ends, its owner says: HTTP's and PostgreSQL's are kept alike.
"""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from vragd.errors import AGAIN, BackendUnavailable, VragdError
from vragd.system.alive import progress

SLOW_S, PAUSE_S = 1.0, 5.0
"""A server that keeps whoever connects waiting so long, in vain, is not asked again for a while."""


class Unreachable(BackendUnavailable):
    """There is no connection, or it broke."""


class Closes(Protocol):
    """What any connection can."""

    def close(self) -> None: ...


C = TypeVar("C", bound=Closes)
T = TypeVar("T")


class Pool(Generic[C]):
    """
    Thread-safe. `where` names the server for people.

    `connect` makes one within so many seconds; `is_alive` says, without asking the server, whether one that was used
    can be used again; `cut` ends the conversation underneath a thread that waits for it.
    """

    def __init__(
        self, size: int, where: str, connect: Callable[[float], C], is_alive: Callable[[C], bool],
        cut: Callable[[C], None], clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._where, self._connect, self._is_alive, self._cut, self._clock = where, connect, is_alive, cut, clock
        self._room = threading.BoundedSemaphore(size)
        self._lock = threading.Lock()
        self._idle: list[C] = []
        self._busy: set[C] = set()
        self._closed = False
        self._failed: tuple[float, VragdError] | None = None

    def run(self, work: Callable[[C], T], timeout_s: float) -> T:
        """
        What `work` returns.

        It runs again if a connection that was kept turns out to be dead (Unreachable): all that is done here may be
        done twice. Raises BackendUnavailable where none becomes free in time, and what `connect` raises.
        """
        progress()
        if not self._room.acquire(timeout=timeout_s):
            raise BackendUnavailable(f"all connections are in use: {self._where}", hint=f"raise pool_size; {AGAIN}")
        try:
            connection = self._kept()
            if connection is not None:
                try:
                    return self._run(connection, work)
                except Unreachable:
                    self._drop_idle()
                    if self._closed:
                        raise
            progress()
            return self._run(self._connected(timeout_s), work)
        finally:
            self._room.release()

    def _run(self, connection: C, work: Callable[[C], T]) -> T:
        with self._lock:
            if self._closed:
                connection.close()
                raise Unreachable(f"closed: {self._where}")
            self._busy.add(connection)
        try:
            return work(connection)
        finally:
            keep = self._is_alive(connection)
            with self._lock:
                self._busy.discard(connection)
                if keep and not self._closed:
                    self._idle.append(connection)
                else:
                    connection.close()

    def _kept(self) -> C | None:
        """The one that was used last and is alive."""
        while True:
            with self._lock:
                if not self._idle:
                    return None
                connection = self._idle.pop()
            if self._is_alive(connection):
                return connection
            connection.close()

    def _connected(self, timeout_s: float) -> C:
        began = self._clock()
        if self._failed is not None and began - self._failed[0] < PAUSE_S:
            raise Unreachable(self._failed[1].message, hint=self._failed[1].hint)
        try:
            connection = self._connect(timeout_s)
        except VragdError as error:
            now = self._clock()
            slow = isinstance(error, Unreachable) and now - began >= SLOW_S
            self._failed = (now, error) if slow else None
            raise
        self._failed = None
        return connection

    def _drop_idle(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def close(self) -> None:
        """Close what is idle, and cut off what is not: whoever waits there gets BackendUnavailable."""
        with self._lock:
            self._closed = True
            for connection in self._busy:
                self._cut(connection)
        self._drop_idle()


def said_something(fileno: int) -> bool:
    """Whether the server sent something to a socket nobody uses: that it ends, as a rule."""
    poll = select.poll()
    poll.register(fileno, select.POLLIN)
    return bool(poll.poll(0))
