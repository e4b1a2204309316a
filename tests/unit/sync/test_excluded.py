"""What the user excludes is not indexed, also while nobody can tell what that is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.world import World
from vragd.vault.source import Source


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.store.close()


def vault_with_secret(world: World, app_json: str) -> Source:
    world.write("Private/secret.md", "secret text")
    world.write("open.md", "open text")
    world.write(".obsidian/app.json", app_json)
    world.restart()
    world.store.prepare()
    return world.source


RULES = '{"userIgnoreFilters": ["Private/"]}'


@pytest.mark.parametrize("torn", ["", RULES[:-3], "[]"], ids=["empty", "torn", "no object"])
def test_rules_that_cannot_be_read_now_leave_the_last_good_ones_in_force(world: World, torn: str) -> None:
    source = vault_with_secret(world, RULES)
    assert world.scan() == ["open.md"]
    world.write(".obsidian/app.json", torn)
    assert not source.refresh_rules()
    assert source.rules_trouble == "app_json_not_understood"
    assert world.scan() == ["open.md"]
    world.apply("open.md", "Private/secret.md")
    assert world.texts() == [("open.md", "open text")]


@pytest.mark.parametrize("torn", ["", RULES[:-3]], ids=["empty", "torn"])
def test_nothing_is_indexed_before_the_rules_were_read_once(world: World, torn: str) -> None:
    source = vault_with_secret(world, torn)
    assert not source.rules_known
    assert source.rules_trouble == "app_json_not_understood"
    paths, found = world.store.scan_source(source)
    assert (paths, found.stopped) == ([], True)
    report = world.apply("open.md", "Private/secret.md")
    assert [visit.path for visit, _ in report.later] == ["open.md", "Private/secret.md"]
    world.write(".obsidian/app.json", RULES)
    assert source.refresh_rules(), "known for the first time: a scan is due"
    assert world.scan() == ["open.md"]


def test_a_vault_without_app_json_and_a_folder_without_obsidian_have_no_rules(world: World) -> None:
    assert world.source.rules_known
    (world.vault / ".obsidian").mkdir()
    world.restart()
    assert world.source.rules_known
    (world.vault / ".obsidian").rmdir()
    world.write(".obsidian", "a file")
    world.source.refresh_rules()
    assert world.source.rules_known


def test_what_was_excluded_last_is_excluded_after_a_restart(world: World) -> None:
    source = vault_with_secret(world, RULES)
    assert world.scan() == ["open.md"]
    world.store.proofs[source.id].remember()
    world.write(".obsidian/app.json", "torn")
    world.restart()
    world.store.prepare()
    assert world.source.rules_known
    assert world.scan() == ["open.md"]
    (world.vault / ".obsidian/app.json").unlink()
    world.restart()
    world.store.prepare()
    assert world.source.rules_trouble == "app_json_missing"
    assert world.scan() == ["open.md"]


def test_what_a_vault_inside_withheld_is_withheld_after_a_restart_while_its_source_is_away(world: World) -> None:
    world.write("Inner/secret.md", "secret text")
    world.write("open.md", "open text")
    world.apply("open.md", "Inner/secret.md")
    world.write("Inner/.obsidian/app.json", "torn")
    world.scan()
    assert world.source.withheld("Inner/secret.md")
    world.store.proofs[world.source.id].remember()
    world.vault.rename(world.vault.with_name("away"))
    world.restart()
    assert world.source.state == "offline"
    assert world.source.withheld("Inner/secret.md") and not world.source.withheld("open.md")


def test_what_nobody_can_evaluate_changes_nothing_that_is_indexed_and_lets_nothing_in(world: World) -> None:
    vault_with_secret(world, "{}").clock = lambda: 1 << 62  # no stamp is too fresh to be believed
    world.apply("open.md", "Private/secret.md")
    world.write(".obsidian/app.json", '{"userIgnoreFilters": ["/^Private(/"]}')
    assert world.source.refresh_rules()
    world.write("Private/secret.md", "edited text")
    world.write("Private/new.md", "new text")
    assert world.scan() == []
    report = world.apply("Private/secret.md", "Private/new.md")
    assert (report.later, report.deferred) == ([], [])
    assert sorted(world.texts()) == [("Private/secret.md", "secret text"), ("open.md", "open text")]
    assert world.source.withheld("Private/secret.md") and not world.source.withheld("open.md")


def test_a_note_that_is_only_touched_keeps_the_reason_for_its_state(world: World) -> None:
    world.write("apart.md", "---\nvragd: false\n---\ntext\n")
    world.write("n.md", "---\ntags: one\n---\ntext\n")
    world.apply("apart.md", "n.md")
    before = [(row.path, row.state, row.reason) for row in world.store.reader.files()]
    assert all(reason for *_, reason in before), before
    for path in ("apart.md", "n.md"):
        os.utime(world.vault / path, (1, 1))
    assert world.apply("apart.md", "n.md").n_untouched == 2
    assert [(row.path, row.state, row.reason) for row in world.store.reader.files()] == before
