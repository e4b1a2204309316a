"""What people see of tags, properties, tasks, what changed last, and headings; and what is asked for them."""

from __future__ import annotations

import time
from typing import Any

import pytest

from vragd.cli.lists import print_list, print_outline, print_properties, print_recent, print_tags, print_tasks
from vragd.cli.main import FILTERED, main, parser
from vragd.cli.query import guarded

FILE = {"store": "notes", "source": "Vault", "path": "Work/a\nb.md", "title": "a", "path_b64": None}
STATE = {"n_unread": 0, "generation": 1, "pending": 0, "degraded": [], "n_notes": 12, "unknown": []}


def test_a_tag_has_its_count_and_that_of_itself_where_others_are_nested_in_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tags = [{"name": "Work", "count": 1200, "own": 3}, {"name": "Work/deep", "count": 2, "own": 2}]
    print_tags(STATE | {"tags": tags, "n_tagged": 5})
    seen = capsys.readouterr()
    assert seen.out.splitlines() == ["1200  #Work  (3 itself)", "   2  #Work/deep"]
    assert seen.err.splitlines() == ["2 tags in 5 of 12 notes"]


def test_a_property_has_its_types_and_one_that_is_named_its_values(capsys: pytest.CaptureFixture[str]) -> None:
    properties = [
        {"name": "status", "count": 5, "types": {"text": 4, "empty": 1}},
        {"name": "when", "count": 1, "types": {"date": 1}},
    ]
    print_properties(STATE | {"properties": properties, "values": []})
    seen = capsys.readouterr()
    assert seen.out.splitlines() == ["   5  status  (4 text, 1 empty)", "   1  when  (date)"]
    assert seen.err.splitlines() == ["2 properties in 12 notes"]
    values = [
        {"value": "a\nb", "type": "text", "count": 3},
        {"value": "", "type": "empty", "count": 1},
        {"value": "", "type": "text", "count": 1},
    ]
    print_properties(STATE | {"properties": properties[:1], "values": values})
    seen = capsys.readouterr()
    assert seen.out.splitlines() == ["   3  a\ufffdb", "   1  no value", '   1  ""']
    assert seen.err.splitlines() == ["status: 3 values in 5 notes (4 text, 1 empty)"]
    values = [{"value": "3", "type": "number", "count": 3}, {"value": "", "type": "list", "count": 1}]
    print_properties(STATE | {"properties": properties[:1], "values": values})
    assert capsys.readouterr().out.splitlines() == ["   3  3  (number)", "   1  an empty list  (list)"]


def test_a_task_has_its_place_and_headings(capsys: pytest.CaptureFixture[str]) -> None:
    task = {"of": FILE, "line": 7, "state": " ", "done": False, "text": "call", "heading": ["A", "B"]}
    tasks = [task, task | {"state": "x", "heading": []}]
    print_tasks(STATE | {"tasks": tasks, "counts": {"todo": 1, "done": 2, "notes": 1}})
    seen = capsys.readouterr()
    assert seen.out.splitlines() == [
        "Vault/Work/a\ufffdb.md:7  [ ] call  under A › B",
        "Vault/Work/a\ufffdb.md:7  [x] call",
    ]
    assert seen.err.splitlines() == ["1 open task, 2 done, in 1 note"]


def test_what_changed_has_its_time_and_a_heading_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    at = time.mktime((2026, 4, 9, 12, 30, 0, 0, 0, -1))
    print_recent(STATE | {"notes": [{"note": FILE, "modified": at}]})
    seen = capsys.readouterr()
    assert seen.out.splitlines() == ["2026-04-09 12:30  Vault/Work/a\ufffdb.md"]
    assert seen.err.splitlines() == ["1 of 12 notes"]
    headings = [{"line": 3, "level": 1, "text": "A"}, {"line": 12, "level": 3, "text": "B"}]
    print_outline(STATE | {"note": FILE, "place": "A", "headings": headings})
    seen = capsys.readouterr()
    assert seen.out.splitlines() == ["Vault/Work/a\ufffdb.md#A", "   3  A", "  12      B"]
    assert seen.err.splitlines() == ["2 headings"]
    print_outline(STATE | {"note": FILE, "place": "", "headings": []})
    assert capsys.readouterr().err.splitlines() == ["0 headings"]


def asked(*words: str) -> tuple[str, Any]:
    args = parser(words[0]).parse_args(guarded(words) if words[0] in FILTERED else words)
    return args.what, args.asked(args)


def test_what_is_typed_is_what_is_asked() -> None:
    every = {"stores": [], "sources": [], "folder": "", "where": ""}
    some = {"stores": ["n"], "sources": ["V"], "folder": "Work", "where": "-tag:x"}
    narrow = ("-s", "n", "--source", "V", "--folder", "Work", "--where", "-tag:x")
    assert asked("tags") == ("tags", every | {"sort": "count"})
    assert asked("tags", *narrow, "--sort", "name") == ("tags", some | {"sort": "name"})
    assert asked("properties") == ("properties", every | {"name": "", "sort": "count"})
    assert asked("properties", "Status", *narrow) == ("properties", some | {"name": "Status", "sort": "count"})
    assert asked("tasks") == ("tasks", every | {"state": "todo"})
    for state in ("todo", "done", "all"):
        assert asked("tasks", f"--{state}", *narrow) == ("tasks", some | {"state": state})
    assert asked("recent") == ("recent", every | {"top_k": 10})
    assert asked("recent", "-k", "3", *narrow) == asked("recent", "-k3", *narrow) == ("recent", some | {"top_k": 3})
    assert asked("outline", "A#B", "-s", "n") == ("outline", {"note": "A#B", "stores": ["n"], "sources": []})


def test_what_an_answer_may_lack_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    unknown = [{"kind": "tag", "name": "wrok", "nearest": "work"}]
    lacks = {"n_unread": 2, "pending": 1, "degraded": ["initial_scan"], "unknown": unknown}
    print_list("tags", STATE | {"tags": [], "n_tagged": 0} | lacks)
    said = capsys.readouterr().err
    for part in (
        "no note has the tag 'wrok' (did you mean 'work'?)",
        "2 notes are still to be read",
        "1 file is still",
    ):
        assert part in said
    assert "still being looked through" in said
    print_list("outline", {"note": FILE, "place": "", "headings": [], "n_unread": 0, "pending": 0, "degraded": []})
    assert capsys.readouterr().err.splitlines() == ["0 headings"]


@pytest.mark.parametrize("words", [("tags", "--where", ""), ("properties", ""), ("outline", ""), ("recent", "-s", "")])
def test_what_is_an_empty_text_is_refused(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert "is empty" in capsys.readouterr().err
