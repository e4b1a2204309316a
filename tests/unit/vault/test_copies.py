"""Copies that sync tools make of a note in conflict, as each names them; and titles that only look alike."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.world import World
from vragd.vault.ignore import Rules
from vragd.vault.names import copy_of

PLAIN = Rules(["*.md"], ())


@pytest.mark.parametrize(
    "name",
    [
        "Plan (Conflicted copy laptop 202501021530).md",
        "Plan (Conflicted copy Anna's phone 202501021530).md",
        "Plan (Ann's conflicted copy 2025-01-02).md",
        "Plan (Ann’s conflicted copy 2025-01-02) (1).md",
        "Plan (conflicted copy 2025-01-02 153000).md",
        "Plan (conflicted copy Ann 2025-01-02 153000).md",
        "Plan.sync-conflict-20250102-153000-ABCDEFG.md",
        "Plan.sync-conflict-20250102-153000-ABCDEFG.sync-conflict-20250103-153000-HIJKLMN.md",
        "Plan_conflict-20250102-153000.md",
        "Plan (SFConflict ann@example.org 2025-01-02-15-30-00).md",
        "Plan_laptop_Jan-02-153000-2025_Conflict.md",
        "Plan_laptop_Jan-02-153000-2025_CaseConflict.md",
        "Plan.conflict1.md",
        "Plan.Conflict.md",
        "Plan.sync-conflict.md",
        "Plan [conflicted].md",
        "Plan [conflicted 2].md",
        "Plan (Case Conflict).md",
        "Plan (Case Conflict 1).md",
        "Plan (Unicode Encoding Conflict).md",
        "Plan (case clash from Ann 2025-01-02).md",
        "Plan (In Konflikt stehende Kopie von Ann 2025-01-02).md",
        "a\nb (Ann's conflicted copy 2025-01-02).md",
        "Plan (Konflikt in Kopie von Ann 2025-01-02).md",
        "Plan (Konflikt in Kopie von Ann).md",
        "Plan (Ann in Konflikt stehende Kopie 2025-01-02).md",
        "Plan (Konfliktkopie von Ann 2025-01-02).md",
        "Plan (Ann's Konflikt-Kopie 2025-01-02) (2).md",
        "Plan (copie en conflit de Ann 2025-01-02).md",
        "Plan (Copie en conflit de Ann).md",
        "Plan (Copie conflictuelle de Ann 2025-01-02).md",
        "Plan (copia en conflicto de Ann 2025-01-02).md",
        "Plan (Copia in conflitto di Ann 2025-01-02).md",
        "Plan (Copia con conflitti di Ann 2025-01-02).md",
        "Plan (C\u00f3pia em conflito de Ann 2025-01-02).md",
        "Plan (conflicterende kopie van Ann 2025-01-02).md",
        "Plan (Anns konflikterade kopia 2025-01-02).md",
        "Plan (Anns konfliktkopi 2025-01-02).md",
        "Plan (Kopia powoduj\u0105ca konflikt u\u017cytkownika Ann 2025-01-02).md",
        "План (Конфликтующая копия с компьютера Ann 2025-01-02).md",
        "計画 (Annの競合コピー 2025-01-02).md",
        "计划 (Ann 的冲突副本 2025-01-02).md",
        "計畫（Ann 的衝突複本 2025-01-02）.md",
        "계획 (Ann의 충돌된 사본 2025-01-02).md",
        "Plan (# Name clash 2025-01-02 aXbQjjDsD #).md",
        "Plan (# Edit conflict 2025-01-02 aXbQjjDsD #).md",
        "Plan [conflict].md",
        "Plan [Conflict].md",
        "Plan_conflict-Ann-20250102-153000.md",
        "Plan (conflict, Ann 2025-01-02 12.30).md",
        "Plan (copy: conflict on 2025-01-02).md",
        "Plan~HEAD.md",
    ],
)
def test_copies_that_sync_tools_make_of_a_note_in_conflict_are_no_notes(name: str) -> None:
    assert PLAIN.excluded(name) == PLAIN.excluded(unicodedata.normalize("NFD", name)) == "conflict_copy"
    assert Rules(["*"], ()).excluded("deep/er/" + name) == "conflict_copy"


@pytest.mark.parametrize(
    "name",
    [
        "How Dropbox names a conflicted copy.md",
        "Reading.sync-conflict-notes.md",
        "Conflict of interest.md",
        "On the (conflicted copy) of a file.md",
        "Class conflict 2025-01-02.md",
        "Plan (conflict).md",
        "Conflict.md",
        "The conflicted.md",
        "Armed_Conflict.md",
        "A clash (case clash).md",
        "Konflikt.md",
        "Conflict copy theory.md",
        "Meeting (2).md",
        "Meeting 2.md",
        "HEAD.md",
        "HEAD of state.md",
        "Copie en conflit.md",
        "Loi (sur la copie en conflit) 3.md",
        "Scène (un conflit et sa copie).md",
        "Nota (el conflicto de la copia).md",
        "Streit (Konflikt mit der Kopie).md",
        "Ein Konflikt (Kopie).md",
        "Iran [conflict zone].md",
        "A name clash.md",
        "Clash (# Name).md",
        "冲突 (副本).md",
        "競合.md",
        "Конфликт (копия).md",
        "Approx ~HEADS.md",
        "Buying a DESKTOP-PC.md",
        "Plan-DESKTOP-AB12CD3.md",
        "conflict-20250102-153000.md",
    ],
)
def test_titles_that_speak_of_conflicts_are_notes(name: str) -> None:
    assert PLAIN.excluded(name) is None


@pytest.mark.parametrize(
    "name",
    [
        "Plan.md.orig", "Plan.md.rej", "Plan.md.mine", "Plan.md.local", "Plan.md.other", "Plan.md.base",
        "Plan.md~HEAD", "Plan.md~0a1b2c3", "Plan.md~0a1b2c3 (Changes the plan)", "Plan.md..path1",
    ],
)  # fmt: skip
def test_what_a_merge_leaves_behind_a_whole_name_is_no_note_where_all_are_taken(name: str) -> None:
    assert Rules(["*"], ()).excluded(f"deep/{name}") == "conflict_copy"


@pytest.mark.parametrize("name", ["settings.py.local", "a.orig", "b~HEADER", "v1.md.base64", "On ~0a1b2c3.md"])
def test_other_ends_of_names_are_notes_where_all_are_taken(name: str) -> None:
    assert Rules(["*"], ()).excluded(name) is None


def test_a_name_with_that_of_a_machine_tells_whose_copy_it_would_be() -> None:
    assert copy_of("Plan-DESKTOP-AB12CD3.md") == copy_of("Plan-DESKTOP-AB12CD3-2.md") == "Plan.md"
    assert copy_of("My-Plan-LAPTOP-0A1B2C3D.md") == "My-Plan.md"
    for name in ("DESKTOP-AB12CD3.md", "Buying a DESKTOP-PC.md", "Plan-desktop-ab12cd3.md", "Plan-DESKTOP-AB12CD3"):
        assert copy_of(name) is None


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.store.close()


def test_a_copy_by_the_name_of_a_machine_is_none_without_the_note_it_would_be_of(world: World) -> None:
    copy, note = "a/Plan-DESKTOP-AB12CD3.md", "a/Plan.md"
    world.write(copy, "alpha of the desktop")
    world.apply(*world.scan())
    assert set(dict(world.texts())) == {copy}, "a title"
    world.write(note, "alpha")
    world.apply(*world.scan())
    assert set(dict(world.texts())) == {note}
    assert world.store.skipped[world.source.id][copy] == "conflict_copy"
    world.write(copy, "alpha of the desktop, saved again")
    world.apply(copy)
    assert set(dict(world.texts())) == {note}, "by an event, too"
    (world.vault / note).unlink()
    world.apply(*world.scan())
    assert set(dict(world.texts())) == {copy}
