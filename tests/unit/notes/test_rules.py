"""Obsidian's rules, each in a note of the vault `rules` with what is expected in the tables beside it."""

from __future__ import annotations

import json
import re
from datetime import date
from functools import cache
from pathlib import Path

import pytest

from vragd.notes.chunk import read_note
from vragd.notes.model import Note
from vragd.search.typed import typed
from vragd.vault.types import kinds_in

VAULTS = Path(__file__).parents[2] / "vaults"
TYPES = dict(kinds_in((VAULTS / "rules/.obsidian/types.json").read_bytes()))


def rows(n_columns: int) -> list[tuple[str, ...]]:
    """The rows of the table with so many columns."""
    lines = (VAULTS / "rules.md").read_text("utf-8").splitlines()
    cells = [tuple(cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]) for line in lines if line[:1] == "|"]
    return [row for row in cells if len(row) == n_columns and row[0] not in ("note", "---")]


@cache
def vault(name: str) -> dict[str, Note]:
    root = VAULTS / name
    return {
        path.relative_to(root).as_posix(): read_note(path.read_bytes(), path.stem, path.suffix)
        for path in sorted(root.rglob("*"))
        if path.suffix in (".md", ".canvas")
    }


def test_every_link_is_read_as_the_table_says() -> None:
    found = [
        (path, str(link.line), link.target, f"{'embed, ' if link.embed else ''}{link.kind}")
        for path, note in vault("rules").items()
        for link in note.marks.links
    ]
    assert sorted(found) == sorted(row[:4] for row in rows(6))


def test_of_kepano_148_links_are_read_134_in_properties_and_61_embeds() -> None:
    links = [link for note in vault("kepano").values() for link in note.marks.links]
    wiki = [link for link in links if link.target]
    assert sum(link.kind == "property" for link in wiki) == 134
    assert sum(link.embed for link in links) == 61


def value(note: Note, what: str) -> object:
    marks = note.marks
    match what:
        case "tags" | "aliases" | "remarks":
            return getattr(note, what)
        case "fields":
            return [f"{each.key}={each.value}" for each in marks.fields]
        case "tasks":
            return [each.state + each.text for each in marks.tasks]
        case "callouts":
            return [f"{each.kind}={each.title}" for each in marks.callouts]
        case "block ids":
            return [name for name, _ in marks.block_ids]
        case "footnotes":
            return [name for name, _ in marks.footnotes]
        case "headings":
            return [each.title for each in marks.headings]
        case "left out":
            return [f"{each.reason} {each.n_lines}" for each in note.left_out]
    name = what.removeprefix("property ")
    return typed(note.properties[name], TYPES.get(name, ""))


@pytest.mark.parametrize(("path", "what", "expected"), rows(3))
def test_a_value_is_what_the_table_says(path: str, what: str, expected: str) -> None:
    found = value(vault("rules")[path], what)
    as_json = json.loads(json.dumps(found, default=lambda day: day.isoformat() if isinstance(day, date) else None))
    assert as_json == json.loads(expected)


def test_what_is_embedded_of_a_note_is_its_words() -> None:
    (chunk,) = vault("rules")["Values.md"].chunks
    assert chunk.lines == (21, 51)
    for mark in ("hidden", "unseen", "not this", "[!", "^named", "[^1]", "[x]", "[ ] ", "%%", "---", "> "):
        assert mark not in chunk.embed_text, mark
    for word in ("Take care", "Quoted words", "an inline one", "done task", "What stands below", "Seen  again"):
        assert word in chunk.embed_text, word
    assert "A hidden sentence." in vault("rules")["Values.md"].words
