"""
Full text by the server, over what payloads hold of text and names. An index on it is made where text is kept.

Words are cut and lower-cased by PostgreSQL's configuration `simple`, which is there in any installation and knows no
language: no endings and no words that say nothing. It takes a run of letters for a word, of Chinese or Thai, too. What
it takes for one thing, such as a path, an address or `<T>`, is cut before, so that each word in it is found.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from unicodedata import normalize

from vragd.backends.pgvector.connect import Cursor
from vragd.backends.pgvector.filters import condition
from vragd.backends.pgvector.layout import WORDS_INDEX, quoted
from vragd.errors import Unsupported
from vragd.terms.filter import Filter

_MOST_CHARS = 100_000  # a tsvector has 1 MiB at most, and a row beyond that would be refused
_SIMPLE = "'pg_catalog.simple'"
_TEXT = " || ' ' || ".join(f"coalesce(payload->>'{key}', '')" for key in ("title", "heading", "content"))
_SEAMS = "./@_:-+~?=&#<>"
_CUT = str.maketrans(_SEAMS, " " * len(_SEAMS))
_WORDS = f"to_tsvector({_SIMPLE}, translate(left({_TEXT}, {_MOST_CHARS}), '{_SEAMS}', '{' ' * len(_SEAMS)}'))"
_SAMPLE = 100  # rows of which one has text, as a rule, where a store's have any
_RANKED = 300  # rows at least where so many pass, and no more than are asked for: the words of each are cut anew
_BY_LENGTH = 1  # PostgreSQL's flag: a rank over 1 + the logarithm of the text's length


def index_name(table: str) -> str:
    """Of the index on the words of a table."""
    return table + WORDS_INDEX


def create_index(full: str, table: str, *, beside: bool = False) -> str:
    """The statement that makes it; `beside`: while others write, and in no transaction."""
    how = "CONCURRENTLY " if beside else ""
    return f"CREATE INDEX {how}{quoted(index_name(table))} ON {full} USING gin ({_WORDS})"


def find(
    cursor: Cursor, table: str, text: str, n: int, where: Filter | None, *, is_indexed: bool
) -> list[tuple[Any, ...]]:  # fmt: skip
    """
    (key, rank, metadata, payload) of `n` rows that have any word of `text`, the best first.

    Of a piece of it that has several, such as `state-of-the-art`, all must stand there one after another.
    """
    if not _has_text(cursor, table):
        raise Unsupported(
            "the rows of this store hold no text", condition="words",
            hint="ask it without --mode; or give the store that fills it remote_text: true",
        )  # fmt: skip
    pieces = [list(_forms(piece)) for piece in text.replace("\0", " ").split()]
    if not pieces:
        return []
    forms = [form for piece in pieces for form in piece]
    of_each = [" || ".join([f"phraseto_tsquery({_SIMPLE}, %s::text)"] * len(piece)) for piece in pieces]
    asked = " || ".join(of_each)
    narrowed, given = "", list[Any]()
    if where is not None:
        narrowed, given = condition(where, "metadata")
        narrowed = f" AND {narrowed}"
    passes, bound = f"{_WORDS} @@ ({asked}){narrowed}", [*forms, *given]
    if is_indexed:
        cursor.execute("SET LOCAL enable_seqscan = off", [])  # it would cut each row anew for a word that many have
        passes = _few(table, [f"{_WORDS} @@ ({one}){narrowed}" for one in of_each])
        bound = [one for piece in pieces for one in (*piece, *given)] + [max(n, _RANKED)]
    found: list[tuple[Any, ...]] = cursor.execute(
        f"SELECT key, ts_rank({_WORDS}, {asked}, {_BY_LENGTH}) AS rank, metadata, payload FROM {table}"
        f" WHERE {passes} ORDER BY rank DESC, key LIMIT %s",
        [*forms, *bound, n],
    ).fetchall()
    return found


def _few(table: str, conditions: Sequence[str]) -> str:
    """Which rows are worth ranking: of those that meet any of the conditions, so many that meet the rarer ones."""
    each = " UNION ALL ".join(f"SELECT {i} AS one, key FROM {table} WHERE {met}" for i, met in enumerate(conditions))
    rare = "SELECT one, 1.0 / count(*) AS worth FROM each GROUP BY one"
    few = "SELECT key FROM each JOIN rare USING (one) GROUP BY key ORDER BY sum(worth) DESC, key LIMIT %s"
    return f"key IN (WITH each AS ({each}), rare AS ({rare}) {few})"


def _has_text(cursor: Cursor, table: str) -> bool:
    """Whether any row has text; where there is none yet, it may come."""
    sample = f"SELECT payload FROM {table} LIMIT {_SAMPLE}"
    has_text = f"SELECT count(*), count(*) FILTER (WHERE payload->>'content' <> '') FROM ({sample}) sampled"
    n_rows, n_having = cursor.execute(has_text, []).fetchone() or (0, 0)
    if n_having or n_rows < _SAMPLE:
        return bool(n_having or not n_rows)
    # those of a machine that keeps none may come first, and those that have yet to be put again
    any_has = f"SELECT EXISTS (SELECT FROM {table} WHERE payload->>'content' <> '')"
    return bool((cursor.execute(any_has, []).fetchone() or (False,))[0])


def _forms(piece: str) -> Iterable[str]:
    """
    A piece of a question as it may be written: other letters than ASCII's are lower-cased only where the database's
    locale knows them, and what a text has in two signs, as macOS writes an accent, stays so.
    """
    cut = piece.translate(_CUT)
    if cut.isascii():
        return (cut,)
    cases = (cut, cut.lower(), cut.upper(), cut.capitalize())
    return dict.fromkeys(normalize(form, one) for one in cases for form in ("NFC", "NFD"))
