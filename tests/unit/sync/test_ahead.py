"""A server that embeds has its next batch while the last one is stored; what fails, changes or waits is as ever."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.fakes.openai import FakeOpenAI
from tests.world import WordEmbedder, World
from vragd.embed.openai.embedder import create
from vragd.embed.openai.settings import OpenAIEmbedder
from vragd.errors import EmbedderChanged, EmbedderUnavailable
from vragd.sync.calls import Calls, Late
from vragd.sync.embedding import Bulk, Embedded
from vragd.sync.pace import Pace
from vragd.sync.vectors import hash_of
from vragd.system import failpoints

DEADLINE_S = 20.0


class Counting(WordEmbedder):
    """Counts batches as they come; `before` a batch (1 is the first) may wait, fail or turn knobs."""

    batch_size = 2

    def __init__(self) -> None:
        super().__init__()
        self.come = threading.Condition()
        self.batches: list[tuple[str, ...]] = []
        self.threads: set[threading.Thread] = set()
        self.at_once = self.most_at_once = 0
        self.before: Callable[[int], object] = lambda n: None

    def embed_documents(self, texts: Sequence[str]) -> np.ndarray:
        with self.come:
            self.batches.append(tuple(texts))
            self.threads.add(threading.current_thread())
            n, self.at_once = len(self.batches), self.at_once + 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            self.come.notify_all()
        try:
            self.before(n)
            return super().embed_documents(texts)
        finally:
            with self.come:
                self.at_once -= 1

    def has(self, n: int) -> bool:
        """Whether so many batches have come; waits for the last of them."""
        with self.come:
            return self.come.wait_for(lambda: len(self.batches) >= n, DEADLINE_S)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    failpoints.install(None)
    world.store.close()


@pytest.fixture
def server(world: World) -> Counting:
    world.embedder = Counting()
    return world.embedder


def bulk_of(world: World, *, round_s: float = 60.0, ahead: bool = True) -> Bulk:
    assert world.store.space is not None
    catalog, space = world.store.catalog, world.store.space
    pace = Pace(round_s=round_s)
    return Bulk(catalog, lambda: world.embedder, space, lambda: False, pace, Calls(pace, beside=ahead))


def embed(bulk: Bulk, *words: str, more: bool = False) -> Embedded:
    return bulk.embed({hash_of(word): word for word in words}, {}, more=more)


def kept(bulk: Bulk, *words: str) -> int:
    return len(bulk.catalog.embeddings(bulk.space.id, {hash_of(word) for word in words}))


WORDS = tuple("abcdefghij")


def test_while_a_batch_is_stored_the_server_has_the_next_and_never_two(world: World, server: Counting) -> None:
    waited_for: list[bool] = []

    def at(place: str) -> None:
        if place == "bulk.embedded" and len(waited_for) < 4:
            waited_for.append(server.has(len(waited_for) + 2))

    failpoints.install(at)
    bulk = bulk_of(world)
    assert len(embed(bulk, *WORDS).done) == kept(bulk, *WORDS) == 10
    assert waited_for == [True] * 4, "none of the five is idle between one and the next"
    assert server.most_at_once == 1
    assert server.batches == [tuple(WORDS[i : i + 2]) for i in range(0, 10, 2)]


def test_the_batch_after_a_round_is_embedded_while_the_round_is_written(world: World, server: Counting) -> None:
    bulk = bulk_of(world, round_s=0.0)
    n_done = 0
    for n in range(1, 5):
        n_done += embed(bulk, *WORDS[n_done:], more=True).n_new
        assert (n_done, server.has(n + 1)) == (2 * n, True)
    assert embed(bulk, *WORDS[n_done:]).n_new == 2
    assert (server.most_at_once, sum(map(len, server.batches)), kept(bulk, *WORDS)) == (1, 10, 10)


def test_the_last_batch_of_a_round_is_left_under_way_only_where_another_round_follows(
    world: World, server: Counting
) -> None:
    assert embed(bulk_of(world), *WORDS[:4]).n_new == 4
    bulk = bulk_of(world)
    assert embed(bulk, *WORDS[4:8], more=True).n_new == 2
    assert bulk.texts_per_round == 8, "what is under way is managed, too"
    assert embed(bulk, *WORDS[6:]).n_new == 4
    assert sorted(text for batch in server.batches for text in batch) == sorted(WORDS), "each once"


def test_a_refused_text_is_found_and_the_batch_after_it_embedded_once(world: World, server: Counting) -> None:
    server.poison = "d"
    bulk = bulk_of(world)
    found = embed(bulk, *WORDS)
    assert (found.refused, found.n_new, kept(bulk, *WORDS)) == ({hash_of("d")}, 9, 9)
    assert [batch for batch in server.batches if "d" in "".join(batch)] == [("c", "d"), ("d",)]
    assert sorted(server.texts) == [word for word in WORDS if word != "d"]


def test_an_outage_of_the_batch_ahead_keeps_what_was_embedded_and_heals(world: World, server: Counting) -> None:
    def fail(n: int) -> None:
        if n == 3:
            raise EmbedderUnavailable("gone")

    server.before = fail
    bulk = bulk_of(world)
    found = embed(bulk, *WORDS)
    assert (found.n_new, found.outage is not None) == (4, True)
    assert found.outage is not None and found.outage.message == "gone"
    assert embed(bulk, *WORDS).outage is None
    assert (kept(bulk, *WORDS), sorted(server.texts)) == (10, list(WORDS))


def test_a_failure_that_nobody_saw_is_of_the_next_round(world: World, server: Counting) -> None:
    def fail(n: int) -> None:
        if n == 2:
            raise EmbedderUnavailable("gone")

    server.before = fail
    bulk = bulk_of(world, round_s=0.0)
    assert embed(bulk, *WORDS[:4], more=True).outage is None
    assert embed(bulk, *WORDS[:4]).outage is not None
    assert embed(bulk, *WORDS[:4]).n_new == 2


def test_a_failure_that_nobody_waits_for_any_more_is_no_outage(world: World, server: Counting) -> None:
    def fail(n: int) -> None:
        if n == 2:
            raise EmbedderUnavailable("gone")

    server.before = fail
    bulk = bulk_of(world, round_s=0.0)
    embed(bulk, *WORDS[:4], more=True)
    assert server.has(2)
    for thread in server.threads - {threading.current_thread()}:
        thread.join(DEADLINE_S)
    found = embed(bulk, "just saved")
    assert (found.outage, found.n_new, server.batches[2:]) == (None, 1, [("just saved",)])


def test_after_a_batch_that_could_not_be_stored_the_server_is_not_asked_for_two(world: World, server: Counting) -> None:
    go = threading.Event()

    def full(place: str) -> None:
        if place == "bulk.embedded":
            raise OSError("no space left")

    server.before = lambda n: n == 2 and go.wait(DEADLINE_S)
    bulk = bulk_of(world)
    failpoints.install(full)
    with pytest.raises(OSError, match="no space"):
        embed(bulk, *WORDS[:4])
    failpoints.install(None)
    assert server.has(2)
    threading.Timer(0.2, go.set).start()
    assert (embed(bulk, *WORDS[:4]).n_new, server.most_at_once) == (4, 1)
    assert server.batches == [("a", "b"), ("c", "d"), ("a", "b")]


def test_what_was_just_saved_does_not_wait_for_the_batch_under_way(world: World, server: Counting) -> None:
    go = threading.Event()
    server.before = lambda n: n == 2 and go.wait(DEADLINE_S)
    bulk = bulk_of(world, round_s=0.0)
    embed(bulk, *WORDS[:4], more=True)
    assert server.has(2)
    assert embed(bulk, "just saved").n_new == 1
    assert not go.is_set()
    go.set()
    assert embed(bulk, *WORDS[2:4]).n_new == 2
    assert (kept(bulk, *WORDS[:4]), len(server.texts)) == (4, 5)


def test_of_a_batch_whose_note_is_gone_the_vectors_are_kept_and_the_server_goes_on(
    world: World, server: Counting
) -> None:
    bulk = bulk_of(world, round_s=0.0)
    embed(bulk, *WORDS[:4], more=True)
    with server.come:
        assert server.come.wait_for(lambda: len(server.texts) == 4, DEADLINE_S)
    embed(bulk, *WORDS[4:8], more=True)
    embed(bulk, *WORDS[4:8])
    embed(bulk, *WORDS[4:8])
    assert (kept(bulk, *WORDS[:8]), len(server.texts)) == (8, 8)


def test_a_model_replaced_with_a_batch_under_way_leaves_nothing_in_the_others_space(
    world: World, server: Counting
) -> None:
    bulk = bulk_of(world, round_s=0.0)
    embed(bulk, *WORDS[:4], more=True)
    assert server.has(2)
    server.digest = "2"
    assert isinstance(embed(bulk, *WORDS[2:4]).outage, EmbedderChanged)
    assert kept(bulk, *WORDS) == 2
    server.digest = "1"
    assert embed(bulk, *WORDS[2:4]).n_new == 2
    assert len(server.batches) == 3, "what was under way meanwhile is asked for again"


def test_what_this_process_embeds_has_no_thread_beside(world: World, server: Counting) -> None:
    embed(bulk_of(world, ahead=False), *WORDS)
    assert server.threads == {threading.current_thread()}
    for i in range(9):
        world.write(f"{i}.md", f"note {i}")
    world.apply(*(f"{i}.md" for i in range(9)))
    assert server.threads == {threading.current_thread()}


def test_a_server_has_a_batch_whenever_a_round_is_written(tmp_path: Path) -> None:
    """The whole way: a store whose settings say that its embedder is one that is waited for."""
    asked, more, ahead = set[str](), threading.Condition(), list[bool]()

    def come(texts: Sequence[str]) -> None:
        with more:
            asked.update(text for text in texts if text.startswith("note "))
            more.notify_all()

    def at(place: str) -> None:
        n = world.store.reader.counts().chunks
        if place == "sync.committed" and n < 12:
            with more:
                ahead.append(more.wait_for(lambda: len(asked) > n, DEADLINE_S))

    with FakeOpenAI(on_embed=come) as fake:
        settings = OpenAIEmbedder(type="openai", model="fake-embed", url=fake.base, batch_size=4)
        embedder = create(settings)
        world = World(tmp_path, Pace(round_s=0.0), embedder, settings=settings)
        for i in range(12):
            world.write(f"{i}.md", f"note {i}")
        failpoints.install(at)
        try:
            world.apply(*(f"{i}.md" for i in range(12)))
        finally:
            failpoints.install(None)
            world.store.close()
            embedder.close()
    assert len(ahead) == 5, "of six rounds all but the last have a batch after them"
    assert all(ahead)
    assert sorted(text for text in fake.embedded_texts if text in asked) == sorted(asked), "each once"


# -- what is not waited for any longer ------------------------------------------------------------


def hurried(bulk: Bulk, server: Counting, n: int) -> threading.Event:
    """Somebody is in a hurry as soon as `n` batches have come; what is set when a call that was left has ended."""
    ended = threading.Event()
    bulk.calls = Calls(Pace(patience_s=0.0), beside=True)
    bulk.calls.hurried = lambda: len(server.batches) >= n
    bulk.calls.ended = ended.set
    return ended


def test_a_call_that_lasts_is_left_to_whoever_is_in_a_hurry_and_stored_by_a_later_round(
    world: World, server: Counting
) -> None:
    go = threading.Event()
    server.before = lambda n: n == 1 and go.wait(DEADLINE_S)
    bulk = bulk_of(world)
    ended = hurried(bulk, server, 1)
    found = embed(bulk, "a", "b")
    assert (found.late, found.outage, found.done, bulk.calls.late) == (True, None, set(), True)
    go.set()
    assert ended.wait(DEADLINE_S)
    assert not bulk.calls.late
    bulk.calls.hurried = lambda: False
    found = embed(bulk, "a", "b", "c")
    assert (found.late, found.n_new, kept(bulk, "a", "b", "c")) == (False, 3, 3)
    assert server.batches == [("a", "b"), ("c",)]


def test_beside_the_batch_under_way_one_more_is_left_and_none_is_embedded_twice(world: World, server: Counting) -> None:
    go = threading.Event()
    server.before = lambda n: n > 1 and go.wait(DEADLINE_S)
    bulk = bulk_of(world, round_s=0.0)
    embed(bulk, *WORDS[:4], more=True)
    assert server.has(2)
    hurried(bulk, server, 3)
    assert embed(bulk, "just saved").late
    go.set()
    bulk.calls.hurried = lambda: False
    while bulk.calls.late:
        threading.Event().wait(0.01)
    n_new = sum(embed(bulk, *WORDS[:4], "just saved").n_new for _ in range(2))
    assert (n_new, kept(bulk, *WORDS[:4], "just saved"), len(server.texts)) == (3, 5, 5)


def test_one_that_was_left_and_fails_is_an_outage_of_whoever_wants_it_and_of_nobody_else(
    world: World, server: Counting
) -> None:
    go = threading.Event()

    def fail(n: int) -> None:
        if n in (1, 3):
            go.wait(DEADLINE_S)
            raise EmbedderUnavailable("gone")

    server.before = fail
    bulk = bulk_of(world)
    for n, words, is_out in ((1, ("a",), True), (3, ("other",), False)):
        go.clear()
        ended = hurried(bulk, server, n)
        assert embed(bulk, "a" if n == 1 else "b").late
        go.set()
        assert ended.wait(DEADLINE_S)
        bulk.calls.hurried = lambda: False
        assert (embed(bulk, *words).outage is not None) is is_out
        assert embed(bulk, *words).outage is None


def test_a_note_saved_while_its_call_lasts_is_committed_with_its_words(tmp_path: Path) -> None:
    go, server = threading.Event(), Counting()
    world = World(tmp_path, Pace(patience_s=0.0), server)
    server.before = lambda n: n == 1 and go.wait(DEADLINE_S)
    world.write("a.md", "about quokkas")
    calls = world.store.calls
    calls.beside, calls.hurried = True, lambda: bool(server.batches)
    report = world.apply("a.md")
    assert (report.late, report.n_changed, [visit.path for visit in report.parked]) == (True, 1, ["a.md"])
    assert [found.path for found in world.store.reader.keyword("quokkas", 9)] == ["a.md"]
    assert (world.texts(), world.store.reader.counts().states) == ([], {"pending": 1})
    assert world.apply("a.md", embed=False).n_changed == 0
    go.set()
    calls.hurried = lambda: False
    assert world.apply("a.md").parked == []
    assert (world.texts(), server.texts) == ([("a.md", "about quokkas")], ["about quokkas"])
    assert world.is_sound()
    world.store.close()


def test_an_answer_that_came_late_is_that_of_whoever_asks_the_same_next() -> None:
    go, ended, asked = threading.Event(), threading.Event(), list[int]()
    calls = Calls(Pace(patience_s=0.0), beside=True)
    calls.hurried, calls.ended = lambda: True, ended.set

    def ask() -> int:
        asked.append(len(asked))
        go.wait(DEADLINE_S)
        return len(asked)

    for _ in range(2):
        with pytest.raises(Late):
            calls.run(ask, "who it is")
    go.set()
    assert ended.wait(DEADLINE_S)
    assert (calls.run(ask, "who it is"), len(asked)) == (1, 1)
    calls.hurried = lambda: False
    assert (calls.run(ask, "who it is"), calls.run(ask)) == (2, 3)
    assert Calls().run(threading.current_thread) is threading.current_thread()


def test_whoever_else_waits_has_to_wait_for_longer_but_not_for_ever() -> None:
    go = threading.Event()
    for who_waits in ("awaited", "found"):
        calls = Calls(Pace(patience_s=0.0, patience_last_s=600.0), beside=True)
        setattr(calls, who_waits, lambda: True)
        assert calls.run(lambda: go.wait(0.2)) is False, "a server that is slow"
        calls = Calls(Pace(patience_s=0.0, patience_last_s=0.0), beside=True)
        setattr(calls, who_waits, lambda: True)
        with pytest.raises(Late):
            calls.run(lambda: go.wait(DEADLINE_S))
    go.set()
