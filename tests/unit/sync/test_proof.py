"""When the notes that are missing from a directory are believed to be gone."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.sync.conftest import NAMES, Make, N, World
from vragd.notes.chunk import versions
from vragd.sync.difference import Difference, compare
from vragd.sync.pace import PACE
from vragd.sync.proof.guard import NOTHING, Held, guarded
from vragd.sync.proof.proof import Proof
from vragd.vault.ignore import Rules
from vragd.vault.read import Content
from vragd.vault.scan import Scan, scan


@pytest.mark.parametrize("restart", [False, True])
def test_in_an_empty_folder_in_the_roots_place_nothing_that_was_queued_is_gone(world: World, restart: bool) -> None:
    world.unmount()
    if restart:
        world.reopen()
    assert world.apply(*NAMES) == N
    assert world.scan() == []
    assert len(world.proof.held) == N
    assert world.apply(*NAMES) == N, "a scan that is held proves nothing"
    assert world.notes == N
    world.mount()
    (world.folder / "n0.md").unlink()
    assert world.apply("n0.md") == 1
    assert world.apply(*world.scan()) == 0
    assert world.notes == N - 1, "in the folder we know, it is gone"


def test_in_another_folder_what_a_scan_of_a_part_misses_is_not_gone(world: World) -> None:
    (world.folder / "sub").mkdir()
    (world.folder / "sub" / "m.md").write_text("m")
    world.apply("sub/m.md")
    world.unmount()
    (world.folder / "sub").mkdir()
    assert world.scan("sub") == []
    world.mount()
    world.scan()
    (world.folder / "sub" / "m.md").unlink()
    assert world.scan("sub") == ["sub/m.md"]


def test_a_vault_that_came_back_from_a_backup_is_the_one_we_know_after_a_scan(world: World) -> None:
    world.folder.rename(world.away)
    shutil.copytree(world.away, world.folder)
    (world.folder / "n1.md").unlink()
    assert world.store.connect(world.source)
    assert world.apply("n1.md") == 1
    found = world.scan()
    assert "n1.md" in found
    assert world.apply(*found) == 0
    assert world.notes == N - 1


def test_after_a_restart_a_scan_comes_before_any_removal(world: World) -> None:
    (world.folder / "n1.md").unlink()
    world.reopen()  # device and inode may be those of another folder by now
    assert world.apply("n1.md") == 1
    assert world.apply(*world.scan()) == 0
    assert world.notes == N - 1


def test_a_vault_that_a_sync_tool_fills_again_converges(world: World) -> None:
    world.unmount()
    for name in NAMES[:3]:
        shutil.copy(world.away / name, world.folder)
    assert sorted(world.scan()) == sorted(NAMES[:3])
    assert world.apply(*NAMES) == N - 3
    for name in NAMES[3:]:
        shutil.copy(world.away / name, world.folder)
    assert world.apply(*world.scan()) == 0
    assert len(world.proof.held) == 0
    (world.folder / "n0.md").unlink()
    assert world.apply("n0.md") == 0
    assert world.notes == N - 1


def test_what_is_confirmed_is_one_scan_of_one_folder(world: World) -> None:
    world.unmount()
    assert sorted(world.scan(confirmed=True)) == sorted(NAMES)
    assert world.apply(*NAMES) == 0
    assert world.notes == 0
    for name in NAMES:
        (world.folder / name).write_text(f"new {name}")
    world.apply(*world.scan())
    shutil.rmtree(world.folder)
    world.folder.mkdir()
    world.store.connect(world.source)
    assert world.scan() == [], "nobody confirmed this one"


def test_a_scan_of_a_folder_that_is_not_the_open_root_proves_nothing(world: World) -> None:
    world.folder.rename(world.away)
    world.folder.mkdir()
    paths, found = world.store.scan_source(world.source)
    assert (paths, found.unreadable) == ([], {"": "root_replaced"})


def test_what_was_missing_in_one_folder_is_no_second_sighting_of_it_in_another(world: World) -> None:
    shutil.rmtree(world.folder)
    world.folder.mkdir()
    (world.folder / "other.md").write_text("x")
    world.store.connect(world.source)
    assert world.scan() == ["other.md"]
    shutil.rmtree(world.folder)
    world.folder.mkdir()
    (world.folder / "other.md").write_text("x")
    world.store.connect(world.source)
    world.proof.state = replace(world.proof.state, held=long_ago(world.proof.state.held))
    assert world.scan() == ["other.md"]


@pytest.mark.parametrize("restart", [False, True])
def test_a_one_shot_index_means_what_it_finds_but_not_in_another_folder(make: Make, restart: bool) -> None:
    world = make(watch=False)
    for name in NAMES[1:]:
        (world.folder / name).unlink()
    if restart:
        world.reopen()
    assert set(world.scan()) <= {"n0.md"}, "nobody asked"
    assert set(world.scan(asked=True)) >= set(NAMES[1:])
    world.unmount()
    (world.folder / "stray.md").write_text("x")
    (world.folder / "n0.md").write_text("x")
    assert sorted(world.scan(asked=True)) == ["n0.md", "stray.md"]


def test_a_file_that_happens_to_have_the_inode_of_a_missing_one_has_not_moved(tmp_path: Path, world: World) -> None:
    known = world.store.reader.stamps(world.source.id, "", None, 10**6, versions())
    found = scan(world.folder, Rules(("*.md",), ()))
    moved = {f"moved/{path}": stamp for path, stamp in found.notes.items()}
    found.notes = dict(moved)
    assert compare(found, known, Rules(("*.md",), ())).n_moved == N
    found.notes = {path: stamp._replace(mtime_ns=stamp.mtime_ns + 1) for path, stamp in moved.items()}
    assert compare(found, known, Rules(("*.md",), ())).n_moved == 0


def long_ago(held: Held) -> Held:
    return replace(held, since=held.since - 2 * PACE.guard_confirm_s)


def test_many_missing_notes_are_held_until_a_scan_a_minute_later_misses_the_same() -> None:
    many = [str(i) for i in range(PACE.guard_at_least + 1)]
    more = Difference(missing=[*many, "another"])
    held = guarded(NOTHING, Difference(missing=many), len(many), 1, 0.25, 100.0)
    assert held == Held(frozenset(many), 100.0)
    assert guarded(held, Difference(missing=many), len(many), 1, 0.25, 100.0 + PACE.guard_confirm_s - 1) == held
    assert guarded(held, Difference(missing=many), len(many), 1, 0.25, 100.0 + PACE.guard_confirm_s) is None
    assert guarded(held, more, len(many) + 1, 1, 0.25, 900.0) == Held(frozenset(more.missing), 900.0)
    assert guarded(held, Difference(missing=many), len(many), 0, 0.25, 900.0) == held, "nothing at all is found"


def test_notes_below_a_mount_that_is_away_count_as_held(world: World) -> None:
    away = frozenset({"x/1", "x/2", "x/3"})
    world.proof.state = replace(world.proof.state, unmounted=away, held=Held(frozenset(NAMES)))
    assert len(world.proof.held) == N + 3


def test_whoever_asks_while_a_scan_runs_waits_for_the_next_one(world: World) -> None:
    root = world.source.root
    assert root is not None
    for name in NAMES:
        (world.folder / name).unlink()
    mark = world.proof.mark()
    found = scan(world.folder, world.source.rules)
    known = world.store.reader.stamps(world.source.id, "", None, 10**6, versions())
    world.proof.ask_scan(confirm=True)
    assert world.proof.judge(root, found, known, mark)[1] is False
    assert world.proof.judge(root, found, known, world.proof.mark())[1] is True
    assert world.proof.state.confirmed is None, "it was of one scan"


def test_a_scan_that_came_to_nothing_leaves_the_question_open(world: World) -> None:
    root = world.source.root
    assert root is not None
    world.proof.ask_scan(confirm=True)
    assert world.proof.judge(root, Scan("", stopped=True), {}, world.proof.mark())[1] is False
    assert world.proof.state.confirmed is not None
    assert world.proof.state.n_answered == 0


def test_a_source_that_was_away_for_a_moment_is_ok_again_when_it_is_connected(world: World) -> None:
    world.folder.rename(world.away)
    assert not world.source.healthy()
    assert world.source.state == "offline"
    world.away.rename(world.folder)
    assert world.store.connect(world.source)
    assert world.source.state == "ok"


def test_a_root_that_was_replaced_stays_open_for_whoever_reads_in_it(world: World) -> None:
    root = world.source.find(False)
    assert root is not None
    fd = root.fd
    world.folder.rename(world.away)
    world.folder.mkdir()
    world.store.connect(world.source)
    assert os.listdir(fd), "the reader holds it"
    del root
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_reading_goes_on_in_a_source_that_is_let_go(world: World) -> None:
    assert isinstance(world.source.read("n0.md"), Content)
    world.source.close()
    assert not isinstance(world.source.read("n0.md"), Content)


def test_what_is_unmounted_while_a_scan_is_judged_is_not_believed_to_be_there(world: World) -> None:
    def unmounted_meanwhile() -> float:
        proof.unmounted()
        return 0.0

    (row,) = world.store.catalog.sources()
    proof = Proof(world.store.catalog, world.source, row, 0.25, unmounted_meanwhile)
    root, found = world.source.root, world.source.scan()
    assert root is not None
    found.mounts["disk"] = (5, 7)
    known = world.store.reader.stamps(world.source.id, "", None, 1 << 20, versions())
    proof.judge(root, found, known, proof.mark())
    assert proof.state.mounts == {"disk": (0, 0)}


def test_of_a_few_notes_most_are_not_gone_at_once_where_another_directory_stands(world: World) -> None:
    for name in NAMES[4:]:
        (world.folder / name).unlink()
    assert world.apply(*NAMES[4:]) == 0
    world.unmount()
    shutil.copy(world.away / "n0.md", world.folder)
    assert world.scan() == ["n0.md"]
    assert world.proof.held == set(NAMES[1:4])
    world.proof.state = replace(world.proof.state, held=long_ago(world.proof.state.held))
    assert sorted(world.scan()) == sorted(NAMES[:4]), "a minute later it is what it is"


def test_the_last_notes_of_the_directory_we_know_go_when_they_are_deleted(world: World) -> None:
    for name in NAMES:
        (world.folder / name).unlink()
    assert world.apply(*NAMES) == 0
    assert world.notes == 0
