"""
Names that begin with what was typed, at one instant of the catalog: for completion, which asks at every key.

Nothing is gone through as a whole. The next name is looked up in an index, then the next behind it: a tag of a
hundred thousand notes is one step, and so is a folder. `MOST_STEPS` bounds what is passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import apsw

from vragd.catalog.fold import fold
from vragd.catalog.link_names import fold as fold_name
from vragd.catalog.model import from_blob, to_blob

MOST_STEPS = 5_000
_END = "\U0010ffff"


class Facts(NamedTuple):
    """A table of facts with an index that begins with its name, and the column that has it as it is written."""

    table: str
    name: str
    written: str


TAGS = Facts("note_tag", "tag", "shown")
PROPERTIES = Facts("note_property", "name", "name")

Withheld = Callable[[str, str], bool]
"""Whether nobody may be shown the file at a path (second) of a source (first, its label)."""


class Names:
    """
    Reads of one connection inside a transaction. `whole` is whether all there were was looked at; `limit` bounds what
    each method gives.
    """

    def __init__(self, db: apsw.Connection, limit: int, withheld: Withheld | None = None) -> None:
        self._db, self._limit, self._withheld = db, limit, withheld
        self._steps = 0
        self.whole = True
        rows: list[tuple[int, str]] = list(db.execute("select id, label from source"))
        self._labels = dict(rows)

    def facts(self, of: Facts, prefix: str) -> list[str]:
        """The tags or properties that begin so, in whatever case, as they are written."""
        begin = fold(prefix) if of is TAGS else prefix.lower()
        sql = (
            f"select {of.name}, note_id, {of.written}, 1 from {of.table} where {{}} order by {of.name}, note_id limit 1"
        )
        return list(self._each(sql, of.name, "note_id", begin))

    def called(self, prefix: str) -> list[str]:
        """What links call the notes whose files' names begin so, in whatever case: without folders and `.md`."""
        sql = "select link_name, id, path, named from note where {} order by link_name, id limit 1"
        paths = self._each(sql, "link_name", "id", fold_name(prefix))
        return [from_blob(path).rpartition("/")[2].removesuffix(".md") for path in paths]

    def _each(self, sql: str, name: str, note: str, begin: str) -> Iterator[Any]:
        """
        Of each name that begins so what the third column says, if one of its notes (second) may be shown (fourth).

        `{}` in the statement is where to go on: at a name, behind one, or behind a note with that name.
        """
        at: tuple[str | int, ...]
        n_found, where, at = 0, f"{name} >= ? and {name} < ?", (begin, begin + _END)
        while True:
            rows: list[tuple[str, int, Any, int]] = list(self._db.execute(sql.format(where), at))
            if not rows:
                if not where.startswith(f"{name} = "):
                    return
                where, at = f"{name} > ? and {name} < ?", (str(at[0]), begin + _END)
                continue
            ((found, note_id, said, may_be_shown),) = rows
            if not self._goes_on(n_found):
                return
            if may_be_shown and not self._is_hidden(note_id):
                n_found += 1
                yield said
                where, at = f"{name} > ? and {name} < ?", (found, begin + _END)
            else:
                where, at = f"{name} = ? and {note} > ?", (found, note_id)

    def below(self, label: str, prefix: str, *, folders: bool) -> list[str]:
        """
        The paths of a source that go on behind `prefix` by one part: of folders, which end in `/`, and unless it is to
        be `folders` alone of notes.
        """
        found = list[str]()
        for source in [source for source, name in self._labels.items() if name == label]:
            for path in self._parts(source, prefix, lambda: len(found)):
                if path.endswith("/") or not folders:
                    found.append(path)
        return found

    def _parts(self, source: int, prefix: str, count: Callable[[], int]) -> Iterator[str]:
        folder = to_blob(prefix[: prefix.rfind("/") + 1])
        at, end = to_blob(prefix), _behind(to_blob(prefix))
        sql = "select path, named from note where source_id = ? and path >= ? and path < ? order by path"
        while True:
            for path, named in self._db.execute(sql, (source, at, end)):
                if not self._goes_on(count()):
                    return
                if not named or self._hides(source, from_blob(path)):
                    continue
                first, slash, _ = path[len(folder) :].partition(b"/")
                yield from_blob(folder + first + slash)
                if slash:
                    at = folder + first + b"0"  # '0' follows '/'
                    break
            else:
                return

    def _goes_on(self, n_found: int) -> bool:
        self._steps += 1
        if n_found >= self._limit or self._steps > MOST_STEPS:
            self.whole = False
        return self.whole

    def _is_hidden(self, note: int) -> bool:
        if self._withheld is None:
            return False
        rows = list(self._db.execute("select source_id, path from note where id = ?", (note,)))
        return any(self._hides(source, from_blob(path)) for source, path in rows)

    def _hides(self, source: int, path: str) -> bool:
        return self._withheld is not None and self._withheld(self._labels[source], path)


def _behind(prefix: bytes) -> bytes:
    """Bytes behind every path that begins with `prefix`."""
    return prefix + b"\xff" * 4096  # no path is longer
