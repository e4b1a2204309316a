"""The backend pgvector against a real PostgreSQL: what the contract does not ask, and what the server does to it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import psycopg
import pytest

from tests.harness import until
from tests.servers.postgres.server import DATABASE, PASSWORD, USER, RealPostgres
from vragd.backends.base import Among, Batch, Entry
from vragd.backends.pgvector.tables import PgvectorBackend
from vragd.errors import (
    BackendRefused,
    BackendUnavailable,
    CollectionMismatch,
    UnknownCollection,
    VectorsRefused,
    VragdError,
)
from vragd.terms.filter import Compare, Metadata, Moment, Prefix, equals, holds, one_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
DIM = 16
Make = Callable[..., PgvectorBackend]


def some(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, DIM)).astype(np.float32)


def put(backend: PgvectorBackend, rows: np.ndarray, metadata: Metadata | None = None, name: str = "sss") -> None:
    backend.put_vectors(name, Batch.of([Entry(f"k{i:05}", row, metadata or {}) for i, row in enumerate(rows)]))


def test_metadata_of_any_kind_comes_back_and_is_found(make: Make) -> None:
    backend = make()
    backend.create_collection("sss", DIM, "cosine")
    odd: list[Metadata] = [
        {"a\0b": "x"}, {"v": "nul\0"}, {"v": "nul\x01"}, {"v": "nul"}, {"v": "\ud800"}, {"v": "\ud7ff"},
        {"v": "\ue000"},
        {"v": 2**53 + 1}, {"v": float(2**53)}, {"v": 1e23}, {"v": 10**23}, {"v": float("inf")}, {"v": -2.5e-300},
        {"v": 'quo"te \\ $.v ? (@ == 1) %s'}, {"v": ()}, {"v": Moment(5)}, {"v": "%"}, {"v": ("\0", 3, True)},
    ]  # fmt: skip
    backend.put_vectors("sss", Batch.of([Entry(f"k{i}", row, odd[i]) for i, row in enumerate(some(len(odd)))]))
    held = backend.get("sss", [f"k{i}" for i in range(len(odd))], values=False, metadata=True)
    assert [dict(held[f"k{i}"].metadata) for i in range(len(odd))] == odd
    values = {value: None for data in odd for value in data.values() if not isinstance(value, tuple)}
    wheres = [Compare("v", op, value) for value in values for op in ("=", "<", "<=", ">", ">=")]  # type: ignore[arg-type]
    wheres += [Prefix("v", text) for text in ("nul\0", "nul", "\ud800", 'quo"')]  # type: ignore[list-item]
    wheres += [equals("a\0b", "x"), one_of("v", [f"x{i}" for i in range(3_000)] + ["%"])]  # type: ignore[list-item]
    for where in wheres:
        found = {match.key for match in backend.query("sss", some(1)[0], 100, where=where).items}
        assert found == {f"k{i}" for i, data in enumerate(odd) if holds(where, data)}, where


def test_a_key_with_a_nul_is_refused_by_name_and_asking_for_one_finds_nothing(make: Make) -> None:
    backend = make()
    backend.create_collection("sss", DIM, "cosine")
    with pytest.raises(VectorsRefused) as caught:
        backend.put_vectors("sss", Batch.of([Entry("a", some(1)[0]), Entry("a\0", some(1)[0])]))
    assert (caught.value.keys, caught.value.part) == (("a\0",), "key")
    assert backend.get("sss", ["a\0", "é"]) == {}
    backend.delete_vectors("sss", ["a\0", "é"])
    assert list(backend.list_keys("sss", "a\0")) == []


def test_a_hundred_thousand_keys_narrow_a_question(make: Make) -> None:
    backend, rows = make(), some(300)
    backend.create_collection("sss", DIM, "cosine")
    put(backend, rows)
    keys = [f"k{i:05}" for i in range(7, 100_000)]
    found = backend.query("sss", rows[3], 5, among=Among.of(keys))
    assert len(found.items) == 5
    assert "k00003" not in {match.key for match in found.items}


def test_what_is_equal_is_not_written_again(make: Make, server: RealPostgres) -> None:
    backend, rows = make(), some(60)
    backend.create_collection("sss", DIM, "cosine")
    table = backend.collection_info("sss").detail["table"]
    for few in (rows[:3], rows):  # by single statements, and by COPY
        put(backend, few)
        before = server.execute(f"SELECT key, xmin::text FROM {table} ORDER BY key")
        put(backend, few)
        assert server.execute(f"SELECT key, xmin::text FROM {table} ORDER BY key") == before


@pytest.mark.parametrize(
    ("metric", "kind"), [("cosine", "vector"), ("cosine", "halfvec"), ("euclidean", "halfvec"), ("dot", "vector")]
)
def test_an_index_is_built_beside_and_answers_as_a_scan_does(make: Make, metric: Any, kind: str) -> None:
    backend, rows = make(index_from=500, vector_type=kind), some(2_000)
    backend.create_collection("sss", DIM, metric)
    backend.put_vectors(
        "sss", Batch.of([Entry(f"k{i:05}", row, {"n": i % 200, "half": i % 2}) for i, row in enumerate(rows)])
    )
    queries = some(20, seed=1)

    def answers() -> list[list[str]]:
        return [[match.key for match in backend.query("sss", query, 10).items] for query in queries]

    exact = answers()
    assert backend.collection_info("sss").exact
    backend.tend("sss")
    backend.builder.wait(60)
    info = backend.collection_info("sss")
    assert (info.exact, info.detail["index"], "index_failed" in info.detail) == (False, "hnsw", False)
    pairs = zip(exact, answers(), strict=True)
    assert sum(len(set(a) & set(b)) for a, b in pairs) >= 0.95 * 200
    rare = backend.query("sss", rows[7], 50, where=equals("n", 7))
    assert (len(rare.items), rare.end) == (10, "exhausted")
    assert len(backend.query("sss", rows[7], 1_500).items) == 1_500


@pytest.mark.parametrize("share", [2, 20])
def test_an_index_answers_under_a_filter_that_many_pass(make: Make, share: int) -> None:
    scan, indexed, rows = make(index="exact"), make(index_from=1, few=50), some(2_000)
    scan.create_collection("sss", DIM, "cosine")
    put_by = [Entry(f"k{i:05}", row, {"n": i % share}) for i, row in enumerate(rows)]
    scan.put_vectors("sss", Batch.of(put_by))
    indexed.tend("sss")
    indexed.builder.wait(60)
    assert not indexed.collection_info("sss").exact
    among = Among.of([entry.key for entry in put_by[::share]])

    def answers(backend: PgvectorBackend, **narrowed: Any) -> list[set[str]]:
        return [{m.key for m in backend.query("sss", query, 10, **narrowed).items} for query in some(30, seed=2)]

    exact = answers(scan, where=equals("n", 0))
    for found in (answers(indexed, where=equals("n", 0)), answers(indexed, among=among)):
        assert sum(len(a & b) for a, b in zip(exact, found, strict=True)) >= 0.95 * 300


def test_rows_that_were_deleted_leave_no_answer_short(make: Make) -> None:
    backend, rows = make(index_from=100, index="hnsw"), some(1_500)
    backend.create_collection("sss", DIM, "cosine")
    put(backend, rows)
    backend.tend("sss")
    backend.builder.wait(60)
    assert not backend.collection_info("sss").exact
    near = [match.key for match in backend.query("sss", rows[0], 900).items]
    backend.delete_vectors("sss", near)
    for version in range(100):
        entry = Entry("k00000", rows[0] + version / 1_000, {}, {}, f"{version:016x}")
        backend.put_vectors("sss", Batch.of([entry]))
    found = backend.query("sss", rows[0], 10)
    assert (len(found.items), found.items[0].key) == (10, "k00000")


def test_a_session_keeps_nothing_for_the_next(make: Make, server: RealPostgres) -> None:
    """Behind a pooler in transaction mode the next statement may be another's."""
    backend, rows = make(pool_size=1), some(100)
    backend.create_collection("sss", DIM, "cosine")
    for _ in range(8):
        put(backend, rows[:3])
        put(backend, rows)
        assert len(backend.query("sss", rows[0], 5, where=equals("x", 1)).items) == 0
    left = backend.connections.run(
        lambda cursor: cursor.execute(
            "SELECT (SELECT count(*) FROM pg_prepared_statements), (SELECT count(*) FROM pg_locks WHERE"
            " locktype = 'advisory' AND pid = pg_backend_pid()), (SELECT count(*) FROM pg_class WHERE"
            " relnamespace = pg_my_temp_schema()), current_setting('enable_indexscan')", []
        ).fetchone(), 5,
    )  # fmt: skip
    assert left == (0, 0, 0, "on")


