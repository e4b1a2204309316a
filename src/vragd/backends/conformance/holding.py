"""
The backend contract as checks: one function per promise, every backend, no opting out.

`new_backend()` may be called again in one check: the second opens the same data, after the first was closed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence

import numpy as np
import pytest

from vragd.backends.base import Batch, Entry, Match, VectorBackend
from vragd.errors import StoreMismatch, UnknownCollection
from vragd.terms.filter import Filter, Metadata, equals, every, one_of

NewBackend = Callable[[], VectorBackend]
DIM = 16


def unit(*xs: float) -> np.ndarray:
    row = np.zeros(DIM, dtype=np.float32)
    row[: len(xs)] = xs
    found: np.ndarray = (row / np.linalg.norm(row)).astype(np.float32)
    return found


EAST, NORTH, BETWEEN = unit(1), unit(0, 1), unit(1, 1)


def some(n: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(n, DIM)).astype(np.float32)
    unit_rows: np.ndarray = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit_rows


def opened(new_backend: NewBackend, metric: str = "cosine") -> VectorBackend:
    backend = new_backend()
    backend.create_collection("sss", DIM, metric)  # type: ignore[arg-type]
    return backend


def keys(backend: VectorBackend, name: str = "sss") -> list[str]:
    return sorted(key for key, _ in backend.list_keys(name))


def put(backend: VectorBackend, entries: Sequence[Entry], name: str = "sss") -> None:
    backend.put_vectors(name, Batch.of(entries))


def ask(
    backend: VectorBackend, vector: np.ndarray, top_k: int, where: Filter | None = None, *, payload: bool = False
) -> list[Match]:  # fmt: skip
    return list(backend.query("sss", vector, top_k, where=where, payload=payload).items)


def values_of(backend: VectorBackend, wanted: Collection[str]) -> dict[str, np.ndarray]:
    return {key: held.values for key, held in backend.get("sss", wanted).items() if held.values is not None}


def there(backend: VectorBackend, name: str = "sss") -> bool:
    try:
        return backend.collection_info(name).name == name
    except UnknownCollection:
        return False


def delete(backend: VectorBackend, name: str = "sss") -> None:
    backend.delete_collection(name, identity=backend.collection_info(name).identity)


def check_put_replaces_by_key(new_backend: NewBackend) -> None:
    b = opened(new_backend)
    put(b, [Entry("a", EAST)])
    put(b, [Entry("a", NORTH)])
    (match,) = ask(b, NORTH, 5)
    assert match.key == "a"
    assert match.score == pytest.approx(1.0, abs=1e-5)


def check_the_last_of_equal_keys_in_one_batch_wins(new_backend: NewBackend) -> None:
    b = opened(new_backend)
    put(b, [Entry("a", EAST), Entry("a", NORTH)])
    assert keys(b) == ["a"]
    assert values_of(b, ["a"])["a"] == pytest.approx(NORTH, abs=1e-4)


def check_two_keys_may_hold_one_vector(new_backend: NewBackend) -> None:
    b = opened(new_backend)
    put(b, [Entry("a", EAST), Entry("b", EAST)])
    assert keys(b) == ["a", "b"]
    assert [m.key for m in ask(b, EAST, 5)] == ["a", "b"]


def check_a_bad_vector_rejects_the_whole_batch(new_backend: NewBackend) -> None:
    b = opened(new_backend)
    nan = EAST.copy()
    nan[3] = np.nan
    bad = [unit(1)[:4], nan, np.zeros(DIM, dtype=np.float32), np.full(DIM, np.inf, dtype=np.float32)]
    for values in bad:
        with pytest.raises(StoreMismatch):
            put(b, [Entry("a", EAST), Entry("b", values)])
    for key in ("", "kéy", "k" * 1025):
        with pytest.raises(StoreMismatch):
            put(b, [Entry("a", EAST), Entry(key, EAST)])
    assert keys(b) == []
    assert ask(b, EAST, 5) == []


def check_delete_forgets_and_repeats_quietly(new_backend: NewBackend) -> None:
    b = opened(new_backend)
    put(b, [Entry("a", EAST), Entry("b", NORTH)])
    b.delete_vectors("sss", ["a", "never-there"])
    b.delete_vectors("sss", ["a"])
    assert keys(b) == ["b"]
    assert [m.key for m in ask(b, EAST, 5)] == ["b"]
    assert set(values_of(b, ["a", "b"])) == {"b"}


def check_a_deleted_key_may_come_back(new_backend: NewBackend) -> None:
    b = opened(new_backend)
    for _ in range(3):
        put(b, [Entry("a", EAST), Entry("b", NORTH)])
        b.delete_vectors("sss", ["a"])
        put(b, [Entry("a", BETWEEN)])
        assert keys(b) == ["a", "b"]
        assert ask(b, BETWEEN, 1)[0].key == "a"


def check_any_batch_size_arrives_whole(new_backend: NewBackend) -> None:
    b, rows = opened(new_backend), some(1_203)
    put(b, [Entry(f"k{i}", row) for i, row in enumerate(rows)])
    assert keys(b) == sorted(f"k{i}" for i in range(1_203))
    assert len(values_of(b, [f"k{i}" for i in range(1_203)])) == 1_203
    for i in (0, 499, 500, 1_000, 1_202):
        assert ask(b, rows[i], 1)[0].key == f"k{i}"
    b.delete_vectors("sss", [f"k{i}" for i in range(1_202)])
    assert keys(b) == ["k1202"]


def check_answers_are_the_nearest_best_first_each_once(new_backend: NewBackend) -> None:
    b, rows = opened(new_backend), some(300)
    put(b, [Entry(f"k{i}", row) for i, row in enumerate(rows)])
    for query in some(10, seed=1):
        found = ask(b, query, 10)
        scores = [m.score for m in found]
        assert scores == sorted(scores, reverse=True)
        assert len({m.key for m in found}) == len(found) == 10
        best = sorted((float(-(row @ query)), f"k{i}") for i, row in enumerate(rows))[:10]
        assert len({key for _, key in best} & {m.key for m in found}) >= 9  # approximate indexes may miss one


def check_cosine_scores_are_similarities(new_backend: NewBackend) -> None:
    b = opened(new_backend)
    put(b, [Entry("same", EAST * 3), Entry("half", unit(1, 3**0.5)), Entry("back", -EAST)])
    scores = {m.key: m.score for m in ask(b, EAST, 3)}
    assert scores == pytest.approx({"same": 1.0, "half": 0.5, "back": -1.0}, abs=1e-3)


def check_a_metric_is_right_or_refused(new_backend: NewBackend) -> None:
    b = new_backend()
    assert "cosine" in b.traits.metrics
    for metric in ("cosine", "euclidean", "dot"):
        if metric not in b.traits.metrics:
            with pytest.raises(StoreMismatch):
                b.create_collection("sss", DIM, metric)
            assert not there(b)


def check_dot_scores_are_products(new_backend: NewBackend) -> None:
    if "dot" not in new_backend().traits.metrics:
        return  # and refused: check_a_metric_is_right_or_refused
    b = opened(new_backend, "dot")
    put(b, [Entry("long", EAST * 3), Entry("short", EAST * 0.5)])
    found = ask(b, EAST * 2, 2)
    assert [m.key for m in found] == ["long", "short"]
    assert [m.score for m in found] == pytest.approx([6.0, 1.0], rel=1e-3)


def check_euclidean_scores_are_nearness(new_backend: NewBackend) -> None:
    b = opened(new_backend, "euclidean")
    put(b, [Entry("here", EAST), Entry("far", EAST * 4)])
    found = ask(b, EAST, 2)
    assert [m.key for m in found] == ["here", "far"]
    assert [m.score for m in found] == pytest.approx([1.0, 0.25], rel=1e-3)


def check_a_filter_is_applied_before_the_best_are_chosen(new_backend: NewBackend) -> None:
    b, rows = opened(new_backend), some(400)
    kinds = ["rare" if i % 100 == 0 else "common" for i in range(400)]
    put(b, [Entry(f"k{i}", row, {"group": kinds[i], "n": i % 4}) for i, row in enumerate(rows)])
    found = ask(b, rows[1], 10, equals("group", "rare"))
    assert sorted(m.key for m in found) == ["k0", "k100", "k200", "k300"]
    assert ask(b, rows[1], 10, every(equals("group", "rare"), equals("n", 1))) == []
    both = ask(b, rows[1], 400, one_of("group", ["rare", "common"]))
    assert len(both) == min(400, b.traits.max_matches or 400)
    assert ask(b, rows[1], 10, equals("nothing", "rare")) == []
    assert ask(b, rows[1], 10, one_of("group", ())) == []


def check_a_filter_looks_into_lists(new_backend: NewBackend) -> None:
    b = opened(new_backend)
    put(b, [Entry("a", EAST, {"folder": ("x", "x/y")}), Entry("b", EAST, {"folder": ("z",)})])
    assert [m.key for m in ask(b, EAST, 5, equals("folder", "x/y"))] == ["a"]


def check_metadata_is_replaced_with_the_vector(new_backend: NewBackend) -> None:
    b = opened(new_backend)
    put(b, [Entry("a", EAST, {"group": "old"})])
    put(b, [Entry("a", EAST, {"group": "new"})])
    assert ask(b, EAST, 5, equals("group", "old")) == []
    assert [m.key for m in ask(b, EAST, 5, equals("group", "new"))] == ["a"]


def check_top_k_may_exceed_what_is_there(new_backend: NewBackend) -> None:
    b = opened(new_backend)
    assert ask(b, EAST, 100) == []
    put(b, [Entry("a", EAST)])
    assert [m.key for m in ask(b, NORTH, 100)] == ["a"]


def check_a_query_that_does_not_fit_is_refused(new_backend: NewBackend) -> None:
    b = opened(new_backend)
    put(b, [Entry("a", EAST)])
    for query in (EAST[:3], np.full(DIM, np.nan, dtype=np.float32)):
        with pytest.raises(StoreMismatch):
            ask(b, query, 5)


def check_stored_values_come_back(new_backend: NewBackend) -> None:
    b, rows = opened(new_backend), some(50)
    put(b, [Entry(f"k{i}", row) for i, row in enumerate(rows)])
    found = values_of(b, ["k7", "k49", "unknown"])
    assert set(found) == {"k7", "k49"}
    assert found["k7"].dtype == np.float32
    assert found["k7"] == pytest.approx(rows[7], abs=max(2e-5, b.traits.value_error or 0))


def check_collections_are_apart(new_backend: NewBackend) -> None:
    b = opened(new_backend)
    b.create_collection("other", 4, "euclidean")
    put(b, [Entry("a", EAST)])
    put(b, [Entry("a", np.ones(4, dtype=np.float32))], "other")
    assert b.list_collections() == ["other", "sss"]
    delete(b, "other")
    assert b.list_collections() == ["sss"]
    assert keys(b) == ["a"]


def check_creating_again_keeps_what_is_there(new_backend: NewBackend) -> None:
    b = opened(new_backend)
    put(b, [Entry("a", EAST)])
    b.create_collection("sss", DIM, "cosine")
    assert keys(b) == ["a"]
    with pytest.raises(StoreMismatch):
        b.create_collection("sss", DIM + 1, "cosine")
    with pytest.raises(StoreMismatch):
        b.create_collection("sss", DIM, "euclidean")


def check_another_space_is_refused(new_backend: NewBackend) -> None:
    b = new_backend()
    made = b.create_collection("sss", DIM, "cosine", space="a" * 32, model="maker/one")
    assert (made.name, made.dimension, made.metric, made.space) == ("sss", DIM, "cosine", "a" * 32)
    put(b, [Entry("a", EAST)])
    with pytest.raises(StoreMismatch, match=r"maker.one"):
        b.create_collection("sss", DIM, "cosine", space="b" * 32, model="another/two:latest")
    assert b.create_collection("sss", DIM, "cosine", space="a" * 32, model="maker/one").identity == made.identity
    assert b.collection_info("sss").space == "a" * 32
    assert keys(b) == ["a"]
    delete(b, "sss")
    anew = b.create_collection("sss", DIM, "cosine", space="b" * 32, model="another/two:latest")
    assert anew.identity != made.identity != "", "nobody could tell that it was deleted"


def check_a_payload_comes_back_where_it_is_kept(new_backend: NewBackend) -> None:
    b = opened(new_backend)
    long: Metadata = {"path": "x/" * 300 + "n.md", "title": "t" * 5_000, "heading": ("h" * 3_000,) * 9, "line_from": 3}
    folders = tuple("/".join(["folder " + "f" * 20] * depth) for depth in range(1, 60))
    put(b, [Entry("a", EAST, {"source": "s", "folder": folders}, long)])
    for folder in (folders[0], folders[-1]):
        (match,) = ask(b, EAST, 5, every(equals("folder", folder), equals("source", "s")), payload=True)
        assert not b.traits.keeps_payload or (match.payload["path"], match.payload["line_from"]) == (long["path"], 3)
    assert ask(b, EAST, 5, equals("folder", "folder"), payload=True) == []


def check_a_deleted_collection_is_gone_and_comes_back_empty(new_backend: NewBackend) -> None:
    b = opened(new_backend)
    put(b, [Entry("a", EAST)])
    identity = b.collection_info("sss").identity
    for _ in range(2):
        b.delete_collection("sss", identity=identity)
    assert not there(b)
    b.create_collection("sss", DIM, "cosine")
    assert keys(b) == []


def check_an_unknown_collection_is_an_error_everywhere(new_backend: NewBackend) -> None:
    b = new_backend()
    assert not there(b)
    for call in (
        lambda: put(b, [Entry("a", EAST)]),
        lambda: b.delete_vectors("sss", ["a"]),
        lambda: values_of(b, ["a"]),
        lambda: list(b.list_keys("sss")),
        lambda: ask(b, EAST, 1),
        lambda: b.collection_info("sss"),
    ):
        with pytest.raises(UnknownCollection):
            call()


def check_info_tells_the_shape(new_backend: NewBackend) -> None:
    b = opened(new_backend, "euclidean")
    put(b, [Entry("a", EAST), Entry("b", NORTH)])
    info = b.collection_info("sss")
    assert (info.name, info.dimension, info.metric) == ("sss", DIM, "euclidean")
    assert info.count in (2, None)


def check_opening_again_never_shows_what_was_not_put(new_backend: NewBackend) -> None:
    """A durable backend has everything; another may have less, and what it has is right and is not deleted."""
    b, rows = opened(new_backend), some(200)
    put(b, [Entry(f"k{i}", row, {"n": i % 2}) for i, row in enumerate(rows)])
    b.delete_vectors("sss", [f"k{i}" for i in range(50)])
    durable = b.traits.durable
    b.close()
    again = opened(new_backend)
    held = set(keys(again))
    assert held <= {f"k{i}" for i in range(50, 200)}
    assert held == {f"k{i}" for i in range(50, 200)} or not durable
    for key, values in values_of(again, held).items():
        assert values == pytest.approx(rows[int(key[1:])], abs=max(2e-5, b.traits.value_error or 0))
    found = ask(again, rows[60], 300, equals("n", 0))
    assert len(found) == min(again.traits.max_matches or 300, sum(int(key[1:]) % 2 == 0 for key in held))


def check_queries_run_beside_changes(new_backend: NewBackend, n_changes: int = 300) -> None:
    b, rows = opened(new_backend), some(300 + n_changes)
    put(b, [Entry(f"k{i}", row) for i, row in enumerate(rows[:300])])
    stop, failures = threading.Event(), []

    def keep_asking(seed: int) -> None:
        rng = np.random.default_rng(seed)
        while not stop.is_set():
            found = ask(b, rows[rng.integers(300)], 5)
            scores = [m.score for m in found]
            if len(found) != 5 or scores != sorted(scores, reverse=True):
                failures.append(found)

    threads = [threading.Thread(target=keep_asking, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for i in range(300, 300 + n_changes):
        put(b, [Entry(f"k{i}", rows[i])])
        if i % 3 == 0:
            b.delete_vectors("sss", [f"k{i}"])
    stop.set()
    for thread in threads:
        thread.join(20)
    assert failures == []
    assert len(keys(b)) == 300 + n_changes - len(range(300, 300 + n_changes, 3))
