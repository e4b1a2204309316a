"""Results that are not too long: what is left out is had with `next`, given back as `cursor`."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from vragd.mcp.arguments import BadArguments
from vragd.mcp.stdio import encoded
from vragd.mcp.text import Fence, Ours

MOST_BYTES = 32 * 1024
"""Of a result as it is sent: the structure, and the same as text beside it."""
MOST_SAID = MOST_BYTES - 1_024
"""Of it without what the protocol puts around."""


def result(structure: Mapping[str, Any]) -> dict[str, Any]:
    """A tool's result, as structure and as text."""
    text = encoded(structure).decode("utf-8")
    return {"content": [{"type": "text", "text": text}], "structuredContent": dict(structure), "isError": False}


def failed(message: str) -> dict[str, Any]:
    """A result that says what is wrong, to the model."""
    return {"content": [{"type": "text", "text": message}], "isError": True}


def fits(structure: Mapping[str, Any]) -> bool:
    """Whether it may be sent as it is."""
    return _cost(structure) <= MOST_SAID


def offset_of(cursor: str | None) -> int:
    """How many items were given before. Raises BadArguments."""
    if not cursor:
        return 0
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 9):
        raise BadArguments("cursor must be what `next` was in the result before, and nothing else")
    return int(cursor)


def listed(
    structure: dict[str, Any], name: str, items: Sequence[Any], offset: int, *, is_more: bool = False
) -> dict[str, Any]:
    """The structure with as many of the items, which begin at `offset`, as have room. `is_more`: there are others."""
    room = MOST_SAID - _cost({name: [], **structure, "next": "9" * 12})
    n = 0
    while n < len(items) and (room := room - _cost(items[n]) - 4) >= 0:
        n += 1
    n = max(n, min(1, len(items)))  # each is short enough to be alone
    found = {name: list(items[:n]), **structure}
    if n == 1 and not fits(found):
        found.pop("hints", None)  # names of a stranger's choice, as long as names may be
    return {**found, "next": str(offset + n)} if is_more or n < len(items) else found


class Part(NamedTuple):
    """Of a text. `lines` are the numbers of its first and last, None where it has none; `next` goes on behind it."""

    text: str
    lines: list[int] | None
    next: str | None


def part_of(
    text: str, first: int | None, cursor: str | None,
    say: Callable[[Part], dict[str, Any]], has_room: Callable[[dict[str, Any]], bool],
) -> dict[str, Any]:  # fmt: skip
    """
    What is said of as much of the text as has room, from where the cursor says. `first` is the number of its first
    line, None where it has no lines. Raises BadArguments.
    """
    print_of = f"{zlib.crc32(text.encode('utf-8', 'replace')):08x}"
    start = _start_in(text, cursor, print_of)
    most = 32_000
    while True:
        end = _end_of(text, start, most)
        part, lines = text[start:end], None
        if first is not None:
            begins = first + text.count("\n", 0, start)
            lines = [begins, begins + part.removesuffix("\n").count("\n")]
        said = say(Part(part, lines, f"{end}.{print_of}" if end < len(text) else None))
        if has_room(said) or most < 100:
            return said
        most = min(most, len(part)) * 3 // 4


def read_on(
    structure: dict[str, Any], text: str, first: int | None, cursor: str | None, fence: Fence
) -> dict[str, Any]:
    """The structure with as much of the text as has room; see `part_of`. Raises BadArguments."""

    def say(part: Part) -> dict[str, Any]:
        said: dict[str, Any] = {"text": fence.around(part.text), **structure}
        said |= {} if part.lines is None else {"lines": part.lines}
        return said | ({"next": Ours(part.next)} if part.next else {})

    return part_of(text, first, cursor, say, fits)


def _start_in(text: str, cursor: str | None, print_of: str) -> int:
    if not cursor:
        return 0
    at, _, said = cursor.partition(".")
    start = offset_of(at)
    if said != print_of or start >= max(1, len(text)):
        raise BadArguments("that text has changed since, or the cursor is of another: read it anew, without cursor")
    return start


def _end_of(text: str, start: int, most: int) -> int:
    """Where a part of so many characters ends, if it can be at the end of a line."""
    if len(text) <= start + most:
        return len(text)
    line = text.rfind("\n", start, start + most)
    return line + 1 if line > start + most // 2 else start + most


def _cost(value: Any) -> int:
    """The bytes it takes in both forms."""
    once = encoded(value)
    return len(once) + len(encoded(once.decode("utf-8")))
