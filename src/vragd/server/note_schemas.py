"""What goes over the socket about one note; see `schemas`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from vragd.server.bodies import Body, Request, Strings, UnknownModel
from vragd.server.narrowing import Where
from vragd.server.schemas import FileRefModel
from vragd.terms.bounds import MAX_TOP_K
from vragd.terms.fields import Integer

MAX_TEXT_CHARS = 40_000
"""Of a text that related notes are asked for: as JSON it is within the bounds of a body."""


class GetRequest(Request):
    """
    A passage by its id, or a note: a path as hits have it, a name as links have it, an alias, a title; `:FROM-TO`,
    `#` and headings, or `#^` and a block's id behind it.
    """

    note: str = Field(max_length=4096, pattern=r"\S")
    stores: Strings = ()
    sources: Strings = ()


class PartModel(Body):
    """A passage of what was read."""

    id: str
    heading: tuple[str, ...]
    lines: tuple[int, int]


class GetAnswer(Body):
    """
    `text` is `lines` of the note's `n_lines` as it was read last; of a document those of pages, slides or rows.

    `id`: of the passage, where it was asked for by one. `changed`: that passage was edited, and this is what of its
    note is nearest to it. `parts` are the passages it is made of, `copies` other notes that have this one.
    """

    note: FileRefModel
    place: str
    id: str
    heading: tuple[str, ...]
    lines: tuple[int, int]
    n_lines: int
    text: str
    changed: bool
    parts: tuple[PartModel, ...]
    copies: tuple[FileRefModel, ...]
    generation: int
    pending: int
    degraded: tuple[str, ...]


class SimilarRequest(Request):
    """What is related to a `note`, as for links but whole, or to a `text`; filters narrow it as they do a question."""

    note: str = Field(default="", max_length=4096)
    text: str = Field(default="", max_length=MAX_TEXT_CHARS)
    top_k: Integer = Field(default=10, json_schema_extra={"minimum": 1, "maximum": MAX_TOP_K})
    unlinked: bool = Field(default=False, description="no note that a link joins with it")
    stores: Strings = ()
    sources: Strings = ()
    folder: str = ""
    where: Where = ""


class RelatedModel(Body):
    """
    A related note, and of its passages the nearest: `id` is empty where it has none. `score` is at most 1.

    `linked`: `out` where the note links to it, `back` where it links to the note. `copies`: other notes of the same
    passages, as related, which are no hits of their own. `uri` opens it, `file` is its path on this machine.
    """

    note: FileRefModel
    score: float
    linked: tuple[Literal["out", "back"], ...]
    id: str
    heading: tuple[str, ...]
    lines: tuple[int, int]
    modified: float
    date: str | None = Field(description="the day the note says it is of, by its property date or its name")
    uri: str
    file: str
    copies: tuple[FileRefModel, ...]


class SimilarAnswer(Body):
    """`note` is null where a text was given. `unknown`: what the filters name and no note has."""

    note: FileRefModel | None
    hits: tuple[RelatedModel, ...]
    unknown: tuple[UnknownModel, ...]
    generation: int
    pending: int
    degraded: tuple[str, ...]
