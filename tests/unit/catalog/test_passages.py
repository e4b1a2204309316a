"""Ids of passages: an old catalog gets them where it lies, and what is gone is forgotten in time."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from vragd.catalog.passages import KEPT_S, Passages, bury_passage, is_id, m011_passages, name_passages
from vragd.catalog.schema import MIGRATIONS
from vragd.system.sqlite import open_read_write

N_NOTES = 3


@pytest.fixture
def db(tmp_path: Path) -> apsw.Connection:
    """A catalog of the schema before, with the same two passages in each of three notes."""
    made = open_read_write(tmp_path / "catalog.db", MIGRATIONS[: MIGRATIONS.index(m011_passages)])
    made.execute("insert into source(id, uid, label) values (1, 'u', 'v')")
    for note in range(1, N_NOTES + 1):
        made.execute(
            "insert into note(id, source_id, path, inode, size, mtime_ns, ctime_ns, racy, title, state, attempts, seq,"
            " changed_at) values (?, 1, ?, 0, 0, 0, 0, 0, 't', 'indexed', 0, 1, 0)",
            (note, f"{note}.md".encode()),
        )
        for ordinal in range(2):
            made.execute(
                "insert into chunk(note_id, key, text_hash, embedded, ordinal, heading, line_from, line_to, text)"
                " values (?, ?, ?, 1, ?, '[]', ?, ?, 't')",
                (note, f"{note} {ordinal}", bytes([ordinal] * 16), ordinal, ordinal + 1, ordinal + 1),
            )
    made.close()
    return open_read_write(tmp_path / "catalog.db", MIGRATIONS)


def named(db: apsw.Connection) -> dict[str, str]:
    return dict(db.execute("select key, passage from chunk order by id"))


def test_an_old_catalog_gets_its_ids_from_what_it_has(db: apsw.Connection) -> None:
    ids = list(named(db).values())
    assert len(set(ids)) == 2 * N_NOTES
    assert all(map(is_id, ids))
    assert sorted(Passages(db).alike(ids[0])) == [1, 3, 5]


def test_a_passage_that_comes_back_has_its_id_again_and_the_rest_keep_theirs(db: apsw.Connection) -> None:
    before = named(db)
    for chunk in (3, 4):
        bury_passage(db, chunk, 1_000.0)
        db.execute("delete from chunk where id = ?", (chunk,))
    gone = Passages(db).gone(before["2 1"])
    assert gone is not None
    assert (gone.note, gone.line) == (2, 2)
    db.execute(
        "insert into chunk(note_id, key, text_hash, embedded, ordinal, heading, line_from, line_to, text)"
        " values (3, 'new', ?, 1, 2, '[]', 9, 9, 't')",
        (bytes([1] * 16),),
    )
    name_passages(db, 1_000.0)
    now = named(db)
    assert now.pop("new") == before["2 1"]
    assert now == {key: name for key, name in before.items() if not key.startswith("2")}
    assert Passages(db).gone(before["2 0"]) is not None
    name_passages(db, 1_001.0 + KEPT_S)
    assert Passages(db).gone(before["2 0"]) is None


def steps_to_name(db: apsw.Connection, note: int, n: int) -> int:
    """What it costs to give `n` new passages of one text in a note their ids, in thousands of SQLite's steps."""
    db.executemany(
        "insert into chunk(note_id, key, text_hash, embedded, ordinal, heading, line_from, line_to, text)"
        " values (?, ?, ?, 1, ?, '[]', 1, 1, 't')",
        ((note, f"{note} of {n} {i}", n.to_bytes(16, "big"), 10 + i) for i in range(n)),
    )
    steps = 0

    def step() -> bool:
        nonlocal steps
        steps += 1
        return False

    db.set_progress_handler(step, 1_000)
    name_passages(db, 1_000.0)
    db.set_progress_handler(None)
    return steps


def test_a_note_that_is_one_text_thousands_of_times_costs_no_more_for_each(db: apsw.Connection) -> None:
    few, many = 200, 1_600
    assert steps_to_name(db, 1, many) < 2 * (many // few) * steps_to_name(db, 2, few)
    before = set(named(db).values())
    for (chunk,) in list(db.execute("select id from chunk where ordinal >= 10")):
        bury_passage(db, chunk, 1_000.0)
        db.execute("delete from chunk where id = ?", (chunk,))
    again = steps_to_name(db, 1, many), steps_to_name(db, 2, few)
    assert again[0] < 2 * (many // few) * again[1]
    assert set(named(db).values()) == before, "each has its id again"
