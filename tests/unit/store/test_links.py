"""The graph of links of a store: as the tables of the vault `rules` say, and right however files come and go."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from tests.depth import examples
from tests.graphs import Linked, leads
from tests.unit.notes.test_rules import VAULTS, rows
from tests.world import sql
from vragd.catalog.graph import Graph
from vragd.catalog.links import READER
from vragd.catalog.model import NO_STAMP, NoteChange
from vragd.catalog.schema import MIGRATIONS
from vragd.notes.chunk import read_note


@pytest.fixture
def vault(tmp_path: Path) -> Path:
    folder = tmp_path / "vault"
    folder.mkdir()
    return folder


@pytest.fixture
def linked(vault: Path, tmp_path: Path) -> Iterator[Linked]:
    made = Linked(vault, tmp_path / "store")
    yield made
    made.close()


def test_every_link_leads_where_the_table_says(tmp_path: Path) -> None:
    shutil.copytree(VAULTS / "rules", tmp_path / "rules")
    made = Linked(tmp_path / "rules", tmp_path / "store")
    made.look()
    expected = [(path, int(line), target, how, to) for path, line, target, _, how, to in rows(6)]
    assert made.rows() == sorted(expected)
    for path in {to for *_, to in expected if to}:
        there = sorted(row for row in expected if row[4] == path and row[0] != path)
        assert made.back(path) == there, path
    made.close()


def test_of_kepano_63_links_of_50_names_lead_nowhere_and_every_embed_leads_somewhere(tmp_path: Path) -> None:
    shutil.copytree(VAULTS / "kepano", tmp_path / "kepano")
    made = Linked(tmp_path / "kepano", tmp_path / "store")
    made.look()
    edges = made.edges()
    nowhere = [edge.link.target for edge in edges if edge.how == "none"]
    assert (len(nowhere), len(set(map(str.casefold, nowhere)))) == (63, 50)
    assert [edge.how for edge in edges if edge.link.embed] == ["path"] * 61
    made.close()


def test_a_source_that_is_a_folder_of_a_vault_has_the_roots_paths(tmp_path: Path) -> None:
    work = tmp_path / "Vault" / "Work"
    (work / "sub").mkdir(parents=True)
    (tmp_path / "Vault" / ".obsidian").mkdir()
    (work / "Note.md").write_text("[[Work/sub/Note]] [[sub/Note]] [[/Work/Note]] [[Other/Note]] [[../Above]]")
    (work / "sub" / "Note.md").write_text("[[Work/Note]] [[../Note]]")
    made = Linked(work, tmp_path / "store")
    made.look()
    assert [edge.to and edge.to.path for edge in made.edges()] == [
        "sub/Note.md", "sub/Note.md", "Note.md", None, None, "Note.md", "Note.md"
    ]  # fmt: skip
    made.close()


def test_vaults_inside_and_around_are_known_before_anything_is_scanned(tmp_path: Path) -> None:
    shutil.copytree(VAULTS / "rules", tmp_path / "Around" / "rules")
    shutil.rmtree(tmp_path / "Around" / "rules" / ".obsidian")
    (tmp_path / "Around" / ".obsidian").mkdir()
    made = Linked(tmp_path / "Around" / "rules", tmp_path / "store")
    made.look()
    made.store.proofs[made.source.id].remember()
    before, vaults = made.rows(), made.source.vaults
    assert vaults == (("Inner",), "rules/")
    made.close()
    made.open()
    assert (made.rows(), made.source.vaults) == (before, vaults)
    shutil.rmtree(made.vault / "Inner" / ".obsidian")
    made.look()
    assert made.source.vaults == ((), "rules/")
    made.close()


def test_a_link_keeps_the_headings_it_stands_under_and_what_is_shown(linked: Linked, vault: Path) -> None:
    text = "[[a]]\n# One\n[[b#c#d|shown]]\n## Two\n![[e]]\n# Three\n[f](g.md#^h)\n"
    (vault / "n.md").write_text(text)
    linked.look()
    links = [edge.link for edge in linked.edges()]
    assert [(link.heading, link.subpath, link.alias, link.embed, link.kind) for link in links] == [
        ((), "", "", False, "wiki"),
        (("One",), "c#d", "shown", False, "wiki"),
        (("One", "Two"), "", "", True, "wiki"),
        (("Three",), "^h", "f", False, "markdown"),
    ]


def test_files_come_go_and_move_and_no_linking_note_is_read_again(linked: Linked, vault: Path) -> None:
    (vault / "a").mkdir()
    (vault / "a" / "A.md").write_text("[[B]] [[./C]] ![[p.png]] [[D]]")
    for name in ("B.md", "a/C.md"):
        (vault / name).write_text(name)
    linked.look()

    def where() -> list[str]:
        return [to for *_, to in linked.rows()]

    assert sorted(where()) == ["", "", "B.md", "a/C.md"]
    (vault / "B.md").rename(vault / "D.md")
    (vault / "p.png").write_bytes(b"")
    assert linked.look() == ["B.md", "D.md"]
    assert sorted(where()) == ["", "D.md", "a/C.md", "p.png"]
    (vault / "p.png").rename(vault / "a" / "P.PNG")
    (vault / "a" / "C.md").unlink()
    assert linked.look() == ["a/C.md"]
    assert sorted(where()) == ["", "", "D.md", "a/P.PNG"]
    (vault / "a").rename(vault / "b")
    linked.look()
    assert {row[0] for row in linked.rows()} == {"b/A.md"}
    assert sorted(where()) == ["", "", "D.md", "b/P.PNG"]


def test_what_opts_out_is_excluded_or_withheld_is_named_by_nothing(tmp_path: Path, vault: Path) -> None:
    (vault / "hidden").mkdir()
    (vault / "n.md").write_text("[[Apart]] ![[secret.png]] [[Inside]] [[Kept]] [[Other name]]")
    (vault / "Apart.md").write_text("---\nvragd: false\naliases: [Other name]\n---\n[[n]]")
    (vault / "hidden" / "secret.png").write_bytes(b"")
    (vault / "hidden" / "Inside.md").write_text("[[n]]")
    (vault / "Kept.md").write_text("[[n]]")
    made = Linked(vault, tmp_path / "store", exclude=["hidden/"])
    made.look()
    assert [file.path for file in made.files()] == ["Kept.md", "n.md"]
    assert {(row[0], row[4]) for row in made.rows()} == {("n.md", ""), ("n.md", "Kept.md"), ("Kept.md", "n.md")}
    hidden = made.rows(lambda source, path: path == "Kept.md")
    assert {(row[0], row[4]) for row in hidden} == {("n.md", "")}
    (vault / "Apart.md").touch()  # what is only touched says no less
    (vault / "Kept.md").write_text("---\nvragd: false\n---\n[[n]]")
    made.look()
    assert [file.path for file in made.files()] == ["n.md"]
    made.close()


def test_a_note_that_was_never_read_is_named_by_nothing(linked: Linked, vault: Path) -> None:
    (vault / "n.md").write_text("[[broken]]")
    linked.look()
    failed = NoteChange(
        linked.source.id, "broken.md", linked.store.catalog.next_seq(), NO_STAMP, racy=False, digest=None, title="",
        space_id=None, state="failed", reason="eacces", chunks=None,
    )  # fmt: skip
    linked.store.catalog.commit(0, [failed])
    assert [file.path for file in linked.files()] == ["n.md"]
    assert [row[3] for row in linked.rows()] == ["none"]


def test_a_root_that_is_replaced_proves_no_attachment_gone(linked: Linked, vault: Path) -> None:
    (vault / "n.md").write_text("![[p.png]]")
    (vault / "p.png").write_bytes(b"")
    linked.look()
    vault.rename(vault.with_name("away"))
    vault.mkdir()
    linked.look()
    linked.store.note_seen(linked.source, [], ["p.png"])
    assert linked.store.reader.attachments(linked.source.id) == {"p.png"}
    vault.rmdir()
    vault.with_name("away").rename(vault)


def test_an_event_of_an_attachment_is_believed_like_a_scan(linked: Linked, vault: Path) -> None:
    (vault / "n.md").write_text("![[p.png]]")
    linked.look()
    (vault / "p.png").write_bytes(b"")
    come, gone = linked.store.look_at(linked.source, ["p.png", "never.png", "n.md"])
    assert (come, gone) == (["p.png"], [])
    linked.store.note_seen(linked.source, come, gone)
    assert [row[4] for row in linked.rows()] == ["p.png"]
    generation = linked.store.reader.generation()
    assert linked.store.look_at(linked.source, ["p.png"]) == ([], [])
    linked.store.note_seen(linked.source, ["p.png"], [])
    assert linked.store.reader.generation() == generation
    (vault / "p.png").unlink()
    linked.store.note_seen(linked.source, *linked.store.look_at(linked.source, ["p.png"]))
    assert [row[4] for row in linked.rows()] == [""]


def test_what_another_reader_of_links_read_is_read_again_and_nothing_is_embedded(linked: Linked, vault: Path) -> None:
    (vault / "n.md").write_text("[[A]] and more\n")
    (vault / "A.md").write_text("---\naliases: [Other]\n---\ntext")
    (vault / "Apart.md").write_text("---\nvragd: false\n---\ntext")
    linked.look()
    before = linked.rows()
    linked.close()
    for statement in ("delete from link", "delete from note_alias", "update note set links_read = 0, named = 0"):
        sql(linked.folder, statement)
    linked.open()
    linked.embedder.texts.clear()
    with linked.store.reader.snapshot() as now:
        assert Graph(now.db).n_unread() == 3
    assert linked.look() == ["A.md", "Apart.md", "n.md"]
    assert (linked.rows(), linked.embedder.texts) == (before, [])
    assert linked.look() == []
    assert sql(linked.folder, "select distinct links_read from note") == [(READER,)]
    assert [file.path for file in linked.files()] == ["A.md", "n.md"]


def test_a_save_writes_only_the_links_that_differ(linked: Linked, vault: Path) -> None:
    note = vault / "n.md"
    note.write_text("[[A]]\n[[B]]\n[[C]]\n")
    linked.look()
    for text, expected in (
        ("[[A]]\n[[X]]\n[[C]]\n", ["A", "X", "C"]),
        ("above\n[[A]]\n[[C]]\n", ["A", "C"]),
        ("", []),
        ("[[C]]\n[[D]]", ["C", "D"]),
    ):
        note.write_text(text)
        linked.look()
        assert [edge.link.target for edge in linked.edges()] == expected
        found = read_note(text.encode(), "n").marks.links
        assert [edge.link.line for edge in linked.edges()] == [link.line for link in found]


def test_a_source_that_is_configured_no_longer_takes_its_attachments_along(linked: Linked, vault: Path) -> None:
    (vault / "p.png").write_bytes(b"")
    linked.look()
    linked.store.catalog.forget_source(linked.source.id)
    assert sql(linked.folder, "select count(*) from attachment") == [(0,)]


def test_the_migration_is_undone_by_a_crash_and_done_again(tmp_path: Path) -> None:
    shutil.copytree(VAULTS.parent / "data" / "schema_6" / "store", tmp_path / "store")
    db = apsw.Connection(str(tmp_path / "store" / "catalog.db"))
    db.execute("begin")
    MIGRATIONS[6](db)
    assert list(db.execute("select path, link_name, named from note order by path")) == [
        (b"Alpha.md", "alpha", 1), (b"Apart.md", "apart", 0), (b"Beta.md", "beta", 1), (b"sub/Gamma.md", "gamma", 1)
    ]  # fmt: skip
    assert list(db.execute("select key from note_alias")) == [("second name",)]
    db.execute("rollback")
    assert "link_name" not in str(list(db.execute("select sql from sqlite_master")))
    db.close()


# -- any vault -------------------------------------------------------------------------------------

NAMES = ("A", "a", "B", "Ü", "U\u0308", "C.d", "Long name", "x.md")
FOLDERS = ("", "f/", "f/g/", "F2/")
TARGETS = (*NAMES, "f/A", "g/B", "../B", "./A", "/A", "p.png", "f/p.png", "other", "C.d.md", "A.md", "", "#h", "f/")


@st.composite
def notes(draw: st.DrawFn) -> str:
    targets = draw(st.lists(st.sampled_from(TARGETS), max_size=4))
    alias = draw(st.sampled_from(["", "other", "B", "Other"]))
    links = " ".join(f"[[{target}]]" if target else "[[#here]]" for target in targets)
    return (f"---\naliases: [{alias}]\n---\n" if alias else "") + links


paths = st.builds("{}{}{}".format, st.sampled_from(FOLDERS), st.sampled_from(NAMES), st.sampled_from([".md", ".MD"]))
pictures = st.builds("{}{}".format, st.sampled_from(FOLDERS), st.sampled_from(["p.png", "P.png", "A", "q.base"]))
steps = st.one_of(
    st.tuples(st.just("write"), paths, notes()),
    st.tuples(st.just("attach"), pictures, st.just("")),
    st.tuples(st.just("remove"), st.one_of(paths, pictures), st.just("")),
    st.tuples(st.just("rename"), paths, paths),
    st.tuples(st.just("rename"), pictures, pictures),
    st.tuples(st.just("folder"), st.sampled_from(FOLDERS[1:]), st.sampled_from(["f/g", "z", "F2/y"])),
)


def do(vault: Path, step: tuple[str, str, str]) -> None:
    what, one, other = step
    path, to = vault / one.rstrip("/"), vault / other
    path.parent.mkdir(parents=True, exist_ok=True)
    if what in ("write", "attach") and not path.is_dir():
        path.write_text(other)
    elif what == "remove" and path.is_file():
        path.unlink()
    elif (what == "rename" and path.is_file() and not to.is_dir()) or (
        what == "folder" and path.is_dir() and not to.exists() and not f"{other}/".startswith(one)
    ):
        to.parent.mkdir(parents=True, exist_ok=True)
        path.rename(to)


@examples(12, 25, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(steps, min_size=1, max_size=6), min_size=1, max_size=4))
def test_after_any_changes_the_graph_is_that_of_a_fresh_index_and_of_the_rules(
    tmp_path_factory: pytest.TempPathFactory, rounds: list[list[tuple[str, str, str]]]
) -> None:
    home = tmp_path_factory.mktemp("any")
    vault = home / "vault"
    vault.mkdir()
    (vault / "stays.md").write_text("[[A]] [[B]] [[other]] ![[p.png]]")
    made = Linked(vault, home / "store")
    for some in rounds:
        for step in some:
            do(vault, step)
        made.look()
    fresh = Linked(vault, home / "fresh")
    fresh.look()
    found = made.rows()
    assert found == fresh.rows()
    files = [path.relative_to(vault).as_posix() for path in vault.rglob("*") if path.is_file()]
    read = {path: read_note((vault / path).read_bytes(), "n") for path in files if path.lower().endswith(".md")}
    aliases = [(alias, path) for path, note in read.items() for alias in note.aliases]
    expected = [
        (path, link.line, link.target, *leads(link.target, path, files, aliases))
        for path, note in read.items()
        for link in note.marks.links
    ]
    assert found == sorted(expected)
    for path in files:
        assert made.back(path) == [row for row in found if row[4] == path and row[0] != path], path
    made.close()
    fresh.close()
    shutil.rmtree(home)
