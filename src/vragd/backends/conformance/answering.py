"""The backend contract on answers: filters, narrowing to keys, and why an answer ends."""

from __future__ import annotations

import random

import numpy as np
import pytest

from vragd.backends.base import Among, Entry, VectorBackend
from vragd.backends.conformance.holding import DIM, EAST, NewBackend, ask, opened, put, some
from vragd.errors import Unsupported
from vragd.terms.filter import (
    And,
    Compare,
    Exists,
    Filter,
    In,
    Metadata,
    Moment,
    Not,
    Or,
    Prefix,
    Scalar,
    equals,
    every,
    holds,
)

ODD_VALUES: list[Metadata] = [
    {"v": True},
    {"v": 1},
    {"v": 1.0},
    {"v": "1"},
    {"v": "True"},
    {"v": (True, "x")},
    {"v": (1, "x")},
    {"v": ("1", "x")},
    {"v": 0},
    {"v": False},
    {"v": ""},
    {"v": "@us:0"},
    {"v": Moment(0)},
    {"v": Moment(0, date_only=True)},
    {"v": -2.5},
    {"v": "ä"},
    {},
]


def _filled(new_backend: NewBackend, metadata: list[Metadata]) -> VectorBackend:
    b = opened(new_backend)
    put(b, [Entry(f"k{i}", row, data) for i, (row, data) in enumerate(zip(some(len(metadata)), metadata, strict=True))])
    return b


def _found(b: VectorBackend, where: Filter, timeout_s: float | None = None) -> set[str]:
    """The keys a filter leaves: what the backend evaluates, and what it leaves to us."""
    ours, rest = b.split("sss", where)
    matches = b.query("sss", EAST, 100, where=ours, payload=True, timeout_s=timeout_s)
    metadata = {key: held.metadata for key, held in b.get("sss", [m.key for m in matches.items], metadata=True).items()}
    return {key for key, data in metadata.items() if rest is None or holds(rest, data)}


def check_true_is_not_one_and_one_is_one_point_zero(new_backend: NewBackend) -> None:
    b = _filled(new_backend, ODD_VALUES)
    wanted: list[Scalar] = [True, False, 1, 1.0, "1", 0, "", "@us:0", Moment(0), -2.5, "ä"]
    for value in wanted:
        where = equals("v", value)
        assert _found(b, where) == {f"k{i}" for i, data in enumerate(ODD_VALUES) if holds(where, data)}, value


def check_a_random_filter_leaves_what_it_says(new_backend: NewBackend) -> None:
    rng = random.Random(5)
    values: list[Scalar] = ["a", "ab", "b", 1, 2, 2.5, True, False, Moment(3), Moment(4, date_only=True)]

    def value() -> Scalar:
        return rng.choice(values)

    def leaf() -> Filter:
        field = rng.choice("xyz")
        choices: list[Filter] = [
            Compare(field, rng.choice(("=", "<", "<=", ">", ">=")), value()),
            In(field, tuple(value() for _ in range(rng.randrange(4)))),
            Prefix(field, rng.choice(("", "a", "b"))),
            Exists(field),
        ]
        return rng.choice(choices)

    def tree(depth: int) -> Filter:
        if depth == 0 or rng.random() < 0.3:
            return leaf()
        parts = tuple(tree(depth - 1) for _ in range(rng.randrange(1, 4)))
        return rng.choice((And(parts), Or(parts), Not(parts[0])))

    def data() -> Metadata:
        chosen = {field: value() if rng.random() < 0.6 else tuple(value() for _ in range(3)) for field in "xyz"}
        return {field: kept for field, kept in chosen.items() if rng.random() < 0.7}

    metadata = [data() for _ in range(40)]
    b = _filled(new_backend, metadata)
    for _ in range(60):
        where = tree(3)
        assert _found(b, where) == {f"k{i}" for i, known in enumerate(metadata) if holds(where, known)}, where


def check_what_is_left_over_is_refused(new_backend: NewBackend) -> None:
    b = _filled(new_backend, [{"v": 1}])
    for where in (Not(equals("v", 2)), Prefix("v", "a"), Compare("v", "<", 2), Exists("v")):
        ours, rest = b.split("sss", where)
        assert (ours, rest) in ((where, None), (None, where))
        if rest is not None:
            with pytest.raises(Unsupported):
                b.query("sss", EAST, 5, where=where)
    assert b.split("sss", None) == (None, None)


