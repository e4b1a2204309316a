"""What a catalog forgets by and by. For the writer lane's connection, inside a transaction."""

from __future__ import annotations

import apsw


def embeddings(db: apsw.Connection, now: float, keep_s: float) -> int:
    """Forget embeddings that no chunk, or no title, has used for `keep_s` seconds; returns how many of chunks."""
    _sweep(db, "title_embedding", "select title_hash from note_words", now, keep_s)
    return _sweep(db, "embedding", "select text_hash from chunk", now, keep_s)


def _sweep(db: apsw.Connection, table: str, used: str, now: float, keep_s: float) -> int:
    unused = f"not in ({used})"
    db.execute(f"update {table} set unused_since = null where unused_since is not null and not (text_hash {unused})")
    db.execute(f"update {table} set unused_since = ? where unused_since is null and text_hash {unused}", (now,))
    db.execute(f"delete from {table} where unused_since <= ?", (now - keep_s,))
    return db.changes()


def words(db: apsw.Connection) -> None:
    """
    Forget the words of chunks that are gone: full text only marks them as deleted until its parts are merged.

    Costs what the index is large, about a second for 20,000 chunks; nothing where it is of one part.
    """
    db.execute("insert into chunk_text(chunk_text) values ('optimize')")
    db.execute("insert into note_text(note_text) values ('optimize')")
    db.execute("delete from word_form where word not in (select term from note_terms)")
