"""Vectors of one's own, without a daemon: what is put is found, what is wrong is named, and nobody is in the way."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vragd import Found, Record, Vectors, open_backend
from vragd.errors import (
    BackendRefused,
    CollectionMismatch,
    ConfigError,
    DaemonBusy,
    DataDirError,
    UnknownCollection,
    Unsupported,
    UsageError,
    VectorsRefused,
    VragdError,
)
from vragd.system.lock import only_process
from vragd.terms.filter import Not, equals

KINDS = ("faiss", "file", "sqlite", "memory")
ROWS = {
    "a": ([3.0, 0.0, 0.0], {"kind": "x", "n": 1}), "b": ([0.0, 1.0, 0.2], {"kind": ["y", "z"], "n": 2}),
    "c": ([1.0, 1.0, 0.0], {"n": 2.0, "good": True}),
}  # fmt: skip


def opened(kind: str, place: Path) -> Vectors:
    return open_backend(kind) if kind == "memory" else open_backend(kind, path=place / kind)


@pytest.fixture(params=KINDS)
def vectors(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Vectors]:
    with opened(request.param, tmp_path) as made:
        made.create_store("words", 3)
        assert made.put_vectors("words", [(key, *row) for key, row in ROWS.items()]) == 3
        yield made


def found(vectors: Vectors, asked: Any = (1, 0, 0), k: int = 10, **named: Any) -> list[str]:
    return [one.key for one in vectors.query("words", asked, k, **named)]


def test_every_form_of_a_record_and_of_numbers_is_taken(vectors: Vectors) -> None:
    given = [
        Record("r", np.array([1, 2, 3], dtype=np.float64)), ("t", (1, 2, 3)), ("m", [1, 2, 3], {"of": "tuple"}),
        {"key": "d", "vector": np.array([1, 2, 3], dtype=np.float16), "metadata": None},
    ]  # fmt: skip
    assert vectors.put_vectors("words", iter(given)) == 4
    assert set(found(vectors, [1, 2, 3], 4)) == {"r", "t", "m", "d"}
    assert vectors.get_vectors("words", ["m", "none"])["m"].metadata == {"of": "tuple"}
    assert set(vectors.keys("words", "d")) == {"d"}


def test_the_best_come_first_with_what_was_asked_for(vectors: Vectors) -> None:
    best, second = vectors.query("words", [1, 0, 0], 2, include_vectors=True)
    assert (best.key, second.key) == ("a", "c")
    assert best.score == pytest.approx(1.0) and second.score == pytest.approx(0.5**0.5, abs=1e-6)
    assert best.vector is not None and best.vector.tolist() == pytest.approx([1.0, 0.0, 0.0])
    (bare,) = vectors.query("words", [1, 0, 0], 1, include_scores=False)
    assert (bare.score, bare.vector, dict(bare.metadata)) == (None, None, {"kind": "x", "n": 1})


def test_filters_narrow_before_the_best_are_chosen(vectors: Vectors) -> None:
    assert found(vectors, filter={"n": 2}) == ["c", "b"]
    assert found(vectors, k=1, filter={"kind": ["z", "nothing"]}) == ["b"]
    assert found(vectors, filter={"n": [1, 2], "good": True}) == ["c"]
    assert found(vectors, filter=Not(equals("kind", "x"))) == ["c", "b"]
    assert found(vectors, filter={}) == ["a", "c", "b"]
    assert found(vectors, filter={"good": 1}) == []


def test_what_a_backend_cannot_filter_is_looked_for_further(tmp_path: Path) -> None:
    with opened("faiss", tmp_path) as vectors:
        vectors.create_store("words", 2)
        rows = np.stack([np.ones(2_000), np.linspace(0.0, 1.0, 2_000)], axis=1)
        assert vectors.put_vectors("words", [(f"k{i}", row, {"i": i}) for i, row in enumerate(rows)]) == 2_000
        assert [one.key for one in vectors.query("words", [1, 0], 2, filter={"i": [1_998, 1_999]})] == [
            "k1998",
            "k1999",
        ]


def test_another_metric_compares_every_vector_as_it_is_kept(vectors: Vectors) -> None:
    near = vectors.query("words", [0.7, 0.7, 0.0], 3, metric="euclidean", filter={"n": 2})
    assert [one.key for one in near] == ["c", "b"]
    assert near[0].score == pytest.approx(1 / (1 + np.linalg.norm([0.7 - 0.5**0.5, 0.7 - 0.5**0.5])), abs=1e-5)
    with pytest.raises(Unsupported):
        vectors.query("words", [1, 0, 0], metric="hamming")  # type: ignore[arg-type]


def test_another_metric_is_refused_where_only_some_vectors_are_looked_at(tmp_path: Path) -> None:
    with open_backend("faiss", path=tmp_path / "f", index="hnsw") as vectors:
        vectors.create_store("words", 4)
        rng = np.random.default_rng(0)
        vectors.put_vectors("words", [(f"k{i}", row) for i, row in enumerate(rng.normal(size=(300, 4)))])
        assert len(vectors.query("words", [1, 0, 0, 0], 3)) == 3
        with pytest.raises(Unsupported, match="searched by cosine"):
            vectors.query("words", [1, 0, 0, 0], metric="dot")


def test_metadata_is_replaced_without_the_vector_and_deletions_are_counted(vectors: Vectors) -> None:
    assert vectors.update_metadata("words", {"a": {"kind": "new"}, "none": {}}) == 1
    assert found(vectors, filter={"kind": "new"}) == ["a"]
    assert found(vectors, filter={"n": 1}) == []
    assert vectors.delete_vectors("words", ["a", "a", "none"]) == 1
    assert found(vectors) == ["c", "b"]


@pytest.mark.parametrize(
    ("record", "kind", "says"),
    [
        (("k", [1, 2]), CollectionMismatch, "'k' has 2 numbers, the store's have 3"),
        (("k", [[1, 2, 3]]), CollectionMismatch, "'k' has the shape"),
        (("k", [1, float("nan"), 3]), VectorsRefused, "'k' holds a value that is not finite"),
        (("k", [1, float("inf"), 3]), VectorsRefused, "'k' holds a value that is not finite"),
        (("k", [0, 0, 0]), VectorsRefused, "'k' is zero"),
        (("k", ["x", 1, 2]), VectorsRefused, "'k' holds what is no number"),
        (("é", [1, 2, 3]), VectorsRefused, "ASCII"),
        (("k", [1, 2, 3], {"a": {"b": 1}}), VectorsRefused, "'a' of 'k' is dict"),
        (("k", [1, 2, 3], {"a": [1, None]}), VectorsRefused, "'a' of 'k' is list"),
        (("k", [1, 2, 3], {"a": 10**400}), VectorsRefused, "'a' of 'k' is a number of more than 308 digits"),
        (("k", [1, 2, 3], ["a"]), VectorsRefused, "metadata of 'k' is list"),
        (("k", np.array([1j, 2, 3])), VectorsRefused, "'k' holds what is no number"),
        (("k", ["1", "2", "3"]), VectorsRefused, "'k' holds what is no number"),
        (("k", [10**400, 2, 3]), VectorsRefused, "'k' holds a value that is not finite"),
        (("k", np.array([1e300, 2, 3])), VectorsRefused, "'k' holds a value that is not finite"),
        (("k", iter([1, 2, 3])), VectorsRefused, "'k' is list_iterator, expected 3 numbers"),
        ((5, [1, 2, 3]), UsageError, "a key is int"),
        ((b"k", [1, 2, 3]), UsageError, "a key is bytes"),
        (("k",), UsageError, "1 parts"),
        (("k", [1, 2, 3], {}, ""), UsageError, "4 parts"),
        ("abc", UsageError, "a record is str"),
        (None, UsageError, "a record is NoneType"),
        ({"vector": [1, 2, 3]}, UsageError, "without 'key'"),
        ({"key": "k", "vector": [1, 2, 3], 7: ""}, UsageError, "no 7"),
        ({"key": "k", "vector": [1, 2, 3], "text": ""}, UsageError, "no 'text'"),
    ],
)
def test_what_is_wrong_is_named_by_its_key_and_nothing_of_it_is_kept(
    vectors: Vectors, record: Any, kind: type[VragdError], says: str
) -> None:
    with pytest.raises(kind, match=says):
        vectors.put_vectors("words", [("fine", [1, 1, 1]), record])
    assert found(vectors) == ["a", "c", "b"]


@pytest.mark.filterwarnings("error")
def test_numbers_of_numpy_are_as_pythons(vectors: Vectors) -> None:
    one = np.float32(0.5), np.int64(3), np.bool_(True), np.str_("x")
    metadata = {"half": one[0], "three": one[1], "true": one[2], np.str_("x"): one[3], "several": np.array([1, 2])}
    assert vectors.put_vectors("words", [(np.str_("n"), np.arange(9.0)[1::3], metadata)]) == 1
    kept = vectors.get_vectors("words", ["n"])["n"].metadata
    assert kept == {"half": 0.5, "three": 3, "true": True, "x": "x", "several": [1, 2]}
    assert {type(value) for value in kept.values()} == {float, int, bool, str, list}
    for name, value in metadata.items():
        assert found(vectors, k=np.int64(1), filter={name: value}) == ["n"]  # type: ignore[arg-type]
    word = Enum("word", {"ONE": "one"}, type=str).ONE
    assert vectors.put_vectors("words", [(word, [9, 1, 1], {word: word})]) == 1
    assert vectors.query("words", [9, 1, 1], 1, filter={word: word}) == [
        Found("one", pytest.approx(1.0), {"one": "one"})
    ]
    assert vectors.create_store("others", np.int64(2)) and vectors.store_info("others").dimension == 2  # type: ignore[arg-type]


def test_two_equal_answers_are_equal(vectors: Vectors) -> None:
    for asked in ({}, {"include_vectors": True}, {"include_scores": False}):
        assert vectors.query("words", [1, 0, 0], **asked) == vectors.query("words", [1, 0, 0], **asked)  # type: ignore[arg-type]
    assert vectors.get_vectors("words", ["b", "a"]) == vectors.get_vectors("words", ["b", "a", "b", "none"])
    assert list(vectors.get_vectors("words", ["b", "none", "a"])) == ["b", "a"]
    assert Record("a", np.ones(2)) == Record("a", [1, 1]) != Record("a", [1, 2])
    best = vectors.query("words", [1, 0, 0], 1, include_vectors=True)[0]
    assert best != vectors.query("words", [1, 0, 0], 1)[0] and best != "a"


def test_one_key_is_not_taken_for_several_nor_one_record(vectors: Vectors) -> None:
    acts: tuple[Callable[[str, Any], Any], ...] = (vectors.get_vectors, vectors.delete_vectors)
    for act in acts:
        for keys in ("abc", b"abc", None, [1], [None]):
            with pytest.raises(UsageError, match="key"):
                act("words", keys)
        assert not act("words", ["", "\ud800", "é", "x" * 1_025])
    for given in (Record("r", [1, 2, 3]), {"r": [1, 2, 3]}, "r", None, 5):
        with pytest.raises(UsageError, match="records are several"):
            vectors.put_vectors("words", given)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="metadata is list"):
        vectors.update_metadata("words", ["a"])  # type: ignore[arg-type]
    assert vectors.update_metadata("words", {"a": None}) == 1  # type: ignore[dict-item]
    assert sorted(vectors.keys("words")) == ["a", "b", "c"] and list(vectors.keys("words", "é")) == []


def test_a_name_that_leads_elsewhere_is_no_stores(vectors: Vectors, tmp_path: Path) -> None:
    with open_backend("file", path=tmp_path / "other") as other:
        other.create_store("mine", 3)
        other.put_vectors("mine", [("a", [1, 2, 3])])
    for name in ("../other/mine", str(tmp_path / "other/mine"), "./words", "words/.", "", "..", "none", "a\0b"):
        assert not vectors.store_exists(name) and not vectors.delete_store(name)
        acts: tuple[Callable[[str], Any], ...] = (
            vectors.store_info, vectors.keys, lambda name: vectors.put_vectors(name, [("b", [1, 2, 3])]),
            lambda name: vectors.delete_vectors(name, []), lambda name: vectors.bulk(name, 5),
        )  # fmt: skip
        for act in acts:
            with pytest.raises(UnknownCollection):
                act(name)
    with open_backend("file", path=tmp_path / "other") as other:
        assert list(other.keys("mine")) == ["a"]
    for wrong in (None, 3, b"words", Path("words")):
        with pytest.raises(UsageError, match="a store's name is"):
            vectors.query(wrong, [1, 2, 3])  # type: ignore[arg-type]


def test_wrong_questions_and_stores_are_refused(vectors: Vectors) -> None:
    for asked, kind in (
        ([1, 2], CollectionMismatch),
        ([0, 0, 0], VectorsRefused),
        ([float("nan")] * 3, VectorsRefused),
    ):
        with pytest.raises(kind, match="the query"):
            vectors.query("words", asked)
    for k in (0, -1, 10_001, 10**9, 2.0, True, "3", None, float("nan")):
        with pytest.raises(UsageError, match="k is"):
            vectors.query("words", [1, 0, 0], k)  # type: ignore[arg-type]
    for shape in (2.5, "3", None, True):
        with pytest.raises(UsageError, match="dimension is"):
            vectors.create_store("other", shape)  # type: ignore[arg-type]
    for space in ("ABC", "a b", "a" * 33, None):
        with pytest.raises(UsageError, match="space"):
            vectors.create_store("other", 3, space=space)  # type: ignore[arg-type]
    for act in (lambda: vectors.query("none", [1]), lambda: vectors.put_vectors("none", [("a", [1])])):
        with pytest.raises(UnknownCollection):
            act()
    for name in ("", "A", "../x", "a" * 64, "-ab"):
        with pytest.raises(UsageError, match="cannot be called"):
            vectors.create_store(name, 3)
    with pytest.raises(UsageError, match="no metric 'hamming'"):
        vectors.create_store("other", 3, "hamming")  # type: ignore[arg-type]
    with pytest.raises(CollectionMismatch):
        vectors.create_store("words", 4)


def test_stores_are_made_once_and_deleted_once(vectors: Vectors) -> None:
    assert vectors.create_store("more", 2, "dot", space="mine", model="my model")
    assert not vectors.create_store("more", 2, "dot", space="mine")
    assert (vectors.stores(), vectors.store_exists("more"), vectors.store_exists("no")) == (
        ["more", "words"],
        True,
        False,
    )
    assert (vectors.store_info("more").space, vectors.store_info("words").count) == ("mine", 3)
    with pytest.raises(CollectionMismatch, match=r"another model|not of"):
        vectors.create_store("more", 2, "dot", space="theirs")
    assert (vectors.delete_store("more"), vectors.delete_store("more")) == (True, False)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "memory"])
def test_what_was_put_is_there_when_it_is_opened_again(kind: str, tmp_path: Path) -> None:
    with opened(kind, tmp_path) as vectors:
        vectors.create_store("words", 2)
        with vectors.bulk("words", 2_500):
            assert vectors.put_vectors("words", ((f"k{i}", [1, i], {"i": i}) for i in range(2_500))) == 2_500
    with opened(kind, tmp_path) as vectors:
        assert vectors.store_info("words").count == 2_500
        assert [one.metadata for one in vectors.query("words", [1, 7], 1, filter={"i": 7})] == [{"i": 7}]


def test_one_process_at_a_time_has_a_folder(tmp_path: Path) -> None:
    with opened("faiss", tmp_path), pytest.raises(DaemonBusy):
        opened("faiss", tmp_path)
    opened("faiss", tmp_path).close()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["file", "sqlite"])
def test_another_process_may_read_what_one_writes(kind: str, tmp_path: Path) -> None:
    code = """if True:
        import sys, vragd
        from vragd.errors import BackendUnavailable
        with vragd.open_backend(sys.argv[1], path=sys.argv[2]) as vectors:
            print(*vectors.keys("words"))
            try:
                vectors.put_vectors("words", [("b", [1, 2])])
            except BackendUnavailable as error:
                print("writes" in error.message)
    """
    with opened(kind, tmp_path) as vectors:
        vectors.create_store("words", 2)
        vectors.put_vectors("words", [("a", [1, 2])])
        done = [sys.executable, "-c", code, kind, str(tmp_path / kind)]
        assert subprocess.run(done, capture_output=True, text=True, check=True).stdout == "a\nTrue\n"
        assert list(vectors.keys("words")) == ["a"]


@pytest.mark.parametrize(
    "theirs", ["a/b/.report.docx.tmp", "lock", "photos/a.jpg", "photos/vectors.faiss/x", "notes.txt", "photos/.x.tmp"]
)
def test_a_folder_that_holds_what_others_made_is_left_as_it_is(theirs: str, tmp_path: Path) -> None:
    file = tmp_path / "place" / theirs
    file.parent.mkdir(parents=True)
    file.write_text("mine")
    (tmp_path / "place").chmod(0o755)
    with pytest.raises(BackendRefused, match="which vragd did not make"):
        open_backend("faiss", path=tmp_path / "place")
    assert file.read_text() == "mine"
    assert (tmp_path / "place").stat().st_mode & 0o7777 == 0o755
    assert [path for path in (tmp_path / "place").rglob("*") if path.is_file()] == [file]


def test_an_empty_folder_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    open_backend("faiss", path=tmp_path).close()
    assert tmp_path.stat().st_mode & 0o7777 == 0o1777
    with pytest.raises(UsageError, match="empty"):
        open_backend("faiss", path="")


def test_what_is_no_filter_is_refused(vectors: Vectors) -> None:
    for given in ("n=1", "", [("n", 1)], [], 5, True, {"n": None}, {"n": {"$gt": 1}}, {"n": range(3)}, {1: 2}):
        with pytest.raises(UsageError, match="filter"):
            vectors.query("words", [1, 0, 0], filter=given)  # type: ignore[arg-type]


def test_what_is_closed_writes_no_more(tmp_path: Path) -> None:
    for kind in KINDS:
        vectors = opened(kind, tmp_path)
        vectors.create_store("words", 2)
        vectors.close()
        vectors.close()
        for act in (lambda v: v.create_store("late", 2), lambda v: v.put_vectors("words", [("a", [1, 2])]),
                    lambda v: v.delete_store("words"), lambda v: v.query("words", [1, 2])):  # fmt: skip
            with pytest.raises(UsageError, match="closed"):
                act(vectors)
    assert not (tmp_path / "faiss/late").exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_leaves_its_parents_vectors_alone(tmp_path: Path) -> None:
    with opened("faiss", tmp_path) as vectors:
        vectors.create_store("words", 2)
        child = os.fork()
        if not child:
            status = 1
            with suppress(BaseException):
                try:
                    vectors.put_vectors("words", [("child", [1, 2])])
                except UsageError as error:
                    status = 0 if "before a fork" in error.message else 2
                vectors.close()
            os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        vectors.put_vectors("words", [("parent", [1, 2])])
    with opened("faiss", tmp_path) as vectors:
        assert list(vectors.keys("words")) == ["parent"]


def test_no_place_in_a_vault_or_among_a_daemons_own_files_is_taken(tmp_path: Path) -> None:
    (tmp_path / "vault/.obsidian").mkdir(parents=True)
    for kind in ("faiss", "file", "sqlite"):
        with (
            pytest.raises(BackendRefused, match="inside the vault"),
            open_backend(kind, path=tmp_path / "vault/v") as v,
        ):
            v.create_store("words", 2)
    assert [path.name for path in (tmp_path / "vault").iterdir()] == [".obsidian"]
    data = tmp_path / "data"
    (data / "stores/notes/index").mkdir(parents=True)
    with only_process(data), pytest.raises(BackendRefused, match="belongs to a vragd"):
        open_backend("faiss", path=data / "stores/notes/index")
    assert list((data / "stores/notes/index").iterdir()) == []


def test_wrong_types_and_settings_are_told() -> None:
    for kind, given, error, says in (
        ("fais", {}, ConfigError, "unknown backend type 'fais'"),
        ("faiss", {}, UsageError, "needs a folder"),
        ("file", {}, UsageError, "path"),
        ("file", {"path": "/"}, UsageError, "is the root of the file system"),
        ("sqlite", {"path": "/tmp/.."}, UsageError, "is the root of the file system"),
        ("memory", {"path": "/x"}, UsageError, "keeps nothing in a folder"),
        ("faiss", {"path": "/x", "index": "best"}, UsageError, "index"),
        (None, {}, UsageError, "is NoneType, expected text"),
        (["faiss"], {}, UsageError, "is list, expected text"),
        ("faiss", {"path": 3}, UsageError, "the path is int"),
        ("sqlite", {"path": b" "}, UsageError, "the path is empty"),
        ("faiss", {"path": "/a\0b"}, UsageError, "NUL"),
        ("faiss", {"path": "/tmp/" + "x" * 300}, DataDirError, "File name too long"),
    ):
        with pytest.raises(error, match=says):
            open_backend(kind, **given)  # type: ignore[arg-type]
