"""What the backend pgvector does without a server: settings, filters, bytes, and what an error is taken for."""

from __future__ import annotations

import itertools
import json
import socketserver
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from pydantic import ValidationError

from vragd.backends.pgvector import filters, layout, nearest, tables, wire
from vragd.backends.pgvector.connect import Connections, is_readable, parameters
from vragd.backends.pgvector.errors import from_connecting, from_server
from vragd.backends.pgvector.settings import PgvectorBackend
from vragd.config.load import parse
from vragd.errors import BackendFull, BackendRefused, BackendUnavailable, ConfigError, UnknownCollection
from vragd.terms.filter import Metadata, Moment

HERE = "pgvector://me@localhost/notes"


def test_a_url_says_what_the_parts_say() -> None:
    url = (
        "pgvector://me%40work@db1.example.org:5433,db2.example.org/my%20notes?sslmode=verify-full&m=8&remote_text=true"
    )
    parts = {
        "type": "pgvector", "host": "db1.example.org:5433,db2.example.org", "database": "my notes", "user": "me@work",
        "sslmode": "verify-full", "m": 8, "remote_text": True,
    }  # fmt: skip
    given = PgvectorBackend.from_url(url)
    assert given == PgvectorBackend(**parts)
    assert given == PgvectorBackend.model_validate({"type": "pgvector", "url": url.replace("pgvector:", "postgresql:")})
    assert parameters(given)["port"] == "5433,5432"
    assert PgvectorBackend.from_url("pgvector://%2Frun%2Fpostgresql/notes").host == "/run/postgresql"
    assert PgvectorBackend.from_url(HERE).where() == "database notes at localhost, schema vragd"


@pytest.mark.parametrize(
    "url",
    [
        "pgvector://me:planted@localhost/notes",
        "pgvector://me:plan/ted@localhost/notes",
        "pgvector://me:plan?ted@localhost/notes",
        "pgvector://me:plan#ted@localhost/notes",
        "pgvector://me:100%planted@localhost/notes",
        "pgvector://me:planted@@localhost/notes",
        "pgvector://localhost/notes?password=planted",
        "pgvector://localhost/notes?sslpassword=planted",
    ],
)
def test_a_password_in_a_url_is_refused_and_never_told(url: str) -> None:
    with pytest.raises(ValidationError) as caught:
        PgvectorBackend.from_url(url)
    assert "plan" not in caught.value.errors()[0]["msg"]
    with pytest.raises(ConfigError) as told:
        parse(f"stores:\n  notes:\n    backend: {{type: pgvector, url: '{url}'}}\n", "c.yaml")
    assert "plan" not in told.value.message + told.value.hint


@pytest.mark.parametrize(
    "given",
    [
        {"host": "db.example.org", "sslmode": "prefer"}, {"host": "localhost,db.example.org", "sslmode": "disable"},
        {"schema_name": "pg_mine"}, {"schema_name": 'a"b'}, {"schema_name": "a%s"}, {"prefix": "A"}, {"host": ""},
        {"host": "a:0"}, {"host": "a b"}, {"m": 64}, {"passfile": "relative"}, {"database": "n" * 64}, {"url": HERE},
        {"url": 3}, {"passfile": "~nobody-at-all/x"}, {"ef_search": 2_000},
    ],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PgvectorBackend.model_validate({"type": "pgvector", "host": "localhost", "database": "notes"} | given)


def test_what_leaves_the_machine_is_encrypted(monkeypatch: pytest.MonkeyPatch) -> None:
    there = PgvectorBackend.from_url("pgvector://localhost,db.example.org/notes")
    monkeypatch.setenv("PGSSLMODE", "disable")
    assert there.leaves_machine()
    assert parameters(there)["sslmode"] == "require"
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    assert parameters(there)["sslmode"] == "verify-full"
    here = PgvectorBackend.from_url("pgvector://127.0.0.1,%2Ftmp/notes")
    assert not here.leaves_machine()
    assert "sslmode" not in parameters(here)


def test_where_a_connection_leads_in_the_end_counts() -> None:
    assert is_readable("localhost", "192.0.2.1", encrypted=False)
    assert is_readable("localhost", "", encrypted=False)
    assert not is_readable("localhost", "192.0.2.1", encrypted=True)
    assert not is_readable("localhost", "::1", encrypted=False)
    assert not is_readable("/run/postgresql", "", encrypted=False)


def test_a_server_that_keeps_one_waiting_does_not_keep_all(tmp_path: Path) -> None:
    """Each look at this clock is two seconds after the last."""
    looks = itertools.count(step=2)
    settings = PgvectorBackend(type="pgvector", host=str(tmp_path), database="notes")
    connections = Connections(settings, lambda: next(looks))
    said = []
    for _ in range(3):
        with pytest.raises(BackendUnavailable, match="cannot be reached") as caught:
            connections.run(lambda cursor: None, 1)
        said.append(next(looks))
        assert caught.value.transient
    assert said == [4, 8, 14], "asked; not asked; asked again"


def test_metadata_is_json_that_comes_back_whole() -> None:
    data: Metadata = {
        "nul\0": "\0\x01\x02\ud7ff\ud800\udfff\ue000", "n": 10**30, "r": 1e23, "whole": 3.0, "inf": float("-inf"),
        "at": (Moment(-5), Moment(0, date_only=True)), "flag": (True, 1, 1.0, "1"), "none": (),
    }  # fmt: skip
    read = filters.read(json.loads(filters.written(data)))
    assert repr(read) == repr(data)
    (nan,) = filters.read(json.loads(filters.written({"v": float("nan")}))).values()
    assert nan != nan


def test_texts_keep_their_order_as_they_are_written() -> None:
    texts = ["", "\0", "\0a", "\x01", "\x02", "a", "\ud7fe", "\ud7ff", "\ud7ffa", "\ud800", "\udfff", "\ue000"]
    written = [json.loads(filters.written({"v": text}))["v"] for text in texts]
    assert written == sorted(written)


@pytest.mark.parametrize("kind", ["vector", "halfvec"])
def test_vectors_are_read_as_they_were_written(kind: Any) -> None:
    rows = np.array([[1, -0.5, 0], [2, 0.25, 3]], dtype=np.float32)
    assert [wire.vector(value, kind).tolist() for value in wire.vectors(rows, kind)] == rows.tolist()


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("FATAL:  password authentication failed for user", BackendRefused),
        ('FATAL:  database "x" does not exist', BackendRefused),
        ('FATAL:  no pg_hba.conf entry for host "planted"', BackendRefused),
        ("server does not support SSL, but SSL was required", BackendRefused),
        ("SSL error: certificate verify failed", BackendRefused),
        ("FATAL:  sorry, too many clients already", BackendUnavailable),
        ("FATAL:  the database system is starting up", BackendUnavailable),
        ("connection refused", BackendUnavailable),
    ],
)
def test_why_there_is_no_connection_is_told_by_its_text_alone(said: str, kind: type[BackendUnavailable]) -> None:
    error = from_connecting(psycopg.OperationalError(said), "there")
    assert type(error).__name__ == kind.__name__ or (isinstance(error, kind) and error.transient)
    assert "planted" not in error.message


