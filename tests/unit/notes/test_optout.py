"""Notes that say they are not to be indexed, in whatever spelling."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.depth import examples
from vragd.notes.chunk import read_note
from vragd.notes.model import NotIndexable
from vragd.notes.optout import CLOSED, OPT_OUT

NOES = [
    "vragd: false",
    "vragd : false",
    '"vragd": false',
    "'vragd': false",
    "vragd: off",
    "vragd: no",
    "vragd: n",
    "vragd: FALSE",
    "vragd: 0",
    "vragd: !!bool false",
    "vragd: !!str no",
    "vragd: &a false",
    "vragd: ~",
    "vragd: null",
    "vragd:",
    "vragd: never",
    'vragd: "false"',
    "vragd: 'no'",
    "vragd: false # private",
    "VRAGD: False",
    "vragd:false",
    "vragd = false",
    "vragd: [false]",
    "{vragd: false}",
    '{"title": "x", "vragd": false}',
    "{title: x, vragd: no}",
    "- vragd: false",
    "vragd: false, title: x",
    "vragd: private, and mine",
    "vragd:\u00a0false",
    "vragd：false",
    "v\u200bragd: false",
    "vragd:\tfalse",
    "? vragd\n: false",
    "vragd:\n  false",
    "vragd: true\nvragd: false",
    "vragd: *x",
    "vragd: truex",
    "vragd: 1.0",
    "!!str vragd: false",
    "&a vragd: no",
    '!!str "vragd": off',
    "? &a vragd\n: false",
    '"\\x76ragd": false',
    '"vr\\u0061gd": no',
    "v\u200eragd: false",
    "vragd\ufe0f: false",
]
YESES = [
    "vragd: true",
    "vragd: yes",
    "vragd: on",
    "vragd: 1",
    "vragd: TRUE # public",
    '"vragd": "yes"',
    "{vragd: on}",
    "vragd:\n  true",
    "? vragd\n: true",
    "vragd: !!bool true",
    '{"vragd": true, "title": "x"}',
]


def out(text: str) -> bool:
    return OPT_OUT.says_no(text.split("\n"))


@pytest.mark.parametrize("line", NOES)
def test_any_value_but_a_yes_is_a_no_in_any_spelling(line: str) -> None:
    for broken in ("", "title: [\n", "\t: : :\n", "a: {b\n", "{{date}}\n", "a: |\n  x\n"):
        assert out(f"---\ntitle: x\n{broken}{line}\n---\ntext"), broken
    assert out(f"---\r\n{line}\r\n---\r\ntext".replace("\r\n", "\n").replace("\r", "\n"))


@pytest.mark.parametrize("line", YESES)
def test_a_yes_is_a_yes(line: str) -> None:
    assert not out(f"---\n{line}\n---\ntext")


@pytest.mark.parametrize(
    "text",
    [
        "vragd: false",
        "text\n---\nvragd: false\n---",
        "---\ntitle: on vragd\n---\nvragd: false",
        "---\nnotvragd: false\n---",
        "---\n---\nvragd: false",
        "---\nvragd-x: false\n---",
        "---\ntitle: 'about vragd: false'\n---",
        "---\n\n# A rule\n\nvragd: false is how a note opts out",
        "# head\n\nvragd: false",
        "---\nx:\n  vragd: false\n---",
        "---\nx: {vragd: false}\n---",
        "---\nx:\n  - vragd: no\n---",
        "",
        "---",
        "----\nvragd: false\n----",
    ],
)
def test_what_is_no_front_matter_or_another_key_says_nothing(text: str) -> None:
    assert not out(text)


@pytest.mark.parametrize(
    "text",
    [
        "---\nvragd: false\n# text without an end",
        "\n\n---\nvragd: false\n---",
        "\ufeff---\nvragd: no\n---",
        "---  \nvragd: off\n...\n",
        "---\ntitle: x\n\nvragd: false\n\ntext",
        '---\n{\n  "title": "x",\n  "vragd": false\n}\n---',
        "---\n  title: x\n  vragd: false\n---",
    ],
)
def test_front_matter_that_is_itself_broken_still_counts(text: str) -> None:
    assert out(text)


@pytest.mark.parametrize(
    "text",
    [
        "---\ntitle: x\n  vragd: false\n---",
        "---\ntitle: [a, b]\n  vragd: false\n---",
        "---\ntitle: 'x'\n\tvragd: false\n---",
        "---\ntags:\n  - a\n  - b\n vragd: false\n---",
        "---\n<<: {vragd: false}\n---",
        "---\nx: &a\n  vragd: false\n<<: *a\n---",
        "---\nx: &a {vragd: false}\n<<: *a\n---",
        '---\nx: &a {vragd: false}\n"<<": [*a]\n---',
        "---\n" + "x:\n" * 3_000 + "vragd: false\n---",
    ],
)
def test_a_key_out_of_line_or_merged_or_far_down_counts(text: str) -> None:
    assert out(text)


@pytest.mark.parametrize(
    "text",
    [
        "---\nx: |\n  vragd: false\n---",
        "---\nx: >-\n  vragd: false\n---",
        "---\nx: &a\n  vragd: false\n---",
        "---\nx: !!map # of mine\n  vragd: false\n---",
        '---\nx: "a\n  vragd: false\n  b"\n---',
        "---\nx: [\n  vragd: false ]\n---",
        "---\nx:\n  y:\n    vragd: false\n  vragd: no\n---",
        "---\na: 1\n---\n---\nvragd: false\n---",
    ],
)
def test_what_stands_within_anothers_value_says_nothing(text: str) -> None:
    assert not out(text)


def test_a_note_that_opts_out_is_no_note() -> None:
    with pytest.raises(NotIndexable, match="opted_out"):
        read_note(b'---\r\n"vragd": off\r\n---\r\nsecret', "x")
    with pytest.raises(NotIndexable, match="opted_out"):
        read_note("---\nvragd: nein\n---\nsecret".encode("utf-16"), "x")
    assert read_note(b"---\nvragd: yes\n---\nopen", "x").chunks


def test_front_matter_of_any_size_is_looked_through_at_once() -> None:
    started = time.monotonic()
    for line in (
        "vragd " * 100_000,
        "{" * 100_000 + "vragd",
        "- " * 100_000,
        "vragd:" * 50_000,
        " " * 500_000 + "vragd",
        "?" * 100_000,
        ": &a" * 100_000,
        "&a " * 100_000 + "vragd:",
        "{&a ," * 50_000 + "vragd:",
        "\\x" * 100_000,
        "<<: " + "{vragd" * 50_000,
    ):
        out(f"---\n{line}\n---\n")
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    "properties",
    [
        '? "vra\\\n  gd"\n: false',  # a line that goes on
        "? |-\n  vragd\n: false",
        "? >-\n  vragd\n: no",
        "x: &k vragd\n*k : false",
        "? 'vragd'\n# of mine\n\n: false",
        "? !<tag:yaml.org,2002:str> vragd\n: 0",
        'vragd: true\n? "vra\\\n  gd"\n: false',  # twice, and not the first
        "x: &a\n  ? |-\n    vragd\n  : false\nvragd: [true]",
        "vragd: {of: mine}",
        "vragd: &a [no]",
    ],
)
def test_a_spelling_only_a_parser_knows_counts(properties: str) -> None:
    with pytest.raises(NotIndexable, match="opted_out"):
        read_note(f"---\n{properties}\n---\nsecret".encode(), "x")


KEYS = ["vragd", '"vragd"', "'vragd'", "VRAGD", '"\\x76ragd"', "!!str vragd", "&k vragd", "? vragd\n", "? &a 'vragd'\n"]
KEYS += ['"vr\\u0061gd"', "v\u200bragd", "\uff56ragd", '? "vra\\\n gd"\n', "? |-\n  vragd\n"]
VALUES = [
    "false",
    "no",
    '"off"',
    "!!bool false",
    "",
    "~",
    "[]",
    "{}",
    "0",
    "|-\n  no",
    ">\n  false\n",
    "\n  false",
    "# yes",
]
OTHERS = [
    "title: x",
    "tags:\n  - a\n  - b",
    "x: {y: z}",
    "a: |\n  text\n  more",
    "# note",
    "<<: {a: b}",
    "b: [\n  c]",
    "",
]


@examples(150, 600)
@given(st.sampled_from(KEYS), st.sampled_from(VALUES), st.lists(st.sampled_from(OTHERS), max_size=3), st.integers(0, 3))
def test_no_note_is_read_whose_properties_say_no(key: str, value: str, others: list[str], at: int) -> None:
    lines = [*others[:at], f"{key}: {value}", *others[at:]]
    with pytest.raises(NotIndexable, match="opted_out"):
        read_note(("---\n" + "\n".join(lines) + "\n---\nsecret").encode(), "x")


# -- closed to assistants: the same spellings of other keys --------------------------------------------


def renamed(line: str, name: str) -> str:
    """The line with another key, however that was hidden."""
    spelled = ("v\\x76ragd", "\\x76ragd", "vr\\u0061gd", "v\u200bragd", "v\u200eragd", "vragd\ufe0f", "VRAGD", "vragd")
    for one in spelled:
        line = line.replace(one, f"{name[0]}\u200b{name[1:]}" if "\u200b" in one else name)
    return line


@pytest.mark.parametrize("name", ["ai", "mcp", "AI", "Mcp"])
@pytest.mark.parametrize("line", NOES)
def test_a_note_is_closed_by_any_value_but_a_yes_in_any_spelling(line: str, name: str) -> None:
    line = renamed(line, name)
    for broken in ("", "title: [\n", "a: {b\n"):
        assert read_note(f"---\ntitle: x\n{broken}{line}\n---\ntext".encode(), "a").closed, broken


@pytest.mark.parametrize("name", ["ai", "mcp"])
@pytest.mark.parametrize("line", YESES)
def test_a_note_that_says_yes_is_open(line: str, name: str) -> None:
    assert not read_note(f"---\n{renamed(line, name)}\n---\ntext".encode(), "a").closed


@pytest.mark.parametrize(
    "text",
    [
        "ai: false",
        "---\ntitle: mcp, said again\n---\nai: false",
        "---\nai-tags: [x]\nmcps: no\nmail: false\n---",
        "---\nx:\n  ai: false\n---",
        "---\nvragd: true\n---\ntext",
        "---\ntags: [ai, mcp]\n---",
    ],
)
def test_another_key_closes_nothing(text: str) -> None:
    assert not read_note(text.encode(), "a").closed


def test_a_spelling_only_a_parser_knows_closes_as_well_and_what_is_merged() -> None:
    assert read_note(b'---\n? "a\\\n  i"\n: false\n---\n', "a").closed
    assert read_note(b"---\nx: &a\n  mcp: false\n<<: *a\n---\n", "a").closed


def test_a_closed_note_is_a_note_and_opting_out_is_more() -> None:
    note = read_note(b"---\nai: false\n---\nA numbat.", "a")
    assert (note.closed, len(note.chunks)) == (True, 1)
    assert not CLOSED.says_no(["---", "vragd: false", "---"])
    assert not OPT_OUT.says_no(["---", "ai: false", "---"])
    with pytest.raises(NotIndexable, match="opted_out"):
        read_note(b"---\nai: false\nvragd: false\n---\nA numbat.", "a")


@pytest.mark.parametrize("suffix", [".py", ".txt"])
def test_code_and_plain_text_may_say_so_too(suffix: str) -> None:
    assert read_note(b"---\nmcp: false\n---\nA numbat.", "a", suffix).closed
    assert not read_note(b"mcp: false\nA numbat.", "a", suffix).closed
