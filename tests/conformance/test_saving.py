"""What a save costs a backend, counted between it and whatever tells it to."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any, cast

import pytest

from tests.conformance.factories import FACTORIES, REAL
from tests.world import WordEmbedder
from vragd.backends.base import Batch, VectorBackend
from vragd.config.settings import LimitSettings, SourceSettings, StoreSettings
from vragd.store.opening import open_store
from vragd.store.store import Store
from vragd.sync.prepared import Visit

N_PARTS = 20


class Counted:
    """A backend, and what it is told to change, with how much of it."""

    def __init__(self, backend: VectorBackend) -> None:
        self.backend = backend
        self.told: list[tuple[str, int]] = []

    def put_vectors(self, name: str, batch: Batch, *, visible: bool = True) -> None:
        self.told.append(("put", len(batch)))
        self.backend.put_vectors(name, batch, visible=visible)

    def put_metadata(self, name: str, batch: Batch) -> frozenset[str]:
        self.told.append(("put metadata", len(batch)))
        return self.backend.put_metadata(name, batch)

    def delete_vectors(self, name: str, keys: Collection[str]) -> None:
        self.told.append(("delete", len(keys)))
        self.backend.delete_vectors(name, keys)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.backend, name)


class Saving:
    """A vault with one note of many passages, and its store."""

    def __init__(self, home: Path, backend: VectorBackend) -> None:
        self.vault, self.folder = home / "vault", home / "store"
        self.vault.mkdir()
        self.embedder, self.counted = WordEmbedder(), Counted(backend)
        self.store = self.opened()

    def opened(self) -> Store:
        store = open_store(
            "notes", StoreSettings(sources=(SourceSettings(path=self.vault),)), self.folder,
            LimitSettings(min_free_mib=0), lambda: self.embedder,
            make_backend=lambda *_: cast(VectorBackend, self.counted),
        )  # fmt: skip
        (source,) = store.sources.values()
        store.connect(source)
        store.scan_source(source)
        store.prepare()
        return store

    def save(self, word: str = "", instead: str = "") -> None:
        """The note, with other words in place of some."""
        text = "\n".join(f"# Part {i}\n\nWords about subject number {i}.\n" for i in range(N_PARTS))
        (self.vault / "n.md").write_text(text.replace(word, instead) if word else text)
        (source,) = self.store.sources.values()
        self.store.apply([Visit(source, "n.md")])

    def held(self) -> set[str]:
        assert self.store.space is not None
        return {key for key, _ in self.counted.backend.list_keys(self.store.space.collection)}

    def live(self) -> set[str]:
        assert self.store.space is not None
        return self.store.catalog.live_keys(self.store.space.id)


@pytest.fixture
def saving(backend_name: str, tmp_path: Path) -> Saving:
    return Saving(tmp_path, (FACTORIES | REAL)[backend_name](tmp_path))


def test_a_save_of_one_passage_puts_one_vector_and_deletes_one(saving: Saving) -> None:
    saving.save()
    assert (saving.held(), len(saving.held())) == (saving.live(), N_PARTS)
    saving.counted.told.clear()
    saving.embedder.texts.clear()
    saving.save("number 7.", "number seven.")
    assert saving.counted.told == [("put", 1), ("delete", 1)]
    assert len(saving.embedder.texts) == 1
    assert (saving.held(), len(saving.held())) == (saving.live(), N_PARTS)


def test_what_somebody_took_out_is_put_again_at_the_next_look_without_embedding(saving: Saving) -> None:
    saving.save()
    assert saving.store.space is not None
    saving.embedder.texts.clear()
    for gone in (saving.live(), set(sorted(saving.live())[:3])):
        saving.counted.backend.delete_vectors(saving.store.space.collection, gone)
        saving.store.prepare()
        if saving.counted.traits.private:  # nobody else comes there but between two starts
            saving.store.spaces.doubt()
            saving.store.attach()
        assert saving.store.behind != saving.counted.traits.private
        while saving.store.behind:
            saving.store.fill()
        assert saving.held() == saving.live()
    assert saving.embedder.texts == []
