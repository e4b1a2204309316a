"""
The graph of links at one instant: where each leads is decided here, when it is asked, over every file of its vault.

Links never cross vaults. What may not be named is as if it were not there: notes that opt out, those nobody has read
yet, and whatever the caller withholds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import apsw

from vragd.catalog.link_names import (
    Candidate,
    How,
    Named,
    Vaults,
    alias_key,
    asked_by,
    asked_for,
    fold,
    link_key,
    name_key,
)
from vragd.catalog.links import READER
from vragd.catalog.model import LinkRow, from_blob, to_blob

Withheld = Callable[[str, str], bool]
"""Whether nobody may be shown the file at a path (second) of a source (first, its label)."""

_FILES = (
    "select id, source_id, path, link_name from note where named and link_name {names}"
    " union all select 0, source_id, path, name from attachment"
    " where source_id in (select id from source) and name {names}"
)
_LINKS = (
    "select l.note_id, n.source_id, n.path, l.line, l.kind, l.target, l.subpath, l.alias, l.embed, l.heading"
    " from link l join note n on n.id = l.note_id where n.named"
)
_MANY = 400  # names in one statement


@dataclass(frozen=True, slots=True)
class File:
    """A file of a vault; `note` is its row, 0 for one that is no note. `source` is a label."""

    source: str
    path: str
    note: int = 0


@dataclass(frozen=True, slots=True)
class Edge:
    """A link of the note `of` and where it leads: `how` is self, path, alias or none, and with that `to` is None."""

    of: File
    link: LinkRow
    how: How
    to: File | None


@dataclass(slots=True)
class _Known:
    """What was looked up so far, by source, vault and key."""

    files: dict[tuple[int, str, tuple[str, ...]], Named] = field(default_factory=dict)
    by_name: dict[str, list[tuple[int, str, int]]] = field(default_factory=dict)
    aliases: dict[str, list[tuple[int, str, int]]] = field(default_factory=dict)


@lru_cache(1024)
def _headings(heading: str) -> tuple[str, ...]:
    """From JSON. Many links stand under the same."""
    return tuple(json.loads(heading))


class Graph:
    """Reads of one connection inside a transaction. `vaults` by label; a source that is not among them is one vault."""

    def __init__(
        self, db: apsw.Connection, vaults: Mapping[str, Vaults] | None = None, withheld: Withheld | None = None
    ) -> None:  # fmt: skip
        self.db, self._withheld = db, withheld
        self.labels: dict[int, str] = dict(db.execute("select id, label from source"))
        self._vaults = {i: (vaults or {}).get(label, Vaults()) for i, label in self.labels.items()}
        self._known = _Known()

    # -- files -------------------------------------------------------------------------------------

    def files(self, sources: Sequence[str] = ()) -> Iterator[File]:
        """Every file that may be named, notes and others, of these sources or of all."""
        sql = "select source_id, path, id from note where named union all select source_id, path, 0 from attachment"
        for source_id, path, note in self.db.execute(sql):
            if (file := self._file(source_id, path, note)) and (not sources or file.source in sources):
                yield file

    def at(self, source: str, path: str) -> File | None:
        """The file at this very path of a source."""
        sql = (
            "select s.id, n.path, n.id from note n join source s on s.id = n.source_id"
            " where s.label = ?1 and n.path = ?2 and n.named union all"
            " select s.id, a.path, 0 from attachment a join source s on s.id = a.source_id"
            " where s.label = ?1 and a.path = ?2 and a.name = ?3"
        )
        return next(self._all(self.db.execute(sql, (source, to_blob(path), name_key(path)))), None)

    def ending_in(self, target: str) -> list[File]:
        """The files whose path is `target`, as links spell it, or if none is ends in it; in every vault."""
        keys = asked_by(target)
        known = self._by_name(keys)
        wanted = fold(target).strip("/")
        whole, ending = list[File](), list[File]()
        for source_id, path, note in (row for key in keys for row in known[key]):
            key = fold(path)
            vaults = self._vaults[source_id]
            within = fold(vaults.within(path, vaults.of(path)))
            file = File(self.labels[source_id], path, note)
            if {key, within} & {wanted, f"{wanted}.md"}:
                whole.append(file)
            elif key.endswith((f"/{wanted}", f"/{wanted}.md")):
                ending.append(file)
        return whole or ending

    def called(self, name: str) -> list[File]:
        """The notes with this alias, or else this title, in every vault."""
        if found := self._called(alias_key(name)):
            return [File(self.labels[source_id], path, note) for source_id, path, note in found]
        sql = "select source_id, path, id from note where named and title = ? collate nocase"
        return list(self._all(self.db.execute(sql, (name.strip(),))))

    def titles(self, files: Iterable[File]) -> dict[int, str]:
        """The titles of notes, by row."""
        found: dict[int, str] = {}
        rows = list(dict.fromkeys(file.note for file in files if file.note))
        for start in range(0, len(rows), _MANY):
            some = rows[start : start + _MANY]
            marks = ", ".join("?" * len(some))
            found |= dict(self.db.execute(f"select id, title from note where id in ({marks})", tuple(some)))
        return found

    def n_unread(self) -> int:
        """How many notes there are whose links are still to be read, but for what is withheld: that never is."""
        sql = "select source_id, path, id from note where links_read != ? and state != 'failed'"
        return sum(1 for _ in self._all(self.db.execute(sql, (READER,))))

    def _file(self, source_id: int, path: bytes | str, note: int) -> File | None:
        path = from_blob(path) if isinstance(path, bytes) else path
        source = self.labels[source_id]
        if self._withheld is not None and self._withheld(source, path):
            return None
        return File(source, path, note)

    def _all(self, rows: Iterable[tuple[int, bytes, int]]) -> Iterator[File]:
        return (file for row in rows if (file := self._file(*row)))

    # -- links -------------------------------------------------------------------------------------

    def links_of(self, file: File) -> list[Edge]:
        """The links of a note, in order."""
        return list(self._edges(" and l.note_id = ? order by l.ordinal", (file.note,)))

    def links_to(self, file: File) -> list[Edge]:
        """
        The links of other notes that lead to a file, by path and place. As many are looked at as have its name, or an
        alias of it.
        """
        aliases = (key for (key,) in self.db.execute("select key from note_alias where note_id = ?", (file.note,)))
        names = list(dict.fromkeys([*asked_for(name_key(file.path)), *map(link_key, aliases)]))
        found = self._edges(f" and l.name in ({', '.join('?' * len(names))}) order by n.path, l.ordinal", names)
        return [edge for edge in found if edge.to == file and edge.of != file]

    def links_nowhere(self, target: str) -> list[Edge]:
        """The links with this target that lead to no file."""
        found = self._edges(" and l.name = ? order by n.path, l.ordinal", (link_key(target),))
        wanted = fold(target).removesuffix(".md")
        return [edge for edge in found if edge.to is None and fold(edge.link.target).removesuffix(".md") == wanted]

    def everything(self) -> Iterator[Edge]:
        """Every link there is, by path and place. Slow: a second for a hundred thousand."""
        names = [name for (name,) in self.db.execute("select distinct name from link where name != ''")]
        self._by_name(dict.fromkeys(key for name in names for key in (name, f"{name}.md")))
        yield from self._edges(" order by n.source_id, n.path, l.ordinal", ())

    def _edges(self, where: str, bound: Sequence[int | str]) -> Iterator[Edge]:
        of: File | None = None
        last = -1
        for note, source_id, path, *columns in self.db.execute(_LINKS + where, tuple(bound)):
            if note != last:
                of, last = self._file(source_id, path, note), note
            if of is not None:
                line, kind, target, subpath, alias, embed, heading = columns
                under = _headings(heading)
                link = LinkRow(line, kind, target, subpath, alias, bool(embed), under)
                how, to = self._resolve(source_id, of.path, target) if target else ("self", of)
                yield Edge(of, link, how, to)

    def _resolve(self, source_id: int, source: str, target: str) -> tuple[How, File | None]:
        vaults = self._vaults[source_id]
        vault = vaults.of(source)
        keys = asked_by(target)
        place = (source_id, vault, keys)
        if (named := self._known.files.get(place)) is None:
            found = self._by_name(keys)
            rows = [row for key in keys for row in found.get(key, ())]
            named = self._known.files[place] = Named(self._candidates(rows, source_id, vault))
        if (to := named.find(target, vaults.within(source, vault))) is not None:
            return "path", File(self.labels[source_id], to.path, to.file)
        aliases = list(self._candidates(self._called(alias_key(target)), source_id, vault))
        if not aliases:
            return "none", None
        to = min(aliases, key=lambda one: (len(one.path), one.path))
        return "alias", File(self.labels[source_id], to.path, to.file)

    def _candidates(self, rows: Iterable[tuple[int, str, int]], source_id: int, vault: str) -> Iterator[Candidate]:
        vaults = self._vaults[source_id]
        for source, path, note in rows:
            if source == source_id and vaults.of(path) == vault:
                yield Candidate(fold(vaults.within(path, vault)), path, note)

    def _by_name(self, keys: Iterable[str]) -> dict[str, list[tuple[int, str, int]]]:
        """The files that may be named, by name; of those asked for."""
        known = self._known.by_name
        new = [key for key in keys if key not in known]
        for start in range(0, len(new), _MANY):
            some = new[start : start + _MANY]
            for key in some:
                known[key] = []
            marks = ", ".join(f"?{i}" for i in range(1, len(some) + 1))
            seen = set[tuple[int, str]]()
            for note, source_id, path, name in self.db.execute(_FILES.format(names=f"in ({marks})"), tuple(some)):
                if file := self._file(source_id, path, note):
                    if (source_id, file.path) not in seen:  # one that just became a note may be both
                        known[name].append((source_id, file.path, note))
                    seen.add((source_id, file.path))
        return known

    def _rows(self, sql: str, *bound: int | str | bytes) -> list[tuple[Any, ...]]:
        return list(self.db.execute(sql, bound))

    def _called(self, key: str) -> list[tuple[int, str, int]]:
        known = self._known.aliases
        if key not in known:
            sql = "select source_id, path, id from note join note_alias on note_id = id where key = ? and named"
            found = list[tuple[int, str, int]]()
            for source_id, path, note in self._rows(sql, key):
                if file := self._file(source_id, path, note):
                    found.append((source_id, file.path, note))
            known[key] = found
        return known[key]
