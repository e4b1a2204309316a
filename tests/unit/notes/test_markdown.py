"""Bytes to lines, lines to sections and blocks."""

from __future__ import annotations

import codecs

import pytest

from vragd.notes.chunk import read_note
from vragd.notes.markdown import decode, front_matter, properties
from vragd.notes.model import NotIndexable


def cut(text: str) -> list[tuple[tuple[str, ...], list[str]]]:
    """Each section's heading, and the text of its blocks."""
    lines = text.split("\n")
    return [
        (section.heading, ["\n".join(lines[block.start : block.end]) for block in section.blocks])
        for section in sections(lines, 0)
    ]


# --- decode ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_kind_of_line_end_becomes_a_newline(end: str) -> None:
    assert decode(f"a{end}b{end}{end}c".encode()) == ("a\nb\n\nc", False)


def test_a_byte_order_mark_is_no_text() -> None:
    assert decode(codecs.BOM_UTF8 + b"# A") == ("# A", False)


@pytest.mark.parametrize(("mark", "codec"), [(codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")])
def test_utf16_with_a_mark_is_text(mark: bytes, codec: str) -> None:
    assert decode(mark + "naïve 日本 😀\r\n".encode(codec)) == ("naïve 日本 😀\n", False)


def test_utf16_that_ends_half_way_is_lossy() -> None:
    assert decode(codecs.BOM_UTF16_LE + "ab".encode("utf-16-le") + b"c") == ("ab\ufffd", True)


@pytest.mark.parametrize("raw", [b"caf\xe9 au lait", b"\xed\xa0\x80 surrogate", b"cut \xe6\x97"])
def test_what_is_not_utf8_is_text_with_a_loss(raw: bytes) -> None:
    text, lossy = decode(raw)
    assert lossy
    assert "\ufffd" in text


def test_a_stray_nul_is_text_and_many_are_binary() -> None:
    assert decode(b"x" * 1000 + b"\0")[1] is False
    for raw in (b"\0", b"PNG\0\0\0\rIHDR", b"x" * 90 + b"\0" * 10):
        with pytest.raises(NotIndexable, match="binary"):
            decode(raw)


def test_an_empty_note_is_text() -> None:
    assert decode(b"") == ("", False)


# --- front matter ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("---\na: 1\n---\nbody", 3),
        ("---\n---", 2),
        ("---  \na: 1\n...\nbody", 3),
        ("---\nnever ends\n# A", 0),
        ("\n---\na: 1\n---", 0),
        ("----\na: 1\n---", 0),
        ("text\n---\n", 0),
        ("", 0),
        ("---\n" + "a: 1\n" * 5_000 + "---", 0),
    ],
)
def test_front_matter_is_found_when_it_begins_the_note_and_ends(text: str, count: int) -> None:
    assert front_matter(text.split("\n")) == count


def test_properties_are_read_without_their_quotes_and_comments() -> None:
    lines = [
        "title:   A long night  ",
        'Aliases: "quoted # not a comment"',
        "single: 'it''s'",
        "vragd: false # private",
        'both: "x" # why',
        "hash: C#",
        "empty:",
        "only: # a comment",
        "  nested: 1",
        "- item: 2",
        "title: second",
        "url: http://x/y:z",
        "no colon",
    ]
    assert properties(lines) == {
        "title": "A long night",
        "aliases": "quoted # not a comment",
        "single": "it''s",
        "vragd": "false",
        "both": "x",
        "hash": "C#",
        "empty": "",
        "only": "",
        "url": "http://x/y:z",
    }


def test_the_title_is_the_property_or_the_files_name() -> None:
    assert read_note(b"---\ntitle: 'On rye'\n---\nx", "stem").title == "On rye"
    assert read_note(b"---\ntitle:\n---\nx", "stem").title == "stem"
    assert read_note(b"# Heading\nx", "stem").title == "stem"
    assert read_note(b"---\ntitle: never ends\nx", "stem").title == "stem"


@pytest.mark.parametrize("value", ["false", "False", '"false"', "no", "false   # not for machines"])
def test_a_note_may_opt_out(value: str) -> None:
    with pytest.raises(NotIndexable, match="opted_out"):
        read_note(f"---\ntags: [x]\nvragd: {value}\n---\nsecret".encode(), "n")


@pytest.mark.parametrize("text", ["---\nvragd: true\n---\nx", "vragd: false", "---\nx:\n  vragd: false\n---\nx"])
def test_only_a_top_level_property_of_front_matter_opts_out(text: str) -> None:
    assert read_note(text.encode(), "n").chunks


def test_broken_or_hostile_yaml_is_harmless_and_still_searchable() -> None:
    laughs = "a: &a [lol, lol]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join([f'*{chr(97 + i)}'] * 9)}]\n" for i in range(9)
    )
    for inner in (laughs, "a: [unclosed\n: : :\n\t- x", "!!python/object/apply:os.system [ls]", "a: *a"):
        note = read_note(f"---\n{inner}\n---\n# Body\n\nsound".encode(), "n")
        assert any(inner.split("\n")[0] in chunk.text for chunk in note.chunks)
        assert note.chunks[-1].heading == ("Body",)


