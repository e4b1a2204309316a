"""What a backend refuses of one note is a state of that note, with its reason, and keeps nothing else out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.backends import keys
from tests.clock import FakeClock
from tests.world import World, sql
from vragd.catalog.model import SpaceRow
from vragd.errors import VectorsRefused
from vragd.sync import order

SAID = "what a backend says of them"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.store.close()


def space_of(world: World) -> SpaceRow:
    assert world.store.space is not None
    return world.store.space


def states(world: World) -> dict[str, tuple[str, str | None]]:
    return {row.path: (row.state, row.reason) for row in world.store.reader.files()}


def test_a_refused_chunk_is_found_by_its_words_and_its_note_says_why(world: World) -> None:
    world.backend.refuses = "arsenic"
    world.write("bad.md", "# One\n\nfine\n\n# Two\n\narsenic")
    for name in "abc":
        world.write(f"{name}.md", f"text of {name}")
    report = world.apply("a.md", "bad.md", "b.md", "c.md")
    assert states(world) == {
        "a.md": ("indexed", None), "b.md": ("indexed", None), "c.md": ("indexed", None),
        "bad.md": ("partial", f"the backend refuses 1 of 2 chunks ({SAID})"),
    }  # fmt: skip
    assert [text for path, text in world.texts() if path == "bad.md"] == ["# One\n\nfine"]
    assert world.store.reader.keyword("arsenic", 5)[0].path == "bad.md"
    assert (report.later, report.deferred) == ([], [])
    assert world.is_sound()


def test_all_that_a_round_puts_may_be_refused(world: World) -> None:
    world.backend.refuses = "text"
    world.write("a.md", "text of a")
    world.write("b.md", "text of b")
    world.apply("a.md", "b.md")
    assert {state for state, _ in states(world).values()} == {"partial"}
    assert world.texts() == []
    assert world.is_sound()


def test_what_was_refused_is_tried_again_and_whole_once_it_is_taken(world: World) -> None:
    world.backend.refuses = "arsenic"
    world.write("bad.md", "arsenic")
    world.apply("bad.md")
    world.apply("bad.md")
    assert sql(world.folder, "select attempts, retry_at > 0 from note") == [(2, 1)]
    world.backend.refuses = None
    embedded = len(world.embedder.texts)
    world.apply("bad.md")
    assert states(world) == {"bad.md": ("indexed", None)}
    assert sql(world.folder, "select attempts, retry_at from note") == [(0, None)]
    assert world.texts() == [("bad.md", "arsenic")]
    assert len(world.embedder.texts) == embedded
    assert world.is_sound()


@pytest.mark.parametrize("who", ["embedder", "backend"])
@pytest.mark.parametrize(
    "happens",
    [
        lambda clock: clock.pass_(5),
        lambda clock: clock.pass_(86_400, asleep=True),
        lambda clock: clock.set_wall(clock.wall() - 1_800),
        lambda clock: clock.set_wall(clock.wall() - 86_400),
        lambda clock: clock.set_wall(clock.wall() + 86_400 * 365),
    ],
    ids=["time", "asleep for a day", "set back by half an hour", "set back by a day", "set forward by a year"],
)
def test_what_was_refused_is_due_in_time_whatever_becomes_of_the_clock(
    tmp_path: Path, who: str, happens: Callable[[FakeClock], None]
) -> None:
    clock = FakeClock()
    world = World(tmp_path, clock=clock)
    world.embedder.poison = "arsenic" if who == "embedder" else None
    world.backend.refuses = "arsenic" if who == "backend" else None
    world.write("bad.md", "arsenic")
    world.apply("bad.md")
    assert list(world.store.due_for_retry()) == []
    happens(clock)
    assert [path for _, path in world.store.due_for_retry()] == ["bad.md"]
    world.apply("bad.md")
    assert list(world.store.due_for_retry()) == [], "each time four times as late"
    world.store.close()


def test_a_text_that_a_model_refuses_no_more_is_taken_after_a_night_asleep(tmp_path: Path) -> None:
    clock = FakeClock()
    world = World(tmp_path, clock=clock)
    world.embedder.poison = "arsenic"
    world.write("bad.md", "arsenic")
    world.apply("bad.md")
    world.embedder.poison = None
    clock.pass_(86_400, asleep=True)
    world.apply(*(path for _, path in world.store.due_for_retry()))
    assert states(world) == {"bad.md": ("indexed", None)}
    world.store.close()


def test_what_the_embedder_and_the_backend_refuse_of_one_note_is_both_told(world: World) -> None:
    world.embedder.poison, world.backend.refuses = "cyanide", "arsenic"
    world.write("bad.md", "# One\n\nfine\n\n# Two\n\narsenic\n\n# Three\n\ncyanide")
    world.apply("bad.md")
    said = f"the embedder refuses 1 of 3 chunks; the backend refuses 1 of 3 chunks ({SAID})"
    assert states(world) == {"bad.md": ("partial", said)}
    assert [text for _, text in world.texts()] == ["# One\n\nfine"]
    assert world.is_sound()


def test_what_is_refused_when_a_lost_index_is_put_again_keeps_nothing_else_out(world: World) -> None:
    world.write("bad.md", "# One\n\nfine\n\n# Two\n\narsenic")
    world.write("a.md", "text of a")
    world.apply("a.md", "bad.md")
    world.restart()  # a memory backend begins empty
    world.backend.refuses = "arsenic"
    world.store.prepare()
    space = space_of(world)
    world.backend.delete_vectors(world.collection, keys(world.backend, world.collection))
    order.refill(world.store.catalog, world.backend, space, world.store.catalog.live_keys(space.id))
    assert states(world) == {
        "a.md": ("indexed", None),
        "bad.md": ("partial", f"the backend refuses 1 of 2 chunks ({SAID})"),
    }
    assert world.texts() == [("a.md", "text of a"), ("bad.md", "# One\n\nfine")]
    assert world.is_sound()
    assert [path for _, path in world.store.catalog.due_for_retry(world.store.given.clock.wall() + 60)] == ["bad.md"]


def test_a_refusal_of_what_was_not_put_is_no_notes_fault(world: World) -> None:
    world.write("a.md", "text")

    def refuse(*_: object, **__: object) -> None:
        raise VectorsRefused("a batch without sense", keys=("of nobody",), part="values")

    world.backend.put_vectors = refuse  # type: ignore[method-assign]
    with pytest.raises(VectorsRefused):
        world.apply("a.md")
    assert world.texts() == []
