"""The tables of links: what each note links to, what it goes by, and the files that are no notes."""

from __future__ import annotations

import json

import apsw

from vragd.catalog.link_names import alias_key, name_key
from vragd.catalog.model import from_blob

_TABLES = """
-- by what a link to the note is looked up: the last part of its path, folded, without .md; see catalog/link_names.py
alter table note add column link_name text not null default '';
-- whether links may name it: not before it was read once, and not while it opts out
alter table note add column named integer not null default 0;
-- by which reader of links its own were read last; see links.READER
alter table note add column links_read integer not null default 0;
create index note_link_name on note(link_name);

-- as it is written; where it leads is asked, never stored, so that a file that comes or goes changes none of these
create table link (
    note_id integer not null references note(id),
    ordinal integer not null,
    name text not null,                 -- by what its target is looked up; '' for the note itself
    line integer not null,
    kind text not null,                 -- wiki, markdown, property, canvas
    embed integer not null,
    target text not null,
    subpath text not null,
    alias text not null,
    heading text not null,              -- JSON array: under which it stands
    primary key (note_id, ordinal)
) strict, without rowid;
create index link_name on link(name);

create table note_alias (
    key text not null,                  -- folded
    note_id integer not null references note(id),
    primary key (key, note_id)
) strict, without rowid;
create index note_alias_note on note_alias(note_id);

-- JSON: folders inside that are vaults of their own, and the way from the root of the vault around the source
alter table own_source add column vaults text not null default '[[], ""]';

-- files of the vault that are no notes, and not excluded
create table attachment (
    source_id integer not null references source(id),
    name text not null,                 -- as note.link_name
    path blob not null,
    primary key (source_id, name, path)
) strict, without rowid;
"""


def m007_links(db: apsw.Connection) -> None:
    """
    Notes get names and aliases from what is known of them; their links are read by the scans to come.

    A note that was read and has no chunk may be one that opts out.
    """
    db.execute(_TABLES)
    rows = list(db.execute("select id, path, names from note"))
    db.executemany(
        "update note set link_name = ? where id = ?", ((name_key(from_blob(path)), i) for i, path, _ in rows)
    )
    db.execute(
        "update note set named = 1 where state in ('indexed', 'partial')"
        " or (state = 'skipped' and digest is null)"
        " or exists (select 1 from chunk where note_id = note.id)"
    )
    aliases = ((alias_key(alias), i) for i, _, names in rows for alias in json.loads(names))
    db.executemany("insert or ignore into note_alias values (?, ?)", aliases)
