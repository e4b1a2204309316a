"""A SQLite file of vectors that was damaged: what can be read goes on, the rest is put again from the catalog."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest

from tests.backends import keys, put, values
from tests.unit.store.test_verify_files import (
    N_NOTES,
    THEIRS,
    again,
    cut,
    emptied,
    exchanged,
    kinds,
    mended,
    opened,
    removed,
    work,
    written_into,
)  # fmt: skip
from tests.world import WordEmbedder
from vragd.backends.base import Entry
from vragd.backends.sqlite.backend import create
from vragd.backends.sqlite.file import PAGE
from vragd.backends.sqlite.settings import SqliteBackend
from vragd.errors import BackendDamaged, BackendRefused
from vragd.store.store import Store
from vragd.store.verify import compare_backend, mend_backend
from vragd.sync.change import Visit

ROWS = {f"own-{i}": np.eye(4, dtype=np.float32)[i % 4] for i in range(600)}
"""Of a program of one's own, in the same file."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "vectors.db"


def at(file: Path) -> SqliteBackend:
    return SqliteBackend(type="sqlite", path=str(file))


def put_beside(file: Path) -> None:
    """Vectors of a program of one's own: no catalog has them."""
    with closing(create(at(file), Path())) as backend:
        backend.create_collection("mine", 4, "dot")
        put(backend, "mine", [Entry(key, row, {"n": key}, {}, "0" * 16) for key, row in ROWS.items()])


def beside(file: Path) -> dict[str, np.ndarray]:
    with closing(create(at(file), Path())) as backend:
        assert backend.list_collections() == ["mine", "notes"]
        return values(backend, "mine", ROWS)


def lose_what_finds(file: Path) -> None:
    """Damage a page of what only finds entries: all of them can be read."""
    with closing(sqlite3.connect(file)) as db:
        ((page,),) = db.execute("select rootpage from sqlite_schema where name = 'entries_by_key'")
        db.execute("pragma wal_checkpoint(truncate)")
    data = bytearray(file.read_bytes())
    data[(page - 1) * PAGE] ^= 0xFF
    file.write_bytes(data)


def filled(place: Path, file: Path) -> None:
    """A store whose vectors are all in the file itself, and nobody runs."""
    for store, _ in opened(place, at(file)):
        assert kinds(store) == []
    assert not file.with_name("vectors.db-wal").exists()


@contextmanager
def reopened(place: Path, file: Path) -> Iterator[tuple[Store, WordEmbedder]]:
    """As a daemon opens it: what fails is tried once more."""
    store, embedder = again(place, at(file))
    try:
        try:
            work(store)
        except BackendDamaged:  # in what was not read before
            work(store)
        yield store, embedder
    finally:
        store.close()


def whole(store: Store, embedder: WordEmbedder) -> None:
    assert (kinds(store), embedder.texts) == ([], []), "nothing is embedded again"
    assert store.space is not None
    assert len(keys(store.backend, store.space.collection)) == N_NOTES


@pytest.mark.parametrize("fault", [cut, written_into])
def test_verify_repairs_a_file(tmp_path: Path, file: Path, fault: Callable[[Path], None]) -> None:
    for store, embedder in opened(tmp_path, at(file)):
        assert kinds(store) == []
        assert store.space is not None
        store.backend.tend(store.space.collection)  # all of it lies in the file itself
        fault(file)
        (problem,) = compare_backend(store)
        assert problem.kind == "damaged_files" and str(file) in problem.detail
        assert "vragd verify --repair mends" in problem.detail
        mended(store, embedder)


@pytest.mark.parametrize("fault", [removed, emptied])
def test_a_file_that_is_gone_or_empty_is_made_anew_by_the_next_round(
    tmp_path: Path, file: Path, fault: Callable[[Path], None]
) -> None:
    for store, embedder in opened(tmp_path, at(file)):
        assert store.space is not None
        n_embedded = len(embedder.texts)
        fault(file)
        (problem,) = compare_backend(store)
        assert problem.kind == "not_checked" and "there is no file" in problem.detail
        store.spaces.doubt()
        work(store)
        assert (kinds(store), len(embedder.texts)) == ([], n_embedded)
        assert len(keys(store.backend, store.space.collection)) == N_NOTES


@pytest.mark.parametrize("fault", [removed, cut, emptied])
def test_a_file_that_is_cut_or_gone_while_nobody_runs_is_mended_when_it_is_opened(
    tmp_path: Path, file: Path, fault: Callable[[Path], None]
) -> None:
    filled(tmp_path, file)
    fault(file)
    with reopened(tmp_path, file) as (store, embedder):
        whole(store, embedder)
    left = {one.name for one in tmp_path.iterdir() if "vectors" in one.name}
    assert left == {"vectors.db", "vectors.db.lock"}, "nobody else lost anything"


