"""
What assistants are not shown: the marks of it, and the views by which a connection sees all but that.

A closed note is marked in the catalog, by the same commit that writes it. On a connection with these views every read
is as of a catalog that never had the closed notes: each table of notes is shadowed by a view of the same name. Full
text and the vocabulary, of which no view can be made, are shadowed by empty ones, so that a read which forgets about it
finds nothing; `open_words` reads the real ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import apsw

from vragd.catalog.model import BY_RULE, UNREAD, from_blob
from vragd.catalog.passages import id_of

Rule = Callable[[str], bool]
"""Whether the configuration closes the file at a path of a source."""

_TABLES = f"""
-- bits; see catalog/closed.py
alter table note add column closed integer not null default {UNREAD};
create index note_closed on note(closed) where closed != 0;
alter table attachment add column closed integer not null default 0;
create index attachment_closed on attachment(closed) where closed != 0;
-- whether it stood in a closed note
alter table passage_gone add column closed integer not null default 0;
create index passage_gone_closed on passage_gone(closed) where closed != 0;
-- by which rule of the configuration the bits of a source's notes are
alter table own_source add column closed_by text not null default '';
"""


def m012_closed(db: apsw.Connection) -> None:
    """Every note is closed until it is read once more, with its links; nothing is embedded for it."""
    db.execute(_TABLES)


def apply_rule(db: apsw.Connection, source_id: int, uid: str, said: str, closes: Rule) -> None:
    """Mark the notes and other files of a source by a rule, which is `said` so: it is asked about every one of them."""
    db.execute("update own_source set closed_by = ? where uid = ?", (said, uid))
    notes = list(db.execute("select id, path, closed from note where source_id = ?", (source_id,)))
    marks = ((closed & ~BY_RULE | BY_RULE * closes(from_blob(path)), closed, note) for note, path, closed in notes)
    changed = [(now, note) for now, before, note in marks if now != before]
    db.executemany("update note set closed = ? where id = ?", changed)
    files = list(db.execute("select name, path from attachment where source_id = ?", (source_id,)))
    db.executemany(
        "update attachment set closed = ? where source_id = ? and name = ? and path = ?",
        ((int(closes(from_blob(path))), source_id, name, path) for name, path in files),
    )


# -- what is left of it ------------------------------------------------------------------------------

_OF_NOTE = "note_words", "note_name", "note_tag", "note_property", "note_source", "note_head", "link", "note_alias"
_IN_SIGHT = "exists (select 1 from main.note n where n.id = x.note_id and n.closed = 0)"
# An id is made of a text and of how many had it before: where some of these are closed it is made anew of the others.
_IS_SHARED = (
    "exists (select 1 from main.chunk o join main.note n on n.id = o.note_id"
    " where o.text_hash = x.text_hash and n.closed != 0)"
    " or exists (select 1 from main.passage_gone o left join main.note n on n.id = o.note_id"
    " where o.text_hash = x.text_hash and (o.closed != 0 or n.closed != 0))"
)
_BEFORE = (
    "select count(*) from main.chunk o join main.note n on n.id = o.note_id"
    " where o.text_hash = x.text_hash and o.id < x.id and n.closed = 0"
)
_CHUNK = (
    "select id, note_id, key, text_hash, embedded, ordinal, heading, line_from, line_to, text, meta_hash, changed,"
    f" case when {_IS_SHARED} then passage_id(text_hash, ({_BEFORE})) else passage end as passage"
    f" from main.chunk x where {_IN_SIGHT}"
)
_GONE = f"select * from main.passage_gone x where closed = 0 and (note_id is null or {_IN_SIGHT})"


def _views() -> Iterator[tuple[str, str]]:
    yield "note", "select * from main.note where closed = 0"
    yield "attachment", "select * from main.attachment where closed = 0"
    yield "chunk", _CHUNK
    yield "passage_gone", _GONE
    for table in _OF_NOTE:
        yield table, f"select x.* from main.{table} x where {_IN_SIGHT}"
    for table in ("chunk_text", "note_text", "note_terms", "word_form"):
        yield table, f"select * from main.{table} where 0"


def hide_closed(db: apsw.Connection) -> None:
    """From now on the connection sees what is not closed. Once, before it is read-only."""
    db.create_scalar_function("passage_id", _passage_id, 2, deterministic=True)
    for name, select in _views():
        db.execute(f"create temp view {name} as {select}")


def _passage_id(*args: Any) -> str:
    text_hash, count = args
    return id_of(text_hash, count)


def any_closed(db: apsw.Connection) -> bool:
    """Whether there is anything that assistants are not shown."""
    return bool(
        db.execute(
            "select exists (select 1 from main.note where closed != 0)"
            " or exists (select 1 from main.attachment where closed != 0)"
            " or exists (select 1 from main.passage_gone where closed != 0)"
        ).get
    )
