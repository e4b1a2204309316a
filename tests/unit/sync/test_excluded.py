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


@pytest.mark.parametrize("vault", ["", "Inner/"])
def test_a_note_waits_while_its_settings_were_seen_to_change_and_nobody_has_read_them(world: World, vault: str) -> None:
    world.write(f"{vault}.obsidian/app.json", "{}")
    world.write(f"{vault}Private/secret.md", "secret text")
    world.scan()
    world.write(f"{vault}.obsidian/app.json", RULES)
    world.source.heard.of(vault.rstrip("/"))
    path = f"{vault}Private/secret.md"
    assert [visit.path for visit, _ in world.apply(path).later] == [path]
    assert world.source.refresh_rules()
    assert world.apply(path).later == []
    assert world.texts() == []


def test_a_note_of_a_vault_that_no_scan_has_met_waits_until_its_settings_are_read(world: World) -> None:
    asked: list[int] = []
    world.source.heard.on_heard = lambda: asked.append(1)
    world.write("New/Deep/.obsidian/app.json", RULES)
    paths = ["New/Deep/Private/secret.md", "New/Deep/open.md", "New/n.md"]
    for path in paths:
        world.write(path, "text")
    assert [visit.path for visit, _ in world.apply(*paths[:2]).later] == paths[:2]
    assert asked == [1], "to look once is enough"
    assert world.source.refresh_rules()
    assert world.apply(*paths).later == []
    assert sorted(path for path, _ in world.texts()) == ["New/Deep/open.md", "New/n.md"]


def test_a_folder_that_becomes_a_vault_hides_what_it_excludes_without_a_full_scan(world: World) -> None:
    world.write("Inner/Private/secret.md", "secret text")
    world.apply("Inner/Private/secret.md")
    world.scan()
    world.write("Inner/.obsidian/app.json", RULES)
    world.source.heard.of("Inner")
    assert world.source.refresh_rules()
    world.apply("Inner/Private/secret.md")
    assert world.texts() == []
    assert not world.source.heard


def test_a_folder_whose_file_has_the_name_of_a_vaults_settings_is_none(world: World) -> None:
    world.write("Inner/.obsidian.vimrc", "set nu")
    world.source.heard.of("Inner")
    assert not world.source.refresh_rules()
    assert world.source.vaults == ((), "")
