"""Stores that an earlier release made, opened where they lie."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.catalogs import beside
from tests.unit.store.test_old_catalog import embedder_of, recorded
from vragd.backends.faiss.settings import FaissBackend
from vragd.config.settings import LimitSettings, SourceSettings, StoreSettings
from vragd.embed.ollama.settings import OllamaEmbedder
from vragd.store.opening import open_store
from vragd.store.store import Store
from vragd.sync.prepared import Visit
from vragd.system.machine import machine_id

MADE = Path(__file__).parents[2] / "data"
EMBEDDER = embedder_of("2")
"""What is embedded anew is among its `texts`."""


def copied(schema: int, to: Path) -> Path:
    """The folder of the store of that schema, below `to` with the vault it is of, as if it had been made there."""
    shutil.copytree(MADE / f"schema_{schema}", to, dirs_exist_ok=True)
    with beside(to / "store" / "catalog.db", write=True) as db:
        db.execute("update store set machine = ?", (machine_id(),))
    EMBEDDER.texts.clear()
    return to / "store"


@contextmanager
def opened(folder: Path) -> Iterator[Store]:
    settings = StoreSettings(
        sources=(SourceSettings(path=folder.parent / "sources" / "vault"),),
        embedder=OllamaEmbedder(type="ollama", model="words-2"),
        backend=FaissBackend(),
    )
    limits = LimitSettings(min_free_mib=0)
    store = open_store("notes", settings, folder, limits, lambda: EMBEDDER, recorded=recorded)
    assert all(map(store.connect, store.sources.values()))
    yield store
    store.close()


def work(store: Store) -> None:
    """Scan, and read what is dirty."""
    store.prepare()
    visits = [
        Visit(source, path, patient=False)
        for source in store.sources.values()
        for path in sorted(store.scan_source(source)[0])
    ]
    while visits:
        visits = store.apply(visits).deferred
