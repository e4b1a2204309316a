"""The catalog: what a commit swaps and drops, what a damaged file leads to, what full text finds."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import apsw
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.world import World
from vragd.catalog.check import move_aside
from vragd.catalog.model import ChunkRow, NoteChange, NoteRemoval
from vragd.catalog.reader import Reader
from vragd.catalog.writer import Catalog
from vragd.errors import BackendUnavailable, CatalogCorrupt, DataDirError, NewerFormat
from vragd.store.opening import replace_catalog
from vragd.sync.change import Visit

Opened = tuple[Catalog, Reader]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    catalog, reader = open_both(tmp_path / "catalog.db")
    yield catalog, reader
    reader.close()
    catalog.close()


def open_both(path: Path) -> Opened:
    catalog = Catalog(path)
    catalog.register_source("vault", "uid")
    catalog.register_space("sss", "f" * 32, json.dumps({"model": "m"}), 4)
    return catalog, Reader(path)


def row(text: str, key: str = "", heading: tuple[str, ...] = ()) -> ChunkRow:
    return ChunkRow(key or f"key of {text}", text.encode(), heading, (1, 2), text)


def note(catalog: Catalog, path: str, *texts: str, title: str = "", seq: int | None = None) -> NoteChange:
    chunks = tuple(row(text, f"{path}:{text}") for text in texts)
    seq = catalog.next_seq() if seq is None else seq
    return NoteChange(1, path, seq, (1, 2, 3, 4), False, b"d", title or path, 1, "indexed", chunks=chunks)


# -- a commit --------------------------------------------------------------------------------------


def test_a_commit_leaves_what_stays_names_what_dies_and_intends_its_deletion(opened: Opened) -> None:
    catalog, reader = opened
    catalog.commit(1, [note(catalog, "a.md", "one", "two")])
    done = catalog.commit(1, [note(catalog, "a.md", "two", "three")])
    assert done.dead == ("a.md:one",)
    assert catalog.intents(1) == ["a.md:one"]
    assert catalog.live_keys(1) == {"a.md:two", "a.md:three"}
    assert set(reader.join(["a.md:one", "a.md:two"])) == {"a.md:two"}
    catalog.clear(1, done.dead)
    assert catalog.intents(1) == []


def test_a_reading_that_is_not_newer_is_dropped_and_counted(opened: Opened) -> None:
    catalog, reader = opened
    early = note(catalog, "a.md", "old")
    catalog.commit(1, [note(catalog, "a.md", "new")])
    before = reader.generation()
    for stale in (early, NoteRemoval(1, "a.md", early.seq)):
        done = catalog.commit(1, [stale])
        assert (done.n_stale, done.dead, done.generation) == (1, (), before)
    assert catalog.live_keys(1) == {"a.md:new"}


def test_what_dies_and_lives_again_in_one_commit_is_not_dead(opened: Opened) -> None:
    catalog, _ = opened
    catalog.commit(1, [note(catalog, "a.md", "one", "two")])
    gone = NoteRemoval(1, "a.md", catalog.next_seq())
    done = catalog.commit(1, [gone, note(catalog, "a.md", "two")])
    assert done.dead == ("a.md:one",)


def test_words_of_an_old_title_or_heading_are_forgotten(opened: Opened) -> None:
    catalog, reader = opened
    old = replace(note(catalog, "a.md", title="wombat"), chunks=(row("text", "k", ("numbat",)),))
    catalog.commit(1, [old])
    new = replace(note(catalog, "a.md", title="quokka"), chunks=(row("text", "k", ("bilby",)),))
    assert catalog.commit(1, [new]).dead == ()
    assert [bool(reader.keyword(word, 5)) for word in ("wombat", "numbat", "quokka", "bilby")] == [
        False,
        False,
        True,
        True,
    ]
    catalog.commit(1, [replace(new, seq=catalog.next_seq(), chunks=(row("text", "k", ("dunnart",)),))])
    assert [bool(reader.keyword(word, 5)) for word in ("bilby", "dunnart")] == [False, True]


def test_only_what_changes_an_answer_makes_a_generation(opened: Opened) -> None:
    catalog, _ = opened
    first = catalog.commit(1, [note(catalog, "a.md", "one")]).generation
    stamped = replace(note(catalog, "a.md"), chunks=None)
    assert catalog.commit(1, [stamped]).generation == first
    assert catalog.live_keys(1) == {"a.md:one"}
    assert catalog.commit(1, [NoteRemoval(1, "b.md", catalog.next_seq())]).generation == first
    assert catalog.commit(1, [NoteRemoval(1, "a.md", catalog.next_seq())]).generation == first + 1


def test_a_commit_that_fails_half_way_changes_nothing(opened: Opened) -> None:
    catalog, reader = opened
    catalog.commit(1, [note(catalog, "a.md", "one")])
    clash = replace(note(catalog, "c.md"), chunks=(row("x", "b.md:three"),))  # a key of another note
    with pytest.raises(DataDirError, match="UNIQUE"):
        catalog.commit(1, [note(catalog, "a.md", "two"), note(catalog, "b.md", "three"), clash])
    assert catalog.live_keys(1) == {"a.md:one"}
    assert catalog.intents(1) == []
    assert sorted(reader.known(1)) == ["a.md"]


PATHS, TEXTS = st.sampled_from(["a.md", "b.md", "c.md"]), st.lists(st.sampled_from("pqrs"), max_size=3, unique=True)


@settings(max_examples=60, deadline=None)
@given(rounds=st.lists(st.lists(st.tuples(PATHS, st.none() | TEXTS, st.integers(-3, 3)), max_size=4), max_size=6))
def test_after_any_commits_the_catalog_is_the_newest_reading_of_each_note(
    rounds: list[list[tuple[str, list[str] | None, int]]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    catalog, reader = open_both(tmp_path_factory.mktemp("c") / "catalog.db")
    model: dict[str, tuple[int, frozenset[str]]] = {}
    seq, ever = 10, set()
    for changes in rounds:
        batch: list[NoteChange | NoteRemoval] = []
        live_before = {key for _, keys in model.values() for key in keys}
        n_stale = 0
        for path, texts, shift in changes:
            seq += 1
            at = max(1, seq + shift)
            newer = path not in model or model[path][0] < at
            n_stale += not newer
            if texts is None:
                batch.append(NoteRemoval(1, path, at))
                if newer:
                    model.pop(path, None)
            else:
                batch.append(note(catalog, path, *texts, seq=at))
                if newer:
                    model[path] = at, frozenset(f"{path}:{text}" for text in texts)
        done = catalog.commit(1, batch)
        live = {key for _, keys in model.values() for key in keys}
        ever |= live
        assert catalog.live_keys(1) == live
        assert set(reader.join(sorted(ever))) == live if ever else True
        assert not live & set(done.dead)
        assert live_before - live <= set(done.dead) <= set(catalog.intents(1))
        assert done.n_stale == n_stale
        assert catalog.check() == [], "full text and chunks are of one mind"
    reader.close()
    catalog.close()


# -- embeddings ------------------------------------------------------------------------------------


def test_an_embedding_unused_for_long_is_forgotten_and_one_used_again_is_kept(opened: Opened) -> None:
    catalog, _ = opened
    catalog.save(1, [(text.encode(), np.ones(4)) for text in ("one", "two")])
    catalog.commit(1, [note(catalog, "a.md", "one")])
    assert catalog.sweep_embeddings(1000.0, 60.0) == 0
    catalog.commit(1, [note(catalog, "a.md", "two")])
    assert catalog.sweep_embeddings(1030.0, 60.0) == 0
    assert catalog.sweep_embeddings(1070.0, 60.0) == 0, "two is used, one is unused for 40 s"
    assert catalog.sweep_embeddings(1100.0, 60.0) == 1
    assert catalog.embedded(1, [b"one", b"two"]) == {b"two"}


def test_mending_has_notes_without_an_embedding_read_again(opened: Opened) -> None:
    catalog, reader = opened
    catalog.save(1, [(b"one", np.ones(4)), (b"two", np.ones(4))])
    catalog.commit(1, [note(catalog, "a.md", "one"), note(catalog, "b.md", "two"), note(catalog, "c.md", "three")])
    catalog._db.execute("update embedding set vector = x'00' where text_hash = ?", (b"two",))
    assert catalog.mend() == 2
    assert sorted(path for _, path in catalog.due_for_retry(0.0)) == ["b.md", "c.md"]
    assert catalog.live_keys(1) == {"a.md:one"}
    assert reader.keyword("two", 5)[0].path == "b.md", "words are found as before"


# -- a file that is damaged ------------------------------------------------------------------------

N_NOTES = 300
TABLES = ("note", "chunk", "source", "space", "store", "target", "own_source", "intent")


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    for i in range(N_NOTES):
        world.write(f"n{i}.md", f"# Title {i}\n\n" + f"word{i} " * 50)
    world.apply(*(f"n{i}.md" for i in range(N_NOTES)))
    assert len(world.texts()) == N_NOTES
    yield world
    world.store.close()


def blot(file: Path, table: str) -> None:
    """Garbage over the first page of a table's tree."""
    db = apsw.Connection(str(file))
    ((page,),) = db.execute("pragma page_size")
    ((root,),) = db.execute("select rootpage from sqlite_master where name = ?", (table,))
    db.close()
    with file.open("r+b") as raw:
        raw.seek((root - 1) * page)
        raw.write(b"\xa5" * 200)


