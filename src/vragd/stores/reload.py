"""Another configuration in a running service: stores that changed are stopped and started, the rest goes on."""

from __future__ import annotations

from dataclasses import replace

import structlog

from vragd.config.load import Loaded
from vragd.config.settings import StoreSettings
from vragd.errors import VragdError
from vragd.stores.registry import Registry
from vragd.stores.service import Service
from vragd.system.log import error_fields

log = structlog.get_logger()


async def reload(service: Service, loaded: Loaded) -> list[str]:
    """
    Take `loaded` from now on; the names of changed settings that need a restart and are left as they were.

    A store that cannot be started is logged, and `failed` until the next reload; whatever it is, the others
    go on. The data of a store that left the file is kept.
    """
    old = service.loaded
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
    everywhere = (old.config.watch, old.config.limits) != (loaded.config.watch, loaded.config.limits)
    async with service.changing:
        before = _running(service)
        registry = Registry(loaded)
        after = {name: entry.settings for name, entry in registry.entries().items() if entry.settings}
        service.loaded, service.registry = loaded, registry
        for name, settings in before.items():
            if everywhere or after.get(name) != settings:
                await _stop(service, name)
        for name in service.failed.keys() - after.keys():
            del service.failed[name]
        for name, settings in after.items():
            if name not in service.workers:
                await _start(service, name, settings)
        service.away.clear()  # those that left the configuration
    return needs_restart


def _running(service: Service) -> dict[str, StoreSettings]:
    return {name: worker.store.settings for name, worker in service.workers.items()}


async def _stop(service: Service, name: str) -> None:
    try:
        await service.stop_store(name)
    except Exception as error:  # its last flush failed, and it is closed all the same
        log.error("store.flush_failed", store=name, **error_fields(error))


async def _start(service: Service, name: str, settings: StoreSettings) -> None:
    try:
        await service.start_store(name, settings)
    except VragdError as error:
        log.error("store.start_failed", store=name, **error_fields(error))
    except Exception as error:  # a bug, and no reason to leave the others stopped
        log.error("store.start_failed", store=name, **error_fields(error))
        what = f"store {name!r} could not be started ({type(error).__name__})"
        service.failed[name] = VragdError(what, hint="see the daemon's log")
