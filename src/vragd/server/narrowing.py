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
    """A question has words, or filters, or is about some sources or stores, or has in mode `vector` a vector."""
    seen, none = {"type": "string", "pattern": r"\S"}, {"vector": {"type": "null"}, "vectors": {"maxItems": 0}}
    several = {"type": "array", "contains": seen}
    says = {"text": seen, "texts": several, "folder": seen, "where": {**several, **seen, "type": ["string", "array"]}}
    says |= {name: {"type": "array", "minItems": 1} for name in ("sources", "stores")}
    schema["anyOf"] = [
        *({"required": [name], "properties": {name: one, **none}} for name, one in says.items()),
        {"required": ["vector", "mode"], "properties": {"vector": {"type": "array"}, "mode": {"const": "vector"}}},
        {"required": ["vectors", "mode"], "properties": {"vectors": {"minItems": 1}, "mode": {"const": "vector"}}},
    ]
