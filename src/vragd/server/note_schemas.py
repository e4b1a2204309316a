"""What goes over the socket about one note; see `schemas`."""

from __future__ import annotations

from pydantic import Field

from vragd.server.schemas import Body, FileRefModel, Request, Strings


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
