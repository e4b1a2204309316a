"""What engines on Lucene are told and what their answers are taken for, without a server."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.fakes.lucene_search import matcher
from vragd.backends.base import Among, Batch, Entry, key_id
from vragd.backends.elasticsearch import backend as on_elasticsearch
from vragd.backends.elasticsearch.dialect import Elasticsearch
from vragd.backends.elasticsearch.settings import ElasticsearchBackend
from vragd.backends.http.secrets import Basic, secret
from vragd.backends.lucene import documents, layout, tokens
from vragd.backends.lucene.errors import Faulty, TooMuch, from_answer
from vragd.backends.lucene.scores import near, product
from vragd.backends.opensearch import backend as on_opensearch
from vragd.backends.opensearch.dialect import OpenSearch
from vragd.backends.opensearch.settings import OpenSearchBackend
from vragd.backends.tokens import tokens as tokens_of
from vragd.config.load import parse
from vragd.errors import (
    BackendFull,
    BackendRefused,
    BackendUnavailable,
    CollectionMismatch,
    ConfigError,
    UnknownCollection,
    VectorsRefused,
)
from vragd.stores.elsewhere import Place
from vragd.terms.filter import And, Compare, Exists, Filter, In, Metadata, Moment, Not, Or, Prefix, holds

LONG = "l" * 300
VALUES: list[Any] = [
    "", "a", "ab", "b", LONG, LONG + "x", LONG[:256], "\0", "\ud7ff", "\ud800", "\udfff", "\ue000", "😀", 'q"#!@?%',
    0, -0.0, 1, 1.0, True, False, 2**53, 2**53 + 1, float(2**53), 10**23, 1e23, -(10**23), 10**400, -(10**400),
    math.inf, -math.inf, math.nan, 5e-324, -5e-324, 1.7976931348623157e308, Moment(0), Moment(5, date_only=True),
    Moment(-5),
]  # fmt: skip
FIELDS = ["a", "a?", 'a"', "", "n" * 300, "n" * 299 + "m", "é\ud800"]


def passes(where: Filter, data: Metadata) -> bool:
    """As the engine would have it: by the bytes of tokens that went through JSON."""
    query = json.loads(json.dumps(tokens.query(where)))
    return matcher(query, [0])({"tok": json.loads(json.dumps(tokens_of(data)))})


@given(
    data=st.dictionaries(
        st.sampled_from(FIELDS), st.sampled_from(VALUES) | st.lists(st.sampled_from(VALUES), max_size=3).map(tuple)
    ),
    field=st.sampled_from(FIELDS),
    op=st.sampled_from(["=", "<", "<=", ">", ">="]),
    value=st.sampled_from(VALUES),
)
def test_a_token_is_found_by_what_holds_of_its_value(data: Metadata, field: str, op: Any, value: Any) -> None:
    asked: list[Filter] = [Compare(field, op, value), In(field, (value, "a", 1)), Exists(field), In(field, ())]
    if isinstance(value, str):
        asked.append(Prefix(field, value))
    for leaf in asked:
        for where in (leaf, Not(leaf), And((leaf, Exists(field))), Or((leaf, Exists("a"), Compare("a", "=", 1)))):
            ours, rest = tokens.split(where)
            assert (ours is None) != (rest is None) or isinstance(where, And)
            if rest is None:
                assert passes(where, data) == holds(where, data), where


def test_numbers_are_in_their_order_whatever_they_are() -> None:
    rng = random.Random(3)
    numbers: list[Any] = [value for value in VALUES if isinstance(value, int | float) and not isinstance(value, bool)]
    numbers = [value for value in numbers if value == value]
    numbers += [rng.randrange(-(2**80), 2**80) for _ in range(200)] + [rng.gauss(0, 1e18) for _ in range(200)]
    for value in numbers:
        other = rng.choice(numbers)
        for op in ("=", "<", "<=", ">", ">="):
            where = Compare("n", op, other)  # type: ignore[arg-type]
            assert passes(where, {"n": value}) == holds(where, {"n": value}), (value, op, other)


def test_what_no_token_can_tell_is_left_to_the_caller() -> None:
    beyond = Prefix("a", LONG)
    assert tokens.split(And((beyond, Exists("b")))) == (Exists("b"), beyond)
    assert tokens.split(Compare("a", "<", LONG)) == (None, Compare("a", "<", LONG))
    deep: Filter = Exists("a")
    for _ in range(30):
        deep = Not(deep)
    assert tokens.split(deep) == (None, deep)
    many = And(tuple(Prefix("a", str(i)) for i in range(1_000)))
    assert tokens.split(many) == (None, many)
    assert tokens.split(None) == (None, None)


def test_thousands_of_values_or_properties_are_a_clause_or_two() -> None:
    for where in (
        Or(tuple(Compare(f"p{i}", "=", i) for i in range(3_000))), In("p", tuple(range(120_000))),
        Or((Exists("a"), Prefix("b", "x"))),
    ):  # fmt: skip
        assert tokens.split(where) == (where, None)
        counted = [0]
        matcher(tokens.query(where), counted)
        assert counted[0] <= 3
    counted = [0]
    matcher(tokens.among(Among(np.arange(120_000)), "id"), counted)
    assert counted[0] == 3
    assert passes(And(()), {})
    assert not passes(Or(()), {})


# -- documents ---------------------------------------------------------------------------------------------


def test_a_vector_is_read_as_it_was_written() -> None:
    rng = np.random.default_rng(5)
    for scale in (1e-38, 1e-3, 1, 1e30):
        row = (rng.normal(size=500) * scale).astype(np.float32)
        assert np.array_equal(np.array(json.loads(documents.vector(row)), dtype=np.float32), row)


def test_a_document_tells_what_was_put() -> None:
    batch = Batch.of([Entry("k" * 600, np.ones(3), {"a": ("x", Moment(5))}, {"content": "t", "path": "p"}, "0" * 16)])
    for text in (documents.Text(kept=True, searched=False), documents.Text(kept=False, searched=True)):
        ((_, lines),) = documents.put_lines(batch, np.ones((1, 3)), [(batch.keys[0], 0)], text)
        action, document = map(json.loads, lines.splitlines())
        assert len(action["index"]["_id"]) <= documents.MOST_ID
        assert (document["key"], document["id"], document["vec"]) == (batch.keys[0], key_id(batch.keys[0]), [1, 1, 1])
        held = documents.stored(document, values=True, metadata=True)
        assert (held.metadata, held.version, "words" in document) == (batch.metadata[0], "0" * 16, False)
        assert held.payload == ({"content": "t", "path": "p"} if text.kept else {"path": "p"})


def test_no_two_keys_have_one_id() -> None:
    keys = ["#", "#a", "a", "k" * 512, "k" * 513, "k" * 514]
    ids = {documents.document_id(key) for key in keys}
    assert len(ids) == len(keys)
    assert max(map(len, ids)) <= documents.MOST_ID
    assert documents.document_id(documents.document_id("k" * 513)) not in ids


def test_a_payload_of_other_keys_is_refused() -> None:
    with pytest.raises(VectorsRefused, match="cannot hold 'odd'"):
        documents.check(Batch.of([Entry("a", np.ones(3), {}, {"odd": 1})]))


def test_scores_are_those_of_every_backend() -> None:
    assert [near(1.0), near(0.1), near(0.0)] == pytest.approx([1, 0.25, 0])
    for value in (0.0, 0.25, 6.0, -0.5, -3.0):
        raw = 1 + value if value >= 0 else 1 / (1 - value)
        assert product(raw) == pytest.approx(value)
    assert product(0.0) == -math.inf
    here = OpenSearch(opensearch())
    assert here.score(1.5, "cosine", exact=True) == pytest.approx(0.5)
    assert here.score(0.75, "cosine", exact=False) == pytest.approx(0.5)
    assert Elasticsearch(elasticsearch()).score(1.0000001, "cosine", exact=True) == 1


# -- settings ----------------------------------------------------------------------------------------------


def opensearch(**given: Any) -> OpenSearchBackend:
    return OpenSearchBackend.model_validate({"type": "opensearch", "host": "localhost", "scheme": "http", **given})


def elasticsearch(**given: Any) -> ElasticsearchBackend:
    return ElasticsearchBackend.model_validate(
        {"type": "elasticsearch", "host": "localhost", "scheme": "http", **given}
    )


def test_a_url_says_what_the_parts_say() -> None:
    url = "opensearch+https://me%40work@a.example.org:9201,b.example.org?prefix=mine-&m=8&remote_text=true&timeout_s=9"
    parts = {"host": "a.example.org:9201,b.example.org", "scheme": "https", "user": "me@work", "prefix": "mine-",
             "m": 8, "remote_text": True, "timeout_s": 9.0}  # fmt: skip
    place = Place.named(url, {"replicas": "2"})
    assert place.settings == opensearch(**parts, replicas=2)
    assert place.where() == "OpenSearch at a.example.org:9201,b.example.org, indices mine-*"
    assert OpenSearchBackend.model_validate({"type": "opensearch", "url": url.partition("+")[2]}) == opensearch(**parts)
    here = Place.named("elasticsearch+http://127.0.0.1:9200/", {}).settings
    assert here == elasticsearch(host="127.0.0.1:9200")
    assert (here.leaves_machine(), place.settings.leaves_machine()) == (False, True)
    assert place.settings.longest_call_s == 27


@pytest.mark.parametrize(
    "rest",
    [
        "me:planted@localhost", "me:plan/ted@localhost", "me:plan?ted@localhost", "me:plan#ted@localhost",
        "me:100%planted@localhost", "me:planted@@localhost", "localhost?password=planted", "localhost?api_key=planted",
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["opensearch", "elasticsearch"])
def test_a_password_in_a_url_is_refused_and_never_told(kind: str, rest: str) -> None:
    cls = OpenSearchBackend if kind == "opensearch" else ElasticsearchBackend
    with pytest.raises(ValidationError) as caught:
        cls.from_url(f"{kind}+https://{rest}")
    assert "plan" not in caught.value.errors()[0]["msg"]
    with pytest.raises(ConfigError) as told:
        parse(f"stores:\n  notes:\n    backend: {{type: {kind}, url: 'https://{rest}'}}\n", "c.yaml")
    assert "plan" not in told.value.message + told.value.hint


@pytest.mark.parametrize(
    "given",
    [
        {"host": "db.example.org"}, {"host": "localhost,192.0.2.1"}, {"host": ""}, {"host": "a b"}, {"host": "a:0"},
        {"prefix": ""}, {"prefix": "A"}, {"prefix": "-a"}, {"prefix": "a*"}, {"user": "a:b"}, {"user": ""},
        {"candidates": 20_000}, {"m": 1}, {"password_file": "relative"}, {"url": "http://localhost"}, {"url": 3},
        {"index": "flat"}, {"replicas": -1},
    ],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(given: dict[str, Any]) -> None:
    for make in (opensearch, elasticsearch):
        with pytest.raises(ValidationError):
            make(**given)


@pytest.mark.parametrize("more", ["host=a", "type=memory", "m=8&m=9", "m=many", "timeout_s=soon", "nothing=1"])
def test_a_url_says_nothing_twice_and_nothing_unknown(more: str) -> None:
    with pytest.raises(ValidationError):
        OpenSearchBackend.from_url(f"opensearch+https://localhost?{more}")
    for url in (
        "elasticsearch+https://localhost", "opensearch+https://me@localhost/path",
        "opensearch+ftp://localhost", "opensearch://localhost",
    ):  # fmt: skip
        with pytest.raises(ValidationError, match=r"expected url as opensearch\+https://USER@HOST"):
            OpenSearchBackend.from_url(url)


def test_serverless_is_refused_by_its_name_with_the_reason() -> None:
    with pytest.raises(ValidationError, match="Serverless takes no ids of ours"):
        opensearch(host="x1.eu-central-1.aoss.amazonaws.com", scheme="https")
    opensearch(host="search-x1.eu-central-1.es.amazonaws.com", scheme="https", region="eu-central-1")


def test_two_ways_to_say_who_one_is_are_refused() -> None:
    with pytest.raises(ConfigError, match="both user and region"):
        on_opensearch.create(opensearch(user="me", region="eu-central-1"), Path())
    with pytest.raises(ConfigError, match="both user and api_key_file"):
        on_elasticsearch.create(elasticsearch(user="me", api_key_file="/k"), Path())


# -- who we are ----------------------------------------------------------------------------------------------


def test_a_secret_is_read_from_a_file_that_is_ours_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "word"
    file.write_text("planted\nmore\n")
    file.chmod(0o644)  # whatever the umask
    with pytest.raises(BackendRefused, match="can be read by others") as caught:
        secret(str(file), "password_file", "NONE")
    assert "600" in caught.value.hint
    file.chmod(0o600)
    monkeypatch.setenv("OPENSEARCH_PASSWORD", "of the environment")
    assert secret(str(file), "password_file", "OPENSEARCH_PASSWORD") == "planted"
    assert secret(None, "password_file", "OPENSEARCH_PASSWORD") == "of the environment"
    file.write_bytes(b"\xff")
    with pytest.raises(BackendRefused, match="no UTF-8"):
        secret(str(file), "password_file", "NONE")
    file.write_text("")
    with pytest.raises(BackendRefused, match="holds nothing"):
        secret(str(file), "password_file", "NONE")
    with pytest.raises(BackendRefused, match="cannot be read: No such file"):
        secret(str(tmp_path / "never"), "password_file", "NONE")


def test_a_header_is_made_once_and_again_after_it_was_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    basic = Basic("me", None, "OPENSEARCH_PASSWORD")
    with pytest.raises(BackendRefused, match="no password for user 'me'") as caught:
        basic.headers("GET", "", b"", "")
    assert "OPENSEARCH_PASSWORD" in caught.value.hint
    monkeypatch.setenv("OPENSEARCH_PASSWORD", "one")
    assert basic.headers("GET", "", b"", "") == {"Authorization": "Basic bWU6b25l"}
    monkeypatch.setenv("OPENSEARCH_PASSWORD", "two")
    assert basic.headers("GET", "", b"", "") == {"Authorization": "Basic bWU6b25l"}
    basic.forget()
    assert basic.headers("GET", "", b"", "") == {"Authorization": "Basic bWU6dHdv"}
    assert "bWU" not in repr(basic)
    assert Basic(None, None, "OPENSEARCH_PASSWORD").headers("GET", "", b"", "") == {}


def test_an_api_key_is_taken_where_there_is_no_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELASTICSEARCH_API_KEY", "a2V5")
    monkeypatch.setenv("ELASTICSEARCH_PASSWORD", "one")
    assert on_elasticsearch.credentials(elasticsearch()).headers("GET", "", b"", "") == {"Authorization": "ApiKey a2V5"}
    as_user = on_elasticsearch.credentials(elasticsearch(user="me")).headers("GET", "", b"", "")
    assert as_user == {"Authorization": "Basic bWU6b25l"}
    monkeypatch.delenv("ELASTICSEARCH_API_KEY")
    assert on_elasticsearch.credentials(elasticsearch()).headers("GET", "", b"", "") == {}


def test_requests_to_aws_are_signed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "planted")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    signed = on_opensearch.credentials(opensearch(region="eu-central-1"))
    url = "https://search-x1.eu-central-1.es.amazonaws.com:443/a/_bulk?refresh=true"
    headers = signed.headers("POST", url, b"{}\n", "application/x-ndjson")
    assert "/eu-central-1/es/aws4_request" in headers["Authorization"]
    assert "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token" in headers["Authorization"]
    assert headers["X-Amz-Security-Token"] == "token"
    assert "planted" not in repr(headers)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    signed.forget()
    with pytest.raises(BackendRefused, match="no AWS credentials are found"):
        signed.headers("GET", url, b"", "")
    with pytest.raises(BackendRefused, match="no usable AWS credentials"):
        on_opensearch.credentials(opensearch(region="x", profile="never")).headers("GET", url, b"", "")


# -- answers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "type_", "kind", "transient"),
    [
        (401, "", BackendRefused, False), (401, "security_exception", BackendRefused, False),
        (403, "", BackendRefused, False), (403, "cluster_block_exception", BackendRefused, False),
        (429, "cluster_block_exception", BackendFull, True), (429, "rejected_execution_exception", TooMuch, True),
        (429, "es_rejected_execution_exception", TooMuch, True), (413, "", TooMuch, True),
        (429, "", BackendUnavailable, True), (503, "unavailable_shards_exception", BackendUnavailable, True),
        (502, "", BackendUnavailable, True), (409, "version_conflict_engine_exception", BackendUnavailable, True),
        (404, "index_not_found_exception", UnknownCollection, False), (404, "", BackendUnavailable, True),
        (400, "index_closed_exception", BackendRefused, False), (400, "mapper_parsing_exception", Faulty, False),
        (200, "", BackendUnavailable, True), (406, "media_type_header_exception", BackendRefused, False),
    ],
)  # fmt: skip
def test_an_answer_says_whether_to_try_again(status: int, type_: str, kind: type, transient: bool) -> None:
    cause = {"type": type_, "reason": "planted"}
    for error in ({"root_cause": [cause], **cause}, cause, "planted" if not type_ else cause):
        ours = from_answer(status, error, "OpenSearch", "there", "sss")
        assert (isinstance(ours, kind), ours.transient) == (True, transient)
        assert "planted" not in ours.message + ours.hint


def test_a_type_that_is_none_is_not_told() -> None:
    ours = from_answer(400, {"type": "planted text of a note"}, "OpenSearch", "there", None)
    assert "planted" not in ours.message


def test_a_version_is_found_in_what_servers_say() -> None:
    assert layout.version({"version": {"number": "2.19.1", "distribution": "opensearch"}}) == (2, 19, 1)
    assert layout.version({"nodes": {"x": {"version": "9.2.0-SNAPSHOT"}}}) == (9, 2, 0)
    for said in ({}, {"version": 3}, None, {"nodes": {}}, {"nodes": {"x": 3}}):
        assert layout.version(said) is None
    dialect = Elasticsearch(elasticsearch())
    assert dialect.index_settings((8, 17, 0)) == dialect.index_settings(()) == {}
    assert dialect.index_settings((9, 2, 0)) == {"mapping": {"exclude_source_vectors": False}}


@pytest.mark.parametrize("index", ["auto", "exact"])
@pytest.mark.parametrize("make", [opensearch, elasticsearch])
def test_another_mapping_is_not_taken_for_ours(make: Any, index: str) -> None:
    settings = make(index=index)
    dialect: layout.Dialect = OpenSearch(settings) if make is opensearch else Elasticsearch(settings)
    asked = layout.CollectionInfo("sss", 8, "euclidean", None, "s" * 32, "model")
    made = layout.creation(settings, dialect, asked, ())
    described = json.loads(json.dumps({"vragd-sss": made | {"settings": {"index": {"uuid": "u"}}}}))

    def read() -> layout.Shape:
        return layout.shape(settings, dialect, "sss", described)

    found = read()
    assert (found.aliased, found.kind, found.info.space) == (True, "exact" if index == "exact" else "hnsw", "s" * 32)
    mappings = described["vragd-sss"]["mappings"]
    for field, value in (
        ("vec", {"type": "float"}), ("tok", {"type": "text"}), ("key", {}), ("properties", {"type": "object"}),
        ("vec", mappings["properties"]["vec"] | {"dims": 9, "dimension": 9}),
        ("vec", mappings["properties"]["vec"] | {"index_options": {"type": "int8_hnsw"}, "mode": "on_disk"}),
    ):  # fmt: skip
        was, mappings["properties"][field] = mappings["properties"][field], value
        with pytest.raises(CollectionMismatch, match=f"its field '{field}' was changed") as caught:
            read()
        assert caught.value.what == "owner"
        mappings["properties"][field] = was
    described["vragd-sss"]["aliases"] = {}
    with pytest.raises(UnknownCollection, match="has lost its alias"):
        layout.check_alias(read())
    mappings["_meta"]["vragd"]["format"] = 99
    with pytest.raises(BackendRefused, match="another version of vragd"):
        read()
    for meta in ({}, {"vragd": {**mappings["_meta"]["vragd"], "name": "other"}}, {"vragd": 3}):
        mappings["_meta"] = meta
        with pytest.raises(CollectionMismatch, match="was not made by vragd"):
            read()
