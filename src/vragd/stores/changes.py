"""Stores come and go: made, given other settings, indexed once, deleted. One change at a time, on the event loop."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog

from vragd.config.settings import AnyBackend, AnyEmbedder, SourceSettings, StoreSettings
from vragd.errors import DataDirError, DiskFull, EmbedderUnavailable, UsageError, VragdError
from vragd.stores.registry import Entry, with_once
from vragd.stores.state import State
from vragd.stores.stores import Stores
from vragd.sync.calls import Late
from vragd.system.log import error_fields
from vragd.vault.ignore import Rules
from vragd.vault.scan import Scan, scan

log = structlog.get_logger()


def settings_of(
    sources: Iterable[Mapping[str, Any]], embedder: AnyEmbedder, backend: AnyBackend, metric: str
) -> StoreSettings:
    """Those of a store that is asked for, its `sources` as YAML would have them. Raises pydantic's ValidationError."""
    known = tuple(SourceSettings.model_validate(source) for source in sources)
    return StoreSettings.model_validate({"sources": known, "embedder": embedder, "backend": backend, "metric": metric})


async def create_store(stores: Stores, name: str, settings: StoreSettings, *, replace: bool = False) -> None:
    """Make a store, or with `replace` give one made by a command other settings; it runs at once."""
    async with stores.changing:
        await _create(stores, name, settings, replace=replace)


async def _create(stores: Stores, name: str, settings: StoreSettings, *, replace: bool) -> None:
    await stores.outside.run(stores.registry.check, name, settings, replace=replace)
    is_new = name not in stores.registry.entries()
    stores.registry.create(name, settings)
    await stop_for(stores, name, State.REPLACING)
    try:
        await stores.start_store(name, settings)
    except BaseException:
        if is_new:  # one that was there is kept, and opened when it can be
            stores.registry.delete(name)
            stores.drop(name)
        raise


async def stop_for(stores: Stores, name: str, to: State) -> None:
    """Stop a store that is to be started again: a last flush that fails costs a cache, and the store nothing."""
    try:
        await stores.stop_store(name, to)
    except Exception as error:  # it is closed all the same
        log.error("store.flush_failed", store=name, **error_fields(error))


async def index_once(
    stores: Stores, name: str, path: str, include: Sequence[str], backend: AnyBackend | None = None
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
            chosen = settings.model_copy(update={"backend": settings.backend.merged(backend)})
            wider = with_once(chosen, Path(path), include)
            if wider != settings:
                # before anything is looked for: of the root of the file system that would be all there is
                await stores.outside.run(stores.registry.check, name, wider, replace=entry is not None)
                if not (await _found(stores, path, include)).notes:
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


async def reindex(stores: Stores, name: str, *, embed: bool = False) -> dict[str, int]:
    """
    Have every note of a store read from the vault again, with `embed` embedded again, too; tickets for
    `Stores.settled`. What was indexed before answers until then, note by note, with `embed` until all are done.

    Raises UnknownStore, and with `embed` EmbedderUnavailable or what the backend raises: nothing is begun then.
    """
    indexer = stores.indexer(name)
    try:
        n = await indexer.writer.run(lambda: indexer.store.read_again(embed=embed))
    except Late:
        raise EmbedderUnavailable("the embedder has yet to answer", hint="try again when it does") from None
    log.info("store.reindex_begun", store=name, n_notes=n, embed=embed)
    return await stores.sync([name], None)


async def _found(stores: Stores, path: str, include: Sequence[str]) -> Scan:
    try:
        return await stores.outside.walk(path, lambda: scan(Path(path), Rules(include, ())))
    except OSError as error:
        raise UsageError(f"{path} cannot be looked at: {os.strerror(error.errno or 0)}") from error


async def delete_store(stores: Stores, name: str, *, keep_remote: bool = False) -> tuple[str, tuple[str, ...]]:
    """
    Forget a store and all that is kept of it. The vault is not touched.

    Its origin, and the places where what it had is left: whoever asks is the last to know of them.

    What it put into a remote backend goes first, and with it the index if nobody else feeds it; when
    that cannot be reached, or is not known to be gone, nothing is deleted. `keep_remote` leaves it there.
    """
    async with stores.changing:
        entry = stores.registry.known(name)
        if name not in stores.indexers and not keep_remote and (where := ", ".join(stores.registry.remote(name))):
            raise UsageError(
                f"store {name!r} has vectors in {where} and does not run: nothing was deleted",
                hint="put it into the configuration again and delete it then, or add --keep-remote",
            )
        left = stores.registry.remote(name) if keep_remote else stores.registry.left_elsewhere(name)
        has_more = not keep_remote and entry.settings is not None and bool(entry.settings.places)
        try:
            await stores.stop_store(name, State.DELETING, forget=not keep_remote)
        except Exception as error:
            if has_more or not isinstance(error, DiskFull | DataDirError):
                await _keep(stores, entry)
                raise _kept(error) from error
            # of a last flush, and deleting is what makes room
            log.warning("store.flush_failed", store=name, **error_fields(error))
        try:
            stores.registry.delete(name)
        except Exception:
            await _keep(stores, entry)
            raise
        stores.drop(name)
    log.info("store.files_deleted", store=name)
    return entry.origin, left


def _kept(error: Exception) -> Exception:
    """Why a store was not deleted. What nobody foresaw has no words of its own for whoever asked."""
    if not isinstance(error, VragdError):
        return VragdError(f"the store is kept: it could not be stopped ({type(error).__name__})", hint="try again")
    hint = "vragd store delete --keep-remote leaves there what cannot be deleted now"
    return type(error)(f"the store is kept: {error.message}", hint=hint)


async def _keep(stores: Stores, entry: Entry) -> None:
    """Start a store again that could not be deleted; if that fails too it has failed, and is opened when it can be."""
    if entry.settings is not None:
        try:
            await stores.start_store(entry.name, entry.settings)
        except Exception as error:
            log.error("store.start_failed", store=entry.name, **error_fields(error))
