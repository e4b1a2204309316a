"""
The protocol over standard input and output: a message a line. Input is read beside the calls that run, so that one can
be cancelled, and so that its end ends the process.

Three kinds of threads: the one that serves reads and answers what takes no time; some run calls; one writes, so that a
client that does not read holds up nobody else.
"""

from __future__ import annotations

import json
import os
import select
import threading
from collections.abc import Iterator
from queue import SimpleQueue
from typing import Any, Never

from vragd.mcp.protocol import Answer, Call, Peer, unreadable

MOST_BYTES = 16 * 1024 * 1024
"""Of a line; the rest of a longer one is dropped."""
MOST_AT_ONCE = 8
MOST_OWED = 1_000
"""Lines that are begun and not written: beyond that no further one is read."""
LAST_S = 0.5
"""For so long calls that run may still be answered when the input has ended."""
_CHUNK = 65_536


class Closed(Exception):
    """Whoever read our output has gone."""


class Waiting:
    """The responses of one line, some of them still to come. Whoever brings one changes it, under the lock."""

    def __init__(self, answer: Answer) -> None:
        self.responses: list[tuple[Call | None, dict[str, Any]]] = [(None, one) for one in answer.ready]
        self.together = answer.together
        self.lack = len(answer.calls)
        self.lock = threading.Lock()

    def bring(self, call: Call, response: dict[str, Any]) -> bool:
        """Whether it was the last."""
        with self.lock:
            self.responses.append((call, response))
            self.lack -= 1
            return not self.lack


class Served:
    """A connection from its first line to its end. `out` is written to and `source` read; both are descriptors."""

    def __init__(self, peer: Peer, source: int, out: int) -> None:
        self._peer, self._source, self._out = peer, source, out
        self._calls = SimpleQueue[tuple[Call, Waiting]]()
        self._lines = SimpleQueue[Waiting]()
        self._n_workers = 0
        self._n_owed = 0  # of the reading thread and the writing one, under `_owed`
        self._is_broken = False
        self._owed = threading.Condition()
        self._broken, self._break = os.pipe()

    def run(self) -> None:
        """Serve until the input ends, or nobody reads the output. Blocks."""
        threading.Thread(target=self._write, name="mcp-writer", daemon=True).start()
        try:
            for line in self._read():
                self._take(line)
        except Closed:
            return
        with self._owed:
            self._owed.wait_for(lambda: not self._n_owed, LAST_S)

    def _take(self, line: bytes | None) -> None:
        if line is None:
            answer = Answer([unreadable(f"a message has more than {MOST_BYTES:,} bytes")])
        elif not line.strip():
            return
        else:
            try:
                message = json.loads(line.decode("utf-8").lstrip("\ufeff"), parse_constant=_no_constant)
            except (ValueError, RecursionError):
                answer = Answer([unreadable("a line is no JSON in UTF-8")])
            else:
                answer = self._peer.receive(message)
        if not answer.ready and not answer.calls:
            return
        with self._owed:
            self._n_owed += len(answer.ready) + len(answer.calls) if not answer.together else 1
        for waiting, calls in _lines_of(answer):
            if not calls:
                self._lines.put(waiting)
            for call in calls:
                self._calls.put((call, waiting))
                if self._n_workers < MOST_AT_ONCE:
                    self._n_workers += 1
                    threading.Thread(target=self._work, name="mcp-call", daemon=True).start()

    def _work(self) -> None:
        while True:
            call, waiting = self._calls.get()
            response = {} if call.is_cancelled else call.run()
            if waiting.bring(call, response):
                self._lines.put(waiting)

    def _write(self) -> None:
        while True:
            waiting, sent = self._lines.get(), []
            for call, response in waiting.responses:
                if call is not None:
                    if call.is_cancelled:
                        continue
                    self._peer.is_done(call)  # before it is sent: then its id is free
                sent.append(response)
            try:
                if sent:
                    _put(self._out, encoded(sent if waiting.together else sent[0]) + b"\n")
            except OSError:
                os.close(self._break)  # wakes whoever reads
                with self._owed:
                    self._is_broken = True
                    self._owed.notify_all()
                return
            with self._owed:
                self._n_owed -= 1
                self._owed.notify_all()

    def _read(self) -> Iterator[bytes | None]:
        """Each line, None for one that is too long. Raises Closed."""
        kept, n_kept, is_dropped = list[bytes](), 0, False
        while True:
            with self._owed:
                self._owed.wait_for(lambda: self._n_owed < MOST_OWED or self._is_broken)
            ready, _, _ = select.select([self._source, self._broken], [], [])
            if self._broken in ready:
                raise Closed
            chunk = os.read(self._source, _CHUNK)
            if not chunk:
                if kept and not is_dropped:
                    yield b"".join(kept)  # a last line without an end
                return
            *ended, rest = chunk.split(b"\n")
            for line in ended:
                yield None if is_dropped else b"".join([*kept, line])
                kept, n_kept, is_dropped = [], 0, False
            n_kept += len(rest)
            if n_kept > MOST_BYTES:
                kept, is_dropped = [], True
            elif rest:
                kept.append(rest)


def _lines_of(answer: Answer) -> Iterator[tuple[Waiting, list[Call]]]:
    if answer.together:
        yield Waiting(answer), answer.calls
        return
    for response in answer.ready:
        yield Waiting(Answer([response])), []
    for call in answer.calls:
        yield Waiting(Answer(calls=[call])), [call]


def encoded(message: object) -> bytes:
    """JSON on one line; what is no Unicode is a question mark."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _no_constant(name: str) -> Never:
    raise ValueError(name)


def _put(out: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(out, rest) :]
        except BlockingIOError:  # a pipe that somebody made so
            select.select([], [out], [])


def own_streams() -> tuple[int, int]:
    """
    Standard input and output as descriptors of our own. In their place are nothing and standard error: so nobody's
    print reaches the protocol, and no child's.
    """
    source, out = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return source, out


def serve(peer: Peer, source: int, out: int) -> None:
    """Answer what comes until the input ends, or nobody reads the output."""
    Served(peer, source, out).run()
