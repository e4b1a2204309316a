"""JSON Canvas: cards as Markdown, files as links, and whatever else is in the file."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.depth import examples
from vragd.notes.chunk import read_note
from vragd.notes.model import Link, Note, NotIndexable


def canvas(**content: Any) -> Note:
    return read_note(json.dumps(content, indent="\t").encode(), "Plan", ".canvas")


def card(text: str, name: str = "a", x: int = 10) -> dict[str, Any]:
    return {"id": name, "type": "text", "text": text, "x": x, "y": 10, "width": 5, "height": 5}


GROUP = {"id": "g", "type": "group", "label": "Kitchen", "x": 0, "y": 0, "width": 50, "height": 50}


def test_a_card_is_markdown_below_the_label_of_its_smallest_group() -> None:
    outer = {**GROUP, "id": "o", "label": "House", "x": -50, "width": 500, "height": 500}
    note = canvas(
        nodes=[card("# Tiles\nblue [[Shop]] #diy"), outer, GROUP, card("Roof", "b", 200), card("Moon", "c", 900)]
    )
    assert [(chunk.heading, chunk.text) for chunk in note.chunks] == [
        (("Kitchen", "Tiles"), "# Tiles\nblue [[Shop]] #diy"),
        (("House",), "Roof"),
        ((), "Moon"),
    ]
    assert note.tags == ("diy",)
    assert note.title == "Plan"
    assert note.chunks[0].lines == (4, 4)


def test_what_is_left_out_of_cards_is_counted_over_all_of_them() -> None:
    encoded = "aB3xK9" * 40
    note = canvas(nodes=[card(f"Words\n\n{encoded}"), card("***", "b"), card("%%\nhid\n%%", "c"), card(encoded, "d")])
    counted = {each.reason: (each.n_lines, each.n_bytes) for each in note.left_out}
    assert counted == {"machine_text": (2, 480), "wordless": (1, 3), "comment": (3, 7)}


def test_files_are_links_and_labels_and_addresses_are_words() -> None:
    note = canvas(
        nodes=[
            {"id": "f", "type": "file", "file": "A/b.md", "subpath": "#c"},
            {"type": "link", "url": "https://x.y"},
            GROUP,
        ],
        edges=[{"id": "e", "fromNode": "f", "label": "leads to"}],
    )
    assert note.marks.links == (Link("A/b.md", 4, "canvas", "c", embed=True),)
    assert note.words.split("\n") == ["https://x.y", "Kitchen", "leads to"]


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"nodes": None, "edges": 3},
        {"nodes": [1, None, [], {"type": "x"}, {"type": "text"}, {"type": "text", "text": 5}]},
    ],
)
def test_what_is_missing_or_unknown_is_skipped(content: dict[str, Any]) -> None:
    assert canvas(**content).chunks == ()


@pytest.mark.parametrize("data", [b"{", b"[]", b"5", b"[" * 100_000, b'{"nodes": [{"x": 1' + b"9" * 10_000 + b"}]}"])
def test_what_is_no_canvas_is_no_note(data: bytes) -> None:
    with pytest.raises(NotIndexable, match="broken_canvas"):
        read_note(data, "n", ".canvas")


def test_an_empty_file_is_an_empty_canvas() -> None:
    assert read_note(b"", "n", ".canvas").chunks == ()


@examples(40, 60)
@given(
    st.dictionaries(st.sampled_from(["nodes", "edges", "x"]), st.recursive(st.none() | st.text(), st.lists), max_size=3)
)
def test_any_json_object_is_a_canvas(content: dict[str, Any]) -> None:
    canvas(**content)
