"""The settings of Qdrant. Loads no client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from vragd.backends.http.settings import HttpSettings
from vragd.terms.fields import Integer, PathText


class QdrantBackend(HttpSettings):
    """Collections of a Qdrant 1.16 or newer. An API key is looked for in `api_key_file` and in the environment."""

    type: Literal["qdrant"]
    api_key_file: PathText | None = None
    prefix: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=40)] = "vragd-"
    index: Literal["auto", "exact", "hnsw"] = "auto"
    m: Annotated[Integer, Field(ge=2, le=512)] = 16
    ef_construction: Annotated[Integer, Field(ge=4, le=3_200)] = 100
    ef_search: Annotated[Integer, Field(ge=10, le=10_000)] = 200

    title: ClassVar[str] = "Qdrant"
    ports: ClassVar[Mapping[str, int]] = {"https": 6333, "http": 6333}
    shown: ClassVar[str] = "key"
    looked_for_in: ClassVar[str] = "QDRANT_API_KEY or api_key_file"
    key_variable: ClassVar[str] = "QDRANT_API_KEY"

    def where(self) -> str:
        return f"{self.title} at {self.host}, collections {self.prefix}*"


Settings = QdrantBackend
