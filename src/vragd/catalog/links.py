"""
The graph of links: what each note links to, by names, over every file of a vault.

A link is kept as it is written, with the folded last part of its target; where it leads is a join on that name and is
asked, never stored. So a file that comes, goes or is renamed changes one row of `file`, and no linking note is read
again. What is decided here is what `notes.links` decides; a test holds them together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import apsw

from vragd.catalog.model import from_blob, to_blob

SCHEMA = """
-- every file of a vault, notes and others: what a link can lead to
create table file (
    id integer primary key,
    source_id integer not null references source(id),
    path blob not null,
    key text not null,                  -- the path folded, as names are compared
    folder text not null,               -- of it, with its last '/'; '' for the root
    name text not null,                 -- its last part, without .md
    unique (source_id, path)
) strict;
create index file_name on file(source_id, name);

create table alias (
    file_id integer not null references file(id),
    key text not null,
    primary key (key, file_id)
) strict, without rowid;

create table link (
    file_id integer not null references file(id),   -- of the note it stands in
    ordinal integer not null,
    line integer not null,
    kind text not null,                 -- wiki, markdown, property, canvas
    embed integer not null,
    target text not null,               -- as written
    key text not null,                  -- the target folded, without a first '/'
    name text not null,                 -- its last part, without .md; '' is the note itself
    relative integer not null,          -- begins with ./ or ../
    subpath text not null,
    alias text not null,
    primary key (file_id, ordinal)
) strict, without rowid;
create index link_name on link(name);
"""

_RESOLVED = """
with wanted as (select l.*, s.source_id, s.folder,
        case when l.relative then joined(s.folder, l.key) else l.key end as full
    from link l join file s on s.id = l.file_id where {where}),
found as (select w.file_id, w.ordinal, f.id as leads_to, row_number() over (partition by w.file_id, w.ordinal
        order by f.key = w.full || '.md' desc, f.key = w.full desc,
            f.key in (w.folder || w.full, w.folder || w.full || '.md') desc, length(f.key), f.key, f.path) as place
    from wanted w join file f on f.source_id = w.source_id and f.name = w.name
    where w.name != '' and (f.key in (w.full, w.full || '.md') or not w.relative and (
        substr(f.key, -length(w.full) - 1) = '/' || w.full
        or substr(f.key, -length(w.full) - 4) = '/' || w.full || '.md'))),
known as (select w.file_id, w.ordinal, f.id as leads_to, row_number() over (partition by w.file_id, w.ordinal
        order by length(f.path), f.path) as place
    from wanted w join alias a on a.key = w.key join file f on f.id = a.file_id and f.source_id = w.source_id)
select s.path, w.line, w.kind, w.embed, w.target, w.subpath, w.alias,
    case when w.name = '' and w.key = '' then 'self' when n.leads_to then 'path' when k.leads_to then 'alias'
        else 'none' end,
    case when w.name = '' and w.key = '' then s.path else f.path end
from wanted w join file s on s.id = w.file_id
    left join found n on n.file_id = w.file_id and n.ordinal = w.ordinal and n.place = 1
    left join known k on k.file_id = w.file_id and k.ordinal = w.ordinal and k.place = 1
    left join file f on f.id = coalesce(n.leads_to, k.leads_to)
