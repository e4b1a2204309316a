"""The settings of OpenSearch. Loads no client."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from vragd.backends.aws.settings import CACHES
from vragd.backends.lucene.settings import LuceneSettings


class OpenSearchBackend(LuceneSettings):
    """
    Indices of an OpenSearch with its plugin k-NN.

    `region` of AWS: requests are signed (SigV4) with the credentials that AWS's own tools find.
    """

    type: Literal["opensearch"]
    engine: Literal["lucene", "faiss"] = "lucene"
    region: Annotated[str, Field(pattern="^[a-z0-9-]+$")] | None = None
    profile: Annotated[str, Field(min_length=1)] | None = None

    title: ClassVar[str] = "OpenSearch"
    word_from: ClassVar[str] = "OPENSEARCH_PASSWORD"
    caches: ClassVar[tuple[str, ...]] = CACHES

    @model_validator(mode="after")
    def _can_be_reached(self) -> Self:
        if any(name.rstrip(".").lower().endswith(".aoss.amazonaws.com") for name, _ in self.hosts()):
            raise ValueError(
                "expected a domain: Serverless takes no ids of ours, so a note saved twice would be found twice"
            )
        return self


Settings = OpenSearchBackend
