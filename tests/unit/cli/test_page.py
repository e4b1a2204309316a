"""What a terminal is told, and what it is not."""

from __future__ import annotations

import io
import unicodedata

import pytest

from vragd.cli.page import Page, Piece, lines, page, seen


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environ", "choice", "on_terminal", "in_pipe"),
    [
        ({"TERM": "xterm"}, "auto", True, False),
        ({"TERM": "dumb"}, "auto", False, False),
        ({"TERM": "xterm", "NO_COLOR": "1"}, "auto", False, False),
        ({"TERM": "xterm", "NO_COLOR": ""}, "auto", True, False),
        ({"TERM": "xterm", "FORCE_COLOR": "1"}, "auto", True, True),
        ({"TERM": "xterm", "FORCE_COLOR": "0"}, "auto", False, False),
        ({"TERM": "xterm", "FORCE_COLOR": "1", "NO_COLOR": "1"}, "auto", False, False),
        ({"TERM": "xterm", "NO_COLOR": "1"}, "always", True, True),
        ({"TERM": "xterm", "FORCE_COLOR": "1"}, "never", False, False),
    ],
)
def test_colours_are_as_flag_then_environment_then_terminal_say(
    environ: dict[str, str], choice: str, on_terminal: bool, in_pipe: bool
) -> None:
    assert page(Terminal(), environ, choice).colours is on_terminal
    assert page(io.StringIO(), environ, choice).colours is in_pipe


def test_an_address_stays_whole_so_that_it_can_be_copied() -> None:
    address = f"https://example.org/{'path-' * 20}"
    told = lines([Piece(f"A link to {address} in a sentence that goes on for long")], Page(width=40), 2)
    assert address in [line.strip() for line in told]
    assert max(len(line) for line in told if "://" not in line) <= 40


def test_only_a_terminal_has_a_width_and_the_console_no_links() -> None:
    assert page(Terminal(), {"COLUMNS": "60"}).width == 60
    assert page(Terminal(), {}).width == 80
    assert page(io.StringIO(), {"COLUMNS": "60"}, "always").width == 0
    assert page(Terminal(), {"TERM": "linux"}) == Page(colours=True, links=False, width=80)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\u202eb", "a<U+202E>b"),
        ("a\u200bb\ufeff", "a<U+200B>b<U+FEFF>"),
        ("pay\u200dpal", "pay<U+200D>pal"),
        ("\x1b]8;;x\x07", "<U+001B>]8;;x<U+0007>"),
        ("\x9b31m\x7f", "<U+009B>31m<U+007F>"),
        ("a\U000e0041\U000e0042", "a<U+E0041><U+E0042>"),
        ("a\ufe0fb\U000e0101", "a<U+FE0F>b<U+E0101>"),
        ("a\u3164\u00ad\u2060", "a<U+3164><U+00AD><U+2060>"),
        ("a\r\nb\rc\td", "a\nb<U+000D>c\td"),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"),
        ("\U0001f468\u200d\U0001f469\u200d\U0001f467 \u2764\ufe0f", None),
        ("\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f", None),
        ("\u845b\U000e0100 Gr\u00fc\u00dfe e\u0301", None),
    ],
)  # fmt: skip
def test_what_cannot_be_seen_is_named_and_what_belongs_to_its_neighbours_stays(text: str, shown: str | None) -> None:
    assert seen(text)[0] == (text if shown is None else shown)


def test_no_character_is_passed_over_by_the_quick_look() -> None:
    """Each alone: what the whole look would name, and what it would leave."""
    for code in (*range(0x110, 0xD800), *range(0xE000, 0x30000), *range(0xE0000, 0xE1000)):
        char = chr(code)
        kind = unicodedata.category(char)
        if kind in ("Cc", "Cf", "Zl", "Zp") and not 0x600 <= code <= 0x8E2 and code not in NOT_HIDDEN:
            assert seen(f"a{char}b")[0] == f"a<U+{code:04X}>b", hex(code)


NOT_HIDDEN = {0x110BD, 0x110CD, *range(0x13430, 0x13440)}  # marks of numbers, and how hieroglyphs are put together


def test_spans_are_where_they_were_after_what_is_named() -> None:
    text = "\u202eab\u200bcd \u202eef"
    spans = [(1, 3), (3, 6), (8, 10)]
    shown, moved = seen(text, spans)
    assert [shown[a:b] for a, b in moved] == ["ab", "<U+200B>cd", "ef"]


def test_a_style_goes_on_over_the_end_of_a_line_and_ends_with_it() -> None:
    pieces = [Piece("one two "), Piece("three four", "1", "x:y")]
    found = lines(pieces, Page(colours=True, links=True, width=14), indent=2)
    assert found == [
        "one two \x1b]8;;x:y\x1b\\\x1b[1mthree\x1b[0m\x1b]8;;\x1b\\",
        "  \x1b]8;;x:y\x1b\\\x1b[1mfour\x1b[0m\x1b]8;;\x1b\\",
    ]
    assert lines(pieces, Page()) == ["one two three four"]


@pytest.mark.parametrize("width", [1, 2, 3, 5, 80])
def test_nothing_is_lost_on_a_page_however_narrow(width: int) -> None:
    text = "a bb \u65e5\u672c\u8a9e  ccc e\u0301e\u0301 dddddddddd"
    found = lines([Piece(text)], Page(width=width), indent=3)
    assert "".join(found).replace(" ", "") == text.replace(" ", "")
