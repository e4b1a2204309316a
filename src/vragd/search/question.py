"""What is asked, of what, and what an answer is made of."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np

from vragd.backends.base import VectorBackend
from vragd.catalog.model import SpaceRow
from vragd.catalog.reader import Reader
from vragd.catalog.sources import Types
from vragd.catalog.standins import no_word
from vragd.errors import UsageError
from vragd.search.grammar.tree import Node
from vragd.terms.bounds import MAX_QUERY_CHARS, MAX_TOP_K

# What `\S` is in the patterns of JSON Schema, by which clients know that a question is not empty: ECMA-262, WhiteSpace.
SEEN = re.compile("[^\t\n\v\f\r \xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]")

Mode = Literal["hybrid", "vector", "keyword"]
Sort = Literal["score", "modified", "created", "name"]
"""By which hits are ordered: the best first, the latest, or by name. Without words there is no score: by `modified`."""


@dataclass(frozen=True, slots=True)
class Question:
    """
    What is asked. `sources` are labels, `folder` is relative to a source; empty means everywhere. `text` is what ranks,
    `where` what filters; with `listed` every note that passes is an answer, near or not. `now` is when it was asked, by
    the wall clock.

    `chunks`: a hit is a passage, not a note with its best one. `weak`: also what is below the floor. `exact`: a word
    that is nowhere stands for no other.
    """

    text: str = ""
    vector: tuple[float, ...] | None = None
    top_k: int = 5
    mode: Mode = "hybrid"
    sources: frozenset[str] = frozenset()
    folder: str = ""
    chunks: bool = False
    weak: bool = False
    exact: bool = False
    explain: bool = False
    where: Node | None = None
    listed: bool = False
    sort: Sort = "score"
    min_score: float = 0.0
    now: datetime | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """
    A source as links and filters need it; `templates` are folders of notes that are there to be copied, `vaults` and
    `above` as in `links.Root`, `types` are those of properties, as `vault.types` has them.
    """

    uid: str
    root: Path
    in_obsidian: bool
    withheld: Callable[[str], bool] | None = None
    """Which of its notes nobody may be shown, though they are indexed; None where that is none."""
    templates: tuple[str, ...] = ()
    vaults: tuple[str, ...] = ()
    above: str = ""
    types: Types = ()


@dataclass(frozen=True, slots=True)
class Target:
    """
    A store as a query sees it at one moment.

    `peers` are the catalogs of all stores of this machine, its own included: how rare a word is, is counted over all
    of them, so that a note has the same score in whichever store it is. None means the store alone.
    Without a `backend` words alone answer.
    """

    name: str
    reader: Reader
    backend: VectorBackend | None
    space: SpaceRow | None
    embed_query: Callable[[str], np.ndarray]
    places: Mapping[str, Place]
    peers: tuple[Reader, ...] = ()
    assistant: bool = False
    """Whether `reader` and `peers` leave out what is closed. The backend holds it all the same."""
    partial: bool = False
    """Whether there are sources that are none of `places`."""
    is_word: Callable[[str], bool] = no_word
    """Which words are spelled as they are meant, though no note has them: those of English."""
    multilingual: bool = False
    """Whether the model is not known to do badly with other languages than English."""

    @property
    def words_alone(self) -> bool:
        """Whether the store has no vectors, and is to have none: then words are the whole answer."""
        return self.space is not None and not self.space.has_vectors


@dataclass(frozen=True, slots=True)
class Passage:
    """
    A passage of a note. `excerpt` is the part of it that was asked for, as it is spelt, without marks of formatting;
    `spans` are the words that matched, half-open, in code points of the excerpt; `excerpt_lines` its lines in the file,
    (0, 0) for what matched in no passage but in the note's properties or comments.
    """

    heading: tuple[str, ...]
    lines: tuple[int, int]
    excerpt: str = ""
    spans: tuple[tuple[int, int], ...] = ()
    excerpt_lines: tuple[int, int] = (0, 0)
    id: str = ""
    """By which `get` reads it back; see `catalog.passages`. '' for what stands in no passage."""


@dataclass(frozen=True, slots=True)
class Copy:
    """Another place of the same text."""

    store: str
    source: str
    path: str


@dataclass(frozen=True, slots=True)
class Hit:
    """
    One answer: a note with its best passage. `score` is higher for better hits; see `search.score`.

    `passages` are further ones of the note, `copies` are left out for their text being equal, `weak` whether the hit is
    below the floor, `file` its path on this machine. `modified` is the file's, in seconds since 1970, `created` what
    the note says of itself, where hits are sorted by that, and `date` the day it says it is of, as 2026-04-09. `parts`
    is what the score is made of.
    """

    store: str
    source: str
    path: str
    title: str
    heading: tuple[str, ...]
    lines: tuple[int, int]
    score: float
    text: str
    uri: str
    excerpt: str = ""
    spans: tuple[tuple[int, int], ...] = ()
    excerpt_lines: tuple[int, int] = (0, 0)
    passages: tuple[Passage, ...] = ()
    copies: tuple[Copy, ...] = ()
    weak: bool = False
    template: bool = False
    modified: float = 0.0
    created: float | None = None
    file: str = ""
    parts: Mapping[str, float | None] | None = None
    id: str = ""
    date: str | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """
    A tag, property or folder that a question names and no note has, or a `note` that it names for its links and that
    there is not, nor any link to it; `nearest` is one that there is, or "".
    """

    kind: Literal["tag", "property", "folder", "note"]
    name: str
    nearest: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """
    The hits of one store, best first, and why they may be fewer or worse than they should be.

    `generation` is that of the catalog they were joined with; `semantic` is whether vectors could be asked, where they
    were to be; `unreached` that it was the backend which could not, `hollow` that it has nothing of what it is to have.
    `n_weak` hits were left out as no good match. `instead` names what was looked for in place of words that are
    nowhere. `n_found` hits match, these among them, and if not `found_all` there may be more.
    """

    hits: tuple[Hit, ...]
    degraded: tuple[str, ...] = ()
    generation: int = 0
    semantic: bool = True
    n_weak: int = 0
    instead: Mapping[str, str] = field(default_factory=dict)
    unknown: tuple[Unknown, ...] = ()
    unreached: bool = False
    hollow: bool = False
    n_found: int = 0
    found_all: bool = False


def wall_clock() -> datetime:
    """What the machine's clocks show now: without a zone, which is the machine's, of any day."""
    return datetime.now(UTC).astimezone().replace(tzinfo=None)


def check(question: Question) -> None:
    """Raise UsageError for a question that cannot be asked."""
    if not 1 <= question.top_k <= MAX_TOP_K:
        raise UsageError(f"top_k is {question.top_k}, expected 1 to {MAX_TOP_K}")
    if question.vector is None and not SEEN.search(question.text) and question.where is None:
        raise UsageError("the query is empty", hint='vragd query "a few words"')
    if len(question.text) > MAX_QUERY_CHARS:
        raise UsageError(f"the query has {len(question.text)} characters, the limit is {MAX_QUERY_CHARS}")
    if question.vector is not None and question.mode != "vector":
        raise UsageError("a query by vector needs mode 'vector'")
