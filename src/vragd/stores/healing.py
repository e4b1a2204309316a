"""A store that could not be opened is tried again while the others run. On the event loop."""

from __future__ import annotations

import asyncio

import structlog

from vragd.errors import NewerFormat
from vragd.stores.stores import Stores
from vragd.system.log import error_fields

log = structlog.get_logger()

FIRST_S, LAST_S = 2.0, 300.0


class Healer:
    """Opens the failed ones of `stores` when their time has come: after two seconds, and each time twice as long."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._tries: dict[str, tuple[int, float]] = {}  # store -> how often it was tried, and when again (steady)
        self.task: asyncio.Task[None] | None = None
        """The attempt that goes on, or the last one."""

    def look(self) -> None:
        """Begin to open what is due; nothing while that goes on, or while stores are being changed."""
        busy = self.task is not None and not self.task.done()
        if busy or not (self._stores.failed or self._tries) or self._stores.changing.locked():
            return
        self.task = asyncio.get_running_loop().create_task(self._heal())

    async def _heal(self) -> None:
        failed, now = self._stores.failed, self._stores.clock.steady()
        self._tries = {name: tried for name, tried in self._tries.items() if name in failed}
        for name, error in failed.items():
            tries, due = self._tries.setdefault(name, (0, now + FIRST_S))
            if isinstance(error, NewerFormat) or now < due:
                continue
            self._tries[name] = (tries + 1, now + min(LAST_S, FIRST_S * 2.0 ** min(tries + 1, 16)))
            await self._open(name)

    async def _open(self, name: str) -> None:
        async with self._stores.changing:
            entry = self._stores.registry.entries().get(name)
            if name not in self._stores.failed or entry is None or entry.settings is None:
                return
            try:
                await self._stores.start_store(name, entry.settings)
            except Exception as error:  # it is said in the store's state, and tried again
                log.info("store.still_failed", store=name, **error_fields(error))
            else:
                log.info("store.healed_itself", store=name)
