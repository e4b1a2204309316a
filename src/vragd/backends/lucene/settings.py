"""What the settings of engines on top of Lucene have in common. Loads no client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from vragd.backends.http.settings import HttpSettings
from vragd.terms.fields import Integer, PathText


def _user(text: str) -> str:
    if ":" in text or not text.isprintable():
        raise ValueError("expected a user's name, which has no colon")
    return text


class LuceneSettings(HttpSettings):
    """Indices of a server or a cluster. A password is looked for in `password_file` and in the environment."""

    user: Annotated[str, Field(min_length=1), AfterValidator(_user)] | None = None
    password_file: PathText | None = None
    prefix: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=40)] = "vragd-"
    index: Literal["auto", "exact", "hnsw"] = "auto"
    m: Annotated[Integer, Field(ge=2, le=512)] = 16
    ef_construction: Annotated[Integer, Field(ge=4, le=3_200)] = 100
    candidates: Annotated[Integer, Field(ge=10, le=10_000)] = 200
    replicas: Annotated[Integer, Field(ge=0, le=20)] | None = None

    ports: ClassVar[Mapping[str, int]] = {"https": 443, "http": 9200}
    shown: ClassVar[str] = "password"
    looked_for_in: ClassVar[str] = "the environment or password_file"
    word_from: ClassVar[str] = ""
    """The variable of the environment that a password is looked for in."""

    def where(self) -> str:
        return f"{self.title} at {self.host}, indices {self.prefix}*"
