"""A store of schema 6, which knew no links: it opens where it lies and fills them; nothing is embedded for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.graphs import row_of
from tests.unit.store.before import EMBEDDER, copied, opened, work
from tests.world import sql
from vragd.catalog.graph import Graph
from vragd.catalog.model import UNREAD
from vragd.catalog.schema import MIGRATIONS
from vragd.store.store import Store
from vragd.store.verify import compare_backend, compare_vault


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return copied(6, tmp_path)


@pytest.fixture
def store(folder: Path) -> Iterator[Store]:
    with opened(folder) as store:
        yield store


def closed(store: Store) -> set[tuple[int]]:
    return set(sql(store.folder, "select closed from note"))


def test_its_links_are_read_and_nothing_is_embedded_or_put(store: Store, folder: Path) -> None:
    before = sql(folder, "select key, changed from chunk order by key")
    with store.reader.snapshot() as now:
        assert (list(Graph(now.db).everything()), Graph(now.db).n_unread()) == ([], 4)
    assert closed(store) == {(UNREAD,)}, "nobody knows what they say of assistants"
    with store.for_assistants.snapshot() as now:
        assert (len(now.selecting.all()), list(Graph(now.db).files())) == (0, [])
    work(store)
    assert closed(store) == {(0,)}
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
    kept = sql(folder, "select n.path from note_source join note n on n.id = note_id order by n.path")
    assert kept == [(b"Alpha.md",), (b"Beta.md",), (b"sub/Gamma.md",)], "for filters, but not of one that opts out"
    assert EMBEDDER.texts == []
    assert sql(folder, "select key, changed from chunk order by key") == before
    assert sql(folder, "pragma user_version") == [(len(MIGRATIONS),)]
    problems = [problem for source in store.sources.values() for problem in compare_vault(store, source, frozenset())]
    assert [*problems, *compare_backend(store)] == []
