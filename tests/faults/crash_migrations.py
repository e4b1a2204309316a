"""What a version after this one may do with a catalog."""

from __future__ import annotations

import apsw


def count_chunks(db: apsw.Connection) -> None:
    """A migration that changes a table there is."""
    db.execute("alter table note add column n_chunks integer not null default 0")
    db.execute("update note set n_chunks = (select count(*) from chunk where note_id = note.id)")


def keep_sizes(db: apsw.Connection) -> None:
    """A migration that makes a table of another."""
    db.execute("create table sizes (note_id integer primary key, n_chunks integer not null) strict")
    db.execute("insert into sizes select id, n_chunks from note")
