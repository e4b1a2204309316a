"""Full text on a real PostgreSQL: an index on words for tables that had none, and text that is no easy one."""

from __future__ import annotations

import pytest

from tests.servers.postgres.server import RealPostgres
from tests.servers.test_postgres import DIM, Make, some
from vragd.backends.base import Batch, Entry
from vragd.backends.pgvector.tables import PgvectorBackend
from vragd.errors import Unsupported

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def write(backend: PgvectorBackend, texts: dict[str, str]) -> None:
    rows = some(len(texts))
    backend.put_vectors(
        "sss", Batch.of([Entry(key, rows[i], {}, {"content": text}) for i, (key, text) in enumerate(texts.items())])
    )


def indexes(server: RealPostgres, backend: PgvectorBackend) -> list[tuple[str, bool]]:
    """The names of a table's indexes on words, and whether they are whole."""
    table = str(backend.collection_info("sss").detail["table"])
    found = server.execute(
        "SELECT x.relname, i.indisvalid FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid"
        " WHERE i.indrelid = to_regclass(%s) AND pg_get_indexdef(x.oid) LIKE '%%to_tsvector%%'", table
    )  # fmt: skip
    return [(str(name), bool(valid)) for name, valid in found]


def tended(backend: PgvectorBackend) -> None:
    backend.tend("sss")
    backend.builder.wait(60)


def test_a_table_that_keeps_text_has_an_index_on_words_and_one_that_does_not_has_none(
    make: Make, server: RealPostgres
) -> None:
    without, backend = make(schema_name="none_kept"), make(remote_text=True)
    for one in (without, backend):
        one.create_collection("sss", DIM, "cosine")
        write(one, {"a": "brew coffee"})
        tended(one)
    assert [whole for _, whole in indexes(server, backend)] == [True]
    assert indexes(server, without) == []
    assert [match.key for match in backend.query_words("sss", "coffee", 5).items] == ["a"]
    with pytest.raises(Unsupported, match="hold no text"):
        without.query_words("sss", "coffee", 5)
    assert list(make(schema_name="none_at_all", remote_text=True).list_collections()) == []


def test_a_table_made_without_an_index_on_words_gets_one_beside_everything_and_is_searched_before(
    make: Make, server: RealPostgres
) -> None:
    make().create_collection("sss", DIM, "cosine")
    backend = make(remote_text=True)
    backend.create_collection("sss", DIM, "cosine")
    write(backend, {"a": "brew coffee", "b": "prune roses"})
    assert [match.key for match in backend.query_words("sss", "coffee", 5).items] == ["a"]
    table = str(backend.collection_info("sss").detail["table"])
    schema, _, name = table.partition(".")
    server.execute(f'CREATE INDEX "{name}_t" ON "{schema}"."{name}" USING gin (to_tsvector(\'simple\', key))')
    server.execute(  # as a builder that was killed leaves it
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = to_regclass(%s)", f'"{schema}"."{name}_t"'
    )
    tended(make(remote_text=True))
    assert indexes(server, backend) == [(f"{name}_t", True)]
    assert [match.key for match in backend.query_words("sss", "roses", 5).items] == ["b"]


def test_text_beyond_what_an_index_of_words_can_hold_is_kept_and_found_by_its_beginning(make: Make) -> None:
    backend = make(remote_text=True)
    backend.create_collection("sss", DIM, "cosine")
    long = " ".join(f"w{i}" for i in range(400_000))
    write(backend, {"long": long, "odd": "y" * 5_000 + " then\0after", "none": ""})
    assert [match.key for match in backend.query_words("sss", "w17", 5).items] == ["long"]
    assert [match.key for match in backend.query_words("sss", "after", 5).items] == ["odd"]
    assert backend.get("sss", ["long"], values=False, metadata=True)["long"].payload["content"] == long
