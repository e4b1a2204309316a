"""Files of vectors that somebody removed, cut, exchanged or wrote into under an open store: verify looks there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.backends import keys, put
from tests.world import WordEmbedder
from vragd.backends.base import Batch, Entry, remembering
from vragd.backends.faiss.settings import FaissBackend
from vragd.backends.file.settings import FileBackend
from vragd.backends.registry import create_backend
from vragd.backends.sqlite.settings import SqliteBackend
from vragd.config.settings import LimitSettings, SourceSettings, StoreSettings
from vragd.errors import BackendDamaged, UnknownCollection
from vragd.store.opening import open_store
from vragd.store.store import Store
from vragd.store.verify import compare_backend, mend_backend
from vragd.sync.change import Visit
from vragd.system.lanes import Lane

N_NOTES = 40
THEIRS = Entry("theirs-1", np.ones(32, dtype=np.float32), {"source": "theirs"})


def removed(file: Path) -> None:
    file.unlink()


def cut(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.truncate(file.stat().st_size // 2)


def emptied(file: Path) -> None:
    file.open("wb").close()


def exchanged(file: Path) -> None:
    other = file.with_name("other")
    other.write_bytes(b"of somebody else" * 400)
    other.replace(file)


def written_into(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.seek(file.stat().st_size // 2)
        opened.write(b"\xff" * 64)


FAULTS = (removed, cut, emptied, exchanged, written_into)


def again(place: Path, backend: Any) -> tuple[Store, WordEmbedder]:
    embedder = WordEmbedder()
    settings = StoreSettings(sources=(SourceSettings(path=place / "vault"),), backend=backend)
    return open_store("notes", settings, place / "store", LimitSettings(min_free_mib=0), lambda: embedder), embedder


def opened(place: Path, backend: Any) -> Iterator[tuple[Store, WordEmbedder]]:
    (place / "vault").mkdir()
    for i in range(N_NOTES):
        (place / "vault" / f"{i}.md").write_text(f"note {i}\n")
    store, embedder = again(place, backend)
    try:
        work(store)
        yield store, embedder
    finally:
        store.close()


def work(store: Store) -> None:
    store.prepare()
    for source in store.sources.values():
        store.connect(source)
        visits = [Visit(source, path) for path in store.scan_source(source)[0]]
        while visits:
            visits = store.apply(visits).deferred
    while store.behind:
        store.fill()


def kinds(store: Store) -> list[str]:
    return sorted({problem.kind for problem in compare_backend(store)})


def mended(
    store: Store, embedder: WordEmbedder, n_notes: int = N_NOTES, theirs: Collection[str] = frozenset()
) -> None:  # fmt: skip
    n_embedded = len(embedder.texts)
    mend_backend(store, compare_backend(store))
    assert compare_backend(store) == []
    assert len(embedder.texts) == n_embedded, "nothing is embedded again"
    assert store.space is not None
    held = set(keys(store.backend, store.space.collection))
    assert held >= theirs, "what others have in sound files lives on"
    assert len(held) == n_notes + len(theirs)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_segment_of_a_folder(tmp_path: Path, fault: Callable[[Path], None]) -> None:
    for store, embedder in opened(tmp_path, FileBackend(type="file", path=str(tmp_path / "kept"))):
        (segment,) = (tmp_path / "kept/notes").glob("*.segment")
        assert kinds(store) == []
        fault(segment)
        assert kinds(store) == ["damaged_files"]
        mended(store, embedder)


def test_an_older_segment_that_counts_again_is_told_anew(tmp_path: Path) -> None:
    for store, embedder in opened(tmp_path, FileBackend(type="file", path=str(tmp_path / "kept"))):
        before = set((tmp_path / "kept/notes").glob("*.segment"))
        (tmp_path / "vault/7.md").write_text("---\ntitle: Seven\n---\n\nnote 7\n")
        work(store)
        (last,) = set((tmp_path / "kept/notes").glob("*.segment")) - before
        last.unlink()
        mended(store, embedder)


@pytest.mark.parametrize("fault", FAULTS[1:])
def test_a_manifest_is_made_again_of_what_the_segments_hold(tmp_path: Path, fault: Callable[[Path], None]) -> None:
    for store, embedder in opened(tmp_path, FileBackend(type="file", path=str(tmp_path / "kept"))):
        assert store.space is not None
        put(store.backend, store.space.collection, [THEIRS])
        (tmp_path / "vault/7.md").unlink()
        work(store)
        fault(tmp_path / "kept/notes/manifest.json")
        assert kinds(store) == ["damaged_files"]
        mended(store, embedder, n_notes=N_NOTES - 1, theirs={"theirs-1"})


def test_a_manifest_is_left_to_the_user_where_nothing_beside_it_is_of_this_store(tmp_path: Path) -> None:
    for store, _ in opened(tmp_path, FileBackend(type="file", path=str(tmp_path / "kept"))):
        assert store.space is not None
        name = store.space.collection
        put(store.backend, name, [THEIRS])
        store.backend.delete_vectors(name, [key for key in keys(store.backend, name) if key != THEIRS.key])
        (tmp_path / "kept/notes/manifest.json").write_text('{"format": 1, "identity": 3}')
        assert kinds(store) == ["damaged_files"]
        mend_backend(store, compare_backend(store))
        (problem,) = compare_backend(store)
        assert "is damaged" in problem.detail
        assert "move it away" in problem.detail
        (tmp_path / "kept/notes/manifest.json").unlink()
        assert kinds(store) == ["not_checked"]
        backend = remembering(store.backend)
        assert backend is not None
        backend.mend_files(store.space.collection)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("of", ["segment", "manifest"])
def test_a_folder_that_is_damaged_while_nobody_runs_is_mended_when_it_is_opened(
    tmp_path: Path, fault: Callable[[Path], None], of: str
) -> None:
    backend = FileBackend(type="file", path=str(tmp_path / "kept"))
    for store, _ in opened(tmp_path, backend):
        (tmp_path / "vault/7.md").write_text("---\ntitle: Seven\n---\n\nnote 7\n")
        work(store)
    first, *_ = sorted((tmp_path / "kept/notes").glob("*.segment"))
    fault(first if of == "segment" else tmp_path / "kept/notes/manifest.json")
    store, embedder = again(tmp_path, backend)
    try:
        work(store)
        assert (kinds(store), embedder.texts) == ([], []), "nothing is embedded again"
        assert store.space is not None
        assert len(keys(store.backend, store.space.collection)) == N_NOTES
    finally:
        store.close()


@pytest.mark.parametrize("of", ["segment", "manifest"])
def test_a_folder_that_is_damaged_under_an_open_store_is_mended_after_the_round_that_met_it(
    tmp_path: Path, of: str
) -> None:
    for store, embedder in opened(tmp_path, FileBackend(type="file", path=str(tmp_path / "kept"))):
        (segment,) = (tmp_path / "kept/notes").glob("*.segment")
        cut(segment if of == "segment" else tmp_path / "kept/notes/manifest.json")
        n_embedded = len(embedder.texts)
        (source,) = store.sources.values()
        (tmp_path / "vault/new.md").write_text("note of the owl\n")
        with pytest.raises(BackendDamaged):
            store.apply([Visit(source, "new.md")])
        store.apply([Visit(source, "new.md")])
        while store.behind:
            store.fill()
        assert kinds(store) == []
        assert store.space is not None
        assert len(keys(store.backend, store.space.collection)) == N_NOTES + 1
        assert len(embedder.texts) == n_embedded + 1, "what is new"


@pytest.mark.parametrize("fault", FAULTS)
def test_the_cache_of_faiss(tmp_path: Path, fault: Callable[[Path], None]) -> None:
    for store, _ in opened(tmp_path, FaissBackend()):
        assert kinds(store) == [], "what is not written yet is no fault"
    store, embedder = again(tmp_path, FaissBackend())
    try:
        work(store)
        (cache,) = (tmp_path / "store").rglob("vectors.faiss")
        assert kinds(store) == []
        fault(cache)
        assert kinds(store) == ["damaged_files"]
        mended(store, embedder)
    finally:
        store.close()


def test_a_record_of_faiss_that_is_gone_is_an_unknown_collection(tmp_path: Path) -> None:
    for store, _ in opened(tmp_path, FaissBackend()):
        (record,) = (tmp_path / "store").rglob("store.json")
        record.unlink()
        assert store.space is not None
        with pytest.raises(UnknownCollection, match=r"store\.json is gone"):
            store.backend.collection_info(store.space.collection)
        assert kinds(store) == ["not_checked"]
        record.write_text("{}")
        assert kinds(store) == ["not_checked"]


class Counting(Lane):
    """How often a call on it said that it is alive."""

    n_moves = 0

    def move(self) -> None:
        self.n_moves += 1
        super().move()


@pytest.mark.parametrize("kind", ["file", "sqlite", "faiss"])
def test_to_look_at_a_large_file_is_not_to_hang(tmp_path: Path, kind: str) -> None:
    n, dimension = 3_000, 1_024
    settings = {"faiss": FaissBackend(), "file": FileBackend(type="file", path=str(tmp_path / "kept")),
                "sqlite": SqliteBackend(type="sqlite", path=str(tmp_path / "kept.db"))}[kind]  # fmt: skip
    backend = create_backend(kind, settings, tmp_path / "data")
    backend.create_collection("notes", dimension, "cosine")
    rows = np.random.default_rng(1).normal(size=(n, dimension)).astype(np.float32)
    backend.put_vectors("notes", Batch([f"k{i}" for i in range(n)], rows, [{}] * n, [{}] * n, ["1"] * n))
    backend.close()
    backend = create_backend(kind, settings, tmp_path / "data")
    remembers = remembering(backend)
    assert remembers is not None
    lane = Counting("writer")
    asyncio.run(lane.run(remembers.look_at_files, "notes"))
    assert lane.n_moves >= 3, "at its beginning, and with what was read"
    lane.close()
    backend.close()


def test_to_look_at_the_catalog_is_not_to_hang(tmp_path: Path) -> None:
    for store, _ in opened(tmp_path, FaissBackend()):
        lane = Counting("writer")
        assert asyncio.run(lane.run(store.catalog.check)) == []
        assert lane.n_moves >= 3, "at its beginning, and with what was read"
        lane.close()
