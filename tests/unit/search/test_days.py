"""The date of a daily note is the one in its name, in the format that its vault says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from tests.unit.search.test_typed import passing
from tests.world import World, sql
from vragd.search.days import day_in
from vragd.vault.types import format_in

DAY = date(2026, 4, 9)


@pytest.mark.parametrize(
    ("form", "path", "expected"),
    [
        ("YYYY-MM-DD", "Journal/2026-04-09", DAY),
        ("DD-MM-YYYY", "Journal/09-04-2026", DAY),
        ("YYYY-DD-MM", "2026-09-04", DAY),
        ("DD.MM.YY", "09.04.26", DAY),
        ("D.M.YYYY", "9.4.2026", DAY),
        ("MMMM Do, YYYY", "April 9th, 2026", DAY),
        ("dddd, D MMM YYYY", "Thursday, 9 Apr 2026", DAY),
        ("dddd D-MM-YYYY", "четверг 9-04-2026", DAY),
        ("YYYY/MM/DD", "Journal/2026/04/09", DAY),
        ("YYYY/MM-MMMM/YYYY-MM-DD-dddd", "Journal/2026/04-April/2026-04-09-Thursday", DAY),
        ("[Day] DDDD YYYY", "Day 099 2026", DAY),
        ("YYYY-MM-DD [at] HHmm", "2026-04-09 at 1230", DAY),
        ("(YYYY) [a+] MM DD", "(2026) a+ 04 09", DAY),
        ("gggg-[W]ww YYYYMMDD", "2026-W15 20260409", DAY),
        ("YYMMDD", "690409", date(1969, 4, 9)),
        ("DD-MM-YYYY", "30-02-2026", None),
        ("DD-MM-YYYY", "x 09-04-2026", None),
        ("DD-MM-YYYY", "09-04-2026 x", None),
        ("DDD YYYY", "366 2026", None),
        ("DDD YYYY", "0 0001", None),
        ("MM-DD", "04-09", None),
        ("gggg-[W]ww", "2026-W15", None),
        ("D MMMM YYYY", "9 avril 2026", None),
        ("YYYY/MM/DD", "09", None),
        ("[", "[", None),
        ("YYYY[", "2026[", None),
        ("dd" * 80 + "YYYYMMDD", "x" * 200, None),
        ("w" * 80 + "YYYYMMDD", "1" * 120, None),
    ],
)
def test_a_name_says_the_day_that_its_format_says(form: str, path: str, expected: date | None) -> None:
    assert day_in(path, form) == expected


@pytest.mark.parametrize(
    "text", ["", "[", "[]", "{}", '{"format": ""}', '{"format": 3}', '{"format": " "}', "[" * 9999]
)
def test_what_says_no_format_says_none(text: str) -> None:
    assert format_in(text.encode()) == ()
    assert format_in(json.dumps({"format": "D" * 201}).encode()) == ()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    notes = {
        "09-04-2026.md": "words\n",
        "In/09-04-2026.md": "words\n",
        "10-04-2026.md": "---\ndate: 2026-05-01\n---\nwords\n",
        "2026-04-09 plan.md": "words\n",
    }
    for path, text in notes.items():
        world.write(path, text)
    world.apply(*notes)
    yield world
    world.store.close()


def says(world: World, text: str, folder: str = ".obsidian") -> None:
    world.write(f"{folder}/daily-notes.json", text)
    world.source.refresh_rules()


def test_a_format_is_in_the_next_question_and_nothing_is_read_again_for_it(world: World) -> None:
    assert passing(world, "on:2026-04-09") == ["2026-04-09 plan.md"]
    says(world, '{"folder": "", "format": "DD-MM-YYYY"}')
    assert set(passing(world, "on:2026-04-09")) == {"09-04-2026.md", "In/09-04-2026.md", "2026-04-09 plan.md"}
    assert set(passing(world, "created:2026-04-09")) == set(passing(world, "on:2026-04-09"))
    assert passing(world, "on:2026-04-10") == []
    assert passing(world, "on:2026-05-01") == ["10-04-2026.md"]  # its property comes first
    assert sql(world.folder, "select count(*) from note where links_read = 0") == [(0,)]
    says(world, "{")
    assert passing(world, "on:2026-04-09") == ["2026-04-09 plan.md"]


def test_each_vault_has_a_format_of_its_own_beside_its_types(world: World) -> None:
    world.write(".obsidian/types.json", '{"types": {"": "text", "date": "date"}}')
    says(world, '{"format": "DD-MM-YYYY"}')
    says(world, '{"format": "MM-DD-YYYY"}', "In/.obsidian")
    world.source.exclusions.learn(["In"])
    world.source.refresh_rules()
    assert set(passing(world, "on:2026-04-09")) == {"09-04-2026.md", "2026-04-09 plan.md"}
    assert passing(world, "on:2026-09-04") == ["In/09-04-2026.md"]
    assert dict(world.source.types.said)[""] == (("", "DD-MM-YYYY"), ("date", "date"))


def test_a_format_that_cannot_be_read_now_is_the_one_that_was_read_last(world: World, tmp_path: Path) -> None:
    says(world, '{"format": "DD-MM-YYYY"}')
    file = next(tmp_path.rglob("daily-notes.json"))
    file.unlink()
    file.symlink_to(file)  # ELOOP
    world.source.refresh_rules()
    assert "09-04-2026.md" in passing(world, "on:2026-04-09")
    file.unlink()
    world.source.refresh_rules()
    assert "09-04-2026.md" not in passing(world, "on:2026-04-09")
