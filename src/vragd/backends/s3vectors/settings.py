"""The settings of S3 Vectors. Loads nothing of AWS."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import AfterValidator, Field, field_validator

from vragd.backends.settings import BackendSettings
from vragd.terms.fields import Seconds
from vragd.terms.metric import Metric

BUCKET_NAME = r"^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$"  # AWS's rule, which has no dots here
ENDPOINT = re.compile(
    r"(https://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])|(?P<here>http://(localhost|127\.\d+\.\d+\.\d+|\[::1\])))"
    r"(:(?P<port>[0-9]{1,5}))?/?"
)


def _bucket_name(name: str) -> str:
    if not re.fullmatch(BUCKET_NAME, name):
        told = "" if "@" in name else f" {name!r}"  # with that it is a URL of something, which may hold a password
        raise ValueError(
            f"bucket name{told} is not 3 to 63 characters of a-z, 0-9 and '-', beginning and ending with a-z or 0-9"
        )
    return name


class S3VectorsBackend(BackendSettings):
    """An index of a bucket of Amazon S3 Vectors. Credentials come from AWS's own chain, never from here."""

    type: Literal["s3vectors"]
    bucket: Annotated[str, AfterValidator(_bucket_name), Field(json_schema_extra={"pattern": BUCKET_NAME})]
    region: str | None = Field(default=None, min_length=1)
    profile: str | None = Field(default=None, min_length=1)
    endpoint_url: str | None = None
    remote_text: bool = False
    timeout_s: Seconds = 10.0
    query_timeout_s: Seconds = 3.0

    metrics: ClassVar[frozenset[Metric]] = frozenset({"cosine", "euclidean"})
    shared: ClassVar[bool] = True
    caches: ClassVar[tuple[str, ...]] = (".aws/sso/cache", ".aws/cli/cache")  # where botocore keeps tokens it renews

    @field_validator("endpoint_url")
    @classmethod
    def _is_safe(cls, value: str | None) -> str | None:
        if value is None or ((url := ENDPOINT.fullmatch(value)) and 0 < int(url["port"] or 443) < 65_536):
            return value
        raise ValueError("expected https://HOST[:PORT], or http:// of this machine: vectors never leave it unencrypted")

    @classmethod
    def from_url(cls, url: str) -> Self:
        """`s3vectors://BUCKET?region=…&profile=…&endpoint_url=…`"""
        parts = urlsplit(url)
        given = dict(parse_qsl(parts.query, keep_blank_values=True))
        return cls.model_validate({"type": parts.scheme, "bucket": unquote(parts.netloc + parts.path), **given})

    def where(self) -> str:
        return f"bucket {self.bucket}"

    def leaves_machine(self) -> bool:
        url = ENDPOINT.fullmatch(self.endpoint_url or "")
        return url is None or url["here"] is None

    @property
    def longest_call_s(self) -> float:
        return self.timeout_s


Settings = S3VectorsBackend
