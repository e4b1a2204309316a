"""The catalog: what a commit swaps and drops, what full text finds."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import apsw
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.depth import examples
from tests.world import sql
from vragd.catalog.model import ChunkRow, Counts, NoteChange, NoteRemoval
from vragd.catalog.reader import Reader
from vragd.catalog.sweep import SLICE
from vragd.catalog.writer import Catalog
from vragd.errors import DataDirError

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


@examples(25, 60)
@given(rounds=st.lists(st.lists(st.tuples(PATHS, st.none() | TEXTS, st.integers(-3, 3)), max_size=4), max_size=6))
@pytest.mark.slow
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


def forget_unused(opened: Opened, now: float, keep_s: float) -> int:
    catalog, reader = opened
    _, found = reader.find_unused(now, keep_s)
    return sum(catalog.forget_unused(some, now) for some in found.slices())


def test_an_embedding_unused_for_long_is_forgotten_and_one_used_again_is_kept(opened: Opened) -> None:
    catalog, _ = opened
    catalog.save(1, [(text.encode(), np.ones(4)) for text in ("one", "two")])
    catalog.commit(1, [note(catalog, "a.md", "one")])
    assert forget_unused(opened, 1000.0, 60.0) == 0
    catalog.commit(1, [note(catalog, "a.md", "two")])
    assert forget_unused(opened, 1030.0, 60.0) == 0
    assert forget_unused(opened, 1070.0, 60.0) == 0, "two is used, one is unused for 40 s"
    assert forget_unused(opened, 1100.0, 60.0) == 1
    assert catalog.embedded(1, [b"one", b"two"]) == {b"two"}


def test_what_a_clock_that_was_ahead_put_off_is_done_when_it_is_right_again(opened: Opened, tmp_path: Path) -> None:
    catalog, _ = opened
    now, years = 1_000_000.0, 315_360_000.0
    catalog.save(1, [(text.encode(), np.ones(4)) for text in ("one", "two")])
    forget_unused(opened, now + years, 60.0)
    forget_unused(opened, now, 60.0)
    assert forget_unused(opened, now + 61.0, 60.0) == 2, "unused since the clock was put right"
    catalog.commit(1, [note(catalog, "a.md", "one")])
    for failed_at, retry_at, is_due in (
        (now - 10, now + 3_500, False), (now - 10, now + 3_700, True), (now - 10, now - 1, True), (now, None, False),
        (now + 1_800, now + 1_805, True), (now + 1_800, None, False),
    ):  # fmt: skip
        sql(tmp_path, "update note set state = 'failed', changed_at = ?, retry_at = ?", failed_at, retry_at)
        assert bool(catalog.due_for_retry(now)) is is_due


def test_what_was_read_holds_until_something_is_written_by_this_connection_or_another(
    opened: Opened, tmp_path: Path
) -> None:
    catalog, reader = opened
    as_of = catalog.as_of()
    assert reader.counts().notes == reader.counts().notes == 0
    assert not catalog.due_for_retry(0.0)
    assert catalog.as_of() == as_of, "a look changes nothing"
    catalog.save(1, [(b"one", np.ones(4))])
    catalog.commit(1, [note(catalog, "a.md", "one")])
    assert (ours := catalog.as_of()) != as_of
    assert reader.counts() == reader.counts() == Counts(1, 1, 1, {"indexed": 1})
    assert not catalog.due_for_retry(0.0)
    sql(tmp_path, "update note set state = 'failed', changed_at = 0, retry_at = 5")
    assert catalog.as_of() != ours
    assert reader.counts().states == reader.counts().states == {"failed": 1}, "no commit of ours, and no other answer"
    assert [len(catalog.due_for_retry(now)) for now in (4.0, 6.0, 4.0)] == [0, 1, 0], "one that is not due yet is kept"
    assert catalog.retries(4.0) == ([], 5.0)
    catalog.commit(1, [replace(note(catalog, "b.md", "one"), state="failed", retry_at=0.0)])
    assert [path for _, path in catalog.due_for_retry(4.0)] == ["b.md"]
    assert catalog.retries(4.0)[1] == 4.0, "one is due, and is until it was tried"


def test_what_is_unused_is_found_by_a_reader_and_forgotten_in_slices(opened: Opened) -> None:
    catalog, reader = opened
    n = 2 * SLICE + 3
    catalog.save(1, [(f"t{i}".encode(), np.ones(4)) for i in range(n)])
    _, found = reader.find_unused(1000.0, 60.0)
    assert [len(some.unused) for some in found.slices()] == [SLICE, SLICE, 3]
    assert sum(catalog.forget_unused(some, 1000.0) for some in found.slices()) == 0
    _, found = reader.find_unused(1060.0, 60.0)
    assert sum(catalog.forget_unused(some, 1060.0) for some in found.slices()) == 2 * SLICE + 3


def test_mending_has_notes_without_an_embedding_read_again(opened: Opened, tmp_path: Path) -> None:
    catalog, reader = opened
    catalog.save(1, [(b"one", np.ones(4)), (b"two", np.ones(4))])
    catalog.commit(1, [note(catalog, "a.md", "one"), note(catalog, "b.md", "two"), note(catalog, "c.md", "three")])
    sql(tmp_path, "update embedding set vector = x'00' where text_hash = ?", b"two")
    assert catalog.mend() == 2
    assert sorted(path for _, path in catalog.due_for_retry(0.0)) == ["b.md", "c.md"]
    assert catalog.live_keys(1) == {"a.md:one"}
    assert reader.keyword("two", 5)[0].path == "b.md", "words are found as before"


# -- the log -----------------------------------------------------------------------------------------


def test_the_log_grows_while_another_program_reads_and_no_longer_than_that(opened: Opened, tmp_path: Path) -> None:
    catalog, reader = opened
    log, limit = tmp_path / "catalog.db-wal", 16 << 20
    other = apsw.Connection(str(catalog.path), flags=apsw.SQLITE_OPEN_READONLY)  # a backup, a browser of databases
    other.execute("begin")
    assert other.execute("select count(*) from chunk").fetchone() == (0,)
    n = 0

    def write() -> None:
        nonlocal n
        n += 1
        texts = [f"text {n} {i} " + os.urandom(10_000).hex() for i in range(9)]
        catalog.commit(1, [note(catalog, f"{n}.md", *texts)])

    while log.stat().st_size < limit + (1 << 20):
        write()
    assert other.execute("select count(*) from chunk").fetchone() == (0,), "it reads what it began with"
    assert reader.counts().notes == n
    other.execute("rollback")
    for _ in range(2):
        write()
    assert log.stat().st_size <= limit
    other.close()
    reader.close()
    catalog.close()
    assert not log.exists()


# -- reading ---------------------------------------------------------------------------------------


def test_a_snapshot_is_of_one_instant_whatever_is_committed_meanwhile(opened: Opened) -> None:
    catalog, reader = opened
    catalog.commit(1, [note(catalog, "a.md", "alpha old")])
    with reader.snapshot() as now:
        before = now.generation()
        catalog.commit(1, [note(catalog, "a.md", "alpha new")])
        assert now.generation() == before
        assert [found.key for found in now.keyword("alpha", 5)] == ["a.md:alpha old"]
        assert now.live(["a.md:alpha old", "a.md:alpha new"]) == {"a.md:alpha old"}
        assert set(now.join(["a.md:alpha old", "a.md:alpha new"])) == {"a.md:alpha old"}
    assert [found.text for found in reader.keyword("alpha", 5)] == ["alpha new"]


def test_words_are_found_in_text_title_file_name_and_folder(opened: Opened) -> None:
    catalog, reader = opened
    in_text = note(catalog, "text.md", "a quokka among many other words here", title="other")
    in_title = note(catalog, "title.md", "many other words, and some more of them here", title="quokka")
    elsewhere = [note(catalog, "quokka 2024.md", "one", title="x"), note(catalog, "quokka/y.md", "two", title="y")]
    catalog.commit(1, [in_text, in_title, *elsewhere])
    found = [found.path for found in reader.keyword("quokka", 5)]
    assert (found[0], sorted(found)) == ("text.md", ["quokka 2024.md", "quokka/y.md", "text.md", "title.md"])


@pytest.mark.parametrize("text", ['"', "a OR", "NEAR(", "col:x", "* - ^", "\x00", "ÄÖÜ", "日本語"])
def test_no_text_is_a_syntax_error(opened: Opened, text: str) -> None:
    catalog, reader = opened
    catalog.commit(1, [note(catalog, "a.md", "a or near col x äöü 日本語")])
    assert len(reader.keyword(text, 5)) <= 1


def test_a_narrowed_search_looks_in_the_folder_only_and_past_better_hits_elsewhere(opened: Opened) -> None:
    catalog, reader = opened
    others = [note(catalog, f"x{i}.md", f"quokka {i}", title="quokka") for i in range(20)]
    catalog.commit(1, [*others, note(catalog, "f/a.md", "one quokka"), note(catalog, "fg/b.md", "one quokka too")])
    assert [found.path for found in reader.keyword("quokka", 3, folders=["f"])] == ["f/a.md"]
    assert reader.keyword("quokka", 3, sources=["elsewhere"]) == []


def test_a_path_that_is_no_utf8_comes_back_as_it_was(opened: Opened) -> None:
    catalog, reader = opened
    path = b"caf\xe9.md".decode("utf-8", "surrogateescape")
    catalog.commit(1, [replace(note(catalog, path), title="café", chunks=(row("text"),))])
    assert list(reader.known(1)) == [path]
    assert reader.files()[0].path == path
