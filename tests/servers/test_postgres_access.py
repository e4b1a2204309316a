"""The backend pgvector and who may do what on a real PostgreSQL: extensions, privileges, passwords."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.harness import until
from tests.servers.postgres.server import PASSWORD, RealPostgres
from tests.servers.test_postgres import DIM, Make, put, some
from vragd.errors import BackendRefused, BackendUnavailable, Unsupported, VragdError

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
REPOSITORY = Path(__file__).parents[2]
DOCUMENT = REPOSITORY / "docs" / "backends.md"


KILLED = """
import os, signal
from tests.servers.postgres.server import RealPostgres, binaries
server = RealPostgres(binaries())
assert server.create() == ""
print(server.home, server.port, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_server_does_not_outlive_tests_that_are_killed(server: RealPostgres) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    home, port = killed.stdout.split()
    until(lambda: not Path(home).exists(), "its folder to be removed", 60)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(port))) != 0


def test_an_extension_that_is_elsewhere_is_found(make: Make, server: RealPostgres) -> None:
    server.execute("CREATE DATABASE elsewhere", database="postgres")
    server.execute('CREATE SCHEMA "odd % ""one"""', database="elsewhere")
    server.execute('CREATE EXTENSION vector SCHEMA "odd % ""one"""', database="elsewhere")
    for kind in ("vector", "halfvec"):
        backend, rows = make(database="elsewhere", vector_type=kind, index="hnsw"), some(80)
        backend.create_collection(kind, DIM, "cosine")
        put(backend, rows, name=kind)
        put(backend, rows[:3] * 2, name=kind)
        backend.tend(kind)
        backend.builder.wait(60)
        assert not backend.collection_info(kind).exact
        assert backend.query(kind, rows[5], 1).items[0].key == "k00005"


def test_a_database_without_the_extension_or_of_another_encoding_is_refused_with_the_way_out(
    make: Make, server: RealPostgres
) -> None:
    server.execute("CREATE DATABASE bare", database="postgres")
    with pytest.raises(BackendRefused, match="extension vector is not in the database") as caught:
        make(database="bare").create_collection("sss", DIM, "cosine")
    assert "CREATE EXTENSION vector" in caught.value.hint
    server.execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0", database="postgres")
    server.execute("CREATE EXTENSION vector", database="latin")
    with pytest.raises(BackendRefused, match="keeps text as LATIN1"):
        make(database="latin").create_collection("sss", DIM, "cosine")


def test_what_a_user_may_not_do_is_refused_and_a_reader_can_read(
    make: Make, server: RealPostgres, tmp_path: Path
) -> None:
    backend, rows = make(), some(3)
    info = backend.create_collection("sss", DIM, "cosine")
    put(backend, rows)
    schema = info.detail["table"].partition(".")[0]
    server.execute("DROP ROLE IF EXISTS guest")
    server.execute("CREATE ROLE guest LOGIN PASSWORD 'r'")
    passfile = tmp_path / "pgpass"
    passfile.write_text("*:*:*:guest:r\n")
    passfile.chmod(0o600)
    guest = make(user="guest", passfile=str(passfile))
    with pytest.raises(BackendRefused, match="denies"):
        guest.query("sss", rows[0], 3)
    server.execute(f"GRANT USAGE ON SCHEMA {schema} TO guest")
    server.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO guest")
    assert len(guest.query("sss", rows[0], 3).items) == 3
    with pytest.raises(Unsupported):
        guest.query_words("sss", "coffee", 3)
    assert guest.list_collections() == ["sss"]
    assert (guest.collection_info("sss").count, len(guest.get("sss", ["k00000"]))) == (3, 1)
    for call in (lambda: put(guest, rows + 1), lambda: guest.delete_collection("sss", identity=info.identity)):
        with pytest.raises(BackendRefused, match="denies"):
            call()
    server.execute("DROP OWNED BY guest")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("ALTER TABLE {table} DROP COLUMN metadata", "is not as vragd made it"),
        ("ALTER TABLE {table} DROP COLUMN id", "is not as vragd made it"),
        ("ALTER TABLE {table} DROP CONSTRAINT {name}_pkey", "is not as vragd made it"),
        ("ALTER TABLE {table} ADD x int NOT NULL DEFAULT 1; ALTER TABLE {table} ALTER x DROP DEFAULT", "a rule that"),
        ("ALTER TABLE {table} ADD CHECK (key < 'k') NOT VALID", "a rule that refuses"),
    ],
)  # fmt: skip
def test_what_somebody_made_of_a_table_is_told_and_blames_no_row(
    make: Make, server: RealPostgres, change: str, told: str
) -> None:
    backend = make()
    table = backend.create_collection("sss", DIM, "cosine").detail["table"]
    put(backend, some(3))
    server.execute(change.format(table=table, name=table.partition(".")[2]))
    with pytest.raises(BackendRefused, match=told):
        put(backend, some(4))
    assert len(list(backend.list_keys("sss"))) == 3


