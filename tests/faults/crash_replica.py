"""The replica of a life: another backend that is fed as the daemon's loop feeds it."""

from __future__ import annotations

from pathlib import Path

from tests.backends import keys
from vragd.backends.settings import BackendSettings
from vragd.backends.sqlite.settings import SqliteBackend
from vragd.store.replica import Replica, Told
from vragd.store.store import Store


def settings(data: Path) -> dict[str, BackendSettings]:
    return {"second": SqliteBackend(type="sqlite", path=str(data / "second.db"))}


def feed(store: Store, replica: Replica) -> None:
    """Until it is what the catalog is."""
    assert store.space is not None
    while replica.step(Told(store.reader, store.space, store.rebuilding), lambda write: write(store.catalog)):
        pass
    assert replica.backend is not None
    assert replica.held is not None
    held = set(keys(replica.backend, replica.held.space.collection))
    assert held == store.catalog.live_keys(store.space.id), "the replica is not what the catalog is"
    assert replica.behind(store.reader, store.space) == (0, 0)
