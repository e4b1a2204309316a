"""What a note is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType
from typing import Literal

Scalar = bool | int | float | str | date  # a datetime is a date too
Value = Scalar | tuple["Value", ...] | None
"""Of a property. A list is a tuple; what is nested otherwise is its text as written."""

Kind = Literal["text", "heading", "code", "html", "math", "comment"]
LinkKind = Literal["wiki", "markdown", "property", "canvas"]

EMPTY: Mapping[str, Value] = MappingProxyType({})


@dataclass(slots=True)
class Node:
    """
    The value of a property as written: `text` of a scalar, the source of what is nested otherwise, `items` of a list.

    `plain` is without quotes. `line` counts from 0.
    """

    text: str
    line: int
    plain: bool = False
    items: list[Node] | None = None
    nested: bool = False


@dataclass(frozen=True, slots=True)
class Chunk:
    """
    A span of a note: `text` is what is shown, less machine text and block comments, without blanks at line ends.

    `lines` are 1-based and inclusive, `heading` goes from the outermost in. Two chunks may share a line when a single
    line is longer than a chunk. `embed_text` is the text without marks: what is embedded, hashed and keyed.
    """

    text: str
    heading: tuple[str, ...]
    lines: tuple[int, int]
    embed_text: str = ""

    def __post_init__(self) -> None:
        if not self.embed_text:
            object.__setattr__(self, "embed_text", self.text)


@dataclass(frozen=True, slots=True)
class Link:
    """
    A link to something in the vault. `target` is the path as written, decoded if `markdown`; "" is the note itself.

    `subpath` is what stands behind the first `#`: headings parted by `#`, or `^` and a block's id. `line` is 1-based.
    """

    target: str
    line: int
    kind: LinkKind = "wiki"
    subpath: str = ""
    alias: str = ""
    embed: bool = False


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading that CommonMark sees outside of quotes and lists."""

    level: int
    title: str
    line: int


@dataclass(frozen=True, slots=True)
class Task:
    """`- [x] text`. `state` is the character between the brackets; a blank is open, any other is done."""

    state: str
    text: str
    line: int

    @property
    def done(self) -> bool:
        return self.state != " "


@dataclass(frozen=True, slots=True)
class Callout:
    """`> [!kind] title`, the kind in lower case."""

    kind: str
    title: str
    line: int


@dataclass(frozen=True, slots=True)
class Field:
    """Dataview's `key:: value` within the text; the key in lower case."""

    key: str
    value: str
    line: int


@dataclass(frozen=True, slots=True)
class LeftOut:
    """
    What of a note is not indexed: lines it touches, and bytes of UTF-8.

    `machine_text`: base64, compressed drawings, minified code. `wordless`: passages without a letter or digit.
    `comment`: `%%` blocks, whose words are words of the note all the same.
    """

    reason: Literal["machine_text", "wordless", "comment"]
    n_lines: int
    n_bytes: int


def summed(left_out: Iterable[LeftOut]) -> tuple[LeftOut, ...]:
    """One for each reason."""
    found: dict[str, LeftOut] = {}
    for each in left_out:
        so_far = found.get(each.reason, LeftOut(each.reason, 0, 0))
        n_lines, n_bytes = so_far.n_lines + each.n_lines, so_far.n_bytes + each.n_bytes
        found[each.reason] = LeftOut(each.reason, n_lines, n_bytes)
    return tuple(found.values())


@dataclass(frozen=True, slots=True)
class Marks:
    """What stands in a note's text beside its words, each with its 1-based line."""

    links: tuple[Link, ...] = ()
    headings: tuple[Heading, ...] = ()
    tasks: tuple[Task, ...] = ()
    callouts: tuple[Callout, ...] = ()
    fields: tuple[Field, ...] = ()
    block_ids: tuple[tuple[str, int], ...] = ()
    footnotes: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Note:
    """
    A note's text, cut, and what it says of itself. `lossy`: some bytes were not UTF-8, and were guessed or replaced.

    `title` is that of its properties if they name one in plain text, else the file's name. `names` are all it goes by:
    the file's name first, `title`, aliases. `properties` are typed, by name in lower case. `tags` are as first written,
    without `#`, those of the properties first. `text` is the file as lines, or of another format what it says: filters
    look into it; `head` is its properties as they are written. `words` is text that finds the note and is shown
    nowhere: values of properties, and comments. `remarks` name what is read although Obsidian would not, or not read
    although it is there: `broken_properties`, `legacy_tags`, `legacy_aliases`. `closed`: it says that it is not for
    assistants.
    """

    title: str
    chunks: tuple[Chunk, ...]
    lossy: bool = False
    names: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    properties: Mapping[str, Value] = field(default_factory=lambda: EMPTY)
    tags: tuple[str, ...] = ()
    marks: Marks = Marks()
    words: str = ""
    text: str = ""
    head: str = ""
    left_out: tuple[LeftOut, ...] = ()
    remarks: tuple[str, ...] = ()
    closed: bool = False


@dataclass(slots=True)
class Block:
    """
    Lines that belong together: a paragraph, list, table, fenced code. Indices into the lines, end excluded.

    `heading` is its level and title for one that is outside of quotes and lists.
    """

    start: int
    end: int
    kind: Kind = "text"
    heading: tuple[int, str] | None = None


@dataclass(slots=True)
class Blocks:
    """
    `blocks` cover every line that is not blank, in order. `inline` are stretches of lines whose marks mean something
    together: (start, end, kind), kind `text`, `html` or `comment`. `inner` are headings within quotes and lists:
    (line, level, title).
    """

    blocks: list[Block] = field(default_factory=list)
    inline: list[tuple[int, int, Kind]] = field(default_factory=list)
    inner: list[tuple[int, int, str]] = field(default_factory=list)
    tasks: list[tuple[int, str, int]] = field(default_factory=list)
    """(line, state, column of the text)."""
    callouts: list[tuple[int, str, int, int]] = field(default_factory=list)
    """(line, kind, column of the mark, column of the title)."""
    fences: list[tuple[int, int, str]] = field(default_factory=list)
    """(first line, line behind the last, what stands behind the opening marks)."""
    has_quotes: bool = False


class NotIndexable(Exception):
    """The bytes are not a note, or the note does not want to be one. `reason` is shown to the user."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
