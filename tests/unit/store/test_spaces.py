"""From one embedding space to the next: who writes, who answers, and what holds nothing up."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.backends import delete, put
from tests.clock import FakeClock
from tests.world import WordEmbedder, World
from vragd.backends.base import Entry
from vragd.backends.faiss.backend import FaissBackend
from vragd.catalog.model import SpaceRow
from vragd.embed.builtin.settings import BuiltinEmbedder
from vragd.embed.ollama.settings import OllamaEmbedder
from vragd.embed.pool import Embedders
from vragd.errors import BackendUnavailable, DiskFull, EmbedderChanged, EmbedderUnavailable, UnknownCollection
from vragd.store.remembered import Remembered
from vragd.store.spaces import Answering


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_switch_that_fails_half_way_writes_into_the_new_space_afterwards(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.write("a.md", "old")
    world.apply("a.md")
    world.embedder.digest = "2"
    with monkeypatch.context() as full:

        def no_room(*_: object) -> SpaceRow:
            raise DiskFull("no space left")

        full.setattr(world.store.catalog, "record_embedder", no_room)
        world.store.spaces._settings = "other settings"
        with pytest.raises(DiskFull):
            world.store.prepare()
    world.store.prepare()
    world.write("b.md", "new")
    world.apply("a.md", "b.md")
    assert not world.store.rebuilding
    assert world.texts() == [("a.md", "old"), ("b.md", "new")]


def test_a_note_that_cannot_be_read_does_not_hold_up_the_switch(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        world.write(f"{name}.md", f"text of {name}")
    world.apply("a.md", "b.md")
    world.embedder.digest = "2"
    world.store.prepare()
    with monkeypatch.context() as blind:
        blind.setattr("vragd.sync.readers.read_note", lambda *_: 1 / 0)
        world.apply("b.md")
    world.apply("a.md")
    answering = world.store.answering
    assert answering is not None
    assert answering.space == world.store.space
    assert world.store.rebuilding, "the old vectors of the other are kept"
    world.apply("b.md")
    assert not world.store.rebuilding


def test_a_chunker_that_cuts_otherwise_embeds_only_what_is_new(world: World) -> None:
    world.write("a.md", "one text")
    world.write("b.md", "another text")
    world.apply("a.md", "b.md")
    before = world.store.space
    world.embedder.chunker = "one that will be"
    world.store.prepare()
    world.write("b.md", "a text that is new")
    n = len(world.embedder.texts)
    world.apply("a.md", "b.md")
    assert world.embedder.texts[n:] == ["a text that is new"]
    assert world.store.space != before
    assert not world.store.rebuilding
    assert world.texts() == [("a.md", "one text"), ("b.md", "a text that is new")]
    assert world.is_sound()
    world.embedder.digest = "2"  # another model means another thing by the same texts
    world.store.prepare()
    n = len(world.embedder.texts)
    world.apply("a.md", "b.md")
    assert sorted(world.embedder.texts[n:]) == ["a text that is new", "one text"]


class Slow(WordEmbedder):
    """Takes its time to say who it is."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.go = threading.Event(), threading.Event()

    def still_makes(self, space: object) -> bool:
        self.asked.set()
        assert self.go.wait(30)
        return super().still_makes(space)  # type: ignore[arg-type]


def test_no_question_is_embedded_before_the_embedder_has_said_who_it_is(world: World) -> None:
    assert world.store.space is not None
    embedder = Slow()
    embedder.digest = "another model"
    answering = Answering(world.store.space, lambda: embedder)
    found: list[object] = []

    def ask() -> None:
        try:
            found.append(answering.embed_query("a question"))
        except EmbedderUnavailable as error:
            found.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert embedder.asked.wait(30)
    embedder.go.set()
    for thread in threads:
        thread.join()
    assert [type(each).__name__ for each in found] == ["EmbedderChanged"] * 4


def test_who_the_embedder_is_is_asked_anew_after_a_night_asleep_whatever_the_clock_was_set_to(world: World) -> None:
    assert world.store.space is not None
    clock, embedder = FakeClock(), WordEmbedder()
    answering = Answering(world.store.space, lambda: embedder, clock=clock)
    answering.embed_query("one")
    embedder.digest = "another model"
    for wall in (0.0, 1e10):
        clock.set_wall(wall)
        answering.embed_query("two")
    clock.pass_(86_400, asleep=True)
    with pytest.raises(EmbedderChanged):
        answering.embed_query("three")


