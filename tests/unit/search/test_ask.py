"""Query → hits: what is joined, narrowed, blended and merged, and what a commit in between does to an answer."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.backends import keys, put
from tests.unit.search.conftest import target
from tests.world import World
from vragd.backends.base import Entry
from vragd.catalog.lookup import Lookup
from vragd.errors import BackendUnavailable, EmbedderUnavailable, UsageError
from vragd.search.ask import TRIES, Answer, Hit, Mode, Question, _Look, ask, check
from vragd.search.asking import understood
from vragd.search.merge import merge
from vragd.stores.stores import QUERY_THREADS


def shown(answer: Answer) -> list[tuple[str, str]]:
    return [(hit.path, hit.text) for hit in answer.hits]


def at_each_query(world: World, then: Callable[[int], Any]) -> list[int]:
    """Have `then` happen between the backend's answer and the join; the numbers of the queries so far."""
    asked = list[int]()

    def after() -> None:
        asked.append(len(asked))
        then(asked[-1])

    world.backend.after_query = after
    return asked


# -- one generation --------------------------------------------------------------------------------


def test_a_note_saved_between_the_two_halves_of_a_query_is_in_the_answer_once_and_as_it_is_now(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.write("a.md", "alpha old")
    world.write("z.md", "zzz")
    world.apply("a.md", "z.md")

    def save(n: int) -> None:
        if n == 0:
            world.write("a.md", "alpha new")
            world.apply("a.md")

    at_each_query(world, save)
    answer = ask(target(world), Question("alpha", mode="vector"))
    assert sorted(shown(answer)) == [("a.md", "alpha new"), ("z.md", "zzz")]
    assert answer.generation == world.store.reader.generation()


def test_a_hybrid_answer_never_holds_two_versions_of_a_note(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.write("a.md", "# one\n\nalpha 0\n\n# two\n\nbeta 0")
    world.apply("a.md")

    def save(n: int) -> None:
        world.write("a.md", f"# one\n\nalpha {n + 1}\n\n# two\n\nbeta {n + 1}")
        world.apply("a.md")

    asked = at_each_query(world, save)
    for _ in range(3):
        answer = ask(target(world), Question("alpha beta"))
        versions = {text[-1] for _, text in shown(answer)}
        assert len(versions) == 1
    assert len(asked) == 3 * TRIES, "it looks again, and not for ever"


def test_without_a_commit_in_between_the_backend_is_asked_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.write("a.md", "alpha")
    world.apply("a.md")
    asked = at_each_query(world, lambda n: None)
    assert shown(ask(target(world), Question("alpha"))) == [("a.md", "alpha")]
    assert len(asked) == 1


def test_as_many_questions_as_run_at_once_look_for_words_while_they_compare_vectors(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.write("a.md", "alpha")
    world.apply("a.md")
    compared, keyword = threading.Barrier(QUERY_THREADS + 1), Lookup.find

    def patient(*args: Any, **kwargs: Any) -> Any:
        all_compared.wait(30)
        return keyword(*args, **kwargs)

    all_compared = threading.Event()
    monkeypatch.setattr(Lookup, "find", patient)
    at_each_query(world, lambda n: compared.wait(30))
    with ThreadPoolExecutor(QUERY_THREADS) as pool:
        answers = [pool.submit(ask, target(world), Question("alpha")) for _ in range(QUERY_THREADS)]
        compared.wait(30)
        world.store.reader.counts()  # others find a connection, too
        all_compared.set()
        assert [shown(answer.result()) for answer in answers] == [[("a.md", "alpha")]] * QUERY_THREADS


def test_where_no_connection_was_free_beside_words_are_looked_for_in_turn(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.write("a.md", "alpha")
    world.apply("a.md")
    monkeypatch.setattr(_Look, "_early_words", raising(BackendUnavailable("the catalog is busy")))
    answer = ask(target(world), Question("alpha"))
    assert (shown(answer), answer.degraded) == ([("a.md", "alpha")], ())


# -- what is live ----------------------------------------------------------------------------------


def test_vectors_that_are_in_no_note_are_no_hits_and_take_nobodys_place(world: World) -> None:
    for i in range(5):
        world.write(f"n{i}.md", f"text {i}")
    world.apply(*(f"n{i}.md" for i in range(5)))
    values = world.embedder.embed_query("text 3")
    put(world.backend, "sss", [Entry(f"stranger-{i}", values) for i in range(200)])
    answer = ask(target(world), Question(vector=tuple(map(float, values)), top_k=5, mode="vector"))
    assert sorted(hit.path for hit in answer.hits) == [f"n{i}.md" for i in range(5)]


def test_a_question_is_narrowed_to_a_folder_in_both_lists(world: World) -> None:
    for path in ("in/a.md", "in/deep/b.md", "inside/c.md", "d.md"):
        world.write(path, f"alpha in {path}")
    world.apply("in/a.md", "in/deep/b.md", "inside/c.md", "d.md")
    for mode in ("vector", "keyword", "hybrid"):
        answer = ask(target(world), Question("alpha", mode=mode, folder="in/"))  # type: ignore[arg-type]
        assert {hit.path for hit in answer.hits} == {"in/a.md", "in/deep/b.md"}, mode
    nowhere = ask(target(world), Question("alpha", sources=frozenset({"elsewhere"})))
    assert nowhere.hits == ()


# -- when something is out -------------------------------------------------------------------------


def raising(error: Exception) -> Callable[..., Any]:
    def call(*_: Any, **__: Any) -> Any:
        raise error

    return call


def test_without_an_embedder_or_a_backend_words_answer_and_it_is_said(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.write("a.md", "alpha")
    world.apply("a.md")
    no_embedder = replace(target(world), embed_query=raising(EmbedderUnavailable("out")))
    world.backend.fail = "before query"
    lacks = ("semantic_unavailable",)
    for broken, said in (
        (no_embedder, lacks),
        (target(world), (*lacks, "backend_unavailable")),
        (replace(target(world), space=None), lacks),
    ):
        answer = ask(broken, Question("alpha"))
        assert (shown(answer), answer.degraded) == ([("a.md", "alpha")], said)
        answer = ask(broken, Question("alpha", mode="vector"))
        assert (answer.hits, answer.degraded) == ((), said)
        assert ask(broken, Question("alpha", mode="keyword")).degraded == ()


@pytest.mark.parametrize(
    "question",
    [
        Question(" \n"), Question("a", top_k=0), Question("a", top_k=1_001), Question("a" * 32_769),
        Question(vector=(1.0,), mode="hybrid"),
    ],
    ids=["empty", "no hits", "too many hits", "too long", "vector and words"],
)  # fmt: skip
def test_a_question_that_cannot_be_asked_is_refused(question: Question) -> None:
    with pytest.raises(UsageError):
        check(question)


def test_a_vector_of_another_dimension_is_refused(world: World) -> None:
    with pytest.raises(UsageError, match="32"):
        ask(target(world), Question(vector=(1.0, 0.0), mode="vector"))


def test_a_vector_that_points_nowhere_is_refused_and_its_length_is_no_matter(world: World) -> None:
    world.write("a.md", "alpha text")
    world.write("b.md", "beta text")
    world.apply("a.md", "b.md")
    usual = np.asarray(world.embedder.embed_query("alpha text"), dtype=np.float64)
    for vector in ((0.0,) * len(usual), (1e-320,) * len(usual)):
        with pytest.raises(UsageError, match="zero"):
            ask(target(world), Question(vector=vector, mode="vector"))
    with pytest.raises(UsageError, match="0 dimensions"):
        ask(target(world), Question(vector=(), mode="vector"))
    scores = [
        [hit.score for hit in ask(target(world), Question(vector=tuple((usual * by).tolist()), mode="vector")).hits]
        for by in (1.0, 1e37, 1e-30)
    ]
    assert len(scores[0]) == 2
    assert scores[1:] == [pytest.approx(scores[0])] * 2


# -- blending and merging --------------------------------------------------------------------------


def test_stores_of_one_space_are_merged_by_score_and_of_several_take_turns() -> None:
    def hits(store: str, *scores: float) -> Answer:
        return Answer(tuple(Hit(store, "s", f"{score}", "t", (), (1, 1), score, "", "") for score in scores))

    left, right = hits("left", 0.9, 0.8, 0.7), hits("right", 0.3, 0.2)
    assert [hit.store for hit in merge([("x", left), ("x", right)], 4)] == ["left", "left", "left", "right"]
    assert [hit.store for hit in merge([("x", left), ("y", right)], 4)] == ["left", "right", "left", "right"]
    assert merge([], 4) == ()


def test_a_question_finds_its_own_text_first(world: World) -> None:
    for i in range(30):
        world.write(f"n{i}.md", f"text {i}")
    world.apply(*(f"n{i}.md" for i in range(30)))
    for i in range(0, 30, 7):
        assert shown(ask(target(world), Question(f"text {i}", top_k=1, mode="vector"))) == [(f"n{i}.md", f"text {i}")]
    vector = tuple(float(value) for value in np.asarray(world.embedder.embed_query("text 3")))
    assert ask(target(world), Question(vector=vector, top_k=1, mode="vector")).hits[0].score == pytest.approx(1.0)


# -- what nobody may be shown ------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["hybrid", "vector", "keyword"])
def test_a_withheld_note_is_in_no_answer_and_takes_up_no_place(world: World, mode: Mode) -> None:
    for i in range(12):
        world.write(f"private/{i}.md", f"wombat {i}")
    world.write("open.md", "a wombat in the open")
    world.apply(*(f"private/{i}.md" for i in range(12)), "open.md")
    asked = Question("wombat 3", mode=mode, top_k=3, weak=True)
    assert "private" in str(shown(ask(target(world), asked))), "or there is nothing to withhold"
    (label, place), = target(world).places.items()  # fmt: skip
    hidden = replace(place, withheld=lambda path: path.startswith("private/"))
    answer = ask(replace(target(world), places={label: hidden}), asked)
    assert shown(answer) == [("open.md", "a wombat in the open")]


# -- filters ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("exact_chunks", [0, 1_000])
@pytest.mark.parametrize("mode", ["hybrid", "vector", "keyword"])
def test_a_filter_holds_before_the_best_are_chosen_however_few_pass(
    world: World, mode: Mode, exact_chunks: int
) -> None:
    """Whether each chunk is compared or the backend is asked again and again."""
    for i in range(200):
        tag = "rare" if i % 97 == 5 else "common"
        world.write(f"n{i}.md", f"---\ntags: [{tag}]\n---\nalpha beta{i} gamma\n")
    world.apply(*(f"n{i}.md" for i in range(200)))
    for text, expected in (
        ("alpha tag:rare", {"n5.md", "n102.md", "n199.md"}),
        ("alpha beta7 -tag:common", {"n5.md", "n102.md", "n199.md"}),
        ("alpha tag:rare -beta102", {"n5.md", "n199.md"}),
        ("alpha tag:none", set()),
    ):
        question = understood(text=text, mode=mode, top_k=10, weak=True)
        answer = ask(target(world), question, exact_chunks=exact_chunks)
        assert {hit.path for hit in answer.hits} == expected, text
    many = ask(
        target(world), understood(text="alpha tag:common", mode=mode, top_k=50, weak=True), exact_chunks=exact_chunks
    )
    assert len(many.hits) == 50
    assert not {"n5.md", "n102.md", "n199.md"} & {hit.path for hit in many.hits}


def test_a_backend_that_gives_few_matches_is_not_the_end_of_what_passes(world: World) -> None:
    for i in range(80):
        world.write(f"n{i}.md", f"---\ntags: [{'far' if i >= 40 else 'near'}]\n---\n{'alpha ' * (80 - i)}\n")
    world.apply(*(f"n{i}.md" for i in range(80)))
    world.backend.traits = replace(world.backend.traits, max_matches=5)
    question = understood(text="alpha tag:far", mode="vector", top_k=20, weak=True)
    found = ask(target(world), question, exact_chunks=0)
    assert {hit.path for hit in found.hits} <= {f"n{i}.md" for i in range(40, 80)}
    assert len(found.hits) == 20


def test_a_note_that_goes_while_it_is_listed_is_in_no_answer(world: World) -> None:
    world.write("a.md", "alpha #one")
    world.write("b.md", "beta #one")
    world.apply("a.md", "b.md")
    question = understood(text="tag:one")
    assert {hit.path for hit in ask(target(world), question).hits} == {"a.md", "b.md"}
    (world.vault / "a.md").unlink()
    world.apply("a.md")
    assert [hit.path for hit in ask(target(world), question).hits] == ["b.md"]


def test_the_text_of_a_plain_question_is_words_whatever_it_looks_like(world: World) -> None:
    world.write("a.md", "alpha line: beta")
    world.apply("a.md")
    assert understood(text="alpha line:", plain=True).where is None
    assert [hit.path for hit in ask(target(world), understood(text="alpha -beta", plain=True)).hits] == ["a.md"]
    assert ask(target(world), understood(text="alpha -beta")).hits == ()


def test_a_question_is_empty_where_the_document_of_the_api_says_so() -> None:
    for text in ("", " \n", "\ufeff\u3000"):
        with pytest.raises(UsageError, match="empty"):
            check(understood(text=text))
    check(understood(text="\x85"))
    check(understood(text="", where="tag:a"))


def sorted_hits(world: World, n: int, **asked: Any) -> Answer:
    """Of notes of which the later ones are the longer, and so the worse."""
    for i in range(n):
        world.write(f"n{i:02}.md", f"alpha {' '.join(f'w{i}x{j}' for j in range(3 * i))}")
        os.utime(world.vault / f"n{i:02}.md", (1e9 + i, 1e9 + i))
    world.write("other.md", "beta")
    world.apply("other.md", *(f"n{i:02}.md" for i in range(n)))
    return ask(target(world), Question("alpha", **asked))


@pytest.mark.parametrize("mode", ["hybrid", "keyword"])
def test_all_that_matches_is_put_in_another_order_not_the_best_alone(world: World, mode: Mode) -> None:
    answer = sorted_hits(world, 60, mode=mode, sort="modified", top_k=3)
    assert [hit.path for hit in answer.hits] == ["n59.md", "n58.md", "n57.md"]
    assert answer.degraded == ()
    first = ask(target(world), Question("alpha", mode=mode, sort="name", top_k=2))
    assert [hit.path for hit in first.hits] == ["n00.md", "n01.md"]


def test_where_more_match_than_are_put_in_order_it_is_said(world: World) -> None:
    question = Question("alpha", mode="keyword", sort="modified", top_k=3)
    sorted_hits(world, 60)
    assert ask(target(world), question, most_sorted=60).degraded == ("sorted_best",)
    assert ask(target(world), question, most_sorted=61).degraded == ()
    assert ask(target(world), replace(question, sort="score"), most_sorted=10).degraded == ()
    assert ask(target(world), replace(question, mode="vector")).degraded == ("sorted_best",)


@pytest.mark.parametrize(("mode", "n", "most", "reasons"), [
    ("vector", 8, 1_000, ("sorted_best",)), ("hybrid", 40, 60, ("sorted_best",)), ("hybrid", 40, 1_000, ()),
])  # fmt: skip
def test_notes_of_several_passages_are_cut_though_they_are_fewer_than_are_put_in_order(
    world: World, mode: Mode, n: int, most: int, reasons: tuple[str, ...]
) -> None:
    for i in range(n):
        world.write(f"n{i:02}.md", f"# alpha\n\n{'alpha beta ' * 300}\n\n# alpha\n\n{'alpha beta gamma ' * 200}")
    world.apply(*(f"n{i:02}.md" for i in range(n)))
    question = Question("alpha", mode=mode, sort="modified", top_k=3)
    assert ask(target(world), question, most_sorted=most).degraded == reasons


def test_in_another_order_a_low_score_leaves_out_and_takes_no_place(world: World) -> None:
    best = sorted_hits(world, 40, mode="keyword", top_k=10).hits
    least = best[-1].score
    found = ask(target(world), Question("alpha", mode="keyword", sort="modified", top_k=4, min_score=least - 1e-6)).hits
    good = sorted((hit.path for hit in best), reverse=True)
    assert [hit.path for hit in found] == good[:4]


def test_weak_hits_are_said_to_be_in_whatever_order(world: World) -> None:
    world.write("a.md", "beta gamma")
    world.write("b.md", "alpha")
    world.apply("a.md", "b.md")
    answer = ask(target(world), Question("alpha", sort="name", weak=True, top_k=10))
    assert [(hit.path, hit.weak) for hit in answer.hits] == [("a.md", True), ("b.md", False)]


def test_that_the_backend_has_nothing_of_what_it_is_to_have_is_told_of_a_question_of_all(world: World) -> None:
    assert not ask(target(world), Question("alpha")).hollow, "there is nothing"
    world.write("a.md", "alpha")
    world.apply("a.md")
    assert not ask(target(world), Question("alpha")).hollow
    world.backend.delete_vectors(world.collection, keys(world.backend, world.collection))
    assert ask(target(world), Question("alpha")).hollow
    assert [hit.path for hit in ask(target(world), Question("alpha")).hits] == ["a.md"], "by its words"
    assert not ask(target(world), Question("alpha", folder="elsewhere")).hollow, "that says nothing"
    world.backend.fail = "before query"
    assert not ask(target(world), Question("alpha")).hollow
