"""The catalog's schema as ordered migrations. A step, once released, never changes."""

from __future__ import annotations

import json
from typing import Any

import apsw
import numpy as np

from vragd.catalog.closed import m012_closed
from vragd.catalog.facts import m008_facts
from vragd.catalog.links_schema import m007_links
from vragd.catalog.model import to_blob
from vragd.catalog.passages import m011_passages, m014_departed
from vragd.catalog.readers_schema import m009_readers
from vragd.catalog.words_schema import m006_words_folded, m010_numbers
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


_TYPED = """
create table store (
    id integer primary key check (id = 1),
    generation integer not null,        -- grows by each commit that changes an answer
    machine text,                       -- where the catalog was opened last
    words_swept real,                   -- seconds since 1970
    space_id integer references space(id),    -- the one that is written
    answers_id integer references space(id)   -- the last whole one: it answers until the other is
) strict;

-- every source the catalog ever had: what it put into a shared collection may still be there
create table own_source (
    uid text primary key,
    asked integer not null,             -- somebody had it indexed on demand
    rules text not null default '{}'    -- JSON: what Obsidian's settings excluded when they were last read
) strict, without rowid;

-- folders on which another file system was mounted
create table mount (
    uid text not null references own_source(uid) on delete cascade,
    path blob not null,
    primary key (uid, path)
) strict, without rowid;

-- where vectors are kept: a collection of a backend
create table target (
    id integer primary key,
    role text not null check (role in ('primary', 'replica')),
    kind text not null,                 -- the backend's type; '' until it is opened again
    place text not null,                -- where and how it holds the live keys; '' if it has to be filled anew
    collection text not null unique,
    space_id integer references space(id),    -- null once it was left
    identity text not null,             -- of the very collection that was opened
    filled_to text,                     -- the last key of those put so far; null when all are
    swept integer not null,             -- 0 while it may hold keys of ours from before it was filled
    applied integer not null            -- the generation a replica has
) strict;
create index target_space on target(space_id) where space_id is not null;

create table intent_of_target (
    target integer not null references target(id),
    key text not null,
    primary key (target, key)
) strict, without rowid;

alter table chunk add column meta_hash blob;    -- of what a backend is told beside the vector; null if nobody knows
alter table chunk add column changed integer not null default 0;    -- the generation that changed vector or metadata

-- keys that died, for replicas that are behind
create table tombstone (
    key text primary key,
    changed integer not null
) strict, without rowid;
"""

_SPACE_WITHOUT_COLLECTION = """
create table space (
    id integer primary key,
    fingerprint text not null unique,
    identity text not null,             -- JSON
    dimension integer not null,
    embedder text not null default ''   -- JSON: the settings of who makes its vectors
) strict;
"""


@migration
def m005_typed(db: apsw.Connection) -> None:
    """What stood as strings in `meta` gets columns; what is kept of a collection moves from the space to a target."""
    db.execute("pragma defer_foreign_keys = on")  # `space` is gone for a moment
    db.execute(_TYPED)
    meta = dict(db.execute("select key, value from meta"))
    spaces = list(db.execute("select id, fingerprint, identity, dimension, embedder, collection from space"))
    db.execute("drop table space")
    db.execute(_SPACE_WITHOUT_COLLECTION)
    db.executemany(
        "insert into space(id, fingerprint, identity, dimension, embedder) values (?, ?, ?, ?, ?)",
        (row[:5] for row in spaces),
    )
    by_fingerprint = {row[1]: row[0] for row in spaces}
    db.execute(
        "insert into store values (1, ?, ?, ?, ?, ?)",
        (
            int(meta.get("generation", "0")),
            meta.get("machine"),
            float(meta["words_swept"]) if meta.get("words_swept") else None,
            by_fingerprint.get(meta.get("space", "")),
            by_fingerprint.get(meta.get("answers", "")),
        ),
    )
    _type_sources(db, meta)
    _type_targets(db, meta, {row[5]: (row[0], row[1]) for row in spaces})
    db.execute(
        "insert into intent_of_target select target.id, key from intent join target using (collection)"
        " where space_id is not null"
    )
    db.execute("drop table intent")
    db.execute("alter table intent_of_target rename to intent")
    db.execute("drop table meta")


def _type_sources(db: apsw.Connection, meta: dict[str, str]) -> None:
    uids = {*json.loads(meta.get("uids") or "[]"), *(uid for (uid,) in db.execute("select uid from source"))}
    for uid in uids:
        db.execute("insert into own_source(uid, asked) values (?, ?)", (uid, int(bool(meta.get(f"asked {uid}")))))
        for path in json.loads(meta.get(f"mounts {uid}") or "[]"):
            db.execute("insert into mount values (?, ?)", (uid, to_blob(path)))


def _type_targets(db: apsw.Connection, meta: dict[str, str], spaces: dict[str, tuple[int, str]]) -> None:
    """A target for each collection that was opened. What one was filled as was a line: place, collection, identity."""
    opened = {key.removeprefix("opened "): value for key, value in meta.items() if key.startswith("opened ")}
    for collection in sorted({*opened, *spaces}):
        space_id, fingerprint = spaces.get(collection, (None, ""))
        if fingerprint and collection == f"gone.{fingerprint[:8]}":
            continue  # that of a space which lost its own to another
        identity = opened.get(collection, "")
        ending = f" {collection} {identity}"
        place, filled_to = "", None
        if meta.get("filled", "").endswith(ending):
            place = meta["filled"].removesuffix(ending)
        elif meta.get("filling", "").endswith(ending):
            place, filled_to = meta["filling"].removesuffix(ending), meta.get("filled_to", "")
        swept = not (meta.get("unswept") and fingerprint == meta.get("space"))
        db.execute(
            "insert into target(role, kind, place, collection, space_id, identity, filled_to, swept, applied)"
            " values ('primary', '', ?, ?, ?, ?, ?, ?, 0)",
            (place, collection, space_id, identity, filled_to, int(swept)),
        )


migration(m006_words_folded)
migration(m007_links)
migration(m008_facts)
migration(m009_readers)
migration(m010_numbers)
migration(m011_passages)
migration(m012_closed)


@migration
def m013_replicas(db: apsw.Connection) -> None:
    """A replica asks after every step what has changed since: of all chunks that would be a read of the whole file."""
    db.execute("create index chunk_changed on chunk(changed)")
    db.execute("create index tombstone_changed on tombstone(changed)")


migration(m014_departed)


@migration
def m015_changed(db: apsw.Connection) -> None:
    """Which commit last wrote a note's record or facts: what was read of all others is as it was."""
    db.execute("alter table store add column written integer not null default 0")  # commits that wrote any, ever
    db.execute("alter table note add column changed integer not null default 0")
    db.execute("create index note_changed on note(changed)")


@migration
def m016_hidden_and_spelt(db: apsw.Connection) -> None:
    """What a mount hides stays known over a restart; words are looked for by how they begin, too."""
    db.execute(
        "create table hidden (uid text not null references own_source(uid) on delete cascade, path blob not null,"
        " primary key (uid, path)) strict, without rowid"
    )
    db.execute("create index word_form_word on word_form(word)")