@pytest.mark.parametrize(
    ("error", "kind", "transient"),
    [
        (psycopg.errors.AdminShutdown, BackendUnavailable, True),
        (psycopg.errors.QueryCanceled, BackendUnavailable, True),
        (psycopg.errors.DeadlockDetected, BackendUnavailable, True),
        (psycopg.errors.TooManyConnections, BackendUnavailable, True),
        (psycopg.errors.DiskFull, BackendFull, True),
        (psycopg.errors.InsufficientPrivilege, BackendRefused, False),
        (psycopg.errors.ReadOnlySqlTransaction, BackendRefused, False),
        (psycopg.errors.UndefinedFunction, BackendRefused, False),
        (psycopg.errors.CheckViolation, BackendRefused, False),
        (psycopg.errors.UndefinedTable, UnknownCollection, False),
        (psycopg.OperationalError, BackendUnavailable, True),
    ],
)
def test_an_error_of_the_server_says_whether_to_try_again(error: Any, kind: type, transient: bool) -> None:
    ours = from_server(error("DETAIL: planted"), "there", "sss")
    assert (isinstance(ours, kind), ours.transient) == (True, transient)
    assert "planted" not in ours.message + ours.hint


IN_GERMAN = "Passwort-Authentifizierung für Benutzer »me« fehlgeschlagen"


class Refusing(socketserver.BaseRequestHandler):
    """A PostgreSQL that speaks German asks for a password, and wants another."""

    def handle(self) -> None:
        while True:
            (length,) = struct.unpack("!i", self.request.recv(4))
            (kind,) = struct.unpack("!i", self.request.recv(length - 4)[:4])
            if kind == 196_608:  # version 3, and no question whether it speaks TLS
                break
            self.request.sendall(b"N")
        self.request.sendall(b"R" + struct.pack("!ii", 8, 3))
        assert self.request.recv(1_024)
        fields = f"SFATAL\0VFATAL\0C28P01\0M{IN_GERMAN}\0".encode()
        self.request.sendall(b"E" + struct.pack("!i", len(fields) + 5) + fields + b"\0")


