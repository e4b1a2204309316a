"""
Full text by the server, over what payloads hold of text and names. An index on it is made where text is kept.

Words are cut and lower-cased by PostgreSQL's configuration `simple`, which is there in any installation and knows no
language: no endings and no words that say nothing. It takes a run of letters for a word, of Chinese or Thai, too.
"""

from __future__ import annotations

from typing import Any

from vragd.backends.pgvector.connect import Cursor
from vragd.backends.pgvector.filters import condition
from vragd.backends.pgvector.layout import quoted
from vragd.errors import Unsupported
from vragd.terms.filter import Filter

_MOST_CHARS = 100_000  # a tsvector has 1 MiB at most, and a row beyond that would be refused
_SIMPLE = "'pg_catalog.simple'"
_TEXT = " || ' ' || ".join(f"coalesce(payload->>'{key}', '')" for key in ("title", "heading", "content"))
_WORDS = f"to_tsvector({_SIMPLE}, left({_TEXT}, {_MOST_CHARS}))"
_SAMPLE = 100  # rows of which one has text, where a store's have any
_BY_LENGTH = 1  # PostgreSQL's flag: a rank over 1 + the logarithm of the text's length


def index_name(table: str) -> str:
    """Of the index on the words of a table."""
    return f"{table}_t"


def create_index(full: str, table: str, *, beside: bool = False) -> str:
    """The statement that makes it; `beside`: while others write, and in no transaction."""
    how = "CONCURRENTLY " if beside else ""
    return f"CREATE INDEX {how}{quoted(index_name(table))} ON {full} USING gin ({_WORDS})"


def find(cursor: Cursor, table: str, text: str, n: int, where: Filter | None) -> list[tuple[Any, ...]]:
    """
    (key, rank, metadata, payload) of `n` rows that have any word of `text`, the best first.

    Of a piece of it that PostgreSQL cuts in several, such as `state-of-the-art`, all parts must be there.
    """
    sample = f"SELECT payload FROM {table} LIMIT {_SAMPLE}"
    has_text = f"SELECT count(*), count(*) FILTER (WHERE payload->>'content' <> '') FROM ({sample}) sampled"
    n_rows, n_having = cursor.execute(has_text, []).fetchone() or (0, 0)
    if n_rows and not n_having:
        raise Unsupported(
            "the rows of this store hold no text", condition="words",
            hint="ask it without --mode; or give the store that fills it remote_text: true",
        )  # fmt: skip
    pieces = text.replace("\0", " ").split()
    asked = " || ".join([f"plainto_tsquery({_SIMPLE}, %s::text)"] * len(pieces))
    narrowed, given = "", list[Any]()
    if where is not None:
        narrowed, given = condition(where, "metadata")
        narrowed = f" AND {narrowed}"
    if not pieces:
        return []
    found: list[tuple[Any, ...]] = cursor.execute(
        f"SELECT key, ts_rank({_WORDS}, {asked}, {_BY_LENGTH}) AS rank, metadata, payload FROM {table}"
        f" WHERE {_WORDS} @@ ({asked}){narrowed} ORDER BY rank DESC, key LIMIT %s",
        [*pieces, *pieces, *given, n],
    ).fetchall()
    return found
