"""The settings of a bucket of ordinary objects. Loads nothing of AWS."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, Field

from vragd.backends.aws.settings import AwsSettings, bucket_name

BUCKET_NAME = r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"
_PREFIX_BYTES = 512  # of the 1,024 of a key


def _bucket_name(name: str) -> str:
    return bucket_name(name, BUCKET_NAME, "a-z, 0-9, '.' and '-'")


def _prefix(text: str) -> str:
    prefix = text.strip("/")
    parts = prefix.split("/") if prefix else []
    if any(part in ("", ".", "..") for part in parts) or not prefix.isprintable():
        raise ValueError("expected names with / between them")
    if len(prefix.encode("utf-8", "replace")) > _PREFIX_BYTES:
        raise ValueError(f"expected at most {_PREFIX_BYTES} bytes")
    return prefix


class S3Backend(AwsSettings):
    """Objects of a bucket that is there, below a prefix, at AWS or at any service that speaks like it."""

    type: Literal["s3"]
    bucket: Annotated[str, AfterValidator(_bucket_name), Field(json_schema_extra={"pattern": BUCKET_NAME})]
    prefix: Annotated[str, AfterValidator(_prefix)] = ""
    addressing: Literal["auto", "path", "virtual"] = "auto"

    suits: ClassVar[int | None] = 10_000
    beyond: ClassVar[str] = "s3vectors or pgvector"

    @classmethod
    def from_url(cls, url: str) -> Self:
        """`s3://BUCKET/PREFIX?region=…&endpoint_url=…`, and any other setting by its key."""
        parts = urlsplit(url)
        place = {"type": parts.scheme, "bucket": unquote(parts.netloc), "prefix": unquote(parts.path)}
        return cls.model_validate({**place, **cls.keys_of(parts.query, place.keys())})

    def where(self) -> str:
        return f"s3://{self.bucket}" + (f"/{self.prefix}" if self.prefix else "")


Settings = S3Backend
