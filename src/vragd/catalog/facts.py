"""What filters look into: a note's text as it was read, its tags and its properties. Written and forgotten with it."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import apsw

from vragd.catalog.fold import fold

TABLES = """
create table note_source (
    note_id integer primary key references note(id),
    text blob not null                  -- zlib
) strict;

-- what stands before the text of a note and is in no index of words as a whole: names of properties, remarks in YAML
create table note_head (
    note_id integer primary key references note(id),
    text text not null                  -- folded
) strict;

create table note_tag (
    tag text not null,                  -- folded
    note_id integer not null references note(id),
    shown text not null,                -- as it is written in the note
    primary key (tag, note_id)
) strict, without rowid;
create index note_tag_note on note_tag(note_id);

create table note_property (
    name text not null,                 -- in lower case
    note_id integer not null references note(id),
    value text not null,                -- JSON; a day is {"date": …}, a time of one {"datetime": …}
    primary key (name, note_id)
) strict, without rowid;
create index note_property_note on note_property(note_id);
"""


@dataclass(frozen=True, slots=True)
class Facts:
    """
    What is kept of a note for filters. `text` is what its lines are looked for in, `head` the part of it that is
    no prose; `properties` are JSON by name.
    """

    text: str = ""
    head: str = ""
    tags: tuple[str, ...] = ()
    properties: Mapping[str, str] = field(default_factory=dict)


def m008_facts(db: apsw.Connection) -> None:
    """Notes are read again with their links, for what filters look into; nothing is embedded for it."""
    db.execute(TABLES)
    db.execute("update note set links_read = 0")


def swap_facts(db: apsw.Connection, note_id: int, facts: Facts | None) -> None:
    """Put the note's facts in place of those it had; None for a note that is not read."""
    if facts is None:
        forget_facts(db, note_id)
        return
    source = zlib.compress(facts.text.encode("utf-8", "replace"), 1)
    db.execute("insert or replace into note_source values (?, ?)", (note_id, source))
    if facts.head:
        db.execute("insert or replace into note_head values (?, ?)", (note_id, fold(facts.head)))
    else:
        db.execute("delete from note_head where note_id = ?", (note_id,))
    tags = {fold(tag): tag for tag in reversed(facts.tags)}
    _exchange(db, "note_tag", "tag", "shown", note_id, tags)
    _exchange(db, "note_property", "name", "value", note_id, facts.properties)


def forget_facts(db: apsw.Connection, note_id: int) -> None:
    """What is kept of the note for filters, if anything is."""
    for table in ("note_source", "note_head", "note_tag", "note_property"):
        db.execute(f"delete from {table} where note_id = ?", (note_id,))


def _exchange(db: apsw.Connection, table: str, key: str, value: str, note_id: int, now: Mapping[str, str]) -> None:
    had = dict(db.execute(f"select {key}, {value} from {table} where note_id = ?", (note_id,)))
    for name in had.keys() - now.keys():
        db.execute(f"delete from {table} where {key} = ? and note_id = ?", (name, note_id))
    changed = [(name, note_id, one) for name, one in now.items() if had.get(name) != one]
    db.executemany(f"insert or replace into {table}({key}, note_id, {value}) values (?, ?, ?)", changed)


def text_of(packed: bytes) -> str:
    """The text as it was written."""
    return zlib.decompress(packed).decode("utf-8")


def text_of_note(db: apsw.Connection, note_id: int) -> str | None:
    """What is kept of a note's text as it was read, None where nothing is."""
    rows = db.execute("select text from note_source where note_id = ?", (note_id,))
    return next((text_of(packed) for (packed,) in rows), None)
