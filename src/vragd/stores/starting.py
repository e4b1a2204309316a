"""A store that is opened and begins its work. On the event loop."""

from __future__ import annotations

from collections.abc import Callable

from vragd.config.settings import WatchSettings
from vragd.errors import VragdError
from vragd.store.store import Store
from vragd.stores.indexer import Indexer
from vragd.stores.state import Standing, State
from vragd.system.clock import SYSTEM, Clock
from vragd.system.lanes import Lane


async def start(
    standing: Standing, open_store: Callable[[], Store], settings: WatchSettings, *, watch: bool, clock: Clock = SYSTEM
) -> Indexer:
    """
    Open a store and begin its work. It is running then; raises what `open_store` raises, and it has failed.

    Does not wait for the sources: each is connected, watched and then scanned as soon as its file system lets it.
    """
    writer = Lane(f"writer-{standing.name}")
    opened: list[Store] = []
    try:
        await writer.run(lambda: opened.append(open_store()))
    except BaseException as error:
        for store in opened:  # by the time the caller was cancelled
            await writer.run(store.close)
        writer.close()
        what = f"store {standing.name!r} could not be started ({type(error).__name__})"
        fault = error if isinstance(error, VragdError) else VragdError(what, hint="see the daemon's log")
        standing.become(State.FAILED, error=fault)
        raise
    standing.become(State.RUNNING)
    return Indexer(standing, opened[0], writer, settings, watch=watch, clock=clock)
