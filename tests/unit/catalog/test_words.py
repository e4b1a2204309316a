"""Full text: which words are asked for, and when those of notes that are gone leave the file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from vragd.catalog import words
from vragd.catalog.model import ChunkRow, NoteChange, NoteRemoval
from vragd.catalog.reader import Reader
from vragd.catalog.writer import Catalog

Opened = tuple[Catalog, Reader]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    catalog = Catalog(tmp_path / "catalog.db")
    catalog.register_source("vault", "uid")
    catalog.register_space("sss", "f" * 32, "{}", 4)
    reader = Reader(catalog.path)
    yield catalog, reader
    reader.close()
    catalog.close()


def note(catalog: Catalog, path: str, text: str) -> NoteChange:
    chunk = ChunkRow(f"{path}:{text}", text.encode(), (), (1, 1), text)
    return NoteChange(1, path, catalog.next_seq(), (1, 2, 3, 4), False, b"d", path, 1, "indexed", chunks=(chunk,))


def test_of_a_large_store_only_the_rarer_words_of_a_question_are_asked_for(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog, reader = opened
    for i in range(30):
        catalog.commit(1, [note(catalog, f"{i}.md", f"the note {i} {'walrus' if i == 7 else 'seal'}")])
    in_all = len(reader.keyword("the walrus", 50))
    assert in_all == 30, "of a small one all are"
    monkeypatch.setattr(words, "BUDGET", 10)
    catalog.commit(1, [note(catalog, "more.md", "a walrus without article")])
    again = Reader(catalog.path)
    assert {found.path for found in again.keyword("the walrus", 2)} == {"7.md", "more.md"}
    with again.snapshot() as now:
        assert now.keyword("the walrus", 2) == now.keyword("walrus", 2), "by the rarer one alone"
    assert len(again.keyword("the walrus", 50)) == 31, "by all where that finds too little"
    assert len(again.keyword("the", 50)) == 30, "when there is no rarer one"
    assert len(again.keyword("wlarus the", 20)) == 20, "a word that is nowhere is none"
    again.close()


def test_words_of_a_note_that_is_gone_leave_the_file_once_a_day(opened: Opened) -> None:
    catalog, _ = opened
    for i in range(3):
        catalog.commit(1, [note(catalog, f"{i}.md", f"xylophone{i} stays a while")])
    catalog.commit(1, [NoteRemoval(1, "1.md", catalog.next_seq())])
    catalog.clear_all(1)  # keys of these tests hold the text

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