@pytest.mark.slow
def test_a_flipped_byte_anywhere_loses_nothing(tmp_path: Path, file: Path) -> None:
    """At once where a page is no page any more; where numbers are others, by verify, as SQLite has no checksums."""
    filled(tmp_path, file)
    sound = file.read_bytes()
    pages = range(0, len(sound), PAGE)
    places = [100, *(page + offset for page in pages for offset in (1, 3, 6, PAGE - 9) if page + offset > 100)]
    n_mended = 0
    for place in places:
        data = bytearray(sound)
        data[place] ^= 0xFF
        file.write_bytes(data)
        with reopened(tmp_path, file) as (store, embedder):
            if found := compare_backend(store):
                mend_backend(store, found)
                n_mended += 1
            whole(store, embedder)
    assert n_mended < len(places), "others were mended as they were opened"


def test_what_others_have_in_the_file_lives_on(tmp_path: Path, file: Path) -> None:
    for store, _ in opened(tmp_path, at(file)):
        assert store.space is not None
        put(store.backend, store.space.collection, [THEIRS])
    put_beside(file)
    lose_what_finds(file)
    with reopened(tmp_path, file) as (store, embedder):
        mended(store, embedder, theirs={THEIRS.key})
    assert beside(file).keys() == ROWS.keys()
    assert not file.with_name("vectors.db.damaged").exists(), "nothing was lost"


def test_a_file_in_which_the_row_of_a_collection_of_others_is_not_sound_stays_beside(
    tmp_path: Path, file: Path
) -> None:
    put_beside(file)
    filled(tmp_path, file)
    with closing(sqlite3.connect(file)) as db, db:
        db.execute("update collections set metric = 'none that is known' where name = 'mine'")
    lose_what_finds(file)
    damaged = file.read_bytes()
    with reopened(tmp_path, file) as (store, embedder):
        whole(store, embedder)
    assert file.with_name("vectors.db.damaged").read_bytes() == damaged, "of `mine` nothing was copied"


def test_a_file_of_which_others_lose_something_stays_beside(tmp_path: Path, file: Path) -> None:
    put_beside(file)
    filled(tmp_path, file)
    cut(file)
    damaged = file.read_bytes()
    with reopened(tmp_path, file) as (store, embedder):
        whole(store, embedder)
    assert file.with_name("vectors.db.damaged").read_bytes() == damaged
    assert at(file).kept_files() == (file.with_name("vectors.db.damaged"),)
    held = beside(file)
    assert held.keys() < ROWS.keys()
    assert all(np.array_equal(row, ROWS[key]) for key, row in held.items())


def test_a_file_that_is_damaged_under_an_open_store_is_mended_after_it_was_met(tmp_path: Path, file: Path) -> None:
    for store, embedder in opened(tmp_path, at(file)):
        assert store.space is not None
        store.backend.tend(store.space.collection)
        cut(file)
        assert kinds(store) == ["damaged_files"], "SQLite itself goes on with what it remembers"
        n_embedded = len(embedder.texts)
        (source,) = store.sources.values()
        (tmp_path / "vault/new.md").write_text("note of the owl\n")
        with pytest.raises(BackendDamaged):
            store.apply([Visit(source, "new.md")])
        store.apply([Visit(source, "new.md")])
        while store.behind:
            store.fill()
        assert kinds(store) == []
        assert len(keys(store.backend, store.space.collection)) == N_NOTES + 1
        assert len(embedder.texts) == n_embedded + 1, "what is new"


def database_of_another(file: Path) -> None:
    file.unlink()
    with closing(sqlite3.connect(file)) as db:
        db.execute("create table mine (x)")
        db.commit()


def another_id(file: Path) -> None:
    """Whole as ever, and marked as a file of somebody else."""
    with closing(sqlite3.connect(file)) as db:
        db.execute("pragma application_id = 7")


@pytest.mark.parametrize("fault", [exchanged, database_of_another, another_id])
def test_what_is_of_somebody_else_is_left_as_it_is(tmp_path: Path, file: Path, fault: Callable[[Path], None]) -> None:
    filled(tmp_path, file)
    fault(file)
    theirs = file.read_bytes()
    with pytest.raises(BackendRefused) as caught:
        again(tmp_path, at(file))
    assert not isinstance(caught.value, BackendDamaged)
    assert "move it away: a store on notes fills it anew" in caught.value.hint
    with closing(create(at(file), Path())) as backend, pytest.raises(BackendRefused):
        backend.mend_files("notes")
    assert file.read_bytes() == theirs
    file.rename(file.with_name("away"))
    with reopened(tmp_path, file) as (store, embedder):
        whole(store, embedder)
