"""What an index elsewhere finds by words, and by words and vectors, as one list."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.factories import FACTORIES
from tests.fakes.ollama import FakeOllama
from tests.unit.stores.test_elsewhere import TEXTS, filled, here
from vragd.backends.base import Batch, Match, Matches, VectorBackend
from vragd.catalog.model import ChunkRow
from vragd.errors import Unsupported
from vragd.stores import elsewhere, fused
from vragd.sync.vectors import to_entry


@pytest.fixture
def node(tmp_path: Path) -> VectorBackend:
    """An index that keeps text, on the stand-in of a server with a full text of its own."""
    return FACTORIES["opensearch"](tmp_path)


def listed(*keys: str, end: str = "exhausted") -> Matches:
    return Matches([Match(key, 9.0 - i) for i, key in enumerate(keys)], end)  # type: ignore[arg-type]


def test_what_comes_first_in_both_is_first_and_what_is_in_one_alone_is_there() -> None:
    matches = fused.fused(listed("a", "b", "c"), listed("b", "d"))
    assert [match.key for match in matches.items] == ["b", "a", "d", "c"]
    assert fused.fused(listed("a"), listed("a")).items[0].score == 1.0
    assert 0 < matches.items[-1].score < matches.items[0].score < 1
    assert [fused.fused(listed(), listed(end=end)).end for end in ("exhausted", "more", "limit")] == [
        "exhausted", "more", "limit",
    ]  # fmt: skip


def test_an_index_is_asked_by_words_without_any_model(node: VectorBackend, fake: FakeOllama) -> None:
    filled(node, fake)
    n_calls = len(fake.requests)
    answer = elsewhere.query(node, "notes", "how do I prune", [], mode="keyword")
    assert [hit["path"] for hit in answer["hits"]] == ["Garden/roses.md"]
    assert answer["hits"][0]["text"] == "prune roses in march"
    assert len(fake.requests) == n_calls
    assert elsewhere.query(node, "notes", "nowhereatall", [], mode="keyword")["hits"] == []
    narrowed = elsewhere.query(node, "notes", "brew prune", [], mode="keyword", folder="Cooking")
    assert [hit["path"] for hit in narrowed["hits"]] == ["Cooking/coffee.md"]


@pytest.mark.parametrize("mode", ["vector", "keyword", "hybrid"])
def test_a_folder_is_found_as_hits_print_it_behind_the_name_of_its_source(
    node: VectorBackend, fake: FakeOllama, mode: Any
) -> None:
    filled(node, fake)
    chunk = ChunkRow(f"{'t' * 12}-0", b"", (), (1, 1), "brew coffee elsewhere")
    (held,) = node.get("notes", [f"{'s' * 12}-0"]).values()
    entry = to_entry("t" * 12, "Other", "Cooking/tea.md", "tea", chunk, held.values)
    node.put_vectors("notes", Batch.of([entry]))

    def found(folder: str) -> set[str]:
        answer = elsewhere.query(node, "notes", "brew coffee and prune", [here(fake)], mode=mode, folder=folder)
        return {f"{hit['source']}/{hit['path']}" for hit in answer["hits"]}

    assert found("Cooking") == {"Vault/Cooking/coffee.md", "Other/Cooking/tea.md"}
    assert found("Vault/Cooking") == {"Vault/Cooking/coffee.md"}
    assert found("/Other/Cooking/") == {"Other/Cooking/tea.md"}
    assert found("Vault") == {"Vault/Cooking/coffee.md", "Vault/Garden/roses.md"}
    assert found("Vault/Nowhere") == found("Nobody/Cooking") == set()


def test_an_index_is_asked_by_both_and_shows_what_either_finds(node: VectorBackend, fake: FakeOllama) -> None:
    filled(node, fake)
    hits = elsewhere.query(node, "notes", "brew coffee slowly", [here(fake)], mode="hybrid")["hits"]
    assert [hit["path"] for hit in hits] == sorted(TEXTS)
    assert hits[0]["score"] == 1.0


def test_a_backend_without_full_text_says_so(tmp_path: Path, fake: FakeOllama) -> None:
    backend = FACTORIES["memory"](tmp_path)
    filled(backend, fake)
    for mode in ("keyword", "hybrid"):
        with pytest.raises(Unsupported, match="no full text") as caught:
            elsewhere.query(backend, "notes", "coffee", [here(fake)], mode=mode)  # type: ignore[arg-type]
        assert "--mode" in caught.value.hint


class Together:
    """An index that answers by vectors only while it is asked by words, and the other way round."""

    def __init__(self, node: VectorBackend) -> None:
        self._node, self._both = node, threading.Barrier(2, timeout=20)

    def query(self, *given: Any, **named: Any) -> Matches:
        self._both.wait()
        return self._node.query(*given, **named)

    def query_words(self, *given: Any, **named: Any) -> Matches:
        self._both.wait()
        found: Matches = self._node.query_words(*given, **named)  # type: ignore[attr-defined]
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._node, name)


def test_a_server_is_asked_for_both_at_once(node: VectorBackend, fake: FakeOllama) -> None:
    filled(node, fake)
    both: Any = Together(node)
    hits = elsewhere.query(both, "notes", "brew coffee slowly", [here(fake)], mode="hybrid")["hits"]
    assert [hit["path"] for hit in hits] == sorted(TEXTS)
