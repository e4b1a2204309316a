"""Dirty path → committed note: the write order, what is embedded, what a crash between two steps leaves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.world import World
from vragd.catalog.model import NoteChange
from vragd.errors import BackendUnavailable, EmbedderUnavailable
from vragd.sync.prepared import Visit


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.store.close()


def test_put_comes_before_commit_and_commit_before_delete(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.write("a.md", "old")
    world.apply("a.md")
    commit = world.store.catalog.commit
    monkeypatch.setattr(
        world.store.catalog, "commit", lambda *args: (world.backend.log.append("commit"), commit(*args))[1]
    )
    world.write("a.md", "new")
    world.backend.log.clear()
    world.apply("a.md")
    assert world.backend.log == ["before put", "after put", "commit", "before delete", "after delete"]
    assert world.texts() == [("a.md", "new")]
    assert world.is_sound()


@pytest.mark.parametrize("step", ["before put", "after put", "before delete", "after delete"])
def test_a_backend_that_fails_at_any_step_leaves_the_old_or_the_new_note_and_no_orphan(world: World, step: str) -> None:
    world.write("a.md", "old")
    world.apply("a.md")
    world.write("a.md", "new")
    world.backend.fail = step
    with pytest.raises(BackendUnavailable):
        world.apply("a.md")
    assert world.texts() in ([("a.md", "old")], [("a.md", "new")])
    world.backend.fail = ""
    world.write("a.md", "newest")  # and the vault goes on meanwhile
    world.apply("a.md")
    assert world.texts() == [("a.md", "newest")]
    assert world.is_sound()


def test_a_rename_a_copy_a_swap_and_an_undo_embed_nothing(world: World) -> None:
    world.write("a.md", "first text")
    world.write("b.md", "second text")
    world.apply("a.md", "b.md")
    n = len(world.embedder.texts)
    (world.vault / "a.md").rename(world.vault / "c.md")
    world.apply("a.md", "c.md")
    world.write("d.md", "second text")
    world.apply("d.md")
    world.write("b.md", "first text")
    world.write("c.md", "second text")
    world.apply("b.md", "c.md")
    world.write("b.md", "second text")
    world.apply("b.md")
    assert len(world.embedder.texts) == n
    assert world.texts() == [("b.md", "second text"), ("c.md", "second text"), ("d.md", "second text")]
    assert world.is_sound()


def test_marks_that_change_embed_nothing_and_are_shown_and_found(world: World) -> None:
    world.write("a.md", "# A\n\nsome **text** here\n")
    world.apply("a.md")
    n = len(world.embedder.texts)
    world.write("a.md", "# A\n\nsome *text* here %%zanzibar%%   \n")
    world.apply("a.md")
    assert len(world.embedder.texts) == n
    assert world.texts() == [("a.md", "# A\n\nsome *text* here %%zanzibar%%")]
    assert [found.path for found in world.store.reader.keyword("zanzibar", 5)] == ["a.md"]
    assert world.is_sound()


def test_what_of_a_note_is_not_indexed_is_said(world: World) -> None:
    world.write("a.md", "---\ntag: x\n---\nsome text\n\n" + "aB3xK9Zq" * 40)
    world.write("b.md", "---\na: [b\n---\nsome text")
    world.write("c.md", "nothing to say")
    world.apply("a.md", "b.md", "c.md")
    assert [row.reason for row in world.store.reader.files()] == [
        "legacy_tags; machine_text: 1 lines, 320 bytes left out",
        "broken_properties",
        None,
    ]


def test_one_note_may_hold_a_text_twice(world: World) -> None:
    world.write("a.md", "# A\n\nsame\n\n# B\n\nsame\n\n# A\n\nsame")
    world.apply("a.md")
    texts = [text for _, text in world.texts()]
    assert sorted(texts) == ["# A\n\nsame", "# A\n\nsame", "# B\n\nsame"]
    world.write("a.md", "# A\n\nsame\n\n# B\n\nsame")
    world.apply("a.md")
    assert len(world.texts()) == 2
    assert world.is_sound()


def test_text_that_moves_from_one_note_to_another_in_one_batch_is_not_lost(world: World) -> None:
    world.write("a.md", "the moving text")
    world.apply("a.md")
    world.write("a.md", "something else")
    world.write("b.md", "the moving text")
    world.apply("a.md", "b.md")
    assert world.texts() == [("a.md", "something else"), ("b.md", "the moving text")]


def test_a_stale_reading_never_overwrites_a_newer_one(world: World) -> None:
    world.write("a.md", "newer")
    early = world.store.catalog.next_seq()
    world.apply("a.md")
    space = world.store.space
    assert space is not None
    stale = NoteChange(world.source.id, "a.md", early, (1, 1, 1, 1), False, b"x", "a", space.id, "indexed")
    assert world.store.catalog.commit(1, [stale]).n_stale == 1
    assert world.texts() == [("a.md", "newer")]


def test_an_embedder_that_is_down_costs_a_note_its_vectors_and_not_its_words(world: World) -> None:
    world.write("a.md", "old")
    world.apply("a.md")
    world.write("a.md", "new")
    world.embedder.down = True
    with pytest.raises(EmbedderUnavailable):
        world.apply("a.md")
    assert world.texts() == []
    assert [found.text for found in world.store.reader.keyword("new", 5)] == ["new"]
    world.embedder.down = False
    world.apply("a.md")
    assert world.texts() == [("a.md", "new")]


def test_a_poison_text_is_found_by_halving_and_the_rest_is_indexed(world: World) -> None:
    world.embedder.poison = "arsenic"
    for i in range(30):
        world.write(f"n{i}.md", f"text {i}")
    world.write("bad.md", "# One\n\nfine\n\n# Two\n\narsenic")
    world.apply(*(f"n{i}.md" for i in range(30)), "bad.md")
    assert len(world.texts()) == 31
    (row,) = world.store.reader.files(["partial"])
    assert (row.path, row.reason) == ("bad.md", "the embedder refuses 1 of 2 chunks")
    assert world.store.reader.keyword("arsenic", 5)[0].path == "bad.md"


def test_a_removal_is_not_committed_while_the_root_is_another_folder(world: World) -> None:
    world.write("a.md", "stays")
    world.apply("a.md")
    (world.vault / "a.md").unlink()
    world.vault.rename(world.vault.with_name("elsewhere"))
    world.vault.mkdir()
    report = world.apply("a.md")
    assert world.texts() == [("a.md", "stays")]
    assert [visit.path for visit, _ in report.later] == ["a.md"]


def test_a_note_that_becomes_empty_is_given_time(world: World) -> None:
    world.write("a.md", "text")
    world.apply("a.md")
    world.write("a.md", "")
    report = world.apply("a.md")
    assert world.texts() == [("a.md", "text")]
    ((visit, delay_s),) = report.later
    assert (visit.patient, delay_s) == (False, 5.0)
    world.apply("a.md", patient=False)
    assert world.texts() == []


def test_a_giant_note_is_indexed_over_several_rounds_and_shows_whole_or_not_at_all(world: World) -> None:
    text = "\n\n".join(f"# Part {i}\n\nwords of part {i}" for i in range(600))
    world.write("a.md", text)
    world.write("b.md", "small")
    seen = []
    report = world.store.apply([Visit(world.source, "a.md"), Visit(world.source, "b.md")])
    while report.deferred:
        seen.append(sum(path == "a.md" for path, _ in world.texts()))
        report = world.store.apply(report.deferred)
    assert set(seen) <= {0, 600}
    assert len(world.texts()) == 601
    assert len(world.embedder.texts) == 601


def test_unchanged_bytes_with_a_new_stamp_are_only_remembered(world: World) -> None:
    world.write("a.md", "text")
    world.apply("a.md")
    generation = world.store.reader.generation()
    world.write("a.md", "text")
    report = world.apply("a.md")
    assert (report.n_untouched, report.n_put, world.store.reader.generation()) == (1, 0, generation)
    assert world.store.scan_source(world.source)[0] in ([], ["a.md"])  # a stamp too fresh to be trusted is looked at


def test_recovery_may_be_interrupted_and_repeated(world: World) -> None:
    world.write("a.md", "old")
    world.apply("a.md")
    world.write("a.md", "new")
    world.backend.fail = "before delete"
    for _ in range(3):
        with pytest.raises(BackendUnavailable):
            world.apply("a.md")
        assert world.texts() == [("a.md", "new")], "what is dead is not shown, wherever it still lies"
    world.backend.fail = ""
    world.apply("a.md")
    assert world.is_sound()
