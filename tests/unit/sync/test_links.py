"""What a note links to as rows, and what a scan says of the files beside the notes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.world import World
from vragd.notes.chunk import read_note
from vragd.sync.links import MAX_LINKS, compare_attachments, link_rows
from vragd.vault.ignore import Rules
from vragd.vault.read import StatKey
from vragd.vault.scan import MAX_ATTACHMENTS, Scan, scan

RULES = Rules(("*.md",), ("hidden/",), ("/^vague\\/(unclosed/",))
STAMP = StatKey(1, 2, 3, 4)


def test_a_link_stands_under_the_headings_above_it() -> None:
    note = read_note(b"[[a]]\n## Deep\n[[b]]\n# Top\n[[c]]\n### Far\n[[d]]\n> # Quoted\n[[e]]\n# Last #\n", "n")
    assert [(row.target, row.heading) for row in link_rows(note)] == [
        ("a", ()), ("b", ("Deep",)), ("c", ("Top",)), ("d", ("Top", "Far")), ("e", ("Top", "Far"))
    ]  # fmt: skip


def test_no_more_links_are_kept_than_a_person_writes() -> None:
    assert len(link_rows(read_note(b"[[a]] " * (MAX_LINKS + 5), "n"))) == MAX_LINKS


@pytest.mark.parametrize(
    "data", [b"[x](%ED%A0%80.md) [[\xed\xa0\x80]]", b'---\na: "[[\\uD83D]]"\n---\n', b"[[a\x00b]] " + 200 * b"x"]
)
def test_what_is_no_text_is_a_link_that_can_be_kept(tmp_path: Path, data: bytes) -> None:
    for row in link_rows(read_note(data, "n")):
        row.target.encode()
    world = World(tmp_path)
    (world.vault / "n.md").write_bytes(data)
    assert world.apply("n.md").n_failed == 0
    world.store.close()


def found(*paths: str, **more: object) -> Scan:
    made = Scan("", attachments=set(paths))
    for name, value in more.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize(
    ("scanned", "known", "come", "gone"),
    [
        (found("a.png", "b/c.png", believed=True), {"a.png", "d.png"}, ["b/c.png"], ["d.png"]),
        (found("a.png"), {"d.png"}, ["a.png"], []),  # what it misses is not believed to be gone
        (found(believed=True, crowded=True), {"d.png"}, [], []),
        (found(believed=True, stopped=True), {"d.png"}, [], []),
        (found(believed=True, unreadable={"b": "eacces"}), {"b/c.png", "d.png"}, [], ["d.png"]),
        (found(believed=True, withheld={"d.png"}), {"d.png"}, [], []),
        (found(notes={"d.md": STAMP}), {"d.md"}, [], ["d.md"]),
        (found(), {"hidden/d.png", "x.tmp", "d.png"}, [], ["hidden/d.png", "x.tmp"]),
    ],
)
def test_what_is_gone_is_gone_by_proof_or_by_the_rules(
    scanned: Scan, known: set[str], come: list[str], gone: list[str]
) -> None:
    attached = compare_attachments(scanned, known, RULES)
    assert (attached.come, sorted(attached.gone), bool(attached)) == (come, gone, bool(come or gone))


def test_of_a_source_no_more_are_known_than_the_bound() -> None:
    known = {f"{i}" for i in range(MAX_ATTACHMENTS)}
    attached = compare_attachments(found(*known, "new.png", believed=True), known, RULES)
    assert (attached.come, attached.gone) == ([], [])


def test_a_scan_finds_the_files_that_are_no_notes_and_nothing_that_is_hidden(tmp_path: Path) -> None:
    known, hidden = ("a.md", "p.png", "b/q.base", "b/r"), ("hidden/s.png", ".obsidian/u.json", "v.tmp", ".w.png")
    for path in (*known, *hidden, "vague/t.png"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch()
    (tmp_path / "link.png").symlink_to(tmp_path / "p.png")
    made = scan(tmp_path, RULES)
    assert ({*made.notes} | made.attachments, made.withheld) == ({*known}, {"vague/t.png"})
    assert RULES.hidden("hidden/deep/x.png") == "excluded_by_config"
    assert RULES.hidden("b/x.png") is None
    assert RULES.hidden(".git/x.png") == "dot_folder"
