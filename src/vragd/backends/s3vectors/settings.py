"""The settings of S3 Vectors. Loads nothing of AWS."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, Field

from vragd.backends.aws.settings import AwsSettings, bucket_name
from vragd.terms.metric import Metric

BUCKET_NAME = r"^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$"  # AWS's rule, which has no dots here


def _bucket_name(name: str) -> str:
    return bucket_name(name, BUCKET_NAME, "a-z, 0-9 and '-'")


class S3VectorsBackend(AwsSettings):
    """An index of a bucket of Amazon S3 Vectors. Credentials come from AWS's own chain, never from here."""

    type: Literal["s3vectors"]
    bucket: Annotated[str, AfterValidator(_bucket_name), Field(json_schema_extra={"pattern": BUCKET_NAME})]

    metrics: ClassVar[frozenset[Metric]] = frozenset({"cosine", "euclidean"})

    @classmethod
    def from_url(cls, url: str) -> Self:
        """`s3vectors://BUCKET?region=…&profile=…&endpoint_url=…`"""
        parts = urlsplit(url)
        place = {"type": parts.scheme, "bucket": unquote(parts.netloc + parts.path)}
        return cls.model_validate({**place, **cls.keys_of(parts.query, place.keys())})

    def where(self) -> str:
        return f"bucket {self.bucket}"


Settings = S3VectorsBackend
