"""Lines to blocks and sections: headings, fences and the rest where CommonMark and Obsidian see them."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tests.depth import examples
from vragd.notes.blocks import blocks_of
from vragd.notes.chunk import read_note
from vragd.notes.markdown import decode, front_matter
from vragd.notes.model import Block
from vragd.notes.page import sections_of

VAULTS = Path(__file__).parents[2] / "vaults"


def cut(text: str) -> list[tuple[tuple[str, ...], list[str]]]:
    """Each section's heading, and the text of its blocks."""
    lines = [line.rstrip() for line in text.split("\n")]
    found: list[tuple[tuple[str, ...], list[str]]] = []
    for path, blocks in sections_of(blocks_of(lines).blocks):
        found.append((path, ["\n".join(lines[block.start : block.end]) for block in blocks]))
    return found


# --- headings --------------------------------------------------------------------------------------


def test_a_section_knows_the_headings_above_it() -> None:
    found = cut("zero\n# A\none\n## B\ntwo\n#### C\nthree\n## D\nfour\n# E\nfive")
    assert [heading for heading, _ in found] == [(), ("A",), ("A", "B"), ("A", "B", "C"), ("A", "D"), ("E",)]


def test_a_heading_with_nothing_below_opens_the_next_section() -> None:
    assert cut("# A\n\n## B\n\ntext") == [(("A", "B"), ["# A", "## B", "text"])]
    assert cut("x\n\n# A\n\n# B") == [((), ["x", "# A", "# B"])]


def test_a_note_of_headings_only_is_one_section() -> None:
    assert cut("# A\n# B\n## C") == [((), ["# A", "# B", "## C"])]


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
    assert cut(f"{line}\ntext") == [((title,), [line.rstrip(), "text"])]


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
    assert cut(f"{code}\n# A\nx") == [((), [code]), (("A",), ["# A", "x"])]


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
    blocks = [block for _, blocks in sections_of(blocks_of(lines).blocks) for block in blocks]
    covered = [i for block in blocks for i in range(block.start, block.end)]
    assert len(covered) == len(set(covered))
    assert {i for i, line in enumerate(lines) if line.strip()} <= set(covered)
    assert all(isinstance(block, Block) and block.start < block.end for block in blocks)


# --- what Obsidian and CommonMark see --------------------------------------------------------------


def headings(text: str) -> list[str]:
    return [block.heading[1] for block in blocks_of(text.split("\n")).blocks if block.heading]


def test_underlined_headings_are_headings() -> None:
    assert cut("Title\n=====\n\nIntro\n\nPart\n----\n\nText") == [
        (("Title",), ["Title\n=====", "Intro"]),
        (("Title", "Part"), ["Part\n----", "Text"]),
    ]
    assert headings("two\nlines\n---\n") == ["two lines"]


@pytest.mark.parametrize(
    "text",
    [
        "> quote\n---",
        "- item\n---",
        "\n---",
        "| a | b |\n|---|---|\n| 1 | 2 |\n---",
        "[a]: b\n---",
        "    code\n---",
        "a\n\n---",
    ],
)
def test_a_rule_below_something_else_is_no_heading(text: str) -> None:
    assert headings(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "- Install:\n- ```bash\n  # comment\n  apt install x\n  ```",
        "1. ```bash\n   # comment\n   ```\n2. done",
        "1. Run:\n    ```bash\n    # apt\n   ```",
        "> ```\n> # comment\n> ```",
        "> - ```\n>   # comment\n>\n>   # more",
        "%%\n# hidden\nsecret\n%%",
        "<!--\n# hidden\n-->",
        "<pre>\n# hidden\n\n# hidden\n</pre>",
        "<div>\n# hidden\n</div>",
        "$$\n# hidden\n$$",
        "- a\n\n      # code",
    ],
)
def test_a_hash_in_code_comments_formulas_and_html_is_no_heading(text: str) -> None:
    assert headings(f"# A\n\n{text}\n\n# B\n") == ["A", "B"]


@pytest.mark.parametrize("text", ["%%\n# A\nnever closed", "$$\n# A\nnever closed", "%%one%%\n# A", "$$x$$\n# A"])
def test_a_comment_or_formula_that_is_never_closed_hides_nothing(text: str) -> None:
    assert headings(text) == ["A"]


def test_headings_in_quotes_and_lists_part_no_sections() -> None:
    lines = ["# A", "> # quoted", "- ## listed"]
    found = blocks_of(lines)
    assert [block.heading for block in found.blocks if block.heading] == [(1, "A")]
    assert found.inner == [(1, 1, "quoted"), (2, 2, "listed")]


def test_tasks_and_callouts_are_seen_however_deep() -> None:
    found = blocks_of(
        ["- [ ] open", "  1. [x] done", "> [!Note]- Title", "> > [!tip]", "> - [/] half", "- [ ]", "[ ] no"]
    )
    assert [(line, state) for line, state, _ in found.tasks] == [(0, " "), (1, "x"), (4, "/"), (5, " ")]
    assert [(line, kind) for line, kind, _, _ in found.callouts] == [(2, "note"), (3, "tip")]


def test_how_a_callout_is_to_be_shown_is_no_part_of_its_kind() -> None:
    found = blocks_of(["> [!Info|wide right]+ Title", "", "> [!tip | a|b]"])
    assert [(line, kind) for line, kind, _, _ in found.callouts] == [(0, "info"), (2, "tip")]


# --- markdown-it as the oracle -----------------------------------------------------------------------

ORACLE = MarkdownIt("commonmark", {"maxNesting": 100}).enable("table")
Seen = tuple[list[tuple[int, int, bool]], list[int]]
"""(line, level, within a quote or list) of headings; lines where fences open."""


