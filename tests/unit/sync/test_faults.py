"""Dirty path → committed note while something is out: the embedder, the model, the disk; and what that costs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.backends import keys, values
from tests.world import World, sql
from vragd.errors import DiskFull, EmbedderChanged, EmbedderUnavailable
from vragd.sync import readers
from vragd.sync.pace import Pace
from vragd.sync.prepared import Visit

NO_ROOM = 1 << 30  # MiB


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.store.close()


@pytest.fixture
def hasty(tmp_path: Path) -> Iterator[World]:
    """A batch a round, and what was refused is tried again at once."""
    world = World(tmp_path, Pace(round_s=0.0, refused_for_s=0.0))
    yield world
    world.store.close()


# -- without an embedder ---------------------------------------------------------------------------


def fill(world: World) -> None:
    for name in ("stays", "deleted", "opts-out", "changes"):
        world.write(f"{name}.md", f"{name} text\n\n# Part\n\nmore of {name}")
    world.write("Private/secret.md", "secret text")
    world.apply("stays.md", "deleted.md", "opts-out.md", "changes.md", "Private/secret.md")


def take_away(world: World) -> list[str]:
    """What needs no embedder, and one note that does."""
    (world.vault / "deleted.md").unlink()
    world.write("opts-out.md", "---\nvragd: false\n---\nopts-out text")
    (world.vault / ".obsidian").mkdir()
    (world.vault / ".obsidian/app.json").write_text('{"userIgnoreFilters": ["Private/"]}')
    world.source.refresh_rules()
    world.write("changes.md", "a text never seen")
    return ["changes.md", "deleted.md", "opts-out.md", "Private/secret.md"]


def test_a_deletion_an_opt_out_and_an_exclusion_are_applied_while_the_embedder_is_out(world: World) -> None:
    fill(world)
    gone = take_away(world)
    world.embedder.down = True
    with pytest.raises(EmbedderUnavailable):
        world.apply(*gone)
    assert {path for path, _ in world.texts()} == {"stays.md"}
    assert [found.path for found in world.store.reader.keyword("secret OR opts", 9)] == []
    assert [found.path for found in world.store.reader.keyword("seen", 9)] == ["changes.md"], "its words are there"
    world.embedder.down = False
    world.apply(*gone)
    assert ("changes.md", "a text never seen") in world.texts()
    assert world.is_sound()


def test_the_same_right_after_a_restart_without_the_embedder(world: World) -> None:
    fill(world)
    world.embedder.down = True
    world.restart()
    gone = take_away(world)
    with pytest.raises(EmbedderUnavailable):
        world.store.prepare()
    with pytest.raises(EmbedderUnavailable):
        world.apply(*gone)
    assert {path for path, _ in world.texts()} == {"stays.md"}
    assert world.is_sound()


def test_a_deletion_alone_needs_no_embedder_at_all(world: World) -> None:
    fill(world)
    world.restart()
    world.embedder.down = True
    (world.vault / "deleted.md").unlink()
    assert world.apply("deleted.md").n_removed == 1


def test_below_the_floor_of_free_space_what_makes_room_is_done_and_nothing_else(world: World) -> None:
    fill(world)
    world.restart(min_free_mib=NO_ROOM)
    gone = take_away(world)
    n = len(world.embedder.texts)
    with pytest.raises(DiskFull):
        world.store.apply([Visit(world.source, path) for path in gone])
    assert {path for path, _ in world.texts()} == {"stays.md", "changes.md"}
    assert len(world.embedder.texts) == n
    assert world.store.apply([Visit(world.source, "deleted.md")]).deferred == []


# -- texts that crash the model --------------------------------------------------------------------


def test_a_deadly_text_is_found_while_the_user_goes_on_saving(world: World) -> None:
    world.embedder.deadly = "arsenic"
    world.write("bad.md", "some arsenic")
    world.write("good.md", "some sugar")
    for day in range(3):
        world.write("diary.md", f"day {day}")
        world.apply("diary.md")
        if day < 2:
            with pytest.raises(EmbedderUnavailable):
                world.apply("bad.md", "good.md")
    world.apply("bad.md", "good.md")
    assert ("good.md", "some sugar") in world.texts()
    assert [row.path for row in world.store.reader.files(["partial"])] == ["bad.md"]


def test_a_deadly_text_is_found_whatever_texts_it_comes_with(world: World) -> None:
    world.embedder.deadly = "arsenic"
    world.write("bad.md", "some arsenic")
    for i in range(3):
        world.write(f"n{i}.md", f"text {i}")
    for i in range(2):
        with pytest.raises(EmbedderUnavailable):
            world.apply(f"n{i}.md", "bad.md")
    world.apply("n2.md", "bad.md")
    assert [row.path for row in world.store.reader.files(["partial"])] == ["bad.md"]


def test_an_outage_strikes_no_text_out(world: World) -> None:
    world.write("a.md", "text")
    world.embedder.deadly = ""  # the server is there, the model answers nothing
    for _ in range(6):
        with pytest.raises(EmbedderUnavailable):
            world.apply("a.md")
    world.embedder.deadly = None
    world.apply("a.md")
    assert [row.state for row in world.store.reader.files()] == ["indexed"]


def test_a_note_that_is_well_again_has_no_attempts_on_record(hasty: World) -> None:
    world = hasty
    world.embedder.poison = "arsenic"
    for i in range(3):
        world.write("bad.md", f"arsenic {i}")
        world.apply("bad.md")
    known = world.store.catalog.known_note(world.source.id, "bad.md")
    assert known is not None and known.attempts == 3
    world.embedder.poison = None
    world.apply("bad.md")
    known = world.store.catalog.known_note(world.source.id, "bad.md")
    assert known is not None and (known.state, known.attempts) == ("indexed", 0)


# -- another model ---------------------------------------------------------------------------------


def test_vectors_of_another_dimension_are_not_kept(world: World) -> None:
    world.write("a.md", "old")
    world.apply("a.md")
    world.embedder.dimension = 16  # under the same digest: nothing but the vectors themselves tells
    world.embedder.claims = 32
    world.write("b.md", "new")
    with pytest.raises(EmbedderChanged):
        world.apply("b.md")
    world.embedder.dimension = 32
    world.apply("b.md")
    assert world.texts() == [("a.md", "old"), ("b.md", "new")]
    assert world.is_sound()


def test_a_stored_vector_of_the_wrong_length_is_made_anew(world: World) -> None:
    world.write("a.md", "text")
    world.apply("a.md")
    catalog, space = world.store.catalog, world.store.space
    assert space is not None
    sql(world.folder, "update embedding set vector = x'00000000'")
    ((text_hash,),) = sql(world.folder, "select text_hash from embedding")
    assert catalog.embedded(space.id, [text_hash]) == set()
    assert catalog.embeddings(space.id, [text_hash]) == {}
    world.write("b.md", "text")
    world.apply("b.md")
    assert catalog.embeddings(space.id, [text_hash])[text_hash].shape == (32,)
    assert world.is_sound()


def test_a_model_replaced_by_one_of_equal_dimension_puts_nothing_into_the_old_space(world: World) -> None:
    world.write("a.md", "old")
    world.apply("a.md")
    world.embedder.digest = "2"
    world.write("b.md", "new")
    n = len(world.embedder.texts)
    with pytest.raises(EmbedderChanged):
        world.apply("b.md")
    assert len(world.embedder.texts) == n
    world.store.prepare()
    assert world.store.rebuilding
    world.apply("a.md", "b.md")
    assert not world.store.rebuilding
    assert world.texts() == [("a.md", "old"), ("b.md", "new")]
    vectors = values(world.backend, world.collection, keys(world.backend, world.collection))
    wanted = [world.embedder.embed_query(text) for text in ("old", "new")]
    assert all(any(np.allclose(row, want, atol=2e-5) for want in wanted) for row in vectors.values())


def test_an_old_space_goes_also_when_the_crash_came_just_before(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.write("a.md", "text")
    world.apply("a.md")
    world.embedder.digest = "2"
    world.store.prepare()
    with monkeypatch.context() as killed:
        killed.setattr(world.store.spaces, "drop_old", lambda *_: None)
        world.apply("a.md")
    assert len(world.store.catalog.spaces()) == 2
    world.restart()
    assert world.store.rebuilding
    world.store.prepare()
    assert len(world.store.catalog.spaces()) == 1
    assert not world.store.rebuilding
    assert world.backend.list_collections() == [world.collection]


def test_another_model_for_an_empty_store_leaves_nothing_of_the_first(world: World) -> None:
    world.embedder.digest = "2"
    world.store.prepare()
    assert [space.collection for space in world.store.catalog.spaces()] == [world.collection]
    assert world.backend.list_collections() == [world.collection]
    assert not world.store.rebuilding


# -- large notes and limits ------------------------------------------------------------------------


def test_a_note_of_many_rounds_is_read_and_cut_once(hasty: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world = hasty
    world.write("a.md", "\n\n".join(f"# Part {i}\n\nwords of part {i}" for i in range(600)))
    n_cut, cut = [], readers.read_note
    monkeypatch.setattr("vragd.sync.readers.read_note", lambda *args: (n_cut.append(1), cut(*args))[1])
    _wait_out_racy_stamps(world, "a.md")
    n_rounds = 1
    report = world.store.apply([Visit(world.source, "a.md")])
    while report.deferred:
        report = world.store.apply(report.deferred)
        n_rounds += 1
    assert (n_rounds, len(n_cut)) == (75, 1)
    assert len(world.texts()) == 600
    assert world.store._syncer is not None and world.store._syncer._preparer._kept is None


def test_a_note_of_many_rounds_that_changes_in_between_is_read_again(hasty: World) -> None:
    world = hasty
    world.write("a.md", "\n\n".join(f"# Part {i}\n\nwords of part {i}" for i in range(40)))
    _wait_out_racy_stamps(world, "a.md")
    assert world.store.apply([Visit(world.source, "a.md")]).deferred
    world.write("a.md", "all new")
    world.apply("a.md")
    assert world.texts() == [("a.md", "all new")]
    assert world.is_sound()


def test_of_several_unfinished_notes_one_is_kept(hasty: World) -> None:
    world = hasty
    for name, n in (("a", 20), ("b", 40), ("c", 10)):
        world.write(f"{name}.md", "\n\n".join(f"# {name} {i}\n\nwords of {name} {i}" for i in range(n)))
        _wait_out_racy_stamps(world, f"{name}.md")
    world.apply("a.md", "b.md", "c.md")
    assert len(world.texts()) == 70
    assert len(world.embedder.texts) == 70
    assert world.is_sound()


def _wait_out_racy_stamps(world: World, path: str) -> None:
    os.utime(world.vault / path, (1_600_000_000, 1_600_000_000))
    world.source.clock = lambda: 1 << 62  # as if the change time, which nobody can set, were old too


def test_a_higher_limit_of_size_takes_in_what_was_too_large_and_a_lower_one_puts_it_out(world: World) -> None:
    world.restart(max_file_bytes=1024)
    world.write("a.md", "word " * 1000)
    world.apply("a.md")
    _believe_stamps(world)
    assert [row.reason for row in world.store.reader.files()] == ["too_large"]
    assert world.scan() == []
    world.restart(max_file_bytes=10_000)
    _believe_stamps(world)
    assert world.scan() == ["a.md"]
    world.apply("a.md")
    _believe_stamps(world)
    assert [row.state for row in world.store.reader.files()] == ["indexed"]
    assert world.scan() == []
    world.restart(max_file_bytes=1024)
    assert world.scan() == ["a.md"]
    world.apply("a.md")
    assert world.texts() == []
    assert world.scan() == []


def _believe_stamps(world: World) -> None:
    sql(world.folder, "update note set racy = 0")
