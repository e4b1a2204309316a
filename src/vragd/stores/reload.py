"""Another configuration while stores run: those that changed are stopped and started, the rest goes on."""

from __future__ import annotations

from dataclasses import replace

import structlog

from vragd.config.load import Loaded
from vragd.config.settings import StoreSettings
from vragd.stores.changes import stop_for
from vragd.stores.registry import Registry
from vragd.stores.state import State
from vragd.stores.stores import Stores
from vragd.system.log import error_fields

log = structlog.get_logger()


async def reload(stores: Stores, loaded: Loaded) -> list[str]:
    """
    Take `loaded` from now on; the names of changed settings that need a restart and are left as they were.

    A store that cannot be started is logged, and has failed until the next reload; whatever it is, the others
    go on. The data of a store that left the file is kept.
    """
    old = stores.loaded
    needs_restart = [
        name
        for name, was, now in (
            ("paths.data", old.data_dir, loaded.data_dir),
            ("paths.socket", old.socket, loaded.socket),
            (
                "limits.max_connections",
                old.config.limits.max_connections,
                loaded.config.limits.max_connections,
            ),
        )
        if was != now
    ]
    loaded = replace(loaded, data_dir=old.data_dir, socket=old.socket)
    was, now = old.config, loaded.config
    everywhere = (was.watch, was.limits, was.documents) != (now.watch, now.limits, now.documents)
    async with stores.changing:
        before = {name: indexer.store.settings for name, indexer in stores.indexers.items()}
        registry = Registry(loaded)
        after = {name: entry.settings for name, entry in registry.entries().items() if entry.settings}
        stores.loaded, stores.registry = loaded, registry
        for name, settings in before.items():
            if everywhere or after.get(name) != settings:
                await stop_for(stores, name, State.RESTARTING if name in after else State.AWAY)
        for name in stores.failed.keys() - after.keys():
            stores.standings[name].become(State.AWAY)
        for name, settings in after.items():
            if name not in stores.indexers:
                await _start(stores, name, settings)
    return needs_restart


async def _start(stores: Stores, name: str, settings: StoreSettings) -> None:
    try:
        await stores.start_store(name, settings)
    except Exception as error:  # a bug too is no reason to leave the others stopped
        log.error("store.start_failed", store=name, **error_fields(error))