def test_connections_that_were_ended_are_replaced_unnoticed(make: Make, server: RealPostgres) -> None:
    backend, rows = make(), some(5)
    backend.create_collection("sss", DIM, "cosine")
    put(backend, rows)
    server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'vragd'")
    assert len(backend.query("sss", rows[0], 9).items) == 5
    server.kill()
    with pytest.raises(BackendUnavailable):
        backend.query("sss", rows[0], 9)
    server.start()
    assert len(backend.query("sss", rows[0], 9).items) == 5, "what was put survives the loss of the server"


def test_a_call_in_flight_ends_when_it_is_closed(make: Make, server: RealPostgres) -> None:
    backend, failed = make(), list[Exception]()
    backend.create_collection("sss", DIM, "cosine")
    table = backend.collection_info("sss").detail["table"]

    def write() -> None:
        try:
            put(backend, some(1))
        except VragdError as error:
            failed.append(error)

    waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    connect = {"host": "127.0.0.1", "port": server.port, "dbname": DATABASE, "user": USER, "password": PASSWORD}
    with psycopg.connect(**connect) as other:  # type: ignore[arg-type]
        other.execute(f"LOCK TABLE {table}")
        thread = threading.Thread(target=write)
        thread.start()
        until(lambda: server.execute(waits) != [(0,)], "the write to wait")
        backend.close()
        thread.join(10)
    assert not thread.is_alive()
    assert [type(error).__mro__[1] for error in failed] == [BackendUnavailable]