def test_a_server_that_refuses_a_password_in_another_language_is_no_network_that_fails(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    server = socketserver.TCPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    request.addfinalizer(server.server_close)
    request.addfinalizer(server.shutdown)
    passfile = tmp_path / "pgpass"
    passfile.touch(0o600)
    passfile.write_text("*:*:*:*:planted\n")
    host = f"127.0.0.1:{server.server_address[1]}"
    settings = PgvectorBackend(type="pgvector", host=host, database="notes", user="me", passfile=str(passfile))
    with pytest.raises(BackendRefused, match="asks for a password, and does not let us in") as caught:
        tables.PgvectorBackend(settings).list_collections()
    assert "planted" not in caught.value.message + caught.value.hint
    assert "passfile" in caught.value.hint


@pytest.mark.parametrize(
    ("error", "told", "way_out"),
    [
        (psycopg.errors.UndefinedColumn, "not as vragd made it", "delete the store there"),
        (psycopg.errors.InvalidColumnReference, "not as vragd made it", "delete the store there"),
        (psycopg.errors.WrongObjectType, "not as vragd made it", "delete the store there"),
        (psycopg.errors.CheckViolation, "a rule that refuses it", "triggers and constraints"),
        (psycopg.errors.NotNullViolation, "a rule that refuses it", "triggers and constraints"),
        (psycopg.errors.RaiseException, "a rule that refuses it", "triggers and constraints"),
    ],
)
def test_what_somebody_made_of_a_table_is_no_fault_of_the_settings(error: Any, told: str, way_out: str) -> None:
    ours = from_server(error("DETAIL: planted"), "there", "sss")
    assert (type(ours), told in ours.message, way_out in ours.hint) == (BackendRefused, True, True)
    assert "planted" not in ours.message + ours.hint


@pytest.mark.slow
def test_without_psycopg_the_way_out_is_told(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from vragd.backends.registry import create_backend\nfrom vragd.terms.backends import TYPES\n"
        "from pathlib import Path\n"
        "from vragd.errors import ConfigError\n"
        f"settings = TYPES.settings('pgvector').from_url({HERE!r})\n"
        "try: create_backend('pgvector', settings, Path())\n"
        "except ConfigError as error: print(error.message, error.hint)\n"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "needs psycopg 3" in told
    assert "pip install 'vragd[pgvector]'" in told


@pytest.mark.parametrize(("n_rows", "lists"), [(0, 50), (10_000, 50), (100_000, 100), (10**6, 1_000), (10**12, 32_768)])
def test_there_is_a_list_for_a_thousand_rows(n_rows: int, lists: int) -> None:
    assert layout.lists_for(n_rows) == lists


def test_an_index_says_what_it_was_made_with_and_how_it_is_asked() -> None:
    settings = PgvectorBackend.from_url(HERE)
    told = {"kind": "ivfflat", "options": ["lists=100"], "note": "lists of 123456 rows, 20 probes"}
    index = layout.Index.described(json.dumps(told))
    assert index.detail(settings) == {"lists": 100, "probes": 20, "lists_of_rows": 123_456}
    assert index.probes(PgvectorBackend.from_url(HERE + "?probes=7")) == 7
    assert index.probes(PgvectorBackend.from_url(HERE + "?probes=700")) == 100, "there are no more"
    plain = layout.Index.described(json.dumps({"kind": "ivfflat", "options": None, "note": "of somebody else"}))
    assert (plain.n_rows, plain.probes(settings)) == (0, 50)
    hnsw = layout.Index.described('{"kind": "hnsw", "options": ["m=16", "ef_construction=64"], "note": null}')
    assert hnsw.detail(settings) == {"m": 16, "ef_construction": 64, "ef_search": 200}


def test_an_index_is_asked_by_its_own_settings_and_for_no_more_than_it_can_give() -> None:
    search = nearest.Search(200, 12)
    assert search.settings("ivfflat", 5_000) == (
        "SET LOCAL ivfflat.iterative_scan = relaxed_order; SET LOCAL ivfflat.probes = 12"
    )
    assert str(search.settings("hnsw", 300)).endswith("hnsw.ef_search = 300")
    assert search.settings("hnsw", 1_001) is None


class Scripted(Connections):
    """Says of one table what PostgreSQL would: how many rows it reckons with, and how many there are."""

    def __init__(self, estimate: int, n_rows: int) -> None:
        super().__init__(PgvectorBackend.from_url(HERE))
        self.estimate, self.n_rows = estimate, n_rows
        self.counted: list[int] = []

    def run(self, work: Any, timeout_s: float, name: str | None = None) -> Any:
        return work(self)

    def execute(self, statement: str, given: list[Any], **_: Any) -> Scripted:
        if statement == layout.EXTENSION:
            self.rows = [("public", "0.8.4", "UTF8", True)]
        elif statement.startswith("SELECT count"):
            self.counted.append(given[0])
            self.rows = [(min(self.n_rows, given[0]),)]
        elif statement == layout.ESTIMATE:
            self.rows = [(self.estimate,)]
        else:
            index = {"kind": "ivfflat", "options": ["lists=50"], "note": "lists of 1000 rows, 5 probes"}
            shape = ("i", "c_sss_i", "cosine", "", "", layout.FORMAT, 8, "vector", "now", json.dumps(index), False)
            self.rows = [shape]
        return self

    def fetchone(self) -> tuple[Any, ...]:
        return self.rows[0]

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self.rows


@pytest.mark.parametrize(
    ("estimate", "counted"), [(2_000, []), (2_999, []), (3_000, [4_000]), (90_000, [4_000]), (-1, [4_000])]
)
def test_rows_are_counted_only_where_there_may_be_enough_for_new_lists(estimate: int, counted: list[int]) -> None:
    backend = tables.PgvectorBackend(PgvectorBackend.from_url(HERE))
    backend.connections = there = Scripted(estimate, 3_999)
    backend.tend("sss")
    assert there.counted == counted
    backend.close()