def test_a_recorded_embedder_that_may_be_elsewhere_is_sent_nothing() -> None:
    embedders = Embedders()
    there = OllamaEmbedder(type="ollama", model="m", url="https://example.org", allow_remote=True)
    here = OllamaEmbedder(type="ollama", model="m")
    assert embedders.recorded(there.model_dump_json()) is None
    assert embedders.recorded(here.model_dump_json()) is not None
    assert embedders.recorded(BuiltinEmbedder(threads=1).model_dump_json()) is not None
    assert embedders.recorded('{"type": "of a later version"}') is None
    embedders.close()


def test_whoever_comes_too_late_for_a_store_is_told_and_reopens_nothing(tmp_path: Path) -> None:
    backend = FaissBackend("flat", tmp_path)
    backend.create_collection("sss", 2, "cosine")
    put(backend, "sss", [Entry("a", np.array([1, 0], dtype=np.float32))])
    held = backend._collection("sss")
    delete(backend, "sss")
    with pytest.raises(UnknownCollection):
        held.query(np.array([1, 0], dtype=np.float32), 1, None, None, with_metadata=False)
    backend.close()
    with pytest.raises(BackendUnavailable):
        backend.query("sss", np.array([1, 0], dtype=np.float32), 1)


def test_a_question_is_embedded_once_for_each_space_and_the_oldest_is_forgotten(world: World) -> None:
    assert world.store.space is not None
    asked: list[str] = []

    class Asked(WordEmbedder):
        def embed_query(self, text: str) -> np.ndarray:
            asked.append(text)
            return super().embed_query(text)

    remembered, embedder = Remembered(2), Asked()
    first = Answering(world.store.space, lambda: embedder, remembered)
    row = first.embed_query("one")
    row[:] = 0  # it is the caller's
    assert np.array_equal(first.embed_query("one"), WordEmbedder().embed_query("one"))
    other = Answering(replace(world.store.space, id=99), lambda: embedder, remembered)
    other.embed_query("one")
    assert asked == ["one", "one"]
    first.embed_query("one")
    first.embed_query("two")
    first.embed_query("one")
    other.embed_query("one")
    assert asked == ["one", "one", "two", "one"]
    nothing = Answering(world.store.space, lambda: embedder, Remembered(0))
    nothing.embed_query("one")
    nothing.embed_query("one")
    assert len(asked) == 6


def test_a_remembered_question_is_not_answered_by_vectors_of_a_model_that_is_another_by_now(world: World) -> None:
    assert world.store.space is not None
    embedder, remembered = WordEmbedder(), Remembered(2)
    Answering(world.store.space, lambda: embedder, remembered).embed_query("one")
    embedder.digest = "another model"
    with pytest.raises(EmbedderUnavailable):
        Answering(world.store.space, lambda: embedder, remembered).embed_query("one")


def test_what_another_model_made_before_it_was_noticed_answers_nothing_when_the_first_is_back(world: World) -> None:
    assert world.store.space is not None
    clock, embedder = FakeClock(), WordEmbedder()
    answering = Answering(world.store.space, lambda: embedder, Remembered(9), clock)
    answering.embed_query("one")
    embedder.digest = "another model"
    answering.embed_query("two")  # who it is is asked every few seconds
    clock.pass_(60)
    with pytest.raises(EmbedderChanged):
        answering.embed_query("three")
    embedder.digest = "1"
    clock.pass_(60)
    assert np.array_equal(answering.embed_query("two"), WordEmbedder().embed_query("two"))


def test_a_question_that_another_model_made_longer_is_no_question_of_this_space(world: World) -> None:
    assert world.store.space is not None
    embedder = WordEmbedder()
    answering = Answering(world.store.space, lambda: embedder, Remembered(9), FakeClock())
    answering.embed_query("one")
    embedder.dimension = 16
    with pytest.raises(EmbedderChanged):
        answering.embed_query("two")
    embedder.dimension = 32
    assert answering.embed_query("two").shape == (32,)
