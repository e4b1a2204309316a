"""
The backend contract as checks: one function per promise, every backend, no opting out.

`new_backend()` may be called again in one check: the second opens the same data, after the first was closed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest

from vragd.backends.base import Vector, VectorBackend
from vragd.errors import StoreMismatch, UnknownStore

NewBackend = Callable[[], VectorBackend]
DIM = 16


def unit(*xs: float) -> np.ndarray:
    row = np.zeros(DIM, dtype=np.float32)
    row[: len(xs)] = xs
    return (row / np.linalg.norm(row)).astype(np.float32)


EAST, NORTH, BETWEEN = unit(1), unit(0, 1), unit(1, 1)


def some(n: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(n, DIM)).astype(np.float32)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def opened(new_backend: NewBackend, metric: str = "cosine") -> VectorBackend:
    backend = new_backend()
    backend.create_store("sss", DIM, metric)  # type: ignore[arg-type]
    return backend


def keys(backend: VectorBackend, store: str = "sss") -> list[str]:
    return sorted(backend.list_keys(store))


def check_put_replaces_by_key(new_backend: NewBackend) -> None:
    b = opened(new_backend)
    assert b.put_vectors("sss", [Vector("a", EAST)]) == 1
    assert b.put_vectors("sss", [Vector("a", NORTH)]) == 1
    (match,) = b.query("sss", NORTH, 5)
    assert match.key == "a"
    assert match.score == pytest.approx(1.0, abs=1e-5)


def check_the_last_of_equal_keys_in_one_batch_wins(new_backend: NewBackend) -> None:
    b = opened(new_backend)
    assert b.put_vectors("sss", [Vector("a", EAST), Vector("a", NORTH)]) == 1
    assert keys(b) == ["a"]
    assert b.get_vectors("sss", ["a"])["a"] == pytest.approx(NORTH, abs=1e-6)


def check_two_keys_may_hold_one_vector(new_backend: NewBackend) -> None:
    b = opened(new_backend)
    b.put_vectors("sss", [Vector("a", EAST), Vector("b", EAST)])
    assert keys(b) == ["a", "b"]
    assert [m.key for m in b.query("sss", EAST, 5)] == ["a", "b"]


def check_a_bad_vector_rejects_the_whole_batch(new_backend: NewBackend) -> None:
    b = opened(new_backend)
    nan = EAST.copy()
    nan[3] = np.nan
    bad = [unit(1)[:4], nan, np.zeros(DIM, dtype=np.float32), np.full(DIM, np.inf, dtype=np.float32)]
    for values in bad:
        with pytest.raises(StoreMismatch):
            b.put_vectors("sss", [Vector("a", EAST), Vector("b", values)])
    for key in ("", "kéy", "k" * 1025):
        with pytest.raises(StoreMismatch):
            b.put_vectors("sss", [Vector("a", EAST), Vector(key, EAST)])
    assert keys(b) == []
    assert b.query("sss", EAST, 5) == []


def check_delete_forgets_and_repeats_quietly(new_backend: NewBackend) -> None:
    b = opened(new_backend)
    b.put_vectors("sss", [Vector("a", EAST), Vector("b", NORTH)])
    b.delete_vectors("sss", ["a", "never-there"])
    b.delete_vectors("sss", ["a"])
    assert keys(b) == ["b"]
    assert [m.key for m in b.query("sss", EAST, 5)] == ["b"]
    assert set(b.get_vectors("sss", ["a", "b"])) == {"b"}


def check_a_deleted_key_may_come_back(new_backend: NewBackend) -> None:
    b = opened(new_backend)
    for _ in range(3):
        b.put_vectors("sss", [Vector("a", EAST), Vector("b", NORTH)])
        b.delete_vectors("sss", ["a"])
        b.put_vectors("sss", [Vector("a", BETWEEN)])
        assert keys(b) == ["a", "b"]
        assert b.query("sss", BETWEEN, 1)[0].key == "a"


def check_any_batch_size_arrives_whole(new_backend: NewBackend) -> None:
    b, rows = opened(new_backend), some(1_203)
    assert b.put_vectors("sss", [Vector(f"k{i}", row) for i, row in enumerate(rows)]) == 1_203
    assert keys(b) == sorted(f"k{i}" for i in range(1_203))
    assert len(b.get_vectors("sss", [f"k{i}" for i in range(1_203)])) == 1_203
    for i in (0, 499, 500, 1_000, 1_202):
        assert b.query("sss", rows[i], 1)[0].key == f"k{i}"
    b.delete_vectors("sss", [f"k{i}" for i in range(1_202)])
    assert keys(b) == ["k1202"]


def check_answers_are_the_nearest_best_first_each_once(new_backend: NewBackend) -> None:
    b, rows = opened(new_backend), some(300)
    b.put_vectors("sss", [Vector(f"k{i}", row) for i, row in enumerate(rows)])
    for query in some(10, seed=1):
        found = b.query("sss", query, 10)
        scores = [m.score for m in found]
        assert scores == sorted(scores, reverse=True)
        assert len({m.key for m in found}) == len(found) == 10
        best = sorted((float(-(row @ query)), f"k{i}") for i, row in enumerate(rows))[:10]
        assert len({key for _, key in best} & {m.key for m in found}) >= 9  # approximate indexes may miss one


def check_cosine_scores_are_similarities(new_backend: NewBackend) -> None:
    b = opened(new_backend)
    b.put_vectors("sss", [Vector("same", EAST * 3), Vector("half", unit(1, 3**0.5)), Vector("back", -EAST)])
    scores = {m.key: m.score for m in b.query("sss", EAST, 3)}
    assert scores == pytest.approx({"same": 1.0, "half": 0.5, "back": -1.0}, abs=1e-3)


def check_a_metric_is_right_or_refused(new_backend: NewBackend) -> None:
    b = new_backend()
    assert "cosine" in b.metrics
    for metric in ("cosine", "euclidean", "dot"):
        if metric not in b.metrics:
            with pytest.raises(StoreMismatch):
                b.create_store("sss", DIM, metric)
            assert not b.store_exists("sss")


def check_dot_scores_are_products(new_backend: NewBackend) -> None:
    if "dot" not in new_backend().metrics:
        return  # and refused: check_a_metric_is_right_or_refused
    b = opened(new_backend, "dot")
    b.put_vectors("sss", [Vector("long", EAST * 3), Vector("short", EAST * 0.5)])
    found = b.query("sss", EAST * 2, 2)
    assert [m.key for m in found] == ["long", "short"]
    assert [m.score for m in found] == pytest.approx([6.0, 1.0], rel=1e-3)


def check_euclidean_scores_are_nearness(new_backend: NewBackend) -> None:
    b = opened(new_backend, "euclidean")
    b.put_vectors("sss", [Vector("here", EAST), Vector("far", EAST * 4)])
    found = b.query("sss", EAST, 2)
    assert [m.key for m in found] == ["here", "far"]
    assert [m.score for m in found] == pytest.approx([1.0, 0.25], rel=1e-3)


def check_a_filter_is_applied_before_the_best_are_chosen(new_backend: NewBackend) -> None:
    b, rows = opened(new_backend), some(400)
    group = lambda i: "rare" if i % 100 == 0 else "common"  # noqa: E731
    b.put_vectors("sss", [Vector(f"k{i}", row, {"group": group(i), "n": i % 4}) for i, row in enumerate(rows)])
    found = b.query("sss", rows[1], 10, {"group": {"rare"}})
    assert sorted(m.key for m in found) == ["k0", "k100", "k200", "k300"]
    assert b.query("sss", rows[1], 10, {"group": {"rare"}, "n": {1}}) == []
    both = b.query("sss", rows[1], 400, {"group": {"rare", "common"}})
    assert len(both) == min(400, b.max_top_k or 400)
    assert b.query("sss", rows[1], 10, {"nothing": {"rare"}}) == []
    assert b.query("sss", rows[1], 10, {"group": set()}) == []


def check_a_filter_looks_into_lists(new_backend: NewBackend) -> None:
    b = opened(new_backend)
    b.put_vectors("sss", [Vector("a", EAST, {"folder": ("x", "x/y")}), Vector("b", EAST, {"folder": ("z",)})])
    assert [m.key for m in b.query("sss", EAST, 5, {"folder": {"x/y"}})] == ["a"]


def check_metadata_is_replaced_with_the_vector(new_backend: NewBackend) -> None:
    b = opened(new_backend)
    b.put_vectors("sss", [Vector("a", EAST, {"group": "old"})])
    b.put_vectors("sss", [Vector("a", EAST, {"group": "new"})])
    assert b.query("sss", EAST, 5, {"group": {"old"}}) == []
    assert [m.key for m in b.query("sss", EAST, 5, {"group": {"new"}})] == ["a"]


def check_top_k_may_exceed_what_is_there(new_backend: NewBackend) -> None:
    b = opened(new_backend)
    assert b.query("sss", EAST, 100) == []
    b.put_vectors("sss", [Vector("a", EAST)])
    assert [m.key for m in b.query("sss", NORTH, 100)] == ["a"]


def check_a_query_that_does_not_fit_is_refused(new_backend: NewBackend) -> None:
    b = opened(new_backend)
    b.put_vectors("sss", [Vector("a", EAST)])
    for query in (EAST[:3], np.full(DIM, np.nan, dtype=np.float32)):
        with pytest.raises(StoreMismatch):
            b.query("sss", query, 5)


def check_stored_values_come_back(new_backend: NewBackend) -> None:
    b, rows = opened(new_backend), some(50)
    b.put_vectors("sss", [Vector(f"k{i}", row) for i, row in enumerate(rows)])
    found = b.get_vectors("sss", ["k7", "k49", "unknown"])
    assert set(found) == {"k7", "k49"}
    assert found["k7"].dtype == np.float32
    assert found["k7"] == pytest.approx(rows[7], abs=2e-5)


def check_stores_are_apart(new_backend: NewBackend) -> None:
    b = opened(new_backend)
    b.create_store("other", 4, "euclidean")
    b.put_vectors("sss", [Vector("a", EAST)])
    b.put_vectors("other", [Vector("a", np.ones(4, dtype=np.float32))])
    assert b.list_stores() == ["other", "sss"]
    b.delete_store("other")
    assert b.list_stores() == ["sss"]
    assert keys(b) == ["a"]


def check_creating_again_keeps_what_is_there(new_backend: NewBackend) -> None:
    b = opened(new_backend)
    b.put_vectors("sss", [Vector("a", EAST)])
    b.create_store("sss", DIM, "cosine")
    assert keys(b) == ["a"]
    with pytest.raises(StoreMismatch):
        b.create_store("sss", DIM + 1, "cosine")
    with pytest.raises(StoreMismatch):
        b.create_store("sss", DIM, "euclidean")


def check_another_space_is_refused(new_backend: NewBackend) -> None:
    b = new_backend()
    made = b.create_store("sss", DIM, "cosine", space="a" * 32, model="builtin/one")
    assert (made.store, made.dimension, made.metric, made.space) == ("sss", DIM, "cosine", "a" * 32)
    b.put_vectors("sss", [Vector("a", EAST)])
    with pytest.raises(StoreMismatch, match=r"builtin.one"):
        b.create_store("sss", DIM, "cosine", space="b" * 32, model="ollama/two:latest")
    assert b.create_store("sss", DIM, "cosine", space="a" * 32, model="builtin/one").identity == made.identity
    assert b.get_store_info("sss").space == "a" * 32
    assert keys(b) == ["a"]
    b.delete_store("sss")
    anew = b.create_store("sss", DIM, "cosine", space="b" * 32, model="ollama/two:latest")
    assert not b.remote or anew.identity != made.identity, "nobody could tell that it was deleted"


def check_a_remote_backend_gives_payloads_back(new_backend: NewBackend) -> None:
    b = opened(new_backend)
    long = {"path": "x/" * 300 + "n.md", "title": "t" * 5_000, "heading": ("h" * 3_000,) * 9, "line_from": 3}
    folders = tuple("/".join(["folder " + "f" * 20] * depth) for depth in range(1, 60))
    b.put_vectors("sss", [Vector("a", EAST, {"source": "s", "folder": folders}, long)])
    for folder in (folders[0], folders[-1]):
        (match,) = b.query("sss", EAST, 5, {"folder": {folder}, "source": {"s"}}, payload=True)
        assert not b.remote or (match.payload["path"], match.payload["line_from"]) == (long["path"], 3)
    assert b.query("sss", EAST, 5, {"folder": {"folder"}}, payload=True) == []


def check_a_deleted_store_is_gone_and_comes_back_empty(new_backend: NewBackend) -> None:
    b = opened(new_backend)
    b.put_vectors("sss", [Vector("a", EAST)])
    b.delete_store("sss")
    b.delete_store("sss")
    assert not b.store_exists("sss")
    b.create_store("sss", DIM, "cosine")
    assert keys(b) == []


def check_an_unknown_store_is_an_error_everywhere(new_backend: NewBackend) -> None:
    b = new_backend()
    assert not b.store_exists("sss")
    for call in (
        lambda: b.put_vectors("sss", [Vector("a", EAST)]),
        lambda: b.delete_vectors("sss", ["a"]),
        lambda: b.get_vectors("sss", ["a"]),
        lambda: list(b.list_keys("sss")),
        lambda: b.query("sss", EAST, 1),
        lambda: b.get_store_info("sss"),
    ):
        with pytest.raises(UnknownStore):
            call()


def check_info_tells_the_shape(new_backend: NewBackend) -> None:
    b = opened(new_backend, "euclidean")
    b.put_vectors("sss", [Vector("a", EAST), Vector("b", NORTH)])
    info = b.get_store_info("sss")
    assert (info.store, info.dimension, info.metric) == ("sss", DIM, "euclidean")
    assert info.count in (2, None)


def check_opening_again_never_shows_what_was_not_put(new_backend: NewBackend) -> None:
    """A durable backend has everything; another may have less, and what it has is right and is not deleted."""
    b, rows = opened(new_backend), some(200)
    b.put_vectors("sss", [Vector(f"k{i}", row, {"n": i % 2}) for i, row in enumerate(rows)])
    b.delete_vectors("sss", [f"k{i}" for i in range(50)])
    durable = b.durable
    b.close()
    again = opened(new_backend)
    held = set(again.list_keys("sss"))
    assert held <= {f"k{i}" for i in range(50, 200)}
    assert held == {f"k{i}" for i in range(50, 200)} or not durable
    for key, values in again.get_vectors("sss", held).items():
        assert values == pytest.approx(rows[int(key[1:])], abs=2e-5)
    found = again.query("sss", rows[60], 300, {"n": {0}})
    assert len(found) == min(again.max_top_k or 300, sum(int(key[1:]) % 2 == 0 for key in held))


def check_queries_run_beside_changes(new_backend: NewBackend) -> None:
    b, rows = opened(new_backend), some(600)
    b.put_vectors("sss", [Vector(f"k{i}", row) for i, row in enumerate(rows[:300])])
    stop, failures = threading.Event(), []

    def ask(seed: int) -> None:
        rng = np.random.default_rng(seed)
        while not stop.is_set():
            found = b.query("sss", rows[rng.integers(300)], 5)
            scores = [m.score for m in found]
            if len(found) != 5 or scores != sorted(scores, reverse=True):
                failures.append(found)

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for i in range(300, 600):
        b.put_vectors("sss", [Vector(f"k{i}", rows[i])])
        if i % 3 == 0:
            b.delete_vectors("sss", [f"k{i}"])
    stop.set()
    for thread in threads:
        thread.join(20)
    assert failures == []
    assert len(keys(b)) == 500


CHECKS = [fn for name, fn in sorted(globals().items()) if name.startswith("check_")]
