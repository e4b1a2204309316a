"""
Links, aliases and attachments as they are written: the steps of a commit, inside its transaction.

Touches only what differs: a note that is saved has nearly all the links it had, on other lines.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import lru_cache

import apsw

from vragd.catalog.link_names import alias_key, link_key, name_key
from vragd.catalog.model import LinkRow, NoteChange, to_blob

READER = 4
"""Which reader of links this is: with another, every note's are read again, and nothing is embedded for it."""

OPTED_OUT = "opted_out"
Row = tuple[str | int, ...]
"""The columns of a link."""
_COLUMNS = "name, line, kind, embed, target, subpath, alias, heading"


def swap_links(db: apsw.Connection, note_id: int, change: NoteChange) -> None:
    """What a note links to, goes by and may be called from now on."""
    assert change.links is not None
    named = int(not (change.state == "skipped" and change.reason == OPTED_OUT))
    db.execute(
        "update note set named = ?1, links_read = ?2, closed = ?4 where id = ?3"
        " and (named, links_read, closed) != (?1, ?2, ?4)",
        (named, READER, note_id, change.closed),
    )
    had: list[Row] = list(db.execute(f"select {_COLUMNS} from link where note_id = ? order by ordinal", (note_id,)))
    rows = [_row(link) for link in change.links]
    if rows != had:
        _write(db, note_id, rows, had)
    aliases = {alias_key(alias) for alias in change.names} if named else set[str]()
    before = {key for (key,) in db.execute("select key from note_alias where note_id = ?", (note_id,))}
    if aliases != before:
        db.execute("delete from note_alias where note_id = ?", (note_id,))
        db.executemany("insert into note_alias values (?, ?)", ((key, note_id) for key in aliases))


def _write(db: apsw.Connection, note_id: int, rows: Sequence[Row], had: Sequence[Row]) -> None:
    moved, others = list[Row](), list[Row]()
    for i, row in enumerate(rows):
        before = had[i] if i < len(had) else None
        if before is not None and (before[0], before[2:]) == (row[0], row[2:]):
            if before[1] != row[1]:
                moved.append((row[1], note_id, i))
        else:
            others.append((note_id, i, *row))
    if moved:  # all below a line that came or went: their names, and so the index, stay as they are
        db.executemany("update link set line = ? where note_id = ? and ordinal = ?", moved)
    if others:
        db.executemany(
            f"insert into link(note_id, ordinal, {_COLUMNS}) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
            f" on conflict do update set ({_COLUMNS}) = (?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            others,
        )
    if len(rows) < len(had):
        db.execute("delete from link where note_id = ? and ordinal >= ?", (note_id, len(rows)))


def _row(link: LinkRow) -> Row:
    heading = _heading(link.heading) if link.heading else "[]"
    key = link_key(link.target)
    return key, link.line, link.kind, int(link.embed), link.target, link.subpath, link.alias, heading


@lru_cache(256)
def _heading(heading: tuple[str, ...]) -> str:
    """As JSON. Many links of a note stand under the same."""
    return json.dumps(heading, ensure_ascii=False)


def drop_links(db: apsw.Connection, note_id: int) -> None:
    """Forget what a note links to and goes by."""
    db.execute("delete from link where note_id = ?", (note_id,))
    db.execute("delete from note_alias where note_id = ?", (note_id,))


def add_attachments(db: apsw.Connection, source_id: int, paths: Iterable[str], closed: Collection[str] = ()) -> None:
    """Files that are there, those of them marked that are `closed`; known ones stay."""
    db.executemany(
        "insert or ignore into attachment(source_id, name, path, closed) values (?, ?, ?, ?)",
        ((source_id, name_key(path), to_blob(path), int(path in closed)) for path in paths),
    )


def _attachments(source_id: int, paths: Iterable[str]) -> Iterator[tuple[int, str, bytes]]:
    return ((source_id, name_key(path), to_blob(path)) for path in paths)


def drop_attachments(db: apsw.Connection, source_id: int, paths: Iterable[str]) -> None:
    """Files that are gone, or are notes now, or excluded."""
    sql = "delete from attachment where source_id = ? and name = ? and path = ?"
    db.executemany(sql, _attachments(source_id, paths))
