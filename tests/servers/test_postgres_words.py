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
    server.execute(f'CREATE INDEX "{name}_f" ON "{schema}"."{name}" USING gin (to_tsvector(\'simple\', key))')
    server.execute(  # as a builder that was killed leaves it
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = to_regclass(%s)", f'"{schema}"."{name}_f"'
    )
    tended(make(remote_text=True))
    assert indexes(server, backend) == [(f"{name}_f", True)]
    assert [match.key for match in backend.query_words("sss", "roses", 5).items] == ["b"]


def test_text_beyond_what_an_index_of_words_can_hold_is_kept_and_found_by_its_beginning(make: Make) -> None:
    backend = make(remote_text=True)
    backend.create_collection("sss", DIM, "cosine")
    long = " ".join(f"w{i}" for i in range(400_000))
    write(backend, {"long": long, "odd": "y" * 5_000 + " then\0after", "none": ""})
    assert [match.key for match in backend.query_words("sss", "w17", 5).items] == ["long"]
    assert [match.key for match in backend.query_words("sss", "after", 5).items] == ["odd"]
    assert backend.get("sss", ["long"], values=False, metadata=True)["long"].payload["content"] == long


def found(backend: PgvectorBackend, text: str) -> list[str]:
    return sorted(match.key for match in backend.query_words("sss", text, 50).items)


def test_each_word_of_what_the_server_takes_for_one_thing_is_found_and_together_they_are(make: Make) -> None:
    texts = {
        "path": "see /etc/nginx/nginx.conf", "name": "foo_bar.baz is deprecated", "mail": "jane.doe@example.org wrote",
        "link": "[[Projects/Alpha|the plan]] #project/alpha", "type": "returns List<Invoice> or null",
        "url": "https://example.org/a?page=intro", "number": "3.14.2 of 2024-05-06", "sum": "14 and 3 is 17",
    }  # fmt: skip
    backend = make(remote_text=True)
    backend.create_collection("sss", DIM, "cosine")
    write(backend, texts)
    for text, keys in {
        "nginx": ["path"], "nginx.conf": ["path"], "/etc/nginx/nginx.conf": ["path"], "foo_bar": ["name"],
        "deprecated": ["name"], "jane": ["mail"], "jane.doe@example.org": ["mail"], "example.org": ["mail", "url"],
        "alpha": ["link"], "#project/alpha": ["link"], "Invoice": ["type"], "list<invoice>": ["type"],
        "intro": ["url"], "3.14": ["number"], "2024-05": ["number"], "conf.nginx": [],
    }.items():  # fmt: skip
        assert found(backend, text) == keys, text


def test_letters_are_found_in_either_case_and_either_form_whatever_the_locale(make: Make) -> None:
    texts = {"ru": "Ёлка растёт", "el": "ΑΘΉΝΑ", "fr": "l'Été", "mac": "Cafe\u0301 cre\u0300me"}
    backend = make(remote_text=True)
    backend.create_collection("sss", DIM, "cosine")
    write(backend, texts)
    for text, key in {"ёлка": "ru", "ЁЛКА": "ru", "αθήνα": "el", "été": "fr", "Café": "mac", "crème": "mac"}.items():
        assert found(backend, text) == [key], text


def test_text_is_found_beyond_rows_that_have_none(make: Make) -> None:
    """Of a machine that keeps none, or of before it was kept."""
    without, backend = make(), make(remote_text=True)
    backend.create_collection("sss", DIM, "cosine")
    write(without, {f"none {i:03}": "" for i in range(150)})
    with pytest.raises(Unsupported, match="hold no text"):
        backend.query_words("sss", "coffee", 5)
    write(backend, {"some": "brew coffee"})
    assert found(backend, "coffee") == ["some"]
    assert found(backend, "roses") == []


def test_an_index_that_cut_words_otherwise_goes_when_its_successor_is_built(make: Make, server: RealPostgres) -> None:
    make().create_collection("sss", DIM, "cosine")
    backend = make(remote_text=True)
    write(backend, {"a": "brew coffee"})
    table = str(backend.collection_info("sss").detail["table"])
    schema, _, name = table.partition(".")
    older = "to_tsvector('pg_catalog.simple', coalesce(payload->>'content', ''))"
    server.execute(f'CREATE INDEX "{name}_t" ON "{schema}"."{name}" USING gin ({older})')
    tended(backend)
    assert indexes(server, backend) == [(f"{name}_f", True)]


def test_an_index_that_another_machine_has_built_is_taken_as_it_is(make: Make, server: RealPostgres) -> None:
    make().create_collection("sss", DIM, "cosine")
    here, there = make(remote_text=True), make(remote_text=True)
    for backend in (here, there):
        write(backend, {"a": "brew coffee"})
        assert backend.collection_info("sss").detail["words"] == "not indexed"
    ask = "SELECT indexrelid FROM pg_index WHERE pg_get_indexdef(indexrelid) LIKE '%%to_tsvector%%' AND indrelid = %s"
    which = [ask.replace("%s", "to_regclass(%s)"), str(here.collection_info("sss").detail["table"])]
    tended(here)
    built = server.execute(*which)
    tended(there)
    assert (len(built), server.execute(*which)) == (1, built)
    assert there.collection_info("sss").detail["words"] == "indexed"


def test_of_many_that_have_a_word_those_with_a_rarer_one_are_ranked(make: Make) -> None:
    backend = make(remote_text=True)
    backend.create_collection("sss", DIM, "cosine")
    texts = {f"k{i:03}": "coffee coffee coffee" for i in range(400)}
    write(backend, texts | {"z-rare": "of roses, and much else that has nothing to do with any of it"})
    for text in ("coffee roses", "coffee", "roses"):
        matches = backend.query_words("sss", text, 500).items
        assert len(matches) == {"coffee roses": 401, "coffee": 400, "roses": 1}[text]
        few = {match.key for match in backend.query_words("sss", text, 300).items}
        assert ("z-rare" in few) == (text == "roses")
