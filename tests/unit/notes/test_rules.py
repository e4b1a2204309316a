"""Obsidian's rules, each in a note of the vault `rules` with what is expected in the tables beside it."""

from __future__ import annotations

import json
import re
from datetime import date
from functools import cache
from pathlib import Path

import pytest

from vragd.notes.chunk import read_note
from vragd.notes.links import Files, Resolved, heading_key, name_key, same_heading
from vragd.notes.model import Link, Note

VAULTS = Path(__file__).parents[2] / "vaults"


def rows(n_columns: int) -> list[tuple[str, ...]]:
    """The rows of the table with so many columns."""
    lines = (VAULTS / "rules.md").read_text("utf-8").splitlines()
    cells = [tuple(cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]) for line in lines if line[:1] == "|"]
    return [row for row in cells if len(row) == n_columns and row[0] not in ("note", "---")]


@cache
def vault(name: str) -> tuple[dict[str, Note], Files]:
    root = VAULTS / name
    found = [path.relative_to(root) for path in sorted(root.rglob("*")) if path.is_file()]
    paths = [path.as_posix() for path in found if not any(part.startswith(".") for part in path.parts)]
    types = json.loads((root / ".obsidian" / "types.json").read_text("utf-8"))["types"]
    notes = {
        path: read_note((root / path).read_bytes(), Path(path).stem, Path(path).suffix, types)
        for path in paths
        if path.endswith((".md", ".canvas"))
    }
    return notes, Files(paths, [(alias, path) for path, note in notes.items() for alias in note.aliases])


def test_every_link_leads_where_the_table_says() -> None:
    notes, files = vault("rules")
    found = []
    for path, note in notes.items():
        for link in note.marks.links:
            leads = files.resolve(link, path)
            found.append((path, str(link.line), link.target, leads.how, leads.path or ""))
    assert sorted(found) == sorted(rows(5))


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
    return note.properties[what.removeprefix("property ")]


@pytest.mark.parametrize(("path", "what", "expected"), rows(3))
def test_a_value_is_what_the_table_says(path: str, what: str, expected: str) -> None:
    found = value(vault("rules")[0][path], what)
    as_json = json.loads(json.dumps(found, default=lambda day: day.isoformat() if isinstance(day, date) else None))
    assert as_json == json.loads(expected)


def test_what_is_embedded_of_a_note_is_its_words() -> None:
    (chunk,) = vault("rules")[0]["Values.md"].chunks
    assert chunk.lines == (21, 51)
    for mark in ("hidden", "unseen", "not this", "[!", "^named", "[^1]", "[x]", "[ ] ", "%%", "---", "> "):
        assert mark not in chunk.embed_text, mark
    for word in ("Take care", "Quoted words", "an inline one", "done task", "What stands below", "Seen  again"):
        assert word in chunk.embed_text, word
    assert "A hidden sentence." in vault("rules")[0]["Values.md"].words


def test_of_kepano_63_links_of_50_names_lead_nowhere_and_every_embed_leads_somewhere() -> None:
    notes, files = vault("kepano")
    links = [(path, link) for path, note in notes.items() for link in note.marks.links]
    nowhere = [link for path, link in links if files.resolve(link, path).how == "none"]
    assert (len(nowhere), len({name_key(link.target) for link in nowhere})) == (63, 50)
    assert sum(link.embed for _, link in links) == 61
    assert not any(link.embed for link in nowhere)


def test_of_equally_short_paths_the_first_of_the_alphabet_is_taken() -> None:
    assert Files(["b/N.md", "a/N.md", "c/N.md"]).resolve(Link("N", 1), "x.md") == Resolved("path", "a/N.md")


def test_a_name_with_a_dot_is_a_note_and_an_ending_is_no_part_of_another() -> None:
    files = Files(["v1.2.md", "Note.md.md", "a.canvas", "b.canvas.md"])
    assert files.resolve(Link("v1.2", 1), "x.md").path == "v1.2.md"
    assert files.resolve(Link("Note.md", 1), "x.md").path == "Note.md.md"
    assert files.resolve(Link("b.canvas", 1), "x.md").path == "b.canvas.md"
    assert files.resolve(Link("ote", 1), "x.md").how == "none"


@pytest.mark.parametrize("target", ["..", "../", "/", ".", "a/..", "\\", "//", "a//b", "#", " "])
def test_a_strange_target_leads_nowhere_and_raises_nothing(target: str) -> None:
    assert Files(["a.md", "b/c.md"]).resolve(Link(target, 1), "b/c.md").how == "none"


def test_headings_are_compared_without_marks_and_case() -> None:
    assert same_heading("What: it *is*?", "what it   is")
    assert heading_key("Über  [[uns]]") == "über uns"
    assert not same_heading("A", "B")