"""


@dataclass(frozen=True, slots=True)
class FileName:
    """A file as links know it. See `notes.links`: `fold` and `name_key` make `key` and `name`."""

    path: str
    key: str
    name: str


@dataclass(frozen=True, slots=True)
class LinkRow:
    """A link of a note, its target folded."""

    line: int
    kind: str
    embed: bool
    target: str
    key: str
    name: str
    relative: bool
    subpath: str
    alias: str


@dataclass(frozen=True, slots=True)
class Edge:
    """A link and where it leads: `how` is self, path, alias or none."""

    source: str
    line: int
    kind: str
    embed: bool
    target: str
    subpath: str
    alias: str
    how: str
    leads_to: str | None


def prepare(db: apsw.Connection) -> None:
    """Give a connection what the queries call."""
    db.create_scalar_function("joined", _joined, 2, deterministic=True)


def add_files(db: apsw.Connection, source_id: int, files: Iterable[FileName]) -> None:
    """Files that are there; known ones stay. In a transaction."""
    db.executemany(
        "insert or ignore into file(source_id, path, key, folder, name) values (?, ?, ?, ?, ?)",
        ((source_id, to_blob(file.path), file.key, file.key[: file.key.rfind("/") + 1], file.name) for file in files),
    )


def rename_file(db: apsw.Connection, source_id: int, path: str, to: FileName) -> None:
    """A file is at another place; its own links go with it. In a transaction."""
    db.execute(
        "update file set path = ?, key = ?, folder = ?, name = ? where source_id = ? and path = ?",
        (to_blob(to.path), to.key, to.key[: to.key.rfind("/") + 1], to.name, source_id, to_blob(path)),
    )


def remove_file(db: apsw.Connection, source_id: int, path: str) -> None:
    """A file that is gone, with what it links to. In a transaction."""
    for (file_id,) in list(_file(db, source_id, path)):
        for table in ("link", "alias"):
            db.execute(f"delete from {table} where file_id = ?", (file_id,))
        db.execute("delete from file where id = ?", (file_id,))


def swap_links(
    db: apsw.Connection, source_id: int, path: str, links: Sequence[LinkRow], aliases: Iterable[str]
) -> None:  # fmt: skip
    """What a note links to and goes by (folded) from now on. In a transaction."""
    for (file_id,) in list(_file(db, source_id, path)):
        for table in ("link", "alias"):
            db.execute(f"delete from {table} where file_id = ?", (file_id,))
        db.executemany(
            "insert into link values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (file_id, i, r.line, r.kind, r.embed, r.target, r.key, r.name, r.relative, r.subpath, r.alias)
                for i, r in enumerate(links)
            ),
        )
        db.executemany("insert or ignore into alias(file_id, key) values (?, ?)", ((file_id, key) for key in aliases))


def _file(db: apsw.Connection, source_id: int, path: str) -> apsw.Cursor:
    return db.execute("select id from file where source_id = ? and path = ?", (source_id, to_blob(path)))


def edges_from(db: apsw.Connection, source_id: int, path: str) -> list[Edge]:
    """The links of a note, in order."""
    return _edges(db, "s.source_id = ? and s.path = ?", (source_id, to_blob(path)))


def edges_to(db: apsw.Connection, source_id: int, path: str) -> list[Edge]:
    """The links that lead to a file: as many are looked at as have its name, or an alias of it."""
    named = (
        "s.source_id = ?1 and (l.name = (select name from file where source_id = ?1 and path = ?2) or l.key in"
        " (select a.key from alias a join file t on t.id = a.file_id where t.source_id = ?1 and t.path = ?2))"
    )
    return [edge for edge in _edges(db, named, (source_id, to_blob(path))) if edge.leads_to == path]


def unresolved(db: apsw.Connection, source_id: int) -> list[Edge]:
    """The links of a vault that lead nowhere."""
    return [edge for edge in _edges(db, "s.source_id = ?", (source_id,)) if edge.how == "none"]


def _edges(db: apsw.Connection, where: str, bound: tuple[int | bytes, ...]) -> list[Edge]:
    rows = db.execute(_RESOLVED.format(where=where) + " order by s.path, w.ordinal", bound)
    return [
        Edge(from_blob(source), line, kind, bool(embed), target, subpath, alias, how, to and from_blob(to))
        for source, line, kind, embed, target, subpath, alias, how, to in rows
    ]


def _joined(*args: object) -> str | None:
    folder, target = map(str, args)
    parts = folder.split("/")[:-1]
    for part in target.split("/"):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)