def test_a_row_that_somebody_broke_is_read_as_another_and_told_to_who_asks(make: Make, server: RealPostgres) -> None:
    backend, rows = make(), some(3)
    table = backend.create_collection("sss", DIM, "cosine").detail["table"]
    put(backend, rows)
    server.execute(f"UPDATE {table} SET metadata = '[1]' WHERE key = 'k00001'")
    assert backend.get("sss", ["k00001"], metadata=True)["k00001"].metadata == {}
    with pytest.raises(BackendRefused, match="has an entry that is damaged"):
        backend.query("sss", rows[0], 3, payload=True)
    assert len(backend.query("sss", rows[0], 3).items) == 3


def test_what_the_document_grants_is_enough_and_a_reader_cannot_write(
    make: Make, server: RealPostgres, tmp_path: Path
) -> None:
    """The statements are those of docs/backends.md; nobody else may do anything."""
    (_, text, *_) = re.split("```sql\n|```", DOCUMENT.read_text("utf-8"))
    server.execute("CREATE DATABASE notes", database="postgres")
    server.execute("REVOKE ALL ON DATABASE notes FROM PUBLIC", database="postgres")
    for statement in re.sub("--.*", "", text).split(";"):
        if statement.strip():
            server.execute(statement, database="notes")
    passfile = tmp_path / "pgpass"
    passfile.touch(0o600)
    passfile.write_text("*:*:*:writer:word\n*:*:*:reader:word\n")
    for role in ("writer", "reader"):
        server.execute(f"ALTER ROLE {role} PASSWORD 'word'", database="postgres")
    whose = {"database": "notes", "schema_name": "vragd", "passfile": str(passfile)}
    writer, reader, rows = make(user="writer", index="hnsw", **whose), make(user="reader", **whose), some(80)
    info = writer.create_collection("sss", DIM, "cosine")
    put(writer, rows)
    put(writer, rows[:3] + 1)
    writer.delete_vectors("sss", ["k00079"])
    writer.tend("sss")
    writer.builder.wait(60)
    assert (reader.list_collections(), reader.collection_info("sss").count) == (["sss"], 79)
    assert not reader.collection_info("sss").exact
    assert reader.query("sss", rows[5], 1).items[0].key == "k00005"
    assert len(reader.get("sss", ["k00005"])) == len(list(reader.list_keys("sss", "k00005"))) == 1
    for call in (
        lambda: put(reader, rows),
        lambda: put(reader, rows[:1]),
        lambda: reader.delete_vectors("sss", ["k00005"]),
        lambda: reader.create_collection("other", DIM, "cosine"),
        lambda: reader.delete_collection("sss", identity=info.identity),
    ):
        with pytest.raises(BackendRefused, match="denies"):
            call()
    assert len(list(writer.list_keys("sss"))) == 79
    writer.delete_collection("sss", identity=info.identity)
    assert reader.list_collections() == []


def test_no_error_tells_a_password_or_a_note(
    make: Make, server: RealPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PGPASSWORD", "planted-password")
    nobody = tmp_path / "none"
    nobody.write_text("")
    nobody.chmod(0o600)
    failing: list[dict[str, Any]] = [
        {"passfile": str(nobody)}, {"database": "never"}, {"user": "never"}, {"sslmode": "require"},
        {"host": "127.0.0.1:1"}, {"host": str(tmp_path)}, {"passfile": str(tmp_path / "never")},
    ]  # fmt: skip
    said = [repr(server.settings())]
    for given in failing:
        backend = make(**given)
        with pytest.raises(BackendUnavailable) as caught:
            backend.list_collections()
        said += [
            repr(caught.value),
            caught.value.message,
            caught.value.hint,
            repr(caught.value.__cause__),
            repr(vars(backend)),
        ]
        assert given.keys() & {"host"} or isinstance(caught.value, BackendRefused), given
    backend = make(passfile=str(server.passfile))
    nobody.chmod(0o644)
    with pytest.raises(BackendRefused, match="can be read by others"):
        make(passfile=str(nobody)).list_collections()
    monkeypatch.delenv("PGPASSWORD")
    backend.create_collection("sss", DIM, "cosine")
    table = backend.collection_info("sss").detail["table"]
    server.execute(f"ALTER TABLE {table} ADD CHECK (metadata @> '{{\"a\": 1}}')")
    with pytest.raises(VragdError) as found:
        put(backend, some(1), {"secret": "planted note"})
    said += [repr(found.value), found.value.message, found.value.hint, repr(found.value.__cause__), *capfd.readouterr()]
    assert [text for text in said if PASSWORD in text or "planted" in text.lower()] == []
