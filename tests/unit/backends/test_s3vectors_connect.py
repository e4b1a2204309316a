"""Where a client of S3 Vectors leads, and what its errors mean."""

from __future__ import annotations

import inspect
import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from botocore.credentials import ProcessProvider
from botocore.exceptions import ClientError, CredentialRetrievalError, LoginRefreshRequired
from botocore.utils import get_login_token_cache_directory

from tests.backends import put
from tests.fakes.s3vectors import CREDENTIALS, FakeS3Vectors
from tests.harness import until
from vragd.backends.aws import connect
from vragd.backends.aws.errors import BadCredentials, Unreachable, from_library
from vragd.backends.aws.process import Bounded
from vragd.backends.base import Entry
from vragd.backends.opensearch.settings import OpenSearchBackend
from vragd.backends.s3vectors.backend import S3VectorsBackend as Backend
from vragd.backends.s3vectors.errors import TITLE, Invalid, from_answer
from vragd.backends.s3vectors.settings import S3VectorsBackend
from vragd.errors import BackendRefused, BackendUnavailable, UnknownCollection, VragdError


@pytest.fixture(autouse=True)
def own_aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """AWS's own files, empty."""
    for name, value in {
        **CREDENTIALS,
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "c"),
    }.items():
        monkeypatch.setenv(name, value)
    for name in (
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_S3VECTORS",
        "AWS_PROFILE",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    ):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "config"


def settings(**more: object) -> S3VectorsBackend:
    return S3VectorsBackend.model_validate({"type": "s3vectors", "bucket": "buck", "region": "us-east-1", **more})


def make_client(settings: S3VectorsBackend, *, for_query: bool) -> Any:
    return connect.make_client("s3vectors", TITLE, settings, for_query=for_query)


REMOTE = "http://vectors.example.org:9000"


