"""The fake of S3 answers as moto's does, which is much larger and much slower."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.moto_server.threaded_moto_server import ThreadedMotoServer

from tests.fakes.credentials import CREDENTIALS
from tests.fakes.s3 import FakeS3


def exchanges(url: str, bucket: str = "my-bucket") -> list[Any]:
    """What a service with an empty bucket answers to all that a backend may ask: status, code, ETag, content, keys."""
    client = boto3.client(
        "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x",
        config=Config(s3={"addressing_style": "path"}, request_checksum_calculation="when_required",
                      response_checksum_validation="when_required", proxies={}),
    )  # fmt: skip
    told: list[Any] = []

    def ask(operation: str, **given: Any) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = getattr(client, operation)(Bucket=given.pop("Bucket", bucket), **given)
        except ClientError as error:
            answer = error.response
        body = answer["Body"].read() if "Body" in answer else None
        told.append((
            operation, given, answer["ResponseMetadata"]["HTTPStatusCode"], answer.get("Error", {}).get("Code"),
            answer.get("ETag"), body, [(it["Key"], it["Size"]) for it in answer.get("Contents", ())],
            [it["Prefix"] for it in answer.get("CommonPrefixes", ())], answer.get("IsTruncated"),
        ))  # fmt: skip
        return answer

    odd = "a b/ä&<+%/k"
    ask("get_object", Key="k")
    ask("get_object", Key="k", Bucket="none")
    ask("put_object", Key="k", Body=b"one", IfMatch='"0"')
    etag = ask("put_object", Key="k", Body=b"one", IfNoneMatch="*")["ETag"]
    ask("put_object", Key="k", Body=b"two", IfNoneMatch="*")
    ask("put_object", Key="k", Body=b"two", IfMatch='"0"')
    ask("get_object", Key="k", IfNoneMatch=etag)
    ask("get_object", Key="k", IfNoneMatch='"0"')
    ask("put_object", Key="k", Body=b"two", IfMatch=etag)
    ask("put_object", Key=odd, Body=b"x" * 2_000_000)
    ask("put_object", Key="a/empty", Body=b"")
    ask("get_object", Key=odd)
    for prefix in ("", "a", "a b/", "none"):
        ask("list_objects_v2", Prefix=prefix)
        ask("list_objects_v2", Prefix=prefix, Delimiter="/")
    ask("delete_object", Key="k")
    ask("delete_object", Key="k")
    ask("get_object", Key="k")
    client.close()
    return told


@contextmanager
def moto() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@pytest.mark.slow
def test_the_fake_answers_as_motos_does(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with FakeS3("my-bucket") as fake, moto() as url:
        boto3.client("s3", endpoint_url=url).create_bucket(Bucket="my-bucket")
        assert exchanges(fake.url) == exchanges(url)
