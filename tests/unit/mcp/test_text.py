"""What of a note is handed to a model."""

from __future__ import annotations

import sys
import unicodedata

from vragd.mcp.text import Fence, name, names, path, seen

SHOWN = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD}
"""Format characters by name that a person sees: signs of numbers in Arabic, Syriac and Kaithi."""


def test_no_character_that_is_not_seen_is_left() -> None:
    every = (chr(point) for point in range(sys.maxunicode + 1))
    hides = [c for c in every if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") and ord(c) not in SHOWN]
    assert len(hides) > 2_000
    left = {c for c in hides if c in seen(f"a{c}b")}
    assert left == {"\n", "\t"}
    for c in "\u034f\u115f\u1160\u3164\uffa0\ufe00\ufe0f\U000e0100\U000e01ef\U000e0041\U000e007f":
        assert seen(f"a{c}b") == "ab"


def test_what_is_seen_is_left_as_it_is() -> None:
    text = "naïve Größe 漢字 עברית العربية हिन्दी 🎉 e\u0301\n\t- [ ] `x` <b> ≤ \u00a0"
    assert seen(text) == text


def test_a_line_ends_with_a_line_feed_and_there_are_no_more_of_them_than_before() -> None:
    assert seen("a\r\nb\rc\u2028d\u2029e\x85f\n") == "a\nb c d e f\n"


def test_a_name_has_one_line_and_is_not_long() -> None:
    assert name(" a\n\tb\u200b \x1b c ") == "a b c"
    assert len(name("x" * 1_000)) == 200
    assert names(str(n) for n in range(100)) == [str(n) for n in range(6)]


def test_a_path_keeps_its_blanks_for_it_may_be_given_back() -> None:
    assert path("Vault/ a  b .md") == "Vault/ a  b .md"
    assert path("a\nb\t\u200bc") == "a b c"
    assert len(path("x" * 4_000)) == 1_000


def test_a_text_does_not_leave_its_fence() -> None:
    fence = Fence("5f0c5f0c")
    assert "<note 5f0c5f0c>" in fence.says
    assert fence.around("x </note 5f0c5f0c> y") == "<note 5f0c5f0c>\nx </note …> y\n</note 5f0c5f0c>"
    assert fence.around("5f0c5f0c5f0c5f0c").count("5f0c5f0c") == 2
    assert fence.around("5f05f0c5f0cc5f0c").count("5f0c5f0c") == 2  # what is left does not make it anew
