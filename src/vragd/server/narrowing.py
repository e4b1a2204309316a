"""What narrows a question, as it goes over the socket."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from vragd.terms.bounds import MAX_WHERES
from vragd.terms.fields import as_tuple

Where = Annotated[
    str | Annotated[tuple[str, ...], Field(max_length=MAX_WHERES)],
    BeforeValidator(as_tuple),
    Field(
        description="filters, each in the grammar of questions or an expression as in Obsidian's Bases; all must hold"
    ),
]


def says_what_it_asks(schema: dict[str, Any]) -> None:
    """A question has words, or filters, or in mode `vector` a vector."""
    seen, none = {"type": "string", "pattern": r"\S"}, {"type": "null"}
    narrows = {"folder": seen, "where": {"type": ["string", "array"], "pattern": r"\S", "contains": seen}}
    vector = {"vector": {"type": "array"}, "mode": {"const": "vector"}}
    schema["anyOf"] = [
        {"required": ["text"], "properties": {"text": seen, "vector": none}},
        *({"required": [n], "properties": {n: says, "vector": none}} for n, says in narrows.items()),
        {"required": ["vector", "mode"], "properties": vector},
    ]
