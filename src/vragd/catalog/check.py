"""Whether a catalog is sound, and what can be done when it is not. For the writer lane's connection."""

from __future__ import annotations

import os
import time
from pathlib import Path

import apsw

from vragd.catalog.indexing import index_all
from vragd.system.alive import STEPS, goes_on


def check(db: apsw.Connection) -> list[str]:
    """
    What SQLite's own checks say against the file, and full text without chunk or the reverse; [] if sound.

    Says `progress`: it reads all of the file.
    """
    db.set_progress_handler(goes_on, STEPS)
    try:
        return _problems(db)
    finally:
        db.set_progress_handler(None)


def _problems(db: apsw.Connection) -> list[str]:
    problems = [str(row[0]) for row in db.execute("pragma integrity_check") if row[0] != "ok"]
    for sql, what in (
        (
            "select count(*) from chunk where id not in (select rowid from chunk_text)",
            "chunks not in full text",
        ),
        (
            "select count(*) from chunk_text where rowid not in (select id from chunk)",
            "full text without chunk",
        ),
        (
            "select count(*) from (select distinct note_id from chunk)"
            " where note_id not in (select rowid from note_text) or note_id not in (select note_id from note_words)",
            "notes not in full text",
        ),
        (
            "select count(*) from note_text where rowid not in (select note_id from note_words)",
            "full text without note",
        ),
    ):
        ((count,),) = db.execute(sql)
        if count:
            problems.append(f"{count} {what}")
    return problems


def is_sound(path: Path) -> bool:
    """Whether a fresh look at the file finds nothing wrong: what was read wrongly once may be right on the disk."""
    try:
        db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)  # the last to close tidies up beside the file
        try:
            return check(db) == []
        finally:
            db.close()
    except apsw.Error:
        return False


def mend(db: apsw.Connection) -> int:
    """
    Forget the contents of notes that lost an embedding or their full text; returns how many notes.

    They are then dirty to the next scan, which reads them again from the vault. To be called in a transaction.
    """
    index_all(db)
    db.execute(
        "update note set state = 'failed', reason = 'an embedding was lost', retry_at = 0, size = -1"
        " where id in (select c.note_id from chunk c join note n on n.id = c.note_id where c.embedded"
        " and not exists (select 1 from embedding e"
        " where e.space_id = n.space_id and e.text_hash = c.text_hash and length(e.vector) ="
        " (select 4 + 2 * dimension from space s where s.id = e.space_id)))"
    )
    changed = db.changes()
    db.execute(
        "update chunk set embedded = 0 where note_id in (select id from note where reason = 'an embedding was lost')"
    )
    return changed


def move_aside(path: Path) -> None:
    """Put a damaged catalog out of the way, beside its place."""
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    # the file last: after a kill in between, no log is left that a new file would take for its own
    for suffix in ("-wal", "-shm", ""):
        damaged = path.with_name(path.name + suffix)
        if damaged.exists():
            os.replace(damaged, path.with_name(f"{path.name}.corrupt-{stamp}{suffix}"))
