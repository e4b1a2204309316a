"""The settings of a re-ranker: a model at a url or in a folder that reads a question and its best passages together."""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from vragd.terms.fields import Integer, PathText, Seconds, Settings
from vragd.terms.hosts import elsewhere, stays_private


class RerankSettings(Settings):
    """
    Who is asked, with what, and how much it counts: a `url`, or a cross-encoder in the folder `path`, run here.

    `speaks`: `texts` is what text-embeddings-inference takes at `/rerank`, `documents` what Cohere, Jina, llama.cpp and
    others do. `weight` is its share in the order of the first `top` hits.
    """

    url: str = ""
    path: PathText | None = None
    weights: str | None = None
    speaks: Literal["documents", "texts"] = "documents"
    model: str = ""
    allow_remote: bool = False
    key_file: PathText | None = None
    top: Integer = Field(default=20, ge=2, le=100)
    weight: float = Field(default=0.5, gt=0.0, le=1.0)
    timeout_s: Seconds = 0.5

    @field_validator("url")
    @classmethod
    def _is_http(cls, value: str) -> str:
        if not re.match(r"^https?://[^@/\s?#]+(/[^@\s?#]*)?$", value):
            raise ValueError("expected something like http://127.0.0.1:8080/v1/rerank")
        import httpx  # who has no re-ranker has no need of it

        try:
            _ = urlsplit(value).port
            httpx.URL(value).host.encode("idna")  # as it is done where a connection is made
        except (ValueError, httpx.InvalidURL):  # whose words quote it
            raise ValueError("it is no url: see its host and its port") from None
        return value

    @model_validator(mode="after")
    def _is_agreed_to(self) -> RerankSettings:
        if bool(self.url) == (self.path is not None):
            raise ValueError("rerank: needs one of url and path: who reads the passages")
        if self.path is not None and (self.model or self.key_file or self.allow_remote):
            raise ValueError("model, key_file and allow_remote are of a url, and not of a path")
        if self.path is None and self.weights is not None:
            raise ValueError("weights names a file in the folder path")
        if elsewhere(self.url) and not self.allow_remote:
            raise ValueError("rerank.url is not on this machine, and would get passages: allow_remote: true, if meant")
        if self.key_file and not stays_private(self.url):
            raise ValueError("a key would be sent so that others can read it: the url must begin with https")
        return self

    @property
    def who(self) -> str:
        """Its url, or its folder."""
        return self.url or f"the model in {self.path}"

    @property
    def sends_to(self) -> str:
        """The host that questions and passages go to; "" where that is this machine."""
        return elsewhere(self.url)
