"""The tables of words: full text of chunks and notes, profiles, names. Made anew from notes and chunks at any time."""

from __future__ import annotations

import apsw

from vragd.catalog.stems import TOKENIZER

TABLES = f"""
create virtual table chunk_text using fts5(
    heading, text, parts,
    content='', contentless_delete=1, tokenize="{TOKENIZER}"
);
create virtual table note_text using fts5(
    names, terms,
    content='', contentless_delete=1, tokenize="{TOKENIZER}"
);
create virtual table note_terms using fts5vocab('note_text', 'row');

create table note_words (
    note_id integer primary key references note(id),
    title_hash blob not null,           -- of the title, see title_embedding
    profile blob not null               -- see catalog/profile.py
) strict;
create index note_words_title on note_words(title_hash);

-- every term there was, by what its forms have in common: what is asked for with it, and what may stand in for another
create table word_form (
    stem text not null,
    word text not null,
    primary key (stem, word)
) strict, without rowid;

create table title_embedding (
    id integer primary key,
    space_id integer not null references space(id),
    text_hash blob not null,
    vector blob not null,               -- as in embedding
    unused_since real,
    unique (space_id, text_hash)
) strict;

-- what finds a note beside its chunks: by what else it is called (JSON), and words that are in none
alter table note add column names text not null default '[]';
alter table note add column words text not null default '';

alter table space add column calibration text;    -- JSON: what its cosines are like; see catalog/titles.py

-- by what a note is asked for when it is asked for by its name: folded; see catalog/fold.py
create table note_name (
    name text not null,
    note_id integer not null references note(id),
    primary key (name, note_id)
) strict, without rowid;
create index note_name_note on note_name(note_id);
"""


def m006_words_folded(db: apsw.Connection) -> None:
    """Words are folded by us, notes have words and names of their own; nothing is embedded for it."""
    from vragd.catalog.indexing import index_all  # it needs what stands above

    db.execute("drop table chunk_text")
    db.execute(TABLES)
    index_all(db)


def m010_numbers(db: apsw.Connection) -> None:
    """Words are cut anew: numbers are found where letters are written against them. Nothing is embedded for it."""
    from vragd.catalog.indexing import index_all

    index_all(db)
