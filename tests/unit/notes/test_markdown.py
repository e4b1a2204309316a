"""Bytes to lines, lines to sections and blocks."""

from __future__ import annotations

import codecs

import pytest

from vragd.notes.chunk import read_note
from vragd.notes.markdown import decode, front_matter
from vragd.notes.model import NotIndexable

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


@pytest.mark.parametrize(
    "raw", [b"\xed\xa0\x80 surrogate", b"cut \xe6\x97", "naïve 日本".encode() + b" \xe9", b"\xe9\x81"]
)
def test_what_is_not_utf8_is_text_with_a_loss(raw: bytes) -> None:
    text, lossy = decode(raw)
    assert lossy
    assert "\ufffd" in text


@pytest.mark.parametrize(
    ("raw", "text"), [(b"caf\xe9 au lait", "café au lait"), (b"\x93na\xefve\x94 \x80 5", "“naïve” € 5")]
)
def test_letters_with_marks_that_stand_alone_are_guessed(raw: bytes, text: str) -> None:
    assert decode(raw) == (text, True)


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
    for inner, word in (
        (laughs, "lol"),
        ("a: [unclosed\n: : :\n\t- x", "unclosed"),
        ("!!python/object/apply:os.system [ls]", "apply:os.system"),
        ("a: *a", "*a"),
    ):
        note = read_note(f"---\n{inner}\n---\n# Body\n\nsound".encode(), "n")
        assert note.chunks[-1].heading == ("Body",)
        assert word in "\n".join([note.words, *(chunk.text for chunk in note.chunks)])
        assert len(note.words) < 2_000
