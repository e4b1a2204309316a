"""Rows of the catalog as the rest of the project sees them."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from vragd.catalog.facts import Facts

# (inode, size, mtime_ns, ctime_ns)
Stamp = tuple[int, int, int, int]
State = Literal["indexed", "partial", "failed", "skipped"]
BY_NOTE, BY_RULE, UNREAD = 1, 2, 4
"""Why assistants are not shown a note, bits: it says so, the configuration does, what it says was not read yet."""
NO_STAMP: Stamp = (0, -1, 0, 0)
FOR_EMBEDDER = 0.0
"""When a note is to be tried again whose words are found and whose vectors wait for the embedder: once that answers."""
WAITS = f"coalesce(state = 'partial' and retry_at = {FOR_EMBEDDER}, 0)"
"""In SQL: whether a note waits so."""
STATE = f"case when {WAITS} then 'pending' else state end"
"""In SQL: the state of a note as it is told."""
_ENCODING, _ERRORS = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A source as registered; `identity` is (device, inode, had .obsidian) of its root, once seen."""

    id: int
    uid: str
    label: str
    identity: tuple[int, int, bool] | None


@dataclass(frozen=True, slots=True)
class SpaceRow:
    """
    A space as registered; `identity` is all that it consists of, `embedder` the settings that made it; both JSON.

    `target` (an id) is where its vectors are kept, `collection` the name of that in the backend; 0 and '' for a space
    that lost its collection to another, and for one of words alone, which has no dimension.
    """

    id: int
    fingerprint: str
    dimension: int
    collection: str
    identity: str
    embedder: str = ""
    target: int = 0

    @property
    def has_vectors(self) -> bool:
        """Whether its notes have vectors at all, or words alone."""
        return self.dimension > 0


@dataclass(frozen=True, slots=True)
class TargetRow:
    """
    A collection of a backend of some `kind`, the one of this `identity`, and how far it is filled with the live keys.

    `place` is where and how it keeps them, '' if it has to be filled anew; `filled_to` the last key of those put so
    far, None when all are. Until it is `swept` it may hold keys of ours from before.
    """

    id: int
    collection: str
    kind: str
    identity: str
    place: str
    filled_to: str | None
    swept: bool


@dataclass(frozen=True, slots=True)
class Known:
    """What is remembered of a note, to tell without opening it whether it changed."""

    stamp: Stamp
    racy: bool
    space_id: int | None
    state: State
    digest: bytes | None
    note_id: int
    title: str
    attempts: int
    links_read: int
    """By which reader its links were read last; see `links.READER`."""
    reader: str
    """The version of what read it; '' if nobody knows."""
    reason: str | None
    waits: bool
    """Whether its words are found and its vectors wait for the embedder."""


# A Stamp's four, whether it is to be doubted, and the path: a note as a scan needs it, just as it is read.
StampRow = tuple[int, int, int, int, int | None, bytes]

KNOWN_COLUMNS = (
    "inode, size, mtime_ns, ctime_ns, racy, space_id, state, digest, id, title, attempts, links_read, reader, reason,"
    f" {WAITS}"
)


def known_from(row: Sequence[Any]) -> Known:
    """A row of KNOWN_COLUMNS."""
    return Known((row[0], row[1], row[2], row[3]), bool(row[4]), *(*row[5:-1], bool(row[-1])))


@dataclass(frozen=True, slots=True)
class ChunkRow:
    key: str
    text_hash: bytes
    heading: tuple[str, ...]
    lines: tuple[int, int]
    text: str
    embedded: bool = True
    meta_hash: bytes | None = None
    """Of what a backend is told beside the vector; None if nobody knows."""
    embed_text: str = ""
    """What is embedded, where that is not `text`: known when a note was read, and not kept."""


@dataclass(frozen=True, slots=True)
class LinkRow:
    """
    A link of a note, as it is written: `kind` is wiki, markdown, property or canvas, "" as `target` the note itself.

    `subpath` is what stands behind the first `#`, `alias` what is shown instead; `heading` are those it stands under.
    """

    line: int
    kind: str
    target: str
    subpath: str = ""
    alias: str = ""
    embed: bool = False
    heading: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LiveRow:
    """
    A chunk with all that a backend is told of its note: the source's identity and label, path and title, and when it
    was changed, in seconds since 1970.
    """

    uid: str
    label: str
    path: str
    title: str
    chunk: ChunkRow
    changed_at: int = 0


@dataclass(frozen=True, slots=True)
class NoteChange:
    """
    What a note becomes. `chunks=None` keeps the chunks it has (a failure keeps the last good version).

    `seq` orders readings of the same path: a commit older than what is stored is dropped.
    """

    source_id: int
    path: str
    seq: int
    stamp: Stamp
    racy: bool
    digest: bytes | None
    title: str
    space_id: int | None
    state: State
    reason: str | None = None
    attempts: int = 0
    retry_at: float | None = None
    chunks: tuple[ChunkRow, ...] | None = ()
    names: tuple[str, ...] = ()
    """By what the note is called beside its title and its file's name: aliases."""
    words: str = ""
    """What finds the note and is in no chunk: values of its properties, comments."""
    facts: Facts | None = None
    """What filters look into, None for a note that is not read; it goes with `links`."""
    links: tuple[LinkRow, ...] | None = None
    """What it links to. None keeps what it did; given with `chunks`, and without where only they are read anew."""
    reader: str = ""
    """The version of what read it."""
    closed: int = UNREAD
    """Why assistants are not shown it; it goes with `links`."""

    @property
    def waits(self) -> bool:
        """Whether its words are found and its vectors wait for the embedder."""
        return self.state == "partial" and self.retry_at == FOR_EMBEDDER


@dataclass(frozen=True, slots=True)
class NoteRemoval:
    """A note that is missing, or left out. Whether it may go is asked when it is committed."""

    source_id: int
    path: str
    seq: int


@dataclass(frozen=True, slots=True)
class Committed:
    """What a commit did: the generation it made, keys now dead, and how many changes were stale."""

    generation: int
    dead: tuple[str, ...] = ()
    n_stale: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """A live chunk with its note, as a query shows it."""

    key: str
    source: str
    path: str
    title: str
    heading: tuple[str, ...]
    lines: tuple[int, int]
    text: str
    modified_ns: int = 0
    """When the file was, since 1970."""
    id: str = ""
    """Its short id; see `catalog.passages`."""


class Ranked(NamedTuple):
    """A chunk and how well it answers, higher is better."""

    key: str
    score: float


@dataclass(frozen=True, slots=True)
class FileRow:
    source: str
    path: str
    state: str
    reason: str | None
    n_chunks: int
    size: int
    changed_at: float
    retry_at: float | None
    closed: tuple[str, ...]
    """Why assistants are not shown it: `note`, `configuration`, `unread`; none where they are."""


@dataclass(frozen=True, slots=True)
class Counts:
    """`closed` are the notes that assistants are not shown, for what is said in them or in the configuration."""

    notes: int = 0
    chunks: int = 0
    embeddings: int = 0
    states: dict[str, int] = field(default_factory=dict)
    closed: int = 0


def to_blob(path: str) -> bytes:
    """The bytes the system uses for `path`."""
    return os.fsencode(path)


def from_blob(path: bytes) -> str:
    """`path` as a string; bytes that are no UTF-8 become lone surrogates, and back."""
    return path.decode(_ENCODING, _ERRORS)  # as os.fsdecode, which looks at the type first, a hundred thousand times
