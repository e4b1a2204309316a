"""A store cut by `markdown-1`: it opens where it lies, answers at once, and embeds only what is cut otherwise now."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.store.before import EMBEDDER, copied, opened, work
from tests.world import sql
from vragd.catalog.schema import MIGRATIONS
from vragd.notes.chunk import read_note
from vragd.search.ask import Place, Question, Target, ask
from vragd.store.store import Store
from vragd.store.verify import compare_backend, compare_vault


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return copied(5, tmp_path)


@pytest.fixture
def store(folder: Path) -> Iterator[Store]:
    with opened(folder) as store:
        yield store


def found(store: Store, text: str, mode: str = "hybrid") -> list[str]:
    answering = store.answering
    assert answering is not None
    places = {row.label: Place(row.uid, row.path, row.in_obsidian) for row in store.sources.values()}
    target = Target(store.name, store.reader, store.backend, answering.space, answering.embed_query, places)
    return [hit.path for hit in ask(target, Question(text=text, mode=mode, top_k=20, weak=True)).hits]


def test_it_answers_before_anything_is_read_anew(store: Store) -> None:
    store.attach()
    assert found(store, "oven hot", "keyword")[0] == "plain.md"
    assert set(found(store, "Flour, water and salt.", "vector")) >= {"plain.md", "marked.md", "long.md"}
    assert EMBEDDER.texts == []


def test_what_is_cut_as_before_is_not_embedded_again(store: Store, folder: Path) -> None:
    before = {text for (text,) in sql(folder, "select text from chunk")}
    work(store)
    cut = {}
    for name in ("plain", "marked", "properties", "long", "setext", "query", "rule"):
        data = (folder.parent / "sources" / "vault" / f"{name}.md").read_bytes()
        cut[name] = read_note(data, name).chunks
    new = {
        chunk.embed_text for chunks in cut.values() for chunk in chunks if not {chunk.text, chunk.embed_text} & before
    }
    assert set(EMBEDDER.texts) == new
    assert len(EMBEDDER.texts) == len(new)
    for name in ("plain", "marked"):  # marks are no reason
        assert not {chunk.embed_text for chunk in cut[name]} & new
    # a long section is cut at other places: fewer than all of it
    assert {chunk.embed_text for chunk in cut["long"]} - new


def test_afterwards_it_is_whole_and_has_one_space(store: Store, folder: Path) -> None:
    work(store)
    problems = [problem for source in store.sources.values() for problem in compare_vault(store, source, frozenset())]
    assert [*problems, *compare_backend(store)] == []
    assert not store.rebuilding
    assert sql(folder, "pragma user_version") == [(len(MIGRATIONS),)]
    assert len({space for (space,) in sql(folder, "select space_id from note where state = 'indexed'")}) == 1


def test_a_note_that_always_wanted_to_be_left_out_is_gone(store: Store, folder: Path) -> None:
    assert found(store, "nobody else reads this", "keyword")[0] == "apart.md"
    work(store)
    for mode in ("keyword", "vector", "hybrid"):
        assert not {"apart.md", "private.md"} & set(found(store, "nobody else reads this", mode))
    assert not [text for (text,) in sql(folder, "select text from chunk") if "Nobody else" in text]
