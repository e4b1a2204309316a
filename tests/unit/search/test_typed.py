"""Properties are of the types that `types.json` of their vault gives them, from one question to the next."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.world import World, sql
from vragd.notes.model import Value
from vragd.search.ask import ask
from vragd.search.asking import understood
from vragd.search.lists import Properties, look
from vragd.search.question import Place, Target
from vragd.search.typed import typed

NOTES = {
    "a.md": '---\nday: "2024-01-01"\nversion: 7\npages: "12"\nread: "true"\nby: Ada\ndate: "2024-05-01"\n---\nwords\n',
    "b.md": "---\nday: 2024-02-01T09:30\nversion: 12\npages: many\nread: false\nby: [Bo, 3]\n---\nwords\n",
    "In/c.md": '---\nday: "2024-03-01"\nversion: 3\n---\nwords\n',
}
TYPES = {
    "day": "date", "version": "text", "pages": "number", "Read": "checkbox", "by": "multitext", "other": "a plugin's",
}  # fmt: skip


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (10, "text", "10"),
        (True, "text", "true"),
        (date(2024, 5, 1), "text", "2024-05-01"),
        ("12", "number", 12),
        (" 1.5 ", "number", 1.5),
        ("many", "number", "many"),
        ("true", "number", "true"),
        ("", "number", ""),
        (True, "number", True),
        ("true", "checkbox", True),
        ("yes", "checkbox", "yes"),
        (1, "checkbox", 1),
        ("2024-05-01", "date", date(2024, 5, 1)),
        (datetime(2024, 5, 1, 10), "date", date(2024, 5, 1)),  # noqa: DTZ001
        ("2024-05-01T23:30:00Z", "date", date(2024, 5, 1)),
        ("2026-02-30", "date", "2026-02-30"),
        ("soon", "date", "soon"),
        (5, "date", 5),
        ("2024-05-01 10:00:05", "datetime", datetime(2024, 5, 1, 10, 0, 5)),  # noqa: DTZ001
        ("2024-05-01T10:00:00.000Z", "datetime", datetime(2024, 5, 1, 10, tzinfo=UTC)),
        ("2024-05-01", "datetime", date(2024, 5, 1)),
        ("a b", "multitext", ("a b",)),
        ((1, True, date(2024, 5, 1), None, ("x",)), "multitext", ("1", "true", "2024-05-01", None, ("x",))),
        (None, "multitext", None),
        (None, "number", None),
        (("1",), "number", ("1",)),
        ("2024-05-01", "", "2024-05-01"),
    ],
)
def test_a_value_is_of_the_type_that_is_said_if_it_can_be(value: Value, kind: str, expected: Value) -> None:
    found = typed(value, kind)
    assert found == expected
    assert type(found) is type(expected)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    for path, text in NOTES.items():
        world.write(path, text)
    world.apply(*NOTES)
    yield world
    world.store.close()


def target(world: World) -> Target:
    source, store = world.source, world.store
    place = Place(source.uid, source.path, True, None, (), *source.vaults, types=source.types.said)
    return Target("sss", store.reader, world.backend, store.space, world.embedder.embed_query, {source.label: place})


def passing(world: World, where: str, **asked: Any) -> list[str]:
    return [hit.path for hit in ask(target(world), understood(where=where, top_k=10, **asked)).hits]


def says(world: World, types: object, folder: str = ".obsidian") -> None:
    text = types if isinstance(types, str) else json.dumps({"types": types})
    world.write(f"{folder}/types.json", text)
    world.source.refresh_rules()


QUESTIONS: list[tuple[str, set[str], set[str]]] = [
    # what, without types, and with them
    ("[day=2024-02]", {"b.md"}, {"b.md"}),
    ("[day=2024-01]", {"a.md"}, {"a.md"}),
    ("[day>2024-02-01]", {"In/c.md"}, {"In/c.md"}),
    ("[day=2024-02-01]", {"b.md"}, {"b.md"}),
    ("day == date('2024-02-01')", set(), {"b.md"}),
    ("version == 7", {"a.md"}, set()),
    ('version == "7"', set(), {"a.md"}),
    ("pages > 11", set(), {"a.md"}),
    ("read == true", set(), {"a.md"}),
    ('by.contains("Ada")', {"a.md"}, {"a.md"}),
    ('by == "Ada"', {"a.md"}, set()),
    ('by.contains("3")', set(), {"b.md"}),
]


def test_filters_go_by_the_types_as_they_are_when_one_asks_and_nothing_is_read_again(world: World) -> None:
    n_texts = len(world.embedder.texts)
    assert {where: set(passing(world, where)) for where, *_ in QUESTIONS} == {one[0]: one[1] for one in QUESTIONS}
    says(world, TYPES)
    assert {where: set(passing(world, where)) for where, *_ in QUESTIONS} == {one[0]: one[2] for one in QUESTIONS}
    assert set(passing(world, "!read")) == {"b.md", "In/c.md"}
    assert sql(world.folder, "select count(*) from note where links_read = 0") == [(0,)]
    assert len(world.embedder.texts) == n_texts
    says(world, {})
    assert set(passing(world, "version == 7")) == {"a.md"}


def test_what_was_found_is_not_kept_when_types_change(world: World) -> None:
    assert passing(world, "[by:Ada]") == ["a.md"]
    assert passing(world, "[day:09]") == ["b.md"]
    says(world, TYPES)
    assert passing(world, "[day:09]") == [], "a day has no time"


def test_a_day_in_quotes_is_the_date_of_a_note(world: World) -> None:
    assert passing(world, "on:2024-05-01") == ["a.md"]
    assert passing(world, "created:2024-05-01", sort="created") == ["a.md"]


def test_lists_have_the_types_too(world: World) -> None:
    says(world, TYPES)

    def told(name: str = "") -> Properties:
        found = Properties(name)
        look(target(world), understood(where="file.hasProperty('day')"), set(), found)
        return found

    assert {one.name: dict(one.types) for one in told().told("name")} == {
        "by": {"list": 2}, "date": {"text": 1}, "day": {"date": 3}, "pages": {"number": 1, "text": 1},
        "read": {"checkbox": 2}, "version": {"text": 3},
    }  # fmt: skip
    assert {(one.value, one.type) for one in told("by").values("count")} == {
        ("Ada", "text"), ("Bo", "text"), ("3", "text")
    }  # fmt: skip


def test_each_vault_of_a_source_has_its_own(world: World) -> None:
    says(world, {"version": "text"})
    assert passing(world, 'version == "3"') == ["In/c.md"]
    world.write("In/.obsidian/app.json", "{}")
    world.store.scan_source(world.source)
    assert passing(world, 'version == "3"') == []
    assert passing(world, 'version == "7"') == ["a.md"]
    says(world, {"version": "text", "day": "date"}, "In/.obsidian")
    assert set(passing(world, 'version == "3" || day == date("2024-01-01")')) == {"In/c.md", "a.md"}
    assert passing(world, "[day:09]") == ["b.md"], "a day has no time, and the other vault says nothing of days"


def test_the_usual_config_folder_counts_before_others(world: World) -> None:
    world.write(".phone/app.json", "{}")
    says(world, {"version": "number", "pages": "number"}, ".phone")
    says(world, {"version": "text"})
    assert world.source.types.said == (("", (("pages", "number"), ("version", "text"))),)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"types": []}', '{"types": {"version": ["text"]}}', "[" * 100_000, "{}" + " " * (1 << 20) + "x"],
    ids=["empty", "half", "list", "no-types", "no-kind", "deep", "large"],
)
def test_what_is_no_such_file_says_nothing(world: World, text: str) -> None:
    says(world, {"version": "text"})
    says(world, text)
    assert world.source.types.said == ()
    assert passing(world, "version == 7") == ["a.md"]


def test_what_cannot_be_read_is_as_it_was_and_what_is_gone_is_not(world: World) -> None:
    says(world, {"version": "text"})
    file = world.vault / ".obsidian/types.json"
    file.unlink()
    file.symlink_to(file)  # ELOOP
    world.source.refresh_rules()
    assert passing(world, 'version == "7"') == ["a.md"]
    file.unlink()
    world.source.refresh_rules()
    assert world.source.types.said == ()
    elsewhere = world.vault.parent / "types.json"
    elsewhere.write_text('{"types": {"version": "text"}}')
    file.symlink_to(elsewhere)
    world.source.refresh_rules()
    assert passing(world, 'version == "7"') == ["a.md"]


def test_types_hold_after_a_restart_until_they_are_looked_at(world: World) -> None:
    says(world, {"version": "text"})
    world.store.proofs[world.source.id].remember()
    file = world.vault / ".obsidian/types.json"
    file.unlink()
    file.symlink_to(file)
    world.restart()
    assert passing(world, 'version == "7"') == ["a.md"]
    file.unlink()
    world.source.refresh_rules()
    assert passing(world, 'version == "7"') == []


def test_types_of_a_vault_inside_hold_until_a_whole_scan_has_not_found_it(world: World) -> None:
    world.write("In/.obsidian/types.json", '{"types": {"version": "text"}}')
    world.scan()
    world.store.proofs[world.source.id].remember()
    file = world.vault / "In/.obsidian/types.json"
    file.unlink()
    file.symlink_to(file)  # ELOOP
    world.restart()
    assert passing(world, 'version == "3"') == ["In/c.md"]
    file.unlink()
    file.parent.rmdir()
    world.scan()
    world.source.refresh_rules()
    assert world.source.types.said == ()


def test_a_name_is_the_same_however_it_is_composed_or_in_capitals(world: World) -> None:
    composed, apart = "Größe", unicodedata.normalize("NFD", "größe")
    world.write("c.md", f"---\n{composed}: 1\nSTRASSE: x\n---\n")
    world.write("d.md", f'---\n{apart}: "2"\nStraße: y\nİstanbul: z\n---\n')
    world.apply("c.md", "d.md")
    for name in (composed, apart, "GRÖSSE"):
        assert sorted(passing(world, f"[{name}]")) == ["c.md", "d.md"], name
        assert passing(world, f'note["{name}"] == 1') == ["c.md"]
    assert sorted(passing(world, "[strasse]")) == ["c.md"], "a name in ASCII that is there is itself"
    assert sorted(passing(world, "[straße]")) == ["c.md", "d.md"]
    assert passing(world, "[İSTANBUL:z]") == ["d.md"]
    says(world, {apart: "number"})
    assert passing(world, f'note["{composed}"] == 2') == ["d.md"]
    found = Properties(apart)
    look(target(world), understood(where=f"[{composed}]"), set(), found)
    assert [(one.count, dict(one.types)) for one in found.told("count")] == [(2, {"number": 2})]
    world.write("a.md", f"---\n{composed}: 7\n{apart}: 7\n---\n")
    world.apply("a.md")
    assert passing(world, f"[{composed}=7] [{apart}]") == ["a.md"], "twice in one note"


@pytest.mark.parametrize(
    ("where", "passes"),
    [
        ("[at=2024-03-31]", True),
        ("[at=2024-03]", True),
        ("[at>2024-03-30]", True),
        ("[at<2024-03-31]", False),
        ("[at!=2024-03-31]", False),
        ("[at:2024-03-31]", True),
        ("on:2024-05-01", True),
        ("on:2024-05-02", False),
    ],
)
def test_a_time_with_a_zone_or_in_quotes_compares_as_a_time(world: World, where: str, passes: bool) -> None:
    world.write("z.md", '---\nat: 2024-03-31T12:30:00.5Z\ndate: "2024-05-01T12:00+00:00"\n---\n')
    world.apply("z.md")
    assert ("z.md" in passing(world, where)) is passes
