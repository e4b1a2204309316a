"""A note whose embedder is away: found by its words at once, whole when it is back, and touched no more in between."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.world import World, sql
from vragd.errors import EmbedderUnavailable, NotFound
from vragd.search.ask import Question, Target, ask
from vragd.store.exported import Indexed
from vragd.store.verify import compare_backend, compare_vault
from vragd.sync.embedding import MOST_TEXTS
from vragd.sync.prepared import Visit

TWO_PARTS = "# One\n\nabout marmots\n\n# Two\n\nabout otters"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    calm(world)
    yield world
    world.store.close()


def calm(world: World) -> None:
    """No stamp is too fresh to be trusted."""
    world.source.clock = lambda: time.time_ns() + 60 * 10**9


def restart(world: World) -> None:
    world.restart()
    calm(world)


def words(world: World, text: str) -> list[str]:
    return sorted({found.path for found in world.store.reader.keyword(text, 9)})


def states(world: World) -> dict[str, str]:
    return {row.path: row.state for row in world.store.reader.files()}


def fail(world: World, *paths: str) -> list[str]:
    """A round that meets the outage; what waits then."""
    world.embedder.down = True
    with pytest.raises(EmbedderUnavailable):
        world.store.apply([Visit(world.source, path) for path in paths])
    assert world.store.report.deferred == []
    return sorted(visit.path for visit in world.store.report.parked)


def waiting(world: World, *paths: str) -> list[str]:
    """A round that asks nobody; what waits then."""
    return sorted(visit.path for visit in world.apply(*paths, embed=False).parked)


def read(world: World) -> list[str]:
    """The paths of the notes whose files are read from now on."""
    paths: list[str] = []
    source: Any = world.source
    was = source.read
    source.read = lambda path: (paths.append(path), was(path))[1]
    return paths


def test_it_is_found_by_its_words_and_what_has_a_vector_keeps_it(world: World) -> None:
    world.write("a.md", TWO_PARTS)
    world.apply("a.md")
    world.write("a.md", TWO_PARTS.replace("otters", "beavers"))
    world.write("new.md", "about quokkas")
    assert fail(world, "a.md", "new.md") == ["a.md", "new.md"]
    assert (words(world, "beavers"), words(world, "quokkas"), words(world, "otters")) == (["a.md"], ["new.md"], [])
    assert world.texts() == [("a.md", "# One\n\nabout marmots")]
    assert states(world) == {"a.md": "pending", "new.md": "pending"}
    assert world.store.reader.counts().states == {"pending": 2}
    assert list(world.store.due_for_retry()) == [], "time does nothing for it"
    assert world.is_sound()
    world.embedder.down = False
    n = len(world.embedder.texts)
    world.apply("a.md", "new.md")
    assert len(world.embedder.texts) - n == 2
    assert states(world) == {"a.md": "indexed", "new.md": "indexed"}
    assert [path for path, _ in world.texts()] == ["a.md", "a.md", "new.md"]
    assert world.is_sound()


def test_a_question_by_vector_finds_what_has_one_and_one_by_both_finds_all(world: World) -> None:
    world.write("old.md", "about marmots")
    world.apply("old.md")
    world.write("new.md", "about quokkas and marmots")
    fail(world, "new.md")

    def asked(**what: Any) -> list[str]:
        space = world.store.answering.space if world.store.answering else None
        target = Target("sss", world.store.reader, world.store.backend, space, world.embedder.embed_query, {})
        return sorted(hit.path for hit in ask(target, Question(text="marmots", **what)).hits)

    assert asked(mode="vector") == ["old.md"]
    assert asked() == ["new.md", "old.md"]


def test_while_it_waits_it_is_neither_written_nor_read_again_and_every_scan_knows_it(world: World) -> None:
    world.write("a.md", "about quokkas")
    fail(world, "a.md")
    seen = [row[0] for row in sql(world.folder, "select seq from note")]
    generation, paths = world.store.reader.generation(), read(world)
    for _ in range(3):
        assert world.scan() == ["a.md"]
        assert waiting(world, "a.md") == ["a.md"]
    assert paths == []
    assert fail(world, "a.md") == ["a.md"]
    assert [row[0] for row in sql(world.folder, "select seq from note")] == seen
    assert world.store.reader.generation() == generation
    world.write("a.md", "about wombats")
    assert waiting(world, "a.md") == ["a.md"]
    assert (words(world, "wombats"), words(world, "quokkas")) == (["a.md"], [])


def test_after_a_restart_it_is_found_again_and_embedded_though_its_file_is_as_it_was(world: World) -> None:
    world.write("a.md", "about quokkas")
    world.write("b.md", "about marmots")
    world.apply("b.md")
    fail(world, "a.md")
    restart(world)
    assert words(world, "quokkas") == ["a.md"]
    assert world.scan() == ["a.md"]
    assert waiting(world, "a.md") == ["a.md"]
    world.embedder.down = False
    world.apply(*world.scan())
    assert states(world) == {"a.md": "indexed", "b.md": "indexed"}
    assert world.scan() == []
    assert world.is_sound()


def test_what_an_old_model_answers_is_not_given_up_for_a_new_one_that_is_away(world: World) -> None:
    for name in ("same", "other"):
        world.write(f"{name}.md", f"about {name}")
    world.apply("same.md", "other.md")
    first = world.store.space
    world.embedder.digest = "2"
    world.store.prepare()
    assert world.store.space != first
    world.write("other.md", "about quokkas")
    world.write("new.md", "about wombats")
    assert fail(world, "same.md", "other.md", "new.md") == ["new.md", "other.md", "same.md"]
    assert waiting(world, "same.md") == ["same.md"]
    assert states(world) == {"same.md": "indexed", "other.md": "pending", "new.md": "pending"}
    assert words(world, "quokkas OR wombats") == ["new.md", "other.md"]
    (row,) = sql(world.folder, "select space_id, (select min(embedded) from chunk where note_id = note.id)"
                 " from note where path = ?", b"same.md")  # fmt: skip
    assert first is not None
    assert row == (first.id, 1)
    assert world.store.catalog.chosen_spaces()[1] == first.id, "which answers where it can be asked"
    world.embedder.down = False
    world.apply("same.md", "other.md", "new.md")
    assert not world.store.rebuilding
    assert set(states(world).values()) == {"indexed"}
    assert world.is_sound()


def test_one_that_waits_may_be_renamed_deleted_left_out_or_closed(world: World) -> None:
    for name in ("moves", "goes", "leaves", "closes"):
        world.write(f"{name}.md", f"about {name}")
    fail(world, "moves.md", "goes.md", "leaves.md", "closes.md")
    (world.vault / "moves.md").rename(world.vault / "moved.md")
    (world.vault / "goes.md").unlink()
    world.write("leaves.md", "---\nvragd: false\n---\nabout leaves")
    world.write("closes.md", "---\nai: false\n---\nabout closes")
    assert waiting(world, *world.scan()) == ["closes.md", "moved.md"]
    assert states(world) == {"closes.md": "pending", "moved.md": "pending", "leaves.md": "skipped"}
    with world.store.for_assistants.snapshot() as now:
        shown = {path for (path,) in now.db.execute("select path from note")}
    assert shown == {b"moved.md", b"leaves.md"}, "one of them is a name without anything"
    world.embedder.down = False
    world.apply(*world.scan())
    assert [path for path, _ in world.texts()] == ["closes.md", "moved.md"]
    assert world.is_sound()


def test_a_text_that_is_refused_and_one_that_waits_are_told_apart(world: World) -> None:
    world.embedder.poison = "arsenic"
    world.write("bad.md", "# One\n\nsome arsenic\n\n# Two\n\nfine")
    world.apply("bad.md")
    assert states(world) == {"bad.md": "partial"}
    world.write("bad.md", "# One\n\nsome arsenic\n\n# Two\n\nnever seen")
    fail(world, "bad.md")
    assert states(world) == {"bad.md": "pending"}
    world.embedder.down = False
    world.apply("bad.md")
    assert states(world) == {"bad.md": "partial"}
    assert [text for _, text in world.texts()] == ["# Two\n\nnever seen"]


def test_one_that_waits_and_could_not_be_read_waits_on_when_it_can(world: World) -> None:
    world.write("a.md", "about quokkas")
    fail(world, "a.md")
    (world.vault / "a.md").rename(world.vault / "kept")
    (world.vault / "a.md").mkdir()
    sql(world.folder, "update note set state = 'failed', retry_at = 1.0, size = -1")  # as of one that cannot be read
    (world.vault / "a.md").rmdir()
    (world.vault / "kept").rename(world.vault / "a.md")
    assert waiting(world, "a.md") == ["a.md"]
    assert states(world) == {"a.md": "pending"}


def test_what_a_backend_refuses_of_a_note_that_waits_does_not_end_its_wait(world: World) -> None:
    world.backend.refuses = "marmots"
    world.write("first.md", "about marmots")
    world.apply("first.md")
    assert states(world) == {"first.md": "partial"}, "which has an embedding, and so has each text like it"
    world.write("a.md", "about marmots\n\n# B\n\nabout wombats")
    assert fail(world, "a.md") == ["a.md"]
    assert states(world)["a.md"] == "pending"
    assert "a.md" in world.scan()
    world.embedder.down = False
    world.apply("a.md")
    assert states(world)["a.md"] == "partial"


def test_every_note_of_a_large_vault_has_its_words_in_rounds_that_are_bounded(world: World) -> None:
    paths = [f"n{i:03}.md" for i in range(400)]
    for i, path in enumerate(paths):
        world.write(path, f"# A\n\nnumber{i}\n\n# B\n\nand more of {i}")
    (world.vault / "gone.md").write_text("x")
    world.apply("gone.md")
    (world.vault / "gone.md").unlink()
    fail(world, paths[0])
    left, n_rounds = [Visit(world.source, path) for path in [*paths[1:], "gone.md"]], 0
    while left:
        report = world.store.apply(left, embed=False)
        assert 0 < report.n_changed + report.n_removed <= MOST_TEXTS
        left, n_rounds = report.deferred, n_rounds + 1
    assert n_rounds <= 2 * len(paths) / MOST_TEXTS + 1
    assert states(world) == dict.fromkeys(paths, "pending")
    assert world.embedder.texts == ["x"]


def test_reading_all_again_and_verifying_while_notes_wait_change_nothing(world: World) -> None:
    world.write("a.md", TWO_PARTS)
    world.apply("a.md")
    world.write("b.md", "about quokkas")
    fail(world, "b.md")
    world.store.read_again()
    assert waiting(world, *world.scan()) == ["b.md"]
    assert states(world) == {"a.md": "indexed", "b.md": "pending"}
    assert compare_vault(world.store, world.source, frozenset()) == []
    assert compare_backend(world.store) == []
    assert world.store.catalog.mend() == 0
    assert states(world) == {"a.md": "indexed", "b.md": "pending"}


def test_a_store_whose_embedder_never_answered_is_one_of_words_until_it_does(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.store.close()
    shutil.rmtree(world.folder)
    world.embedder.down = True
    try:
        world.open()
        calm(world)
        world.write("a.md", "about quokkas")
        world.write("b.md", "about marmots")
        with pytest.raises(EmbedderUnavailable):
            world.apply("a.md")
        assert world.store.space is None, "who asks for vectors is told that there are none"
        assert waiting(world, "a.md", "b.md") == ["a.md", "b.md"]
        assert words(world, "quokkas") == ["a.md"]
        assert states(world) == {"a.md": "pending", "b.md": "pending"}
        assert world.store.answering is None, "as before anything was indexed: nobody is told that vectors answer"
        with pytest.raises(NotFound, match="nothing of store 'sss' is embedded yet"):
            Indexed("sss", world.store.settings, world.folder, world.store.limits)
        generation = world.store.reader.generation()
        restart(world)
        (world.vault / "b.md").unlink()
        assert waiting(world, *world.scan()) == ["a.md"]
        assert world.store.reader.generation() == generation + 1, "of the one that is gone"
        assert words(world, "marmots") == []
        assert compare_vault(world.store, world.source, frozenset()) == []
        assert compare_backend(world.store) == []
        world.embedder.down = False
        world.store.prepare()
        assert world.store.answering is not None
        assert world.store.rebuilding
        assert not world.store.spaces.replaces, "there were no vectors before"
        assert world.store.answering.space == world.store.space, "what has a vector answers at once"
        assert words(world, "quokkas") == ["a.md"]
        world.apply(*world.scan())
        assert not world.store.rebuilding
        assert states(world) == {"a.md": "indexed"}
        assert world.collection == "sss"
        assert world.is_sound()
    finally:
        world.store.close()


def test_whatever_has_a_note_read_that_waits_has_it_read_once_and_not_at_each_scan(world: World) -> None:
    names = ("fresh.md", "touched.md", "asked.md")
    for name in names:
        world.write(name, f"about {name}")
    world.source.clock = lambda: (world.vault / "fresh.md").stat().st_mtime_ns
    fail(world, "fresh.md")
    paths = read(world)
    assert (waiting(world, "fresh.md"), paths) == (["fresh.md"], ["fresh.md"]), "its stamp cannot be trusted yet"
    calm(world)
    fail(world, "touched.md", "asked.md")
    os.utime(world.vault / "touched.md")
    world.store.read_again()
    paths.clear()
    for _ in range(4):
        assert waiting(world, *world.scan()) == sorted(names)
    assert sorted(paths) == sorted(names), "each once"
    world.write("touched.md", "about wombats")
    assert waiting(world, "touched.md") == ["touched.md"]
    assert words(world, "wombats") == ["touched.md"]
    (world.vault / "asked.md").unlink()
    assert waiting(world, *world.scan()) == ["fresh.md", "touched.md"]
    world.embedder.down = False
    world.apply(*world.scan())
    assert (states(world), world.scan()) == (dict.fromkeys(("fresh.md", "touched.md"), "indexed"), [])
    assert world.is_sound()


def test_a_note_whose_reader_is_another_by_now_is_read_once_while_its_new_texts_wait(world: World) -> None:
    world.write("a.md", TWO_PARTS)
    world.apply("a.md")
    sql(world.folder, "update note set reader = 'an older one'")
    sql(world.folder, "update chunk set key = key || 'x' where ordinal = 1")  # which cut it otherwise
    sql(world.folder, "delete from embedding where text_hash = (select text_hash from chunk where ordinal = 1)")
    assert fail(world, *world.scan()) == ["a.md"]
    paths = read(world)
    for _ in range(3):
        assert waiting(world, *world.scan()) == ["a.md"]
    assert (paths, states(world)) == ([], {"a.md": "indexed"}), "what it was answers until then"
