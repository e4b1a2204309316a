"""The primary of a store whose replicas answer while it could not even be made: it is made when that can be done."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, cast

import structlog

from vragd.backends.base import Traits, VectorBackend
from vragd.errors import (
    BackendDamaged,
    BackendRefused,
    BackendUnavailable,
    DataDirError,
    DiskFull,
    StoreMismatch,
    UnknownCollection,
    VragdError,
)
from vragd.system.log import error_fields

log = structlog.get_logger()

UNMADE = Traits(
    private=False, networked=True, keeps_payload=False, durable=True, patches=False, value_error=None,
    metrics=frozenset(), max_dimension=0, max_matches=None, max_among=None,
)  # fmt: skip
"""Nobody knows what it will be: it is attached late, and nothing in it is taken to be ours."""

OF_THE_BACKEND = (BackendUnavailable, StoreMismatch, UnknownCollection)
DOUBTFUL = (UnknownCollection, StoreMismatch, BackendDamaged)
"""After these a collection is looked for again: it may be gone, another, or to be mended."""


def is_out(error: VragdError | None) -> bool:
    """Whether it is the primary that does not answer: its place may be below our directory, as the catalog's is."""
    of_its_place = isinstance(error, DataDirError) and not error.transient  # else the catalog is locked, or the like
    return isinstance(error, OF_THE_BACKEND) or of_its_place


class Awaited:
    """Stands for a backend: each call makes it first. Raises BackendUnavailable as long as that fails. Any thread."""

    def __init__(self, make: Callable[[], VectorBackend]) -> None:
        self._make, self._lock = make, threading.Lock()
        self._made: VectorBackend | None = None
        self._closed = False

    @property
    def traits(self) -> Traits:
        return self._made.traits if self._made is not None else UNMADE

    def close(self) -> None:
        with self._lock:
            self._closed = True
        if self._made is not None:
            self._made.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._now(), name)

    def _now(self) -> VectorBackend:
        with self._lock:
            if self._closed:
                raise BackendUnavailable("the index is closed", hint="try again in a moment")
            if self._made is None:
                try:
                    self._made = self._make()
                except (BackendUnavailable, DiskFull):
                    raise
                except VragdError as error:
                    raise BackendRefused(error.message, hint=error.hint) from error
            return self._made


def made_or_awaited(make: Callable[[], VectorBackend], store: str, *, replicated: bool) -> VectorBackend:
    """What `make` makes; what makes it later, where that fails and there are replicas. Raises as `make` otherwise."""
    try:
        return make()
    except VragdError as error:
        if not replicated:
            raise
        log.warning("store.primary_not_made", store=store, **error_fields(error))
        return cast(VectorBackend, Awaited(make))
