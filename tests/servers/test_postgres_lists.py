"""IVFFlat on a real PostgreSQL: lists are made of what was loaded, and anew when there is much more."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.harness import Vragd
from tests.servers.postgres.server import DATABASE, USER, RealPostgres
from tests.servers.test_postgres import DIM, Make, put, some
from vragd.backends.base import Batch, Entry, VectorBackend
from vragd.backends.faiss.settings import FaissBackend
from vragd.backends.pgvector.tables import PgvectorBackend
from vragd.backends.recall import measure
from vragd.backends.registry import create_backend
from vragd.stores.moves import transfer
from vragd.stores.moves.places import Collection
from vragd.terms.filter import equals, holds

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def lists_of(server: RealPostgres, table: str) -> list[str]:
    """The names of a table's IVFFlat indexes."""
    found = server.execute(
        "SELECT x.relname FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am m ON m.oid = x.relam"
        " WHERE i.indrelid = to_regclass(%s) AND m.amname = 'ivfflat'", table
    )  # fmt: skip
    return [str(name) for (name,) in found]


@pytest.mark.parametrize(("metric", "kind"), [("cosine", "vector"), ("euclidean", "halfvec"), ("dot", "vector")])
def test_lists_are_made_after_loading_and_again_at_four_times_as_many_rows(
    make: Make, server: RealPostgres, metric: Any, kind: str
) -> None:
    def opened() -> PgvectorBackend:  # a process that has yet to look
        return make(index_from=500, few=50, vector_type=kind, index="ivfflat")

    backend, rows = opened(), some(2_000)
    backend.create_collection("sss", DIM, metric)
    entries = [Entry(f"k{i:05}", row, {"n": i % 2, "rare": i % 100}) for i, row in enumerate(rows)]

    def indexes() -> list[str]:
        return lists_of(server, str(backend.collection_info("sss").detail["table"]))

    def tended() -> dict[str, Any]:
        one = opened()
        one.tend("sss")
        one.builder.wait(60)
        detail = dict(one.collection_info("sss").detail)
        assert "index_failed" not in detail
        return detail

    backend.put_vectors("sss", Batch.of(entries[:400]))
    assert tended()["index"] == "exact", "what is still to be loaded has no lists"
    backend.put_vectors("sss", Batch.of(entries[:500]))
    first = tended()
    assert [first[key] for key in ("index", "lists", "lists_of_rows")] == ["ivfflat", 50, 500]
    assert 5 <= first["probes"] <= 50
    (name,) = indexes()
    backend.put_vectors("sss", Batch.of(entries[:1_999]))
    assert tended()["lists_of_rows"] == 500
    assert indexes() == [name]
    backend.put_vectors("sss", Batch.of(entries))
    assert tended()["lists_of_rows"] == 2_000
    assert indexes() != [name]
    assert len(indexes()) == 1, "the one before is gone"
    assert tended()["lists_of_rows"] == 2_000, "made once"

    scan, indexed, queries = make(index="exact"), opened(), some(20, seed=1)
    for where in (None, equals("n", 0), equals("rare", 7)):
        found = exact = 0
        for query in queries:
            server_side = {match.key for match in indexed.query("sss", query, 10, where=where).items}
            passing = [i for i, entry in enumerate(entries) if where is None or holds(where, entry.metadata)]
            best = {entries[i].key for i in sorted(passing, key=lambda i: -_nearness(rows[i], query, metric))[:10]}
            found, exact = found + len(server_side & best), exact + len(best)
        assert found >= 0.95 * exact, where
    assert len(indexed.query("sss", rows[7], 1_500).items) == 1_500
    assert scan.collection_info("sss").detail["index"] == "ivfflat", "whoever asks is told what there is"


def _nearness(row: np.ndarray, query: np.ndarray, metric: str) -> float:
    if metric == "euclidean":
        return -float(np.linalg.norm(row - query))
    product = float(row @ query)
    return product if metric == "dot" else product / float(np.linalg.norm(row) * np.linalg.norm(query))


def test_lists_and_probes_are_settings_and_fewer_probes_find_fewer(make: Make) -> None:
    rows = some(2_000)
    given = {"index_from": 1, "index": "ivfflat", "lists": 50}
    backend = make(**given, probes=1)
    backend.create_collection("sss", DIM, "cosine")
    put(backend, rows)
    backend.tend("sss")
    backend.builder.wait(60)
    assert "index_failed" not in backend.collection_info("sss").detail
    few, all_ = measure(backend, "sss"), measure(make(**given, probes=50), "sss")
    assert few.at_10 < all_.at_10 == 1.0
    assert (all_.exact, all_.n_vectors) == (False, 2_000)
    detail = make(**given).collection_info("sss").detail
    assert (detail["lists"], 5 <= detail["probes"] <= 50) == (50, True)


def test_an_index_that_a_crash_left_beside_its_successor_goes_with_the_next(make: Make, server: RealPostgres) -> None:
    backend, rows = make(index_from=1, index="ivfflat"), some(300)
    backend.create_collection("sss", DIM, "cosine")
    put(backend, rows)
    table = backend.collection_info("sss").detail["table"]
    short = table.partition(".")[2]
    for name in (f"{short}_v", f"{short}_w"):  # nobody wrote down of how many rows
        server.execute(f"CREATE INDEX {name} ON {table} USING ivfflat (vec vector_cosine_ops) WITH (lists = 10)")
    backend.tend("sss")
    backend.builder.wait(60)
    assert backend.collection_info("sss").detail["lists_of_rows"] == 300
    assert len(lists_of(server, table)) == 1


