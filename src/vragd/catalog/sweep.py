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
OF_CHUNKS, OF_TITLES = "embedding", "title_embedding"
MERGED_PAGES = 64


@dataclass(slots=True)
class Unused:
    """Rows of a table of embeddings: those `used` again, those unused since now, and those to be forgotten."""

    table: str = OF_CHUNKS
    used: list[int] = field(default_factory=list)
    unused: list[int] = field(default_factory=list)
    forgotten: list[int] = field(default_factory=list)

    def slices(self) -> Iterator[Unused]:
        """The same, a little at a time; what is to be forgotten comes last."""
        for start in range(0, len(self.used), SLICE):
            yield Unused(self.table, used=self.used[start : start + SLICE])
        for start in range(0, len(self.unused), SLICE):
            yield Unused(self.table, unused=self.unused[start : start + SLICE])
        for start in range(0, len(self.forgotten), SLICE):
            yield Unused(self.table, forgotten=self.forgotten[start : start + SLICE])


def find_unused(db: apsw.Connection, now: float, keep_s: float, table: str = OF_CHUNKS) -> Unused:
    """What is to be done so that no embedding outlives its last use by more than `keep_s` seconds. Only reads."""
    uses = "select distinct text_hash from chunk" if table == OF_CHUNKS else "select title_hash from note_words"
    live = {text_hash for (text_hash,) in db.execute(uses)}
    found = Unused(table)
    for row, text_hash, since in db.execute(f"select id, text_hash, unused_since from {table}"):
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
    _each(db, f"update {found.table} set unused_since = null where id", found.used)
    _each(db, f"update {found.table} set unused_since = ? where id", found.unused, now)
    _each(db, f"delete from {found.table} where id", found.forgotten)
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
    db.execute("insert into note_text(note_text) values ('optimize')")
    db.execute("delete from word_form where word not in (select term from note_terms)")


def merge_words(db: apsw.Connection) -> bool:
    """
    Make one of each four or more parts of full text that are of a size; whether anything was done. In a transaction.

    Each commit adds a part, and a question looks for every word in all of them. Full text merges by itself, but by how
    much was written: of short notes 16 parts come together. A call writes MERGED_PAGES pages at most, about 3 ms.
    """
    done = False
    for table in ("chunk_text", "note_text"):
        before = db.total_changes()
        db.execute(f"insert into {table}({table}, rank) values ('merge', {MERGED_PAGES})")
        done |= db.total_changes() - before > 1  # this insertion is one itself; see FTS5, "the 'merge' command"
    return done
