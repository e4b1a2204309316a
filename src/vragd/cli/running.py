"""What `vragd run` says on a terminal: how far it is, in words, until all is searchable; the log is elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from vragd.cli.commands import spelt
from vragd.cli.render import ago, plural
from vragd.cli.status import WITHOUT_SIZES, left_of, n_searched, sentence
from vragd.client import Client
from vragd.errors import VragdError

EVERY_S = 0.3
AT_THE_START = frozenset({"initial_scan"})
WIDE = 30


class Teller:
    """
    Tells a terminal how far the daemon is, from a thread of its own that ends when all is searchable: an idle daemon is
    asked nothing. `stop` ends it sooner.
    """

    def __init__(self, client: Client, stream: TextIO, log: Path) -> None:
        self._client, self._stream, self._log = client, stream, log
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._tell, name="teller", daemon=True)

    def start(self) -> None:
        self._stream.write("vragd starts.\n")
        self._stream.flush()
        self._thread.start()

    def stop(self) -> None:
        """Say no more. Waits for a word that is being said."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(2 * EVERY_S + 1)
        try:
            self._stream.write("vragd has stopped.\n")
            self._stream.flush()
        except (OSError, ValueError):  # as the terminal has
            return

    def _tell(self) -> None:
        try:
            tell(self._asked, self._stream, self._log, self._stopped.wait)
        except (OSError, ValueError):  # the terminal has gone, and the daemon goes on
            return

    def _asked(self) -> dict[str, Any] | None:
        try:
            status: dict[str, Any] = self._client.request("GET", WITHOUT_SIZES, timeout_s=5.0)
        except VragdError:
            return None
        return status


def tell(
    asked: Callable[[], dict[str, Any] | None], stream: TextIO, log: Path, wait: Callable[[float], bool],
    clock: Callable[[], float] = time.monotonic,
) -> None:  # fmt: skip
    """
    Write to `stream` how far it is, until all is searchable or `wait`, which pauses for so many seconds, says to stop.

    `asked` gives the daemon's status, or None while it does not answer.
    """
    started, most, drawn = clock(), 0, False
    while not wait(EVERY_S):
        status = asked()
        if status is None:
            continue
        pending = status["pending"]
        most = max(most, pending)
        if pending:
            done = (most - pending) / most
            left = left_of(status)
            bar = f"[{'#' * int(WIDE * done):{WIDE}}] {100 * done:.0f} %"
            stream.write(f"\r\033[K{bar}{', ' + left if left else ''}")
            stream.flush()
            drawn = True
        elif not AT_THE_START & set(status["degraded"]):
            whole = f"\r\033[K[{'#' * WIDE}] 100 %\n" if drawn else ""
            stream.write(whole + _ready(status, clock() - started, log))
            stream.flush()
            return
    if drawn:  # what is said next has a line of its own
        stream.write("\r\033[K")
        stream.flush()


def _ready(status: dict[str, Any], took_s: float, log: Path) -> str:
    lines = [
        f"{store['name']}: {plural(n_searched(store), 'note')} searchable after {ago(took_s)}"
        for store in status["stores"]
    ]
    well = not (status["failed"] or status["degraded"] or any(store["trouble"] for store in status["stores"]))
    if not well or not lines:
        lines += [sentence(status, None), "vragd status says what is wrong." if not well else ""]
    lines += [f"The log is {log}. Ctrl-C stops."]
    return "".join(f"{spelt(line)}\n" for line in lines if line)
