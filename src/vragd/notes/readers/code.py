"""
Code: cut along its definitions where there is a grammar for it, else between paragraphs.

A grammar is a program in C that a file can crash (tree-sitter's of Python is, by six hundred levels of indentation), so
`outline_of` runs in a process of its own, and `read` makes a note of what that found.
"""

from __future__ import annotations

from collections.abc import Sequence

from vragd.notes import languages
from vragd.notes.machine import strip_machine_text
from vragd.notes.markdown import decode
from vragd.notes.model import LeftOut, Note, NotIndexable
from vragd.notes.optout import CLOSED, KEYS, OPT_OUT, Key
from vragd.notes.outline import Stretch, outline, paragraphs

MAX_PARSED = 1 << 20
"""Bytes of code that are parsed, at some twenty times the memory: what is longer was written by a program."""
_BLOCK = 1 << 16
_LEAST_CALLS, _CALLS_PER_KIB = (
    1_000,
    40,
)  # of tree-sitter's progress; the most that 1,500 files of eleven languages took is 19


def outline_of(data: bytes, suffix: str) -> list[Stretch] | None:
    """The stretches of the code in `data`; None for what is parsed by nobody, or took too many steps."""
    if not languages.has_grammar(suffix):
        return None
    lines = _lines(data)[0]
    text = "\n".join(lines).encode("utf-8", "replace")
    if len(text) > MAX_PARSED:
        return None
    left = _LEAST_CALLS + _CALLS_PER_KIB * len(text) // 1024

    def is_too_much(*_: object) -> bool:
        nonlocal left
        left -= 1
        return left < 0

    parser = languages.parser(suffix)
    try:
        tree = parser.parse(lambda at, _: text[at : at + _BLOCK], progress_callback=is_too_much)
    except ValueError:
        parser.reset()
        return None
    return outline(tree.root_node, lines)


def read(data: bytes, stem: str, suffix: str, found: Sequence[Stretch] | None) -> Note:
    """The code in `data`, called by its file's whole name, as `outline_of` found it; a heading is what is defined."""
    from vragd.notes.plain import Plain

    lines, lossy, left_out = _lines(data)
    if OPT_OUT.says_no(lines):
        raise NotIndexable("opted_out")
    page = Plain(lines)
    chunks = page.chunks(paragraphs(lines) if found is None else found)
    title = f"{stem}{suffix}"
    remarks = (f"no_grammar: pip install 'vragd[{languages.EXTRA}]'",) if languages.missing_grammar(suffix) else ()
    return Note(
        title, tuple(chunks), lossy, names=(stem, title), text="\n".join(lines),
        left_out=(*left_out, *page.left_out()), remarks=remarks, closed=CLOSED.says_no(lines),
    )  # fmt: skip


def noes(data: bytes) -> tuple[Key, ...]:
    """What the code in `data` opts out of at its beginning."""
    lines = _lines(data)[0]
    return tuple(key for key in KEYS if key.says_no(lines))


def _lines(data: bytes) -> tuple[list[str], bool, tuple[LeftOut, ...]]:
    """Lines without blanks at their ends and machine text; whether bytes were lost; what is left out."""
    text, lossy = decode(data)
    kept, gone, machine = strip_machine_text([line.rstrip() for line in text.split("\n")])
    if gone:
        kept = ["" if i in gone else line for i, line in enumerate(kept)]
    return kept, lossy, machine.told("machine_text")