def test_what_the_user_indexed_decides_neither_kind_nor_time_of_ours(make: Make, server: RealPostgres) -> None:
    backend, rows = make(index_from=200, few=10), some(300)
    backend.create_collection("sss", DIM, "cosine")
    table = str(backend.collection_info("sss").detail["table"])

    def tended(**given: Any) -> str:
        one = make(index_from=200, few=10, **given)
        one.tend("sss")
        one.builder.wait(60)
        return str(one.collection_info("sss").detail["index"])

    put(backend, rows[:100])
    server.execute(f"CREATE INDEX mine ON {table} USING ivfflat (vec vector_cosine_ops) WITH (lists = 10)")
    assert tended() == "exact"
    assert lists_of(server, table) == ["mine"]
    put(backend, rows)
    assert tended() == "hnsw"
    assert tended(index="ivfflat") == "hnsw", "one of ours stays"
    assert lists_of(server, table) == ["mine"]
    server.execute(f"DROP INDEX {table}_v")
    assert tended(index="ivfflat") == "ivfflat"
    assert len(lists_of(server, table)) == 2
    server.execute(f"DROP INDEX {table}_v")
    server.execute(f"CREATE INDEX good ON {table} USING hnsw (vec vector_cosine_ops)")
    assert tended() == "hnsw", "that of the user answers"
    assert server.execute("SELECT to_regclass(%s) IS NULL", f"{table}_v") == [(True,)]


@pytest.mark.parametrize(
    "made",
    [
        "(vec vector_l2_ops)", "(vec vector_cosine_ops) WHERE version = ''",
        f"((vec::halfvec({DIM})) halfvec_cosine_ops)",
    ],
)  # fmt: skip
def test_an_index_of_the_user_that_no_question_can_use_keeps_none_of_ours_away(
    make: Make, server: RealPostgres, made: str
) -> None:
    backend = make(index_from=200, few=10)
    backend.create_collection("sss", DIM, "cosine")
    put(backend, some(300))
    table = str(backend.collection_info("sss").detail["table"])
    server.execute(f"CREATE INDEX other ON {table} USING hnsw {made}")
    info = make(index_from=200, few=10).collection_info("sss")
    assert (info.detail["index"], info.exact) == ("exact", True)
    backend.tend("sss")
    backend.builder.wait(60)
    assert backend.collection_info("sss").detail["index"] == "hnsw"
    assert server.execute("SELECT to_regclass(%s) IS NOT NULL", f"{table}_v") == [(True,)]


@pytest.mark.parametrize(("index", "parameter"), [("hnsw", "ef search"), ("ivfflat", "probes")])
def test_what_an_index_finds_is_told_by_a_command(
    make: Make, server: RealPostgres, tmp_path: Path, index: str, parameter: str
) -> None:
    backend, rows = make(index_from=500, index=index), some(1_000)
    backend.create_collection("sss", DIM, "cosine")
    put(backend, rows)
    backend.tend("sss")
    backend.builder.wait(60)
    schema = backend.collection_info("sss").detail["table"].partition(".")[0]
    url = f"postgresql://{USER}@{server.host}/{DATABASE}?passfile={server.passfile}&schema_name={schema}"
    told = Vragd(tmp_path).run("store", "info", "sss", "--recall", "--backend", url)
    assert told.returncode == 0, told.stderr
    assert f"  index: {index}\n" in told.stdout
    assert f"  {parameter}: " in told.stdout
    (share,) = re.findall(r"recall@10: (\d\.\d{3}) of 20 questions that are stored vectors", told.stdout)
    assert 0.9 <= float(share) <= 1


@pytest.mark.parametrize("index", ["hnsw", "ivfflat"])
def test_ten_thousand_go_there_from_faiss_and_back_and_nearly_all_of_the_nearest_are_found(
    make: Make, tmp_path: Path, index: str
) -> None:
    draw, n, dimension = np.random.default_rng(5), 10_000, 64
    middles = draw.normal(size=(50, dimension))
    rows = middles[draw.integers(50, size=n)] + draw.normal(size=(n, dimension))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    here, there = create_backend("faiss", FaissBackend(), tmp_path / "one"), make(index=index)
    here.create_collection("sss", dimension, "cosine")
    keys = [f"{'s' * 12}-{i:05}" for i in range(n)]
    parts = [{"rare": i % 100} for i in range(n)]
    versions = [f"{i:016x}" for i in range(n)]
    here.put_vectors("sss", Batch(keys, rows, parts, [{}] * n, versions))

    def moved(one: VectorBackend, other: VectorBackend) -> None:
        other.create_collection("sss", dimension, "cosine")
        done = transfer.transfer(Collection(one, one.collection_info("sss"), ""), other, "sss")
        assert (done.n_put, done.is_whole) == (n, True)

    moved(here, there)
    there.builder.wait(120)
    info = there.collection_info("sss")
    assert (info.exact, info.detail["index"], info.count) == (False, index, n)
    queries = middles[draw.integers(50, size=50)] + draw.normal(size=(50, dimension))
    back = create_backend("faiss", FaissBackend(), tmp_path / "two")
    moved(there, back)
    for where in (None, equals("rare", 7)):
        found = 0
        for query in queries.astype(np.float32):
            (exact, same), near = (
                ([match.key for match in one.query("sss", query, 10, where=where).items] for one in (here, back)),
                there.query("sss", query, 10, where=where),
            )
            assert exact == same, "to the very order"
            found += len({match.key for match in near.items} & set(exact))
        assert found >= 0.95 * 10 * len(queries), (where, found)
    assert measure(there, "sss").at_10 >= 0.95
    for one in (here, back):
        one.close()
