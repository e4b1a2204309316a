"""What people see of related notes."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from tests.unit.cli.test_links import file
from vragd.cli.similar import print_as, print_related, text_of
from vragd.errors import UsageError


def hit(path: str, *linked: str, **more: Any) -> dict[str, Any]:
    made = {"note": file(path), "score": 0.5, "linked": list(linked), "id": "0abcdefg", "heading": ["Top"]}
    return {**made, "lines": [3, 9], "modified": 0.0, **more}


def test_each_has_its_place_its_id_and_whether_it_is_linked(capsys: pytest.CaptureFixture[str]) -> None:
    hits = [
        hit("A.md", modified=86_400.0),
        hit("B.md", "out"),
        hit("C.md", "back"),
        hit("D.md", "out", "back", id="", heading=[]),
    ]
    print_related({"hits": hits, "pending": 0, "degraded": []})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("1. A.md  Top  (0.500, changed 19")
    assert lines[1] == "   Vault/A.md:3-9  0abcdefg"
    assert lines[2].endswith(", linked)")
    assert lines[4].endswith(", links here)")
    assert lines[6].endswith(", linked, links here)")
    assert lines[7] == "   Vault/D.md"
    print_related({"hits": [], "pending": 1, "degraded": ["initial_scan"]})
    said = capsys.readouterr().err
    assert all(part in said for part in ("no related notes", "1 file is", "still being looked through"))


def test_a_name_that_no_note_has_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    unknown = [{"kind": "folder", "name": "Kitchn", "nearest": "Kitchen"}]
    print_related({"hits": [], "unknown": unknown, "pending": 0, "degraded": []})
    for name in ("paths", "jsonl"):
        print_as(name, {"hits": [], "unknown": unknown, "pending": 0, "degraded": []})
    told = capsys.readouterr()
    assert told.err.count("no note is in the folder 'Kitchn' (did you mean 'Kitchen'?)") == 3
    assert "Kitch" not in told.out


def test_copies_are_counted_below_the_one_that_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    print_related({"hits": [hit("A.md", copies=[file("B.md"), file("C.md")])], "pending": 0, "degraded": []})
    assert capsys.readouterr().out.splitlines()[2] == "   the same in 2 other places: Vault/B.md, Vault/C.md"


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("md", ["1. [A.md › Top](obsidian://a)", "2. B.md › Top"]),
        ("paths", ["/vault/A.md", "Vault/B.md"]),
        ("csv", [f"0.5,notes,Vault,{end}" for end in (
            "A.md,3,9,A.md,Top,0abcdefg,,/vault/A.md,", "B.md,3,9,B.md,Top,0abcdefg,,,",
        )]),
    ],
)  # fmt: skip
def test_they_are_written_as_hits_are(name: str, lines: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    opens = {"uri": "obsidian://a", "file": "/vault/A.md", "copies": [file("C.md")]}
    print_as(name, {"hits": [hit("A.md", **opens), hit("B.md", uri="", file="")], "pending": 0, "degraded": []})
    assert capsys.readouterr().out.splitlines()[-2:] == lines


def test_as_lines_of_json_they_are_as_the_daemon_answers(capsys: pytest.CaptureFixture[str]) -> None:
    hits = [hit("A.md", copies=[file("B.md")]), hit("C.md")]
    print_as("jsonl", {"hits": hits, "pending": 0, "degraded": []})
    assert list(map(json.loads, capsys.readouterr().out.splitlines())) == hits


@pytest.mark.parametrize(("text", "said"), [(" \n", "there is no text"), ("x" * 40_001, "more than 40,000")])
def test_a_text_that_is_none_or_too_long_is_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        text_of(io.BytesIO(text.encode()))
