"""Much of anything, and marks within marks: notes in chunks, in time that grows with the text only."""

from __future__ import annotations

import pytest

from tests.depth import at, deeper, more
from vragd.notes.chunk import MAX_CHARS, read_note
from vragd.notes.model import Chunk


def chunks(text: str) -> tuple[Chunk, ...]:
    return read_note(text.encode(), "n").chunks


SIZE = 1024 * 1024

pytestmark = pytest.mark.slow


@deeper
@pytest.mark.parametrize(
    ("unit", "most"),
    [
        ("x", MAX_CHARS),
        ("a. ", MAX_CHARS),
        ("!", 0),
        ("\n", 0),
        ("a\n\n", MAX_CHARS),
        ("> " * 50 + "\n", 0),
        ("```\n", 0),
        ("# heading\ntext\n\n", 17),
        ("`", 0),
        ("日。", 2 * MAX_CHARS),
    ],
)
def test_much_of_anything_is_cut(unit: str, most: int) -> None:
    """A quarter of a megabyte, in a campaign a whole one; into chunks of at most so many of its characters, if any."""
    size = at(SIZE // 4, SIZE)
    assert len(chunks(unit * (size // len(unit)))) >= (size // most if most else 0)


@pytest.mark.parametrize(
    "text",
    [
        "# a" + " " * SIZE + "b",
        "# a" + " #" * (SIZE // 2) + "b",
        "#" + "\t" * SIZE + "x",
        "---\nk: a" + " " * SIZE + "b\n---",
        "---\nk: a" + " #" * (SIZE // 2) + "\n---",
        "`" * SIZE + "x`",
        "~~~" + "`" * SIZE,
        "a." + " " * SIZE + "b",
        "a." + " " * SIZE,
        " " * SIZE + "b",
        "x" + "\u3000" * SIZE + "x",
    ],
)
def test_a_megabyte_that_would_make_an_expression_backtrack_is_cut(text: str) -> None:
    assert len(chunks(text + "\n\nand a word")) >= 1


@deeper
@pytest.mark.parametrize("unit", ["x", *more("word ", "`", "a[", "é。")])
def test_a_line_of_megabytes_is_cut(unit: str) -> None:
    """Of three, in a campaign of ten."""
    line = unit * (at(3, 10) * SIZE // len(unit.encode()))
    note = read_note(line.encode(), "n")
    assert sum(len(chunk.text) for chunk in note.chunks) >= len(line) * 0.75 or note.left_out


@pytest.mark.parametrize(
    "unit", ["> ", "- ", "1. ", "[", "![", "[[", "**", "_", "(", "<b>", "%%", "$", "`` ` ", "- > ", "#", "^[", "[a]("]
)
def test_a_hundred_thousand_nested_marks_are_text(unit: str) -> None:
    assert [chunk.text for chunk in chunks(unit * 100_000 + "word\n\n# A\nend")][-1] == "# A\nend"