def test_a_lock_of_somebody_else_is_waited_for_no_longer_than_said(make: Make, server: RealPostgres) -> None:
    backend = make(timeout_s=0.3)
    backend.create_collection("sss", DIM, "cosine")
    table = backend.collection_info("sss").detail["table"]
    connect = {"host": "127.0.0.1", "port": server.port, "dbname": DATABASE, "user": USER, "password": PASSWORD}
    with psycopg.connect(**connect) as other:  # type: ignore[arg-type]
        other.execute(f"LOCK TABLE {table}")
        with pytest.raises(BackendUnavailable, match="takes too long"):
            put(backend, some(1))
    put(backend, some(1))
    assert [key for key, _ in backend.list_keys("sss")] == ["k00000"]


def test_a_table_that_is_deleted_under_us_is_missed_and_made_again(make: Make, server: RealPostgres) -> None:
    backend, rows = make(), some(3)
    first = backend.create_collection("sss", DIM, "cosine", space="a" * 32)
    put(backend, rows)
    server.execute(f"DROP TABLE {first.detail['table']}")
    assert backend.list_collections() == [], "or whoever lists them would ask what it is"
    for call in (
        lambda: put(backend, rows),
        lambda: backend.query("sss", rows[0], 3),
        lambda: backend.get("sss", ["a"]),
        lambda: backend.delete_vectors("sss", ["a"]),
    ):
        with pytest.raises(UnknownCollection):
            call()
    again = backend.create_collection("sss", DIM, "cosine", space="a" * 32)
    assert again.identity != first.identity
    assert list(backend.list_keys("sss")) == []
    server.execute(f"DROP SCHEMA {first.detail['table'].partition('.')[0]} CASCADE")
    assert backend.list_collections() == []
    with pytest.raises(UnknownCollection):
        put(backend, rows)


def test_a_writer_of_before_does_not_write_into_a_successor(make: Make) -> None:
    one, other, rows = make(), make(), some(3)
    first = one.create_collection("sss", DIM, "cosine")
    put(one, rows)
    other.delete_collection("sss", identity=first.identity)
    other.create_collection("sss", DIM, "cosine")
    with pytest.raises(UnknownCollection):
        put(one, rows)
    assert list(other.list_keys("sss")) == []


def test_many_threads_share_few_connections(make: Make, server: RealPostgres) -> None:
    backend, rows, failed = make(pool_size=2), some(20), list[Exception]()
    backend.create_collection("sss", DIM, "cosine")
    put(backend, rows)

    def ask() -> None:
        try:
            for _ in range(10):
                assert len(backend.query("sss", rows[0], 5).items) == 5
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []
    assert server.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'vragd'")[0][0] <= 4


def test_a_row_the_server_refuses_is_found_among_others_which_are_put(make: Make, server: RealPostgres) -> None:
    backend, rows = make(), some(9)
    table = backend.create_collection("sss", DIM, "cosine").detail["table"]
    refuse = "BEGIN IF NEW.key IN ('k00003', 'k00007') THEN RAISE SQLSTATE '22000'; END IF; RETURN NEW; END"
    function = f"{table.partition('.')[0]}.refuse()"
    server.execute(f"CREATE FUNCTION {function} RETURNS trigger LANGUAGE plpgsql AS $${refuse}$$")
    trigger = f"CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION {function}"
    server.execute(trigger)
    with pytest.raises(VectorsRefused) as caught:
        put(backend, rows)
    assert (set(caught.value.keys), caught.value.part) == ({"k00003", "k00007"}, "metadata")
    assert len(list(backend.list_keys("sss"))) == 7
    server.execute(f"DROP TRIGGER refuse ON {table}")
    put(backend, rows)
    server.execute(trigger)
    with pytest.raises(VectorsRefused):
        backend.put_metadata("sss", Batch.of([Entry("k00003", rows[3], {"a": 1})]))


