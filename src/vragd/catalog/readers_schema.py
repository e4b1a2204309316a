"""The migration to a version of its reader for each note, in place of one of all readers for each space."""

from __future__ import annotations

import apsw


def m009_readers(db: apsw.Connection) -> None:
    """
    What read each note. Those whose reader is the one of before keep what they have; the rest are read once more.

    What has no suffix of these was read as Markdown for want of a reader.
    """
    db.execute("alter table note add column reader text not null default ''")
    for reader, suffixes in (("markdown-2", (".md", ".markdown", ".txt")), ("canvas-1", (".canvas",))):
        for suffix in suffixes:
            db.execute(
                "update note set reader = ? where lower(substr(cast(path as text), ?)) = ?",
                (reader, -len(suffix), suffix),
            )
