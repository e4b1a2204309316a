"""
What a catalog forgets by and by.

Finding out what is unused reads all of it: that is done on a connection that reads, at one instant, and what was
found is then done a slice at a time by the connection that writes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import apsw

AHEAD_S = 3_600.0
"""A stored time further ahead than this was written by a clock that was wrong: what it puts off is due."""
SLICE = 1_000


@dataclass(slots=True)
class Unused:
    """Embeddings, by their row: those `used` again, those unused since now, and those to be forgotten."""

    used: list[int] = field(default_factory=list)
    unused: list[int] = field(default_factory=list)
    forgotten: list[int] = field(default_factory=list)

    def slices(self) -> Iterator[Unused]:
        """The same, a little at a time; what is to be forgotten comes last."""
        for start in range(0, len(self.used), SLICE):
            yield Unused(used=self.used[start : start + SLICE])
        for start in range(0, len(self.unused), SLICE):
            yield Unused(unused=self.unused[start : start + SLICE])
        for start in range(0, len(self.forgotten), SLICE):
            yield Unused(forgotten=self.forgotten[start : start + SLICE])


def find_unused(db: apsw.Connection, now: float, keep_s: float) -> Unused:
    """What is to be done so that no embedding outlives its last use by more than `keep_s` seconds. Only reads."""
    live = {text_hash for (text_hash,) in db.execute("select distinct text_hash from chunk")}
    found = Unused()
    for row, text_hash, since in db.execute("select id, text_hash, unused_since from embedding"):
        if text_hash in live:
            if since is not None:
                found.used.append(row)
        elif since is None or since > now + AHEAD_S:
            (found.forgotten if keep_s <= 0 else found.unused).append(row)
        elif since <= now - keep_s:
            found.forgotten.append(row)
    return found


def embeddings(db: apsw.Connection, found: Unused, now: float) -> int:
    """Do what was found, of which nothing may be used again since; how many were forgotten. In a transaction."""
    _each(db, "update embedding set unused_since = null where id", found.used)
    _each(db, "update embedding set unused_since = ? where id", found.unused, now)
    _each(db, "delete from embedding where id", found.forgotten)
    return len(found.forgotten)


def _each(db: apsw.Connection, statement: str, rows: Sequence[int], *bound: float) -> None:
    if rows:
        db.execute(f"{statement} in ({','.join('?' * len(rows))})", (*bound, *rows))


def words(db: apsw.Connection) -> None:
    """
    Forget the words of chunks that are gone: full text only marks them as deleted until its parts are merged.

    Costs what the index is large, about a second for 20,000 chunks; nothing where it is of one part.
    """
    db.execute("insert into chunk_text(chunk_text) values ('optimize')")
