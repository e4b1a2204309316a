"""The catalog's schema as ordered migrations. A step, once released, never changes."""

from __future__ import annotations

from typing import Any

import apsw
import numpy as np

from vragd.catalog.words_schema import m006_words_folded
from vragd.system import packed
from vragd.system.sqlite import Migration

MIGRATIONS: list[Migration] = []


def migration(step: Migration) -> Migration:
    """Register the next step."""
    MIGRATIONS.append(step)
    return step


_FIRST = """
create table meta (key text primary key, value text not null) strict, without rowid;
insert into meta values ('generation', '0');

create table source (
    id integer primary key,
    uid text not null unique,           -- part of every key: tells one machine's vault from another's
    label text not null unique,
    device integer, inode integer, obsidian integer
) strict;

create table space (
    id integer primary key,
    fingerprint text not null unique,
    identity text not null,             -- JSON
    dimension integer not null,
    collection text not null unique     -- the store's name in the backend
) strict;

create table note (
    id integer primary key,
    source_id integer not null references source(id),
    path blob not null,                 -- as the system lists it, not always UTF-8
    inode integer not null, size integer not null,
    mtime_ns integer not null, ctime_ns integer not null,
    racy integer not null,              -- the stamps are too fresh to be trusted: look inside again
    digest blob,
    title text not null,
    space_id integer references space(id),
    state text not null check (state in ('indexed', 'partial', 'failed', 'skipped')),
    reason text,
    attempts integer not null,
    retry_at real,                      -- seconds since 1970
    seq integer not null,               -- when its bytes were read: an older reading never overwrites
    changed_at real not null,
    unique (source_id, path)
) strict;
create index note_state on note(state) where state != 'indexed';

create table chunk (
    id integer primary key,
    note_id integer not null references note(id),
    key text not null unique,
    text_hash blob not null,
    embedded integer not null,          -- 0 where the embedder refuses this text
    ordinal integer not null,
    heading text not null,              -- JSON array
    line_from integer not null, line_to integer not null,
    text text not null
) strict;
create index chunk_note on chunk(note_id, ordinal);

create table embedding (
    id integer primary key,
    space_id integer not null references space(id),
    text_hash blob not null,
    vector blob not null,               -- float32, little endian, unit length
    unused_since real,
    unique (space_id, text_hash)
) strict;

-- keys that may be in the backend without being live: named before a put, and by the commit
-- that makes them dead; cleared when they are surely gone, or surely live
create table intent (
    collection text not null,
    key text not null,
    primary key (collection, key)
) strict, without rowid;

create virtual table chunk_text using fts5(
    title, heading, text,
    content='', contentless_delete=1,
    tokenize='porter unicode61 remove_diacritics 2'
);
"""


@migration
def m001_first(db: apsw.Connection) -> None:
    """Sources, spaces, notes, chunks, full text, embeddings, intents."""
    db.execute(_FIRST)


@migration
def m002_embedder_of_a_space(db: apsw.Connection) -> None:
    """The settings, as JSON, of the embedder that makes a space's vectors: questions are put to it as long as it is."""
    db.execute("alter table space add column embedder text not null default ''")


@migration
def m003_packed_vectors(db: apsw.Connection) -> None:
    """Vectors take half the bytes, so that two of 768 numbers fit a page; see `packed`."""

    def pack(*args: Any) -> bytes:
        (vector,) = args
        row = np.frombuffer(vector[: len(vector) // 4 * 4], dtype="<f4")
        return packed.pack(row[None]).tobytes() if row.size else b""

    db.create_scalar_function("packed", pack, 1)
    db.execute("update embedding set vector = packed(vector)")
    db.create_scalar_function("packed", None, 1)


@migration
def m004_notes_by_space(db: apsw.Connection) -> None:
    """Whether any note is left in an old space is asked at each round of moving over."""
    db.execute("create index note_space on note(space_id)")


migration(m006_words_folded)
