"""The short way through plain properties finds what the parser finds, or says that they are not plain."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.depth import examples
from vragd.notes import plain_yaml
from vragd.notes.model import Node
from vragd.notes.properties import parsed

part = st.one_of(
    st.sampled_from(
        ["a", "Key", "some text", "12:30", "010", "no", "~", "", " ", ":", ": ", " #c", "#t", "http://x.y/z"]
    ),
    st.sampled_from(
        ['"q"', "'s'", '"[[A|b]]"', "'it''s'", '"a\\"b"', "[a, b]", "[ ]", "[]", "[a,]", "[a, [b]]", "{a: 1}"]
    ),
    st.sampled_from(
        ["- ", "-", "- x", "? ", "|", ">-", "&a", "*a", "!t", "%", "@", "`", ",", "]", "[", "é", "日本", "\t"]
    ),
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\n\r"), max_size=4),
)
value = st.lists(part, max_size=3).map("".join)
line = st.one_of(
    st.builds("{}: {}".format, st.sampled_from(["a", "Tags", "b_c", "x-y", "1", "é"]), value),
    st.builds("{}- {}".format, st.sampled_from(["", "  ", "    "]), value),
    st.builds("{}:".format, st.sampled_from(["tags", "a"])),
    value,
)


def facts(node: Node) -> object:
    items = None if node.items is None else [facts(item) for item in node.items]
    return (node.text, node.plain, items, node.line if items is None and node.text else 0)


@examples(400, 3_000)
@given(st.lists(line, max_size=5).map("\n".join))
def test_what_is_plain_is_read_as_the_parser_reads_it(text: str) -> None:
    short = plain_yaml.read(text)
    if short is not None:
        found = parsed(text)
        assert found is not None
        assert {key: facts(node) for key, node in short.items()} == {key: facts(node) for key, node in found.items()}


@pytest.mark.parametrize(
    "text",
    [
        "title: A day",
        "tags: [a, b/c, 'd']\nempty:\naliases:\n  - One name\n  - \"two: names\"\ncreated: 2024-05-01\n",
        "a:\n- x\n- y\n\nb: https://example.com/a:b#c\nc: été, encore",
    ],
)
def test_what_people_write_is_plain(text: str) -> None:
    assert plain_yaml.read(text)
