"""Full text: which words are asked for, and when those of notes that are gone leave the file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.unit.catalog.conftest import Opened
from vragd.catalog.asked import asked
from vragd.catalog.model import ChunkRow, NoteChange, NoteRemoval
from vragd.catalog.reader import Reader
from vragd.catalog.resolve import resolve
from vragd.catalog.schema import MIGRATIONS
from vragd.catalog.words import Statistics, Words
from vragd.catalog.words_schema import m006_words_folded, m010_numbers
from vragd.catalog.writer import Catalog
from vragd.system.sqlite import open_read_write


def note(catalog: Catalog, path: str, text: str) -> NoteChange:
    chunk = ChunkRow(f"{path}:{text}", text.encode(), (), (1, 1), text)
    return NoteChange(1, path, catalog.next_seq(), (1, 2, 3, 4), False, b"d", path, 1, "indexed", chunks=(chunk,))


def test_of_a_large_store_only_the_rarer_words_of_a_question_are_asked_for(opened: Opened) -> None:
    catalog, reader = opened
    for i in range(30):
        catalog.commit(1, [note(catalog, f"{i}.md", f"the note {i} {'walrus' if i == 7 else 'seal'}")])
    in_all = len(reader.keyword("the walrus", 50))
    assert in_all == 30, "of a small one all are"
    catalog.commit(1, [note(catalog, "more.md", "a walrus without article")])
    again = Reader(catalog.path, words=Words(10, 10))
    assert {found.path for found in again.keyword("the walrus", 2)} == {"7.md", "more.md"}
    with again.snapshot() as now:
        assert now.keyword("the walrus", 2) == now.keyword("walrus", 2), "by the rarer one alone"
    assert len(again.keyword("article walrus", 50)) == 2, "by another one where that is rare, too"
    assert len(again.keyword("the", 50)) == 30, "when there is no rarer one"
    assert len(again.keyword("wlarus the", 20)) == 20, "a word that is nowhere is none"
    again.close()


def test_words_of_a_note_that_is_gone_leave_the_file_once_a_day(opened: Opened) -> None:
    catalog, _ = opened
    for i in range(3):
        catalog.commit(1, [note(catalog, f"{i}.md", f"xylophone{i} stays a while")])
    catalog.commit(1, [NoteRemoval(1, "1.md", catalog.next_seq())])
    catalog.clear_all(1)  # keys of these tests hold the text, and so do its hashes
    with catalog.writing() as db:
        db.execute("delete from passage_gone")

    def is_there() -> bool:
        files = [file for file in catalog.path.parent.iterdir() if file.name.startswith(catalog.path.name)]
        return any(b"xylophone1" in file.read_bytes() or b"xylophon1" in file.read_bytes() for file in files)

    assert is_there(), "full text only marked it"
    catalog.sweep_words(100_000.0, 86_400.0)
    assert not is_there()
    assert catalog.check() == []
    catalog.commit(1, [NoteRemoval(1, "2.md", catalog.next_seq())])
    before = catalog.path.read_bytes()
    catalog.sweep_words(150_000.0, 86_400.0)
    assert catalog.path.read_bytes() == before, "not twice a day"
    catalog.sweep_words(90_000.0, 86_400.0)
    assert catalog.path.read_bytes() != before, "that it was done tomorrow is a wrong clock's word"


def test_a_catalog_of_before_is_rebuilt_for_words_without_embedding(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    at = next(i for i, step in enumerate(MIGRATIONS) if step is m006_words_folded)
    db = open_read_write(path, MIGRATIONS[:at])
    db.execute("insert into source(id, uid, label) values (1, 'uid', 'vault')")
    db.execute("insert into space(id, fingerprint, identity, dimension) values (1, 'f', '{}', 4)")
    db.execute(
        "insert into note(id, source_id, path, inode, size, mtime_ns, ctime_ns, racy, title, space_id, state, attempts,"
        " seq, changed_at) values (1, 1, ?, 1, 2, 3, 4, 0, 'Le café', 1, 'indexed', 0, 1, 0)",
        (b"Notes/2024-04-09.md",),
    )
    db.execute(
        "insert into chunk(id, note_id, key, text_hash, embedded, ordinal, heading, line_from, line_to, text)"
        " values (7, 1, 'k', x'00', 1, 0, '[\"Part\"]', 1, 2, '我喝咖啡 in C++')"
    )
    db.execute("insert into chunk_text(rowid, title, heading, text) values (7, 'Le café', 'Part', 'words')")
    db.close()
    catalog = Catalog(path)
    reader = Reader(path)
    assert catalog.check() == []
    for word in ("咖啡", "cafe", "C++", "part", "notes", "2024-04-09"):
        assert [found.key for found in reader.keyword(word, 5)] == ["k"], word
    assert next(catalog.rows_for(["k"])).chunk.text_hash == b"\0", "chunks and their embeddings stay as they were"
    reader.close()
    catalog.close()


def test_a_catalog_whose_words_were_cut_otherwise_has_them_cut_anew(opened: Opened) -> None:
    catalog, reader = opened
    catalog.commit(1, [note(catalog, "a.md", "released as v1.2.3-beta")])
    with catalog.writing() as db:
        db.execute("delete from chunk_text")
        m010_numbers(db)
    reader.close()
    catalog.close()
    again, reader = Catalog(catalog.path), Reader(catalog.path)
    assert [found.path for found in reader.keyword("1.2.3", 5)] == ["a.md"]
    assert again.check() == []
    reader.close()
    again.close()


def test_the_words_of_a_note_go_with_it(opened: Opened) -> None:
    catalog, reader = opened
    catalog.commit(1, [note(catalog, "a.md", "walrus"), note(catalog, "b.md", "seal")])
    catalog.commit(1, [NoteRemoval(1, "a.md", catalog.next_seq())])
    with reader.snapshot() as now:
        for table in ("note_text", "note_words", "chunk_text"):
            assert list(now.db.execute(f"select count(*) from {table}")) == [(1,)], table
    assert reader.keyword("walrus", 5) == reader.keyword("a", 5) == []
    assert catalog.check() == []
    with catalog.writing() as db:
        db.execute("delete from note_words")
    assert any("notes not in full text" in problem for problem in catalog.check())
    catalog.mend()
    assert catalog.check() == []


def test_a_note_is_found_by_its_other_names_and_by_words_that_are_in_no_chunk_also_after_mending(
    opened: Opened,
) -> None:
    catalog, reader = opened
    other = replace(note(catalog, "b.md", "seal"), names=("The Other Name",), words="purple")
    catalog.commit(1, [note(catalog, "a.md", "walrus"), other])
    for _ in range(2):
        for typed in ("the other name", "purple"):
            assert [found.path for found in reader.keyword(typed, 5)] == ["b.md"], typed
        with reader.snapshot() as now:
            assert list(now.db.execute("select count(*) from note_name where name = 'the other name'")) == [(1,)]
        catalog.mend()


def test_parts_of_full_text_are_merged_after_commits_and_then_no_more(opened: Opened) -> None:
    catalog, reader = opened

    def parts(table: str) -> int:
        with reader.snapshot() as now:
            ((n,),) = now.db.execute(f"select count(distinct segid) from {table}_idx")
        return int(n)

    for i in range(12):
        catalog.commit(1, [note(catalog, f"{i}.md", f"each a part of its own {i}")])
    assert parts("note_text") > 4
    while catalog.merge_words():
        pass
    assert (parts("note_text"), parts("chunk_text")) == (1, 1)
    assert len(reader.keyword("own", 20)) == 12
    before = catalog.path.with_name(catalog.path.name + "-wal").read_bytes()
    assert not catalog.merge_words()
    assert catalog.path.with_name(catalog.path.name + "-wal").read_bytes() == before


def test_words_a_question_is_made_of_weigh_half_and_nothing_stands_in_for_them(opened: Opened) -> None:
    catalog, reader = opened
    counts = {"how": 3, "wombat": 3}
    how, wombat = resolve(asked("how wombat"), Statistics(100, counts), {}).columns
    assert how.weight == wombat.weight / 2
    question = asked("would wombat")
    both = resolve(question, Statistics(100), {})
    assert both.missing == Statistics(100).weight(0) * 1.5
    catalog.commit(1, [note(catalog, "a.md", "woulds wombats")])
    with reader.snapshot() as now:
        found = now.lookup.stand_ins(question, both, Statistics(1), exact=False)
    assert [column.terms for column in found.columns] == [("wombats",)]
