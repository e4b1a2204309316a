"""Markdown as Obsidian means it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from vragd.notes.fenced import documents
from vragd.notes.inline import split_link
from vragd.notes.machine import LEAST, strip_machine_text
from vragd.notes.markdown import decode, front_matter
from vragd.notes.model import EMPTY, LeftOut, Link, Note, NotIndexable, summed
from vragd.notes.optout import CLOSED, KEYS, OPT_OUT, Key
from vragd.notes.page import Page, read_page
from vragd.notes.properties import Properties, load


def read(data: bytes, stem: str) -> Note:
    """The note in `data`. Raises NotIndexable for a binary file, or a note with `vragd: false` in its properties."""
    text, lossy, lines, body, found, noes = _begun(data)
    if OPT_OUT in noes:
        raise NotIndexable("opted_out")
    remarks: tuple[str, ...] = ()
    if body and found is None:
        lines[0] = lines[body - 1] = ""  # text like any other, but for what would make it a heading
        body, remarks = 0, ("broken_properties",)
    page = read_page(lines[body:] if body else lines, body + 1)
    note = note_of(page, stem, found or Properties(remarks=remarks), lossy, text, "\n".join(lines[:body]))
    return replace(note, closed=True) if CLOSED in noes else note


def noes(data: bytes) -> tuple[Key, ...]:
    """What the note in `data` opts out of, by its properties alone: a part of the time of reading it."""
    return _begun(data).noes


class _Begun(NamedTuple):
    """`body` is the line, from 0, behind the front matter; 0 without one. `noes` are the keys by which it says no."""

    text: str
    lossy: bool
    lines: list[str]
    body: int
    found: Properties | None
    noes: tuple[Key, ...]


def _begun(data: bytes) -> _Begun:
    text, lossy = decode(data)
    lines = text.split("\n")
    body = front_matter(lines)
    within = lines[1 : body - 1] if body else []
    found = load("\n".join(within)) if body else None
    parts = tuple(documents(lines))
    # what only a parser can spell is looked for wherever there surely are properties
    parsed = [
        (within, found),
        *((part, load("\n".join(part))) for part, is_sure in parts if is_sure and part != within),
    ]
    noes = tuple(
        key
        for key in KEYS
        if any(key.is_said_in(*part) for part in parts) or any(_says_no(key, *part) for part in parsed)
    )
    return _Begun(text, lossy, lines, body, found, noes)


def _says_no(key: Key, lines: Sequence[str], found: Properties | None) -> bool:
    """Whether front matter says no; in what is broken nobody knows whose value a line is."""
    return key in found.noes if found is not None else key.says_no_anywhere(lines)


def note_of(page: Page, stem: str, found: Properties, lossy: bool, text: str, head: str = "") -> Note:
    """A note of what was read."""
    title = found.title or stem
    marks = page.marks
    if found.texts and (linked := tuple(_links(found))):
        marks = replace(marks, links=(*linked, *marks.links))
    tags: dict[str, str] = {}
    for tag in (*found.tags, *page.tags):
        tags.setdefault(tag.casefold(), tag)
    values, machine = _values(found)
    return Note(
        title,
        tuple(page.chunks),
        lossy,
        names=tuple(dict.fromkeys((stem, title, *found.aliases))),
        aliases=found.aliases,
        properties=found.values or EMPTY,
        tags=tuple(tags.values()),
        marks=marks,
        words="\n".join([*values, *page.words]),
        text=text,
        head=head,
        left_out=summed((*page.left_out, *machine)),
        remarks=found.remarks,
    )


def _values(found: Properties) -> tuple[list[str], list[LeftOut]]:
    """The values as words, and what of them no person wrote: a picture in a property, say."""
    values, left_out = list[str](), list[LeftOut]()
    for text, _ in found.texts:
        if len(text) < LEAST:
            values.append(text)
        else:
            kept, gone, count = strip_machine_text(text.split("\n"))
            values += [line for i, line in enumerate(kept) if i not in gone]
            left_out += count.told("machine_text")
    return values, left_out


def _links(found: Properties) -> Iterator[Link]:
    for text, line in found.texts:
        at = text.find("[[")
        while at >= 0:
            end = text.find("]]", at)
            if end < 0:
                break
            inner = text[text.rfind("[[", at, end) + 2 : end]
            if "\n" not in inner and inner.strip():
                target, subpath, alias = split_link(inner)
                yield Link(target, line + 2, "property", subpath, alias, text[at - 1 : at] == "!")
            at = text.find("[[", end)
