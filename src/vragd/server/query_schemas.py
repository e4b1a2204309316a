"""A question and its answer, as they go over the socket."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from vragd.server.bodies import Body, Finite, Request, Strings, UnknownModel
from vragd.server.narrowing import Where, says_what_it_asks
from vragd.terms.bounds import MAX_OFFSET, MAX_QUERY_CHARS, MAX_TOGETHER, MAX_TOP_K
from vragd.terms.fields import Integer

Vector = Annotated[tuple[Finite, ...], Field(max_length=4096)]


class QueryRequest(Request):
    """
    A question by text, in the grammar of docs/questions.md, by filters alone, or by vector in mode `vector`. Empty
    `stores` and `sources` mean all; alone they list their notes.
    """

    model_config = ConfigDict(json_schema_extra=says_what_it_asks)

    text: str = Field(default="", json_schema_extra={"maxLength": MAX_QUERY_CHARS})
    texts: Strings = Field(
        default=(), max_length=MAX_TOGETHER, description="further texts: a hit has the best score of any"
    )
    vector: Vector | None = Field(default=None, description="as many numbers as the store's vectors have")
    vectors: tuple[Vector, ...] = Field(default=(), max_length=MAX_TOGETHER, description="further ones, as `texts`")
    stores: Strings = ()
    top_k: Integer = Field(default=5, json_schema_extra={"minimum": 1, "maximum": MAX_TOP_K})
    offset: Integer = Field(
        default=0,
        json_schema_extra={"minimum": 0, "maximum": MAX_OFFSET},
        description="hits to leave out first",
    )
    mode: Literal["hybrid", "vector", "keyword"] = "hybrid"
    sources: Strings = ()
    folder: str = ""
    chunks: bool = Field(default=False, description="a hit is a passage, not a note with its best one")
    weak: bool = Field(default=False, description="also what is no good match")
    exact: bool = Field(default=False, description="a word that is nowhere stands for no other")
    explain: bool = Field(default=False, description="what each score is made of")
    where: Where = ""
    plain: bool = Field(default=False, description="the text is words, whatever it looks like: no grammar, no filters")
    sort: Literal["score", "modified", "created", "name"] = "score"
    min_score: float = Field(default=0.0, ge=-1, le=2, description="no hit with a lower score")
    fresh_s: float = Field(
        default=0.0, ge=0, le=25, description="look at the disk, and wait so long for what has changed to be searchable"
    )


class PassageModel(Body):
    """A passage; `id` reads it back. `spans`: the words of `excerpt` that matched, half-open, in code points of it."""

    id: str
    heading: tuple[str, ...]
    lines: tuple[int, int]
    excerpt: str
    spans: tuple[tuple[int, int], ...]
    excerpt_lines: tuple[int, int]


class PartsModel(Body):
    """What a score is made of; null where it could not be had. `cover`: the share of what was asked that is there."""

    ahead: float
    chunk: float | None
    title: float | None
    words: float | None
    note: float | None
    cover: float | None


class CopyModel(Body):
    """Another place of the same text."""

    store: str
    source: str
    path: str


class HitModel(PassageModel):
    """
    A note with its best passage, `text` in full; `passages` are further ones, `copies` equal ones that were left out.

    `score` is at most 1; 1 more for a note that is called what was asked, or has what was quoted. See docs/notes.md.
    """

    store: str
    source: str
    path: str
    title: str
    score: float
    text: str
    uri: str
    passages: tuple[PassageModel, ...]
    copies: tuple[CopyModel, ...]
    weak: bool
    template: bool
    modified: float = Field(description="when the file was, in seconds since 1970")
    file: str = Field(description="where it is on this machine; empty if nobody knows")
    created: float | None = Field(description="when the note was, where hits are sorted by that")
    date: str | None = Field(description="the day the note says it is of, by its property date or its name")
    parts: PartsModel | None


class QueryAnswer(Body):
    """
    `generation` grows with every commit; `pending` paths are still to be indexed; `degraded`: why it may be stale.

    `n_weak` hits were left out as no good match. `instead`: what was looked for in place of words that are nowhere.
    `n_found` hits match, these among them: so many where `found_all`, else at least about so many.
    """

    hits: tuple[HitModel, ...]
    generation: int
    pending: int
    degraded: tuple[str, ...]
    n_weak: int
    n_found: int
    found_all: bool
    instead: dict[str, str]
    unknown: tuple[UnknownModel, ...]