def check_keys_narrow_a_query_before_the_best_are_chosen(new_backend: NewBackend) -> None:
    b, rows = opened(new_backend), some(300)
    put(b, [Entry(f"k{i}", row, {"n": i % 2}) for i, row in enumerate(rows)])
    if b.traits.max_among == 0:
        with pytest.raises(Unsupported):
            b.query("sss", rows[0], 5, among=Among.of(["k7"]))
        return
    wanted = [f"k{i}" for i in range(0, 300, 60)]
    for _ in range(2):
        found = b.query("sss", rows[1], 10, among=Among.of([*wanted, "never-there"]))
        assert sorted(m.key for m in found.items) == sorted(wanted)
        assert found.end == "exhausted"
        b.delete_vectors("sss", ["k1"])  # what narrows is looked up anew after a change
        put(b, [Entry("k1", rows[1])])
    narrowed = b.query("sss", rows[1], 10, among=Among.of(wanted), where=equals("n", 0)).items
    assert sorted(m.key for m in narrowed) == sorted(wanted)
    assert not b.query("sss", rows[1], 10, among=Among.of(wanted), where=equals("n", 1)).items
    assert b.query("sss", rows[1], 10, among=Among.of([])).end == "exhausted"


def check_a_hundred_thousand_keys_and_thousands_of_properties_narrow_a_query(new_backend: NewBackend) -> None:
    b, rows = opened(new_backend), some(60)
    put(b, [Entry(f"k{i}", row, {f"p{i}-{j}": i for j in range(50)}) for i, row in enumerate(rows)])
    for i in (0, 30, 59):
        assert _found(b, equals(f"p{i}-7", i)) == {f"k{i}"}
    wheres = [equals(f"p{i}-{j}", i if i < 20 else "other") for i in range(60) for j in range(50)]
    assert _found(b, Or(tuple(wheres)), 60) == {f"k{i}" for i in range(20)}
    if b.traits.max_among is None:
        many = Among.of([f"k{i}" for i in range(7, 100_000)])
        found = b.query("sss", rows[3], 5, among=many, timeout_s=60)
        assert len(found.items) == 5
        assert not {f"k{i}" for i in range(7)} & {match.key for match in found.items}


def check_an_answer_says_why_it_ends(new_backend: NewBackend) -> None:
    """`exhausted` is a promise that there is nothing else; nothing else is."""
    b, rows = opened(new_backend), some(60)
    put(b, [Entry(f"k{i}", row, {"n": i % 3}) for i, row in enumerate(rows)])
    for where, n in ((None, 60), (equals("n", 0), 20), (every(equals("n", 0), equals("n", 1)), 0)):
        for top_k in (1, 5, 19, 20, 21, 59, 60, 61, 100):
            found = b.query("sss", rows[0], top_k, where=where)
            assert len(found.items) <= top_k
            if found.end == "exhausted":
                assert len(found.items) == n, (where, top_k)
            elif found.end == "more":
                assert len(found.items) < n or b.traits.max_matches is not None, (where, top_k)
            else:
                assert b.traits.max_matches is not None, "a limit that is claimed by none"
    assert opened_empty(new_backend, b).query("other", EAST, 5).end == "exhausted"


def opened_empty(new_backend: NewBackend, b: VectorBackend) -> VectorBackend:
    b.create_collection("other", DIM, "cosine")
    return b


def check_a_limit_of_matches_is_kept_and_said(new_backend: NewBackend) -> None:
    b, rows = opened(new_backend), some(130)
    put(b, [Entry(f"k{i}", row) for i, row in enumerate(rows)])
    found = b.query("sss", rows[0], 130)
    most = b.traits.max_matches
    assert len(found.items) == min(130, most or 130)
    assert found.end == ("limit" if most is not None and most < 130 else "exhausted")


def check_equal_scores_are_in_the_order_of_their_keys(new_backend: NewBackend) -> None:
    b = opened(new_backend)
    put(b, [Entry(key, EAST) for key in ("c", "a", "d", "b")])
    assert [m.key for m in ask(b, EAST, 4)] == ["a", "b", "c", "d"]
    assert np.allclose([m.score for m in ask(b, EAST, 4)], 1, atol=1e-4)
