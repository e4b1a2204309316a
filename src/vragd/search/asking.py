"""What was typed → the question: its words rank, the rest of it filters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from vragd.errors import UsageError
from vragd.search.grammar.dates import Left
from vragd.search.grammar.halves import filter_of, ranked_text
from vragd.search.grammar.parse import parse
from vragd.search.grammar.tree import And, Node, Not, Or, Source, Store, Within
from vragd.search.grammar.where import filters as filters_in
from vragd.search.nearest import nearness
from vragd.search.question import SEEN, Question, Unknown, check, wall_clock
from vragd.terms.bounds import MAX_OFFSET, MAX_QUERY_CHARS, MAX_WHERES


def understood(*, text: str = "", where: str | Sequence[str] = "", plain: bool = False, **asked: Any) -> Question:
    """
    The question in `text`, with `plain` one without grammar; of `where` all filters, its words too. Each of several
    is read by itself, as an expression or in the grammar, and all must hold.

    `asked` are the other fields of a Question. Raises UsageError for a mistake in the grammar.
    """
    wheres = [where] if isinstance(where, str) else list(where)
    if len(wheres) > MAX_WHERES:
        raise UsageError(f"{len(wheres)} filters side by side, at most {MAX_WHERES}", hint="join them into one")
    for typed in (text, *wheres):
        if len(typed) > MAX_QUERY_CHARS:
            raise UsageError(f"the query has {len(typed)} characters, the limit is {MAX_QUERY_CHARS}")
    now = wall_clock()
    node = None if plain else parse(text, now)
    filters = [] if node is None else [filter_of(node)]
    filters += [filters_in(typed, now) for typed in wheres if SEEN.search(typed)]
    filters += [And(())] if SEEN.search(asked.get("folder", "")) else []
    found = [one for one in filters if one is not None]
    if not found:
        return Question(text=text, **asked)
    if Left(now).none_after(And(tuple(found))):
        raise UsageError("no date is in all that is asked for: the question, its flags and --where",
                         hint="leave one of the dates out")  # fmt: skip
    listed = node is not None and bool(text.strip()) and filters[0] == node
    return Question(
        text=text if node is None or filters[0] is None else ranked_text(node),
        where=found[0] if len(found) == 1 else And(tuple(found)),
        listed=listed,
        now=now,
        **asked,
    )


def each_of(
    *, text: str = "", vector: tuple[float, ...] | None = None, texts: Sequence[str] = (),
    vectors: Sequence[tuple[float, ...]] = (), top_k: int = 5, offset: int = 0, min_score: float = 0.0,
    of_stores: bool = False, **asked: Any,
) -> list[Question]:  # fmt: skip
    """
    The questions of a request with several texts or vectors, each for as many hits as there are up to the end of the
    page. Where it has nothing but sources, or `of_stores` stores, that it is about, it asks for all their notes, as
    `source:` and `store:` do. Raises UsageError.
    """
    if not 0 <= offset <= MAX_OFFSET:
        raise UsageError(f"offset is {offset}, expected 0 to {MAX_OFFSET}", hint="narrow the question")
    parts: list[dict[str, Any]] = [{"text": one} for one in (text, *texts) if SEEN.search(one)]
    parts += [{"vector": one} for one in (vector, *vectors) if one is not None]
    found = [understood(**part, top_k=top_k, **asked) for part in parts or [{"text": text}]]
    if not parts and (of_stores or asked.get("sources")):
        found = [replace(one, where=one.where or And(())) for one in found]
    for one in found:
        check(one)
        if min_score and one.vector is None and not one.text:
            raise UsageError("filters alone give no score that could be too low", hint="leave out --min-score")
    return [replace(one, top_k=top_k + offset, min_score=min_score) for one in found]


def named_in(node: Node | None) -> Iterator[Source | Store]:
    """The sources and stores that a question names."""
    match node:
        case And(parts) | Or(parts):
            for part in parts:
                yield from named_in(part)
        case Not(part) | Within(_, part):
            yield from named_in(part)
        case Source() | Store():
            yield node


def unknown_everywhere(found: Sequence[Sequence[Unknown]]) -> list[Unknown]:
    """What no store knows of what a question names, with the nearest that any has."""
    if not found:
        return []
    named = [{(one.kind, one.name): one for one in each} for each in found]
    everywhere = [key for key in named[0] if all(key in each for each in named)]
    return [max((each[key] for each in named), key=lambda one: nearness(one.name, one.nearest)) for key in everywhere]
