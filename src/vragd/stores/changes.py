"""Stores come and go: made, given other settings, indexed once, deleted. One change at a time, on the event loop."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import structlog

from vragd.config.settings import BackendSettings, StoreSettings
from vragd.errors import DataDirError, DiskFull, UsageError, VragdError
from vragd.stores.registry import with_given, with_once
from vragd.stores.state import State
from vragd.stores.stores import Stores
from vragd.system.log import error_fields
from vragd.vault.ignore import Rules
from vragd.vault.scan import scan

log = structlog.get_logger()


async def create_store(stores: Stores, name: str, settings: StoreSettings, *, replace: bool = False) -> None:
    """Make a store, or with `replace` give one made by a command other settings; it runs at once."""
    async with stores.changing:
        await _create(stores, name, settings, replace=replace)


async def _create(stores: Stores, name: str, settings: StoreSettings, *, replace: bool) -> None:
    entry = stores.registry.create(name, settings, replace=replace)
    assert entry.settings is not None
    try:
        await stores.stop_store(name, State.REPLACING)
        await stores.start_store(name, entry.settings)
    except VragdError:
        if not replace:
            stores.registry.delete(name)
            stores.drop(name)
        raise


async def index_once(
    stores: Stores, name: str, path: str, include: Sequence[str], backend: BackendSettings | None = None
) -> dict[str, int]:
    """
    Index what matches `include` below `path`, once; tickets for `Stores.settled`.

    The store is made if there is none, with `backend` if that is given; one made by a command moves
    to it, and gets the place as a source that is not watched. Of a store in the configuration only
    what its own sources hold can be indexed, and its backend is changed there.
    """
    async with stores.changing:  # two at a time would each widen what the other does not know of
        entry = stores.registry.entries().get(name)
        if entry is None or entry.origin != "config":
            settings = entry.settings if entry and entry.settings else StoreSettings()
            chosen = settings.model_copy(update={"backend": with_given(settings.backend, backend)})
            wider = with_once(chosen, Path(path), include)
            if wider != settings:
                if not (await stores.readers.run(scan, Path(path), Rules(include, ()))).notes:
                    raise UsageError(
                        f"nothing below {path} matches {' '.join(include)!r}",
                        hint="a quoted pattern, such as '**/*.md'",
                    )
                await _create(stores, name, wider, replace=entry is not None)
        elif backend is not None and entry.settings is not None and entry.settings.backend != backend:
            raise UsageError(
                f"store {name!r} is in the configuration with backend {entry.settings.backend.type}",
                hint="change its backend there, or use another store name",
            )
    return await stores.sync([name], path)


async def delete_store(stores: Stores, name: str, *, keep_remote: bool = False) -> str:
    """
    Forget a store and all that is kept of it; its origin. The vault is not touched.

    What it put into a remote backend goes first, and with it the index if nobody else feeds it; when
    that cannot be reached nothing is deleted. `keep_remote` leaves it there.
    """
    async with stores.changing:
        entry = stores.registry.known(name)
        if name not in stores.indexers and not keep_remote and (where := stores.registry.remote(name)):
            raise UsageError(
                f"store {name!r} has vectors in {where} and does not run: nothing was deleted",
                hint="put it into the configuration again and delete it then, or add --keep-remote",
            )
        try:
            await stores.stop_store(name, State.DELETING, forget=not keep_remote)
        except (DiskFull, DataDirError) as error:  # of a last flush, and deleting is what makes room
            log.warning("store.flush_failed", store=name, **error_fields(error))
        except VragdError as error:
            assert entry.settings is not None
            await stores.start_store(name, entry.settings)
            hint = "vragd store delete --keep-remote leaves there what cannot be deleted now"
            raise type(error)(f"the store is kept: {error.message}", hint=hint) from error
        stores.registry.delete(name)
        stores.drop(name)
    log.info("store.files_deleted", store=name)
    return entry.origin
