"""What a note says of assistants counts from when it was read, whatever else of it is still to be done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.harness import until
from tests.world import WordEmbedder, World, sql
from vragd.errors import EmbedderUnavailable

LIVE = "select path from note where state = 'indexed'"
CLOSED = "---\nai: false\n---\n"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.store.close()


def shown(world: World) -> set[str]:
    """The notes that an assistant sees."""
    with world.store.for_assistants.snapshot() as now:
        return {path.decode() for (path,) in now.db.execute("select path from note")}


def test_a_note_that_is_closed_is_so_though_its_text_waits_and_is_open_again_when_that_is_taken_back(
    world: World,
) -> None:
    world.write("a.md", "alpha beta")
    world.write("b.md", "alpha gamma")
    world.apply("a.md", "b.md")
    world.embedder.down = True
    world.write("a.md", f"{CLOSED}alpha delta")
    world.write("b.md", "alpha epsilon")
    for _ in range(2):
        with pytest.raises(EmbedderUnavailable):
            world.apply("a.md", "b.md")
        assert shown(world) == {"b.md"}
    assert [found.text for found in world.store.reader.keyword("delta", 5)] == ["alpha delta"], "people have its words"
    generation = world.store.reader.generation()
    with pytest.raises(EmbedderUnavailable):
        world.apply("a.md")
    assert world.store.reader.generation() == generation, "it was known"
    world.write("a.md", "alpha beta")
    world.apply("a.md")
    assert shown(world) == {"a.md", "b.md"}


def test_what_has_changed_meanwhile_and_is_closed_or_cannot_be_read_is_known_before_it_is_indexed(world: World) -> None:
    files = {"same.md": "x", "open.md": "x", "closed.md": "x", "out.md": "x", "gone.md": "x", "code.yaml": "x: 1\n"}
    world.include = ("*.md", "*.yaml")
    world.restart()
    world.store.prepare()
    for path, text in files.items():
        world.write(path, text)
    world.apply(*files)
    assert shown(world) == files.keys()
    for path, text in {
        "open.md": "x y", "closed.md": f"{CLOSED}x", "out.md": "---\nvragd: false\n---\nx", "new.md": f"{CLOSED}x",
        "code.yaml": "---\nai: false\n---\nx: 1\n",
    }.items():  # fmt: skip
        world.write(path, text)
    (world.vault / "gone.md").unlink()
    _, found = world.store.scan_source(world.source)
    changed = set(found.changed)
    assert files.keys() - {"same.md", "gone.md"} <= changed
    assert changed.isdisjoint({"same.md", "new.md"})
    closed = world.store.closed_since(world.source, [*found.changed, "gone.md", "paper.pdf"])
    assert set(closed) == {"closed.md", "out.md", "code.yaml", "gone.md"}
    world.store.withhold([(world.source.id, path) for path in closed])
    assert shown(world) == {"same.md", "open.md"}
    world.apply(*world.scan())
    assert shown(world) == {"same.md", "open.md", "out.md"}
    assert "out.md" not in dict(world.texts()), "which is a name without anything"


def test_what_is_gone_or_excluded_is_told_apart_from_what_has_moved_and_is_answered_with_until_it_is_indexed(
    world: World,
) -> None:
    for path in ("gone.md", "moved.md", "hidden/a.md", "same.md"):
        world.write(path, f"alpha {path}")
    world.apply(*world.scan())
    (world.vault / "gone.md").unlink()
    (world.vault / "moved.md").rename(world.vault / "elsewhere.md")
    (world.vault / "hidden").rename(world.vault / ".hidden")
    paths, found = world.store.scan_source(world.source)
    assert {"gone.md", "moved.md", "elsewhere.md", "hidden/a.md"} <= set(paths)
    assert found.withdrawn == {"gone.md", "hidden/a.md"}
    assert world.store.scan_source(world.source, "hidden")[1].withdrawn == set(), "it may be anywhere else by now"


class Watching(WordEmbedder):
    """Tells, each time it is asked, which notes are found at that moment."""

    def __init__(self) -> None:
        super().__init__()
        self.look: Callable[[], set[str]] = set
        self.seen: list[set[str]] = []

    def embed_documents(self, texts: Sequence[str]) -> np.ndarray:
        self.seen.append(self.look())
        return super().embed_documents(texts)


def test_what_is_withdrawn_in_a_round_does_not_wait_for_what_is_embedded_in_it(world: World) -> None:
    for path in ("out.md", "hidden/a.md", "gone.md", "moved.md"):
        world.write(path, f"alpha {path}")
    world.apply(*world.scan())
    world.other = watching = Watching()
    world.restart()
    world.store.prepare()
    watching.look = lambda: {path.decode() for (path,) in sql(world.store.folder, LIVE)}
    world.write("out.md", "---\nvragd: false\n---\nalpha")
    (world.vault / "hidden").rename(world.vault / ".hidden")
    (world.vault / "gone.md").unlink()
    (world.vault / "moved.md").rename(world.vault / "elsewhere.md")
    world.write("new.md", "beta")
    report = world.apply("new.md", "hidden/a.md", "elsewhere.md", "moved.md", "gone.md", "out.md")
    assert "out.md" not in watching.seen[0]
    assert {"moved.md", "gone.md"} <= watching.seen[0], "which may be the same, until its new place is found"
    assert report.n_removed == 3 and watching.look() == {"new.md", "elsewhere.md"}


def rests(world: World) -> bool:
    """Whether nothing is left to be read; what was read in the moment it was written is read again."""
    waiting = world.scan()
    world.apply(*waiting)
    return not waiting


def test_a_note_that_was_withheld_before_the_process_died_is_read_once_more(world: World) -> None:
    world.write("a.md", "alpha beta")
    until(lambda: rests(world), "the note to be older than its reading")
    world.store.withhold([(world.source.id, "a.md"), (world.source.id, "new.md")])
    world.restart()
    world.store.prepare()
    assert shown(world) == set()
    assert world.scan() == ["a.md"], "though its file is as it was"
    n_embedded = len(world.embedder.texts)
    world.apply(*world.scan())
    assert (shown(world), len(world.embedder.texts)) == ({"a.md"}, n_embedded)
    assert rests(world)
