"""A store of schema 6, which knew no links: it opens where it lies and fills them; nothing is embedded for it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from tests.graphs import row_of
from tests.unit.store.test_catalog_before_markdown_2 import work
from tests.unit.store.test_old_catalog import embedder_of, recorded
from tests.world import sql
from vragd.backends.faiss.settings import FaissBackend
from vragd.catalog.graph import Graph
from vragd.catalog.schema import MIGRATIONS
from vragd.config.settings import LimitSettings, SourceSettings, StoreSettings
from vragd.embed.ollama.settings import OllamaEmbedder
from vragd.store.opening import open_store
from vragd.store.store import Store
from vragd.store.verify import compare_backend, compare_vault
from vragd.system.machine import machine_id

MADE = Path(__file__).parents[2] / "data" / "schema_6"
EMBEDDER = embedder_of("2")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(MADE, tmp_path, dirs_exist_ok=True)
    db = apsw.Connection(str(tmp_path / "store" / "catalog.db"))
    db.execute("update store set machine = ?", (machine_id(),))  # else it was copied here
    db.close()
    EMBEDDER.texts.clear()
    return tmp_path / "store"


@pytest.fixture
def store(folder: Path) -> Iterator[Store]:
    settings = StoreSettings(
        sources=(SourceSettings(path=folder.parent / "sources" / "vault"),),
        embedder=OllamaEmbedder(type="ollama", model="words-2"),
        backend=FaissBackend(),
    )
    store = open_store("notes", settings, folder, LimitSettings(min_free_mib=0), lambda: EMBEDDER, recorded=recorded)
    assert all(map(store.connect, store.sources.values()))
    yield store
    store.close()


def test_its_links_are_read_and_nothing_is_embedded_or_put(store: Store, folder: Path) -> None:
    before = sql(folder, "select key, changed from chunk order by key")
    with store.reader.snapshot() as now:
        assert (list(Graph(now.db).everything()), Graph(now.db).n_unread()) == ([], 4)
    work(store)
    for source in store.sources.values():
        store.note_attached(source, store.attached(source, store.scan_source(source)[1]))
    with store.reader.snapshot() as now:
        graph = Graph(now.db)
        assert graph.n_unread() == 0
        assert [row_of(edge) for edge in graph.everything()] == [
            ("Alpha.md", 1, "Beta", "path", "Beta.md"),
            ("Alpha.md", 1, "Second name", "alias", "Beta.md"),
            ("Alpha.md", 1, "Nowhere", "none", ""),
            ("Alpha.md", 1, "Picture.png", "path", "sub/Files/Picture.png"),
            ("Beta.md", 3, "Alpha", "path", "Alpha.md"),
            ("Beta.md", 7, "alpha", "path", "Alpha.md"),
            ("Beta.md", 7, "sub/Gamma.md", "path", "sub/Gamma.md"),
            ("sub/Gamma.md", 1, "Apart", "none", ""),
            ("sub/Gamma.md", 1, "", "self", "sub/Gamma.md"),
        ]
    assert EMBEDDER.texts == []
    assert sql(folder, "select key, changed from chunk order by key") == before
    assert sql(folder, "pragma user_version") == [(len(MIGRATIONS),)]
    problems = [problem for source in store.sources.values() for problem in compare_vault(store, source, frozenset())]
    assert [*problems, *compare_backend(store)] == []
