"""What people see of links."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vragd.cli.links import named, print_links
from vragd.cli.main import main


def file(path: str) -> dict[str, Any]:
    return {"store": "notes", "source": "Vault", "path": path, "title": path, "path_b64": None}


def link(of: str, line: int, to: str = "", **more: Any) -> dict[str, Any]:
    made = {
        "of": file(of), "line": line, "to": file(to) if to else None, "target": to.removesuffix(".md") or "Never",
        "how": "path" if to else "none", "heading": [], "kind": "wiki", "embed": False, "subpath": "", "alias": "",
        "missing": False,
    }  # fmt: skip
    return made | more


def answer(**more: Any) -> dict[str, Any]:
    counts = dict.fromkeys(("links", "path", "alias", "self", "none", "names", "notes", "orphans"), 0)
    lists = {part: list[Any]() for part in ("out", "back", "unresolved", "misplaced", "names", "orphans")}
    empty = {"note": None, "place": "", **lists}
    said = {"counts": counts, "n_unread": 0, "generation": 1, "pending": 0, "degraded": []}
    return {**empty, **said, **more}


def test_of_a_note_each_link_has_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    going = [
        link("A.md", 3, "B.md", subpath="One#Two", heading=["Top", "Deep"]),
        link("A.md", 4, "A.md", how="self", subpath="Here", missing=True),
        link("A.md", 5, "C.md", how="alias", target="See"),
        link("A.md", 6, "p.png", embed=True),
    ]
    coming = [
        link("D.md", 9, "A.md", kind="property", subpath="^x", missing=True),
        link("E.md", 1, "A.md", how="alias", target="a"),
    ]
    told = answer(note=file("A.md"), place="Top", out=going, back=coming, unresolved=[link("A.md", 12)])
    print_links(told)
    assert capsys.readouterr().out.splitlines() == [
        "Vault/A.md#Top",
        "links to (4)",
        "     3  Vault/B.md#One#Two  under Top › Deep",
        "     4  #Here  (no such heading)",
        "     5  Vault/C.md  via alias 'See'",
        "     6  Vault/p.png  embedded",
        "linked from (2)",
        "  Vault/D.md:9  #^x  (no such block)  in a property",
        "  Vault/E.md:1  via alias 'a'",
        "leads nowhere (1)",
        "    12  Never",
    ]
    print_links(told, unresolved=True)
    assert capsys.readouterr().out.splitlines() == [
        "Vault/A.md#Top",
        "leads to no such place (1)",
        "     4  #Here  (no such heading)",
        "leads nowhere (1)",
        "    12  Never",
    ]


def test_of_everything_names_come_with_their_places_and_counts_go_beside(capsys: pytest.CaptureFixture[str]) -> None:
    counts = answer()["counts"] | {"links": 9, "notes": 3, "none": 6, "names": 2, "alias": 1, "orphans": 1}
    nowhere = [link(f"{i}.md", i, target="Gone" if i % 2 else "gone") for i in range(5)] + [link("x.md", 1)]
    names = [{"name": "gone", "count": 5}, {"name": "Never", "count": 1}]
    said = "9 links in 3 notes: 6 to nowhere (2 names), 1 by an alias; 1 note that no other links to"
    print_links(answer(counts=counts, unresolved=nowhere, names=names), unresolved=True)
    seen = capsys.readouterr()
    assert seen.out.splitlines() == [
        "   5  gone  (Vault/0.md:0, Vault/1.md:1, Vault/2.md:2, and 2 more)",
        "   1  Never  (Vault/x.md:1)",
    ]
    assert seen.err.splitlines() == [said]
    misplaced = [
        link("B.md", 3, "A.md", subpath="Old", missing=True),
        link("A.md", 4, how="self", subpath="[^1]", missing=True),
    ]
    print_links(answer(counts=counts, misplaced=misplaced), unresolved=True)
    assert capsys.readouterr().out.splitlines() == [
        "leads to no such place (2)",
        "  Vault/B.md:3  Vault/A.md#Old  (no such heading)",
        "  Vault/A.md:4  #[^1]  (no such footnote)",
    ]
    print_links(answer(counts=counts, orphans=[file("o.md")]), orphans=True)
    assert capsys.readouterr().out.splitlines() == ["Vault/o.md"]
    print_links(answer(counts=counts))
    assert (seen := capsys.readouterr()).out.splitlines() == [said]
    assert "--unresolved lists what leads nowhere, --orphans what no other links to" in seen.err


def test_a_note_without_links_that_lead_nowhere_is_said_to_have_none(capsys: pytest.CaptureFixture[str]) -> None:
    print_links(answer(note=file("A.md")), unresolved=True)
    assert capsys.readouterr().err.splitlines() == ["no link of it leads nowhere"]


def test_of_lines_without_links_it_is_not_said_that_the_note_has_none(capsys: pytest.CaptureFixture[str]) -> None:
    print_links(answer(note=file("A.md"), lines=[18, 64]))
    print_links(answer(note=file("A.md"), place="Other"), unresolved=True)
    assert capsys.readouterr().err.splitlines() == [
        "this part of it links to no note, and none links to this part of it",
        "no link of this part of it leads nowhere",
    ]


def test_what_the_answer_may_lack_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    print_links(answer(note=file("A\nB.md"), n_unread=2, pending=1, degraded=["initial_scan"]))
    seen = capsys.readouterr()
    assert seen.out.splitlines() == ["Vault/A\ufffdB.md"]
    for part in (
        "it links to no note, and none links to it",
        "links of 2 notes are still to be read",
        "1 file is still to be",
        "still being looked through",
    ):
        assert part in seen.err


def test_orphans_of_one_note_are_refused_and_so_is_an_empty_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["links", "A", "--orphans"]) == 2
    assert main(["links", ""]) == 2
    said = capsys.readouterr().err
    assert "orphans are of all notes" in said
    assert "what is given for note is empty" in said


def test_a_path_from_the_current_folder_is_asked_for_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "A.md").touch()
    monkeypatch.chdir(tmp_path)
    assert named("./A.md") == str(tmp_path.resolve() / "A.md")
    assert named("./B.md") == "./B.md"
    assert named("A.md") == "A.md"
    assert named(None) == ""
