"""The tools, each a request or two to the daemon. Read-only: no route that changes anything is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from vragd.errors import NotFound, VragdError
from vragd.mcp import answers
from vragd.mcp.arguments import BadArguments, checked
from vragd.mcp.asking import Asking, in_words
from vragd.mcp.offered import BY_NAME, INSTRUCTIONS, TOOLS
from vragd.mcp.pages import failed, fits, listed, offset_of, read_on, result
from vragd.mcp.text import Fence, name, seen
from vragd.mcp.versions import INVALID_PARAMS, Refused

if TYPE_CHECKING:
    from vragd.client import Client

MOST_SKIPPED = 1_000  # hits; the daemon gives no more
MOST_RELATED = 1_000
MOST_RECENT = 10_000

Given = dict[str, Any]


class Bridge:
    """
    `reach` gives a client of the daemon, and may raise as that does. Calls are answered on any thread, several at once.
    """

    instructions = INSTRUCTIONS

    def __init__(self, reach: Callable[[], Client], fence: Fence) -> None:
        self._ask = Asking(reach)
        self._fence = fence
        self._tools: dict[str, Callable[[Given], dict[str, Any]]] = {
            "search": self._search,
            "get_note": self._get_note,
            "related_notes": self._related,
            "links": self._links,
            "recent_notes": self._recent,
            "tags_and_properties": self._tags_and_properties,
            "status": self._status,
        }

    def listed(self) -> list[dict[str, Any]]:
        """The tools, in the same order each time."""
        return list(TOOLS)

    def refuse_unknown(self, name: str) -> None:
        """Raises Refused for a tool that there is not."""
        if name not in BY_NAME:
            raise Refused(INVALID_PARAMS, f"there is no tool {name[:60]!r}")

    def call(self, name_: str, arguments: object) -> dict[str, Any]:
        """The result; what is wrong with the arguments, or with the daemon, is one as well. Blocks."""
        self.refuse_unknown(name_)
        try:
            structure = self._tools[name_](checked(arguments, BY_NAME[name_]["inputSchema"]))
        except BadArguments as error:
            return failed(self._fence.outside(name(error, 1_000)))
        except VragdError as error:
            return failed(self._fence.outside(in_words(error)))
        return result(self._fence.kept(structure))

    def _search(self, given: Given) -> dict[str, Any]:
        offset, limit = offset_of(given["cursor"]), given["limit"]
        if not given["query"].strip() and not (given["filter"] or "").strip():
            raise BadArguments("query is empty: say what to look for, or give a filter")
        if offset > MOST_SKIPPED - limit:
            raise BadArguments("there are no more than 1,000 hits to a question: narrow it with filter")
        asked = {"text": given["query"], "where": given["filter"] or "", "top_k": limit + 1, "offset": offset}
        answer = self._ask("query", asked)
        hits = [answers.hit(one, self._fence) for one in answer["hits"]]
        beside = {"note_text": self._fence.says} if hits else {}
        return listed(answers.beside(answer) | beside, "hits", hits[:limit], offset, is_more=len(hits) > limit)

    def _get_note(self, given: Given) -> dict[str, Any]:
        answer = self._ask("get", {"note": _named(given)})
        said = answers.note(answer) | answers.beside(answer) | {"note_text": self._fence.says}
        return read_on(said, seen(answer["text"]), answers.first_line(answer), given["cursor"], self._fence)

    def _related(self, given: Given) -> dict[str, Any]:
        offset, limit = offset_of(given["cursor"]), given["limit"]
        most = _most(offset + limit + 1, MOST_RELATED)
        answer = self._of_note("similar", _named(given), {"where": given["filter"] or "", "top_k": most})
        hits = [answers.related(one) for one in answer["hits"][offset:]]
        return listed(answers.beside(answer), "hits", hits[:limit], offset, is_more=len(hits) > limit)

    def _links(self, given: Given) -> dict[str, Any]:
        offset = offset_of(given["cursor"])
        answer = self._of_note("links", _named(given), {})
        counts = {kind: len(answer[kind]) for kind in ("out", "back", "unresolved")}
        return listed({"counts": counts} | answers.beside(answer), "links", answers.links(answer)[offset:], offset)

    def _of_note(self, route: str, note: str, more: Given) -> Any:
        """What a route answers of a note as `get_note` names one: an id stands for the note that has the passage."""
        try:
            return self._ask(route, {"note": note, **more})
        except NotFound as error:
            try:
                found = self._ask("get", {"note": note})["note"]
            except VragdError:
                raise error from None
        return self._ask(route, {"note": f"{found['source']}/{found['path']}", "stores": [found["store"]], **more})

    def _recent(self, given: Given) -> dict[str, Any]:
        offset, limit = offset_of(given["cursor"]), given["limit"]
        most = _most(offset + limit + 1, MOST_RECENT)
        answer = self._ask("recent", {"where": given["filter"] or "", "top_k": most})
        notes = [answers.changed(one) for one in answer["notes"][offset:]]
        beside = {"n_notes": answer["n_notes"]} | answers.beside(answer)
        return listed(beside, "notes", notes[:limit], offset, is_more=len(notes) > limit)

    def _tags_and_properties(self, given: Given) -> dict[str, Any]:
        offset, where = offset_of(given["cursor"]), given["filter"] or ""
        if given["property"] is not None:
            answer = self._ask("properties", {"where": where, "name": given["property"]})
            items = answers.values(answer)
        else:
            answer = self._ask("properties", {"where": where})
            tagged = self._ask("tags", {"where": where})
            items = answers.tags(tagged) + answers.properties(answer)
        beside = {"n_notes": answer["n_notes"]} | answers.beside(answer)
        return listed(beside, "items", items[offset:], offset)

    def _status(self, _: Given) -> dict[str, Any]:
        told = answers.status(self._ask("status"))
        if not fits(told):
            for store in told["stores"]:
                store["sources"] = len(store["sources"]) + store.pop("sources_left_out", 0)
        while not fits(told):
            told["stores"].pop()
            told["left_out"] = told.get("left_out", 0) + 1
        return told


def _named(given: Given) -> str:
    """The note that is asked for. Raises BadArguments."""
    note: str = given["note"]
    if not note.strip():
        raise BadArguments("note is empty: give an id, a path or a name")
    return note


def _most(wanted: int, most: int) -> int:
    """So many are asked for. Raises BadArguments beyond what the daemon gives."""
    if wanted > most + 1:
        raise BadArguments(f"no more than {most:,} are listed: narrow it with filter")
    return min(wanted, most)
