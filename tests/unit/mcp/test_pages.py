"""Results that are not too long, and how they go on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from vragd.mcp.arguments import BadArguments, checked
from vragd.mcp.pages import MOST_BYTES, listed, offset_of, read_on, result
from vragd.mcp.text import Fence

FENCE = Fence("00000000")
TEXTS = [
    "x" * 100_000,
    "x\n" * 50_000,
    '"\\' * 50_000,
    "漢" * 40_000,
    "🎉" * 30_000,
    "\n" * 60_000,
    "a" * 99 + "\n" + "b" * 99_900,
]


def size(structure: dict[str, Any]) -> int:
    """Of the result, which has it twice."""
    return len(json.dumps(result(structure), ensure_ascii=False).encode())


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_a_text_is_whole_when_its_pages_are_put_together(text: str) -> None:
    found, cursor, next_line = "", None, 5
    while True:
        page = read_on({"path": "p"}, text, 5, cursor, FENCE)
        assert size(page) <= MOST_BYTES
        part = page["text"].removeprefix("<note 00000000>\n").removesuffix("\n</note 00000000>")
        assert page["lines"][0] == next_line
        found += part
        next_line = 5 + found.count("\n")
        if (cursor := page.get("next")) is None:
            break
    assert found == text


def test_a_cursor_is_of_one_text_and_is_not_made_up() -> None:
    cursor = read_on({}, "x" * 50_000, 1, None, FENCE)["next"]
    at, _, mark = cursor.partition(".")
    for text, given in [("x" * 50_001, cursor), ("x" * 50_000, f"{10**6}.{mark}"), ("x" * 50_000, at), ("", "0.0")]:
        with pytest.raises(BadArguments):
            read_on({}, text, 1, given, FENCE)
    for given in ("-1", "1.5", "\u0661", "9" * 30, "x"):
        with pytest.raises(BadArguments):
            offset_of(given)
    assert (offset_of(None), offset_of(""), offset_of("12")) == (0, 0, 12)


def test_an_empty_text_is_a_page() -> None:
    page = read_on({}, "", 1, None, FENCE)
    assert (page["lines"], "next" in page) == ([1, 1], False)


def test_a_list_has_what_has_room_and_goes_on_behind_it() -> None:
    items = [{"n": n, "text": '"\\漢' * 500} for n in range(40)]
    found, offset = list[int](), 0
    while True:
        page = listed({"hints": ["h"]}, "items", items[offset:], offset)
        assert size(page) <= MOST_BYTES
        found += [one["n"] for one in page["items"]]
        if "next" not in page:
            break
        offset = offset_of(page["next"])
    assert found == list(range(40))
    assert "next" in listed({}, "items", items[:1], 3, is_more=True)
    assert listed({}, "items", [], 0) == {"items": []}


def test_arguments_are_checked_by_their_schema() -> None:
    schema = {
        "properties": {
            "name": {"type": "string", "minLength": 1, "maxLength": 3},
            "n": {"type": "integer", "minimum": 1, "maximum": 5, "default": 2},
        },
        "required": ["name"],
    }
    assert checked({"name": "x"}, schema) == {"name": "x", "n": 2}
    assert checked({"name": "x", "n": 3.0}, schema) == {"name": "x", "n": 3}
    assert checked({"name": "x", "n": None}, schema) == {"name": "x", "n": 2}
    for bad in (None, 1, [], {}, {"name": ""}, {"name": "long"}, {"name": 1}, {"name": "x", "n": "1"},
                {"name": "x", "n": 1.5}, {"name": "x", "n": 6}, {"name": "x", "n": True}, {"name": "x", "m": 1},
                {"name": None}):  # fmt: skip
        with pytest.raises(BadArguments):
            checked(bad, schema)
