"""The S3 Vectors backend against the emulator: limits, errors, retries. Its contract is in tests/conformance."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest

from tests.backends import keys, nearest, put, values
from tests.fakes import s3vectors_rules
from tests.fakes.s3vectors import FakeS3Vectors
from vragd.backends import budget
from vragd.backends.aws.errors import PAUSE_S
from vragd.backends.base import Entry
from vragd.backends.s3vectors import backend as s3vectors
from vragd.backends.s3vectors import wire
from vragd.backends.s3vectors.backend import S3VectorsBackend
from vragd.backends.s3vectors.settings import S3VectorsBackend as Settings
from vragd.errors import (
    BackendRefused,
    BackendUnavailable,
    StoreMismatch,
    UnknownCollection,
    VectorsRefused,
    VragdError,
)
from vragd.terms.filter import every, one_of

DIM = 8


def backend(
    s3: FakeS3Vectors, *, clock: Callable[[], float] = time.monotonic, **settings: Any
) -> S3VectorsBackend:  # fmt: skip
    given = {"type": "s3vectors", "bucket": "bbb", "endpoint_url": s3.url, **settings}
    return S3VectorsBackend(Settings.model_validate(given), clock)


def opened(s3: FakeS3Vectors, **settings: Any) -> S3VectorsBackend:
    it = backend(s3, **settings)
    it.create_collection("sss", DIM, "cosine")
    return it


def vectors(n: int, dim: int = DIM) -> list[Entry]:
    rows = np.random.default_rng(3).normal(size=(n, dim)).astype(np.float32)
    return [Entry(f"k{i}", row) for i, row in enumerate(rows)]


def error_of(call: Any) -> VragdError:
    with pytest.raises(VragdError) as caught:
        call()
    return caught.value


def test_creating_costs_one_call_when_the_index_is_there(s3: FakeS3Vectors) -> None:
    opened(s3)
    assert s3.calls == {"GetIndex": 2, "CreateIndex": 2, "CreateVectorBucket": 1}
    s3.forget_calls()
    opened(s3)
    assert s3.calls == {"GetIndex": 1}


def test_content_is_declared_not_filterable_and_kept_only_when_asked(s3: FakeS3Vectors) -> None:
    vector = Entry("a", np.ones(DIM, dtype=np.float32), {"source": "s"}, {"content": "c" * 5_000, "path": "n.md"})
    put(opened(s3), "sss", [vector])
    assert s3.metadata("bbb", "sss")["a"] == {"source": "s", "payload": '{"path":"n.md"}'}
    put(opened(s3, remote_text=True), "sss", [vector])
    assert json.loads(s3.metadata("bbb", "sss")["a"]["payload"])["content"] == "c" * 5_000
    assert s3.violations == []


def test_requests_stay_within_bytes(s3: FakeS3Vectors) -> None:
    assert wire.BODY_BYTES < s3vectors_rules.BODY == 20 * 1024 * 1024
    it = backend(s3)
    it.create_collection("wide", 4_096, "cosine")
    s3.forget_calls()
    put(it, "wide", vectors(450, 4_096))
    assert s3.calls["PutVectors"] == 2
    assert s3.violations == []


def test_requests_stay_within_counts(s3: FakeS3Vectors) -> None:
    it = opened(s3)
    s3.forget_calls()
    put(it, "sss", vectors(1_201))
    values(it, "sss", [f"k{i}" for i in range(1_201)])
    assert len(keys(it, "sss")) == 1_201
    it.delete_vectors("sss", [f"k{i}" for i in range(1_201)])
    assert s3.calls == {"PutVectors": 3, "GetVectors": 13, "ListVectors": 2, "DeleteVectors": 3}
    assert s3.violations == []


def test_every_bit_of_a_float_arrives(s3: FakeS3Vectors) -> None:
    it = backend(s3)
    it.create_collection("eee", DIM, "euclidean")
    rows = {v.key: v.values for v in vectors(200)}
    put(it, "eee", vectors(200))
    stored = s3.moto.get_index("bbb", "eee", "").vectors
    for key, row in rows.items():
        assert np.array_equal(np.array(stored[key].data["float32"], dtype=np.float32), row)


@pytest.mark.parametrize(
    ("status", "code", "kind", "says"),
    [
        (429, "TooManyRequestsException", BackendUnavailable, "busy"),
        (503, "ServiceUnavailableException", BackendUnavailable, "busy"),
        (408, "RequestTimeoutException", BackendUnavailable, "busy"),
        (500, "InternalServerException", BackendUnavailable, "busy"),
        (403, "AccessDeniedException", BackendRefused, "s3vectors:PutVectors"),
        (403, "ExpiredTokenException", BackendRefused, "renew"),
        (403, "UnrecognizedClientException", BackendRefused, "renew"),
        (400, "KmsDisabledException", BackendRefused, "KMS"),
        (402, "ServiceQuotaExceededException", BackendRefused, "quota"),
        (400, "ValidationException", StoreMismatch, "PutVectors"),
        (404, "NotFoundException", UnknownCollection, "bucket"),
    ],
)
def test_an_error_says_what_to_do(
    s3: FakeS3Vectors, status: int, code: str, kind: type[VragdError], says: str
) -> None:  # fmt: skip
    it = opened(s3)
    s3.fail(status, code, times=9, operations=["PutVectors"])
    error = error_of(lambda: put(it, "sss", vectors(1)))
    assert isinstance(error, kind)
    assert isinstance(error, BackendRefused) == (kind is BackendRefused)
    assert says in error.message + error.hint
    assert error.code in ("backend_unavailable", "backend_refused", "store_mismatch", "unknown_collection")


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (403, "403", ""),
        (403, "ValidationException", "a proxy's idea of AWS"),
        (407, "407", ""),
        (400, "400", ""),
        (400, "ThrottlingException", ""),
        (400, "ValidationException", "Rate exceeded"),
        (400, "ValidationException", "Too many requests, please slow down"),
        (403, "RequestTimeTooSkewed", ""),
        (403, "AccessDenied", ""),
    ],
)
def test_what_is_no_fault_of_a_vector_cuts_nothing_and_refuses_nothing(
    s3: FakeS3Vectors, status: int, code: str, message: str
) -> None:
    it = opened(s3)
    entries = [Entry(v.key, v.values, {"source": "s"}, {"path": f"{v.key}.md"}, "f" * 16) for v in vectors(3)]
    s3.fail(status, code, times=99, operations=["PutVectors"], message=message)
    s3.forget_calls()
    error = error_of(lambda: put(it, "sss", entries))
    assert isinstance(error, BackendUnavailable)
    assert s3.calls["PutVectors"] <= 4, "no vector is looked for"
    s3.fail_no_more()
    put(it, "sss", entries)
    assert all("path" in data["payload"] and data["version"] for data in s3.metadata("bbb", "sss").values())


@pytest.mark.parametrize("n", [1, 2, 3])
def test_one_stray_refusal_cuts_nothing(s3: FakeS3Vectors, n: int) -> None:
    it = opened(s3)
    entries = [Entry(v.key, v.values, {"source": "s"}, {"path": f"{v.key}.md"}, "f" * 16) for v in vectors(n)]
    s3.fail(400, "ValidationException", operations=["PutVectors"])
    put(it, "sss", entries)
    assert all("path" in data["payload"] and data["version"] for data in s3.metadata("bbb", "sss").values())
    assert len(s3.keys("bbb", "sss")) == n


def test_all_that_is_refused_is_named_and_the_rest_is_there(s3: FakeS3Vectors) -> None:
    it = opened(s3)
    s3.poison, s3.refuses = "", lambda some, _: any(vector["key"] in ("k3", "k400", "k1200") for vector in some)
    error = error_of(lambda: put(it, "sss", vectors(1_201)))
    assert isinstance(error, VectorsRefused)
    assert (sorted(error.keys), error.part) == (["k1200", "k3", "k400"], "values")
    assert len(s3.keys("bbb", "sss")) == 1_198


def test_a_request_that_is_too_large_for_somebody_is_halved_and_nothing_is_cut(s3: FakeS3Vectors) -> None:
    it = opened(s3)
    entries = [Entry(v.key, v.values, {"source": "s"}, {"path": f"{v.key}.md"}, "f" * 16) for v in vectors(8)]
    s3.fail(413, "413", times=3, operations=["PutVectors"])
    put(it, "sss", entries)
    assert all("path" in data["payload"] and data["version"] for data in s3.metadata("bbb", "sss").values())
    assert len(s3.keys("bbb", "sss")) == 8
    s3.fail(413, "413", times=3, operations=["PutVectors"])
    error = error_of(lambda: put(it, "sss", entries[:4]))  # all four, two, and the first
    assert isinstance(error, VectorsRefused)
    assert (error.keys, "413" in error.message) == (("k0",), True)
    s3.fail(413, "413", times=99, operations=["PutVectors"])
    error = error_of(lambda: put(it, "sss", entries))
    assert isinstance(error, BackendUnavailable), "whoever lets nothing through says nothing of any note"
    s3.fail_no_more()


def test_a_filter_of_more_conditions_than_aws_takes_is_asked_in_parts(s3: FakeS3Vectors) -> None:
    it = opened(s3)
    rows = vectors(250)
    put(it, "sss", [Entry(v.key, v.values, {"source": f"s{i}", "folder": ("A",)}) for i, v in enumerate(rows)])
    question = rows[0].values
    assert question is not None
    sources = one_of("source", [f"s{i}" for i in range(240)])
    for where in (sources, every(sources, one_of("folder", ["A", "B"]))):
        found = it.query("sss", question, 20, where=where)
        everything = it.query("sss", question, 40)
        expected = [match.key for match in everything.items if int(match.key[1:]) < 240][:20]
        assert [match.key for match in found.items] == expected
        assert found.end == "more"
    wide = every(sources, one_of("folder", [f"folder {i}" for i in range(101)]))
    assert "100 conditions" in error_of(lambda: it.query("sss", question, 5, where=wide)).message
    assert s3.violations == []


def test_a_question_that_is_answered_in_pages_is_answered_whole(s3: FakeS3Vectors) -> None:
    it = opened(s3)
    put(it, "sss", vectors(200))
    whole = nearest(it, "sss", vectors(1)[0].values, 100)
    s3.query_page = 40
    assert nearest(it, "sss", vectors(1)[0].values, 100) == whole
    assert len(whole) == 100


def test_a_short_throttle_is_not_even_noticed(s3: FakeS3Vectors) -> None:
    it = opened(s3)
    s3.fail(429, "TooManyRequestsException", times=2, operations=["PutVectors"])
    put(it, "sss", vectors(1))
    assert s3.keys("bbb", "sss") == {"k0"}


def test_a_write_whose_answer_was_lost_is_repeated(s3: FakeS3Vectors) -> None:
    it = opened(s3)
    s3.apply_then_drop = 1
    put(it, "sss", vectors(3))
    s3.apply_then_drop = 1
    it.delete_vectors("sss", ["k0"])
    assert s3.keys("bbb", "sss") == {"k1", "k2"}
    assert s3.calls["PutVectors"] == s3.calls["DeleteVectors"] == 2


def test_a_query_does_not_wait_again_for_what_was_just_out_of_reach(s3: FakeS3Vectors) -> None:
    now = [100.0]
    it = opened(s3, clock=lambda: now[0])
    put(it, "sss", vectors(2))
    s3.stop()
    ask = lambda: nearest(it, "sss", vectors(1)[0].values, 5)  # noqa: E731
    assert "cannot be reached" in error_of(ask).message
    s3.start()
    s3.forget_calls()
    assert "cannot be reached" in error_of(ask).message
    assert not s3.calls, "nobody was asked"
    now[0] += PAUSE_S
    assert len(ask()) == 2


def test_renewed_credentials_are_read_from_the_file(
    s3: FakeS3Vectors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    file = tmp_path / "credentials"
    write = lambda key: file.write_text(f"[default]\naws_access_key_id={key}\naws_secret_access_key=s\n")  # noqa: E731
    write("OLDKEY")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    it = opened(s3)
    s3.only_key = "NEWKEY"
    assert isinstance(error_of(lambda: put(it, "sss", vectors(1))), BackendRefused)
    write("NEWKEY")
    put(it, "sss", vectors(1))


def test_without_credentials_or_region_the_way_out_is_named(
    s3: FakeS3Vectors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setenv("HOME", str(tmp_path))
    assert "profile" in error_of(lambda: opened(s3, profile="nosuch")).hint
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert "region:" in error_of(lambda: opened(s3)).hint
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    assert "aws configure" in error_of(lambda: opened(s3, region="us-east-1")).hint


def test_an_index_made_by_somebody_else_is_refused_and_left_alone(s3: FakeS3Vectors) -> None:
    it = opened(s3)  # without a space, as another tool would
    put(it, "sss", vectors(3))
    error = error_of(lambda: it.create_collection("sss", DIM, "cosine", space="a" * 32, model="builtin/x"))
    assert isinstance(error, StoreMismatch)
    assert "was not made by vragd" in error.message
    assert len(s3.keys("bbb", "sss")) == 3


def test_two_writers_with_different_models_at_once_leave_one_refused(s3: FakeS3Vectors) -> None:
    one, two = backend(s3), backend(s3)
    assert one.create_collection("sss", DIM, "cosine", space="1" * 32, model="builtin/one").space == "1" * 32
    s3.fail(404, "NotFoundException", operations=["GetIndex"])  # it had looked before the other created
    error = error_of(lambda: two.create_collection("sss", DIM, "cosine", space="2" * 32, model="ollama/two"))
    assert "builtin-one" in error.message


def test_writes_keep_below_the_rate_aws_grants() -> None:
    now = [100.0]
    rate = budget.Budget(
        s3vectors.REQUESTS_PER_S, s3vectors.VECTORS_PER_S,
        clock=lambda: now[0], sleep=lambda s: now.__setitem__(0, now[0] + s),
    )  # fmt: skip
    for _ in range(40):
        rate.take(500)
    assert 40 * 500 / (now[0] - 100.0) <= 2_500
    start = now[0]
    for _ in range(4_000):
        rate.take(1)
    assert 4_000 / (now[0] - start) <= 1_000


def test_settings_take_no_endpoint_that_is_neither_encrypted_nor_here() -> None:
    for url in ("http://example.org", "ftp://127.0.0.1", "http://127.0.0.1.evil.org", "https://a b"):
        with pytest.raises(ValueError, match="unencrypted"):
            Settings(type="s3vectors", bucket="bbb", endpoint_url=url)
    assert Settings(type="s3vectors", bucket="bbb", endpoint_url="http://127.0.0.1:5000").endpoint_url


def test_an_index_made_before_payloads_were_packed_goes_on_as_it_was(s3: FakeS3Vectors) -> None:
    it = backend(s3)
    it.create_collection("other", DIM, "cosine")  # which makes the bucket
    client = boto3.client("s3vectors", endpoint_url=s3.url, region_name="us-east-1")
    names = ["content", "path", "title", "heading", "line_from", "line_to", "source_name", f"vragd-space-{'a' * 32}"]
    client.create_index(
        vectorBucketName="bbb", indexName="old", dataType="float32", dimension=DIM, distanceMetric="cosine",
        metadataConfiguration={"nonFilterableMetadataKeys": names},
    )  # fmt: skip
    row = np.ones(DIM, dtype=np.float32)
    client.put_vectors(
        vectorBucketName="bbb", indexName="old",
        vectors=[{"key": "was", "data": {"float32": row.tolist()}, "metadata": {"source": "s", "path": "was.md"}}],
    )  # fmt: skip
    assert it.create_collection("old", DIM, "cosine", space="a" * 32).space == "a" * 32
    payload = {"path": "x/" * 2_000 + "n.md", "title": "N", "heading": ("A", "B"), "line_from": 3}
    put(it, "old", [Entry("new", row, {"source": "s"}, payload, "f" * 16)])
    assert "payload" not in s3.metadata("bbb", "old")["new"], "there it would be filterable, and too long"
    found = {match.key: match for match in it.query("old", row, 5, payload=True).items}
    assert found["was"].payload == {"path": "was.md"}
    assert found["new"].payload == payload
    assert dict(it.list_keys("old", versions=True)) == {"was": "", "new": "f" * 16}
    assert s3.violations == []
