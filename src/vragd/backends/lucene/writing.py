"""
Bulks: so many lines at once as the server takes, each item's answer looked at.

A bulk that is refused as a whole may be too large for the server, now or ever: it is halved. Items that are refused
because the server is busy, or because a shard is not there yet, are sent again after a while; nothing else is.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from vragd.backends.lucene.documents import Line
from vragd.backends.lucene.errors import Faulty, TooMuch
from vragd.errors import BackendUnavailable, UnknownCollection, VragdError
from vragd.system.alive import progress
from vragd.system.failpoints import reach

ROWS = 500
MOST_BYTES, LEAST_BYTES = 4 << 20, 64 << 10
PAUSES_S = (0.1, 0.2, 0.4, 0.8, 1.6)
_FEW = 4  # lines that cannot be too many: then the server is busy


class Target(Protocol):
    """Sends a bulk of lines: the status and the error of each item, in their order, or the error of the whole."""

    def bulk(self, body: bytes, *, refresh: bool) -> list[tuple[int, Any]]: ...

    def item_error(self, status: int, error: Any) -> VragdError: ...


class Writer:
    """Of one backend. Thread-safe: what is learnt of the server's size is shared."""

    def __init__(self, sleep: Callable[[float], object] = time.sleep, most_bytes: int = MOST_BYTES) -> None:
        self._sleep = sleep
        self._lock = threading.Lock()
        self.most_bytes = most_bytes
        """What the server was found to take at once, at the most."""

    def send(
        self, target: Target, lines: Iterable[Line], *, refresh: bool, missing: set[str] | None = None
    ) -> dict[str, Faulty]:  # fmt: skip
        """
        Carry out all lines; the errors of those that the server finds fault with, by key.

        Keys that are not there are added to `missing` where that is given. Raises the first error that is about
        more than one line: what came before it is done.
        """
        refused: dict[str, Faulty] = {}
        for some in self._batches(lines):
            self._send(target, some, refused, missing, refresh=refresh)
        return refused

    def _batches(self, lines: Iterable[Line]) -> Iterator[list[Line]]:
        batch: list[Line] = []
        size = 0
        for line in lines:
            if batch and (len(batch) == ROWS or size + len(line[1]) > self.most_bytes):
                yield batch
                batch, size = [], 0
            batch.append(line)
            size += len(line[1])
        if batch:
            yield batch

    def _send(
        self, target: Target, lines: list[Line], refused: dict[str, Faulty], missing: set[str] | None, *, refresh: bool
    ) -> None:  # fmt: skip
        for pause_s in (*PAUSES_S, None):
            try:
                items = target.bulk(b"".join(line for _, line in lines), refresh=refresh)
                reach("lucene.bulk")
            except TooMuch as error:
                if len(lines) > _FEW:
                    half = len(lines) // 2
                    self._learn(sum(len(line) for _, line in lines[:half]))
                    self._send(target, lines[:half], refused, missing, refresh=refresh)
                    self._send(target, lines[half:], refused, missing, refresh=refresh)
                    return
                last: BackendUnavailable = error
            else:
                lines, waits = self._left(target, lines, items, refused, missing)
                if not lines:
                    return
                assert waits is not None
                last = waits
            if pause_s is None:
                raise last
            progress()
            self._sleep(pause_s)

    def _left(
        self, target: Target, lines: list[Line], items: list[tuple[int, Any]], refused: dict[str, Faulty],
        missing: set[str] | None,
    ) -> tuple[list[Line], BackendUnavailable | None]:  # fmt: skip
        """The lines that are to be sent again, and why."""
        left: list[Line] = []
        waits: BackendUnavailable | None = None
        for line, (status, error) in zip(lines, items, strict=True):
            if status < 300 or (status == 404 and error is None):
                continue
            ours = target.item_error(status, error)
            if isinstance(ours, Faulty):
                refused[line[0]] = ours
            elif isinstance(ours, Missing):
                if missing is not None:
                    missing.add(line[0])
            elif isinstance(ours, TooMuch) or type(ours) is BackendUnavailable:
                left.append(line)
                waits = ours
            else:
                raise ours
        return left, waits

    def _learn(self, n_bytes: int) -> None:
        with self._lock:
            self.most_bytes = max(LEAST_BYTES, min(self.most_bytes, n_bytes))


class Missing(UnknownCollection):
    """There is no such document."""