def test_a_table_whose_vectors_became_longer_is_told_and_no_row_is_blamed(make: Make, server: RealPostgres) -> None:
    backend, rows = make(), some(3)
    table = backend.create_collection("sss", DIM, "cosine").detail["table"]
    assert backend.query("sss", rows[0], 0).items == ()
    with pytest.raises(CollectionMismatch, match="no direction"):
        backend.query("sss", rows[0] * 0, 3)
    server.execute(f"ALTER TABLE {table} ALTER vec TYPE vector({DIM + 1})")
    with pytest.raises(CollectionMismatch, match=f"holds {DIM + 1}-d vectors by now"):
        put(backend, rows)


def test_a_collection_of_another_version_is_refused(make: Make, server: RealPostgres) -> None:
    schema = make().create_collection("sss", DIM, "cosine").detail["table"].partition(".")[0]
    server.execute(f"UPDATE {schema}.collections SET format = 99")
    with pytest.raises(BackendRefused, match="made by another version"):
        make().collection_info("sss")


def test_halves_take_no_value_that_they_cannot_hold(make: Make) -> None:
    backend = make(vector_type="halfvec")
    backend.create_collection("sss", DIM, "dot")
    for factor in (1e6, 1e-9):
        with pytest.raises(VectorsRefused) as caught:
            backend.put_vectors("sss", Batch.of([Entry("a", np.ones(DIM, np.float32) * factor)]))
        assert (caught.value.keys, caught.value.part) == (("a",), "values")
    with pytest.raises(CollectionMismatch):
        backend.query("sss", np.full(DIM, 1e6, np.float32), 3)


def test_a_server_that_dies_inside_a_bulk_keeps_whole_parts_and_takes_all_again(
    make: Make, server: RealPostgres
) -> None:
    backend, failed, rows = make(), list[Exception](), some(4_000)
    table = backend.create_collection("sss", DIM, "cosine").detail["table"]
    backend.put_vectors("sss", Batch.of([Entry("k02000", rows[0])]))

    def write() -> None:
        try:
            put(backend, rows)
        except VragdError as error:
            failed.append(error)

    connect = {"host": "127.0.0.1", "port": server.port, "dbname": DATABASE, "user": USER, "password": PASSWORD}
    other = psycopg.connect(**connect)  # type: ignore[arg-type]
    other.execute(f"SELECT FROM {table} WHERE key = 'k02000' FOR UPDATE")  # where the bulk is held up
    thread = threading.Thread(target=write)
    thread.start()
    waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    until(lambda: server.execute(waits) != [(0,)], "the bulk to wait")
    server.kill()
    other.close()
    thread.join(60)
    server.start()
    assert [isinstance(error, BackendUnavailable) for error in failed] == [True]
    assert [key for key, _ in backend.list_keys("sss")] == [f"k{i:05}" for i in range(2_001)]
    put(backend, rows)
    assert len(list(backend.list_keys("sss"))) == 4_000


def test_what_is_left_of_an_index_that_was_not_finished_is_made_anew(make: Make, server: RealPostgres) -> None:
    backend, rows = make(index_from=1), some(300)
    table = backend.create_collection("sss", DIM, "cosine").detail["table"]
    put(backend, rows)
    schema, name = table.split(".")
    server.execute(f"CREATE INDEX {name}_v ON {table} USING hnsw (vec vector_cosine_ops)")
    server.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s::regclass", f"{schema}.{name}_v")
    assert backend.collection_info("sss").exact, "an index that is not whole is none"
    assert len(backend.query("sss", rows[0], 10).items) == 10
    backend.tend("sss")
    backend.builder.wait(60)
    assert not backend.collection_info("sss").exact


def test_an_index_that_cannot_be_built_is_told_and_scans_answer(make: Make, server: RealPostgres) -> None:
    backend, rows = make(index_from=1), some(300)
    backend.create_collection("sss", DIM, "cosine")
    put(backend, rows)
    server.execute(f"ALTER ROLE {USER} IN DATABASE {DATABASE} SET statement_timeout = '1ms'")
    try:
        backend.tend("sss")
        backend.builder.wait(60)
        assert backend.collection_info("sss").detail["index_failed"] == "SQLSTATE 57014"
    finally:
        server.execute(f"ALTER ROLE {USER} IN DATABASE {DATABASE} RESET statement_timeout", database="postgres")
    assert len(backend.query("sss", rows[0], 10).items) == 10