def halve(file: Path, _: str) -> None:
    with file.open("r+b") as raw:
        raw.truncate(file.stat().st_size // 2)


@pytest.mark.parametrize(
    ("damage", "table"),
    [*((blot, table) for table in TABLES), (halve, "")],
    ids=lambda part: part if isinstance(part, str) else part.__name__,
)
def test_a_store_with_a_damaged_catalog_opens_and_indexes_anew(
    filled: World, damage: Callable[[Path, str], None], table: str
) -> None:
    filled.store.close()
    file = filled.folder / "catalog.db"
    damage(file, table)
    filled.open()
    filled.store.prepare()
    index_until_whole(filled)
    assert len(list(filled.folder.glob("catalog.db.corrupt-*"))) == 1
    assert filled.is_sound()
    assert filled.store.catalog.check() == []


def index_until_whole(world: World) -> None:
    """As the worker does: what fails on a damaged catalog leads to another, and that to a scan."""
    for _ in range(3):
        try:
            world.apply(*world.scan())
            world.store.reader.counts()
        except CatalogCorrupt as error:
            world.store = replace_catalog(world.store, error)
            world.store.prepare()
    assert len(world.texts()) == N_NOTES


def test_a_catalog_that_is_damaged_while_it_is_open_is_begun_anew_with_the_same_sources(filled: World) -> None:
    catalog = filled.store.catalog
    catalog._db.execute("pragma wal_checkpoint(truncate)")
    blot(filled.folder / "catalog.db", "chunk")
    catalog._db.execute("pragma shrink_memory")
    with pytest.raises(CatalogCorrupt) as caught:
        for read in (lambda: catalog.live_keys(1), lambda: catalog.commit(1, [note(catalog, "n1.md", "x")])):
            read()
    source, reader = filled.source, filled.store.reader
    filled.store = replace_catalog(filled.store, caught.value)
    assert filled.store.sources == {source.id: source}
    assert filled.store.catalog.sources()[0].identity is not None
    with pytest.raises(BackendUnavailable):
        reader.counts()
    filled.store.prepare()
    index_until_whole(filled)
    assert filled.is_sound()


def test_what_the_backend_holds_of_a_catalog_that_is_gone_goes_too(filled: World) -> None:
    filled.embedder.dimension, filled.embedder.digest = 16, "2"
    filled.store.prepare()
    assert len(filled.backend.list_collections()) == 2
    filled.store.lasting.spared_at = filled.store.given.clock.steady()  # it seemed damaged a moment ago
    filled.store = replace_catalog(filled.store, CatalogCorrupt("as if"))
    filled.store.prepare()
    assert filled.backend.list_collections() == ["sss"]
    index_until_whole(filled)
    assert filled.is_sound()


def test_a_kill_while_the_damaged_file_is_moved_leaves_no_old_log_for_a_new_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "catalog.db"
    for suffix in ("", "-wal", "-shm"):
        file.with_name(file.name + suffix).write_bytes(b"old")

    def killed_at_the_file(source: Path, to: Path) -> None:
        if source == file:
            raise KeyboardInterrupt
        source.rename(to)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("vragd.catalog.check.os.replace", killed_at_the_file)
        move_aside(file)
    assert [path.name for path in tmp_path.glob("catalog.db*") if "corrupt" not in path.name] == ["catalog.db"]
    move_aside(file)
    assert len(list(tmp_path.glob("catalog.db.corrupt-*"))) == 3


def test_a_file_of_a_newer_vragd_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    catalog, reader = open_both(tmp_path / "catalog.db")
    reader.close()
    catalog._db.execute("pragma user_version = 99")
    catalog.close()
    before = (tmp_path / "catalog.db").read_bytes()
    with pytest.raises(NewerFormat):
        Catalog(tmp_path / "catalog.db")
    assert (tmp_path / "catalog.db").read_bytes() == before


def test_text_that_is_no_longer_utf8_counts_as_damage(opened: Opened) -> None:
    catalog, _ = opened
    catalog._db.execute("insert into intent values (1, cast(x'ff' as text))")
    with pytest.raises(CatalogCorrupt):
        catalog.intents(1)


# -- reading ---------------------------------------------------------------------------------------


def test_a_snapshot_is_of_one_instant_whatever_is_committed_meanwhile(opened: Opened) -> None:
    catalog, reader = opened
    catalog.commit(1, [note(catalog, "a.md", "alpha old")])
    with reader.snapshot() as now:
        before = now.generation()
        catalog.commit(1, [note(catalog, "a.md", "alpha new")])
        assert now.generation() == before
        assert [key for key, _ in now.keyword("alpha", 5)] == ["a.md:alpha old"]
        assert now.live(["a.md:alpha old", "a.md:alpha new"]) == {"a.md:alpha old"}
        assert set(now.join(["a.md:alpha old", "a.md:alpha new"])) == {"a.md:alpha old"}
    assert [found.text for found in reader.keyword("alpha", 5)] == ["alpha new"]


def test_title_and_heading_count_for_more_than_text(opened: Opened) -> None:
    catalog, reader = opened
    in_text = note(catalog, "text.md", "a quokka among many other words here", title="other")
    in_title = note(catalog, "title.md", "many other words, and some more of them here", title="quokka")
    catalog.commit(1, [in_text, in_title])
    assert [found.path for found in reader.keyword("quokka", 5)] == ["title.md", "text.md"]


@pytest.mark.parametrize("text", ['"', "a OR", "NEAR(", "col:x", "* - ^", "\x00", "ÄÖÜ", "日本語"])
def test_no_text_is_a_syntax_error(opened: Opened, text: str) -> None:
    catalog, reader = opened
    catalog.commit(1, [note(catalog, "a.md", "a or near col x äöü 日本語")])
    assert len(reader.keyword(text, 5)) <= 1


def test_a_narrowed_search_looks_in_the_folder_only_and_past_better_hits_elsewhere(opened: Opened) -> None:
    catalog, reader = opened
    others = [note(catalog, f"x{i}.md", f"quokka {i}", title="quokka") for i in range(20)]
    catalog.commit(1, [*others, note(catalog, "f/a.md", "one quokka"), note(catalog, "fg/b.md", "one quokka too")])
    assert [found.path for found in reader.keyword("quokka", 3, folder="f")] == ["f/a.md"]
    assert reader.keyword("quokka", 3, sources=["elsewhere"]) == []


def test_a_path_that_is_no_utf8_comes_back_as_it_was(opened: Opened) -> None:
    catalog, reader = opened
    path = b"caf\xe9.md".decode("utf-8", "surrogateescape")
    catalog.commit(1, [replace(note(catalog, path), title="café", chunks=(row("text"),))])
    assert list(reader.known(1)) == [path]
    assert reader.files()[0].path == path


def test_a_note_that_moves_between_spaces_leaves_the_first(filled: World) -> None:
    filled.embedder.digest = "2"
    filled.store.prepare()
    first, second = filled.store.catalog.spaces()
    assert filled.store.catalog.any_outside(second.id)
    filled.store.apply([Visit(filled.source, "n1.md")])
    assert len(filled.store.catalog.live_keys(first.id)) == N_NOTES - 1
    assert len(filled.store.catalog.live_keys(second.id)) == 1
