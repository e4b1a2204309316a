"""The graph of links in SQL: the same answers as the resolver's, and right after a rename without reading notes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from vragd.catalog import links as graph
from vragd.notes.chunk import read_note
from vragd.notes.links import Files, fold, looked_up, name_key
from vragd.notes.model import Link, Note

VAULTS = Path(__file__).parents[2] / "vaults"


def file_name(path: str) -> graph.FileName:
    return graph.FileName(path, fold(path), name_key(path))


def row(link: Link) -> graph.LinkRow:
    return graph.LinkRow(
        link.line, link.kind, link.embed, link.target, *looked_up(link.target), link.subpath, link.alias
    )


def notes_of(name: str) -> tuple[list[str], dict[str, Note]]:
    root = VAULTS / name
    found = [path.relative_to(root) for path in sorted(root.rglob("*")) if path.is_file()]
    paths = [path.as_posix() for path in found if not any(part.startswith(".") for part in path.parts)]
    wanted = [path for path in paths if path.endswith((".md", ".canvas"))]
    return paths, {path: read_note((root / path).read_bytes(), Path(path).stem, Path(path).suffix) for path in wanted}


@pytest.fixture
def db() -> Iterator[apsw.Connection]:
    connection = apsw.Connection(":memory:")
    connection.execute("create table source (id integer primary key) strict; insert into source values (1), (2)")
    connection.execute(graph.SCHEMA)
    graph.prepare(connection)
    yield connection
    connection.close()


def fill(db: apsw.Connection, paths: list[str], notes: dict[str, Note], source: int = 1) -> None:
    graph.add_files(db, source, map(file_name, paths))
    for path, note in notes.items():
        graph.swap_links(db, source, path, [*map(row, note.marks.links)], map(fold, note.aliases))


@pytest.mark.parametrize("name", ["rules", "kepano"])
def test_every_link_leads_where_the_resolver_says(db: apsw.Connection, name: str) -> None:
    paths, notes = notes_of(name)
    fill(db, paths, notes)
    fill(db, ["Twin.md", "Categories.md"], {}, source=2)  # links never cross vaults
    files = Files(paths, [(alias, path) for path, note in notes.items() for alias in note.aliases])
    everything = []
    for path, note in notes.items():
        edges = graph.edges_from(db, 1, path)
        wanted = [files.resolve(link, path) for link in note.marks.links]
        assert [(edge.how, edge.leads_to) for edge in edges] == [(each.how, each.path) for each in wanted], path
        everything += edges
    for path in paths:
        there = [edge for edge in everything if edge.leads_to == path and edge.how != "self"]
        assert graph.edges_to(db, 1, path) == there, path
    assert len(graph.unresolved(db, 1)) == sum(edge.how == "none" for edge in everything)


def test_a_rename_keeps_the_graph_right_and_reads_nothing(db: apsw.Connection) -> None:
    notes = {"a/A.md": read_note(b"[[B]] [[./C]] [[D]]", "A")}
    fill(db, ["a/A.md", "B.md", "a/C.md", "x/C.md"], notes)

    def leads() -> list[str | None]:
        return [edge.leads_to for path in ("a/A.md", "x/A.md") for edge in graph.edges_from(db, 1, path)]

    assert leads() == ["B.md", "a/C.md", None]
    graph.rename_file(db, 1, "B.md", file_name("D.md"))
    assert leads() == [None, "a/C.md", "D.md"]
    graph.rename_file(db, 1, "a/A.md", file_name("x/A.md"))
    assert leads() == [None, "x/C.md", "D.md"]
    graph.remove_file(db, 1, "D.md")
    assert leads() == [None, "x/C.md", None]
    graph.remove_file(db, 1, "x/A.md")
    assert leads() == []
