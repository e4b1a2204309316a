"""
The supervisor's watchdog is fed only by a loop that has looked: every store's work moves, every watched
source is watched, and our own socket answers with our own pid.

Lives on the event loop, which it thereby proves to run.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import structlog

from vragd.client import Client
from vragd.errors import NoDaemon, VragdError
from vragd.stores.indexer import Indexer
from vragd.stores.stores import Stores
from vragd.system import notify
from vragd.system.lanes import Lane
from vragd.system.log import error_fields

log = structlog.get_logger()

# A call on a lane that makes no progress for so long hangs. The longest without a sign of life that is
# merely slow: a large FAISS index being written or trained, a listing of a remote store. Requests to an
# embedder or a remote backend are bounded by their own timeouts, which come on top (`bound_s`).
STUCK_S = 300.0
ANSWER_S = 5.0  # our own socket answers in milliseconds; the queue of a burst may take a moment
CHECKS_PER_PERIOD = 4  # three may fail before the supervisor acts
BEGIN_S = 10.0  # a source whose file system hangs does not hold up READY for longer
BEGIN_RETRY_S = 0.05


class Pulse:
    """Says `READY`, then feeds the watchdog for as long as everything moves. `socket` may change under it."""

    def __init__(self, stores: Stores, stuck_s: float | None) -> None:
        self.socket: Path | None = None  # set by the daemon, before `run` and whenever it moves
        self._stores, self._stuck_s = stores, stuck_s
        self.announced = asyncio.Event()  # READY was said, or nobody wants to hear it
        self._lane = Lane("pulse")  # a cancelled check ends first: a client that is left behind would start us again
        self._blind_since: dict[tuple[str, int], float] = {}  # (store, source) -> first seen unwatched
        self._faults: list[str] = []

    async def run(self) -> None:
        """For as long as the daemon runs. Ends at once when nobody supervises it."""
        if not notify.wanted():
            self.announced.set()
            return
        while not await self._answers():  # noqa: ASYNC110  nobody sets an event when it does
            await asyncio.sleep(BEGIN_RETRY_S)
        deadline = time.monotonic() + BEGIN_S
        while not self._looked() and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(BEGIN_RETRY_S)
        self.say_ready()
        self.announced.set()
        period_s = notify.watchdog_s()
        while period_s is not None:
            await self._beat()
            await asyncio.sleep(period_s / CHECKS_PER_PERIOD)

    def _looked(self) -> bool:
        """Whether every source was found or missed; what was found is being watched and scanned."""
        indexers = self._stores.indexers.values()
        return not any(keeper.source.state == "new" for indexer in indexers for keeper in indexer.keepers.values())

    def close(self) -> None:
        """After `run` has ended."""
        self._lane.close()

    def say_ready(self) -> None:
        """Started, or done with reloading."""
        n = len(self._stores.indexers)
        notify.ready(f"Serving {n} {'store' if n == 1 else 'stores'}")

    async def _beat(self) -> None:
        try:
            faults = await self.faults()
        except Exception as error:  # a bug in the check must show, and must not end it
            log.error("daemon.check_failed", **error_fields(error))
            faults = ["check"]
        if not faults:
            notify.alive()
        if faults and faults != self._faults:
            log.error("daemon.watchdog_withheld", parts=faults)
            notify.status(f"Hangs: {', '.join(faults)}")
        elif self._faults and not faults:
            log.info("daemon.watchdog_resumed", parts=self._faults)
            self.say_ready()
        self._faults = faults

    async def faults(self) -> list[str]:
        """What does not work, as `part` or `store/part`; empty when all is well."""
        found, blind, now = [], [], time.monotonic()
        for name, indexer in list(self._stores.indexers.items()):
            limit_s = self._limit_s(indexer)
            found += [f"{name}/{part}" for part in indexer.stuck(limit_s)]
            # a watch that died is armed again by the next heartbeat, which may have to wait for a scan
            places = [(name, id_) for id_, k in indexer.keepers.items() if k.unwatched and k.source.state == "ok"]
            if any(now - self._blind_since.get(place, now) > limit_s for place in places):
                found.append(f"{name}/watch")
            blind += places
        self._blind_since = {place: self._blind_since.get(place, now) for place in blind}
        if not await self._answers():
            found.append("socket")
        return found

    def _limit_s(self, indexer: Indexer) -> float:
        if self._stuck_s is not None:
            return self._stuck_s
        settings = indexer.store.settings
        return bound_s(settings.embedder.longest_call_s, settings.backend.longest_call_s)

    async def _answers(self) -> bool:
        """Whether our own socket is answered by this very process. Busy is an answer."""
        if self.socket is None:
            return False
        client = Client(self.socket)
        try:
            answer = await self._lane.run(client.request, "GET", "/healthz", timeout_s=ANSWER_S)
        except NoDaemon:
            return False
        except VragdError:
            return True
        return isinstance(answer, dict) and answer.get("pid") == os.getpid()


def bound_s(*timeouts_s: float) -> float:
    """After how many seconds without progress a call hangs, where single requests may take `timeouts_s`."""
    return STUCK_S + 2 * sum(timeouts_s)