def test_a_program_that_gives_credentials_and_never_ends_is_ended_and_no_question_waits_for_it(
    own_aws: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    program, pid = tmp_path / "program", tmp_path / "pid"
    program.write_text(f"#!/bin/sh\necho $$ >{pid}\nexec sleep 600\n")
    program.chmod(0o700)
    own_aws.write_text(f"[default]\ncredential_process = {program}\n")
    backend = Backend(settings(endpoint_url="http://127.0.0.1:9", query_timeout_s=0.5))
    for _ in range(3):
        with pytest.raises(Unreachable, match="within 1 s"):
            backend.query("notes", np.ones(4, np.float32), 5)
    until(lambda: pid.exists() and pid.read_text().endswith("\n"), "the program to say which it is")
    os.kill(int(pid.read_text()), signal.SIGKILL)  # it runs still
    assert inspect.signature(ProcessProvider).parameters["popen"].default is Bounded, "all that botocore begins"
    with Bounded([str(program)], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as begun:
        with pytest.raises(CredentialRetrievalError, match="did not end"):
            begun.communicate(timeout=0.5)
        assert begun.returncode == -signal.SIGKILL


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3VECTORS"])
@pytest.mark.parametrize("for_query", [False, True])
def test_an_endpoint_of_the_environment_is_held_to_what_the_setting_is(
    variable: str, for_query: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, REMOTE)
    with pytest.raises(BackendRefused, match=r"vectors\.example\.org.*unencrypted"):
        make_client(settings(), for_query=for_query)
    monkeypatch.setenv(variable, "https://vectors.example.org")
    assert make_client(settings(), for_query=for_query).meta.endpoint_url == "https://vectors.example.org"


@pytest.mark.parametrize(
    "text",
    [
        f"[default]\nendpoint_url = {REMOTE}\n",
        f"[default]\nservices = mine\n[services mine]\ns3vectors =\n  endpoint_url = {REMOTE}\n",
    ],
)
def test_so_is_one_of_awss_own_files(text: str, own_aws: Path) -> None:
    own_aws.write_text(text)
    with pytest.raises(BackendRefused, match="unencrypted"):
        make_client(settings(), for_query=False)
    backend = Backend(settings())
    with pytest.raises(BackendRefused, match="unencrypted"):
        backend.list_collections()


def test_so_is_one_of_a_profile(own_aws: Path) -> None:
    own_aws.write_text(f"[profile work]\nendpoint_url = {REMOTE}\nregion = us-east-1\n")
    with pytest.raises(BackendRefused, match="unencrypted"):
        make_client(settings(profile="work"), for_query=False)
    assert make_client(settings(), for_query=False)


def test_the_setting_goes_before_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", REMOTE)
    assert (
        make_client(settings(endpoint_url="https://here.example"), for_query=False).meta.endpoint_url
        == "https://here.example"
    )


@pytest.mark.slow
def test_without_any_credentials_a_service_of_the_cloud_that_never_answers_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a laptop nobody is at the address where a machine of AWS is told who it is."""
    for name in CREDENTIALS.keys() - {"AWS_DEFAULT_REGION"}:
        monkeypatch.delenv(name)
    with socket.create_server(("127.0.0.1", 0)) as silent, FakeS3Vectors() as fake:
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}/")
        backend = Backend(settings(endpoint_url=fake.url))
        began = time.monotonic()
        with pytest.raises(BadCredentials) as caught:
            backend.list_collections()
        assert time.monotonic() - began < 10
        assert "aws configure" in caught.value.hint
        backend.close()


def test_who_is_logged_in_by_the_browser_and_no_more_is_told_as_credentials(
    own_aws: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(own_aws.parent))  # below which what `aws login` gave is kept
    own_aws.write_text("[default]\nlogin_session = arn:aws:iam::123456789012:user/ann\n")
    with pytest.raises(BadCredentials) as caught:
        Backend(settings(endpoint_url="http://127.0.0.1:9")).list_collections()
    assert "aws login" in caught.value.hint or "botocore[crt]" in caught.value.hint
    expired = from_library(LoginRefreshRequired(), "us-east-1", None, TITLE)
    assert isinstance(expired, BadCredentials)
    assert "'aws login'" in expired.message


def test_a_password_in_an_endpoint_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://user:hunter2@vectors.example.org")
    with pytest.raises(BackendRefused) as caught:
        make_client(settings(), for_query=False)
    assert "hunter2" not in caught.value.message


@pytest.mark.parametrize("by", ["setting", "environment"])
def test_this_machine_is_asked_through_no_proxy(by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with FakeS3Vectors() as fake:
        if by == "environment":
            monkeypatch.setenv("AWS_ENDPOINT_URL", fake.url)
        backend = Backend(settings(endpoint_url=fake.url) if by == "setting" else settings())
        backend.create_collection("notes", 4, "cosine", space="s", model="m")
        assert backend.list_collections() == ["notes"]
        backend.close()


@pytest.mark.parametrize(
    ("status", "code"),
    [(403, "403"), (407, "407"), (400, "ThrottlingException"), (400, "400"), (403, "AccessDenied")],
)
def test_a_stray_refusal_cuts_no_metadata(status: int, code: str) -> None:
    with FakeS3Vectors() as fake:
        backend = Backend(settings(endpoint_url=fake.url))
        backend.create_collection("notes", 4, "cosine", space="s", model="m")
        vectors = [
            Entry(
                f"k{i}", np.array([1.0, i, 0, 0], np.float32), {"source": "s", "folder": ("A",)}, {"path": f"A/{i}.md"}
            )
            for i in range(8)
        ]
        fake.fail(status, code, times=1000, operations={"PutVectors"})
        fake.forget_calls()
        with pytest.raises((BackendUnavailable, BackendRefused)):
            put(backend, "notes", vectors)
        assert fake.calls["PutVectors"] <= 3, "it is not halved"
        fake._faults.clear()
        put(backend, "notes", vectors)
        assert all(
            json.loads(kept["payload"])["path"] == f"A/{key[1:]}.md"
            for key, kept in fake.metadata("buck", "notes").items()
        )
        backend.close()


TABLE: list[tuple[str, int, str, type[VragdError], str]] = [
    ("ValidationException", 400, "metadata too large", Invalid, "refuses"),
    ("ThrottlingException", 400, "Rate exceeded", BackendUnavailable, "busy"),
    ("TooManyRequestsException", 429, "", BackendUnavailable, "busy"),
    ("SlowDown", 503, "reduce", BackendUnavailable, "busy"),
    ("RequestTimeoutException", 400, "", BackendUnavailable, "busy"),
    ("403", 403, "Forbidden", BackendUnavailable, "something between"),
    ("407", 407, "Proxy Authentication Required", BackendUnavailable, "something between"),
    ("302", 302, "captive portal", BackendUnavailable, "something between"),
    ("400", 400, "Bad request", BackendUnavailable, "something between"),
    ("", 404, "", BackendUnavailable, "something between"),
    ("AccessDenied", 403, "Access Denied", BackendRefused, "denies"),
    ("AccessDeniedException", 403, "no", BackendRefused, "denies"),
    (
        "InvalidSignatureException",
        403,
        "Signature expired: 20261126T140000Z is now earlier than",
        BackendUnavailable,
        "clock",
    ),
    ("InvalidSignatureException", 403, "Signature not yet current: 2026", BackendUnavailable, "clock"),
    (
        "RequestTimeTooSkewed",
        403,
        "The difference between the request time and the current time is too large.",
        BackendUnavailable,
        "clock",
    ),
    ("RequestExpired", 400, "Request has expired.", BackendUnavailable, "clock"),
    ("SignatureDoesNotMatch", 403, "The request signature we calculated does not match", BadCredentials, "credentials"),
    (
        "ExpiredTokenException",
        403,
        "The security token included in the request is expired",
        BadCredentials,
        "credentials",
    ),
    ("UnrecognizedClientException", 403, "The security token is invalid.", BadCredentials, "credentials"),
    ("OptInRequired", 403, "The AWS Access Key Id needs a subscription", BackendRefused, "OptInRequired"),
    ("UnknownOperationException", 404, "", BackendRefused, "refuses"),
    ("NotFoundException", 404, "", UnknownCollection, "has no index"),
    ("ServiceQuotaExceededException", 402, "too many", BackendRefused, "quota"),
    ("KmsInvalidStateException", 400, "pending deletion", BackendRefused, "key"),
    ("InternalServerException", 500, "", BackendUnavailable, "busy"),
]


@pytest.mark.parametrize(("code", "status", "said", "wanted", "words"), TABLE)
def test_an_error_is_what_the_user_must_do(
    code: str, status: int, said: str, wanted: type[VragdError], words: str
) -> None:
    raw = {"Error": {"Code": code, "Message": said}, "ResponseMetadata": {"HTTPStatusCode": status}}
    error = from_answer(ClientError(raw, "PutVectors"), "PutVectors", "buck", "notes")  # type: ignore[arg-type]
    assert type(error) is wanted
    assert words in error.message
    assert not isinstance(error, Invalid) or code == "ValidationException"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("Filterable metadata must have at most 2048 bytes", "at most 2048 bytes"),
        ("Invalid record for key 'k0' of path what Anna said of Bob.md", "quotes a note"),
        ("Invalid record {'content': 'I would never have thought...", "quotes a note"),
        (
            "headers were {'X-Amz-Security-Token': 'FwoGZXIvYXdzEPlanted+/==', 'Host': 'h'}",
            "Security-Token': '...', 'Host'",
        ),
        ("GET /?X-Amz-Security-Token=FwoGZXIvYXdzEPlanted%2B&a=b", "Security-Token=...&a=b"),
    ],
)
def test_what_aws_says_is_told_without_what_it_quotes(said: str, told: str) -> None:
    note = {"path": "what Anna said of Bob.md", "content": "I would never have thought that of him.", "line_from": 3}
    raw = {"Error": {"Code": "ValidationException", "Message": said}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    sent = [{"key": "k0", "metadata": note}]
    error = from_answer(ClientError(raw, "PutVectors"), "PutVectors", "buck", "notes", sent)  # type: ignore[arg-type]
    assert told in error.message
    assert not any(word in error.message for word in ("Anna", "never", "Planted"))


def test_where_botocore_keeps_what_aws_login_gave_is_writable_for_the_service() -> None:
    cache = Path(get_login_token_cache_directory()).relative_to(Path.home())
    assert str(cache) in S3VectorsBackend.caches
    assert str(cache) in OpenSearchBackend.caches