# --- headings --------------------------------------------------------------------------------------


def test_a_section_knows_the_headings_above_it() -> None:
    found = cut("zero\n# A\none\n## B\ntwo\n#### C\nthree\n## D\nfour\n# E\nfive")
    assert [heading for heading, _ in found] == [(), ("A",), ("A", "B"), ("A", "B", "C"), ("A", "D"), ("E",)]


def test_a_heading_with_nothing_below_opens_the_next_section() -> None:
    assert cut("# A\n\n## B\n\ntext") == [(("A", "B"), ["# A", "## B", "text"])]
    assert cut("x\n\n# A\n\n# B") == [((), ["x"]), (("B",), ["# A", "# B"])]


def test_a_note_of_headings_only_is_one_section() -> None:
    assert cut("# A\n# B\n## C") == [(("B", "C"), ["# A", "# B", "## C"])]


@pytest.mark.parametrize(
    ("line", "title"),
    [
        ("# A", "A"),
        ("   ###### deep  ", "deep"),
        ("## closed ##", "closed"),
        ("## closed #########   ", "closed"),
        ("# C#", "C#"),
        ("# a # b", "a # b"),
        ("#\ttab", "tab"),
        ("#", ""),
        ("# #", ""),
        ("### ###", ""),
        ("# [[Link]] *it*", "[[Link]] *it*"),
    ],
)
def test_a_heading_is_recognised_and_its_title_bare(line: str, title: str) -> None:
    assert cut(f"{line}\ntext") == [((title,), [line, "text"])]


@pytest.mark.parametrize("line", ["#tag", "####### seven", "    # indented", "a # b", "\\# no", "#tag #other"])
def test_what_only_looks_like_a_heading_is_text(line: str) -> None:
    assert cut(f"{line}\ntext") == [((), [f"{line}\ntext"])]


def test_a_heading_ends_the_paragraph_above_it() -> None:
    assert cut("text\n# A\nmore") == [((), ["text"]), (("A",), ["# A", "more"])]


# --- fences and other blocks -----------------------------------------------------------------------


@pytest.mark.parametrize("fence", ["```", "~~~", "`````", "```python", "~~~ `x`"])
def test_a_heading_inside_a_fence_is_none(fence: str) -> None:
    close = fence.rstrip("python x`")[:5] if fence.startswith("~") else "`" * fence.count("`")
    code = f"{fence}\n# comment\n\n## not a heading\n{close}"
    assert cut(f"# A\n{code}\nafter") == [(("A",), ["# A", code, "after"])]


def test_a_fence_is_closed_only_by_its_own_kind_and_length() -> None:
    code = "````\n```\n# x\n~~~~\n```` not closed by this\n`````"
    assert cut(f"{code}\n# A\n") == [((), [code]), (("A",), ["# A"])]


def test_a_fence_never_closed_goes_on_to_the_end() -> None:
    assert cut("# A\n```\n# x\n\n# y") == [(("A",), ["# A", "```\n# x\n\n# y"])]


def test_code_within_a_line_opens_no_fence() -> None:
    assert [heading for heading, _ in cut("```inline``` and text\n\n# A\nx")] == [(), ("A",)]
    assert [heading for heading, _ in cut("``x``\n\n# A\nx")] == [(), ("A",)]


def test_a_fence_right_below_text_is_a_block_of_its_own() -> None:
    assert cut("text\n```\ncode\n```\nmore") == [((), ["text", "```\ncode\n```", "more"])]


def test_blank_lines_part_paragraphs_and_a_table_is_one_block() -> None:
    table = "| a | b |\n|---|---|\n| 1 | 2 |"
    assert cut(f"one\nline\n\n \t\n{table}\n\n- x\n- y") == [((), ["one\nline", table, "- x\n- y"])]


def test_blocks_cover_every_line_that_is_not_blank_once() -> None:
    lines = ["a", "", "# H", "b", "```", "", "```", "", "", "c", "| t |", "#"]
    blocks = [block for section in sections(lines, 0) for block in section.blocks]
    covered = [i for block in blocks for i in range(block.start, block.end)]
    assert len(covered) == len(set(covered))
    assert {i for i, line in enumerate(lines) if line.strip()} <= set(covered)
    assert all(isinstance(block, Block) and block.start < block.end for block in blocks)