def expected(lines: Sequence[str]) -> Seen:
    depth, heads, tokens = 0, [], ORACLE.parse("\n".join(lines))
    for token in tokens:
        if token.type in ("blockquote_open", "list_item_open"):
            depth += 1
        elif token.type in ("blockquote_close", "list_item_close"):
            depth -= 1
        elif token.type == "heading_open" and token.map:
            heads.append((token.map[0], int(token.tag[1]), depth > 0))
    return heads, [token.map[0] for token in tokens if token.type == "fence" and token.map]


def seen(lines: Sequence[str]) -> Seen:
    found = blocks_of(lines)
    heads = [(block.start, block.heading[0], False) for block in found.blocks if block.heading]
    inner = [(line, level, True) for line, level, _ in found.inner]
    return sorted([*heads, *inner]), [first for first, _, _ in found.fences]


def test_headings_and_fences_of_the_vaults_are_those_markdown_it_sees() -> None:
    notes = sorted(VAULTS.rglob("*.md"))
    assert len(notes) > 100
    for note in notes:
        lines = [line.rstrip() for line in decode(note.read_bytes())[0].split("\n")]
        lines = lines[front_matter(lines) :]
        if not any(mark in line for line in lines for mark in ("%%", "$$")):
            assert seen(lines) == expected(lines), note


PIECES = [
    *(
        "",
        "",
        "# A",
        "## B ##",
        "text",
        "more",
        "===",
        "---",
        "- item",
        "1. one",
        "2) two",
        "> quote",
        ">",
        "```",
        "~~~~",
    ),
    *(
        "````",
        "```py",
        "  two",
        "* * *",
        "___",
        "<div>",
        "</div>",
        "<!-- c",
        "-->",
        "<pre>",
        "</pre>",
        "<b>x</b>",
        "#tag",
    ),
    *("- # H", "> # H", "> ```", "- ```", "  ```", "* x", "+ y", "10. z", "   # ind", "#", "- - - x", "> - q", ">   c"),
    *("-", "1.", "a `b", "`` x ``` y", "- [ ] task"),
]
SEEDS = range(3_000)


def test_headings_and_fences_of_made_up_notes_are_those_markdown_it_sees() -> None:
    rng = random.Random(7)
    for _ in SEEDS:
        indent = rng.choice(["", "", "", "", "  ", "> ", "- "])
        lines = [(rng.choice(["", "", indent]) + rng.choice(PIECES)).rstrip() for _ in range(rng.randrange(1, 8))]
        assert seen(lines) == expected(lines), "\n".join(lines)


@examples(150, 200)
@given(st.lists(st.text("#>-*+`~ \t1.)=<!%$|[]xa\\_", max_size=30), max_size=20))
def test_any_lines_give_blocks_in_order_that_cover_them(texts: list[str]) -> None:
    lines = [text.rstrip() for text in texts]
    blocks = blocks_of(lines).blocks
    assert all(block.start < block.end for block in blocks)
    covered = [i for block in blocks for i in range(block.start, block.end)]
    assert covered == sorted(set(covered))
    assert {i for i, line in enumerate(lines) if line} <= set(covered)


@pytest.mark.parametrize(
    ("text", "headings", "tags", "links"),
    [
        ("so $$\n#no [[N]]\n# none\n- #no\n$$ and #yes\n\n# One", ["One"], ("yes",), []),
        ("so $$x = 1\n= #no\n---\n+ [[N]]$$\n[[Y]]", [], (), ["Y"]),
        ("$$ a\n# none\n$$ behind #yes\n# One", ["One"], ("yes",), []),
        ("> so $$\n> # none #no\n> $$ #yes\n>\n> # Inner", ["Inner"], ("yes",), []),
        ("- so $$\n  - #no\n  $$ #yes\n- [[Y]]", [], ("yes",), ["Y"]),
        ("a $$x$$ and $$y #no$$ #yes [[Y]]", [], ("yes",), ["Y"]),
        ("a $$\n[[N]] $$ b $$ [[N]]\n$$ c", [], (), []),
        ("costs $$\n\n# One #yes\n\n$$ here", ["One #yes"], ("yes",), []),  # prices, and no formula
        ("- thai $$\n- sushi $$ #yes\n- [[Y]] $$$", [], ("yes",), ["Y"]),
        ("`$$` is a mark\n# One\nand `$$`", ["One"], (), []),
        ("a \\$$ b\n# One\n$$", ["One"], (), []),
        ("so $$\n> # One\n[[N]]", ["One"], (), ["N"]),
        ("a $$\nb\n$$ c $$\n# none\n$$\n# One", ["One"], (), []),
        ("```sh\necho $$\n```\ntext $$\n# none\n$$ x", [], (), []),
    ],
)
def test_in_a_formula_that_begins_or_ends_within_a_line_nothing_means_anything(
    text: str, headings: list[str], tags: tuple[str, ...], links: list[str]
) -> None:
    note = read_note(text.encode(), "n")
    found = blocks_of(text.split("\n"))
    inner = [title for _, _, title in found.inner]
    assert [block.heading[1] for block in found.blocks if block.heading] + inner == headings
    assert note.tags == tags
    assert [link.target for link in note.marks.links] == links


def test_formulas_without_end_take_linear_time() -> None:
    def read_in(text: str) -> float:
        began = time.thread_time()
        blocks_of(text.split("\n"))
        return time.thread_time() - began

    for some in ("a $$\n" * 3_000, "a $$\nb\n\n" * 1_500, "- a $$\n" * 3_000, "$$\n# a\n$$ b\n" * 1_500):
        least = min(read_in(some) for _ in range(3))
        assert read_in(20 * some) < 100 * least, "20 times as much takes about 20 times as long, and not 400 times"
