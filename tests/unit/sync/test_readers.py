"""Code and documents in a store: each reader has a version, and a process that may end as it likes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import xxhash

from tests import documents as made
from tests.world import World, sql
from vragd.config.settings import DocumentSettings
from vragd.notes.chunk import OTHER, REGISTRY, VERSION, versions
from vragd.notes.documents import LIBRARIES
from vragd.notes.model import NotIndexable
from vragd.store.verify import compare_vault
from vragd.sync.readers import Documents, Readers
from vragd.vault.read import Content, StatKey

needs_documents = pytest.mark.skipif(
    any(find_spec(library) is None for library in LIBRARIES.values()), reason="needs pip install 'vragd[documents]'"
)
needs_grammars = pytest.mark.skipif(find_spec("tree_sitter") is None, reason="needs pip install 'vragd[code]'")
EVERYTHING = ("*.md", "*.py", "*.yaml", "*.pdf", "*.docx", "*.pptx", "*.xlsx")
DEEP = "".join(
    " " * i + f"def f{i}():\n" + " " * i + " x = 'some longer text to fill up the space'\n" for i in range(600)
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    world.include = EVERYTHING
    world.restart()
    world.store.prepare()
    yield world
    world.store.close()


def reading(world: World, **settings: Any) -> None:
    """From now on documents are read."""
    world.documents = DocumentSettings(read=True, **settings)
    world.restart()
    world.store.prepare()


def put(world: World, path: str, data: bytes) -> None:
    (world.vault / path).write_bytes(data)


def states(world: World) -> dict[str, tuple[str, str | None, int]]:
    return {row.path: (row.state, row.reason, row.n_chunks) for row in world.store.reader.files()}


def all_read(world: World) -> int:
    """Everything a scan finds dirty is read; how much that was."""
    dirty = world.scan()
    world.apply(*dirty)
    return len(dirty)


# -- versions ---------------------------------------------------------------------------------------


def test_a_note_is_read_again_when_the_version_of_its_reader_changed_and_no_other_is(world: World) -> None:
    world.write("a.md", "one")
    world.write("b.yaml", "b: two")
    world.apply("a.md", "b.yaml")
    os.utime(world.vault / "a.md", (1, 1))  # else stamps are too fresh to be trusted
    os.utime(world.vault / "b.yaml", (1, 1))
    while world.scan():
        all_read(world)
        world.source.clock = lambda: 1 << 62
    embedded = world.store.n_embedded
    sql(world.folder, "update note set reader = 'code-0' where path = ?", b"b.yaml")
    world.restart()
    world.source.clock = lambda: 1 << 62  # that of the source before is gone with it
    world.store.prepare()
    assert world.scan() == ["b.yaml"]
    all_read(world)
    assert world.store.n_embedded == 0 < embedded, "its texts are those of before"
    assert ("put", "b.yaml") not in world.backend.log
    assert not world.scan()


def test_the_space_does_not_depend_on_the_readers_there_are() -> None:
    assert VERSION == "canvas-1 markdown-2", "another would have every note of every store read again"


def test_no_two_readers_have_one_version() -> None:
    by_version: dict[str, set[str]] = {}
    for module, version in [*REGISTRY.values(), OTHER]:
        by_version.setdefault(version, set()).add(module)
    assert all(len(modules) == 1 for modules in by_version.values())
    assert OTHER[1] not in {version for _, version in REGISTRY.values()}
    assert "" not in versions()


def test_notes_of_a_catalog_of_before_were_read_by_the_readers_of_then(tmp_path: Path) -> None:
    from vragd.catalog.readers_schema import m009_readers
    from vragd.catalog.schema import MIGRATIONS
    from vragd.system.sqlite import open_read_write

    at = MIGRATIONS.index(m009_readers)
    db = open_read_write(tmp_path / "c.db", MIGRATIONS[:at])
    db.execute("insert into source(uid, label) values ('u', 'l')")
    names = ["a.md", "b.TXT", "c.markdown", "d.canvas", "e.py", "f", "g.md.bak", "h\udcff.md"]
    for name in names:
        db.execute(
            "insert into note(source_id, path, inode, size, mtime_ns, ctime_ns, racy, title, state, attempts, seq,"
            " changed_at) values (1, ?, 1, 1, 1, 1, 0, '', 'indexed', 0, 1, 1)",
            (os.fsencode(name),),
        )
    m009_readers(db)
    found = {os.fsdecode(path): reader for path, reader in db.execute("select path, reader from note")}
    db.close()
    assert list(found.values()) == ["markdown-2"] * 3 + ["canvas-1", "", "", "", "markdown-2"]
    assert not set(found.values()) & set(versions()), "each of these has another reader since: all are read again"


def test_what_was_said_of_a_file_is_said_still_after_it_was_touched(world: World) -> None:
    put(world, "a.md", b"caf\xe9 au lait")
    world.apply("a.md")
    os.utime(world.vault / "a.md", (7, 7))
    world.apply("a.md")
    assert states(world)["a.md"] == ("indexed", "not_utf8", 1)


# -- code -------------------------------------------------------------------------------------------


@needs_grammars
def test_code_is_found_below_its_definitions(world: World) -> None:
    lines = "".join(f"    value_{i} = 'some text that is long enough'\n" for i in range(25))
    world.write("shop.py", f"def sell():\n{lines}\n\ndef buy():\n{lines}")
    world.apply("shop.py")
    rows = sql(world.folder, "select heading, line_from, line_to from chunk order by ordinal")
    assert rows == [('["sell"]', 1, 26), ('["buy"]', 29, 54)]
    assert states(world)["shop.py"] == ("indexed", None, 2)


@needs_grammars
def test_code_that_crashes_its_parser_is_cut_between_paragraphs_and_harms_nobody(world: World) -> None:
    world.write("deep.py", DEEP)
    world.write("fine.py", "x = 1")
    world.write("a.md", "note")
    world.apply("deep.py", "fine.py", "a.md")
    state, reason, n_chunks = states(world)["deep.py"]
    assert (state, reason) == ("indexed", "not along its structure: crashed")
    assert n_chunks > 20
    assert states(world)["fine.py"] == ("indexed", None, 1)
    assert world.is_sound()


@needs_grammars
def test_code_that_takes_its_parser_too_many_steps_is_cut_between_paragraphs(world: World) -> None:
    from vragd.notes.readers.code import outline_of

    endless = b"f(){\n" * 30_000
    assert outline_of(endless, ".c") is None
    assert outline_of(b"int a;", ".c") is not None, "the parser goes on with the next"


# -- documents --------------------------------------------------------------------------------------


def test_documents_are_not_opened_unless_that_is_configured(world: World) -> None:
    world.write("a.md", "note")
    put(world, "paper.pdf", made.pdf(["wombat"]))
    (world.vault / "paper.pdf").chmod(0)
    world.apply("paper.pdf", "a.md")
    assert states(world)["paper.pdf"] == ("skipped", "documents.read is false in the configuration", 0)
    assert "paper.pdf" not in world.scan(), "it is looked at once"
    assert world.apply("paper.pdf").n_changed == 0
    assert not compare_vault(world.store, world.source, frozenset())
    (world.vault / "paper.pdf").unlink()
    world.apply(*world.scan())
    assert list(states(world)) == ["a.md"]


def test_a_document_without_its_library_says_how_to_install_it(world: World) -> None:
    readers = Readers(Documents(read=True))
    for suffix, library in LIBRARIES.items():
        is_there = find_spec(library) is not None
        assert readers.unread(f"a/b{suffix}") == (None if is_there else "needs pip install 'vragd[documents]'")
    assert readers.unread("a.md") is None


@needs_documents
def test_documents_are_read_when_that_is_configured_and_forgotten_when_it_no_longer_is(world: World) -> None:
    files = {"a.pdf": made.pdf(["the wombat"]), "b.docx": made.docx(), "c.pptx": made.pptx(), "d.xlsx": made.xlsx()}
    for name, data in files.items():
        put(world, name, data)
    world.write("e.md", "note")
    all_read(world)
    assert world.texts() == [("e.md", "note")]
    reading(world)
    assert set(world.scan()) >= set(files)
    all_read(world)
    assert {path for path, _ in world.texts()} == {*files, "e.md"}
    assert all(state == "indexed" for state, _, _ in states(world).values())
    rows = sql(world.folder, "select heading, line_from, line_to, text from chunk join note on note.id = note_id"
               " where path = ?", b"a.pdf")  # fmt: skip
    assert rows == [('["Page 1"]', 1, 1, "the wombat")]
    assert not compare_vault(world.store, world.source, frozenset())
    world.documents = DocumentSettings()
    world.restart()
    world.store.prepare()
    all_read(world)
    assert world.texts() == [("e.md", "note")]
    assert states(world)["a.pdf"][0] == "skipped"
    assert world.is_sound()


@needs_documents
def test_a_document_that_cannot_be_read_has_a_reason_and_is_left_alone_until_it_changes(world: World) -> None:
    reading(world)
    put(world, "a.pdf", made.encrypted_pdf())
    put(world, "b.docx", b"PK\x03\x04 nothing")
    world.apply("a.pdf", "b.docx")
    assert states(world) == {"a.pdf": ("skipped", "encrypted", 0), "b.docx": ("skipped", "broken_archive", 0)}
    assert not list(world.store.due_for_retry())
    before = world.store.lasting.readers.n_begun
    world.apply("a.pdf", "b.docx")
    assert world.store.lasting.readers.n_begun == before
    put(world, "a.pdf", made.pdf(["open now"]))
    world.apply("a.pdf")
    assert states(world)["a.pdf"] == ("indexed", None, 1)


@needs_documents
def test_a_document_out_of_bounds_is_read_again_when_those_change(world: World) -> None:
    reading(world, timeout_s=0.01)
    put(world, "a.pdf", made.pdf(["late"]))
    world.apply("a.pdf")
    assert states(world)["a.pdf"] == ("skipped", "too_slow: more than 0.01 s (documents.timeout_s)", 0)
    before = world.store.lasting.readers.n_begun
    world.apply("a.pdf")
    assert world.store.lasting.readers.n_begun == before
    reading(world, timeout_s=50)
    assert world.scan() == ["a.pdf"]
    all_read(world)
    assert states(world)["a.pdf"] == ("indexed", None, 1)


@needs_documents
def test_a_document_that_takes_long_holds_up_no_note(tmp_path: Path) -> None:
    from dataclasses import replace

    from vragd.sync.pace import PACE
    from vragd.sync.prepared import Visit

    world = World(tmp_path, replace(PACE, round_s=0.0))
    world.include = EVERYTHING
    reading(world)
    put(world, "a.pdf", made.pdf(["page"] * 20))
    put(world, "b.pdf", made.pdf(["other"]))
    world.write("c.md", "note")
    report = world.store.apply([Visit(world.source, path) for path in ("a.pdf", "b.pdf", "c.md")])
    assert [visit.path for visit in report.deferred] == ["a.pdf", "b.pdf"]
    assert world.texts() == [("c.md", "note")]
    while report.deferred:
        report = world.store.apply(report.deferred)
    assert {path for path, _ in world.texts()} == {"a.pdf", "b.pdf", "c.md"}
    world.store.close()


@needs_documents
def test_a_document_that_changes_while_it_is_read_is_read_as_it_is_then(tmp_path: Path) -> None:
    from dataclasses import replace

    from vragd.sync.pace import PACE
    from vragd.sync.prepared import Visit

    world = World(tmp_path, replace(PACE, round_s=0.0))
    world.include = EVERYTHING
    reading(world)
    put(world, "a.pdf", made.pdf(["old"]))
    assert world.store.apply([Visit(world.source, "a.pdf")]).deferred
    put(world, "a.pdf", made.pdf(["new"]))
    world.apply("a.pdf")
    assert world.texts() == [("a.pdf", "new")]
    world.store.close()


@needs_documents
def test_a_store_that_is_closed_ends_what_reads(tmp_path: Path) -> None:
    from dataclasses import replace

    from vragd.sync.pace import PACE
    from vragd.sync.prepared import Visit

    world = World(tmp_path, replace(PACE, round_s=0.0))
    world.include = EVERYTHING
    reading(world)
    put(world, "a.pdf", made.pdf(["page"]))
    world.store.apply([Visit(world.source, "a.pdf")])
    world.store.close()
    assert world.store.lasting.readers.pids == ()


def content(data: bytes) -> Content:
    return Content(data, StatKey(1, len(data), 1, 1), xxhash.xxh3_128_digest(data), False)


@needs_documents
def test_what_was_read_while_others_were_waited_for_is_there_when_it_is_asked_for() -> None:
    readers = Readers(Documents(read=True))
    first, second = content(made.pdf(["one"])), content(made.pdf(["two"]))
    readers.begin(0)
    assert readers.read((1, "a.pdf"), first) is None
    assert readers.is_busy((1, "b.pdf"))
    assert not readers.is_busy((1, "c.md"))
    assert not readers.is_busy((1, "a.pdf"))
    readers.begin(60)
    assert not readers.is_busy((1, "b.pdf"))
    for path, data, text in (("b.pdf", second, "two"), ("a.pdf", first, "one")):
        note = readers.read((1, path), data)
        assert note is not None
        assert note.chunks[0].text == text
    assert readers.n_begun == 2
    readers.close()


@needs_documents
def test_a_document_that_needs_too_much_memory_says_how_much_it_may_have() -> None:
    readers = Readers(Documents(read=True, memory_mib=8))
    readers.begin(60)
    with pytest.raises(NotIndexable, match=r"too_much_memory: more than 8 MiB|crashed"):
        readers.read((1, "a.pdf"), content(made.pdf(["one"])))
    assert readers.reads("a.pdf", readers.version_of_refusal("a.pdf", "too_much_memory: more"))
    assert not Readers(Documents(read=True)).reads("a.pdf", readers.version_of_refusal("a.pdf", "too_slow"))
    readers.close()


@needs_grammars
def test_code_that_is_no_text_is_skipped_as_a_note_is(world: World) -> None:
    put(world, "a.py", bytes(300))
    world.apply("a.py")
    assert states(world)["a.py"] == ("skipped", "binary", 0)
