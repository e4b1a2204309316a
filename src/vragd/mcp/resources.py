"""Notes as resources: the latest are listed, and each has an address. Read-only, as the tools are."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from vragd.errors import NotFound, UnknownStore, UsageError, VragdError
from vragd.mcp import answers
from vragd.mcp.arguments import BadArguments
from vragd.mcp.asking import Asking, in_words
from vragd.mcp.pages import MOST_SAID, Part, offset_of, part_of
from vragd.mcp.stdio import encoded
from vragd.mcp.text import Fence, Ours, name, seen
from vragd.mcp.versions import INTERNAL_ERROR, INVALID_PARAMS, Refused

if TYPE_CHECKING:
    from vragd.client import Client

BEGINS = "vragd://note/"
TEMPLATES = [
    {
        "uriTemplate": BEGINS + "{+path}",
        "name": "note",
        "title": "A note",
        "description": "By vault and path (Vault/Folder/Note.md), by name, or a part of it: Note#Heading, Note:10-40.",
    }
]
MOST_LISTED, A_PAGE = 200, 50
"""Notes: there are clients that fetch all pages and show them in a menu."""
MOST_SAID_CHARS = 2_000
MOST_URI_CHARS = 13_500
"""A path has 4,096 bytes at most, and each may be written as three characters."""
_GOES_ON = re.compile(r"\?cursor=(\d{1,8}\.[0-9a-f]{8})\Z")


class Resources:
    """`reach` as of `Bridge`. What is asked for here blocks, and raises Refused; on any thread, several at once."""

    templates = TEMPLATES

    def __init__(self, reach: Callable[[], Client], fence: Fence) -> None:
        self._ask = Asking(reach)
        self._fence = fence

    def listed(self, cursor: str | None) -> dict[str, Any]:
        """The notes that were changed last, latest first, a page of them."""
        try:
            offset = offset_of(cursor)
        except BadArguments as error:
            raise Refused(INVALID_PARAMS, "there is no such page: cursor must be what nextCursor was") from error
        notes = self._asked("recent", {"where": "", "top_k": MOST_LISTED})["notes"][offset:]
        found, room = list[dict[str, Any]](), MOST_SAID
        for n, said in enumerate(map(self._resource, notes)):
            if len(said["uri"]) > MOST_URI_CHARS:
                continue
            room -= len(encoded(said)) + 1
            if len(found) == A_PAGE or room < 0:
                return {"resources": found, "nextCursor": str(offset + n)}
            found.append(said)
        return {"resources": found}

    def read(self, uri: str) -> dict[str, Any]:
        """The note's text, cleaned and fenced as `get_note` gives it; of a long one a part, and how to go on."""
        if not uri.startswith(BEGINS):
            raise Refused(INVALID_PARAMS, f"there is no such resource; the address of a note begins with {BEGINS}")
        if len(uri) > MOST_URI_CHARS:
            raise Refused(INVALID_PARAMS, f"that address is too long: a note's has up to {MOST_URI_CHARS:,} characters")
        goes_on = _GOES_ON.search(uri)
        note = _unquoted(uri.removeprefix(BEGINS)[: -len(goes_on[0]) if goes_on else None])
        if not note.strip():
            raise Refused(INVALID_PARAMS, f"that names no note; give its path behind {BEGINS}")
        answer = self._asked("get", {"note": note})
        text = seen(answer["text"])

        def say(part: Part) -> dict[str, Any]:
            before, behind = self._fence.outside(_head(answer, part)), self._fence.outside(self._further(note, part))
            said = f"{before}{self._fence.says}\n{self._fence.around(part.text)}{behind}"
            return {"contents": [{"uri": uri, "mimeType": _kind(answer["note"]["path"]), "text": said}]}

        try:
            return part_of(
                text,
                answers.first_line(answer),
                goes_on and goes_on[1],
                say,
                lambda said: len(encoded(said)) <= MOST_SAID,
            )
        except BadArguments as error:
            raise Refused(INVALID_PARAMS, f"{error}") from error

    def _asked(self, route: str, body: dict[str, Any]) -> Any:
        try:
            return self._ask(route, body)
        except (NotFound, UnknownStore, UsageError) as error:
            raise Refused(INVALID_PARAMS, self._fence.outside(in_words(error))) from error
        except VragdError as error:
            raise Refused(INTERNAL_ERROR, self._fence.outside(in_words(error))) from error

    def _resource(self, one: Mapping[str, Any]) -> dict[str, Any]:
        note = one["note"]
        told = {
            "uri": Ours(self._address(f"{note['source']}/{note['path']}")),
            "name": answers.path_of(note),
            "title": name(note["title"]),
            "mimeType": _kind(note["path"]),
            "annotations": {"lastModified": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(one["modified"]))},
        }
        found: dict[str, Any] = self._fence.kept(told)
        return found

    def _further(self, note: str, part: Part) -> str:
        """How to go on, where there is more. Behind the fence, so that no note can say it."""
        if part.next is None:
            return ""
        address = f"{self._address(note)}?cursor={part.next}"
        read = f"read {address}, or " if len(address) <= MOST_SAID_CHARS else ""
        return f"\nThis is not all of it: {read}call get_note with note {name(note, 1_000)!r} and cursor {part.next!r}."

    def _address(self, note: str) -> str:
        """It leads to the note also where its name has the fence's key, and does not have it itself."""
        from urllib.parse import quote  # not at the top: seldom needed, and a tenth of what the bridge takes to start

        quoted = quote(note, errors="replace")
        if quoted != self._fence.outside(quoted):
            quoted = "".join(f"%{byte:02X}" for byte in note.encode("utf-8", "replace"))
        return BEGINS + quoted


def _kind(path: str) -> str:
    return "text/markdown" if path.lower().endswith((".md", ".markdown")) else "text/plain"


def _head(answer: Mapping[str, Any], part: Part) -> str:
    """Where the text is from, as it may be cited."""
    lines = f", lines {part.lines[0]} to {part.lines[1]} of {answer['n_lines']}" if part.lines else ""
    lacks = answers.beside(answer).get("incomplete")
    beside = f"Perhaps not as it is now: {', '.join(lacks)}.\n" if lacks else ""
    return f"From the user's note {answers.path_of(answer['note'])}{lines}.\n{beside}"


def _unquoted(text: str) -> str:
    from urllib.parse import unquote

    return unquote(text)
